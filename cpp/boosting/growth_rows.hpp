/// Rows of nodes: lists that are cut in two, and the sums of their values.
#pragma once

#include "boosting/growth_splits.hpp"

#include <cstdint>

namespace fastnotes::boosting {

/// Rows of a node in one of the lists: places [first, first + n) of a record buffer.
struct Segment {
    std::int32_t first = 0;
    std::int32_t n = 0;
};

/// 1 where a code goes left.
using CodeTable = std::array<std::uint8_t, code_slots>;

CodeTable make_code_table(const NodeCut& cut, std::uint8_t missing_code) noexcept;

/// How a node's rows part.
struct Routing {
    index_t column;
    const CodeTable* goes_left;
    bool adds_left; ///< which child's rows are summed, if any are
};

struct RoutedSegments {
    Segment left, right;
};

/// Moves the records of a segment from one buffer to the same places of another: those
/// that go left from its start on, those that go right from its end back. Adds those of
/// one side to sums, if not null, while their codes are at hand.
RoutedSegments route_segment(const RowSource& source, const Routing& routing,
                             Segment segment, const RowRecord* from, RowRecord* to,
                             RowSums* sums) noexcept;

/// Rows up to which a node is searched without a histogram.
inline constexpr index_t most_direct_rows = 256;

/// Scratch of search_rows; sums are all zero between calls.
struct DirectScratch {
    std::int64_t sums[code_slots];
    std::uint64_t occupied[code_slots / 64];
    const std::uint8_t* codes[most_direct_rows];
    std::int64_t values[most_direct_rows];
    double G[code_slots];
    double H[code_slots];
    std::uint8_t code[code_slots];
};

/// The best cut of a node of at most most_direct_rows rows, from its rows alone: the
/// same as from its histogram.
void search_rows(const RowSource& source, View1<const Segment> segments,
                 const RowRecord* buffer, View1<const std::int32_t> columns,
                 const NodeFrame& frame, const GrowthRules& rules, const Units& units,
                 DirectScratch& scratch, NodeCut& best) noexcept;

} // namespace fastnotes::boosting
