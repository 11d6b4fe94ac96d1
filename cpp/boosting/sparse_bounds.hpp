/// How much the cuts of a sparse column may gain at most, for many nodes at once.
#pragma once

#include "boosting/growth_splits.hpp"
#include "boosting/sparse_columns.hpp"
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
    index_t padded; ///< whole groups
    double lambda, alpha, least;
    std::vector<double> G, H;
    bool fits_float;                     ///< products of sums do
    std::vector<std::uint8_t> is_narrow; ///< [groups] sums of any rows fit int32
};

/// Upper bounds of T(G)^2 / (H + lambda), summed over both children, but for rounding:
/// times 1 + slack they are no less than the largest of any admissible cut.
///
/// A cut is known by its far side, the one without absent rows: stored entries of the
/// codes below, or above; the other side is the node less it. So columns are swept from
/// both ends, and the nodes of a group advance together.
class ColumnBounds {
  public:
    static constexpr double slack = 1e-5;
    static constexpr index_t most_slots = 1024;

    /// Makes room for columns of up to most_entries entries. Throws std::bad_alloc.
    void prepare(const NodeLanes& nodes, index_t most_entries);

    /// out[slot * stride] = the bound, negative if no cut is admissible.
    void find(const CodeColumn& column, const RowTerm* terms, const NodeLanes& nodes,
              float* out, index_t stride) noexcept;

  private:
    template <bool Shrinks> class Sweep;

    std::vector<std::int64_t> sums_; ///< [codes, lanes], zero between columns
    std::vector<double> wide_;       ///< G and H of sums that overflow, likewise
    std::vector<RowTerm> sorted_;
    std::vector<std::int64_t> running_, missing_; ///< [lanes]
    std::vector<float> best_;                     ///< [lanes]
};

} // namespace fastnotes::boosting
