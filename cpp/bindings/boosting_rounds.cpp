/// What the rounds of a training need beside growth.
#include "bindings/arrays.hpp"
#include "bindings/rooms.hpp"

#include "boosting/bin_walk.hpp"
#include "boosting/sampling.hpp"
#include "common/aligned.hpp"

namespace fastnotes {
namespace {

using namespace pybind11::literals;
using std::int32_t;

index_t sample_rows(double chance, std::uint64_t seed, std::uint32_t round,
                    const py::array& out, int n_threads) {
    const char* const where = "boosting.sample_rows";
    check_threads(n_threads, where);
    if (!(chance > 0.0 && chance <= 1.0)) {
        fail(where, "chance above 0 and at most 1", std::to_string(chance));
    }
    const auto rows = as_view<int32_t, 1>(out, where, "out");
    if (rows.size > INT32_MAX) {
        fail(where, "at most 2^31 - 1 rows", std::to_string(rows.size));
    }
    const AlignedBuffer<std::int64_t> counts(boosting::sample_blocks(rows.size));
    const py::gil_scoped_release nogil;
    return boosting::sample_rows(chance, seed, round, rows, counts.data(), n_threads);
}

void check_tree(const boosting::BinTree& tree, index_t n_columns, const char* where) {
    const index_t n = tree.column.size;
    for (const auto& [size, name] :
         {std::pair{tree.bin.size, "bin"}, std::pair{tree.left.size, "left"},
          std::pair{tree.right.size, "right"}, std::pair{tree.value.size, "value"},
          std::pair{tree.default_left.size, "default_left"},
          std::pair{tree.is_categorical.size, "is_categorical"},
          std::pair{tree.left_codes.rows, "left_bins"}}) {
        check_extent(size, n, where, name);
    }
    check_extent(tree.left_codes.columns, 8, where, "left_bins with columns");
    bool sound = n > 0;
    for (index_t i = 0; i < n; ++i) {
        const auto inside = [&](index_t child) { return child > i && child < n; };
        sound &= tree.column(i) < n_columns;
        sound &= tree.column(i) < 0 || (inside(tree.left(i)) && inside(tree.right(i)));
    }
    if (!sound) fail(where, "a tree on the columns of bins", "another");
}

void add_tree_by_bins(const py::array& bins, int missing_code, const py::array& feature,
                      const py::array& bin, const py::array& default_left,
                      const py::array& left, const py::array& right,
                      const py::array& value, const py::array& is_categorical,
                      const py::array& left_bins, const py::array& margins,
                      int n_threads) {
    const char* const where = "boosting.add_tree_by_bins";
    check_threads(n_threads, where);
    const auto codes = as_view<const std::uint8_t, 2>(bins, where, "bins");
    const boosting::BinTree tree{
        as_view<const int32_t, 1>(feature, where, "feature"),
        as_view<const int32_t, 1>(bin, where, "bin"),
        as_view<const int32_t, 1>(left, where, "left"),
        as_view<const int32_t, 1>(right, where, "right"),
        as_view<const bool, 1>(default_left, where, "default_left"),
        as_view<const bool, 1>(is_categorical, where, "is_categorical"),
        as_view<const float, 1>(value, where, "value"),
        as_view<const std::uint32_t, 2>(left_bins, where, "left_bins")};
    check_tree(tree, codes.columns, where);
    const auto sums = as_view<double, 1>(margins, where, "margins");
    check_extent(sums.size, codes.rows, where, "margins of size n_rows");
    const py::gil_scoped_release nogil;
    boosting::add_tree_by_bins(tree, codes, static_cast<std::uint8_t>(missing_code),
                               sums, n_threads);
}

} // namespace

void register_boosting_rounds(py::module_& room) {
    room.def("sample_rows", &sample_rows, "chance"_a, "seed"_a, "round_index"_a, "out"_a,
             "n_threads"_a);
    room.def("add_tree_by_bins", &add_tree_by_bins, "bins"_a, "missing_code"_a,
             "feature"_a, "bin"_a, "default_left"_a, "left"_a, "right"_a, "value"_a,
             "is_categorical"_a, "left_bins"_a, "margins"_a, "n_threads"_a);
}

} // namespace fastnotes
