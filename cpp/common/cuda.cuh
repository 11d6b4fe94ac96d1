/// Shared by the CUDA kernels: errors, launches, warp and block reductions.
#pragma once

#include "common/cuda.hpp"
#include "common/view.hpp"

#include <cuda_runtime.h>

/// Returns from a launcher with the error of a CUDA call, if it has one.
#define FASTNOTES_CUDA_TRY(call)                                                       \
    do {                                                                               \
        const cudaError_t fastnotes_error = (call);                                    \
        if (fastnotes_error != cudaSuccess) {                                          \
            return ::fastnotes::cuda::Status{static_cast<int>(fastnotes_error)};       \
        }                                                                              \
    } while (false)

namespace fastnotes::cuda {

inline constexpr int warp_size = 32;
inline constexpr unsigned all_lanes = 0xFFFFFFFFu;

/// What the launch just made says; also takes the error away from later calls.
inline Status launched() noexcept {
    return Status{static_cast<int>(cudaGetLastError())};
}

/// A launch may begin before the one before it in its stream has ended, if that lets it
/// begin and it asks for it; it then waits before it touches what the other writes, or
/// writes what that reads. Compute capability 9.0 or newer; before, nothing overlaps.
__device__ inline void let_next_launch_begin() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;");
#endif
}
__device__ inline void wait_for_launch_before() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

/// Combines the lanes of a warp in a fixed tree; every lane gets the same value.
template <class T, class Op> __device__ inline T warp_reduce(T value, Op op) {
#pragma unroll
    for (int step = warp_size / 2; step > 0; step /= 2) {
        value = op(value, __shfl_xor_sync(all_lanes, value, step));
    }
    return value;
}

} // namespace fastnotes::cuda
