/// Host side of the schedule, and the kernels that fill memory by it.
#pragma once

#include "recurrent/lstm_device.cuh"

namespace fastnotes::recurrent::cuda::detail {

inline index_t total_rows(const recurrent::Schedule& schedule) noexcept {
    return schedule.start.empty() ? 0 : schedule.start.back();
}

/// Fills the schedule in device memory from the host's.
Status fill_schedule(std::int64_t* data, const Sizes& sizes,
                     const recurrent::Schedule& schedule, Stream stream) noexcept;

/// Entry i of every part where all run for all steps, and nothing comes from the host.
__device__ inline void fill_uniform(std::int64_t* data, index_t batch, index_t time,
                                    index_t i) {
    std::int64_t* const start = data + 2 * batch;
    std::int64_t* const position = start + time + 1;
    if (i < batch) {
        data[i] = i;
        data[batch + i] = time;
    }
    if (i <= time) start[i] = i * batch;
    if (i < batch * time) {
        position[i] = i % batch * time + i / batch;
        position[batch * time + i] = i; // before: h0 is in front of the packed rows
    }
}

/// Zeros in data [B, T, columns] past the sequences' ends.
template <class T>
Status clear_padding(T* data, index_t columns, const Sizes& sizes,
                     const DeviceSchedule& schedule, Stream stream) noexcept;

/// Parts of one scratch, each on 128 bytes.
class Parts {
  public:
    explicit Parts(void* data) noexcept : data_(static_cast<char*>(data)) {}

    template <class T> T* take(index_t count) noexcept {
        char* const part = data_ == nullptr ? nullptr : data_ + size_;
        size_ += round_up(count * static_cast<index_t>(sizeof(T)), 128);
        return reinterpret_cast<T*>(part);
    }
    index_t size() const noexcept { return size_; }

  private:
    char* data_;
    index_t size_ = 0;
};

} // namespace fastnotes::recurrent::cuda::detail
