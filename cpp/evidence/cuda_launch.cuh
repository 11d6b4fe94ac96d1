/// Which kernels run for an array, over which tiles.
#pragma once

#include "evidence/cuda_kernels.cuh"
#include "evidence/work.hpp"

namespace fastnotes::evidence::cuda {

using ::fastnotes::cuda::Status;

/// Slices of a plane nearer together than this are fetched and written as they lie.
inline constexpr index_t sector_bytes = 64;

/// Units of the largest tile of global memory.
inline constexpr int most_units = 1024;

/// Most shared memory of a staged tile: the next block of threads needs none of it.
inline constexpr index_t staged_bytes = index_t{192} << 10;

#define FASTNOTES_EVIDENCE_TRY(call)                                                   \
    do {                                                                               \
        if (const Status status = (call); !status.ok()) return status;                 \
    } while (false)

struct Device {
    int processors = 0, shared = 0;

    Status query() noexcept {
        int device = 0;
        FASTNOTES_CUDA_TRY(cudaGetDevice(&device));
        FASTNOTES_CUDA_TRY(cudaDeviceGetAttribute(
            &processors, cudaDevAttrMultiProcessorCount, device));
        FASTNOTES_CUDA_TRY(cudaDeviceGetAttribute(
            &shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, device));
        return {};
    }

