/// What the two recurrences of few units share.
///
/// The lanes of a unit lie side by side in a warp and hold its weights, so that a warp
/// needs nobody but the exchange: it multiplies, folds the sums by shuffles, makes its
/// units' values and gives them away. What a step needs from memory comes in the
/// background, some items, rows of a step, ahead.
#pragma once

#include "recurrent/lstm_exchange.cuh"

namespace fastnotes::recurrent::cuda::detail {

/// Blocks of a slice.
constexpr int few_blocks(int depth) { return depth == 64 ? 1 : depth == 128 ? 2 : 8; }

/// How a hidden size up to K is dealt to threads.
template <int K, int Threads = on_chip_threads> struct FewDeal {
    static constexpr int threads = Threads;
    static constexpr int blocks = few_blocks(K);
    static constexpr int units = K / blocks;      // of a block
    static constexpr int lanes = threads / units; // of a unit
    static constexpr int weights = 4 * K / lanes; // of a thread
    static constexpr int resident = threads * weights <= 64 * on_chip_threads ? 2 : 1;
    static_assert(blocks == 1 || blocks <= lanes); // as Clustered wants it
    static_assert(4 * lanes <= warp_size && weights % 16 == 0);
};

inline constexpr unsigned items_ahead = 4;

/// This thread's unit.
template <class Deal> struct OwnUnit {
    int lane, in_block, of_all;

    __device__ explicit OwnUnit(const BlockPlace& place)
        : lane(static_cast<int>(threadIdx.x) % Deal::lanes),
          in_block(static_cast<int>(threadIdx.x) / Deal::lanes),
          of_all(place.part * Deal::units + in_block) {}
};

/// A value kept in registers: in a loop it is not computed again.
__device__ inline index_t kept(index_t value) {
    long long in_register = value;
    asm("" : "+l"(in_register));
    return static_cast<index_t>(in_register);
}

/// The rows of a slice, and where they lie.
template <int Rows> struct FewRows {
    SliceRows of_slice;
    std::int64_t place[2][Rows]; // packed within a step; that of (b, 0)

    __device__ void read(const BlockPlace& block, const Division& division,
                         const DeviceSchedule& schedule, index_t time) {
        block.read_rows(division, schedule, of_slice);
        const int threads = static_cast<int>(blockDim.x);
        for (int i = static_cast<int>(threadIdx.x); i < Rows; i += threads) {
            const index_t row = block.sorted(division, i);
            place[0][i] = row;
            place[1][i] = i < block.rows ? schedule.order[row] * time : 0;
        }
        __syncthreads();
    }
};

/// Whether a slice is one row, as most are until a batch fills the device, with no
/// shorter sequence in the batch: then places move by the same number every step.
template <int Rows>
__device__ inline bool runs_alone(const BlockPlace& place, const FewRows<Rows>& rows,
                                  const DeviceSchedule& schedule, index_t batch) {
    const index_t steps = rows.of_slice.length[0];
    return place.rows == 1 && schedule.start[steps] == steps * batch;
}

/// Rows of an array [.., stride] that a lane reads or writes at its unit: the packed
/// rows, or those of (b, t).
template <class T> struct Track {
    T* unit = nullptr; // in row 0; null: none
    index_t stride = 0;
    int by_sequence = 0;

    /// first: of the step, the first packed row, or t.
    template <int Rows>
    __device__ T* at(index_t first, const FewRows<Rows>& rows, int row) const {
        return unit + (first + rows.place[by_sequence][row]) * stride;
    }
    /// From one step to the next where all `batch` rows run at both.
    __device__ index_t step(index_t batch) const {
        return by_sequence != 0 ? stride : batch * stride;
    }
};

/// How many rows run at a step; rows fall in length, and the steps go up.
class FallingRows {
  public:
    __device__ FallingRows(const SliceRows& rows, int count)
        : rows_(rows), count_(count) {
        go_to(0);
    }
    __device__ int count() const { return count_; }
    __device__ void go_to(index_t t) {
        while (count_ > 0 && last_ <= t) {
            last_ = rows_.length[count_ - 1];
            if (last_ <= t) --count_;
        }
    }

  private:
    const SliceRows& rows_;
    int count_;
    index_t last_ = 0; // length of the last of them, once known
};

/// The same when the steps go down.
class RisingRows {
  public:
    __device__ RisingRows(const SliceRows& rows, int all) : rows_(rows), all_(all) {}
    __device__ int count() const { return count_; }
    __device__ void go_to(index_t t) {
        while (count_ < all_ && next_ > t) {
            next_ = rows_.length[count_];
            if (next_ > t) ++count_;
        }
    }

  private:
    const SliceRows& rows_;
    const int all_;
    int count_ = 0;
    index_t next_ = max_steps; // length of the first of the others, once known
    static constexpr index_t max_steps = index_t{1} << 62;
};

/// How the blocks of a slice of K meet, and f(std::integral_constant<Meet, ...>).
template <int K, class F> auto with_meet(Meet meet, F&& f) noexcept {
    if constexpr (FewDeal<K>::blocks == 1) {
        return f(std::integral_constant<Meet, Meet::never>());
    } else {
        if (meet == Meet::cluster) {
            return f(std::integral_constant<Meet, Meet::cluster>());
        }
        return f(std::integral_constant<Meet, Meet::memory>());
    }
}

template <Meet M, int Values, int Rows>
using Exchange =
    std::conditional_t<M == Meet::never, Alone<Values, Rows>,
                       std::conditional_t<M == Meet::cluster, Clustered<Values, Rows>,
                                          ThroughMemory<Values, Rows>>>;

/// Room as clusters if the device has them.
template <class Find> Room find_best_room(Find&& find) noexcept {
    const Room room = find(Meet::cluster);
    return room.slices > 0 ? room : find(Meet::memory);
}

/// Bytes of ExchangeMemory::data for `values` floats a row.
inline index_t few_exchange_size(index_t values, index_t batch,
                                 const Room& room) noexcept {
    if (room.meet != Meet::memory) return 0;
    const index_t slices = batch < room.slices ? batch : room.slices;
    return 2 * slices * room.slice_rows * values * static_cast<index_t>(sizeof(float));
}

} // namespace fastnotes::recurrent::cuda::detail
