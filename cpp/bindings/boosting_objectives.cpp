/// Room boosting: losses, their derivatives, and leaf values that minimise them.
#include "bindings/arrays.hpp"
#include "bindings/rooms.hpp"
#include "bindings/workspace.hpp"

#include "boosting/leaf_quantiles.hpp"
#include "boosting/objectives.hpp"

#include <string>
#include <utility>

namespace fastnotes {
namespace {

using namespace pybind11::literals;
using boosting::Loss;
using std::int32_t;

constexpr const char* gradients_where = "boosting.Objective.gradients";
constexpr const char* loss_where = "boosting.Metric";
constexpr const char* renew_where = "boosting.Objective.renew_leaves";

Loss parse_loss(const std::string& name, const char* where) {
    static constexpr std::pair<const char*, Loss> names[] = {
        {"squared", Loss::squared},   {"absolute", Loss::absolute},
        {"quantile", Loss::quantile}, {"pseudo_huber", Loss::pseudo_huber},
        {"poisson", Loss::poisson},   {"gamma", Loss::gamma},
        {"tweedie", Loss::tweedie},   {"logistic", Loss::logistic},
    };
    for (const auto& [known, loss] : names) {
        if (name == known) return loss;
    }
    fail(where, "loss as the name of a pointwise loss", name);
}

View1<const float> optional_weight(const py::object& weight, index_t n_rows,
                                   const char* where) {
    if (weight.is_none()) return {};
    const auto view = as_view<const float, 1>(weight, where, "weight");
    check_extent(view.size, n_rows, where, "weight of size n_rows");
    return view;
}

template <class Y>
boosting::Rows<Y> as_rows(const py::array& y, const py::object& weight,
                          const py::array& margins, const char* where) {
    const auto targets = as_view<const Y, 1>(y, where, "y");
    const auto m = as_view<const double, 2>(margins, where, "margins");
    check_extent(m.columns, targets.size, where, "margins per output");
    return {targets, optional_weight(weight, targets.size, where), m};
}

struct Outputs {
    View2<float> grad, hess;
};

template <class Y>
Outputs as_outputs(const py::array& grad, const py::array& hess,
                   const boosting::Rows<Y>& rows, const char* where) {
    const Outputs out{as_view<float, 2>(grad, where, "grad"),
                      as_view<float, 2>(hess, where, "hess")};
    for (const auto& [view, name] : {std::pair(out.grad, "grad"), {out.hess, "hess"}}) {
        check_extent(view.rows, rows.margins.rows, where, "outputs of grad and hess");
        check_extent(view.columns, rows.y.size, where, "rows of grad and hess");
        check_apart(view, rows.margins, where, name);
    }
    check_apart(out.grad, out.hess, where, "grad");
    return out;
}

index_t pointwise_gradients(const std::string& loss, const py::array& y,
                            const py::object& weight, const py::array& margins,
                            const py::array& parameters, const py::array& grad,
                            const py::array& hess, int n_threads) {
    const char* const where = gradients_where;
    check_threads(n_threads, where);
    const Loss kind = parse_loss(loss, where);
    const auto a = as_view<const double, 1>(parameters, where, "parameters");
    return dispatch_real(y, where, "y", [&](auto real) {
        const auto rows = as_rows<decltype(real)>(y, weight, margins, where);
        const auto out = as_outputs(grad, hess, rows, where);
        check_extent(a.size, rows.margins.rows, where, "parameters");
        const py::gil_scoped_release nogil;
        return boosting::pointwise_gradients(kind, rows, a, out.grad, out.hess,
                                             n_threads);
    });
}

py::array_t<double> pointwise_loss(const std::string& loss, const py::array& y,
                                   const py::object& weight, const py::array& margins,
                                   const py::array& parameters, int n_threads) {
    const char* const where = loss_where;
    check_threads(n_threads, where);
    const Loss kind = parse_loss(loss, where);
    const auto a = as_view<const double, 1>(parameters, where, "parameters");
    return dispatch_real(y, where, "y", [&](auto real) {
        const auto rows = as_rows<decltype(real)>(y, weight, margins, where);
        check_extent(a.size, rows.margins.rows, where, "parameters");
        const Workspace<double> scratch(boosting::loss_blocks(rows.y.size));
        auto sums = empty<double>(a.size);
        const View1<double> out{sums.mutable_data(), a.size};
        const py::gil_scoped_release nogil;
        boosting::pointwise_loss(kind, rows, a, out, scratch.data(), n_threads);
        return sums;
    });
}

index_t softmax_gradients(const py::array& y, const py::object& weight,
                          const py::array& margins, const py::array& grad,
                          const py::array& hess, int n_threads) {
    const char* const where = gradients_where;
    check_threads(n_threads, where);
    const auto rows = as_rows<int32_t>(y, weight, margins, where);
    const auto out = as_outputs(grad, hess, rows, where);
    const Workspace<double> scratch(
        boosting::softmax_scratch(rows.y.size, rows.margins.rows, n_threads));
    const py::gil_scoped_release nogil;
    return boosting::softmax_gradients(rows, out.grad, out.hess, scratch.data(),
                                       n_threads);
}

double softmax_loss(const py::array& y, const py::object& weight,
                    const py::array& margins, int n_threads) {
    const char* const where = loss_where;
    check_threads(n_threads, where);
    const auto rows = as_rows<int32_t>(y, weight, margins, where);
    const Workspace<double> scratch(boosting::loss_blocks(rows.y.size));
    const py::gil_scoped_release nogil;
    return boosting::softmax_loss(rows, scratch.data(), n_threads);
}

template <class T>
View1<const T> optional_rows(const py::object& array, const char* name) {
    if (array.is_none()) return {};
    auto view = as_view<const T, 1>(array, renew_where, name);
    static constexpr T nothing{};
    if (view.data == nullptr) view.data = &nothing;
    return view;
}

void check_status(boosting::QuantileStatus status) {
    using boosting::QuantileStatus;
    switch (status) {
    case QuantileStatus::ok:
        return;
    case QuantileStatus::leaf_out_of_range:
        fail(renew_where, "leaf_of_row below the number of values", "a larger one");
    case QuantileStatus::row_out_of_range:
        fail(renew_where, "rows from 0 to n_rows - 1", "another");
    case QuantileStatus::not_finite:
        fail(renew_where, "y - margins finite", "NaN or infinity");
    }
}

void leaf_quantiles(const py::array& y, const py::object& weight,
                    const py::object& margins, const py::object& leaf_of_row,
                    const py::object& rows, double alpha, const py::array& values,
                    int n_threads) {
    const char* const where = renew_where;
    check_threads(n_threads, where);
    if (!(alpha > 0.0 && alpha < 1.0)) {
        fail(where, "alpha between 0 and 1", std::to_string(alpha));
    }
    const auto out = as_view<double, 1>(values, where, "values");
    dispatch_real(y, where, "y", [&](auto real) {
        using Y = decltype(real);
        const auto targets = as_view<const Y, 1>(y, where, "y");
        const index_t n = targets.size;
        const boosting::Residuals<Y> in{
            targets, optional_rows<double>(margins, "margins"),
            optional_weight(weight, n, where),
            optional_rows<int32_t>(leaf_of_row, "leaf_of_row"),
            optional_rows<int32_t>(rows, "rows")};
        if (!margins.is_none()) check_extent(in.margins.size, n, where, "margins");
        if (!leaf_of_row.is_none()) {
            check_extent(in.leaf_of_row.size, n, where, "leaf_of_row");
        } else if (out.size == 0) {
            fail(where, "values of size 1", "none");
        }
        const auto sizes = boosting::leaf_quantile_scratch(in, out.size);
        const Workspace<index_t> counts(sizes.counts);
        const Workspace<double> items(sizes.items);
        auto status = boosting::QuantileStatus::ok;
        {
            const py::gil_scoped_release nogil;
            status = boosting::leaf_quantiles(in, alpha, out, counts.data(),
                                              items.data(), n_threads);
        }
        check_status(status);
    });
}

} // namespace

void register_boosting_objectives(py::module_& room) {
    room.def("pointwise_gradients", &pointwise_gradients, "loss"_a, "y"_a, "weight"_a,
             "margins"_a, "parameters"_a, "grad"_a, "hess"_a, "n_threads"_a);
    room.def("pointwise_loss", &pointwise_loss, "loss"_a, "y"_a, "weight"_a,
             "margins"_a, "parameters"_a, "n_threads"_a);
    room.def("softmax_gradients", &softmax_gradients, "y"_a, "weight"_a, "margins"_a,
             "grad"_a, "hess"_a, "n_threads"_a);
    room.def("softmax_loss", &softmax_loss, "y"_a, "weight"_a, "margins"_a,
             "n_threads"_a);
    room.def("leaf_quantiles", &leaf_quantiles, "y"_a, "weight"_a, "margins"_a,
             "leaf_of_row"_a, "rows"_a, "alpha"_a, "values"_a, "n_threads"_a);
}

} // namespace fastnotes
