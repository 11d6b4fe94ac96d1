/// What is looked at before a histogram is summed on a CUDA device: magnitudes, and a
/// list of rows.
#pragma once

#include "boosting/histogram.hpp"
#include "common/cuda.cuh"

#include <algorithm>

namespace fastnotes::boosting::cuda {

using fastnotes::cuda::launched;
using fastnotes::cuda::Status;
using fastnotes::cuda::Stream;
using Wide = unsigned long long; ///< what 64-bit atomics take

constexpr int simple_threads = 256;
constexpr int simple_blocks_per_multiprocessor = 8;

/// What the kernels of a call tell each other and the host; all zero at first.
struct Report {
    Wide largest[2]; ///< bits of the largest |grad|, |hess|: NaN > infinity > the rest
    Wide bad_place;  ///< ~(place of the first row out of range); 0: none
    std::int64_t bad_row;
    unsigned unsorted, repeated, large_code;
};
constexpr index_t report_bytes = 128;
static_assert(sizeof(Report) <= report_bytes);

template <class T>
constexpr Wide infinity_bits = sizeof(T) == 4 ? 0x7F800000u : 0x7FF0000000000000u;

template <class T> __device__ bool refused(const Report& report) {
    return report.largest[0] >= infinity_bits<T> ||
           report.largest[1] >= infinity_bits<T> || report.bad_place != 0;
}

__device__ inline std::uint32_t magnitude_bits(float value) {
    return __float_as_uint(value) & 0x7FFFFFFFu;
}

__device__ inline Wide magnitude_bits(double value) {
    return static_cast<Wide>(__double_as_longlong(value)) & 0x7FFFFFFFFFFFFFFFu;
}

/// Raises *most to the largest value in the block.
__device__ inline void raise(Wide* most, Wide value) {
    const auto larger = [](Wide a, Wide b) { return a > b ? a : b; };
    __shared__ Wide of_warp[simple_threads / fastnotes::cuda::warp_size];
    const int warp = static_cast<int>(threadIdx.x) / fastnotes::cuda::warp_size;
    value = fastnotes::cuda::warp_reduce(value, larger);
    if (threadIdx.x % fastnotes::cuda::warp_size == 0) of_warp[warp] = value;
    __syncthreads();
    if (threadIdx.x == 0) {
        for (const Wide other : of_warp) value = larger(value, other);
        atomicMax(most, value);
    }
    __syncthreads();
}

template <class T> __device__ Wide largest_magnitude(const T* values, index_t n) {
    decltype(magnitude_bits(T{})) most = 0;
    const index_t step = index_t{gridDim.x} * blockDim.x;
#pragma unroll 4
    for (index_t i = index_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step) {
        const auto bits = magnitude_bits(values[i]);
        most = bits > most ? bits : most;
    }
    return most;
}

template <class T>
__global__ void inspect_gradients(View1<const T> grad, View1<const T> hess,
                                  Report* report) {
    raise(&report->largest[0], largest_magnitude(grad.data, grad.size));
    raise(&report->largest[1], largest_magnitude(hess.data, hess.size));
}

template <class Row>
__global__ void inspect_rows(View1<const Row> rows, index_t n_rows, Report* report) {
    Wide bad_place = 0;
    bool unsorted = false;
    const index_t step = index_t{gridDim.x} * blockDim.x;
    for (index_t i = index_t{blockIdx.x} * blockDim.x + threadIdx.x; i < rows.size;
         i += step) {
        const Row row = rows.data[i];
        if (row < 0 || row >= n_rows) {
            const Wide place = ~static_cast<Wide>(i);
            bad_place = place > bad_place ? place : bad_place;
        }
        unsorted |= i > 0 && rows.data[i - 1] >= row;
    }
    if (__syncthreads_or(bad_place != 0)) raise(&report->bad_place, bad_place);
    if (__syncthreads_or(unsorted) && threadIdx.x == 0) {
        atomicOr(&report->unsorted, 1u);
    }
}

/// Whether a row number occurs twice, by a bitmap; ascending ones need none.
template <class Row>
__global__ void find_repeats(View1<const Row> rows, Report* report,
                             std::uint32_t* seen) {
    if (report->bad_place != 0) {
        if (blockIdx.x == 0 && threadIdx.x == 0) {
            report->bad_row = rows.data[~report->bad_place];
        }
        return;
    }
    if (report->unsorted == 0) return;
    bool repeated = false;
    const index_t step = index_t{gridDim.x} * blockDim.x;
    for (index_t i = index_t{blockIdx.x} * blockDim.x + threadIdx.x; i < rows.size;
         i += step) {
        const Row row = rows.data[i];
        const std::uint32_t bit = 1u << (row % 32);
        repeated |= (atomicOr(&seen[row / 32], bit) & bit) != 0;
    }
    if (__syncthreads_or(repeated) && threadIdx.x == 0) atomicOr(&report->repeated, 1u);
}

inline Status find_attribute(cudaDeviceAttr which, int& value) noexcept {
    int device = 0;
    FASTNOTES_CUDA_TRY(cudaGetDevice(&device));
    FASTNOTES_CUDA_TRY(cudaDeviceGetAttribute(&value, which, device));
    return {};
}

/// Enough blocks to fill the device, at most one per 256 of n, at least one.
inline Status find_blocks(index_t n, unsigned& blocks) noexcept {
    int multiprocessors = 0;
    const Status status =
        find_attribute(cudaDevAttrMultiProcessorCount, multiprocessors);
    const index_t most = multiprocessors * simple_blocks_per_multiprocessor;
    blocks = static_cast<unsigned>(std::clamp<index_t>(ceil_div(n, simple_threads), 1,
                                                       std::max<index_t>(most, 1)));
    return status;
}

template <class T>
Status launch_inspection(View1<const T> grad, View1<const T> hess, Report* report,
                         Stream stream) noexcept {
    unsigned blocks = 0;
    const Status status = find_blocks(grad.size, blocks);
    if (!status.ok()) return status;
    inspect_gradients<<<blocks, simple_threads, 0, stream>>>(grad, hess, report);
    return launched();
}

template <class Row>
Status launch_inspection(View1<const Row> rows, index_t n_rows, Report* report,
                         std::uint32_t* seen, Stream stream) noexcept {
    unsigned blocks = 0;
    Status status = find_blocks(rows.size, blocks);
    if (!status.ok() || rows.size == 0) return status;
    inspect_rows<<<blocks, simple_threads, 0, stream>>>(rows, n_rows, report);
    status = launched();
    if (!status.ok()) return status;
    find_repeats<<<blocks, simple_threads, 0, stream>>>(rows, report, seen);
    return launched();
}

template <class T> HistogramOutcome outcome_of(const Report& report) noexcept {
    if (report.largest[0] >= infinity_bits<T>) {
        return {HistogramStatus::gradient_not_finite, 0};
    }
    if (report.largest[1] >= infinity_bits<T>) {
        return {HistogramStatus::hessian_not_finite, 0};
    }
    if (report.bad_place != 0) {
        return {HistogramStatus::row_out_of_range, report.bad_row};
    }
    if (report.repeated != 0) return {HistogramStatus::row_repeated, 0};
    if (report.large_code != 0) return {HistogramStatus::code_out_of_range, 0};
    return {HistogramStatus::ok, 0};
}

} // namespace fastnotes::boosting::cuda
