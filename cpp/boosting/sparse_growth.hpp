/// Growth of one regression tree from sparse columns of bin codes.
#pragma once

#include "boosting/growth.hpp"
#include "boosting/sparse_columns.hpp"

#include <cstdint>
#include <memory>

namespace fastnotes::boosting {

/// Grows trees on one sparse table: those, bit for bit, that TreeGrower grows on its
/// dense form.
///
/// A batch of nodes is searched in one pass over the stored entries. It gives an upper
/// bound of the gain for every node and column; columns are then searched exactly from
/// the largest bound on, while one can still win. Where hessians are negative or values
/// are split (see TreeGrower) there are no bounds, and every column is searched.
///
/// Memory: 17 bytes a row, 4 for each column and node of a batch.
class SparseTreeGrower {
  public:
    /// The table must be valid. Throws std::bad_alloc.
    SparseTreeGrower(const SparseGrowthTable& table, GrowthRules rules, int n_threads);
    ~SparseTreeGrower();
    SparseTreeGrower(SparseTreeGrower&&) noexcept;
    SparseTreeGrower& operator=(SparseTreeGrower&&) noexcept;
    SparseTreeGrower(const SparseTreeGrower&) = delete;
    SparseTreeGrower& operator=(const SparseTreeGrower&) = delete;

    /// As TreeGrower::grow.
    GrowthStatus grow(const GrowthInput& input, GrownNodes& tree,
                      View1<std::int32_t> leaf_of_row);

    /// As TreeGrower::grow_round, one tree after another.
    GrowthStatus grow_round(const RoundInput& round, std::vector<GrownNodes>& trees,
                            View2<std::int32_t> leaf_of_row);

  private:
    class State;
    std::unique_ptr<State> state_;
};

} // namespace fastnotes::boosting
