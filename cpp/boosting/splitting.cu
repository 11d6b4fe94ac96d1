/// Best split of a histogram on a CUDA device: a block per column, then one over
/// columns.
#include "boosting/histogram.hpp"
#include "boosting/splitting.hpp"

#include "common/cuda.cuh"

#include <climits>

namespace fastnotes::boosting::cuda {
namespace {

using fastnotes::cuda::all_lanes;
using fastnotes::cuda::launched;
using fastnotes::cuda::Status;
using fastnotes::cuda::Stream;
using fastnotes::cuda::warp_size;

constexpr int threads = code_slots; ///< one per bin
constexpr index_t no_feature = -1, not_finite_feature = -2;

struct Sums {
    double G, H;
};

/// A gain and its place in the order of ties: less is preferred. No candidate: gain 0.
struct Candidate {
    double gain;
    index_t place;
};

__device__ inline Candidate better_of(Candidate a, Candidate b) {
    return b.gain > a.gain || (b.gain == a.gain && b.place < a.place) ? b : a;
}

/// The best of the block's candidates, for its first thread.
__device__ Candidate best_of_block(Candidate best) {
    __shared__ Candidate of_warp[threads / warp_size];
#pragma unroll
    for (int step = warp_size / 2; step > 0; step /= 2) {
        const Candidate other{__shfl_xor_sync(all_lanes, best.gain, step),
                              __shfl_xor_sync(all_lanes, best.place, step)};
        best = better_of(best, other);
    }
    if (threadIdx.x % warp_size == 0) of_warp[threadIdx.x / warp_size] = best;
    __syncthreads();
    for (const Candidate other : of_warp) best = better_of(best, other);
    return best;
}

/// T(G)^2 / (H + lambda). Sums that overflow are NaN here as they are on the CPU: 0 in
/// the score of a child, NaN in that of the parent.
__device__ inline double child_score(Sums sums, const SplitRules& rules) {
    const double reduced = fabs(sums.G) - rules.reg_alpha;
    const double shrunk = reduced > 0.0 ? reduced : 0.0;
    return shrunk * shrunk / (sums.H + rules.reg_lambda);
}

__device__ inline double parent_score(Sums sums, const SplitRules& rules) {
    const double reduced = fabs(sums.G) - rules.reg_alpha;
    const double shrunk = reduced < 0.0 ? 0.0 : reduced;
    return shrunk * shrunk / (sums.H + rules.reg_lambda);
}

__device__ inline double admissible_gain(Sums left, Sums total,
                                         const SplitRules& rules) {
    const Sums right{total.G - left.G, total.H - left.H};
    const double lighter = left.H < right.H ? left.H : right.H;
    const double both = child_score(left, rules) + child_score(right, rules);
    const double gain = 0.5 * (both - parent_score(total, rules)) - rules.gamma;
    const bool admissible = gain > 0.0 && lighter >= rules.min_child_weight &&
                            lighter + rules.reg_lambda > 0.0;
    return admissible ? gain : 0.0;
}

/// Puts prefix sums of the known bins in the place of the bins, in bin order.
__device__ inline void sum_prefix(double* pairs, int n_known) {
    if (threadIdx.x < 2) {
        double sum = 0.0;
#pragma unroll 8
        for (int b = 0; b < n_known; ++b) {
            double& value = pairs[2 * b + threadIdx.x];
            sum += value;
            value = sum;
        }
    }
    __syncthreads();
}

/// Thread b tries bin b, with missing on either side. Place: 2 bin, + 1 for the left.
__device__ Candidate best_of_column(const Sums* prefix, int n_known, Sums total,
                                    const SplitRules& rules) {
    const int b = static_cast<int>(threadIdx.x);
    const Sums missing = prefix[n_known];
    Candidate best{0.0, 2 * threads};
    if (b < n_known) {
        const Sums left{prefix[b].G + 0.0, prefix[b].H + 0.0};
        best = better_of(best, {admissible_gain(left, total, rules), 2 * b});
    }
    if (b < n_known - 1 && (missing.G != 0.0 || missing.H != 0.0)) {
        const Sums left{prefix[b].G + missing.G, prefix[b].H + missing.H};
        best = better_of(best, {admissible_gain(left, total, rules), 2 * b + 1});
    }
    return best_of_block(best);
}

__device__ Split make_split(index_t column, Candidate best, const Sums* prefix,
                            Sums missing, Sums total) {
    const auto bin = static_cast<int>(best.place / 2);
    const bool default_left = best.place % 2 == 1;
    const Sums left{prefix[bin].G + (default_left ? missing.G : 0.0),
                    prefix[bin].H + (default_left ? missing.H : 0.0)};
    return {column, bin,    best.gain,        default_left,
            left.G, left.H, total.G - left.G, total.H - left.H};
}

template <class T>
__global__ void split_columns(View3<const T> histogram, const SplitRules rules,
                              Split* of_column) {
    __shared__ double pairs[2 * code_slots];
    const index_t column = blockIdx.x;
    const int n_known = static_cast<int>(histogram.rows) - 1;
    const int n_values = 2 * (n_known + 1);
    const T* const source = histogram.data + column * n_values;
    bool finite = true;
    for (int i = static_cast<int>(threadIdx.x); i < n_values; i += threads) {
        pairs[i] = source[i];
        finite &= isfinite(pairs[i]);
    }
    finite = __syncthreads_and(finite) != 0;
    sum_prefix(pairs, n_known);
    const auto* const prefix = reinterpret_cast<const Sums*>(pairs);
    const Sums missing = prefix[n_known];
    const Sums total{prefix[n_known - 1].G + missing.G,
                     prefix[n_known - 1].H + missing.H};
    const Candidate best = best_of_column(prefix, n_known, total, rules);
    if (threadIdx.x != 0) return;
    Split& split = of_column[column];
    split = Split{finite ? no_feature : not_finite_feature, 0, 0.0, false, 0, 0, 0, 0};
    if (finite && total.H + rules.reg_lambda > 0.0 && best.gain > 0.0) {
        split = make_split(column, best, prefix, missing, total);
    }
}

/// The best column, or that one is not finite.
__global__ void choose_column(const Split* of_column, index_t n_columns,
                              Split* answer) {
    Candidate best{0.0, n_columns};
    bool finite = true;
    for (index_t c = threadIdx.x; c < n_columns; c += threads) {
        best = better_of(best, {of_column[c].gain, c});
        finite &= of_column[c].feature != not_finite_feature;
    }
    finite = __syncthreads_and(finite) != 0;
    best = best_of_block(best);
    if (threadIdx.x != 0) return;
    Split chosen = of_column[best.place];
    if (!finite) chosen.feature = not_finite_feature;
    *answer = chosen;
}

} // namespace

index_t split_scratch(index_t n_columns) noexcept {
    return n_columns * index_t{sizeof(Split)};
}

template <class T>
Status find_best_split(View3<const T> histogram, const SplitRules& rules, void* scratch,
                       Split* answer, Split& best, SplitStatus& found,
                       Stream stream) noexcept {
    const index_t n_columns = histogram.planes;
    best = Split{no_feature, 0, 0.0, false, 0.0, 0.0, 0.0, 0.0};
    found = SplitStatus::ok;
    if (n_columns == 0) return {};
    if (n_columns > INT_MAX) return {cudaErrorInvalidValue};
    auto* const of_column = static_cast<Split*>(scratch);
    split_columns<<<static_cast<unsigned>(n_columns), threads, 0, stream>>>(
        histogram, rules, of_column);
    if (const Status status = launched(); !status.ok()) return status;
    choose_column<<<1, threads, 0, stream>>>(of_column, n_columns, answer);
    if (const Status status = launched(); !status.ok()) return status;
    FASTNOTES_CUDA_TRY(cudaStreamSynchronize(stream));
    best = *answer;
    if (best.feature == not_finite_feature) found = SplitStatus::not_finite;
    return {};
}

#define FASTNOTES_INSTANTIATE(T)                                                       \
    template Status find_best_split<T>(View3<const T>, const SplitRules&, void*,       \
                                       Split*, Split&, SplitStatus&, Stream) noexcept;
FASTNOTES_INSTANTIATE(float)
FASTNOTES_INSTANTIATE(double)
#undef FASTNOTES_INSTANTIATE

} // namespace fastnotes::boosting::cuda
