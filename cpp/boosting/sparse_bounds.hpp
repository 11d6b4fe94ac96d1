/// How much the cuts of a sparse column may gain at most, for many nodes at once.
#pragma once

#include "boosting/growth_splits.hpp"
#include "boosting/sparse_columns.hpp"
#include "common/aligned.hpp"
#include "common/simd.hpp"

#include <cstdint>
#include <vector>

namespace fastnotes::boosting {

/// What a row adds, and to which node's sums.
struct RowTerm {
    std::int32_t slot;       ///< of its node among those looked at
    std::int16_t hess, grad; ///< quantised; 0 if not learnt from

    std::int64_t value() const noexcept {
        return std::int64_t{grad} * (std::int64_t{1} << 32) + hess;
    }
};

/// Nodes looked at together, in slots 0 .. n - 1, in quantised units. Hessians are not
/// negative.
struct NodeLanes {
    static constexpr index_t group = simd::Vec<float>::size;

    NodeLanes(index_t n_nodes, double reg_lambda, double reg_alpha,
              double min_child_weight, const Units& units);
    void set(index_t slot, const Sums& total, index_t n_rows) noexcept;

    index_t n;
    index_t padded; ///< whole groups; also the slot of rows in none of the nodes
    double lambda, alpha, least;
    std::vector<double> G, H;
    std::vector<std::int64_t> packed;
    std::vector<std::uint8_t>
        is_narrow; ///< [padded / group] packed sums do not overflow
};

/// Upper bounds of T(G)^2 / (H + lambda), summed over both children, but for rounding:
/// times 1 + bound_slack they are no less than the largest of any admissible cut.
///
/// A cut is known by its side without the absent rows: stored entries of the codes
/// below, or above; the other side is the node less it. A column is swept from both
/// ends, all nodes advancing together.
class ColumnBounds {
  public:
    static constexpr double slack = 1e-5;
    static constexpr index_t most_slots = 1024;

    /// The longest column has most_entries.
    explicit ColumnBounds(index_t most_entries);

    /// out[slot * stride] = the bound, negative if no cut is admissible.
    void find(const CodeColumns& columns, index_t c, const RowTerm* rows,
              const NodeLanes& nodes, float* out, index_t stride) noexcept;

  private:
    template <bool Shrinks> class Sweep;

    static constexpr index_t most_copies = 4;
    static constexpr index_t stride_ = most_slots + 2 * NodeLanes::group;

    AlignedBuffer<RowTerm> gathered_;
    AlignedBuffer<std::int64_t> running_, missing_;
    AlignedBuffer<double> wide_;
    AlignedBuffer<float> best_;
};

} // namespace fastnotes::boosting
