/// The adds of a histogram: blocks of rows into tiles of columns.
#pragma once

#include "boosting/histogram.hpp"
#include "common/simd.hpp"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

namespace fastnotes::boosting {

/// Columns whose sums fit a 32 KiB first-level cache with room for codes and values.
inline constexpr int tile_columns = 14;
/// Slots from one column's sums to the next one's. With a power of two, slots of equal
/// codes would differ in high address bits alone, and loads wait for stores they only
/// resemble.
inline constexpr index_t column_slots = code_slots + 8;
/// Rows that each tile adds in turn: enough to pay for loading a tile's sums, few
/// enough that their codes stay in the second-level cache.
inline constexpr index_t block_rows = 2048;
inline constexpr index_t prefetch_rows = 24;
/// The same where rows are only copied.
inline constexpr index_t copy_prefetch_rows = 64;
inline constexpr int most_group_columns = 32;

/// Consecutive rows to add: where their codes are, and one packed value each.
struct ConsecutiveRows {
    const std::uint8_t* codes;  ///< of the first row
    index_t stride;             ///< codes from a row to the next
    const std::int64_t* values; ///< [n]
    index_t n;

    static constexpr bool listed = false;
    static constexpr bool near = true; ///< codes come without a prefetch
    index_t row(index_t i) const noexcept { return i; }
    std::int64_t value(index_t i) const noexcept { return values[i]; }
};

/// Listed rows to add.
struct ListedRows {
    const std::uint8_t* codes; ///< of row 0
    index_t stride;
    const std::int64_t* rows;   ///< [readable] row numbers
    const std::int64_t* values; ///< [n]
    index_t n;
    index_t readable; ///< row numbers that may be read: n and what follows in the list

    static constexpr bool listed = true;
    static constexpr bool near = false;
    index_t row(index_t i) const noexcept { return rows[i]; }
    std::int64_t value(index_t i) const noexcept { return values[i]; }
};

/// A row and its quantised values, which travel together: 2-byte row numbers of a
/// window, with values looked up, move half the bytes and are no faster.
struct RowRecord {
    std::int32_t row;
    std::int16_t hess, grad;
};

/// Listed rows as records; Near where their codes were just read.
template <bool Near> struct RecordsToAdd {
    const std::uint8_t* codes; ///< of row 0
    index_t stride;
    const RowRecord* records; ///< [readable]
    index_t n;
    index_t readable;

    static constexpr bool listed = true;
    static constexpr bool near = Near;
    index_t row(index_t i) const noexcept { return records[i].row; }
    std::int64_t value(index_t i) const noexcept {
        return std::int64_t{records[i].grad} * (std::int64_t{1} << 32) +
               records[i].hess;
    }
};
using RecordedRows = RecordsToAdd<false>;
using NearRows = RecordsToAdd<true>;

/// Records of which each stands for several rows.
template <class Records> struct Counted : Records {
    const std::uint8_t* counts; ///< of row 0

    std::int64_t value(index_t i) const noexcept {
        return Records::value(i) * counts[Records::row(i)];
    }
};

/// One packed add per column. Columns go by words: one load of several codes.
template <int Width>
FASTNOTES_INLINE void add_row(const std::uint8_t* codes, std::int64_t value,
                              std::int64_t* sums) {
    constexpr int step = Width >= 8 ? 8 : Width >= 4 ? 4 : 1;
    if constexpr (Width >= 4) {
        std::conditional_t<step == 8, std::uint64_t, std::uint32_t> word;
        std::memcpy(&word, codes, sizeof word);
#pragma GCC unroll 8
        for (int k = 0; k < step; ++k) {
            std::int64_t* const of_column = sums + k * column_slots;
            of_column[(word >> (8 * k)) & 0xFF] += value;
        }
    } else {
        sums[codes[0]] += value;
    }
    if constexpr (Width > step) {
        add_row<Width - step>(codes + step, value, sums + step * column_slots);
    }
}

template <int Width, class Rows>
void add_tile(const Rows& of, index_t column, std::int64_t* sums) noexcept {
    const Rows block = of; // in registers: sums might be parts of it
    const std::uint8_t* const codes = block.codes + column;
    for (index_t i = 0; i < block.n; ++i) {
        if constexpr (!Rows::near) {
            const index_t next = std::min(i + prefetch_rows, block.readable - 1);
            const std::uint8_t* const ahead = codes + block.row(next) * block.stride;
            simd::prefetch(ahead);
            simd::prefetch(ahead + Width - 1); // often on the next line
        }
        add_row<Width>(codes + block.row(i) * block.stride, block.value(i), sums);
    }
}

template <class Rows>
using AddTile = void (*)(const Rows&, index_t, std::int64_t*) noexcept;

template <class Rows, int... Less>
AddTile<Rows> tile_of_width(index_t width,
                            std::integer_sequence<int, Less...>) noexcept {
    static constexpr AddTile<Rows> of_width[] = {add_tile<Less + 1, Rows>...};
    return of_width[width - 1];
}

template <class Rows>
void add_tiles(const Rows& block, index_t n_columns, std::int64_t* sums) noexcept {
    constexpr std::make_integer_sequence<int, tile_columns> widths;
    const index_t tiles = ceil_div(n_columns, index_t{tile_columns});
    for (index_t tile = 0; tile < tiles; ++tile) {
        const index_t first = n_columns * tile / tiles;
        const index_t width = n_columns * (tile + 1) / tiles - first;
        tile_of_width<Rows>(width, widths)(block, first, sums + first * column_slots);
    }
}

/// Listed rows side by side, for several tiles: each row is looked up once, and the
/// lines around its codes do not drive sums out of the first-level cache.
class GatheredRows {
  public:
    static constexpr index_t most_rows = 1024;
    static constexpr index_t least_columns = most_group_columns / 2;

