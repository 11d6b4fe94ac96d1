/// The recurrence with weight_hh in registers: one launch for all steps.
///
/// Rows are dealt to slices, longest first; a slice is `parts` blocks, which own equal
/// numbers of hidden units (all four gates of them) and meet once a step. Slices never
/// meet. Whether this path is taken, and how the blocks of a slice meet, depends on the
/// hidden size and the device alone, and no sum depends on how many slices there are.
#pragma once

#include "recurrent/lstm_device.cuh"

#include <array>
#include <mutex>
#include <type_traits>

namespace fastnotes::recurrent::cuda::detail {

using fastnotes::cuda::all_lanes;
using fastnotes::cuda::warp_size;

inline constexpr int on_chip_threads = 256;
inline constexpr int max_rows = 64;       // of a block, in a launch
inline constexpr int max_slices = 1024;   // of a launch
inline constexpr int counter_bytes = 128; // a slice's own line

/// How the blocks of a slice meet: not at all, as a cluster, or by counters in memory.
enum class Meet { never, cluster, memory };

/// How many blocks a launch may have.
struct Room {
    int parts = 0;      // blocks of a slice
    int slices = 0;     // at most; 0: the recurrence does not fit on the chip
    int slice_rows = 0; // at most
    Meet meet = Meet::memory;
    bool early = false; // launches may begin before the one before has ended
    index_t rows() const noexcept { return index_t{slices} * slice_rows; }
};

/// How one launch deals its rows: sorted row first + slice + slices * i is row i.
struct Division {
    index_t first;
    int rows, slices, parts;
};

/// Scratch in which the blocks of a slice meet.
struct ExchangeMemory {
    unsigned* counters; // [counters_size] bytes
    float* data;        // [forward_exchange_size or backward_exchange_size] bytes
};

inline index_t counters_size(index_t batch, const Room& room) noexcept {
    if (room.meet != Meet::memory) return 0;
    return (batch < max_slices ? batch : max_slices) * counter_bytes;
}

/// Up to few_units a step is so short that waiting for other blocks would dominate:
/// kernels of their own, in lstm_*_few_units.cu; the others are in lstm_*_on_chip.cu.
/// The recurrence in float: its room, bytes of ExchangeMemory::data, all steps.
inline constexpr index_t few_units = 256, max_hidden = 1024;

Room forward_room_of_few(index_t hidden) noexcept;
Room forward_room_of_many(index_t hidden) noexcept;
Room backward_room_of_few(index_t hidden) noexcept;
Room backward_room_of_many(index_t hidden) noexcept;

index_t forward_exchange_of_few(index_t hidden, index_t batch,
                                const Room& room) noexcept;
index_t backward_exchange_of_few(index_t hidden, index_t batch,
                                 const Room& room) noexcept;
index_t backward_exchange_of_many(index_t hidden, index_t batch,
                                  const Room& room) noexcept;

Status forward_few(const ForwardRun<float>& run, const Room& room,
                   const ExchangeMemory& memory, Stream stream) noexcept;
Status forward_many(const ForwardRun<float>& run, const Room& room,
                    const ExchangeMemory& memory, Stream stream) noexcept;
Status backward_few(const BackwardRun<float>& run, const Room& room,
                    const ExchangeMemory& memory, Stream stream) noexcept;
Status backward_many(const BackwardRun<float>& run, const Room& room,
                     const ExchangeMemory& memory, Stream stream) noexcept;

/// f(std::integral_constant<int, K>) with the hidden size the kernels are built for.
template <class F> auto with_few_units(index_t hidden, F&& f) noexcept {
    if (hidden <= 64) return f(std::integral_constant<int, 64>());
    if (hidden <= 128) return f(std::integral_constant<int, 128>());
    return f(std::integral_constant<int, 256>());
}
template <class F> auto with_many_units(index_t hidden, F&& f) noexcept {
    if (hidden <= 512) return f(std::integral_constant<int, 512>());
    return f(std::integral_constant<int, 1024>());
}

/// Hidden units of a block: those whose weights fill the registers, 128 a thread.
constexpr int units_of_block(int depth) { return 8 * 1024 / depth; }

template <class Run> using OnChipKernel = void(Run, Division, ExchangeMemory);

/// What a launch of such a kernel takes.
struct OnChip {
    Meet meet;
    int parts, slice_rows;
    std::size_t shared;
    int threads = on_chip_threads;
    bool waits = false; // for the launch before, so that it may begin early
};

/// A launch of so many slices.
class OnChipLaunch {
  public:
    OnChipLaunch(const OnChip& code, int slices, bool early, Stream stream) noexcept {
        config_.gridDim = dim3(static_cast<unsigned>(slices * code.parts));
        config_.blockDim = dim3(static_cast<unsigned>(code.threads));
        config_.dynamicSmemBytes = code.shared;
        config_.stream = stream;
        config_.attrs = attributes_;
        if (code.meet == Meet::cluster) {
            auto& value = add(cudaLaunchAttributeClusterDimension);
            value.clusterDim.x = static_cast<unsigned>(code.parts);
            value.clusterDim.y = value.clusterDim.z = 1;
        } else if (code.meet == Meet::memory) {
            add(cudaLaunchAttributeCooperative).cooperative = 1;
        }
        if (early) {
            add(cudaLaunchAttributeProgrammaticStreamSerialization)
                .programmaticStreamSerializationAllowed = 1;
        }
    }
    OnChipLaunch(const OnChipLaunch&) = delete;
    OnChipLaunch& operator=(const OnChipLaunch&) = delete;
    const cudaLaunchConfig_t* config() const noexcept { return &config_; }

