/// What the kernels of this room are told besides their arrays.
#pragma once

#include "common/cuda.hpp"
#include "common/view.hpp"

namespace fastnotes::evidence {

/// Layout, threads and memory for one call on an (outer, K, inner) array.
struct Work {
    /// K is the array's last axis (then inner == 1): sums run along contiguous rows.
    /// Otherwise down columns, even if inner == 1. The two add in different orders;
    /// which one is meant never follows from the extents, so that a column alone has
    /// the bytes that it has among others.
    bool last_axis;
    int n_threads;                // >= 1
    View1<unsigned char> scratch; // scratch_size bytes, on a cache line
};

/// Bytes of scratch; 0 unless few outputs are to be shared by several threads.
template <class T>
index_t scratch_size(index_t outer, index_t count, index_t inner, bool last_axis,
                     int n_threads) noexcept;

namespace cuda {

/// Memory and stream for one call on device arrays.
struct Work {
    View1<unsigned char> scratch; // scratch_size bytes of device memory, 8-byte aligned
    ::fastnotes::cuda::Stream stream;
};

/// Bytes of scratch; 0 while K fits one chunk of the sum.
template <class T>
index_t scratch_size(index_t outer, index_t count, index_t inner) noexcept;

} // namespace cuda

} // namespace fastnotes::evidence