    /// Rows [at, at + n) of a block, n <= most_rows, with n_columns >= least_columns.
    template <class Rows>
    ConsecutiveRows gather(const Rows& block, index_t at, index_t n,
                           index_t n_columns) noexcept {
        const index_t last = n_columns - least_columns; // the halves may overlap
        for (index_t i = 0; i < n; ++i) {
            if constexpr (!Rows::near) {
                const index_t next =
                    std::min(at + i + copy_prefetch_rows, block.readable - 1);
                const std::uint8_t* const ahead =
                    block.codes + block.row(next) * block.stride;
                simd::prefetch(ahead);
                simd::prefetch(ahead + n_columns - 1); // often on the next line
            }
            const std::uint8_t* const from =
                block.codes + block.row(at + i) * block.stride;
            std::memcpy(codes_[i], from, least_columns);
            std::memcpy(codes_[i] + last, from + last, least_columns);
            values_[i] = block.value(at + i);
        }
        return {codes_[0], most_group_columns, values_, n};
    }

  private:
    alignas(64) std::uint8_t codes_[most_rows][most_group_columns];
    std::int64_t values_[most_rows];
};

/// Adds a block to the sums [n_columns, column_slots] of its first n_columns columns.
template <class Rows>
void add_block(const Rows& block, index_t n_columns, std::int64_t* sums) noexcept {
    if constexpr (Rows::listed) {
        if (n_columns >= GatheredRows::least_columns) {
            GatheredRows gathered;
            for (index_t at = 0; at < block.n; at += GatheredRows::most_rows) {
                const index_t n = std::min(GatheredRows::most_rows, block.n - at);
                add_tiles(gathered.gather(block, at, n, n_columns), n_columns, sums);
            }
            return;
        }
    }
    add_tiles(block, n_columns, sums);
}

/// Largest code in the first n_columns columns of a block.
template <class Rows>
std::uint8_t largest_code(const Rows& block, index_t n_columns) noexcept {
    std::uint8_t most[most_group_columns] = {};
    for (index_t i = 0; i < block.n; ++i) {
        const std::uint8_t* const codes = block.codes + block.row(i) * block.stride;
        for (index_t c = 0; c < n_columns; ++c) most[c] = std::max(most[c], codes[c]);
    }
    return *std::max_element(most, most + n_columns);
}

} // namespace fastnotes::boosting
