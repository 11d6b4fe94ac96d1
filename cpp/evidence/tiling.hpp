/// How an (outer, K, inner) array is cut into strips of outputs and blocks of K.
#pragma once

#include "common/parallel.hpp"
#include "common/view.hpp"

#include <algorithm>

namespace fastnotes::evidence {

/// Elements that pay for a thread.
inline constexpr index_t elements_per_thread = 1 << 15;

/// A strip is a run of outputs that one thread finishes: columns of one plane, or whole
/// rows if K is the last axis. Each block of K is summed by itself and blocks are
/// merged in order. Blocks follow from K alone, so results depend on nothing else;
/// strips only say who works where.
struct Tiling {
    static constexpr index_t max_blocks = 16;
    static constexpr index_t strips_per_thread = 4; // fewer leave a thread waiting

    index_t outer, count, inner;
    bool by_rows;
    int n_threads;
    index_t block, n_blocks;            // along K
    index_t width, per_plane, n_strips; // along the outputs

    Tiling(index_t outer_, index_t count_, index_t inner_, bool last_axis, int threads,
           index_t capacity) noexcept
        : outer(outer_), count(count_), inner(inner_), by_rows(last_axis),
          n_threads(worthwhile_threads(outer_ * count_ * inner_, elements_per_thread,
                                       threads)) {
        const index_t least = by_rows ? 4096 : 256, unit = by_rows ? 128 : 8;
        block = std::max(least, round_up(ceil_div(count, max_blocks), unit));
        n_blocks = std::max<index_t>(1, ceil_div(count, block));
        width = by_rows ? row_width() : column_width(capacity);
        const index_t plane = by_rows ? outer : inner;
        per_plane = ceil_div(plane, width);
        n_strips = by_rows ? per_plane : outer * per_plane;
    }

    /// Too few strips for the threads: they share the blocks of each instead.
    bool split() const noexcept {
        return n_threads > 1 && n_blocks > 1 &&
               n_strips < strips_per_thread * n_threads;
    }

    /// Outputs [first, first + size) of plane `plane`, or rows if by_rows.
    struct Strip {
        index_t plane, first, size;
    };
    Strip strip(index_t i) const noexcept {
        const index_t plane = i / per_plane, first = i % per_plane * width;
        return {plane, first, std::min(width, (by_rows ? outer : inner) - first)};
    }
    /// Place of the strip's first output, and of its element (k = 0).
    index_t output(const Strip& s) const noexcept { return s.plane * inner + s.first; }
    index_t element(const Strip& s) const noexcept {
        return by_rows ? s.first * count : s.plane * count * inner + s.first;
    }

    /// Entries [first, last) of K.
    struct Range {
        index_t first, last;
    };
    Range range(index_t i) const noexcept {
        return {i * block, std::min(count, (i + 1) * block)};
    }

    /// Where along K a thread starts to write its strips. Neighbouring columns lie in
    /// the same pages: threads that start together would all wait for the same fresh
    /// page.
    index_t start(int thread) const noexcept {
        return by_rows ? 0 : count * thread / n_threads;
    }

  private:
    index_t row_width() const noexcept {
        return std::clamp<index_t>(elements_per_thread / std::max<index_t>(count, 1), 1,
                                   64);
    }
    index_t column_width(index_t capacity) const noexcept {
        const index_t wanted = n_blocks > 1 ? 1
                                            : ceil_div(strips_per_thread * n_threads,
                                                       std::max<index_t>(outer, 1));
        const index_t pieces = std::max(wanted, ceil_div(inner, capacity));
        return std::clamp<index_t>(round_up(ceil_div(inner, pieces), 64), 64, capacity);
    }
};

} // namespace fastnotes::evidence
