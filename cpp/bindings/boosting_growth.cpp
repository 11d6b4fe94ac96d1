/// Growth of trees: a grower as an opaque object, arrays in and out.
#include "bindings/arrays.hpp"
#include "bindings/rooms.hpp"
#include "bindings/workspace.hpp"

#include "boosting/growth.hpp"

#include <cstring>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace fastnotes {
namespace {

using namespace pybind11::literals;
using boosting::CodeSet;
using boosting::GrownNodes;
using boosting::GrowthStatus;
using std::int32_t;
using std::int64_t;
using std::uint8_t;

constexpr const char* grower_name = "boosting.TreeGrower";
constexpr const char* grow_name = "boosting.TreeGrower.grow";

template <class T> py::array_t<T> copied(const std::vector<T>& values) {
    auto out = empty<T>(static_cast<index_t>(values.size()));
    if (!values.empty()) {
        std::memcpy(out.mutable_data(), values.data(), values.size() * sizeof(T));
    }
    return out;
}

py::array as_bools(const std::vector<uint8_t>& flags) {
    auto out = empty<bool>(static_cast<index_t>(flags.size()));
    std::memcpy(out.mutable_data(), flags.data(), flags.size());
    return out;
}

py::array as_sets(const std::vector<CodeSet>& sets) {
    const auto n = static_cast<index_t>(sets.size());
    auto out = empty<std::uint32_t>(n, index_t{8});
    std::memcpy(out.mutable_data(), sets.data(), sets.size() * sizeof(CodeSet));
    return out;
}

/// A mask as bytes: the views of bool arrays are those of their bytes.
View1<const uint8_t> mask_view(const py::object& mask, index_t size, const char* where,
                               const char* name) {
    if (mask.is_none()) return {};
    const auto view = as_view<const bool, 1>(mask, where, name);
    check_extent(view.size, size, where, name);
    return {reinterpret_cast<const uint8_t*>(view.data), view.size};
}

boosting::GrowthRules make_rules(const py::dict& p) {
    boosting::GrowthRules rules{};
    const auto real = [&](const char* name) { return p[name].cast<double>(); };
    const auto integer = [&](const char* name) { return p[name].cast<index_t>(); };
    rules.split = {real("reg_lambda"), real("reg_alpha"), real("gamma"),
                   real("min_child_weight")};
    rules.learning_rate = real("learning_rate");
    rules.max_delta_step = real("max_delta_step");
    rules.max_depth = integer("max_depth");
    rules.max_leaves = integer("max_leaves");
    rules.best_first = p["best_first"].cast<bool>();
    rules.colsample_bylevel = real("colsample_bylevel");
    rules.colsample_bynode = real("colsample_bynode");
    rules.max_cat_to_onehot = integer("max_cat_to_onehot");
    rules.max_cat_threshold = integer("max_cat_threshold");
    rules.cat_smooth = real("cat_smooth");
    for (const auto& sign : p["monotone"]) {
        rules.monotone.push_back(static_cast<std::int8_t>(sign.cast<int>()));
    }
    for (const auto& set : p["interaction"]) {
        rules.interactions.emplace_back();
        for (const auto& column : set) {
            rules.interactions.back().push_back(column.cast<int32_t>());
        }
    }
    return rules;
}

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
        if (missing_code < 1 || missing_code > 255) {
            fail(grower_name, "missing_code from 1 to 255",
                 std::to_string(missing_code));
        }
        for (const int32_t n : known) {
            if (n < 1 || n > missing_code) {
                fail(grower_name,
                     "column_bins from 1 to " + std::to_string(missing_code),
                     std::to_string(n));
            }
        }
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
    }

    py::tuple grow(const py::array& grad, const py::array& hess, const py::object& rows,
                   const py::object& columns, std::uint64_t seed,
                   std::uint32_t tree_index) {
        boosting::GrowthInput input{as_view<const float, 1>(grad, grow_name, "grad"),
                                    as_view<const float, 1>(hess, grow_name, "hess"),
                                    {},
                                    {},
                                    seed,
                                    tree_index};
        check_extent(input.grad.size, codes_.rows, grow_name, "grad of size n_rows");
        check_extent(input.hess.size, codes_.rows, grow_name, "hess of size n_rows");
        if (!rows.is_none()) {
            input.rows = as_view<const int32_t, 1>(rows, grow_name, "rows");
            static constexpr int32_t nothing = 0;
            if (input.rows.data == nullptr) input.rows.data = &nothing;
        }
        input.columns =
            mask_view(columns, codes_.columns, grow_name, "columns of size n_columns");
        auto leaf_of_row = pooled_empty<int32_t>(codes_.rows);
        const View1<int32_t> leaves{leaf_of_row.mutable_data(), codes_.rows};
        auto status = GrowthStatus::ok;
        {
            const py::gil_scoped_release nogil;
            status = grower_->grow(input, tree_, leaves);
        }
        refuse(status);
        return py::make_tuple(
            copied(tree_.column), copied(tree_.bin), as_bools(tree_.default_left),
            copied(tree_.left), copied(tree_.right), copied(tree_.value),
            copied(tree_.gain), copied(tree_.cover), as_bools(tree_.is_categorical),
            as_sets(tree_.left_codes), leaf_of_row);
    }

  private:
    static void refuse(GrowthStatus status) {
        if (status == GrowthStatus::gradient_not_finite) {
            fail(grow_name, "grad finite", "NaN or infinity");
        }
        if (status == GrowthStatus::hessian_not_finite) {
            fail(grow_name, "hess finite", "NaN or infinity");
        }
        if (status == GrowthStatus::bad_row) {
            fail(grow_name, "rows ascending, from 0 to n_rows - 1", "others");
        }
    }

    py::array bins_, column_bins_, categorical_;
    View2<const uint8_t> codes_;
    std::optional<boosting::TreeGrower> grower_;
    GrownNodes tree_;
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
    const auto flags = [&](int i, const char* name) {
        return as_view<const bool, 1>(tree[static_cast<std::size_t>(i)], where, name);
    };
    const auto links = [&](int i, const char* name) {
        return as_view<const int32_t, 1>(tree[static_cast<std::size_t>(i)], where,
                                         name);
    };
    const auto sets = as_view<const std::uint32_t, 2>(tree[7], where, "left_bins");
    const boosting::GrownView whole{
        links(0, "feature"),
        links(1, "bin"),
        links(3, "left"),
        links(4, "right"),
        reinterpret_cast<const uint8_t*>(flags(2, "default_left").data),
        reinterpret_cast<const uint8_t*>(flags(6, "is_categorical").data),
        as_view<const float, 1>(tree[5], where, "value").data,
        reinterpret_cast<const CodeSet*>(sets.data)};
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
             "tree_index"_a);
    room.def("add_leaf_values", &add_leaf_values, "leaf_of_row"_a, "value"_a,
             "margins"_a, "n_threads"_a);
    room.def("add_tree_values", &add_tree_values, "bins"_a, "tree"_a, "missing_code"_a,
             "margins"_a, "n_threads"_a);
}

} // namespace fastnotes
