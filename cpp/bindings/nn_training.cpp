/// Room nn: what training takes besides products.
#include "bindings/arrays.hpp"
#include "bindings/rooms.hpp"

#include "common/aligned.hpp"
#include "nn/cross_entropy.hpp"
#include "nn/optimizers.hpp"

namespace fastnotes {
namespace {

using namespace pybind11::literals;

void check_targets(View1<const std::int64_t> target, index_t classes,
                   const char* where) {
    for (index_t i = 0; i < target.size; ++i) {
        if (target(i) < -1 || target(i) >= classes) {
            fail(where, "targets from -1 to " + std::to_string(classes - 1),
                 std::to_string(target(i)) + " at place " + std::to_string(i));
        }
    }
}

/// The optional array of a call, of as many values as another, or null.
template <class T>
T* optional(py::handle array, index_t size, const char* where, const char* name) {
    if (array.is_none()) return nullptr;
    const auto view = as_flat_view<T>(array, where, name);
    check_extent(view.size, size, where, name);
    return view.data;
}

template <class T>
void cross_entropy(py::handle logits, py::handle target, py::handle weight,
                   py::handle loss, py::handle gradient, int n_threads) {
    constexpr const char* where = "nn.softmax_cross_entropy";
    nn::CrossEntropy<T> call{};
    call.logits = as_view<const T, 2>(logits, where, "logits");
    call.target = as_view<const std::int64_t, 1>(target, where, "target");
    call.loss = as_view<T, 1>(loss, where, "loss");
    const index_t n = call.logits.rows;
    check_extent(call.target.size, n, where, "targets");
    check_extent(call.loss.size, n, where, "losses");
    call.weight = optional<const T>(weight, n, where, "weight");
    call.gradient = optional<T>(gradient, call.logits.size(), where, "gradient");
    if (call.gradient != call.logits.data) {
        check_apart(View2<T>{call.gradient, n, call.logits.columns}, call.logits, where,
                    "gradient");
    }
    check_threads(n_threads, where);
    const py::gil_scoped_release released;
    check_targets(call.target, call.logits.columns, where);
    nn::cross_entropy(call, n_threads);
}

/// An array of a step, of as many values as the parameter.
template <class T>
View1<T> part(py::handle array, index_t size, const char* where, const char* name) {
    const auto view = as_flat_view<T>(array, where, name);
    check_extent(view.size, size, where, name);
    return view;
}

template <class T>
void adam(py::handle parameter, py::handle gradient, py::handle mean, py::handle square,
          double learning_rate, double beta1, double beta2, double epsilon,
          double mean_scale, double square_scale, double penalty, double shrink,
          int n_threads) {
    constexpr const char* where = "nn.Adam.step";
    const auto values = as_flat_view<T>(parameter, where, "parameter");
    const nn::AdamStep<T> step{values,
                               part<const T>(gradient, values.size, where, "gradient"),
                               part<T>(mean, values.size, where, "mean"),
                               part<T>(square, values.size, where, "square"),
                               learning_rate,
                               beta1,
                               beta2,
                               epsilon,
                               mean_scale,
                               square_scale,
                               penalty,
                               shrink};
    check_threads(n_threads, where);
    const py::gil_scoped_release released;
    nn::adam_step(step, n_threads);
}

template <class T>
void sgd(py::handle parameter, py::handle gradient, py::handle velocity,
         double learning_rate, double momentum, bool nesterov, double penalty,
         double shrink, int n_threads) {
    constexpr const char* where = "nn.SGD.step";
    const auto values = as_flat_view<T>(parameter, where, "parameter");
    const nn::SGDStep<T> step{values,
                              part<const T>(gradient, values.size, where, "gradient"),
                              velocity.is_none()
                                  ? View1<T>{}
                                  : part<T>(velocity, values.size, where, "velocity"),
                              learning_rate,
                              momentum,
                              nesterov,
                              penalty,
                              shrink};
    check_threads(n_threads, where);
    const py::gil_scoped_release released;
    nn::sgd_step(step, n_threads);
}

template <class T> double squared_norm(py::handle x, int n_threads) {
    constexpr const char* where = "nn.clip_gradients";
    const auto values = as_flat_view<const T>(x, where, "gradient");
    check_threads(n_threads, where);
    const AlignedBuffer<double> partial(ceil_div(values.size, nn::norm_block));
    const py::gil_scoped_release released;
    return nn::squared_norm(values, partial.data(), n_threads);
}

} // namespace

void register_nn_training(py::module_& nn) {
    nn.def(
        "cross_entropy",
        [](const py::array& logits, py::handle target, py::handle weight,
           py::handle loss, py::handle gradient, int n_threads) {
            dispatch_real(logits, "nn.softmax_cross_entropy", "logits", [&](auto zero) {
                cross_entropy<decltype(zero)>(logits, target, weight, loss, gradient,
                                              n_threads);
            });
        },
        "logits"_a, "target"_a, "weight"_a, "loss"_a, "gradient"_a, "n_threads"_a);
    nn.def(
        "adam_step",
        [](const py::array& parameter, py::handle gradient, py::handle mean,
           py::handle square, double learning_rate, double beta1, double beta2,
           double epsilon, double mean_scale, double square_scale, double penalty,
           double shrink, int n_threads) {
            dispatch_real(parameter, "nn.Adam.step", "parameter", [&](auto zero) {
                adam<decltype(zero)>(parameter, gradient, mean, square, learning_rate,
                                     beta1, beta2, epsilon, mean_scale, square_scale,
                                     penalty, shrink, n_threads);
            });
        },
        "parameter"_a, "gradient"_a, "mean"_a, "square"_a, py::kw_only(),
        "learning_rate"_a, "beta1"_a, "beta2"_a, "epsilon"_a, "mean_scale"_a,
        "square_scale"_a, "penalty"_a, "shrink"_a, "n_threads"_a);
    nn.def(
        "sgd_step",
        [](const py::array& parameter, py::handle gradient, py::handle velocity,
           double learning_rate, double momentum, bool nesterov, double penalty,
           double shrink, int n_threads) {
            dispatch_real(parameter, "nn.SGD.step", "parameter", [&](auto zero) {
                sgd<decltype(zero)>(parameter, gradient, velocity, learning_rate,
                                    momentum, nesterov, penalty, shrink, n_threads);
            });
        },
        "parameter"_a, "gradient"_a, "velocity"_a, py::kw_only(), "learning_rate"_a,
        "momentum"_a, "nesterov"_a, "penalty"_a, "shrink"_a, "n_threads"_a);
    nn.def(
        "squared_norm",
        [](const py::array& x, int n_threads) {
            return dispatch_real(x, "nn.clip_gradients", "gradient", [&](auto zero) {
                return squared_norm<decltype(zero)>(x, n_threads);
            });
        },
        "x"_a, "n_threads"_a);
}

} // namespace fastnotes
