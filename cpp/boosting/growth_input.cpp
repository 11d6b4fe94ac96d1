#include "boosting/growth_state.hpp"

#include <algorithm>

namespace fastnotes::boosting {
namespace {

using std::int32_t;
using std::int64_t;

/// Multiplies packed values of records by what they count; gives their totals.
QuantisedTotals count_values(const RowSource& source, const RowRecord* records,
                             index_t n, int64_t* packed) noexcept {
    QuantisedTotals total;
    for (index_t i = 0; i < n; ++i) {
        const int64_t count = source.counts[records[i].row];
        packed[i] *= count;
        total.G += count * records[i].grad;
        total.H += count * records[i].hess;
    }
    return total;
}

} // namespace

/// Splits what is beyond the largest quantised value into further records of the row.
void TreeGrower::State::list_outliers(const GrowthInput& input) {
    extra_records_.clear();
    for (Excess left : list_excesses(input)) {
        while (left.grad != 0 || left.hess != 0) {
            const RowRecord record{left.row, fitting_part(left.hess),
                                   fitting_part(left.grad)};
            extra_records_.push_back(record);
            left.grad -= record.grad;
            left.hess -= record.hess;
        }
    }
}

/// Lists the rows of one list, blocks of block_rows dealt out in turn; adds them to
/// `sums`, if not null, while they are at hand.
QuantisedTotals TreeGrower::State::list_rows(int list, RowSums* sums) noexcept {
    const GrowthInput& input = *input_;
    const bool listed = input.rows.data != nullptr;
    RowRecord* to = buffer_of(0) + segments_of(0)[list].first;
    QuantisedTotals total;
    float grad[block_rows], hess[block_rows];
    int64_t packed[block_rows];
    for (index_t at = list * block_rows; at < n_used_; at += n_lists_ * block_rows) {
        const index_t n = std::min(block_rows, n_used_ - at);
        const int32_t* const rows = listed ? input.rows.data + at : nullptr;
        for (index_t i = 0; listed && i < n; ++i) {
            grad[i] = input.grad.data[rows[i]];
            hess[i] = input.hess.data[rows[i]];
        }
        auto found = record_rows(listed ? grad : input.grad.data + at,
                                 listed ? hess : input.hess.data + at, rows, at, n,
                                 scales_.quantiser, to, packed);
        if (source_.counts != nullptr) found = count_values(source_, to, n, packed);
        total.G += found.G;
        total.H += found.H;
        if (sums != nullptr && listed) sums->add(source_, to, n, n);
        if (sums != nullptr && !listed) sums->add_consecutive(source_, at, packed, n);
        const View1<const RowRecord> extra = extra_records(at, n);
        std::copy(extra.begin(), extra.end(), to + n);
        for (const RowRecord& record : extra) {
            total.G += source_.count(record.row) * record.grad;
            total.H += source_.count(record.row) * record.hess;
        }
        if (sums != nullptr) sums->add(source_, to + n, extra.size, extra.size);
        std::inplace_merge(
            to, to + n, to + n + extra.size,
            [](const RowRecord& a, const RowRecord& b) { return a.row < b.row; });
        to += n + extra.size;
    }
    return total;
}

/// Records of outliers among the used rows [at, at + n).
View1<const RowRecord> TreeGrower::State::extra_records(index_t at,
                                                        index_t n) const noexcept {
    const RowRecord* const end = extra_records_.data() + extra_records_.size();
    const auto lower = [&](const RowRecord* from, index_t i) {
        if (i == n_used_) return end;
        return std::lower_bound(
            from, end, input_->row(i),
            [](const RowRecord& record, index_t row) { return record.row < row; });
    };
    const RowRecord* const first = lower(extra_records_.data(), at);
    return {first, lower(first, at + n) - first};
}

void TreeGrower::State::plant_root() {
    const auto n_extra = static_cast<index_t>(extra_records_.size());
    for (AlignedBuffer<RowRecord>& records : records_) {
        if (records.size() < n_used_ + n_extra) {
            records = AlignedBuffer<RowRecord>(n_used_ + n_extra);
        }
    }
    nodes_.emplace_back();
    index_t first = 0;
    for (int t = 0; t < n_lists_; ++t) {
        index_t n = 0;
        for (index_t at = t * block_rows; at < n_used_; at += n_lists_ * block_rows) {
            const index_t n_block = std::min(block_rows, n_used_ - at);
            n += n_block + extra_records(at, n_block).size;
        }
        segments_.push_back({static_cast<int32_t>(first), static_cast<int32_t>(n)});
        first += n;
    }
    at(0).rows = n_used_ + n_extra;
    packs_ = source_.most_rows(at(0).rows) <= most_packed_rows;
    search_root();
}

} // namespace fastnotes::boosting
