#include "boosting/growth_rows.hpp"

#include "common/simd_partition.hpp"

#include <algorithm>
#include <cstring>

namespace fastnotes::boosting {
namespace {

using std::int32_t;
using std::int64_t;
using std::uint64_t;
using std::uint8_t;

/// Columns from which a block's codes outgrow the second-level cache: rows are then
/// routed as a whole, and added tile by tile.
constexpr index_t wide_columns = 128;
constexpr index_t wide_block_rows = 32768;
/// Bytes from one row's code to the next one's up to which no prefetch is needed.
constexpr index_t dense_bytes = 32;
/// Bytes of a row up to which reading one code brings most of the others.
constexpr index_t near_bytes = 64;

/// A block of records to part, and where to.
struct BlockRoute {
    const RowRecord* from; ///< the others are a Step further each
    index_t n;
    index_t readable; ///< records that may be read ahead, n included
    const uint8_t* codes;
    index_t stride;
    const uint8_t* goes_left;

    template <int Step> index_t code_place(index_t i) const noexcept {
        return from[Step * i].row * stride;
    }
    template <int Step> std::uint32_t goes(index_t i) const noexcept {
        return goes_left[codes[code_place<Step>(i)]];
    }
};

/// left and right grow towards each other; the loop bodies write to both.
template <int Step, bool Prefetches>
void route_block(const BlockRoute& of, RowRecord*& left, RowRecord*& right) noexcept {
    constexpr index_t step = simd::parted_items;
    const BlockRoute block = of; // in registers, whatever is written
    RowRecord* to_left = left;
    RowRecord* to_right = right;
    index_t i = 0;
    const index_t ahead = Prefetches ? prefetch_rows : 0;
    const index_t stop = std::min(block.n - 2 * step, block.readable - ahead - step);
    for (; i <= stop; i += step) {
        std::uint32_t chosen = 0;
        for (int k = 0; k < step; ++k) {
            if constexpr (Prefetches) {
                simd::prefetch(block.codes + block.code_place<Step>(i + k + ahead));
            }
            chosen |= block.goes<Step>(i + k) << k;
        }
        simd::part_four<Step>(block.from + Step * i, chosen, to_left, to_right);
        const int n_left = __builtin_popcount(chosen);
        to_left += n_left;
        to_right -= step - n_left;
    }
    for (; i < block.n; ++i) {
        const RowRecord record = block.from[Step * i];
        const auto goes = static_cast<index_t>(block.goes<Step>(i));
        *to_left = record;
        to_right[-1] = record;
        to_left += goes;
        to_right += goes - 1;
    }
    left = to_left;
    right = to_right;
}

} // namespace

QuantisedTotals record_rows(const float* grad, const float* hess, const int32_t* rows,
                            index_t first, index_t n, const Quantiser& quantiser,
                            RowRecord* records, int64_t* packed) noexcept {
    using Floats = simd::Vec<float>;
    using Ints = simd::Vec<int32_t>;
    const auto quantise = [](Floats v, const Scale& scale) {
        const Floats scaled = v * Floats(static_cast<float>(scale.first)) *
                              Floats(static_cast<float>(scale.second));
        const Floats most(static_cast<float>(largest_quantised));
        return simd::round_to_int(simd::max(simd::min(scaled, most), -most));
    };
    Ints G(0), H(0);
    for (index_t i = 0; i < n; i += Ints::size) {
        const auto count = static_cast<std::size_t>(n - i);
        const Ints g =
            quantise(simd::load_partial<Floats>(grad + i, count), quantiser.grad);
        const Ints h =
            quantise(simd::load_partial<Floats>(hess + i, count), quantiser.hess);
        G += g;
        H += h;
        const Ints row =
            rows == nullptr ? simd::iota<Ints>() + Ints(static_cast<int32_t>(first + i))
                            : simd::load_partial<Ints>(rows + i, count);
        const auto made = simd::interleave(row, (g << 16) | (h & Ints(0xFFFF)));
        const auto wide = [](auto half) { return simd::convert<int64_t>(half); };
        const auto low = (wide(simd::low_half(g)) << 32) + wide(simd::low_half(h));
        const auto high = (wide(simd::high_half(g)) << 32) + wide(simd::high_half(h));
        if (count >= Ints::size) {
            std::memcpy(records + i, &made, sizeof made);
            simd::store(packed + i, low);
            simd::store(packed + i + Ints::size / 2, high);
        } else {
            std::memcpy(records + i, &made, count * sizeof(RowRecord));
            const RecordedRows rest{nullptr, 0, records + i, n - i, n - i};
            for (index_t k = 0; k < n - i; ++k) packed[i + k] = rest.value(k);
        }
    }
    QuantisedTotals totals;
    for (int lane = 0; lane < Ints::size; ++lane) {
        totals.G += G[lane];
        totals.H += H[lane];
    }
    return totals;
}

CodeTable make_code_table(const NodeCut& cut, uint8_t missing_code) noexcept {
    CodeTable table{};
    for (index_t code = 0; code < code_slots; ++code) {
        const bool in_set = (cut.left_codes[code / 32] >> (code % 32) & 1) != 0;
        table[code] = (cut.categorical ? in_set : code <= cut.bin) ? 1 : 0;
    }
    table[missing_code] = cut.default_left ? 1 : 0;
    return table;
}

CodeTable make_code_table(const NodeCut& cut, const RowSource& source) noexcept {
    const CodeTable by_column = make_code_table(cut, source.missing_code);
    const CodeDecoder* const decoder = source.table->decoder(cut.column);
    if (decoder == nullptr) return by_column;
    CodeTable table{};
    for (std::size_t code = 0; code < table.size(); ++code) {
        table[code] = by_column[(*decoder)[code]];
    }
    return table;
}

index_t RecordReader::count_below(index_t end) const noexcept {
    if (left_ == 0 || (*this)[left_ - 1].row < end) return left_;
    index_t low = 0, high = left_ - 1; // the record at high is not below
    while (low < high) {
        const index_t middle = (low + high) / 2;
        if ((*this)[middle].row < end) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void SegmentRouter::route(const RowSource& source, const Routing& routing, index_t end,
                          RowSums* sums) noexcept {
    const index_t stride = source.bins.columns;
    const index_t step = stride > wide_columns ? wide_block_rows : block_rows;
    const uint8_t* const codes = source.bins.data + routing.bundle;
    index_t ready = reader_.count_below(end);
    if (ready == 0) return;
    const bool forward = reader_.step() > 0;
    const index_t span = reader_[ready - 1].row - reader_[0].row;
    const bool dense = span * stride <= ready * dense_bytes;
    const bool near = stride <= near_bytes;
    const auto route_rows =
        dense ? (forward ? route_block<1, false> : route_block<-1, false>)
              : (forward ? route_block<1, true> : route_block<-1, true>);
    while (ready > 0) {
        const index_t n = std::min(step, ready);
        RowRecord* const left_before = left_;
        RowRecord* const right_before = right_;
        route_rows({&reader_[0], n, ready, codes, stride, routing.goes_left->data()},
                   left_, right_);
        reader_.skip(n);
        ready -= n;
        if (sums == nullptr) continue;
        const RowRecord* const added = routing.adds_left ? left_before : right_;
        const index_t count =
            routing.adds_left ? left_ - left_before : right_before - right_;
        if (near) {
            sums->add_near(source, added, count);
        } else {
            sums->add(source, added, count, count);
        }
    }
}

void search_rows(const RowSource& source, View1<const Segment> segments,
                 const RowRecord* buffer, View1<const int32_t> columns,
                 const NodeFrame& frame, const GrowthRules& rules, const Units& units,
                 DirectScratch& scratch, NodeCut& best) noexcept {
    index_t n = 0;
    for (const Segment& segment : segments) {
        const RowRecord* const records = buffer + segment.first;
        const RecordedRows rows{source.bins.data, source.bins.columns, records,
                                segment.n, segment.n};
        for (index_t i = 0; i < segment.n; ++i, ++n) {
            scratch.codes[n] = rows.codes + rows.row(i) * rows.stride;
            scratch.values[n] = rows.value(i) * source.count(rows.row(i));
            simd::prefetch(scratch.codes[n]);
        }
    }
    for (const int32_t c : columns) {
        const index_t bundle = source.table->bundle_of(c);
        const CodeDecoder* const decoder = source.table->decoder(c);
        // Bin 0 also if empty: there missing may go left alone.
        scratch.occupied[0] = 1;
        for (index_t i = 0; i < n; ++i) {
            uint8_t code = scratch.codes[i][bundle];
            if (decoder != nullptr) code = (*decoder)[code];
            scratch.sums[code] += scratch.values[i];
            scratch.occupied[code / 64] |= uint64_t{1} << (code % 64);
        }
        scratch.occupied[source.missing_code / 64] &=
            ~(uint64_t{1} << (source.missing_code % 64));
        scratch.sums[source.missing_code] = 0;
        index_t places = 0;
        int64_t running = 0;
        for (index_t word = 0; word < code_slots / 64; ++word) {
            for (uint64_t bits = scratch.occupied[word]; bits != 0; bits &= bits - 1) {
                const index_t code = 64 * word + __builtin_ctzll(bits);
                running += scratch.sums[code];
                scratch.sums[code] = 0;
                scratch.places[places] = running;
                scratch.code[places++] = static_cast<uint8_t>(code);
            }
            scratch.occupied[word] = 0;
        }
        const index_t padded = std::min(round_up(places, bins_step), code_slots);
        std::fill(scratch.places + places, scratch.places + padded, int64_t{0});
        search_column(c, source.layout->columns[c],
                      PackedColumnSums{scratch.places, places, scratch.code}, frame,
                      rules, units, best);
    }
}

} // namespace fastnotes::boosting
