/// Which kernels run for an array, over which tiles.
#pragma once

#include "evidence/cuda_kernels.cuh"
#include "evidence/work.hpp"

namespace fastnotes::evidence::cuda {

using ::fastnotes::cuda::Status;

/// Slices of a plane nearer together than this are fetched and written as they lie.
inline constexpr index_t sector_bytes = 32;

/// Units of the largest tile of global memory.
inline constexpr int most_units = 1024;

/// Longest row whose second read is left to the L2.
inline constexpr index_t long_row_bytes = index_t{256} << 10;

/// Most shared memory of a block of packed planes, of which several fit a processor.
inline constexpr index_t packed_bytes = index_t{28} << 10;

/// Tiles of whole planes up to this size go four at a time, larger ones two.
inline constexpr index_t small_tile_bytes = 4096;

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

template <class T, class Store>
Status launch_reduce(View3<const T> a, const T* factors, const Store& results,
                     const Device& device, ::fastnotes::cuda::Stream stream) noexcept {
    constexpr int least_units = 64, tiles_per_processor = 8;
    int units = most_units;
    while (units > least_units && Tiles(a.planes, a.rows, a.columns, units).n_tiles <
                                      tiles_per_processor * device.processors) {
        units /= 2;
    }
    const Tiles tiles(a.planes, a.rows, a.columns, units);
    const auto kernel = &reduce_kernel<T, Store>;
    FASTNOTES_EVIDENCE_TRY(device.allow_shared(kernel));
    return launch(kernel, tiles.n_tiles, threads_for(tiles, reduce_threads),
                  Parts<T>::bytes(tiles), stream, tiles, Terms<T>{a.data, factors},
                  results);
}

/// Lanes that merge the chunks of a column: follows from K, as the order of sums does.
inline int merging_lanes(const Order& order) noexcept {
    int lanes = 1;
    while (lanes < reduce_threads && lanes < order.n_chunks) lanes *= 2;
    return lanes;
}

template <bool Squares, class T>
Status finish_chunks(const Order& order, View3<const T> a, const Partials<T>& partials,
                     const Results<T>& results,
                     ::fastnotes::cuda::Stream stream) noexcept {
    const int lanes = merging_lanes(order);
    const index_t columns = a.planes * a.columns;
    return launch(&chunks_kernel<Squares, T>, ceil_div(columns, reduce_threads / lanes),
                  reduce_threads, 0, stream, columns, order.n_chunks, a.columns, lanes,
                  partials, results);
}

/// Blocks that are on the device at once.
template <class Kernel>
Status count_resident(Kernel kernel, int threads, index_t shared, const Device& device,
                      index_t& blocks) noexcept {
    int resident = 0;
    FASTNOTES_EVIDENCE_TRY(device.allow_shared(kernel));
    FASTNOTES_CUDA_TRY(cudaOccupancyMaxActiveBlocksPerMultiprocessor(
        &resident, kernel, threads, static_cast<std::size_t>(shared)));
    blocks = index_t{std::max(resident, 1)} * device.processors;
    return {};
}

template <int Depth, bool Squares, class Emit, class T>
Status launch_packed(const Tiles& tiles, View3<const T> a, T* out,
                     const Results<T>& results, const Device& device,
                     ::fastnotes::cuda::Stream stream) noexcept {
    const auto kernel = &packed_kernel<Depth, Squares, Emit, T>;
    int threads = packed_threads;
    while (threads > ::fastnotes::cuda::warp_size &&
           PlaneStream<Depth, T>::bytes(tiles, threads) > packed_bytes) {
        threads /= 2;
    }
    const index_t bytes = PlaneStream<Depth, T>::bytes(tiles, threads);
    index_t blocks = 0;
    FASTNOTES_EVIDENCE_TRY(count_resident(kernel, threads, bytes, device, blocks));
    const index_t wanted =
        ceil_div(tiles.n_tiles, threads / ::fastnotes::cuda::warp_size);
    return launch(kernel, std::min(wanted, blocks), threads, bytes, stream, tiles,
                  a.data, out, results);
}

template <bool Squares, class Emit, class T>
Status launch_packed(View3<const T> a, T* out, const Results<T>& results,
                     const Device& device, ::fastnotes::cuda::Stream stream) noexcept {
    const Tiles tiles(a.planes, a.rows, a.columns, ::fastnotes::cuda::warp_size);
    const index_t size = PlaneStream<1, T>::room(tiles) * index_t{sizeof(T)};
    return size <= small_tile_bytes
               ? launch_packed<4, Squares, Emit>(tiles, a, out, results, device, stream)
               : launch_packed<2, Squares, Emit>(tiles, a, out, results, device,
                                                 stream);
}

/// For inner == 1 and slices short enough to be held.
template <bool Squares, class Emit, class T, class Store>
Status launch_rows(View3<const T> a, T* out, const Store& results,
                   ::fastnotes::cuda::Stream stream) noexcept {
    const Tiles tiles(a.planes, a.rows, a.columns, rows_threads);
    return launch(&rows_kernel<Squares, Emit, T, Store>, tiles.n_tiles, rows_threads, 0,
                  stream, tiles, a.data, out, results);
}

/// Whether as many neighbouring units as a wide copy has elements are neighbours in
/// memory, aligned.
template <class T> bool copies_wide(const Tiles& tiles, const T* a) noexcept {
    constexpr index_t N = wide_copy<T>;
    if (reinterpret_cast<std::uintptr_t>(a) % (N * sizeof(T)) != 0) return false;
    if (tiles.pieces > 1) return tiles.inner % N == 0 && tiles.width % N == 0;
    return tiles.step % N == 0 && tiles.count * tiles.inner % N == 0;
}

/// Totals of every column (of a chunk) to `results`, and, in one chunk, elements.
template <bool Squares, class Emit, class T, class Store>
Status launch_streamed(View3<const T> a, T* out, const Store& results,
                       const Device& device,
                       ::fastnotes::cuda::Stream stream) noexcept {
    using Stream = UnitStream<streamed_depth<keeps<Emit, T>>, T>;
    constexpr int least_units = 64;
    const auto suits = [&](int units) {
        return Stream::bytes(units) <= device.shared / 4 * 3 &&
               Tiles(a.planes, a.rows, a.columns, units).n_tiles >=
                   2 * device.processors;
    };
    int units = streamed_threads<T>;
    while (units > least_units && !suits(units)) units /= 2;
    const Tiles tiles(a.planes, a.rows, a.columns, units);
    const auto kernel = &streamed_kernel<Squares, Emit, T, Store>;
    const index_t bytes = Stream::bytes(units) + Parts<T>::bytes(tiles);
    index_t blocks = 0;
    FASTNOTES_EVIDENCE_TRY(count_resident(kernel, units, bytes, device, blocks));
    return launch(kernel, std::min(tiles.n_tiles, blocks), units, bytes, stream, tiles,
                  a.data, out, copies_wide(tiles, a.data), results);
}

/// Whether slices of a plane are too close together for a thread each.
template <class T> bool packs(const Order& order, View3<const T> a) noexcept {
    return order.n_chunks == 1 && a.rows > 0 &&
           order.slices() * a.columns * index_t{sizeof(T)} < sector_bytes;
}

/// Whether rows of several chunks are short enough that as many as there are
/// processors stay in the L2, and there are as many.
template <class T>
bool are_long_rows(const Order& order, View3<const T> a,
                   const Device& device) noexcept {
    return a.columns == 1 && order.n_chunks <= long_row_chunks &&
           a.rows * index_t{sizeof(T)} <= long_row_bytes &&
           a.planes >= device.processors;
}

template <bool Squares, class Emit, class T>
Status launch_long_rows(const Order& order, View3<const T> a, T* out,
                        const Results<T>& results, const Device& device,
                        ::fastnotes::cuda::Stream stream) noexcept {
    const Tiles tiles(a.planes, a.rows, a.columns, ::fastnotes::cuda::warp_size);
    return launch(&long_rows_kernel<Squares, Emit, T>, device.processors,
                  long_row_threads<T>, 0, stream, tiles, a.data, out,
                  merging_lanes(order), results);
}

/// Totals of every column to `results`, and every element by way of Emit to `out`, in
/// one chunk.
template <bool Squares, class Emit, class T>
Status transform_chunk(const Order& order, View3<const T> a, T* out,
                       const Results<T>& results, const Device& device,
                       ::fastnotes::cuda::Stream stream) noexcept {
    if (packs(order, a)) {
        return launch_packed<Squares, Emit>(a, out, results, device, stream);
    }
    if (a.columns == 1) {
        return launch_rows<Squares, Emit>(a, out, results, stream);
    }
    return launch_streamed<Squares, Emit>(a, out, results, device, stream);
}

/// Totals of every chunk of every column, to `partials`.
template <bool Squares, class T>
Status reduce_chunks(View3<const T> a, const Partials<T>& partials,
                     const Device& device, ::fastnotes::cuda::Stream stream) noexcept {
    T* const no_out = nullptr;
    const Tiles tiles(a.planes, a.rows, a.columns, rows_threads);
    if (a.columns == 1 && tiles.length <= held_steps * step_size) {
        return launch_rows<Squares, NoEmit>(a, no_out, partials, stream);
    }
    return launch_streamed<Squares, NoEmit>(a, no_out, partials, device, stream);
}

/// Totals of every column, to `results`.
template <class T>
Status reduce(View3<const T> a, const T* factors, const Results<T>& results,
              const Work& work) noexcept {
    if (a.planes == 0 || a.columns == 0) return {};
    Device device;
    FASTNOTES_EVIDENCE_TRY(device.query());
    const Order order(a.rows);
    if (order.n_chunks == 1) {
        T* const no_out = nullptr;
        return factors != nullptr || a.rows == 0
                   ? launch_reduce(a, factors, results, device, work.stream)
                   : transform_chunk<false, NoEmit>(order, a, no_out, results, device,
                                                    work.stream);
    }
    const ChunkScratch<T> scratch(order, a, false, work.scratch.data);
    const Partials<T>& partials = scratch.partials;
    FASTNOTES_EVIDENCE_TRY(
        factors != nullptr ? launch_reduce(a, factors, partials, device, work.stream)
                           : reduce_chunks<false>(a, partials, device, work.stream));
    return finish_chunks<false>(order, a, partials, results, work.stream);
}

/// Totals of every column to `results`, and every element by way of Emit to `out`.
template <bool Squares, class Emit, class T>
Status transform(View3<const T> a, T* out, Results<T> results,
                 const Work& work) noexcept {
    if (a.planes == 0 || a.rows == 0 || a.columns == 0) return {};
    Device device;
    FASTNOTES_EVIDENCE_TRY(device.query());
    const Order order(a.rows);
    if (order.n_chunks == 1) {
        return transform_chunk<Squares, Emit>(order, a, out, results, device,
                                              work.stream);
    }
    if (are_long_rows(order, a, device)) {
        return launch_long_rows<Squares, Emit>(order, a, out, results, device,
                                               work.stream);
    }
    const ChunkScratch<T> scratch(order, a, Squares, work.scratch.data);
    results.largest = scratch.largest;
    results.term = scratch.term;
    FASTNOTES_EVIDENCE_TRY((launch_streamed<Squares, NoEmit>(a, out, scratch.partials,
                                                             device, work.stream)));
    FASTNOTES_EVIDENCE_TRY(
        (finish_chunks<Squares>(order, a, scratch.partials, results, work.stream)));
    const Tiles tiles(a.planes, a.rows, a.columns, most_units);
    return launch(&emit_kernel<Emit, T>, tiles.n_tiles,
                  threads_for(tiles, reduce_threads), 0, work.stream, tiles, a.data,
                  out, scratch.largest, scratch.term);
}

#undef FASTNOTES_EVIDENCE_TRY

} // namespace fastnotes::evidence::cuda
