/// The recurrence with weight_hh in registers: one cooperative launch for all steps.
///
/// Rows are dealt to slices, longest first; a slice is `parts` blocks, which own equal
/// numbers of hidden units (all four gates of them) and meet once a step. Slices never
/// meet. Whether this path is taken depends on the hidden size and the device alone,
/// and no sum depends on how many slices there are.
#pragma once

#include "recurrent/lstm_device.cuh"

#include <type_traits>

namespace fastnotes::recurrent::cuda::detail {

inline constexpr int on_chip_threads = 256;
inline constexpr int max_rows = 64;       // of a block, in a launch
inline constexpr int max_slices = 1024;   // of a launch
inline constexpr int counter_bytes = 128; // a slice's own line

/// How many blocks a launch may have, all resident at once.
struct Room {
    int parts = 0;  // blocks of a slice
    int slices = 0; // at most; 0: the recurrence does not fit on the chip
    index_t rows() const noexcept { return index_t{slices} * max_rows; }
};

/// How one launch deals its rows: sorted row first + slice + slices * i is row i.
struct Division {
    index_t first;
    int rows, slices, parts;
};

/// Room for the recurrence in float.
Room forward_room(index_t hidden) noexcept;
Room backward_room(index_t hidden) noexcept;

inline index_t counters_size(index_t batch) noexcept {
    return (batch < max_slices ? batch : max_slices) * counter_bytes;
}

/// Bytes of the partial sums of backward_on_chip.
index_t partial_size(index_t hidden, index_t batch, const Room& room) noexcept;

/// All steps; counters [counters_size], partial [partial_size] bytes of scratch.
Status forward_on_chip(const ForwardRun<float>& run, const Room& room,
                       unsigned* counters, Stream stream) noexcept;
Status backward_on_chip(const BackwardRun<float>& run, const Room& room,
                        unsigned* counters, float* partial, Stream stream) noexcept;

/// f(std::integral_constant<int, K>) with the hidden size the kernels are built for.
template <class F> auto with_depth(index_t hidden, F&& f) noexcept {
    if (hidden <= 64) return f(std::integral_constant<int, 64>());
    if (hidden <= 128) return f(std::integral_constant<int, 128>());
    if (hidden <= 256) return f(std::integral_constant<int, 256>());
    if (hidden <= 512) return f(std::integral_constant<int, 512>());
    return f(std::integral_constant<int, 1024>());
}
inline constexpr index_t max_hidden = 1024;

/// Hidden units of a block: those whose weights fill the registers, 128 a thread.
constexpr int units_of_block(int depth) { return depth <= 128 ? 64 : 8 * 1024 / depth; }

/// The room that a kernel finds on the current device.
template <class Kernel>
Room find_room(Kernel* kernel, index_t hidden, int units, std::size_t shared) noexcept {
    int device = 0, cooperative = 0, processors = 0, most = 0, resident = 0;
    const bool asked =
        cudaGetDevice(&device) == cudaSuccess &&
        cudaDeviceGetAttribute(&cooperative, cudaDevAttrCooperativeLaunch, device) ==
            cudaSuccess &&
        cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device) ==
            cudaSuccess &&
        cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin,
                               device) == cudaSuccess;
    if (!asked || cooperative == 0 || shared > static_cast<std::size_t>(most) ||
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(shared)) != cudaSuccess ||
        cudaOccupancyMaxActiveBlocksPerMultiprocessor(
            &resident, kernel, on_chip_threads, shared) != cudaSuccess) {
        (void)cudaGetLastError();
        return {};
    }
    const int parts = static_cast<int>(ceil_div(hidden, units));
    const int slices = resident * processors / parts;
    return {parts, slices < max_slices ? slices : max_slices};
}

/// Launches the kernel on all rows, as many at a time as there is room for.
template <class Kernel, class Run, class... More>
Status launch_slices(Kernel* kernel, const Run& run, const Room& room,
                     std::size_t shared, unsigned* counters, Stream stream,
                     More... more) noexcept {
    for (index_t first = 0; first < run.batch; first += room.rows()) {
        const index_t left = run.batch - first;
        Division division{first,
                          static_cast<int>(left < room.rows() ? left : room.rows()), 0,
                          room.parts};
        division.slices = division.rows < room.slices ? division.rows : room.slices;
        FASTNOTES_CUDA_TRY(cudaMemsetAsync(
            counters, 0, static_cast<std::size_t>(division.slices) * counter_bytes,
            stream));
        Run argument = run;
        void* arguments[] = {&argument, &division, &counters, &more...};
        FASTNOTES_CUDA_TRY(cudaLaunchCooperativeKernel(
            kernel, dim3(static_cast<unsigned>(division.slices * division.parts)),
            dim3(on_chip_threads), arguments, shared, stream));
    }
    return {};
}

/// The rows of a block's slice.
struct SliceRows {
    std::int64_t order[max_rows], length[max_rows]; // 0 past the last row
};

/// One block's place in its launch.
struct BlockPlace {
    int slice, part, rows; // rows of the slice

    __device__ explicit BlockPlace(const Division& division)
        : slice(static_cast<int>(blockIdx.x) / division.parts),
          part(static_cast<int>(blockIdx.x) % division.parts),
          rows((division.rows - slice + division.slices - 1) / division.slices) {}

    __device__ void read_rows(const Division& division, const DeviceSchedule& schedule,
                              SliceRows& to) const {
        for (int i = static_cast<int>(threadIdx.x); i < max_rows;
             i += on_chip_threads) {
            const index_t row = sorted(division, i);
            to.order[i] = i < rows ? schedule.order[row] : 0;
            to.length[i] = i < rows ? schedule.length[row] : 0;
        }
    }
    __device__ index_t sorted(const Division& division, int i) const {
        return division.first + slice + static_cast<index_t>(division.slices) * i;
    }
};

/// The meetings of a slice's blocks, all of which are resident: what a block wrote
/// before it arrives is visible to the others once they have waited.
class Meeting {
  public:
    __device__ Meeting(unsigned* counter, int parts)
        : counter_(counter), parts_(static_cast<unsigned>(parts)) {}

    /// Every thread of the block calls it.
    __device__ void arrive() {
        __syncthreads(); // the release below is of the whole block's writes
        target_ += parts_;
        if (threadIdx.x == 0) {
            asm volatile("red.release.gpu.global.add.u32 [%0], 1;" ::"l"(counter_)
                         : "memory");
        }
    }

    __device__ void wait() const {
        if (threadIdx.x == 0) {
            unsigned seen = 0;
            do {
                asm volatile("ld.acquire.gpu.global.u32 %0, [%1];"
                             : "=r"(seen)
                             : "l"(counter_)
                             : "memory");
            } while (static_cast<int>(seen - target_) < 0); // right across an overflow
        }
        __syncthreads();
    }

  private:
    unsigned* const counter_;
    const unsigned parts_;
    unsigned target_ = 0;
};

} // namespace fastnotes::recurrent::cuda::detail
