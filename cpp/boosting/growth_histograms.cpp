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
/// Adds packed sums to [2, padded] wide ones.
void add_unpacked(const int64_t* packed, index_t known, index_t padded,
                  double* wide) noexcept {
    double* const G = wide;
    double* const H = wide + padded;
    for (index_t b = 0; b < known; b += Packed::size) {
        const auto count = static_cast<std::size_t>(known - b);
        const auto sums = unpack(simd::load_partial<Packed>(packed + b, count));
        simd::store(G + b, simd::load<Reals>(G + b) + sums.G);
        simd::store(H + b, simd::load<Reals>(H + b) + sums.H);
    }
}

/// Sums of all parts, of at most most_packed_rows rows; `total` may be needed for them.
const int64_t* packed_total(View1<const RowSums> parts, index_t bundle, index_t known,
                            int64_t* total) noexcept {
    const int64_t* const first = parts.data[0].packed(bundle);
    if (parts.size == 1) return first;
    std::copy_n(first, known, total);
    for (index_t p = 1; p < parts.size; ++p) {
        const int64_t* const part = parts.data[p].packed(bundle);
        for (index_t b = 0; b < known; ++b) total[b] += part[b];
    }
    return total;
}

void wide_total(View1<const RowSums> parts, index_t bundle, const Bundle& about,
                double* total) noexcept {
    std::fill_n(total, 2 * about.padded, 0.0);
    for (const RowSums& part : parts) {
        add_unpacked(part.packed(bundle), about.known, about.padded, total);
        const double* const wide = part.wide(about);
        if (wide == nullptr) continue;
        for (index_t i = 0; i < 2 * about.padded; ++i) total[i] += wide[i];
    }
}

/// Makes sums of bins cumulative, and unpacks them.
void accumulate_packed(const int64_t* sums, const GrowthColumn& about,
                       double* out) noexcept {
    alignas(64) int64_t running[code_slots];
    int64_t sum = 0;
    for (index_t b = 0; b < about.known; ++b) running[b] = sum += sums[b];
    std::fill(running + about.known, running + about.padded, int64_t{0});
    for (index_t b = 0; b < about.padded; b += Packed::size) {
        const auto unpacked = unpack(simd::load<Packed>(running + b));
        simd::store(out + b, unpacked.G);
        simd::store(out + about.padded + b, unpacked.H);
    }
}

void accumulate_packed(const int64_t* sums, const GrowthColumn& about,
                       int64_t* out) noexcept {
    const index_t known = about.known, padded = about.padded;
    int64_t sum = 0;
#pragma GCC unroll 8
    for (index_t b = 0; b < known; ++b) out[b] = sum += sums[b];
    std::fill(out + known, out + padded, int64_t{0});
}

void accumulate(double* sums, index_t known) noexcept {
    for (index_t b = 1; b < known; ++b) sums[b] += sums[b - 1];
}

/// give(member, sums of its digits); `totals`, of all codes, are used up.
template <class T, class F>
void take_marginals(const Bundle& bundle, T* totals, F give) noexcept {
    for (auto m = bundle.members.rbegin(); m != bundle.members.rend(); ++m) {
        T sums[code_slots];
        for (index_t d = 0; d < m->levels; ++d) {
            T* const of_digit = totals + d * m->stride;
            T sum{};
            for (index_t k = 0; k < m->stride; ++k) sum += of_digit[k];
            sums[d] = sum;
            for (index_t k = 0; d > 0 && k < m->stride; ++k) totals[k] += of_digit[k];
        }
        give(*m, sums);
    }
}

template <class F> void for_tiled_bundles(const RowSource& source, F f) noexcept {
    for (const ColumnTile& tile : *source.tiles) {
        for (index_t i = tile.first; i < tile.first + tile.width; ++i) {
            f(i, source.table->bundles()[static_cast<std::size_t>(i)]);
        }
    }
}

} // namespace

