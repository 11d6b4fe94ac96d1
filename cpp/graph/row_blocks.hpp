/// Rows of a graph cut into blocks of about equal work.
#pragma once

#include "graph/csr.hpp"

#include <algorithm>

namespace fastnotes::graph {

/// A row costs its entries and 4 more for its start and its store. Blocks depend on the
/// graph alone, never on the threads that share them out.
class RowBlocks {
  public:
    struct Range {
        index_t first, last;
    };

    explicit RowBlocks(const Csr& a) noexcept : a_(a) {
        const index_t total = cost_before(a.rows);
        count_ = std::clamp<index_t>(total / smallest_block, total > 0, most_blocks);
    }

    index_t count() const noexcept { return count_; }

    /// Rows of one block; the blocks in order are all rows.
    Range rows(index_t block) const noexcept {
        return {first_row(block), first_row(block + 1)};
    }

  private:
    static constexpr index_t row_cost = 4;
    static constexpr index_t smallest_block = 2048;
    static constexpr index_t most_blocks = 512;

    index_t cost_before(index_t row) const noexcept {
        return static_cast<index_t>(a_.indptr[row]) + row_cost * row;
    }

    /// First row not before this block's equal share of the cost.
    index_t first_row(index_t block) const noexcept {
        const auto total = static_cast<double>(cost_before(a_.rows));
        const auto share = static_cast<double>(block) / static_cast<double>(count_);
        const auto wanted = static_cast<index_t>(total * share);
        index_t low = 0, high = a_.rows;
        while (low < high) {
            const index_t middle = low + (high - low) / 2;
            if (cost_before(middle) < wanted) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low;
    }

    Csr a_;
    index_t count_;
};

} // namespace fastnotes::graph
