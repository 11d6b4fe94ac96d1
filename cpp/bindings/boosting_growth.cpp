/// Growth of trees: a grower as an opaque object, arrays in and out.
#include "bindings/boosting_growth.hpp"
#include "bindings/arrays.hpp"
#include "bindings/rooms.hpp"

#include <limits>
#include <optional>
#include <utility>
#include <vector>

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
class Grower {
  public:
    Grower(py::array bins, py::array column_bins, py::array categorical,
           int missing_code, const py::dict& parameters, int n_threads)
        : bins_(std::move(bins)), column_bins_(std::move(column_bins)),
          categorical_(std::move(categorical)) {
        check_threads(n_threads, grower_name);
        codes_ = as_view<const uint8_t, 2>(bins_, grower_name, "bins");
        const auto known =
            as_view<const int32_t, 1>(column_bins_, grower_name, "column_bins");
        check_extent(known.size, codes_.columns, grower_name,
                     "column_bins of size n_columns");
        check_known_codes(known, missing_code, grower_name);
        if (codes_.rows > std::numeric_limits<int32_t>::max()) {
            fail(grower_name, "at most 2**31 - 1 rows", std::to_string(codes_.rows));
        }
        const auto levels = mask_view(categorical_, codes_.columns, grower_name,
                                      "categorical of size n_columns");
        const boosting::GrowthTable table{codes_, known, levels,
                                          static_cast<uint8_t>(missing_code)};
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

    py::tuple grow(const py::array& grad, const py::array& hess, const py::object& rows,
                   const py::object& columns, std::uint64_t seed,
                   std::uint32_t tree_index) {
        const GrownTable table{codes_.rows, codes_.columns, grow_name};
        const RoundArrays arrays{grad, hess, rows, columns, seed, tree_index};
        return grow_trees(*grower_, trees_, table, as_round<1>(arrays, table))[0];
    }

    py::list grow_round(const py::array& grad, const py::array& hess,
                        const py::object& rows, const py::object& columns,
                        std::uint64_t seed, std::uint32_t first_tree_index) {
        const GrownTable table{codes_.rows, codes_.columns, round_name};
        const RoundArrays arrays{grad, hess, rows, columns, seed, first_tree_index};
        return grow_trees(*grower_, trees_, table, as_round<2>(arrays, table));
    }

  private:
    py::array bins_, column_bins_, categorical_;
    View2<const uint8_t> codes_;
    std::optional<boosting::TreeGrower> grower_;
    std::vector<boosting::GrownNodes> trees_; ///< whose memory is kept
};

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
    py::class_<Grower>(room, "TreeGrower", py::is_final())
        .def(py::init<py::array, py::array, py::array, int, const py::dict&, int>(),
             "bins"_a, "column_bins"_a, "categorical"_a, "missing_code"_a,
             "parameters"_a, "n_threads"_a)
        .def("grow", &Grower::grow, "grad"_a, "hess"_a, "rows"_a, "columns"_a, "seed"_a,
             "tree_index"_a)
        .def("grow_round", &Grower::grow_round, "grad"_a, "hess"_a, "rows"_a,
             "columns"_a, "seed"_a, "first_tree_index"_a);
    room.def("add_leaf_values", &add_leaf_values, "leaf_of_row"_a, "value"_a,
             "margins"_a, "n_threads"_a);
    room.def("add_tree_values", &add_tree_values, "bins"_a, "tree"_a, "missing_code"_a,
             "margins"_a, "n_threads"_a);
}

} // namespace fastnotes
