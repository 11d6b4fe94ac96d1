/// Room nn: elementary functions, value by value.
#include "bindings/arrays.hpp"
#include "bindings/rooms.hpp"

#include "nn/elementwise.hpp"

namespace fastnotes {
namespace {

using namespace pybind11::literals;

template <class T>
void apply(nn::Elementwise function, const char* where, py::handle x, py::handle out,
           int n_threads) {
    const auto input = as_view<const T, 1>(x, where, "x");
    const auto output = as_view<T, 1>(out, where, "out");
    check_extent(output.size, input.size, where, "out with values");
    check_threads(n_threads, where);
    const py::gil_scoped_release released;
    nn::elementwise<T>(function, input, output, n_threads);
}

void define(py::module_& nn, const char* name, const char* where,
            nn::Elementwise function) {
    nn.def(
        name,
        [function, where](const py::array& x, py::handle out, int n_threads) {
            dispatch_real(x, where, "x", [&](auto zero) {
                apply<decltype(zero)>(function, where, x, out, n_threads);
            });
        },
        "x"_a, "out"_a, "n_threads"_a);
}

} // namespace

void register_nn_elementwise(py::module_& nn) {
    define(nn, "exp", "nn.exp", nn::Elementwise::exp);
    define(nn, "log", "nn.log", nn::Elementwise::log);
    define(nn, "log1p", "nn.log1p", nn::Elementwise::log1p);
    define(nn, "expm1", "nn.expm1", nn::Elementwise::expm1);
    define(nn, "tanh", "nn.tanh", nn::Elementwise::tanh);
    define(nn, "sigmoid", "nn.sigmoid", nn::Elementwise::sigmoid);
    define(nn, "softplus", "nn.softplus", nn::Elementwise::softplus);
}

} // namespace fastnotes
