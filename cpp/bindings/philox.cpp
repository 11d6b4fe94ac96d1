/// Random streams, for tests and for NumPy code that wants the kernels' own numbers.
#include "bindings/arrays.hpp"
#include "bindings/rooms.hpp"

#include "common/philox.hpp"

namespace fastnotes {
namespace {

using namespace pybind11::literals;

py::array_t<std::uint32_t> philox(py::handle counter, py::handle key) {
    constexpr const char* where = "runtime.philox4x32";
    const auto counters = as_view<const std::uint32_t, 2>(counter, where, "counter");
    const auto keys = as_view<const std::uint32_t, 1>(key, where, "key");
    check_extent(counters.columns, 4, where, "counter with columns");
    check_extent(keys.size, 2, where, "key with words");
    auto words = empty<std::uint32_t>(counters.rows, index_t{4});
    const auto out = as_view<std::uint32_t, 2>(words, where, "out");
    for (index_t i = 0; i < counters.rows; ++i) {
        const std::uint32_t* const c = counters.row(i);
        const auto word = philox4x32({c[0], c[1], c[2], c[3]}, {keys(0), keys(1)});
        std::copy_n(word.data(), word.size(), out.row(i));
    }
    return words;
}

template <class T>
void fill(RandomStream stream, std::uint64_t first, py::handle out, bool normal,
          const char* where) {
    const auto view = as_view<T, 1>(out, where, "out");
    const py::gil_scoped_release released;
    if (normal) {
        fill_normal(stream, first, view.data, view.size);
    } else {
        fill_uniform(stream, first, view.data, view.size);
    }
}

void define(py::module_& runtime, const char* name, const char* where, bool normal) {
    runtime.def(
        name,
        [where, normal](std::uint64_t seed, std::uint32_t purpose, std::uint64_t first,
                        const py::array& out) {
            dispatch_real(out, where, "out", [&](auto zero) {
                fill<decltype(zero)>({seed, purpose}, first, out, normal, where);
            });
        },
        "seed"_a, "purpose"_a, "first"_a, "out"_a);
}

} // namespace

void register_philox(py::module_& m) {
    auto runtime = m.def_submodule("runtime");
    runtime.def("philox4x32", &philox, "counter"_a, "key"_a);
    define(runtime, "fill_uniform", "runtime.fill_uniform", false);
    define(runtime, "fill_normal", "runtime.fill_normal", true);
}

} // namespace fastnotes
