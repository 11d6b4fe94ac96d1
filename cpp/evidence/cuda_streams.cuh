/// Elements on their way from global to shared memory, ahead of the warp that uses
/// them.
///
/// Warps wait for their own copies alone. A lane may use what another lane copied,
/// hence the __syncwarp after each wait and before a place is filled again.
#pragma once

#include "evidence/cuda_sums.cuh"
#include "evidence/cuda_tiles.cuh"

namespace fastnotes::evidence::cuda {

/// Dynamic shared memory of a kernel.
__device__ inline unsigned char* shared_memory() {
    extern __shared__ __align__(16) unsigned char fastnotes_evidence_shared[];
    return fastnotes_evidence_shared;
}

__device__ inline int lane_number() {
    return static_cast<int>(threadIdx.x) % ::fastnotes::cuda::warp_size;
}
__device__ inline int warp_number() {
    return static_cast<int>(threadIdx.x) / ::fastnotes::cuda::warp_size;
}

/// Elements of the widest copy, which is of 16 bytes.
template <class T> inline constexpr int wide_copy = 16 / static_cast<int>(sizeof(T));

// The clobbers keep the compiler from moving reads of shared memory across the wait.
template <class T> __device__ inline void copy_async(T* shared, const T* global) {
    const auto to = static_cast<unsigned>(__cvta_generic_to_shared(shared));
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(to), "l"(global),
                 "n"(sizeof(T))
                 : "memory");
}
/// Sixteen bytes, aligned, past the L1.
template <class T> __device__ inline void copy_async_wide(T* shared, const T* global) {
    const auto to = static_cast<unsigned>(__cvta_generic_to_shared(shared));
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(global)
                 : "memory");
}
__device__ inline void commit_copies() {
    asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int Left> __device__ inline void wait_for_copies() {
    asm volatile("cp.async.wait_group %0;" ::"n"(Left) : "memory");
}

/// The steps of a warp's units, tile after tile of those of its block, `Depth` of them
/// under way. A step is [step_size, lane] in shared memory.
template <int Depth, class T> class UnitStream {
    static constexpr int warp = ::fastnotes::cuda::warp_size;
    static constexpr int size = step_size * warp;
    static constexpr int N = wide_copy<T>;
    static constexpr int lanes_of_row = warp / N;

  public:
    /// Starts the first copies. `wide`: N neighbouring units are neighbours in memory,
    /// on 16 bytes.
    __device__ UnitStream(const Tiles& tiles, const T* a, bool wide,
                          unsigned char* memory)
        : tiles_(tiles), a_(a), wide_(wide), memory_(memory),
          slots_(reinterpret_cast<T*>(memory) + warp_number() * Depth * size),
          row_(lane_number() / lanes_of_row), column_(lane_number() % lanes_of_row * N),
          tile_(blockIdx.x) {
        prepare();
        now_ = next_;
        prepare();
#pragma unroll 1
        for (int n = 0; n < Depth; ++n) {
            if (fetch()) prepare();
        }
    }

    __host__ __device__ static index_t bytes(int threads) {
        return index_t{Depth} * step_size * threads * index_t{sizeof(T)};
    }
    __device__ double* memory_behind() const {
        return reinterpret_cast<double*>(memory_ + bytes(static_cast<int>(blockDim.x)));
    }

    /// The next step of this thread's unit: `left` elements, then -inf.
    __device__ void take(int left, T (&x)[step_size]) {
        wait_for_copies<Depth - 1>();
        __syncwarp();
        const T* const slot = slots_ + place_ + lane_number();
        if (left >= step_size) {
#pragma unroll
            for (int r = 0; r < step_size; ++r) x[r] = slot[r * warp];
        } else {
#pragma unroll
            for (int r = 0; r < step_size; ++r) {
                x[r] = r < left ? slot[r * warp] : -infinite<T>;
            }
        }
        __syncwarp();
        (void)fetch();
    }

    /// To be called when all steps of a tile are taken, during which fetching came to
    /// another tile once: finds the tile after that.
    __device__ void prepare() {
        next_ = {};
        if (tile_ < tiles_.n_tiles) {
            const Unit unit = tiles_.unit_or_none(tiles_.corner(tile_),
                                                  static_cast<int>(threadIdx.x));
            const index_t wide_at =
                __shfl_sync(::fastnotes::cuda::all_lanes, unit.at, column_);
            const int least = ::fastnotes::cuda::warp_reduce(
                unit.size, [](int x, int y) { return x < y ? x : y; });
            next_ = {unit.size, wide_ ? least : 0, a_ + unit.at,
                     a_ + wide_at + row_ * tiles_.step};
        }
        tile_ += gridDim.x;
    }

  private:
    /// A unit to fetch: elements left of it, and rows left that all lanes have, which
    /// go by wide copies.
    struct Source {
        int left = 0, wide_rows = 0;
        const T *from = nullptr, *wide_from = nullptr;
    };

    /// Starts the copies of one step, of which nothing may be left, into the place that
    /// is free: a group of copies. True if the next step is of another tile.
    __device__ bool fetch() {
        T* const slot = slots_ + place_;
        T* const wide_slot = slot + row_ * warp + column_;
#pragma unroll
        for (int r = 0; r < step_size; r += N) {
            if (row_ + r < now_.wide_rows) {
                copy_async_wide(wide_slot + r * warp, now_.wide_from + r * tiles_.step);
            }
        }
        if (now_.wide_rows < min(now_.left, step_size)) {
#pragma unroll
            for (int r = 0; r < step_size; ++r) {
                if (r >= now_.wide_rows && r < now_.left) {
                    copy_async(slot + r * warp + lane_number(),
                               now_.from + r * tiles_.step);
                }
            }
        }
        commit_copies();
        place_ = (place_ + size) % (Depth * size);
        now_.left -= step_size;
        now_.wide_rows -= step_size;
        now_.from += step_size * tiles_.step;
        now_.wide_from += step_size * tiles_.step;
        at_ += step_size;
        if (at_ < tiles_.length) return false;
        at_ = 0;
        now_ = next_;
        return true;
    }

    const Tiles& tiles_;
    const T* a_;
    bool wide_;
    unsigned char* memory_;
    T* slots_;
    int row_, column_;   // of this lane's wide copies
    unsigned place_ = 0; // of the step to use next, and then of the one to fetch next
    int at_ = 0;         // of the step to fetch next, in its unit
    Source now_, next_;  // the unit that is fetched, and that of the next tile
    index_t tile_;       // the one after that
};

/// Elements of a unit in shared memory as they lie in `a`, but skewed, so that equal
/// places of several planes fall into different banks.
template <class T> struct Skewed {
    static constexpr int period = sizeof(T) == 4 ? 32 : 16;
    T* elements;
    int from, step;

    __host__ __device__ static int place(int i) { return i + i / period; }
    __device__ T& operator[](int k) const {
        const auto i = static_cast<unsigned>(from + k * step);
        return elements[i + i / period];
    }
    __device__ void read(int j, int left, T (&x)[step_size]) const {
#pragma unroll
        for (int r = 0; r < step_size; ++r) {
            x[r] = r < left ? (*this)[j + r] : -infinite<T>;
        }
    }
};

/// Whole planes, a tile at a time for each warp of the grid, `Depth` of them in shared
/// memory, skewed.
template <int Depth, class T> class PlaneStream {
    static constexpr int warp = ::fastnotes::cuda::warp_size;
    static constexpr int row = warp + warp / Skewed<T>::period; // of a warp, skewed

  public:
    /// Starts the first copies.
    __device__ PlaneStream(const Tiles& tiles, const T* a, unsigned char* memory)
        : a_(a), elements_(elements(tiles)), room_(room(tiles)),
          slots_(reinterpret_cast<T*>(memory) + warp_number() * Depth * room_),
          all_(tiles.outer * tiles.count * tiles.inner),
          tile_(index_t{blockIdx.x} * (blockDim.x / warp) + warp_number()),
          stride_(gridDim.x * index_t{blockDim.x / warp}), first_(tile_ * elements_),
          coming_(first_) {
        for (int n = 0; n < Depth - 1; ++n) fetch();
    }

    /// Elements of a place.
    static __host__ __device__ int room(const Tiles& tiles) {
        return Skewed<T>::place(elements(tiles));
    }
    static index_t bytes(const Tiles& tiles, int threads) noexcept {
        return index_t{threads / warp} * Depth * room(tiles) * index_t{sizeof(T)};
    }

    __device__ bool more() const { return first_ < all_; }
    __device__ index_t tile() const { return tile_; }
    /// Elements of the tile.
    __device__ int size() const { return size_from(first_); }

    /// The tile's elements, once they are there.
    __device__ T* arrived() {
        fetch();
        wait_for_copies<Depth - 1>();
        __syncwarp();
        return slots_ + place_ * room_;
    }
    /// Writes the tile's elements where they lie in `out`.
    __device__ void write(T* out) const {
        __syncwarp();
        const T* const slot = slots_ + place_ * room_ + skewed_lane();
        T* const to = out + first_;
        const int n = size();
#pragma unroll 4
        for (int i = lane_number(), k = 0; i < n; i += warp, k += row) to[i] = slot[k];
    }
    __device__ void next() {
        __syncwarp();
        place_ = place_ + 1 == Depth ? 0 : place_ + 1;
        tile_ += stride_;
        first_ += stride_ * elements_;
    }

  private:
    /// Starts the copies of a tile into the place that is free, if one is left: a group
    /// of copies in any case.
    __device__ void fetch() {
        if (coming_ < all_) {
            T* const slot = slots_ + free_ * room_ + skewed_lane();
            const T* const from = a_ + coming_;
            const int n = size_from(coming_);
#pragma unroll 4
            for (int i = lane_number(), k = 0; i < n; i += warp, k += row) {
                copy_async(slot + k, from + i);
            }
        }
        coming_ += stride_ * elements_;
        free_ = free_ + 1 == Depth ? 0 : free_ + 1;
        commit_copies();
    }

    static __host__ __device__ int elements(const Tiles& tiles) {
        return static_cast<int>(tiles.planes * tiles.count * tiles.inner);
    }
    __device__ static int skewed_lane() { return Skewed<T>::place(lane_number()); }
    __device__ int size_from(index_t first) const {
        const index_t rest = all_ - first;
        return rest < elements_ ? static_cast<int>(rest) : elements_;
    }

    const T* a_;
    int elements_, room_; // of a tile
    T* slots_;
    int place_ = 0, free_ = 0;
    index_t all_; // elements of the array
    index_t tile_, stride_;
    index_t first_, coming_; // elements of the tiles used and fetched next
};

} // namespace fastnotes::evidence::cuda
