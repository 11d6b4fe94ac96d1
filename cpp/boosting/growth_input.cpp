#include "boosting/growth_state.hpp"
#include "boosting/quantization.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace fastnotes::boosting {
namespace {

using std::int32_t;
using std::int64_t;

constexpr index_t survey_step = 4096;
constexpr int mantissa_bits = 23;
/// Binary orders of magnitude from the mean one to the largest value before its
/// distance is measured.
constexpr double suspect_orders = 6.0;
/// Times the mean magnitude from which the largest is an outlier, and up to which
/// values then fit one record.
constexpr double outlying = 512.0;
constexpr double fitting = 64.0;

/// Magnitudes of some values; everything is an integer, so that order makes no
/// difference.
struct Survey {
    int32_t largest_bits = 0;
    int64_t orders = 0; ///< sum of biased exponents
};

void survey(const float* values, index_t first, index_t last, Survey& found) noexcept {
    for (index_t at = first; at < last; at += survey_step) {
        const index_t stop = std::min(at + survey_step, last);
        int32_t largest = 0, orders = 0;
        for (index_t i = at; i < stop; ++i) {
            const int32_t bits = magnitude_bits(values[i]);
            largest = std::max(largest, bits);
            orders += bits >> mantissa_bits;
        }
        found.largest_bits = std::max(found.largest_bits, largest);
        found.orders += orders;
    }
}

/// |v| < 2^exponent.
int exponent_of(int32_t magnitude) noexcept {
    float value;
    std::memcpy(&value, &magnitude, sizeof value);
    int exponent = 0;
    (void)std::frexp(static_cast<double>(value), &exponent);
    return exponent;
}

/// Sum of |v| scale, as integers.
int64_t sum_magnitudes(View1<const float> values, double scale) noexcept {
    int64_t sum = 0;
    for (const float v : values) {
        const double scaled = std::abs(static_cast<double>(v)) * scale;
        sum += static_cast<int64_t>(integer_bits(scaled) - magic_bits);
    }
    return sum;
}

Scale scale_of(int exponent) noexcept {
    const int half = exponent / 2;
    return {std::ldexp(1.0, half), std::ldexp(1.0, exponent - half)};
}

double whole(const Scale& scale) noexcept { return scale.first * scale.second; }

} // namespace

/// Finds the scales, and what is wrong with the input.
GrowthStatus TreeGrower::State::read_input(const GrowthInput& input) {
    const View1<const int32_t> rows = input.rows;
    const index_t n_rows = table_.bins.rows;
    n_used_ = rows.data == nullptr ? n_rows : rows.size;
    std::vector<Survey> of_grad(static_cast<std::size_t>(n_threads_)),
        of_hess(static_cast<std::size_t>(n_threads_));
    std::atomic<bool> rows_good{true};
    parallel_region(n_threads_, [&](const Team& team) {
        const auto [first, last] = team.share(n_rows);
        const auto t = static_cast<std::size_t>(team.index);
        survey(input.grad.data, first, last, of_grad[t]);
        survey(input.hess.data, first, last, of_hess[t]);
        if (rows.data == nullptr) return;
        const auto [from, to] = team.share(rows.size);
        bool good = true;
        for (index_t i = from; i < to; ++i) {
            good &=
                rows.data[i] < n_rows && rows.data[i] > (i > 0 ? rows.data[i - 1] : -1);
        }
        if (!good) rows_good = false;
    });
    if (!rows_good) return GrowthStatus::bad_row;
    Survey grad, hess;
    for (std::size_t t = 0; t < of_grad.size(); ++t) {
        grad.largest_bits = std::max(grad.largest_bits, of_grad[t].largest_bits);
        hess.largest_bits = std::max(hess.largest_bits, of_hess[t].largest_bits);
        grad.orders += of_grad[t].orders;
        hess.orders += of_hess[t].orders;
    }
    const auto infinity = magnitude_bits(std::numeric_limits<float>::infinity());
    if (grad.largest_bits >= infinity) return GrowthStatus::gradient_not_finite;
    if (hess.largest_bits >= infinity) return GrowthStatus::hessian_not_finite;

    // n values below 2^bits add up to less than 2^62.
    int rows_exponent = 0;
    (void)std::frexp(static_cast<double>(n_rows), &rows_exponent);
    const int bits = std::min(62 - rows_exponent, 50);
    bool has_outliers = false;
    const auto choose = [&](const Survey& found, View1<const float> values,
                            Scale& scale, double& unit, double& exact_scale) {
        int exponent = exponent_of(found.largest_bits);
        exact_scale = std::ldexp(1.0, bits - exponent);
        const auto n = static_cast<double>(std::max<index_t>(1, n_rows));
        const double mean_order = static_cast<double>(found.orders) / n;
        if ((found.largest_bits >> mantissa_bits) - mean_order > suspect_orders) {
            const double largest = std::ldexp(1.0, bits);
            const auto sum = static_cast<double>(sum_magnitudes(values, exact_scale));
            if (largest > outlying * (sum / n)) {
                int fits = 0;
                (void)std::frexp(fitting * (sum / n), &fits);
                exponent += fits - bits;
                has_outliers = true;
            }
        }
        scale = scale_of(quantized_bits - exponent);
        unit = 1.0 / whole(scale);
    };
    choose(grad, input.grad, quantiser_.grad, units_.grad, exact_scale_g_);
    choose(hess, input.hess, quantiser_.hess, units_.hess, exact_scale_h_);
    extra_records_.clear();
    if (has_outliers) list_outliers(input);
    return GrowthStatus::ok;
}