  private:
    cudaLaunchAttributeValue& add(cudaLaunchAttributeID id) noexcept {
        cudaLaunchAttribute& attribute = attributes_[config_.numAttrs++];
        attribute.id = id;
        return attribute.val;
    }

    cudaLaunchConfig_t config_{};
    cudaLaunchAttribute attributes_[2]{};
};

/// Whether the kernel's code is that of compute capability 9.0 or newer: an older one,
/// compiled by the driver for a new device, has no clusters and no early begin.
template <class Kernel> bool is_for_9_0(Kernel* kernel) noexcept {
    cudaFuncAttributes code{};
    return cudaFuncGetAttributes(&code, kernel) == cudaSuccess && code.ptxVersion >= 90;
}

/// Blocks of the kernel that the device runs at the same time; 0: it cannot.
template <class Kernel>
int count_blocks(Kernel* kernel, const OnChip& code, int device) noexcept {
    const auto ask = [&](cudaDeviceAttr what) {
        int answer = 0;
        return cudaDeviceGetAttribute(&answer, what, device) == cudaSuccess ? answer
                                                                            : 0;
    };
    const auto needed = code.meet == Meet::cluster ? cudaDevAttrClusterLaunch
                                                   : cudaDevAttrCooperativeLaunch;
    const int most = ask(cudaDevAttrMaxSharedMemoryPerBlockOptin);
    if (ask(needed) == 0 || code.shared > static_cast<std::size_t>(most) ||
        (code.meet == Meet::cluster && !is_for_9_0(kernel)) ||
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(code.shared)) != cudaSuccess) {
        return 0;
    }
    int found = 0;
    if (code.meet == Meet::cluster) {
        const OnChipLaunch launch(code, 1, false, nullptr);
        return cudaOccupancyMaxActiveClusters(&found, kernel, launch.config()) ==
                       cudaSuccess
                   ? found * code.parts
                   : 0;
    }
    return cudaOccupancyMaxActiveBlocksPerMultiprocessor(&found, kernel, code.threads,
                                                         code.shared) == cudaSuccess
               ? found * ask(cudaDevAttrMultiProcessorCount)
               : 0;
}

