/// What the bindings of growers share: rules and input in, a tree out.
#pragma once

#include "bindings/arrays.hpp"
#include "bindings/workspace.hpp"

#include "boosting/growth.hpp"

#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace fastnotes {

template <class T> py::array_t<T> copied(const std::vector<T>& values) {
    auto out = empty<T>(static_cast<index_t>(values.size()));
    if (!values.empty()) {
        std::memcpy(out.mutable_data(), values.data(), values.size() * sizeof(T));
    }
    return out;
}

inline py::array as_bools(const std::vector<std::uint8_t>& flags) {
    auto out = empty<bool>(static_cast<index_t>(flags.size()));
    std::memcpy(out.mutable_data(), flags.data(), flags.size());
    return out;
}

inline py::array as_sets(const std::vector<boosting::CodeSet>& sets) {
    const auto n = static_cast<index_t>(sets.size());
    auto out = empty<std::uint32_t>(n, index_t{8});
    std::memcpy(out.mutable_data(), sets.data(),
                sets.size() * sizeof(boosting::CodeSet));
    return out;
}

/// A mask as bytes: the views of bool arrays are those of their bytes.
inline View1<const std::uint8_t> mask_view(const py::object& mask, index_t size,
                                           const char* where, const char* name) {
    if (mask.is_none()) return {};
    const auto view = as_view<const bool, 1>(mask, where, name);
    check_extent(view.size, size, where, name);
    return {reinterpret_cast<const std::uint8_t*>(view.data), view.size};
}

inline boosting::GrowthRules make_rules(const py::dict& p) {
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
            rules.interactions.back().push_back(column.cast<std::int32_t>());
        }
    }
    return rules;
}

inline void check_known_codes(View1<const std::int32_t> known, int missing_code,
                              const char* where) {
    if (missing_code < 1 || missing_code > 255) {
        fail(where, "missing_code from 1 to 255", std::to_string(missing_code));
    }
    for (const std::int32_t n : known) {
        if (n < 1 || n > missing_code) {
            fail(where, "column_bins from 1 to " + std::to_string(missing_code),
                 std::to_string(n));
        }
    }
}

inline void refuse(boosting::GrowthStatus status, const char* where) {
    using boosting::GrowthStatus;
    if (status == GrowthStatus::gradient_not_finite) {
        fail(where, "grad finite", "NaN or infinity");
    }
    if (status == GrowthStatus::hessian_not_finite) {
        fail(where, "hess finite", "NaN or infinity");
    }
    if (status == GrowthStatus::bad_row) {
        fail(where, "rows ascending, from 0 to n_rows - 1", "others");
    }
}

/// The table that a grower was made for, and its name in messages.
struct GrownTable {
    index_t n_rows, n_columns;
    const char* where;
};

struct RoundArrays {
    const py::array& grad;
    const py::array& hess;
    const py::object& rows;
    const py::object& columns;
    std::uint64_t seed;
    std::uint32_t first_tree_index;
};

/// An array of N dimensions as rows; of one dimension, as a single one.
template <class T, int N>
View2<const T> as_rows(const py::object& array, const char* where, const char* name) {
    const auto view = as_view<const T, N>(array, where, name);
    if constexpr (N == 1) {
        return {view.data, 1, view.size};
    } else {
        return view;
    }
}

/// N = 2: a tree for each row of grad, hess and columns; N = 1: one tree.
template <int N>
boosting::RoundInput as_round(const RoundArrays& arrays, const GrownTable& table) {
    const char* const where = table.where;
    boosting::RoundInput round{as_rows<float, N>(arrays.grad, where, "grad"),
                               as_rows<float, N>(arrays.hess, where, "hess"),
                               {},
                               {},
                               arrays.seed,
                               arrays.first_tree_index};
    const index_t n_trees = round.grad.rows;
    check_extent(round.grad.columns, table.n_rows, where, "grad of size n_rows");
    check_extent(round.hess.columns, table.n_rows, where, "hess of size n_rows");
    check_extent(round.hess.rows, n_trees, where, "hess of as many trees as grad");
    if (!arrays.rows.is_none()) {
        round.rows = as_view<const std::int32_t, 1>(arrays.rows, where, "rows");
        static constexpr std::int32_t nothing = 0;
        if (round.rows.data == nullptr) round.rows.data = &nothing;
    }
    if (!arrays.columns.is_none()) {
        const auto masks = as_rows<bool, N>(arrays.columns, where, "columns");
        check_extent(masks.rows, n_trees, where, "columns of as many trees as grad");
        check_extent(masks.columns, table.n_columns, where,
                     "columns of size n_columns");
        round.columns = {reinterpret_cast<const std::uint8_t*>(masks.data), masks.rows,
                         masks.columns};
    }
    return round;
}

