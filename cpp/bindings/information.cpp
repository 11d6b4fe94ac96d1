/// fastnotes.information: neighbours and counts behind the estimators from samples.
#include "bindings/arrays.hpp"
#include "bindings/rooms.hpp"
#include "bindings/workspace.hpp"

#include "information/neighbours.hpp"

namespace fastnotes {
namespace {

namespace info = information;

/// Qualified: a neighbour in the same translation unit may have its own of the name.
template <class T> using Pooled = fastnotes::Workspace<T>;

/// Owns the scratch of one tree.
struct TreeWorkspace {
    Pooled<double> doubles;
    Pooled<index_t> rows;
    Pooled<info::Ranked> keys;

    TreeWorkspace(index_t n, index_t dims)
        : doubles(info::tree_doubles(n, dims)), rows(n), keys(n) {}
    info::TreeScratch scratch() const noexcept {
        return {doubles.data(), rows.data(), keys.data()};
    }
};

View2<const double> as_points(const py::array& points, const char* where) {
    const auto view = as_view<const double, 2>(points, where, "points");
    if (view.columns == 0) fail(where, "points of at least one dimension", "none");
    return view;
}

void kth_neighbours(const py::array& points, const py::object& queries, index_t k,
                    const py::array& distance, const py::array& inside, int n_threads) {
    const char* const where = "information.kth_neighbours";
    check_threads(n_threads, where);
    const auto from = as_points(points, where);
    View2<const double> to;
    if (!queries.is_none()) {
        to = as_view<const double, 2>(queries, where, "queries");
        check_extent(to.columns, from.columns, where, "dimensions of queries");
    }
    const index_t m = queries.is_none() ? from.rows : to.rows;
    const index_t most = queries.is_none() ? from.rows - 1 : from.rows;
    if (m > 0 && (k < 1 || k > most)) {
        fail(where, "k from 1 to " + std::to_string(most), std::to_string(k));
    }
    const auto distances = as_view<double, 1>(distance, where, "distance");
    const auto counts = as_view<std::int64_t, 1>(inside, where, "inside");
    check_extent(distances.size, m, where, "length of distance");
    check_extent(counts.size, m, where, "length of inside");
    if (m == 0) return;
    const TreeWorkspace tree(from.rows, from.columns);
    const Pooled<double> nearest(n_threads * k);
    const py::gil_scoped_release nogil;
    info::kth_neighbours(from, to, k, distances, counts, tree.scratch(), nearest.data(),
                         n_threads);
}

void count_inside(const py::array& points, const py::array& radius, bool closed,
                  const py::array& counts, int n_threads) {
    const char* const where = "information.count_inside";
    check_threads(n_threads, where);
    const auto all = as_points(points, where);
    const auto radii = as_view<const double, 1>(radius, where, "radius");
    const auto out = as_view<std::int64_t, 1>(counts, where, "counts");
    check_extent(radii.size, all.rows, where, "length of radius");
    check_extent(out.size, all.rows, where, "length of counts");
    const TreeWorkspace tree(all.rows, all.columns);
    const py::gil_scoped_release nogil;
    info::count_inside(all, radii, closed, out, tree.scratch(), n_threads);
}

void ball_extents(const py::array& points, const py::array& radius,
                  const py::array& counts, const py::array& extents, int n_threads) {
    const char* const where = "information.ball_extents";
    check_threads(n_threads, where);
    const auto all = as_points(points, where);
    const auto radii = as_view<const double, 1>(radius, where, "radius");
    const auto out = as_view<std::int64_t, 1>(counts, where, "counts");
    const auto reach = as_view<double, 2>(extents, where, "extents");
    check_extent(radii.size, all.rows, where, "length of radius");
    check_extent(out.size, all.rows, where, "length of counts");
    check_extent(reach.rows, all.rows, where, "rows of extents");
    check_extent(reach.columns, all.columns, where, "columns of extents");
    const TreeWorkspace tree(all.rows, all.columns);
    const py::gil_scoped_release nogil;
    info::ball_extents(all, radii, out, reach, tree.scratch(), n_threads);
}

void count_on_lines(const py::array& lines, const py::array& radius, bool closed,
                    const py::array& counts, int n_threads) {
    const char* const where = "information.count_on_lines";
    check_threads(n_threads, where);
    const auto all = as_view<const double, 2>(lines, where, "lines");
    const auto radii = as_view<const double, 2>(radius, where, "radius");
    const auto out = as_view<std::int64_t, 2>(counts, where, "counts");
    check_extent(radii.rows, all.rows, where, "rows of radius");
    check_extent(radii.columns, all.columns, where, "columns of radius");
    check_extent(out.rows, all.rows, where, "rows of counts");
    check_extent(out.columns, all.columns, where, "columns of counts");
    const Pooled<info::Ranked> ranked(all.size());
    const py::gil_scoped_release nogil;
    info::count_on_lines(all, radii, closed, out, ranked.data(), n_threads);
}

} // namespace

void register_information(py::module_& m) {
    using namespace pybind11::literals;
    auto room = m.def_submodule("information", "Neighbours in the maximum norm.");
    room.def("kth_neighbours", &kth_neighbours, "points"_a, "queries"_a, "k"_a,
             "distance"_a, "inside"_a, "n_threads"_a);
    room.def("count_inside", &count_inside, "points"_a, "radius"_a, "closed"_a,
             "counts"_a, "n_threads"_a);
    room.def("ball_extents", &ball_extents, "points"_a, "radius"_a, "counts"_a,
             "extents"_a, "n_threads"_a);
    room.def("count_on_lines", &count_on_lines, "lines"_a, "radius"_a, "closed"_a,
             "counts"_a, "n_threads"_a);
}

} // namespace fastnotes
