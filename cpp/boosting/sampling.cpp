#include "boosting/sampling.hpp"

#include "common/parallel.hpp"
#include "common/philox.hpp"

#include <algorithm>
#include <cmath>

namespace fastnotes::boosting {
namespace {

using detail::Words;
using std::int32_t;
using std::uint32_t;
using std::uint64_t;

constexpr uint32_t rows_purpose = 0x626F6F04;
constexpr index_t block_rows = index_t{1} << 16; ///< a multiple of step
constexpr index_t words = 4;                     ///< of a block of Philox
constexpr index_t step = words * Words::size;    ///< rows of one vector call

/// Lots of rows first .. first + step - 1, in order; `first` a multiple of step.
FASTNOTES_INLINE void draw(RandomStream stream, uint32_t round, index_t first,
                           uint32_t* lots) {
    const auto block = static_cast<uint64_t>(first / words);
    const auto drawn = detail::philox_blocks(stream, uint64_t{round} << 32 | block);
    uint64_t lanes[Words::size];
    for (index_t w = 0; w < words; ++w) {
        simd::store(lanes, drawn.word[w]);
        for (index_t b = 0; b < Words::size; ++b) {
            lots[b * words + w] = static_cast<uint32_t>(lanes[b]);
        }
    }
}

/// Writes the kept rows of [first, last) to `out`, which may hold them all.
index_t sample_block(RandomStream stream, uint32_t round, uint64_t below, index_t first,
                     index_t last, int32_t* out) noexcept {
    index_t kept = 0;
    uint32_t lots[step];
    for (index_t row = first; row < last; row += step) {
        draw(stream, round, row, lots);
        const index_t n = std::min(step, last - row);
        for (index_t i = 0; i < n; ++i) {
            out[kept] = static_cast<int32_t>(row + i);
            kept += lots[i] < below ? 1 : 0;
        }
    }
    return kept;
}

} // namespace

index_t sample_blocks(index_t n_rows) noexcept { return ceil_div(n_rows, block_rows); }

index_t sample_rows(double chance, uint64_t seed, uint32_t round, View1<int32_t> rows,
                    std::int64_t* counts, int n_threads) noexcept {
    const RandomStream stream{seed, rows_purpose};
    const auto below = static_cast<uint64_t>(std::nearbyint(std::ldexp(chance, 32)));
    const index_t n_blocks = sample_blocks(rows.size);
    parallel_for(n_blocks, n_threads, [&](index_t block) {
        const index_t first = block * block_rows;
        const index_t last = std::min(first + block_rows, rows.size);
        counts[block] =
            sample_block(stream, round, below, first, last, rows.data + first);
    });
    index_t kept = 0;
    for (index_t block = 0; block < n_blocks; ++block) {
        const int32_t* const from = rows.data + block * block_rows;
        std::copy(from, from + counts[block], rows.data + kept);
        kept += counts[block];
    }
    return kept;
}

} // namespace fastnotes::boosting
