/// Growth of trees: a grower as an opaque object, arrays in and out.
#include "bindings/boosting_growth.hpp"
#include "bindings/arrays.hpp"
#include "bindings/rooms.hpp"

#include "boosting/equal_rows.hpp"

#include <limits>
#include <utility>

namespace fastnotes {
namespace {

using namespace pybind11::literals;
using std::int32_t;
using std::int64_t;
using std::uint8_t;

constexpr const char* grower_name = "boosting.TreeGrower";
constexpr const char* grow_name = "boosting.TreeGrower.grow";
constexpr const char* round_name = "boosting.TreeGrower.grow_round";

/// A grower and the arrays it reads.
class Grower : public GrowsTrees<boosting::TreeGrower> {
  public:
    Grower(py::array bins, py::object counts, py::array column_bins,
           py::array categorical, int missing_code, const py::dict& parameters,
           int n_threads)
        : GrowsTrees(grow_name, round_name), bins_(std::move(bins)),
          counts_(std::move(counts)), column_bins_(std::move(column_bins)),
          categorical_(std::move(categorical)) {
        check_threads(n_threads, grower_name);
        const auto codes = as_view<const uint8_t, 2>(bins_, grower_name, "bins");
        n_rows_ = codes.rows;
        n_columns_ = codes.columns;
        const auto known =
            as_view<const int32_t, 1>(column_bins_, grower_name, "column_bins");
        check_extent(known.size, n_columns_, grower_name,
                     "column_bins of size n_columns");
        check_known_codes(known, missing_code, grower_name);
        if (n_rows_ > std::numeric_limits<int32_t>::max()) {
            fail(grower_name, "at most 2**31 - 1 rows", std::to_string(n_rows_));
        }
        const auto levels = mask_view(categorical_, n_columns_, grower_name,
                                      "categorical of size n_columns");
        const boosting::GrowthTable table{
            codes, known, levels, static_cast<uint8_t>(missing_code), count_view()};
        auto rules = make_rules(parameters);
        {
            const py::gil_scoped_release nogil;
            grower_.emplace(table, std::move(rules), n_threads);
        }
        if (!grower_->codes_in_range()) {
            fail(grower_name, "bins below column_bins, or the missing code",
                 "another code");
        }
        if (!grower_->reads_bins()) bins_ = py::array();
    }

  private:
    View1<const uint8_t> count_view() const {
        if (counts_.is_none()) return {};
        const auto counts = as_view<const uint8_t, 1>(counts_, grower_name, "counts");
        check_extent(counts.size, n_rows_, grower_name, "counts of size n_rows");
        for (const uint8_t count : counts) {
            if (count < 1 || count > boosting::most_count) {
                fail(grower_name,
                     "counts from 1 to " + std::to_string(boosting::most_count),
                     std::to_string(count));
            }
        }
        return counts;
    }

    py::array bins_;
    py::object counts_;
    py::array column_bins_, categorical_;
};

py::array count_equal_rows(const py::array& codes, const py::array& tags,
                           int n_threads) {
    const char* const where = "boosting.count_equal_rows";
    check_threads(n_threads, where);
    const auto of_codes = as_view<const uint8_t, 2>(codes, where, "codes");
    const auto of_tags = as_view<const uint8_t, 2>(tags, where, "tags");
    check_extent(of_tags.rows, of_codes.rows, where, "tags of n_rows rows");
    if (of_codes.rows > std::numeric_limits<int32_t>::max()) {
        fail(where, "at most 2**31 - 1 rows", std::to_string(of_codes.rows));
    }
    auto counts = empty<uint8_t>(of_codes.rows);
    const View1<uint8_t> out{counts.mutable_data(), of_codes.rows};
    {
        const py::gil_scoped_release nogil;
        boosting::count_equal_rows(
            of_codes, of_tags, static_cast<int>(boosting::most_count), out, n_threads);
    }
    return std::move(counts);
}

void add_leaf_values(const py::array& leaf_of_row, const py::array& value,
                     const py::array& margins, int n_threads) {
    const char* const where = "boosting.TreeGrower.add_leaf_values";
    check_threads(n_threads, where);
    const auto leaves = as_view<const int32_t, 1>(leaf_of_row, where, "leaf_of_row");
    const auto values = as_view<const float, 1>(value, where, "value");
    const auto sums = as_view<double, 1>(margins, where, "margins");
    check_extent(sums.size, leaves.size, where, "margins of size n_rows");
    const py::gil_scoped_release nogil;
    boosting::add_leaf_values(leaves, values, sums, n_threads);
}

void add_tree_values(const py::array& bins, const py::tuple& tree, int missing_code,
                     const py::array& margins, int n_threads) {
    const char* const where = "boosting.add_tree_values";
    check_threads(n_threads, where);
    const auto codes = as_view<const uint8_t, 2>(bins, where, "bins");
    const auto sums = as_view<double, 1>(margins, where, "margins");
    check_extent(sums.size, codes.rows, where, "margins of size n_rows");
    const boosting::GrownView whole = as_grown_view(tree, where);
    const py::gil_scoped_release nogil;
    boosting::add_tree_values(codes, whole, static_cast<uint8_t>(missing_code), sums,
                              n_threads);
}

} // namespace

void register_boosting_growth(py::module_& room) {
    py::class_<Grower> grower(room, "TreeGrower", py::is_final());
    grower.def(py::init<py::array, py::object, py::array, py::array, int,
                        const py::dict&, int>(),
               "bins"_a, "counts"_a, "column_bins"_a, "categorical"_a, "missing_code"_a,
               "parameters"_a, "n_threads"_a);
    define_growth(grower);
    room.def("count_equal_rows", &count_equal_rows, "codes"_a, "tags"_a, "n_threads"_a);
    room.def("add_leaf_values", &add_leaf_values, "leaf_of_row"_a, "value"_a,
             "margins"_a, "n_threads"_a);
    room.def("add_tree_values", &add_tree_values, "bins"_a, "tree"_a, "missing_code"_a,
             "margins"_a, "n_threads"_a);
}

} // namespace fastnotes