inline py::tuple as_tuple(const boosting::GrownNodes& tree, py::object leaf_of_row) {
    return py::make_tuple(copied(tree.column), copied(tree.bin),
                          as_bools(tree.default_left), copied(tree.left),
                          copied(tree.right), copied(tree.value), copied(tree.gain),
                          copied(tree.cover), as_bools(tree.is_categorical),
                          as_sets(tree.left_codes), std::move(leaf_of_row));
}

/// Grows the trees of a round into `trees`; gives, for each, its arrays and the leaf of
/// each row.
template <class Grower>
py::list grow_trees(Grower& grower, std::vector<boosting::GrownNodes>& trees,
                    const GrownTable& table, const boosting::RoundInput& round) {
    auto leaf_of_row = pooled_empty<std::int32_t>(round.grad.rows, table.n_rows);
    const View2<std::int32_t> leaves{leaf_of_row.mutable_data(), round.grad.rows,
                                     table.n_rows};
    auto status = boosting::GrowthStatus::ok;
    {
        const py::gil_scoped_release nogil;
        status = grower.grow_round(round, trees, leaves);
    }
    refuse(status, table.where);
    py::list grown;
    for (index_t k = 0; k < round.grad.rows; ++k) {
        const py::array_t<std::int32_t> own(table.n_rows, leaves.row(k), leaf_of_row);
        grown.append(as_tuple(trees[static_cast<std::size_t>(k)], own));
    }
    return grown;
}

/// The methods of a grower's binding, whatever it reads.
template <class Native> class GrowsTrees {
  public:
    py::tuple grow(const py::array& grad, const py::array& hess, const py::object& rows,
                   const py::object& columns, std::uint64_t seed,
                   std::uint32_t tree_index) {
        const GrownTable table{n_rows_, n_columns_, grow_name_};
        const RoundArrays arrays{grad, hess, rows, columns, seed, tree_index};
        return grow_trees(*grower_, trees_, table, as_round<1>(arrays, table))[0];
    }

    py::list grow_round(const py::array& grad, const py::array& hess,
                        const py::object& rows, const py::object& columns,
                        std::uint64_t seed, std::uint32_t first_tree_index) {
        const GrownTable table{n_rows_, n_columns_, round_name_};
        const RoundArrays arrays{grad, hess, rows, columns, seed, first_tree_index};
        return grow_trees(*grower_, trees_, table, as_round<2>(arrays, table));
    }

  protected:
    GrowsTrees(const char* grow_name, const char* round_name) noexcept
        : grow_name_(grow_name), round_name_(round_name) {}

    index_t n_rows_ = 0, n_columns_ = 0;
    std::optional<Native> grower_;

  private:
    const char* grow_name_;
    const char* round_name_;
    std::vector<boosting::GrownNodes> trees_; ///< whose memory is kept
};

/// Binds them.
template <class Class> void define_growth(Class& grower) {
    using namespace pybind11::literals;
    using Grower = typename Class::type;
    grower
        .def("grow", &Grower::grow, "grad"_a, "hess"_a, "rows"_a, "columns"_a, "seed"_a,
             "tree_index"_a)
        .def("grow_round", &Grower::grow_round, "grad"_a, "hess"_a, "rows"_a,
             "columns"_a, "seed"_a, "first_tree_index"_a);
}

/// feature, bin, default_left, left, right, value, is_categorical, left_bins.
inline boosting::GrownView as_grown_view(const py::tuple& tree, const char* where) {
    const auto flags = [&](int i, const char* name) {
        return as_view<const bool, 1>(tree[static_cast<std::size_t>(i)], where, name);
    };
    const auto links = [&](int i, const char* name) {
        return as_view<const std::int32_t, 1>(tree[static_cast<std::size_t>(i)], where,
                                              name);
    };
    const auto sets = as_view<const std::uint32_t, 2>(tree[7], where, "left_bins");
    return {links(0, "feature"),
            links(1, "bin"),
            links(3, "left"),
            links(4, "right"),
            reinterpret_cast<const std::uint8_t*>(flags(2, "default_left").data),
            reinterpret_cast<const std::uint8_t*>(flags(6, "is_categorical").data),
            as_view<const float, 1>(tree[5], where, "value").data,
            reinterpret_cast<const boosting::CodeSet*>(sets.data)};
}

} // namespace fastnotes
