/// Rows of nodes: lists that are cut in two, and the sums of their values.
#pragma once

#include "boosting/growth_scales.hpp"
#include "boosting/growth_splits.hpp"

#include <array>
#include <cstdint>
#include <limits>

namespace fastnotes::boosting {

/// Beyond any row.
inline constexpr index_t all_rows = std::numeric_limits<std::int32_t>::max();

/// Rows of a node in one of the lists: places [first, first + n) of a record buffer.
struct Segment {
    std::int32_t first = 0;
    std::int32_t n = 0;
};

/// Totals of quantised values.
struct QuantisedTotals {
    std::int64_t G = 0, H = 0;
};

/// Makes records of n <= block_rows rows: `rows`, or if null consecutive ones from
/// `first` on. Values are at [0, n) of grad and hess; their packed sums go to packed
/// [n].
QuantisedTotals record_rows(const float* grad, const float* hess,
                            const std::int32_t* rows, index_t first, index_t n,
                            const Quantiser& quantiser, RowRecord* records,
                            std::int64_t* packed) noexcept;

/// 1 where a code goes left.
using CodeTable = std::array<std::uint8_t, code_slots>;

CodeTable make_code_table(const NodeCut& cut, std::uint8_t missing_code) noexcept;

/// The same by the codes of the bundle that holds the column.
CodeTable make_code_table(const NodeCut& cut, const RowSource& source) noexcept;

/// How a node's rows part.
struct Routing {
    index_t bundle;
    const CodeTable* goes_left;
    bool adds_left; ///< which child's rows are summed, if any are
};

/// Records of a node in one list, read in the order of their rows. Left children are
/// written from the start of their parent's places on, right ones from the end back:
/// those are read backwards.
class RecordReader {
  public:
    RecordReader() = default;
    RecordReader(const RowRecord* buffer, Segment segment, bool backward) noexcept
        : at_(buffer + segment.first + (backward ? segment.n - 1 : 0)),
          left_(segment.n), step_(backward ? -1 : 1) {}

    /// How many of the next records have rows below `end`.
    index_t count_below(index_t end) const noexcept;

    const RowRecord& operator[](index_t i) const noexcept { return at_[i * step_]; }
    index_t left() const noexcept { return left_; }
    index_t step() const noexcept { return step_; }
    void skip(index_t n) noexcept {
        at_ += n * step_;
        left_ -= n;
    }

  private:
    const RowRecord* at_ = nullptr;
    index_t left_ = 0, step_ = 1;
};

/// Parts the records of a segment, in as many calls as it takes: moves them to the same
/// places of another buffer, and adds those of one side to sums, if not null, while
/// their codes are at hand.
class SegmentRouter {
  public:
    SegmentRouter() = default;
    SegmentRouter(const RecordReader& reader, Segment segment, RowRecord* to) noexcept
        : reader_(reader), start_(to + segment.first), left_(start_),
          right_(start_ + segment.n), segment_(segment) {}

    /// Parts the records of rows below `end` that are left.
    void route(const RowSource& source, const Routing& routing, index_t end,
               RowSums* sums) noexcept;

    Segment left() const noexcept {
        return {segment_.first, static_cast<std::int32_t>(left_ - start_)};
    }
    Segment right() const noexcept {
        const auto n = static_cast<std::int32_t>(start_ + segment_.n - right_);
        return {segment_.first + segment_.n - n, n};
    }

  private:
    RecordReader reader_;
    RowRecord* start_ = nullptr;
    RowRecord* left_ = nullptr;
    RowRecord* right_ = nullptr;
    Segment segment_;
};

/// Rows up to which a node is searched without a histogram.
inline constexpr index_t most_direct_rows = 128;

/// Scratch of search_rows; sums are all zero between calls.
struct DirectScratch {
    std::int64_t sums[code_slots];
    std::uint64_t occupied[code_slots / 64];
    const std::uint8_t* codes[most_direct_rows];
    std::int64_t values[most_direct_rows];
    std::int64_t places[code_slots];
    std::uint8_t code[code_slots];
};

/// The best cut of a node of at most most_direct_rows rows, from its rows alone: the
/// same as from its histogram.
void search_rows(const RowSource& source, View1<const Segment> segments,
                 const RowRecord* buffer, View1<const std::int32_t> columns,
                 const NodeFrame& frame, const GrowthRules& rules, const Units& units,
                 DirectScratch& scratch, NodeCut& best) noexcept;

} // namespace fastnotes::boosting