std::vector<ColumnTile> make_tiles(const std::vector<int32_t>& bundles) {
    std::vector<ColumnTile> runs, tiles;
    for (const index_t c : bundles) {
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
    for_tiled_bundles(source, [&](index_t i, const Bundle& about) {
        int64_t* const packed = packed_ + i * column_slots;
        std::fill_n(packed, about.known, int64_t{0});
        packed[source.missing_code] = 0;
    });
    unflushed_ = 0;
    flushed_ = false;
}

void RowSums::flush(const RowSource& source) noexcept {
    for_tiled_bundles(source, [&](index_t i, const Bundle& about) {
        int64_t* const packed = packed_ + i * column_slots;
        double* const wide = wide_ + about.offset;
        if (!flushed_) std::fill_n(wide, 2 * about.padded, 0.0);
        add_unpacked(packed, about.known, about.padded, wide);
        std::fill_n(packed, about.known, int64_t{0});
        packed[source.missing_code] = 0; // nobody reads it, but it must not overflow
    });
    unflushed_ = 0;
    flushed_ = true;
}

template <class Rows>
void RowSums::add_tiles(const RowSource& source, const Rows& rows) noexcept {
    const index_t n_rows = source.most_rows(rows.n);
    if (unflushed_ + n_rows > most_packed_rows) flush(source);
    for (const ColumnTile& tile : *source.tiles) {
        Rows of_tile = rows;
        of_tile.codes += tile.first;
        add_block(of_tile, tile.width, packed_ + tile.first * column_slots);
    }
    unflushed_ += n_rows;
}

template <class Rows>
void RowSums::add_steps(const RowSource& source, const RowRecord* records, index_t n,
                        index_t readable) noexcept {
    const index_t step = most_packed_rows / 2 / source.most_rows(1);
    for (index_t at = 0; at < n; at += step) {
        const Rows rows{source.bins.data, source.bins.columns, records + at,
                        std::min(step, n - at), readable - at};
        if (source.counts == nullptr) {
            add_tiles(source, rows);
        } else {
            add_tiles(source, Counted<Rows>{rows, source.counts});
        }
    }
}

void RowSums::add(const RowSource& source, const RowRecord* records, index_t n,
                  index_t readable) noexcept {
    add_steps<RecordedRows>(source, records, n, readable);
}

void RowSums::add_near(const RowSource& source, const RowRecord* records,
                       index_t n) noexcept {
    add_steps<NearRows>(source, records, n, n);
}

void RowSums::add_consecutive(const RowSource& source, index_t first,
                              const int64_t* values, index_t n) noexcept {
    add_tiles(source,
              ConsecutiveRows{source.bins.row(first), source.bins.columns, values, n});
}

void accumulate_bundle(View1<const RowSums> parts, index_t bundle,
                       const RowSource& source, SumsWidth width,
                       double* histogram) noexcept {
    const Bundle& about = source.table->bundles()[static_cast<std::size_t>(bundle)];
    const auto column = [&](const BundleMember& member) -> const GrowthColumn& {
        return source.layout->columns[static_cast<std::size_t>(member.column)];
    };
    if (width != SumsWidth::wide) {
        const auto put = [&](const BundleMember& m, const int64_t* of) {
            if (width == SumsWidth::narrow) {
                accumulate_packed(of, column(m), histogram + column(m).offset);
            } else {
                accumulate_packed(of, column(m), packed_sums(histogram, column(m)));
            }
        };
        int64_t total[code_slots];
        const int64_t* const sums = packed_total(parts, bundle, about.known, total);
        if (about.single()) return put(about.members.front(), sums);
        if (sums != total) std::copy_n(sums, about.known, total);
        return take_marginals(about, total, put);
    }
    if (about.single()) {
        const GrowthColumn& only = column(about.members.front());
        double* const out = histogram + only.offset;
        wide_total(parts, bundle, about, out);
        accumulate(out, only.known);
        return accumulate(out + only.padded, only.known);
    }
    double total[2 * code_slots];
    wide_total(parts, bundle, about, total);
    for (int half = 0; half < 2; ++half) {
        take_marginals(about, total + half * about.padded,
                       [&](const BundleMember& m, const double* of) {
                           double* const out =
                               histogram + column(m).offset + half * column(m).padded;
                           std::fill_n(out, column(m).padded, 0.0);
                           std::copy_n(of, column(m).known, out);
                           accumulate(out, column(m).known);
                       });
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
