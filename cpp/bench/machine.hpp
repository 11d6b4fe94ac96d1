/// What the machine can do at most: the rates that measured kernels are held against.
#pragma once

#include "common/view.hpp"

#include <cstdint>

namespace fastnotes::bench {

/// Reads an array over and over; bytes read over time is the read rate of a working set
/// of this size. Each thread reads its own contiguous share, again and again.
///
///   data [n] int64   in
///
/// Returns the wrapping sum of everything read, so that no read can be left out.
/// Cost: 8 n n_passes bytes.
std::int64_t read_memory(View1<const std::int64_t> data, index_t n_passes,
                         int n_threads) noexcept;

/// Independent chains of fused multiply-adds in registers; flops over time is the peak.
/// One thread for each element of out.
///
///   out [n_threads] T   out, overwritten: each thread's sum, to keep the work
///
/// Returns the floating-point operations done by all threads, two per multiply-add.
/// Without FMA in this level a step is one multiplication and one addition.
template <class T> index_t multiply_add(View1<T> out, index_t n_steps) noexcept;

} // namespace fastnotes::bench
