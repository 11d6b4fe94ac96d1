/// Growth of trees from sparse tables: a grower as an opaque object, arrays in and out.
#include "bindings/arrays.hpp"
#include "bindings/boosting_growth.hpp"
#include "bindings/rooms.hpp"

#include "boosting/sparse_growth.hpp"
#include "boosting/sparse_leaves.hpp"

#include <limits>
#include <utility>

namespace fastnotes {
namespace {

using namespace pybind11::literals;
using std::int32_t;
using std::int64_t;
using std::uint8_t;

constexpr const char* grower_name = "boosting.SparseTreeGrower";
constexpr const char* grow_name = "boosting.SparseTreeGrower.grow";
constexpr const char* round_name = "boosting.SparseTreeGrower.grow_round";
constexpr const char* rows_name = "boosting.SparseRows";

boosting::SparseColumns<uint8_t>
as_entries(index_t n_rows, const py::array& offsets, const py::array& rows,
           const py::array& bins, const py::array& absent_bins, const char* where) {
    if (n_rows < 0 || n_rows > std::numeric_limits<int32_t>::max()) {
        fail(where, "n_rows from 0 to 2**31 - 1", std::to_string(n_rows));
    }
    const boosting::SparseColumns<uint8_t> entries{
        n_rows, as_view<const int64_t, 1>(offsets, where, "offsets"),
        as_view<const int32_t, 1>(rows, where, "rows"),
        as_view<const uint8_t, 1>(bins, where, "bins")};
    const auto absent = as_view<const uint8_t, 1>(absent_bins, where, "absent_bins");
    check_extent(entries.offsets.size, absent.size + 1, where,
                 "offsets of size n_columns + 1");
    check_extent(entries.values.size, entries.rows.size, where,
                 "bins of the size of rows");
    return entries;
}

class SparseGrower : public GrowsTrees<boosting::SparseTreeGrower> {
  public:
    SparseGrower(index_t n_rows, const py::array& offsets, py::array rows,
                 py::array bins, const py::array& absent_bins,
                 const py::array& column_bins, const py::array& categorical,
                 int missing_code, const py::dict& parameters, int n_threads)
        : GrowsTrees(grow_name, round_name), rows_(std::move(rows)),
          bins_(std::move(bins)) {
        const char* const where = grower_name;
        check_threads(n_threads, where);
        const auto entries =
            as_entries(n_rows, offsets, rows_, bins_, absent_bins, where);
        n_rows_ = n_rows;
        n_columns_ = entries.n_columns();
        const auto known = as_view<const int32_t, 1>(column_bins, where, "column_bins");
        check_extent(known.size, n_columns_, where, "column_bins of size n_columns");
        check_known_codes(known, missing_code, where);
        const boosting::SparseGrowthTable table{
            entries, as_view<const uint8_t, 1>(absent_bins, where, "absent_bins"),
            known,
            mask_view(categorical, n_columns_, where, "categorical of size n_columns"),
            static_cast<uint8_t>(missing_code)};
        auto rules = make_rules(parameters);
        bool good = false;
        {
            const py::gil_scoped_release nogil;
            good = boosting::is_valid(table, n_threads);
            if (good) grower_.emplace(table, std::move(rules), n_threads);
        }
        if (!good) {
            fail(where,
                 "columns of ascending offsets, of ascending rows below n_rows and of "
                 "bins below column_bins, or the missing code",
                 "others");
        }
    }

  private:
    py::array rows_, bins_; ///< the grower reads them
};

/// Sparse rows that trees are walked with.
class SparseRows {
  public:
    SparseRows(index_t n_rows, py::array offsets, py::array rows, py::array bins,
               py::array absent_bins, int missing_code, int n_threads)
        : arrays_{std::move(offsets), std::move(rows), std::move(bins),
                  std::move(absent_bins)},
          missing_code_(static_cast<uint8_t>(missing_code)), n_threads_(n_threads) {
        check_threads(n_threads, rows_name);
        entries_ = as_entries(n_rows, arrays_[0], arrays_[1], arrays_[2], arrays_[3],
                              rows_name);
        absent_ = as_view<const uint8_t, 1>(arrays_[3], rows_name, "absent_bins");
        if (!boosting::is_valid(entries_, n_threads)) {
            fail(rows_name,
                 "columns of ascending offsets and of ascending rows below n_rows",
                 "others");
        }
    }

    py::array find_leaves(const py::tuple& tree) const {
        const auto view = as_grown_view(tree, "boosting.SparseRows.find_leaves");
        auto leaf_of_row = empty<int32_t>(entries_.n_rows);
        const View1<int32_t> leaves{leaf_of_row.mutable_data(), entries_.n_rows};
        {
            const py::gil_scoped_release nogil;
            boosting::find_sparse_leaves(entries_, absent_, view, missing_code_, leaves,
                                         n_threads_);
        }
        return leaf_of_row;
    }

  private:
    py::array arrays_[4];
    boosting::SparseColumns<uint8_t> entries_{};
    View1<const uint8_t> absent_;
    uint8_t missing_code_;
    int n_threads_;
};

} // namespace

void register_boosting_sparse_growth(py::module_& room) {
    py::class_<SparseGrower> grower(room, "SparseTreeGrower", py::is_final());
    grower.def(
        py::init<index_t, const py::array&, py::array, py::array, const py::array&,
                 const py::array&, const py::array&, int, const py::dict&, int>(),
        "n_rows"_a, "offsets"_a, "rows"_a, "bins"_a, "absent_bins"_a, "column_bins"_a,
        "categorical"_a, "missing_code"_a, "parameters"_a, "n_threads"_a);
    define_growth(grower);
    py::class_<SparseRows>(room, "SparseRows", py::is_final())
        .def(py::init<index_t, py::array, py::array, py::array, py::array, int, int>(),
             "n_rows"_a, "offsets"_a, "rows"_a, "bins"_a, "absent_bins"_a,
             "missing_code"_a, "n_threads"_a)
        .def("find_leaves", &SparseRows::find_leaves, "tree"_a);
}

} // namespace fastnotes
