/// fastnotes.graph: terms of the gradients of Chebyshev filters.
#include "bindings/arrays.hpp"
#include "bindings/rooms.hpp"
#include "common/aligned.hpp"
#include "graph/chebyshev.hpp"

namespace fastnotes {
namespace {

double filter_term(const py::array& term, const py::array& x, double factor,
                   const py::array& total, int n_threads) {
    constexpr const char* where = "graph.filter_term";
    check_threads(n_threads, where);
    return dispatch_real(term, where, "term", [&](auto real) {
        using T = decltype(real);
        const auto t = as_flat_view<const T>(term, where, "term");
        const auto other = as_flat_view<const T>(x, where, "x");
        const auto sum = as_flat_view<T>(total, where, "total");
        check_extent(other.size, t.size, where, "x of size");
        check_extent(sum.size, t.size, where, "total of size");
        const AlignedBuffer<double> partials(graph::filter_term_partials(t.size));
        const py::gil_scoped_release nogil;
        return graph::filter_term(t, other, static_cast<T>(factor), sum,
                                  partials.data(), n_threads);
    });
}

} // namespace

void register_graph_chebyshev(py::module_& room) {
    using namespace pybind11::literals;
    room.def("filter_term", &filter_term, "term"_a, "x"_a, "factor"_a, "total"_a,
             "n_threads"_a);
}

} // namespace fastnotes