/// The room that a kernel finds on the current device, which is asked once.
template <auto Kernel> Room find_room(const OnChip& code) noexcept {
    constexpr int known_devices = 64;
    static std::mutex mutex;
    struct Found {
        bool asked;
        int blocks;
        bool early;
    };
    static std::array<Found, known_devices> all{};
    int device = 0;
    if (cudaGetDevice(&device) != cudaSuccess || device >= known_devices) {
        (void)cudaGetLastError();
        return {};
    }
    const std::lock_guard<std::mutex> lock(mutex);
    Found& found = all[static_cast<std::size_t>(device)];
    if (!found.asked) {
        found = {true, count_blocks(Kernel, code, device),
                 code.waits && code.meet != Meet::memory && is_for_9_0(Kernel)};
    }
    if (found.blocks == 0) (void)cudaGetLastError();
    const int slices = found.blocks / code.parts;
    return {code.parts, slices < max_slices ? slices : max_slices, code.slice_rows,
            code.meet, found.early};
}

/// Launches the kernel on all rows, as many at a time as there is room for.
template <class Run>
Status launch_slices(OnChipKernel<Run>* kernel, const OnChip& code, const Run& run,
                     const Room& room, const ExchangeMemory& memory,
                     Stream stream) noexcept {
    for (index_t first = 0; first < run.batch; first += room.rows()) {
        const index_t left = run.batch - first;
        Division division{first,
                          static_cast<int>(left < room.rows() ? left : room.rows()), 0,
                          room.parts};
        division.slices = division.rows < room.slices ? division.rows : room.slices;
        if (code.meet == Meet::memory) {
            FASTNOTES_CUDA_TRY(cudaMemsetAsync(
                memory.counters, 0,
                static_cast<std::size_t>(division.slices) * counter_bytes, stream));
        }
        const OnChipLaunch launch(code, division.slices, room.early, stream);
        FASTNOTES_CUDA_TRY(
            cudaLaunchKernelEx(launch.config(), kernel, run, division, memory));
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
        const int threads = static_cast<int>(blockDim.x);
        for (int i = static_cast<int>(threadIdx.x); i < max_rows; i += threads) {
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
    __device__ Meeting(unsigned* counters, int slice, int parts)
        : counter_(counters + slice * (counter_bytes / sizeof(unsigned))),
          parts_(static_cast<unsigned>(parts)) {}

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

/// Copies 4, 8 or 16 bytes into shared memory in the background, or zeros.
template <int Bytes>
__device__ inline void copy_async(float* to, const float* from, bool real) {
    const auto address = static_cast<unsigned>(__cvta_generic_to_shared(to));
    if constexpr (Bytes == 16) { // past the L1 cache: other blocks may have written it
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address),
                     "l"(from), "r"(real ? 16 : 0)
                     : "memory");
    } else {
        asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(address),
                     "l"(from), "n"(Bytes), "r"(real ? Bytes : 0)
                     : "memory");
    }
}
__device__ inline void commit_copies() { asm volatile("cp.async.commit_group;"); }
template <int Pending> __device__ inline void wait_for_copies() {
    asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
}

/// Adds up sum[r] over `Lanes` lanes; lane l gets the total of r = l / (Lanes / R).
template <int R, int Lanes> __device__ inline float fold(float (&sum)[R], int lane) {
    int width = R;
#pragma unroll
    for (int step = Lanes / 2; step > 0; step /= 2) {
        if (width > 1) {
            width /= 2;
            const bool upper = (lane & step) != 0;
#pragma unroll
            for (int i = 0; i < width; ++i) {
                const float give = upper ? sum[i] : sum[i + width];
                const float keep = upper ? sum[i + width] : sum[i];
                sum[i] = keep + __shfl_xor_sync(all_lanes, give, step);
            }
        } else {
            sum[0] += __shfl_xor_sync(all_lanes, sum[0], step);
        }
    }
    return sum[0];
}

} // namespace fastnotes::recurrent::cuda::detail