    /// Lets a kernel have all the shared memory there is, not what this call needs: the
    /// setting is the kernel's, and another thread may be launching it too.
    template <class Kernel> Status allow_shared(Kernel kernel) const noexcept {
        FASTNOTES_CUDA_TRY(cudaFuncSetAttribute(
            kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared));
        return {};
    }
};

/// Threads for a tile: whole warps, at most `most`.
inline int threads_for(const Tiles& tiles, int most) noexcept {
    return static_cast<int>(
        std::min<index_t>(most, round_up(tiles.units(), ::fastnotes::cuda::warp_size)));
}

/// One launch with `shared` bytes; at most `blocks` blocks, which then take turns.
template <class... Parameter, class... Argument>
Status launch(void (*kernel)(Parameter...), index_t blocks, int threads, index_t shared,
              ::fastnotes::cuda::Stream stream, const Argument&... arguments) noexcept {
    constexpr index_t most_blocks = 0x7FFFFFFF;
    kernel<<<static_cast<unsigned>(std::min(blocks, most_blocks)), threads,
             static_cast<std::size_t>(shared), stream>>>(arguments...);
    return ::fastnotes::cuda::launched();
}

/// Chunks of one array: the work after which finish_chunks has its totals.
template <class T> struct ChunkScratch {
    Partials<T> partials;
    T *largest, *term; // per column

    ChunkScratch(const Order& order, View3<const T> a, bool squares,
                 unsigned char* memory) noexcept {
        const index_t columns = a.planes * a.columns;
        const index_t parts = columns * order.n_chunks;
        partials.sum = reinterpret_cast<double*>(memory);
        partials.square = squares ? partials.sum + parts : nullptr;
        partials.largest =
            reinterpret_cast<T*>(partials.sum + (squares ? 2 : 1) * parts);
        largest = partials.largest + parts;
        term = largest + columns;
    }
    static index_t bytes(index_t outer, index_t count, index_t inner) noexcept {
        const Order order(count);
        if (order.n_chunks == 1) return 0;
        constexpr index_t part = 2 * sizeof(double) + sizeof(T);
        return outer * inner * (order.n_chunks * part + index_t{2 * sizeof(T)});
    }
};

template <bool Factors, bool Squares, class T, class Store>
Status launch_reduce(View3<const T> a, const T* factors, const Store& results,
                     const Device& device, ::fastnotes::cuda::Stream stream) noexcept {
    constexpr int least_units = 64, tiles_per_processor = 8;
    int units = most_units;
    while (units > least_units && Tiles(a.planes, a.rows, a.columns, units).n_tiles <
                                      tiles_per_processor * device.processors) {
        units /= 2;
    }
    const Tiles tiles(a.planes, a.rows, a.columns, units);
    const auto kernel = &reduce_kernel<Factors, Squares, T, Store>;
    FASTNOTES_EVIDENCE_TRY(device.allow_shared(kernel));
    return launch(kernel, tiles.n_tiles, threads_for(tiles, reduce_threads),
                  Parts<T>::bytes(tiles, 0), stream, tiles, Terms<T>{a.data, factors},
                  results);
}

template <bool Squares, class T>
Status finish_chunks(const Order& order, View3<const T> a, const Partials<T>& partials,
                     const Results<T>& results,
                     ::fastnotes::cuda::Stream stream) noexcept {
    int lanes = 1; // follows from K, as the order of the sum does
    while (lanes < reduce_threads && lanes < order.n_chunks) lanes *= 2;
    const index_t columns = a.planes * a.columns;
    return launch(&chunks_kernel<Squares, T>, ceil_div(columns, reduce_threads / lanes),
                  reduce_threads, 0, stream, columns, order.n_chunks, a.columns, lanes,
                  partials, results);
}

template <bool Squares, class Emit, class T>
Status launch_packed(View3<const T> a, T* out, const Results<T>& results,
                     const Device& device, ::fastnotes::cuda::Stream stream) noexcept {
    constexpr int least_units = 32;
    int units = most_units / static_cast<int>(sizeof(T));
    while (units > least_units &&
           Tiles(a.planes, a.rows, a.columns, units).n_tiles < device.processors) {
        units /= 2;
    }
    const Tiles tiles(a.planes, a.rows, a.columns, units);
    const index_t elements = tiles.planes * a.rows * a.columns;
    const auto kernel = &packed_kernel<Squares, Emit, T>;
    FASTNOTES_EVIDENCE_TRY(device.allow_shared(kernel));
    return launch(kernel, tiles.n_tiles, threads_for(tiles, packed_threads),
                  Parts<T>::bytes(tiles, elements + elements / 16), stream, tiles,
                  a.data, out, results);
}

/// Units that one thread of a staged tile takes, one after the other.
inline index_t rounds(const Tiles& tiles, int threads) noexcept {
    return ceil_div(tiles.units(), threads);
}

template <class T> index_t bytes_staged(const Tiles& tiles, int threads) noexcept {
    return Parts<T>::bytes(tiles, rounds(tiles, threads) * threads * tiles.length());
}

template <int Threads, bool Squares, class Emit, class T>
Status launch_staged_tiles(const Tiles& tiles, const T* a, T* out,
                           const Results<T>& results, const Device& device,
                           ::fastnotes::cuda::Stream stream) noexcept {
    const auto kernel = &staged_kernel<Threads, Squares, Emit, T>;
    const index_t bytes = bytes_staged<T>(tiles, Threads);
    int resident = 0;
    FASTNOTES_EVIDENCE_TRY(device.allow_shared(kernel));
    FASTNOTES_CUDA_TRY(cudaOccupancyMaxActiveBlocksPerMultiprocessor(
        &resident, kernel, Threads, static_cast<std::size_t>(bytes)));
    const index_t blocks = index_t{std::max(resident, 1)} * device.processors;
    return launch(kernel, std::min(tiles.n_tiles, blocks), Threads, bytes, stream,
                  tiles, a, out, results);
}

/// Threads of a staged tile of at most so many units.
inline int staged_threads(int units) noexcept {
    return units >= 512 ? 512 : units >= 256 ? 256 : 128;
}

template <bool Squares, class Emit, class T>
Status launch_staged(View3<const T> a, T* out, const Results<T>& results,
                     const Device& device, ::fastnotes::cuda::Stream stream) noexcept {
    constexpr int least_units = 128;
    const index_t room = std::min<index_t>(device.shared, staged_bytes);
    const auto suits = [&](int units) {
        const Tiles tiles(a.planes, a.rows, a.columns, units);
        return bytes_staged<T>(tiles, staged_threads(units)) <= room &&
               tiles.n_tiles >= device.processors;
    };
    int units = most_units;
    while (units > least_units && !suits(units)) units /= 2;
    const Tiles tiles(a.planes, a.rows, a.columns, units);
    switch (staged_threads(units)) {
    case 512:
        return launch_staged_tiles<512, Squares, Emit>(tiles, a.data, out, results,
                                                       device, stream);
    case 256:
        return launch_staged_tiles<256, Squares, Emit>(tiles, a.data, out, results,
                                                       device, stream);
    default:
        return launch_staged_tiles<128, Squares, Emit>(tiles, a.data, out, results,
                                                       device, stream);
    }
}

/// Whether slices of a plane are too close together for a thread each.
template <class T> bool packs(const Order& order, View3<const T> a) noexcept {
    return order.n_chunks == 1 && a.rows > 0 &&
           order.slices() * a.columns * index_t{sizeof(T)} < sector_bytes;
}

/// Totals of every column, to `results`.
template <bool Factors, class T>
Status reduce(View3<const T> a, const T* factors, const Results<T>& results,
              const Work& work) noexcept {
    if (a.planes == 0 || a.columns == 0) return {};
    Device device;
    FASTNOTES_EVIDENCE_TRY(device.query());
    const Order order(a.rows);
    if (!Factors && packs(order, a)) {
        return launch_packed<false, NoEmit>(a, static_cast<T*>(nullptr), results,
                                            device, work.stream);
    }
    if (order.n_chunks == 1) {
        return launch_reduce<Factors, false>(a, factors, results, device, work.stream);
    }
    const ChunkScratch<T> scratch(order, a, false, work.scratch.data);
    FASTNOTES_EVIDENCE_TRY((launch_reduce<Factors, false>(a, factors, scratch.partials,
                                                          device, work.stream)));
    return finish_chunks<false>(order, a, scratch.partials, results, work.stream);
}

/// Totals of every column to `results`, and every element by way of Emit to `out`.
template <bool Squares, class Emit, class T>
Status transform(View3<const T> a, T* out, Results<T> results,
                 const Work& work) noexcept {
    if (a.planes == 0 || a.rows == 0 || a.columns == 0) return {};
    Device device;
    FASTNOTES_EVIDENCE_TRY(device.query());
    const Order order(a.rows);
    if (packs(order, a)) {
        return launch_packed<Squares, Emit>(a, out, results, device, work.stream);
    }
    if (order.n_chunks == 1) {
        return launch_staged<Squares, Emit>(a, out, results, device, work.stream);
    }
    const ChunkScratch<T> scratch(order, a, Squares, work.scratch.data);
    results.largest = scratch.largest;
    results.term = scratch.term;
    FASTNOTES_EVIDENCE_TRY((launch_reduce<false, Squares>(
        a, static_cast<const T*>(nullptr), scratch.partials, device, work.stream)));
    FASTNOTES_EVIDENCE_TRY(
        (finish_chunks<Squares>(order, a, scratch.partials, results, work.stream)));
    const Tiles tiles(a.planes, a.rows, a.columns, most_units);
    return launch(&emit_kernel<Emit, T>, tiles.n_tiles,
                  threads_for(tiles, reduce_threads), 0, work.stream, tiles, a.data,
                  out, scratch.largest, scratch.term);
}

#undef FASTNOTES_EVIDENCE_TRY

} // namespace fastnotes::evidence::cuda
