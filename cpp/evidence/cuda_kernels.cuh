/// The passes over an (outer, K, inner) array. All of them sum in the order of
/// cuda_tiles.cuh, so which of them runs is a matter of speed alone.
#pragma once

#include "evidence/cuda_parts.cuh"

#include <type_traits>

namespace fastnotes::evidence::cuda {

inline constexpr int reduce_threads = 256, packed_threads = 256;

/// Dynamic shared memory of a kernel.
__device__ inline double* shared_memory() {
    extern __shared__ double fastnotes_evidence_shared[];
    return fastnotes_evidence_shared;
}

// Copies into shared memory that only this thread reads need no barrier, but the
// compiler must not move reads across the wait: hence the clobbers.
template <class T> __device__ inline void copy_async(T* shared, const T* global) {
    const auto to = static_cast<unsigned>(__cvta_generic_to_shared(shared));
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(to), "l"(global),
                 "n"(sizeof(T))
                 : "memory");
}
__device__ inline void commit_copies() {
    asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int Left> __device__ inline void wait_for_copies() {
    asm volatile("cp.async.wait_group %0;" ::"n"(Left) : "memory");
}
/// Until at most `left` groups of this thread are under way (fewer if left is large).
__device__ inline void wait_for_copies(int left) {
    switch (left) {
    case 0:
        return wait_for_copies<0>();
    case 1:
        return wait_for_copies<1>();
    case 2:
        return wait_for_copies<2>();
    case 3:
        return wait_for_copies<3>();
    case 4:
        return wait_for_copies<4>();
    case 5:
        return wait_for_copies<5>();
    case 6:
        return wait_for_copies<6>();
    default:
        return wait_for_copies<7>();
    }
}

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

/// Totals of every column (of a chunk) to `results`: one read of the terms.
template <bool Factors, bool Squares, class T, class Store>
__global__ void __launch_bounds__(reduce_threads, sizeof(T) == 4 ? 4 : 2)
    reduce_kernel(const Tiles tiles, const Terms<T> terms, const Store results) {
    const Parts<T> parts(shared_memory(), tiles);
    const index_t step = tiles.step();
    for (index_t tile = blockIdx.x; tile < tiles.n_tiles; tile += gridDim.x) {
        const auto corner = tiles.corner(tile);
        for (int u = threadIdx.x; u < tiles.units(); u += blockDim.x) {
            const Unit unit = tiles.unit(corner, u);
            parts.store(unit.part, sum_unit<Factors, Squares>(terms, unit, step));
        }
        __syncthreads();
        parts.merge(tiles);
        __syncthreads();
        store_totals(tiles, corner, parts, results);
    }
}

/// Eight elements of a unit, `pitch` apart in shared memory; -inf beyond its end.
template <int Pitch, class T>
__device__ inline void read_slots(const T* slot, int left, T (&x)[step_size]) {
    if (left >= step_size) {
#pragma unroll
        for (int r = 0; r < step_size; ++r) x[r] = slot[r * Pitch];
    } else {
#pragma unroll
        for (int r = 0; r < step_size; ++r) {
            x[r] = r < left ? slot[r * Pitch] : -infinite<T>;
        }
    }
}

/// Starts the copy of eight elements into their slots: a group of copies.
template <int Pitch, class T>
__device__ inline void stage_step(const T* a, index_t step, int left, T* slot) {
    if (left >= step_size) {
#pragma unroll
        for (int r = 0; r < step_size; ++r, a += step) copy_async(slot + r * Pitch, a);
    } else {
#pragma unroll
        for (int r = 0; r < step_size; ++r, a += step) {
            if (r < left) copy_async(slot + r * Pitch, a);
        }
    }
    commit_copies();
}

/// Writes eight elements by way of Emit.
template <class Emit, class T>
__device__ inline void emit_step(const T (&x)[step_size], T largest, T term, T* out,
                                 index_t step, int left) {
    T e[step_size];
#pragma unroll
    for (int r = 0; r < step_size; ++r) e[r] = Emit::apply(x[r], largest, term);
    if (left >= step_size) {
#pragma unroll
        for (int r = 0; r < step_size; ++r, out += step) *out = e[r];
    } else {
#pragma unroll
        for (int r = 0; r < step_size; ++r, out += step) {
            if (r < left) *out = e[r];
        }
    }
}

/// Totals and emitted elements of columns in one chunk, with one read of `a`: a tile
/// stays in shared memory between the passes, and the next one takes its place step by
/// step while it is written. A thread reads only slots that it filled itself.
template <int Threads, bool Squares, class Emit, class T>
__global__ void __launch_bounds__(Threads, 1)
    staged_kernel(const Tiles tiles, const T* __restrict__ a, T* __restrict__ out,
                  const Results<T> results) {
    const Parts<T> parts(shared_memory(), tiles);
    const int t = threadIdx.x, units = tiles.units(), length = tiles.length();
    const index_t step = tiles.step();
    T* const slots = parts.elements + t;
    auto corner = tiles.corner(blockIdx.x);
    for (int u = t, slot = 0; u < units; u += Threads) {
        const Unit unit = tiles.unit(corner, u);
        for (int j = 0; j < length; j += step_size) {
            stage_step<Threads>(a + unit.at + j * step, step, unit.size - j,
                                slots + (slot + j) * Threads);
        }
        slot += length;
    }
    const int rounds = (units - t + Threads - 1) / Threads;
    const int groups = rounds * ((length + step_size - 1) / step_size);
    for (index_t tile = blockIdx.x; tile < tiles.n_tiles; tile += gridDim.x) {
        int left = groups;
        for (int u = t, slot = 0; u < units; u += Threads) {
            const Unit unit = tiles.unit(corner, u);
            Sums<T> sums;
            for (int j = 0; j < length; j += step_size) {
                T x[step_size];
                wait_for_copies(--left);
                read_slots<Threads>(slots + (slot + j) * Threads, unit.size - j, x);
                sums.template absorb<false, Squares>(x, x);
            }
            parts.store(unit.part, sums);
            slot += length;
        }
        __syncthreads();
        parts.merge(tiles);
        __syncthreads();
        store_totals(tiles, corner, parts, results);
        const bool more = tile + gridDim.x < tiles.n_tiles;
        const auto next = more ? tiles.corner(tile + gridDim.x) : corner;
        for (int u = t, slot = 0; u < units; u += Threads) {
            const Unit unit = tiles.unit(corner, u), coming = tiles.unit(next, u);
            const Totals<T> totals = parts.total(unit.column).positive();
            const T term = Emit::term(totals);
            for (int j = 0; j < length; j += step_size) {
                T x[step_size];
                T* const place = slots + (slot + j) * Threads;
                read_slots<Threads>(place, unit.size - j, x);
                emit_step<Emit>(x, totals.largest, term, out + unit.at + j * step, step,
                                unit.size - j);
                if (more) {
                    stage_step<Threads>(a + coming.at + j * step, step, coming.size - j,
                                        place);
                }
            }
            slot += length;
        }
        corner = next;
    }
}

/// Elements of a unit in shared memory as they lie in `a`, but skewed, so that equal
/// places of several planes fall into different banks.
template <class T> struct Skewed {
    T* elements;
    int from, step;

    __device__ static int place(int i) { return i + (i >> (sizeof(T) == 4 ? 5 : 4)); }
    __device__ T& operator[](int k) const { return elements[place(from + k * step)]; }

    __device__ void read(int j, int left, T (&x)[step_size]) const {
#pragma unroll
        for (int r = 0; r < step_size; ++r) {
            x[r] = r < left ? (*this)[j + r] : -infinite<T>;
        }
    }
};

/// Emits nothing: totals alone.
struct NoEmit {};

/// As staged_kernel (or reduce_kernel, with NoEmit) where slices of a plane are closer
/// together than a sector of memory: tiles of whole planes come and go as they lie.
template <bool Squares, class Emit, class T>
__global__ void __launch_bounds__(packed_threads, sizeof(T) == 4 ? 4 : 2)
    packed_kernel(const Tiles tiles, const T* __restrict__ a, T* __restrict__ out,
                  const Results<T> results) {
    using Elements = Skewed<T>;
    const Parts<T> parts(shared_memory(), tiles);
    T* const elements = parts.elements;
    const int plane = static_cast<int>(tiles.count * tiles.inner);
    const int step = static_cast<int>(tiles.step());
    for (index_t tile = blockIdx.x; tile < tiles.n_tiles; tile += gridDim.x) {
        const auto corner = tiles.corner(tile);
        const index_t first = corner.plane * plane;
        const index_t rest = tiles.all_planes() - corner.plane;
        const int planes = static_cast<int>(rest < tiles.planes ? rest : tiles.planes);
        const int size = planes * plane;
        for (int i = threadIdx.x; i < size; i += blockDim.x) {
            copy_async(elements + Elements::place(i), a + first + i);
        }
        commit_copies();
        wait_for_copies<0>();
        __syncthreads();
        for (int u = threadIdx.x; u < tiles.units(); u += blockDim.x) {
            const Unit unit = tiles.unit(corner, u);
            const Elements mine{elements, static_cast<int>(unit.at - first), step};
            Sums<T> sums;
            for (int j = 0; j < unit.size; j += step_size) {
                T x[step_size];
                mine.read(j, unit.size - j, x);
                sums.template absorb<false, Squares>(x, x);
            }
            parts.store(unit.part, sums);
        }
        __syncthreads();
        parts.merge(tiles);
        __syncthreads();
        store_totals(tiles, corner, parts, results);
        if constexpr (!std::is_same_v<Emit, NoEmit>) {
            for (int u = threadIdx.x; u < tiles.units(); u += blockDim.x) {
                const Unit unit = tiles.unit(corner, u);
                const Elements mine{elements, static_cast<int>(unit.at - first), step};
                const Totals<T> totals = parts.total(unit.column).positive();
                const T term = Emit::term(totals);
                for (int j = 0; j < unit.size; j += step_size) {
                    T x[step_size];
                    mine.read(j, unit.size - j, x);
#pragma unroll
                    for (int r = 0; r < step_size; ++r) {
                        const T e = Emit::apply(x[r], totals.largest, term);
                        if (j + r < unit.size) mine[j + r] = e;
                    }
                }
            }
            __syncthreads();
            for (int i = threadIdx.x; i < size; i += blockDim.x) {
                out[first + i] = elements[Elements::place(i)];
            }
        }
        __syncthreads(); // the next tile overwrites elements
    }
}

/// Emits the elements of columns in several chunks, whose largest and term are known:
/// a second read of `a`.
template <class Emit, class T>
__global__ void __launch_bounds__(reduce_threads, sizeof(T) == 4 ? 4 : 2)
    emit_kernel(const Tiles tiles, const T* __restrict__ a, T* __restrict__ out,
                const T* __restrict__ largest, const T* __restrict__ term) {
    const index_t step = tiles.step(), plane = tiles.count * tiles.inner;
    for (index_t tile = blockIdx.x; tile < tiles.n_tiles; tile += gridDim.x) {
        const auto corner = tiles.corner(tile);
        for (int u = threadIdx.x; u < tiles.units(); u += blockDim.x) {
            const Unit unit = tiles.unit(corner, u);
            if (unit.size == 0) continue;
            const index_t at = unit.at / plane * tiles.inner + unit.at % tiles.inner;
            const T top = largest[at], scale = term[at];
            for (int j = 0; j < unit.size; j += step_size) {
                T x[step_size], unused[step_size];
                load_step<false>(Terms<T>{a, nullptr}, unit.at + j * step, step,
                                 unit.size - j, x, unused);
                emit_step<Emit>(x, top, scale, out + unit.at + j * step, step,
                                unit.size - j);
            }
        }
    }
}

/// Merges the chunks of every column: blockDim.x / lanes columns a block, in each of
/// which a lane adds every lanes-th chunk, then lanes are added in a tree.
template <bool Squares, class T>
__global__ void __launch_bounds__(reduce_threads, sizeof(T) == 4 ? 4 : 2)
    chunks_kernel(index_t n_columns, index_t n_chunks, index_t inner, int lanes,
                  const Partials<T> partials, const Results<T> results) {
    __shared__ double sums[reduce_threads], squares[reduce_threads];
    __shared__ T tops[reduce_threads];
    const int t = threadIdx.x, width = reduce_threads / lanes;
    const int c = t % width, lane = t / width;
    for (index_t first = blockIdx.x * index_t{width}; first < n_columns;
         first += gridDim.x * index_t{width}) {
        const index_t column = first + c;
        const bool inside = column < n_columns;
        const index_t base = column / inner * n_chunks * inner + column % inner;
        T top = -infinite<T>;
        for (index_t i = lane; inside && i < n_chunks; i += lanes) {
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
        for (index_t i = lane; inside && i < n_chunks; i += lanes) {
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
        if (inside && lane == 0) results.store(column, {tops[c], sums[c], squares[c]});
        __syncthreads();
    }
}

} // namespace fastnotes::evidence::cuda