/// Splits what is beyond the largest quantised value into further records of the row.
/// Where values up to 64 times the mean fit, there are at most n / 32 of these.
void TreeGrower::State::list_outliers(const GrowthInput& input) {
    const double scale_g = whole(quantiser_.grad), scale_h = whole(quantiser_.hess);
    const auto piece = [](int64_t q) {
        return std::clamp<int64_t>(q, -largest_quantised, largest_quantised);
    };
    for (index_t i = 0; i < n_used_; ++i) {
        const index_t row = input.rows.data == nullptr ? i : input.rows.data[i];
        const double g = static_cast<double>(input.grad.data[row]) * scale_g;
        const double h = static_cast<double>(input.hess.data[row]) * scale_h;
        if (std::abs(g) <= largest_quantised && std::abs(h) <= largest_quantised) {
            continue;
        }
        int64_t G = std::llrint(g), H = std::llrint(h);
        for (G -= piece(G), H -= piece(H); G != 0 || H != 0;) {
            const int64_t g_now = piece(G), h_now = piece(H);
            extra_records_.push_back({static_cast<int32_t>(row),
                                      static_cast<std::int16_t>(h_now),
                                      static_cast<std::int16_t>(g_now)});
            G -= g_now;
            H -= h_now;
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
        const auto found = record_rows(listed ? grad : input.grad.data + at,
                                       listed ? hess : input.hess.data + at, rows, at,
                                       n, quantiser_, to, packed);
        total.G += found.G;
        total.H += found.H;
        if (sums != nullptr && listed) sums->add(source_, to, n, n);
        if (sums != nullptr && !listed) sums->add_consecutive(source_, at, packed, n);
        const View1<const RowRecord> extra = extra_records(at, n);
        std::copy(extra.begin(), extra.end(), to + n);
        for (const RowRecord& record : extra) {
            total.G += record.grad;
            total.H += record.hess;
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
    const auto row_of = [&](index_t i) {
        return input_->rows.data == nullptr ? static_cast<int32_t>(i)
                                            : input_->rows.data[i];
    };
    const RowRecord* const end = extra_records_.data() + extra_records_.size();
    const auto lower = [&](const RowRecord* from, index_t i) {
        if (i == n_used_) return end;
        return std::lower_bound(
            from, end, row_of(i),
            [](const RowRecord& record, int32_t row) { return record.row < row; });
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
    search_root();
}

} // namespace fastnotes::boosting
