/// The parts of a tile in shared memory, and how its slices become sums.
#pragma once

#include "evidence/cuda_sums.cuh"
#include "evidence/cuda_tiles.cuh"

namespace fastnotes::evidence::cuda {

/// The totals of a sum of which every lane of a warp holds a part: `slices` lanes,
/// `stride` apart. They are added in a fixed tree.
template <class T>
__device__ inline Totals<T> over_slices(const Sums<T>& mine, int slices, int stride) {
    using ::fastnotes::cuda::all_lanes;
    const int lane = static_cast<int>(threadIdx.x) % ::fastnotes::cuda::warp_size;
    const int slice = lane / stride & (slices - 1);
    const auto other = [&](int step) {
        return lane + ((slice ^ step) - slice) * stride;
    };
    T top = mine.largest;
    for (int step = slices / 2; step > 0; step /= 2) {
        top = larger(top, __shfl_sync(all_lanes, top, other(step)));
    }
    const double factor = rescaling(mine.anchor, top);
    double total = mine.sum * factor, squares = mine.square * factor * factor;
    for (int step = slices / 2; step > 0; step /= 2) {
        total += __shfl_sync(all_lanes, total, other(step));
        squares += __shfl_sync(all_lanes, squares, other(step));
    }
    return {top, total, squares};
}

/// The sums of each unit and the totals of each column.
template <class T> struct Parts {
    double *sum, *square, *total_sum, *total_square;
    T *anchor, *largest, *total_largest;

    __device__ Parts(double* memory, const Tiles& tiles) {
        const int parts = tiles.parts(), columns = tiles.columns();
        sum = memory;
        square = sum + parts;
        total_sum = square + parts;
        total_square = total_sum + columns;
        anchor = reinterpret_cast<T*>(total_square + columns);
        largest = anchor + parts;
        total_largest = largest + parts;
    }

    static index_t bytes(const Tiles& tiles) noexcept {
        constexpr index_t doubles = 2 * sizeof(double), value = sizeof(T);
        return tiles.parts() * (doubles + 2 * value) +
               tiles.columns() * (doubles + value);
    }

    __device__ void store(int part, const Sums<T>& sums) const {
        anchor[part] = sums.anchor;
        largest[part] = sums.largest;
        sum[part] = sums.sum;
        square[part] = sums.square;
    }
    __device__ Totals<T> total(int column) const {
        return {total_largest[column], total_sum[column], total_square[column]};
    }

    /// Merges the slices of each column, a lane each; the whole block takes part,
    /// between barriers.
    __device__ void merge(const Tiles& tiles) const {
        const int n = tiles.columns() << tiles.slice_bits;
        for (int first = 0; first < n; first += static_cast<int>(blockDim.x)) {
            const int i = first + static_cast<int>(threadIdx.x);
            const int column = i >> tiles.slice_bits, s = i & (tiles.slices() - 1);
            Sums<T> mine; // a warp's lanes stay together, also beyond the last column
            if (i < n) {
                const int plane = column / tiles.width;
                const int at = ((plane << tiles.slice_bits) + s) * tiles.pitch() +
                               column % tiles.width;
                mine.anchor = anchor[at];
                mine.largest = largest[at];
                mine.sum = sum[at];
                mine.square = square[at];
            }
            const Totals<T> total = over_slices(mine, tiles.slices(), 1);
            if (i < n && s == 0) {
                total_largest[column] = total.largest;
                total_sum[column] = total.sum;
                total_square[column] = total.square;
            }
        }
    }
};

/// Where the totals of sums go; null for what is not asked for.
template <class T> struct Results {
    T* value = nullptr; // log of the mean (or sum, if count is 1)
    T* ess = nullptr;
    T* largest = nullptr; // with term: what a second pass over the array applies
    T* term = nullptr;
    double count = 1.0;
    bool positive = true; // no factors
    bool log_term = false;

    __device__ void store(index_t at, const Totals<T>& sums) const {
        const Totals<T> totals = positive ? sums.positive() : sums;
        if (value != nullptr) value[at] = totals.log_mean(count);
        if (ess != nullptr) ess[at] = totals.effective_size(count);
        if (term != nullptr) {
            largest[at] = totals.largest;
            term[at] = log_term ? totals.log_sum() : totals.scale();
        }
    }
};

/// The totals of each chunk, [outer, n_chunks, inner] each.
template <class T> struct Partials {
    double *sum, *square;
    T* largest;

    __device__ void store(index_t at, const Totals<T>& totals) const {
        sum[at] = totals.sum;
        if (square != nullptr) square[at] = totals.square;
        largest[at] = totals.largest;
    }
};

} // namespace fastnotes::evidence::cuda
