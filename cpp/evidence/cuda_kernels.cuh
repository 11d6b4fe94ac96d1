/// The passes over an (outer, K, inner) array. All of them sum in the order of
/// cuda_tiles.cuh, so which of them runs is a matter of speed alone.
#pragma once

#include "evidence/cuda_parts.cuh"
#include "evidence/cuda_streams.cuh"

#include <type_traits>

namespace fastnotes::evidence::cuda {

inline constexpr int reduce_threads = 256, rows_threads = 128, packed_threads = 128;

/// Most threads of a streamed tile, a unit each, and steps of each that are on their
/// way: 32 KB in float32 for sums alone, twice that where a block is alone and holds a
/// tile.
template <class T> inline constexpr int streamed_threads = sizeof(T) == 4 ? 512 : 256;
template <bool keeps> inline constexpr int streamed_depth = keeps ? 4 : 2;

/// Threads for a row of several chunks, and most chunks of such a row.
template <class T> inline constexpr int long_row_threads = sizeof(T) == 4 ? 1024 : 512;
inline constexpr int long_row_chunks = 64;

/// Terms of a slice that a thread holds: all of them if there is one chunk.
inline constexpr int held_steps = static_cast<int>(Order::slice_length) / step_size;

/// Whether a thread holds its terms between the passes. In double the code that does
/// would not fit the instruction cache: terms are read again.
template <class T> inline constexpr bool holds = sizeof(T) == sizeof(float);

/// Emits nothing: totals alone.
struct NoEmit {};
template <class Emit> inline constexpr bool emits = !std::is_same_v<Emit, NoEmit>;

/// Whether a kernel that may emit holds a tile.
template <class Emit, class T> inline constexpr bool keeps = emits<Emit> && holds<T>;

/// What is summed: exp(a), or factors * exp(a) if factors are given.
template <class T> struct Terms {
    const T* a;
    const T* factors;
};

/// Eight terms from `at` on, of which `left` are there; a factor of 0 hides its term.
template <bool Factors, class T>
__device__ inline void load_step(const Terms<T>& terms, index_t at, index_t step,
                                 int left, T (&x)[step_size], T (&factor)[step_size]) {
    if (left >= step_size) {
#pragma unroll
        for (int r = 0; r < step_size; ++r) x[r] = __ldg(terms.a + at + r * step);
    } else {
#pragma unroll
        for (int r = 0; r < step_size; ++r) {
            x[r] = r < left ? __ldg(terms.a + at + r * step) : -infinite<T>;
        }
    }
    if constexpr (Factors) {
#pragma unroll
        for (int r = 0; r < step_size; ++r) {
            factor[r] = r < left ? __ldg(terms.factors + at + r * step) : T(0);
            if (factor[r] == T(0)) x[r] = -infinite<T>;
        }
    }
}

/// The sums of one unit, from global memory; the next step is on its way meanwhile.
template <bool Factors, bool Squares, class T>
__device__ inline Sums<T> sum_unit(const Terms<T>& terms, const Unit& unit,
                                   index_t step) {
    Sums<T> sums;
    T x[step_size], factor[step_size] = {};
    T next[step_size], next_factor[step_size] = {};
    load_step<Factors>(terms, unit.at, step, unit.size, next, next_factor);
    for (int j = 0; j < unit.size; j += step_size) {
#pragma unroll
        for (int r = 0; r < step_size; ++r) {
            x[r] = next[r];
            factor[r] = next_factor[r];
        }
        if (j + step_size < unit.size) {
            const int k = j + step_size;
            load_step<Factors>(terms, unit.at + k * step, step, unit.size - k, next,
                               next_factor);
        }
        sums.template absorb<Factors, Squares>(x, factor);
    }
    return sums;
}

/// The results of a tile's columns.
template <class T, class Store>
__device__ inline void store_totals(const Tiles& tiles, Tiles::Corner corner,
                                    const Parts<T>& parts, const Store& results) {
    for (int i = threadIdx.x; i < tiles.columns(); i += blockDim.x) {
        const index_t at = tiles.output(corner, i);
        if (at >= 0) results.store(at, parts.total(i));
    }
}

/// Totals of every column (of a chunk) of terms with factors: one read of both.
template <class T, class Store>
__global__ void __launch_bounds__(reduce_threads, sizeof(T) == 4 ? 4 : 2)
    reduce_kernel(const Tiles tiles, const Terms<T> terms, const Store results) {
    const Parts<T> parts(reinterpret_cast<double*>(shared_memory()), tiles);
    const index_t step = tiles.step;
    for (index_t tile = blockIdx.x; tile < tiles.n_tiles; tile += gridDim.x) {
        const auto corner = tiles.corner(tile);
        for (int u = threadIdx.x; u < tiles.units(); u += blockDim.x) {
            const Unit unit = tiles.unit(corner, u);
            parts.store(unit.part, sum_unit<true, false>(terms, unit, step));
        }
        __syncthreads();
        parts.merge(tiles);
        __syncthreads();
        store_totals(tiles, corner, parts, results);
    }
}

/// Writes eight elements by way of Emit, `Past` the caches' other contents.
template <class Emit, bool Past = false, class T>
__device__ inline void emit_step(const T (&x)[step_size], T largest, T term, T* out,
                                 index_t step, int left) {
    T e[step_size];
    const auto write = [](T* to, T value) {
        if constexpr (Past) {
            __stcs(to, value);
        } else {
            *to = value;
        }
    };
#pragma unroll
    for (int r = 0; r < step_size; ++r) e[r] = Emit::apply(x[r], largest, term);
    if (left >= step_size) {
#pragma unroll
        for (int r = 0; r < step_size; ++r, out += step) write(out, e[r]);
    } else {
#pragma unroll
        for (int r = 0; r < step_size; ++r, out += step) {
            if (r < left) write(out, e[r]);
        }
    }
}

/// Reads a unit (again) and writes it by way of Emit.
template <class Emit, class T>
__device__ inline void emit_unit(const T* a, const Unit& unit, T largest, T term,
                                 T* out, index_t step) {
    for (int j = 0; j < unit.size; j += step_size) {
        const index_t at = unit.at + j * step;
        T x[step_size], none[step_size];
        load_step<false>(Terms<T>{a, nullptr}, at, step, unit.size - j, x, none);
        emit_step<Emit>(x, largest, term, out + at, step, unit.size - j);
    }
}

/// Writes what a thread holds of a unit.
template <class Emit, class T>
__device__ inline void emit_held(const T (&held)[held_steps][step_size],
                                 const Totals<T>& totals, T* out, index_t step,
                                 int size, int length) {
    const T term = Emit::term(totals);
#pragma unroll
    for (int n = 0; n < held_steps; ++n) {
        if (n * step_size >= length) break;
        emit_step<Emit>(held[n], totals.largest, term, out + n * step_size * step, step,
                        size - n * step_size);
    }
}

/// Totals of every column (of a chunk), and the elements by way of Emit, with one read
/// of `a` where a thread `holds` the elements of its unit between the passes, while the
/// next ones are on their way. Without Emit slices may have any length.
template <bool Squares, class Emit, class T, class Store>
__global__ void __launch_bounds__(streamed_threads<T>, keeps<Emit, T> ? 1 : 2)
    streamed_kernel(const Tiles tiles, const T* __restrict__ a, T* __restrict__ out,
                    const bool wide, const Store results) {
    constexpr int depth = streamed_depth<keeps<Emit, T>>;
    UnitStream<depth, T> stream(tiles, a, wide, shared_memory());
    const Parts<T> parts(stream.memory_behind(), tiles);
    const int u = static_cast<int>(threadIdx.x), length = tiles.length;
    const index_t step = tiles.step;
    for (index_t tile = blockIdx.x; tile < tiles.n_tiles; tile += gridDim.x) {
        const auto corner = tiles.corner(tile);
        const Unit unit = tiles.unit_or_none(corner, u);
        Sums<T> sums;
        T held[keeps<Emit, T> ? held_steps : 1][step_size];
        if constexpr (keeps<Emit, T>) {
#pragma unroll
            for (int n = 0; n < held_steps; ++n) {
                if (n * step_size >= length) break;
                stream.take(unit.size - n * step_size, held[n]);
                sums.template absorb<false, Squares>(held[n], held[n]);
            }
        } else {
            for (int j = 0; j < length; j += step_size) {
                stream.take(unit.size - j, held[0]);
                sums.template absorb<false, Squares>(held[0], held[0]);
            }
        }
        stream.prepare();
        if (unit.part >= 0) parts.store(unit.part, sums);
        __syncthreads();
        parts.merge(tiles);
        __syncthreads();
        store_totals(tiles, corner, parts, results);
        if constexpr (emits<Emit>) {
            if (unit.size == 0) continue;
            const Totals<T> totals = parts.total(unit.column).positive();
            if constexpr (holds<T>) {
                emit_held<Emit>(held, totals, out + unit.at, step, unit.size, length);
            } else {
                emit_unit<Emit>(a, unit, totals.largest, Emit::term(totals), out, step);
            }
        }
    }
}

/// As streamed_kernel for rows, or chunks of rows, that lie in memory as they are
/// summed (inner == 1, slices of at most held_steps), by `slices` lanes each, straight
/// into registers.
template <bool Squares, class Emit, class T, class Store>
__global__ void __launch_bounds__(rows_threads, sizeof(T) == 4 ? 4 : 2)
    rows_kernel(const Tiles tiles, const T* __restrict__ a, T* __restrict__ out,
                const Store results) {
    const int u = static_cast<int>(threadIdx.x);
    [[maybe_unused]] const int length = tiles.length;
    const index_t tile = blockIdx.x, step = tiles.step;
    const Unit unit = tiles.unit_or_none(tiles.corner(tile), u);
    const Terms<T> terms{a, nullptr};
    T held[holds<T> ? held_steps : 1][step_size];
    Sums<T> sums;
    if constexpr (holds<T>) {
#pragma unroll
        for (int n = 0; n < held_steps; ++n) {
            if (n * step_size >= length) break;
            const int j = n * step_size;
            T none[step_size];
            load_step<false>(terms, unit.at + j * step, step, unit.size - j, held[n],
                             none);
        }
#pragma unroll
        for (int n = 0; n < held_steps; ++n) {
            if (n * step_size >= length) break;
            sums.template absorb<false, Squares>(held[n], held[n]);
        }
    } else {
        sums = sum_unit<false, Squares>(terms, unit, step);
    }
    const Totals<T> totals = over_slices(sums, tiles.slices(), 1);
    if (unit.size == 0) return;
    if ((u & (tiles.slices() - 1)) == 0) {
        results.store(tile * tiles.planes + unit.column, totals);
    }
    if constexpr (emits<Emit>) {
        const Totals<T> positive = totals.positive();
        if constexpr (holds<T>) {
            emit_held<Emit>(held, positive, out + unit.at, step, unit.size, length);
        } else {
            emit_unit<Emit>(a, unit, positive.largest, Emit::term(positive), out, step);
        }
    }
}

/// Replaces elements in shared memory by what is emitted for them.
template <class Emit, class T>
__device__ inline void emit_in_place(const Skewed<T>& mine, const Totals<T>& totals,
                                     int size) {
    constexpr int at_once = 4; // short rows would waste more
    const T term = Emit::term(totals);
    for (int j = 0; j < size; j += at_once) {
        T e[at_once];
#pragma unroll
        for (int r = 0; r < at_once; ++r) {
            const T x = j + r < size ? mine[j + r] : T(0);
            e[r] = Emit::apply(x, totals.largest, term);
        }
#pragma unroll
        for (int r = 0; r < at_once; ++r) {
            if (j + r < size) mine[j + r] = e[r];
        }
    }
}

/// As streamed_kernel where slices of a plane are closer together than a sector of
/// memory, in one chunk: a warp fetches and writes whole planes as they lie.
template <int Depth, bool Squares, class Emit, class T>
__global__ void __launch_bounds__(packed_threads, sizeof(T) == 4 ? 8 : 3)
    packed_kernel(const Tiles tiles, const T* __restrict__ a, T* __restrict__ out,
                  const Results<T> results) {
    PlaneStream<Depth, T> stream(tiles, a, shared_memory());
    const int lane = lane_number(), inner = tiles.width;
    const Unit unit = tiles.unit_or_none({0, 0}, lane); // the same in every tile
    const bool tells = (lane / inner & (tiles.slices() - 1)) == 0;
    for (; stream.more(); stream.next()) {
        const Skewed<T> mine{stream.arrived(), static_cast<int>(unit.at),
                             static_cast<int>(tiles.step)};
        const int size = unit.at < stream.size() ? unit.size : 0;
        Sums<T> sums;
        for (int j = 0; j < size; j += step_size) {
            T x[step_size];
            mine.read(j, size - j, x);
            sums.template absorb<false, Squares>(x, x);
        }
        const Totals<T> totals = over_slices(sums, tiles.slices(), inner);
        if (size > 0 && tells) {
            results.store(stream.tile() * tiles.columns() + unit.column, totals);
        }
        if constexpr (emits<Emit>) {
            emit_in_place<Emit>(mine, totals.positive(), size);
            stream.write(out);
        }
    }
}

/// Emits the elements of columns in several chunks, whose largest and term are known:
/// a second read of `a`.
template <class Emit, class T>
__global__ void __launch_bounds__(reduce_threads, sizeof(T) == 4 ? 4 : 2)
    emit_kernel(const Tiles tiles, const T* __restrict__ a, T* __restrict__ out,
                const T* __restrict__ largest, const T* __restrict__ term) {
    const index_t step = tiles.step, plane = tiles.count * tiles.inner;
    for (index_t tile = blockIdx.x; tile < tiles.n_tiles; tile += gridDim.x) {
        const auto corner = tiles.corner(tile);
        for (int u = threadIdx.x; u < tiles.units(); u += blockDim.x) {
            const Unit unit = tiles.unit(corner, u);
            if (unit.size == 0) continue;
            const index_t at = unit.at / plane * tiles.inner + unit.at % tiles.inner;
            emit_unit<Emit>(a, unit, largest[at], term[at], out, step);
        }
    }
}

/// Where the threads of a block merge chunks.
template <class T, int Threads> struct MergeRoom {
    double sums[Threads], squares[Threads];
    T tops[Threads];

    /// Totals of the chunks of Threads / lanes columns, of which a lane adds every
    /// lanes-th chunk before lanes are added in a tree; the column of thread t is
    /// t % (Threads / lanes). The whole block takes part.
    template <bool Squares>
    __device__ Totals<T> merge(const Partials<T>& partials, index_t base,
                               index_t n_chunks, index_t inner, int lanes) {
        const int t = static_cast<int>(threadIdx.x), width = Threads / lanes;
        const int c = t % width, lane = t / width;
        T top = -infinite<T>;
        for (index_t i = lane; i < n_chunks; i += lanes) {
            top = larger(top, partials.largest[base + i * inner]);
        }
        tops[t] = top;
        __syncthreads();
        for (int half = lanes / 2; half > 0; half /= 2) {
            if (lane < half) tops[t] = larger(tops[t], tops[t + half * width]);
            __syncthreads();
        }
        top = tops[c];
        double sum = 0.0, square = 0.0;
        for (index_t i = lane; i < n_chunks; i += lanes) {
            const index_t at = base + i * inner;
            const double factor = rescaling(partials.largest[at], top);
            sum += partials.sum[at] * factor;
            if constexpr (Squares) square += partials.square[at] * factor * factor;
        }
        sums[t] = sum;
        squares[t] = square;
        __syncthreads();
        for (int half = lanes / 2; half > 0; half /= 2) {
            if (lane < half) {
                sums[t] += sums[t + half * width];
                squares[t] += squares[t + half * width];
            }
            __syncthreads();
        }
        return {top, sums[c], squares[c]};
    }
};

/// Merges the chunks of every column.
template <bool Squares, class T>
__global__ void __launch_bounds__(reduce_threads, sizeof(T) == 4 ? 4 : 2)
    chunks_kernel(index_t n_columns, index_t n_chunks, index_t inner, int lanes,
                  const Partials<T> partials, const Results<T> results) {
    __shared__ MergeRoom<T, reduce_threads> room;
    const int t = static_cast<int>(threadIdx.x), width = reduce_threads / lanes;
    for (index_t first = blockIdx.x * index_t{width}; first < n_columns;
         first += gridDim.x * index_t{width}) {
        const index_t column = first + t % width;
        const bool inside = column < n_columns;
        const index_t base = column / inner * n_chunks * inner + column % inner;
        const Totals<T> totals = room.template merge<Squares>(
            partials, base, inside ? n_chunks : 0, inner, lanes);
        if (inside && t < width) results.store(column, totals);
    }
}

/// Totals of rows of several chunks and their elements by way of Emit, a row at a time
/// for each block, so that its second read comes from the L2.
template <bool Squares, class Emit, class T>
__global__ void __launch_bounds__(long_row_threads<T>, 1)
    long_rows_kernel(const Tiles tiles, const T* __restrict__ a, T* __restrict__ out,
                     const int lanes, const Results<T> results) {
    __shared__ MergeRoom<T, long_row_threads<T>> room;
    __shared__ double sums[long_row_chunks], squares[long_row_chunks];
    __shared__ T tops[long_row_chunks];
    const Partials<T> partials{sums, squares, tops};
    constexpr int warp = ::fastnotes::cuda::warp_size, threads = long_row_threads<T>;
    const int t = static_cast<int>(threadIdx.x);
    const int n_chunks = static_cast<int>(tiles.n_chunks);
    for (index_t row = blockIdx.x; row < tiles.outer; row += gridDim.x) {
        for (int chunk = warp_number(); chunk < n_chunks; chunk += threads / warp) {
            const Unit unit =
                tiles.unit({row * n_chunks, 0}, chunk * warp + lane_number());
            const Totals<T> totals = over_slices(
                sum_unit<false, Squares>(Terms<T>{a, nullptr}, unit, tiles.step),
                tiles.slices(), 1);
            if (lane_number() == 0) partials.store(chunk, totals);
        }
        __syncthreads();
        const Totals<T> totals =
            room.template merge<Squares>(partials, 0, n_chunks, 1, lanes);
        if (t == 0) results.store(row, totals);
        const Totals<T> positive = totals.positive();
        const T term = Emit::term(positive);
        for (index_t k = t; k < tiles.count; k += index_t{step_size} * threads) {
            const int left =
                static_cast<int>((tiles.count - k + threads - 1) / threads);
            const index_t at = row * tiles.count + k;
            T x[step_size], none[step_size];
            load_step<false>(Terms<T>{a, nullptr}, at, threads, left, x, none);
            emit_step<Emit, true>(x, positive.largest, term, out + at, threads, left);
        }
    }
}

} // namespace fastnotes::evidence::cuda
