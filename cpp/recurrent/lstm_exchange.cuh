/// How the blocks of a slice tell each other what a step made.
///
/// `Values` floats a row go from the blocks that make them to all of them, into one of
/// two sets in shared memory that take turns: exchange n, from 0, fills set
/// (n + 1) % 2; the caller fills set 0 before the first. A block may read a set until
/// its next `give`, and all of its threads, for all rows, call `give` in every
/// exchange: that tells the others that it has read the set before.
#pragma once

#include "common/cluster.cuh"
#include "recurrent/lstm_on_chip.cuh"

namespace fastnotes::recurrent::cuda::detail {

__device__ inline void set_value(float* to, float value) { *to = value; }
__device__ inline void set_value(float* to, float4 value) {
    *reinterpret_cast<float4*>(to) = value;
}

/// A slice of one block.
template <int Values, int Rows> class Alone {
  public:
    static constexpr bool clustered = false;
    using Sets = float[2][Rows][Values];
    struct State {};

    __device__ Alone(Sets& sets, State&, const Division&, const BlockPlace&,
                     const ExchangeMemory&)
        : sets_(sets) {}

    __device__ void begin() { __syncthreads(); }
    __device__ void expect(index_t, int) {}
    /// value, of the `lane`th of the lanes that have it, goes to `at` of the row.
    template <class V>
    __device__ void give(index_t n, int row, int at, V value, int lane) {
        if (lane == 0) set_value(&sets_[(n + 1) % 2][row][at], value);
    }
    /// This block has given everything of exchange n.
    __device__ void arrive(index_t) {}
    /// Exchange n, of so many rows, is complete.
    __device__ void wait(index_t, int) { __syncthreads(); }
    __device__ void end() {}

  private:
    Sets& sets_;
};

/// A slice that is a cluster: values go straight into the others' shared memory.
template <int Values, int Rows> class Clustered {
  public:
    static constexpr bool clustered = true;
    using Sets = float[2][Rows][Values];
    struct State {
        fastnotes::cuda::ByteBarrier arrived[2]; // of each set
    };

    __device__ Clustered(Sets& sets, State& state, const Division& division,
                         const BlockPlace&, const ExchangeMemory&)
        : state_(state), blocks_(division.parts),
          sets_(fastnotes::cuda::shared_address(&sets)),
          arrived_(fastnotes::cuda::shared_address(&state.arrived)) {}

    __device__ void begin() {
        if (threadIdx.x == 0) {
            state_.arrived[0].start();
            state_.arrived[1].start();
        }
        __syncwarp();
        fastnotes::cuda::sync_cluster();
    }
    __device__ void expect(index_t n, int rows) {
        if (threadIdx.x == 0) {
            constexpr int row_bytes = Values * static_cast<int>(sizeof(float));
            state_.arrived[(n + 1) % 2].expect(static_cast<unsigned>(rows * row_bytes));
        }
    }
    /// Lane i sends it to block i.
    template <class V>
    __device__ void give(index_t n, int row, int at, V value, int lane) {
        if (lane >= blocks_) return;
        const auto set = static_cast<unsigned>((n + 1) % 2);
        const auto place =
            set * Rows * Values + static_cast<unsigned>(row * Values + at);
        const auto rank = static_cast<unsigned>(lane);
        constexpr unsigned float_bytes = sizeof(float);
        constexpr unsigned barrier_bytes = sizeof(fastnotes::cuda::ByteBarrier);
        fastnotes::cuda::store_counted(
            fastnotes::cuda::address_in_block(sets_ + float_bytes * place, rank), value,
            fastnotes::cuda::address_in_block(arrived_ + barrier_bytes * set, rank));
    }
    __device__ void arrive(index_t) {}
    __device__ void wait(index_t n, int) {
        state_.arrived[(n + 1) % 2].wait(static_cast<unsigned>(n / 2 % 2));
        __syncwarp();
    }
    /// Nobody leaves while others may still write to it.
    __device__ void end() { fastnotes::cuda::sync_cluster(); }

  private:
    State& state_;
    const int blocks_;
    const unsigned sets_, arrived_;
};

/// A slice whose blocks meet in global memory, where there are no clusters.
template <int Values, int Rows> class ThroughMemory {
  public:
    static constexpr bool clustered = false;
    using Sets = float[2][Rows][Values];
    struct State {};

    __device__ ThroughMemory(Sets& sets, State&, const Division& division,
                             const BlockPlace& place, const ExchangeMemory& memory)
        : sets_(sets), meeting_(memory.counters, place.slice, division.parts),
          all_rows_(static_cast<index_t>(division.slices) * Rows),
          data_(memory.data + static_cast<index_t>(place.slice) * Rows * Values) {}

    __device__ void begin() { __syncthreads(); }
    __device__ void expect(index_t, int) {}
    template <class V>
    __device__ void give(index_t n, int row, int at, V value, int lane) {
        if (lane == 0) set_value(row_of(n, row) + at, value);
    }
    __device__ void arrive(index_t) { meeting_.arrive(); }
    __device__ void wait(index_t n, int rows) {
        constexpr int row_copies = Values / 4;
        meeting_.wait();
        for (int i = static_cast<int>(threadIdx.x); i < rows * row_copies;
             i += on_chip_threads) {
            const int row = i / row_copies, k = i % row_copies * 4;
            copy_async<16>(&sets_[(n + 1) % 2][row][k], row_of(n, row) + k, true);
        }
        commit_copies();
        wait_for_copies<0>();
        __syncthreads();
    }
    __device__ void end() {}

  private:
    __device__ float* row_of(index_t n, int row) const {
        return data_ + (n % 2 * all_rows_ + row) * Values;
    }

    Sets& sets_;
    Meeting meeting_;
    const index_t all_rows_;
    float* const data_;
};

} // namespace fastnotes::recurrent::cuda::detail
