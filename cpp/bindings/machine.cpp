/// The machine's measured limits, for the benchmark harness.
#include "bindings/arrays.hpp"
#include "bindings/rooms.hpp"

#include "bench/machine.hpp"

namespace fastnotes {
namespace {

std::int64_t read_memory(py::handle data, index_t n_passes, int n_threads) {
    constexpr auto where = "machine.read_memory";
    const auto view = as_view<const std::int64_t, 1>(data, where, "data");
    check_threads(n_threads, where);
    const py::gil_scoped_release release;
    return bench::read_memory(view, n_passes, n_threads);
}

index_t multiply_add(const py::array& out, index_t n_steps) {
    constexpr auto where = "machine.multiply_add";
    return dispatch_real(out, where, "out", [&](auto zero) {
        using T = decltype(zero);
        const auto view = as_view<T, 1>(out, where, "out");
        const py::gil_scoped_release release;
        return bench::multiply_add<T>(view, n_steps);
    });
}

} // namespace

void register_machine(py::module_& m) {
    auto machine = m.def_submodule("machine", "Measured limits of this machine.");
    machine.def("read_memory", &read_memory, py::arg("data"), py::arg("n_passes"),
                py::arg("n_threads"));
    machine.def("multiply_add", &multiply_add, py::arg("out"), py::arg("n_steps"));
}

} // namespace fastnotes
