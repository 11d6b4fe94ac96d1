/// Rows and runs of rows as units of work, and vectors of features.
#pragma once

#include "common/cuda.cuh"
#include "graph/laplacian_matmul.hpp"

#include <limits>

namespace fastnotes::graph::cuda {

using fastnotes::cuda::all_lanes;
using fastnotes::cuda::launched;
using fastnotes::cuda::Status;
using fastnotes::cuda::Stream;
using fastnotes::cuda::warp_reduce;
using fastnotes::cuda::warp_size;

/// A row of at most run_entries entries, or one run of a longer row.
struct RowPart {
    index_t row;   ///< -1: nothing to do
    index_t first; ///< entry
    int count;     ///< entries, at most run_entries
    bool is_run;
};

/// Parts are numbered runs first (the longest work starts first), then the rows, of
/// which the long ones have nothing left to do.
__device__ inline RowPart row_part(const Csr& a, const LongRows& long_rows,
                                   index_t number) {
    if (number < long_rows.runs) {
        const std::int32_t owner = long_rows.run_owner[number];
        const index_t row = long_rows.rows[owner];
        const index_t run = number - long_rows.first_run[owner];
        const index_t first = a.indptr[row] + run * run_entries;
        const index_t left = a.indptr[row + 1] - first;
        return {row, first, static_cast<int>(left < run_entries ? left : run_entries),
                true};
    }
    const index_t row = number - long_rows.runs;
    if (row >= a.rows) return {-1, 0, 0, false};
    const index_t first = a.indptr[row], count = a.indptr[row + 1] - first;
    if (count > run_entries) return {-1, 0, 0, false};
    return {row, first, static_cast<int>(count), false};
}

inline index_t count_parts(const Csr& a, const LongRows& long_rows) noexcept {
    return long_rows.runs + a.rows;
}

/// A grid of one dimension, or 0 blocks if it has too many.
inline unsigned grid_of(index_t blocks) noexcept {
    const bool fits = blocks <= std::numeric_limits<std::int32_t>::max();
    return fits ? static_cast<unsigned>(blocks) : 0U;
}

/// Features that a lane reads at once: 16 bytes.
template <class T> inline constexpr int vector_size = 16 / static_cast<int>(sizeof(T));

template <class T> bool starts_on_vector(const T* p) noexcept {
    return reinterpret_cast<std::uintptr_t>(p) % 16 == 0;
}

template <class T, int N> struct Features {
    T at[N];
};

__device__ inline Features<float, 4> unpacked(float4 v) {
    return {{v.x, v.y, v.z, v.w}};
}
__device__ inline Features<double, 2> unpacked(double2 v) { return {{v.x, v.y}}; }
__device__ inline float4 packed(Features<float, 4> v) {
    return make_float4(v.at[0], v.at[1], v.at[2], v.at[3]);
}
__device__ inline double2 packed(Features<double, 2> v) {
    return make_double2(v.at[0], v.at[1]);
}

template <class T> using Packed = decltype(packed(Features<T, vector_size<T>>{}));

/// Reads N features that no kernel running now writes; whole vectors are aligned.
template <int N, class T> __device__ Features<T, N> load(const T* p) {
    if constexpr (N == vector_size<T>) {
        return unpacked(__ldg(reinterpret_cast<const Packed<T>*>(p)));
    } else {
        static_assert(N == 1, "a vector or a single feature");
        return {{__ldg(p)}};
    }
}

/// The first `count` of a vector that may lie anywhere, then zeros.
template <class T>
__device__ Features<T, vector_size<T>> load_any(const T* p, index_t count,
                                                bool aligned) {
    if (aligned) return load<vector_size<T>>(p);
    Features<T, vector_size<T>> v;
#pragma unroll
    for (int k = 0; k < vector_size<T>; ++k) v.at[k] = k < count ? __ldg(p + k) : T(0);
    return v;
}

__device__ inline float fused(float a, float b, float c) { return fmaf(a, b, c); }
__device__ inline double fused(double a, double b, double c) { return fma(a, b, c); }

} // namespace fastnotes::graph::cuda
