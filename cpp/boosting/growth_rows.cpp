#include "boosting/growth_rows.hpp"

#include <algorithm>

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

/// left and right grow towards each other; the loop body writes to both.
void route_block(const RowRecord* from, index_t n, index_t readable,
                 const uint8_t* codes, index_t stride, const uint8_t* goes_left,
                 RowRecord*& left, RowRecord*& right) noexcept {
    RowRecord* to_left = left;
    RowRecord* to_right = right;
    for (index_t i = 0; i < n; ++i) {
        const index_t next = std::min(i + prefetch_rows, readable - 1);
        simd::prefetch(codes + from[next].row * stride);
        const RowRecord record = from[i];
        const index_t goes = goes_left[codes[record.row * stride]];
        *to_left = record;
        to_right[-1] = record;
        to_left += goes;
        to_right += goes - 1;
    }
    left = to_left;
    right = to_right;
}

} // namespace

CodeTable make_code_table(const NodeCut& cut, uint8_t missing_code) noexcept {
    CodeTable table{};
    for (index_t code = 0; code < code_slots; ++code) {
        const bool in_set = (cut.left_codes[code / 32] >> (code % 32) & 1) != 0;
        table[code] = (cut.categorical ? in_set : code <= cut.bin) ? 1 : 0;
    }
    table[missing_code] = cut.default_left ? 1 : 0;
    return table;
}

RoutedSegments route_segment(const RowSource& source, const Routing& routing,
                             Segment segment, const RowRecord* from, RowRecord* to,
                             RowSums* sums) noexcept {
    const index_t step =
        source.bins.columns > wide_columns ? wide_block_rows : block_rows;
    const uint8_t* const codes = source.bins.data + routing.column;
    from += segment.first;
    RowRecord* const start = to + segment.first;
    RowRecord* left = start;
    RowRecord* right = start + segment.n;
    for (index_t at = 0; at < segment.n; at += step) {
        const index_t n = std::min<index_t>(step, segment.n - at);
        RowRecord* const left_before = left;
        RowRecord* const right_before = right;
        route_block(from + at, n, segment.n - at, codes, source.bins.columns,
                    routing.goes_left->data(), left, right);
        if (sums == nullptr) continue;
        const RowRecord* const added = routing.adds_left ? left_before : right;
        const index_t count =
            routing.adds_left ? left - left_before : right_before - right;
        sums->add(source, added, count, count);
    }
    const auto n_left = static_cast<int32_t>(left - start);
    return {{segment.first, n_left}, {segment.first + n_left, segment.n - n_left}};
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
            scratch.values[n] = rows.value(i);
            simd::prefetch(scratch.codes[n]);
        }
    }
    for (const int32_t c : columns) {
        // Bin 0 also if empty: there missing may go left alone.
        scratch.occupied[0] = 1;
        for (index_t i = 0; i < n; ++i) {
            const uint8_t code = scratch.codes[i][c];
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
                const auto low = static_cast<int32_t>(running);
                scratch.G[places] = static_cast<double>((running - low) >> 32);
                scratch.H[places] = static_cast<double>(low);
                scratch.code[places++] = static_cast<uint8_t>(code);
            }
            scratch.occupied[word] = 0;
        }
        const index_t padded = std::min(round_up(places, bins_step), code_slots);
        std::fill(scratch.G + places, scratch.G + padded, 0.0);
        std::fill(scratch.H + places, scratch.H + padded, 0.0);
        search_column(c, source.layout->columns[c],
                      {scratch.G, scratch.H, places, scratch.code}, frame, rules, units,
                      best);
    }
}

} // namespace fastnotes::boosting
