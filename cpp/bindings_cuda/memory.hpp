/// CUDA errors as exceptions, and device memory with an owner.
#pragma once

#include "common/cuda.hpp"
#include "common/view.hpp"

#include <cuda_runtime_api.h>

#include <utility>

namespace fastnotes::cuda {

/// Raises what a CUDA error means in Python: MemoryError when memory ran out (the
/// process stays usable), else RuntimeError "[where] CUDA error: ...". Needs the GIL.
void check(cudaError_t error, const char* where);
inline void check(Status status, const char* where) {
    check(static_cast<cudaError_t>(status.code), where);
}

/// Makes a device current for a scope.
class DeviceGuard {
  public:
    DeviceGuard(int device, const char* where) {
        check(cudaGetDevice(&before_), where);
        changed_ = device != before_;
        if (changed_) check(cudaSetDevice(device), where);
    }
    ~DeviceGuard() {
        if (changed_) (void)cudaSetDevice(before_);
    }
    DeviceGuard(const DeviceGuard&) = delete;
    DeviceGuard& operator=(const DeviceGuard&) = delete;

  private:
    int before_ = 0;
    bool changed_ = false;
};

/// Scratch of one call on the current device, ordered with `stream`: taken from a pool
/// of our own, which keeps up to 256 MiB for the next call.
class Scratch {
  public:
    Scratch(index_t bytes, Stream stream, const char* where);
    ~Scratch();
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    template <class T> T* data() const noexcept { return static_cast<T*>(data_); }

  private:
    void* data_ = nullptr;
    Stream stream_;
};

/// Some bytes of host memory that kernels write to, for the answer of one call: far
/// quicker than a copy to the host. Kept for later calls.
class Answer {
  public:
    static constexpr index_t bytes = 128;

    explicit Answer(const char* where);
    ~Answer();
    Answer(const Answer&) = delete;
    Answer& operator=(const Answer&) = delete;

    template <class T> T* data() const noexcept {
        static_assert(sizeof(T) <= bytes, "an answer is small");
        return static_cast<T*>(data_);
    }

  private:
    void* data_ = nullptr;
};

/// Memory that outlives its call, from cudaMalloc: its release waits for the device, so
/// nothing queued anywhere can still be using it.
class Allocation {
  public:
    Allocation(index_t bytes, int device, const char* where);
    ~Allocation();
    Allocation(const Allocation&) = delete;
    Allocation& operator=(const Allocation&) = delete;

    void* data() const noexcept { return data_; }

  private:
    void* data_ = nullptr;
};

} // namespace fastnotes::cuda
