#include "boosting/histogram.hpp"

#include "common/parallel.hpp"
#include "common/simd.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <numeric>

namespace fastnotes::boosting {
namespace {

using std::int64_t;
using std::uint64_t;
using std::uint8_t;

constexpr index_t block_rows = 256;
/// 255 blocks: at most 65,280 rows of |q| <= 2^15 stay within 31 bits and a sign.
constexpr index_t flush_rows = 255 * block_rows;
constexpr index_t prefetch_rows = 16;
constexpr index_t most_group_columns = 32;
constexpr index_t grain = index_t{1} << 16; ///< adds that are worth a thread
constexpr int quantized_bits = 15;

/// Bits of |v|: their order is that of |v|, with NaN above infinity above the rest.
template <class T> uint64_t magnitude_bits(T value) noexcept {
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, uint64_t>;
    Bits bits;
    std::memcpy(&bits, &value, sizeof(T));
    return static_cast<Bits>(bits << 1) >> 1;
}

template <class T> uint64_t largest_magnitude(const T* values, index_t n) noexcept {
    using Bits = std::conditional_t<sizeof(T) == 4, std::int32_t, int64_t>;
    Bits most = 0;
    for (index_t i = 0; i < n; ++i) {
        most = std::max(most, static_cast<Bits>(magnitude_bits(values[i])));
    }
    return static_cast<uint64_t>(most);
}

/// v -> nearest integer to v 2^exponent; in two factors, either of which is in range.
struct Scale {
    double first, second;
    int exponent;
};

template <class T> Scale make_scale(uint64_t largest_bits) noexcept {
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, uint64_t>;
    const auto bits = static_cast<Bits>(largest_bits);
    T largest;
    std::memcpy(&largest, &bits, sizeof(T));
    int binary_exponent = 0;
    (void)std::frexp(static_cast<double>(largest), &binary_exponent);
    const int exponent = quantized_bits - binary_exponent;
    const int half = exponent / 2;
    return {std::ldexp(1.0, half), std::ldexp(1.0, exponent - half), exponent};
}

/// Adding it to |x| < 2^51 leaves the integer nearest to x in the low bits.
constexpr double integer_magic = 6755399441055744.0; // 1.5 * 2^52

FASTNOTES_INLINE int64_t integer_bits(double scaled) {
    const double shifted = scaled + integer_magic;
    int64_t bits;
    std::memcpy(&bits, &shifted, sizeof bits);
    return bits;
}

template <class T>
FASTNOTES_INLINE int64_t pack(T grad, T hess, const Scale& of_grad,
                              const Scale& of_hess) {
    constexpr int64_t magic_bits = 0x4338000000000000;
    const double g = static_cast<double>(grad) * of_grad.first * of_grad.second;
    const double h = static_cast<double>(hess) * of_hess.first * of_hess.second;
    const auto high = static_cast<uint64_t>(integer_bits(g)) << 32;
    return static_cast<int64_t>(high +
                                static_cast<uint64_t>(integer_bits(h) - magic_bits));
}

struct RowFindings {
    bool in_range = true;
    bool ascending = true;
};

/// Copies row numbers and looks at them; ascending also past the block's first row.
RowFindings read_rows(const int64_t* rows, index_t first, index_t n, index_t n_rows,
                      int64_t* out) noexcept {
    uint64_t most = 0;
    bool ascending = first == 0 || rows[first - 1] < rows[first];
    for (index_t i = 0; i < n; ++i) {
        out[i] = rows[first + i];
        most = std::max(most, static_cast<uint64_t>(out[i]));
    }
    int descents = 0;
    for (index_t i = 1; i < n; ++i) descents += out[i] <= out[i - 1];
    return {most < static_cast<uint64_t>(n_rows), ascending && descents == 0};
}

/// One packed add per (row, column). Columns go eight at a time: one load of codes.
FASTNOTES_INLINE void add_row(const uint8_t* codes, int64_t value, index_t n_columns,
                              int64_t* sums) {
    index_t c = 0;
    for (; c + 8 <= n_columns; c += 8, sums += 8 * code_slots) {
        uint64_t word;
        std::memcpy(&word, codes + c, sizeof word);
#pragma GCC unroll 8
        for (int k = 0; k < 8; ++k) {
            sums[k * code_slots + static_cast<index_t>((word >> (8 * k)) & 0xFF)] +=
                value;
        }
    }
    for (; c < n_columns; ++c, sums += code_slots) sums[codes[c]] += value;
}

/// Takes the two 32-bit sums of every slot apart: stores them as float64 pairs,
/// gradient first, or adds them to the pairs there.
template <bool Add>
void flush_column(const int64_t* packed, index_t n_bins, double* out) noexcept {
    using Slots = simd::Vec<int64_t>;
    using Sums = simd::Vec<double>;
    const Slots half(int64_t{1} << 31), low_half_mask(0xFFFFFFFF);
    const auto put = [](double* to, Sums sums) {
        simd::store(to, Add ? simd::load<Sums>(to) + sums : sums);
    };
    index_t b = 0;
    for (; b + Slots::size <= n_bins; b += Slots::size) {
        const auto both = simd::load<Slots>(packed + b);
        // A negative low half has borrowed one from the high half: round instead of
        // cut.
        const auto grad_first = (((both + half) >> 32) & low_half_mask) | (both << 32);
        const auto sums = simd::bit_cast<std::int32_t>(grad_first);
        put(out + 2 * b, simd::convert<double>(simd::low_half(sums)));
        put(out + 2 * b + Sums::size, simd::convert<double>(simd::high_half(sums)));
    }
    for (; b < n_bins; ++b) {
        const auto low = static_cast<std::int32_t>(packed[b]);
        const auto high = static_cast<std::int32_t>((packed[b] - low) >> 32);
        out[2 * b] = (Add ? out[2 * b] : 0.0) + high;
        out[2 * b + 1] = (Add ? out[2 * b + 1] : 0.0) + low;
    }
}

void flush(const int64_t* packed, index_t n_columns, index_t n_bins, bool add,
           double* out) noexcept {
    for (index_t c = 0; c < n_columns; ++c) {
        const int64_t* const slots = packed + c * code_slots;
        double* const sums = out + c * n_bins * 2;
        if (add) {
            flush_column<true>(slots, n_bins, sums);
        } else {
            flush_column<false>(slots, n_bins, sums);
        }
    }
}

uint8_t largest_code(const uint8_t* codes, index_t n) noexcept {
    uint8_t most = 0;
    for (index_t i = 0; i < n; ++i) most = std::max(most, codes[i]);
    return most;
}

template <class T> struct Job {
    View2<const uint8_t> bins;
    View1<const T> grad, hess;
    View1<const int64_t> rows;
    index_t n_bins;
    Scale grad_scale, hess_scale;
};

struct Flags {
    std::atomic<bool> row_out_of_range{false};
    std::atomic<bool> unsorted{false};
    std::atomic<bool> code_out_of_range{false};
};

/// Adds the rows of one task to packed sums.
template <class T> struct Adder {
    const Job<T>& job;
    const uint8_t* codes; ///< of row 0, at the task's first column
    index_t n_columns;
    int64_t* sums;
    uint8_t most = 0; ///< largest code seen, where codes are checked

    FASTNOTES_INLINE int64_t packed(index_t row) const {
        return pack(job.grad.data[row], job.hess.data[row], job.grad_scale,
                    job.hess_scale);
    }

    FASTNOTES_INLINE void add(index_t row, int64_t value) {
        const uint8_t* const row_codes = codes + row * job.bins.columns;
        add_row(row_codes, value, n_columns, sums);
        if (job.n_bins < code_slots) {
            most = std::max(most, largest_code(row_codes, n_columns));
        }
    }

    /// Rows first, first + 1, ...: packed by whole vectors, then added.
    void add_range(index_t first, index_t last) noexcept {
        int64_t values[block_rows];
        for (index_t row = first; row < last; ++row) values[row - first] = packed(row);
        for (index_t row = first; row < last; ++row) add(row, values[row - first]);
    }

    /// Rows [at, stop) of the list; reads ahead, but not to `last`. False if a row
    /// number is out of range.
    bool add_listed(index_t at, index_t stop, index_t last, Flags& flags) noexcept {
        int64_t rows[block_rows + prefetch_rows];
        const index_t n = stop - at;
        const index_t known = std::min(n + prefetch_rows, last - at);
        const auto found = read_rows(job.rows.data, at, known, job.bins.rows, rows);
        if (!found.ascending) flags.unsorted.store(true, std::memory_order_relaxed);
        if (!found.in_range) {
            flags.row_out_of_range.store(true, std::memory_order_relaxed);
            return false;
        }
        std::fill(rows + known, rows + n + prefetch_rows, rows[known - 1]);
        for (index_t i = 0; i < n; ++i) {
            const int64_t ahead = rows[i + prefetch_rows];
            const uint8_t* const row_codes = codes + ahead * job.bins.columns;
            simd::prefetch(row_codes);
            simd::prefetch(row_codes + n_columns - 1); // often on the next line
            simd::prefetch(job.grad.data + ahead);
            simd::prefetch(job.hess.data + ahead);
            add(rows[i], packed(rows[i]));
        }
        return true;
    }
};

/// Sums rows [first, last) of columns [column, column + n_columns) into out.
template <class T>
void run_task(const Job<T>& job, index_t first, index_t last, index_t column,
              index_t n_columns, int64_t* packed, double* out, Flags& flags) noexcept {
    std::fill_n(packed, n_columns * code_slots, int64_t{0});
    Adder<T> adder{job, job.bins.data + column, n_columns, packed};
    bool flushed = false;
    for (index_t at = first, unflushed = 0; at < last; at += block_rows) {
        if (unflushed == flush_rows) {
            flush(packed, n_columns, job.n_bins, flushed, out);
            std::fill_n(packed, n_columns * code_slots, int64_t{0});
            flushed = true;
            unflushed = 0;
        }
        const index_t stop = std::min(at + block_rows, last);
        if (job.rows.data == nullptr) {
            adder.add_range(at, stop);
        } else if (!adder.add_listed(at, stop, last, flags)) {
            return;
        }
        unflushed += block_rows;
    }
    flush(packed, n_columns, job.n_bins, flushed, out);
    if (adder.most >= job.n_bins) {
        flags.code_out_of_range.store(true, std::memory_order_relaxed);
    }
}

/// Whether a row number occurs twice, by a bitmap; numbers are in range.
bool has_repeats(View1<const int64_t> rows, index_t n_rows, uint64_t* seen) noexcept {
    std::fill_n(seen, ceil_div(n_rows, 64), uint64_t{0});
    bool repeated = false;
    for (const int64_t row : rows) {
        uint64_t& word = seen[row / 64];
        const uint64_t bit = uint64_t{1} << (row % 64);
        repeated |= (word & bit) != 0;
        word |= bit;
    }
    return repeated;
}

/// Adds the partial sums of a column (in any order: they are integers) and scales them.
void finish_column(double* out, const double* partial, index_t n_partials,
                   index_t partial_stride, index_t n_bins, const Scale& grad_scale,
                   const Scale& hess_scale) noexcept {
    using Sums = simd::Vec<double>;
    double first[Sums::size], second[Sums::size];
    for (int i = 0; i < Sums::size; ++i) {
        const Scale& scale = i % 2 == 0 ? grad_scale : hess_scale;
        first[i] = 1 / scale.first;
        second[i] = 1 / scale.second;
    }
    const auto back = simd::load<Sums>(first), and_back = simd::load<Sums>(second);
    for (index_t i = 0; i < 2 * n_bins; i += Sums::size) {
        const auto count = static_cast<std::size_t>(2 * n_bins - i);
        auto sums = simd::load_partial<Sums>(out + i, count);
        for (index_t p = 0; p < n_partials; ++p) {
            sums += simd::load_partial<Sums>(partial + p * partial_stride + i, count);
        }
        simd::store_partial(out + i, sums * back * and_back, count);
    }
}

} // namespace

HistogramPlan plan_histogram(index_t n_rows, index_t n_columns,
                             int n_threads) noexcept {
    const int threads = worthwhile_threads(n_rows * n_columns, grain, n_threads);
    const index_t groups =
        std::max<index_t>(1, ceil_div(n_columns, most_group_columns));
    const index_t columns = ceil_div(n_columns, groups);
    // Enough shares that the tasks deal out evenly; with many groups none are needed.
    const index_t shares =
        groups >= 2 * threads ? 1 : threads / std::gcd<index_t>(groups, threads);
    return {threads, columns, groups, shares};
}

HistogramScratchSize histogram_scratch(const HistogramPlan& plan, index_t n_rows,
                                       index_t n_columns, index_t n_bins) noexcept {
    return {plan.n_threads * plan.group_columns * code_slots,
            (plan.row_shares - 1) * n_columns * n_bins * 2, ceil_div(n_rows, 64)};
}

template <class T>
HistogramStatus build_histogram(View2<const uint8_t> bins, View1<const T> grad,
                                View1<const T> hess, View1<const int64_t> rows,
                                View3<double> out, const HistogramPlan& plan,
                                const HistogramScratch& scratch) noexcept {
    const index_t n_columns = bins.columns;
    const index_t n_used = rows.data == nullptr ? bins.rows : rows.size;
    const index_t out_size = out.size();
    constexpr uint64_t infinity = sizeof(T) == 4 ? 0x7F800000u : 0x7FF0000000000000u;
    std::atomic<uint64_t> largest[2] = {{0}, {0}};
    Flags flags;

    const auto raise = [](std::atomic<uint64_t>& most, uint64_t candidate) {
        uint64_t seen = most.load(std::memory_order_relaxed);
        while (seen < candidate && !most.compare_exchange_weak(seen, candidate)) {
        }
    };
    parallel_region(plan.n_threads, [&](const Team& team) {
        const auto [first, last] = team.share(bins.rows);
        raise(largest[0], largest_magnitude(grad.data + first, last - first));
        raise(largest[1], largest_magnitude(hess.data + first, last - first));
        team.barrier();
        if (largest[0] >= infinity || largest[1] >= infinity) return;

        const Job<T> job{bins,
                         grad,
                         hess,
                         rows,
                         out.rows,
                         make_scale<T>(largest[0]),
                         make_scale<T>(largest[1])};
        int64_t* const packed =
            scratch.packed + team.index * plan.group_columns * code_slots;
        const index_t n_tasks = plan.n_groups * plan.row_shares;
        for (index_t task = team.index; task < n_tasks; task += team.size) {
            const index_t share = task % plan.row_shares;
            const index_t column = task / plan.row_shares * plan.group_columns;
            const index_t width = std::min(plan.group_columns, n_columns - column);
            if (width <= 0) continue;
            double* const sums =
                (share == 0 ? out.data : scratch.partial + (share - 1) * out_size) +
                column * out.rows * 2;
            run_task(job, n_used * share / plan.row_shares,
                     n_used * (share + 1) / plan.row_shares, column, width, packed,
                     sums, flags);
        }
        team.barrier();
        for (index_t c = team.index; c < n_columns; c += team.size) {
            finish_column(out.data + c * out.rows * 2,
                          scratch.partial + c * out.rows * 2, plan.row_shares - 1,
                          out_size, out.rows, job.grad_scale, job.hess_scale);
        }
    });

    if (largest[0] >= infinity) return HistogramStatus::gradient_not_finite;
    if (largest[1] >= infinity) return HistogramStatus::hessian_not_finite;
    if (flags.row_out_of_range) return HistogramStatus::row_out_of_range;
    if (flags.unsorted && has_repeats(rows, bins.rows, scratch.seen)) {
        return HistogramStatus::row_repeated;
    }
    if (flags.code_out_of_range) return HistogramStatus::code_out_of_range;
    return HistogramStatus::ok;
}

#define FASTNOTES_INSTANTIATE(T)                                                       \
    template HistogramStatus build_histogram<T>(                                       \
        View2<const uint8_t>, View1<const T>, View1<const T>, View1<const int64_t>,    \
        View3<double>, const HistogramPlan&, const HistogramScratch&) noexcept;
FASTNOTES_INSTANTIATE(float)
FASTNOTES_INSTANTIATE(double)
#undef FASTNOTES_INSTANTIATE

} // namespace fastnotes::boosting
