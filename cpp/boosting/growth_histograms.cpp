#include "boosting/growth_histograms.hpp"

#include "boosting/split_gain.hpp"

#include <algorithm>

namespace fastnotes::boosting {
namespace {

using std::int32_t;
using std::int64_t;
using Packed = simd::Vec<int64_t>;

/// Unused columns in a row that a tile rather adds than leaves out.
constexpr index_t widest_gap = 2;
/// Adds packed sums of known bins to [2, padded] wide ones.
void add_unpacked(const int64_t* packed, const GrowthColumn& about,
                  double* wide) noexcept {
    double* const G = wide;
    double* const H = wide + about.padded;
    for (index_t b = 0; b < about.known; b += Packed::size) {
        const auto count = static_cast<std::size_t>(about.known - b);
        const auto sums = unpack(simd::load_partial<Packed>(packed + b, count));
        simd::store(G + b, simd::load<Reals>(G + b) + sums.G);
        simd::store(H + b, simd::load<Reals>(H + b) + sums.H);
    }
}

void accumulate_narrow(View1<const RowSums> parts, index_t column,
                       const GrowthColumn& about, double* out) noexcept {
    alignas(64) int64_t running[code_slots];
    const int64_t* packed = parts.data[0].packed(column);
    if (parts.size > 1) {
        std::copy_n(packed, about.known, running);
        for (index_t p = 1; p < parts.size; ++p) {
            const int64_t* const part = parts.data[p].packed(column);
            for (index_t b = 0; b < about.known; ++b) running[b] += part[b];
        }
        packed = running;
    }
    int64_t sum = 0;
    for (index_t b = 0; b < about.known; ++b) running[b] = sum += packed[b];
    std::fill(running + about.known, running + about.padded, int64_t{0});
    for (index_t b = 0; b < about.padded; b += Packed::size) {
        const auto sums = unpack(simd::load<Packed>(running + b));
        simd::store(out + b, sums.G);
        simd::store(out + about.padded + b, sums.H);
    }
}

template <class F> void for_tiled_columns(const RowSource& source, F f) noexcept {
    for (const ColumnTile& tile : *source.tiles) {
        for (index_t c = tile.first; c < tile.first + tile.width; ++c) {
            f(c, source.layout->columns[static_cast<std::size_t>(c)]);
        }
    }
}

} // namespace

std::vector<ColumnTile> make_tiles(const std::vector<int32_t>& columns) {
    std::vector<ColumnTile> runs, tiles;
    for (const index_t c : columns) {
        if (runs.empty() || c > runs.back().first + runs.back().width + widest_gap) {
            runs.push_back({c, 1});
        } else {
            runs.back().width = c + 1 - runs.back().first;
        }
    }
    for (const ColumnTile& run : runs) {
        const index_t parts = ceil_div(run.width, index_t{most_group_columns});
        for (index_t k = 0; k < parts; ++k) {
            const index_t first = run.width * k / parts;
            tiles.push_back({run.first + first, run.width * (k + 1) / parts - first});
        }
    }
    return tiles;
}

void RowSums::clear(const RowSource& source) noexcept {
    for_tiled_columns(source, [&](index_t c, const GrowthColumn& about) {
        int64_t* const packed = packed_ + c * column_slots;
        std::fill_n(packed, about.known, int64_t{0});
        packed[source.missing_code] = 0;
    });
    unflushed_ = 0;
    flushed_ = false;
}

void RowSums::flush(const RowSource& source) noexcept {
    for_tiled_columns(source, [&](index_t c, const GrowthColumn& about) {
        int64_t* const packed = packed_ + c * column_slots;
        double* const wide = wide_ + about.offset;
        if (!flushed_) std::fill_n(wide, 2 * about.padded, 0.0);
        add_unpacked(packed, about, wide);
        std::fill_n(packed, about.known, int64_t{0});
        packed[source.missing_code] = 0; // nobody reads it, but it must not overflow
    });
    unflushed_ = 0;
    flushed_ = true;
}

template <class Rows>
void RowSums::add_tiles(const RowSource& source, const Rows& rows) noexcept {
    if (unflushed_ + rows.n > most_packed_rows) flush(source);
    for (const ColumnTile& tile : *source.tiles) {
        Rows of_tile = rows;
        of_tile.codes += tile.first;
        add_block(of_tile, tile.width, packed_ + tile.first * column_slots);
    }
    unflushed_ += rows.n;
}

void RowSums::add(const RowSource& source, const RowRecord* records, index_t n,
                  index_t readable) noexcept {
    const index_t step = most_packed_rows / 2;
    for (index_t at = 0; at < n; at += step) {
        add_tiles(source,
                  RecordedRows{source.bins.data, source.bins.columns, records + at,
                               std::min(step, n - at), readable - at});
    }
}

void RowSums::add_consecutive(const RowSource& source, index_t first,
                              const int64_t* values, index_t n) noexcept {
    add_tiles(source,
              ConsecutiveRows{source.bins.row(first), source.bins.columns, values, n});
}

void accumulate_column(View1<const RowSums> parts, index_t column,
                       const GrowthColumn& about, bool narrow, double* out) noexcept {
    if (narrow) return accumulate_narrow(parts, column, about, out);
    std::fill_n(out, 2 * about.padded, 0.0);
    for (const RowSums& part : parts) {
        add_unpacked(part.packed(column), about, out);
        const double* const wide = part.wide(about);
        if (wide == nullptr) continue;
        for (index_t i = 0; i < 2 * about.padded; ++i) out[i] += wide[i];
    }
    for (index_t b = 1; b < about.known; ++b) {
        out[b] += out[b - 1];
        out[about.padded + b] += out[about.padded + b - 1];
    }
}

void HistogramPool::reset(index_t size, index_t most_bytes) {
    if (size != size_) slots_.clear();
    size_ = size;
    most_ =
        most_bytes / static_cast<index_t>(sizeof(double)) / std::max<index_t>(1, size);
    free_.clear();
    for (auto i = static_cast<index_t>(slots_.size()); i > 0; --i)
        free_.push_back(i - 1);
}

index_t HistogramPool::take(bool needed) {
    if (free_.empty()) {
        const auto count = static_cast<index_t>(slots_.size());
        if (count >= most_ && !needed) return none;
        slots_.emplace_back(size_);
        return count;
    }
    const index_t number = free_.back();
    free_.pop_back();
    return number;
}

void HistogramPool::give(index_t number) {
    if (number != none) free_.push_back(number);
}

} // namespace fastnotes::boosting
