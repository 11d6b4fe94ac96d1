/// What a contract needs to name a CUDA twin, without any CUDA header.
///
/// The twin of a kernel stands in the same contract header, in the namespace `cuda` of
/// its room: same views, same edge values, but every pointer is device memory, work is
/// queued on `stream` of the current device, and the call returns before it is done.
/// A launcher is noexcept, allocates nothing, synchronises nothing unless its contract
/// says so, and returns the first CUDA error, or a Status that is ok.
#pragma once

struct CUstream_st;

namespace fastnotes::cuda {

using Stream = CUstream_st*; // cudaStream_t

/// A cudaError_t as a number: 0 is success.
struct [[nodiscard]] Status {
    int code = 0;
    bool ok() const noexcept { return code == 0; }
};

} // namespace fastnotes::cuda
