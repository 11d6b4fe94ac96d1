#include "boosting/histogram.hpp"

#include "boosting/histogram_tiles.hpp"
#include "boosting/quantization.hpp"
#include "common/parallel.hpp"
#include "common/simd.hpp"

#include <algorithm>
#include <atomic>
#include <numeric>

namespace fastnotes::boosting {
namespace {

using std::int64_t;
using std::uint64_t;
using std::uint8_t;

/// At most 65,535 rows of |q| <= 2^15 stay within 31 bits and a sign.
constexpr index_t flush_rows = 31 * block_rows;
/// Values per stream before their listed rows are gathered, from the first-level cache.
constexpr index_t scan_step = 1024;
constexpr index_t grain = index_t{1} << 16; ///< adds that are worth a thread

struct RowFindings {
    bool in_range = true;
    bool ascending = true;
};

/// Looks at row numbers [first, last); ascending also past the one before them.
RowFindings look_at_rows(View1<const int64_t> rows, index_t first, index_t last,
                         index_t n_rows) noexcept {
    if (first == last) return {};
    index_t descents = 0;
    for (index_t i = std::max<index_t>(first, 1); i < last; ++i) {
        descents += rows.data[i] <= rows.data[i - 1] ? 1 : 0;
    }
    const index_t step = descents == 0 ? std::max<index_t>(last - first - 1, 1) : 1;
    uint64_t most = 0; // a negative number is a large one
    for (index_t i = first; i < last; i += step) {
        most = std::max(most, static_cast<uint64_t>(rows.data[i]));
    }
    return {most < static_cast<uint64_t>(n_rows), descents == 0};
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
        const int64_t* const slots = packed + c * column_slots;
        double* const sums = out + c * n_bins * 2;
        if (add) {
            flush_column<true>(slots, n_bins, sums);
        } else {
            flush_column<false>(slots, n_bins, sums);
        }
    }
}

template <class T> struct Job {
    View2<const uint8_t> bins;
    View1<const T> grad, hess;
    View1<const int64_t> rows;
    index_t n_bins;
    T* gathered; ///< [2, rows.size] grad and hess of the listed rows, or null
    Scale grad_scale, hess_scale;
};

/// Largest magnitudes in rows [first, last); gathers the values of listed rows there,
/// which ascend, while they are at hand.
template <class T>
LargestBits<T> scan_values(const Job<T>& job, index_t first, index_t last) noexcept {
    const index_t half = (last - first + 1) / 2; // the halves may share a row
    const index_t starts[2] = {first, last - half};
    const int64_t* const end = job.rows.end();
    const int64_t* next[2] = {end, end};
    for (int k = 0; k < 2 && job.gathered != nullptr; ++k) {
        next[k] = std::lower_bound(job.rows.begin(), end, starts[k]);
    }
    LargestBits<T> largest;
    for (index_t at = 0; at < half; at += scan_step) {
        const index_t n = std::min(scan_step, half - at);
        raise_largest(job.grad.data, job.hess.data, starts[0] + at, starts[1] + at, n,
                      largest);
        for (int k = 0; k < 2; ++k) {
            const int64_t stop = starts[k] + at + n;
            for (; next[k] < end && *next[k] < stop; ++next[k]) {
                const index_t place = next[k] - job.rows.data;
                job.gathered[place] = job.grad.data[*next[k]];
                job.gathered[job.rows.size + place] = job.hess.data[*next[k]];
            }
        }
    }
    return largest;
}

/// Packs the values of places [at, at + n) of the node's rows.
template <class T>
void pack_values(const Job<T>& job, index_t at, index_t n, int64_t* packed) noexcept {
    const auto pack_from = [&](const T* grad, const T* hess) {
        pack(grad, hess, n, job.grad_scale, job.hess_scale, packed);
    };
    if (job.rows.data == nullptr) {
        pack_from(job.grad.data + at, job.hess.data + at);
    } else if (job.gathered != nullptr) {
        pack_from(job.gathered + at, job.gathered + job.rows.size + at);
    } else {
        T grad[block_rows], hess[block_rows];
        for (index_t i = 0; i < n; ++i) {
            grad[i] = job.grad.data[job.rows.data[at + i]];
            hess[i] = job.hess.data[job.rows.data[at + i]];
        }
        pack_from(grad, hess);
    }
}

/// Sums rows [first, last) of columns [column, column + n_columns) into out; returns
/// whether every code was below n_bins.
template <class T>
bool run_task(const Job<T>& job, index_t first, index_t last, index_t column,
              index_t n_columns, int64_t* packed, double* out) noexcept {
    const bool listed = job.rows.data != nullptr;
    const index_t stride = job.bins.columns;
    int64_t values[block_rows];
    bool flushed = false, codes_in_range = true;
    std::fill_n(packed, n_columns * column_slots, int64_t{0});
    for (index_t at = first, unflushed = 0; at < last; at += block_rows) {
        if (unflushed == flush_rows) {
            flush(packed, n_columns, job.n_bins, flushed, out);
            std::fill_n(packed, n_columns * column_slots, int64_t{0});
            flushed = true;
            unflushed = 0;
        }
        const index_t n = std::min(block_rows, last - at);
        pack_values(job, at, n, values);
        const auto add = [&](const auto& block) {
            add_block(block, n_columns, packed);
            if (job.n_bins < code_slots) {
                codes_in_range &= largest_code(block, n_columns) < job.n_bins;
            }
        };
        const uint8_t* const codes = job.bins.data + column;
        if (listed) {
            add(ListedRows{codes, stride, job.rows.data + at, values, n, last - at});
        } else {
            add(ConsecutiveRows{codes + at * stride, stride, values, n});
        }
        unflushed += block_rows;
    }
    flush(packed, n_columns, job.n_bins, flushed, out);
    return codes_in_range;
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

HistogramPlan plan_histogram(index_t n_rows, index_t n_listed, index_t n_columns,
                             int n_threads) noexcept {
    const index_t n_used = n_listed < 0 ? n_rows : n_listed;
    const int threads = worthwhile_threads(n_used * n_columns, grain, n_threads);
    const index_t groups =
        std::max<index_t>(1, ceil_div(n_columns, index_t{most_group_columns}));
    const index_t columns = ceil_div(n_columns, groups);
    // Enough shares that the tasks deal out evenly; with many groups none are needed.
    const index_t shares =
        groups >= 2 * threads ? 1 : threads / std::gcd<index_t>(groups, threads);
    const bool sparse = n_listed >= 0 && n_listed <= n_rows / 4;
    return {threads, columns, groups, shares, sparse ? n_listed : 0};
}

HistogramScratchSize histogram_scratch(const HistogramPlan& plan, index_t n_rows,
                                       index_t n_columns, index_t n_bins) noexcept {
    return {plan.n_threads * plan.group_columns * column_slots,
            (plan.row_shares - 1) * n_columns * n_bins * 2, 2 * plan.n_gathered,
            ceil_div(n_rows, 64)};
}

template <class T>
HistogramStatus build_histogram(View2<const uint8_t> bins, View1<const T> grad,
                                View1<const T> hess, View1<const int64_t> rows,
                                View3<double> out, const HistogramPlan& plan,
                                const HistogramScratch<T>& scratch) noexcept {
    const index_t n_columns = bins.columns;
    const index_t n_used = rows.data == nullptr ? bins.rows : rows.size;
    const index_t out_size = out.size();
    const bits_of<T> infinity = magnitude_bits(std::numeric_limits<T>::infinity());
    std::atomic<bits_of<T>> largest_grad{0}, largest_hess{0};
    std::atomic<bool> row_out_of_range{false}, unsorted{false},
        code_out_of_range{false};

    const auto raise = [](std::atomic<bits_of<T>>& most, bits_of<T> candidate) {
        bits_of<T> seen = most.load(std::memory_order_relaxed);
        while (seen < candidate && !most.compare_exchange_weak(seen, candidate)) {
        }
    };
    parallel_region(plan.n_threads, [&](const Team& team) {
        if (rows.data != nullptr) {
            const auto [first, last] = team.share(n_used);
            const auto found = look_at_rows(rows, first, last, bins.rows);
            if (!found.in_range) row_out_of_range = true;
            if (!found.ascending) unsorted = true;
            team.barrier();
        }
        const bool gathers = plan.n_gathered > 0 && !unsorted && !row_out_of_range;
        Job<T> job{bins, grad,     hess,
                   rows, out.rows, gathers ? scratch.gathered : nullptr,
                   {},   {}};
        const auto [first, last] = team.share(bins.rows);
        const auto largest = scan_values(job, first, last);
        raise(largest_grad, largest.grad);
        raise(largest_hess, largest.hess);
        team.barrier();
        if (largest_grad >= infinity || largest_hess >= infinity || row_out_of_range) {
            return;
        }
        job.grad_scale = make_scale<T>(largest_grad);
        job.hess_scale = make_scale<T>(largest_hess);

        int64_t* const packed =
            scratch.packed + team.index * plan.group_columns * column_slots;
        const index_t n_tasks = plan.n_groups * plan.row_shares;
        for (index_t task = team.index; task < n_tasks; task += team.size) {
            const index_t share = task % plan.row_shares;
            const index_t column = task / plan.row_shares * plan.group_columns;
            const index_t width = std::min(plan.group_columns, n_columns - column);
            if (width <= 0) continue;
            double* const sums =
                (share == 0 ? out.data : scratch.partial + (share - 1) * out_size) +
                column * out.rows * 2;
            if (!run_task(job, n_used * share / plan.row_shares,
                          n_used * (share + 1) / plan.row_shares, column, width, packed,
                          sums)) {
                code_out_of_range = true;
            }
        }
        team.barrier();
        for (index_t c = team.index; c < n_columns; c += team.size) {
            finish_column(out.data + c * out.rows * 2,
                          scratch.partial + c * out.rows * 2, plan.row_shares - 1,
                          out_size, out.rows, job.grad_scale, job.hess_scale);
        }
    });

    if (largest_grad >= infinity) return HistogramStatus::gradient_not_finite;
    if (largest_hess >= infinity) return HistogramStatus::hessian_not_finite;
    if (row_out_of_range) return HistogramStatus::row_out_of_range;
    if (unsorted && has_repeats(rows, bins.rows, scratch.seen)) {
        return HistogramStatus::row_repeated;
    }
    if (code_out_of_range) return HistogramStatus::code_out_of_range;
    return HistogramStatus::ok;
}

#define FASTNOTES_INSTANTIATE(T)                                                       \
    template HistogramStatus build_histogram<T>(                                       \
        View2<const uint8_t>, View1<const T>, View1<const T>, View1<const int64_t>,    \
        View3<double>, const HistogramPlan&, const HistogramScratch<T>&) noexcept;
FASTNOTES_INSTANTIATE(float)
FASTNOTES_INSTANTIATE(double)
#undef FASTNOTES_INSTANTIATE

} // namespace fastnotes::boosting
