/// Backward recurrence, one launch.
///
/// A block has the weights of its own gate rows and all columns, so it turns the
/// gradients of its gates into its part of dh of all units. The parts, `parts` times
/// `k_groups` of them, go through memory, where the blocks that own the units add them
/// up in order. A thread holds the weights of `columns_each` columns and `k_each` rows.
#include "recurrent/lstm_on_chip.cuh"

namespace fastnotes::recurrent::cuda::detail {
namespace {

constexpr int group_rows = 16; // sequences between two barriers of a block
constexpr int tile_rows = 4;   // sequences a thread multiplies at a time

/// How a hidden size up to K is dealt to threads.
template <int K> struct Deal {
    static constexpr int units = units_of_block(K);
    static constexpr int gate_rows = 4 * units; // of a block
    static constexpr int k_each = K == 1024 ? 32 : 64;
    static constexpr int k_groups = gate_rows / k_each; // of threads
    static constexpr int group_threads = on_chip_threads / k_groups;
    static constexpr int columns_each = K / group_threads;
    static constexpr int cells =
        (group_rows * units + on_chip_threads - 1) / on_chip_threads; // of a thread
    static constexpr int max_parts = K / units * k_groups;
    static constexpr int batch_of_parts = max_parts < 32 ? max_parts : 32;
    static_assert(group_threads % fastnotes::cuda::warp_size == 0);
};

template <int K> struct Shared {
    using D = Deal<K>;
    float da[group_rows][D::gate_rows];
    float dc[max_rows][D::units];
    SliceRows rows;
};

template <int N> struct alignas(4 * N) Columns {
    float value[N];
};

template <int K> class BackwardBlock {
    using D = Deal<K>;

  public:
    __device__ BackwardBlock(const BackwardRun<float>& run, const Division& division,
                             const ExchangeMemory& memory, Shared<K>& shared)
        : run_(run), division_(division), shared_(shared), place_(division),
          meeting_(memory.counters, place_.slice, division.parts),
          partial_(memory.data),
          partial_rows_(static_cast<index_t>(division.slices) * max_rows),
          slice_row_(static_cast<index_t>(place_.slice) * max_rows),
          n_parts_(division.parts * D::k_groups),
          k_group_(static_cast<int>(threadIdx.x) / D::group_threads),
          column_(static_cast<int>(threadIdx.x) % D::group_threads * D::columns_each) {}

    __device__ void operator()() {
        place_.read_rows(division_, run_.schedule, shared_.rows);
        __syncthreads();
        load_weights();
        const index_t steps = shared_.rows.length[0]; // rows fall in length
        const std::int64_t* const start = run_.schedule.start;
        index_t now = steps > 0 ? start[steps - 1] : 0;
        index_t before = steps > 1 ? start[steps - 2] : 0;
        int active = 0;
        if (steps > 0) load_traces(steps - 1, 0, now, before);
        for (index_t t = steps; t-- > 0;) {
            while (active < place_.rows && shared_.rows.length[active] > t) ++active;
            const index_t earlier = t > 1 ? start[t - 2] : 0;
            step(t, active, now, before, earlier);
            meeting_.arrive();
            meeting_.wait();
            now = before;
            before = earlier;
        }
        finish();
    }

  private:
    __device__ void load_weights() {
#pragma unroll
        for (int k = 0; k < D::k_each; ++k) {
            const int gate_row = k_group_ * D::k_each + k;
            const index_t unit = place_.part * D::units + gate_row / 4;
            const index_t row = gate_row % 4 * run_.hidden + unit;
#pragma unroll
            for (int c = 0; c < D::columns_each; ++c) {
                const bool real = unit < run_.hidden && column_ + c < run_.hidden;
                weight_[k][c] =
                    real ? run_.weight_hh[row * run_.hidden + column_ + c] : 0.0f;
            }
        }
    }

    /// This thread's cell j of a group, as row in the group and unit in the block.
    struct CellPlace {
        int in_group, in_block;
        __device__ explicit CellPlace(int j) {
            const int cell = static_cast<int>(threadIdx.x) + on_chip_threads * j;
            in_group = cell / D::units;
            in_block = cell % D::units;
        }
    };

    __device__ index_t unit_of(const CellPlace& cell) const {
        return static_cast<index_t>(place_.part) * D::units + cell.in_block;
    }

    /// What the cells of a group need from the forward pass, into registers.
    __device__ void load_traces(index_t t, int group, index_t first, index_t before) {
#pragma unroll
        for (int j = 0; j < D::cells; ++j) {
            const CellPlace cell(j);
            const int local = group * group_rows + cell.in_group;
            trace_[j] = {};
            if (cell.in_group < group_rows && unit_of(cell) < run_.hidden &&
                shared_.rows.length[local] > t) {
                trace_[j] =
                    read_trace(run_, t, first, before, place_.sorted(division_, local),
                               shared_.rows.order[local], unit_of(cell));
            }
        }
    }

    __device__ void step(index_t t, int active, index_t now, index_t before,
                         index_t earlier) {
        const int groups = (active + group_rows - 1) / group_rows;
        for (int group = 0; group < groups; ++group) {
            const bool more = group + 1 < groups;
            const int rows = min(group_rows, active - group * group_rows);
            update(t, group, rows, now);
            if (more) {
                load_traces(t, group + 1, now, before);
            } else if (t > 0) {
                load_traces(t - 1, 0, before, earlier);
            }
            __syncthreads();
            int row = 0;
            for (; row + tile_rows <= rows; row += tile_rows) {
                multiply<tile_rows>(t, group, row);
            }
            for (; row < rows; ++row) multiply<1>(t, group, row);
            if (more) __syncthreads(); // the group's gradients may be overwritten
        }
    }

    /// Gradients of the gates of a group.
    __device__ void update(index_t t, int group, int rows, index_t now) {
#pragma unroll
        for (int j = 0; j < D::cells; ++j) {
            const CellPlace cell(j);
            if (cell.in_group >= rows) continue;
            const int local = group * group_rows + cell.in_group;
            const index_t unit = unit_of(cell), b = shared_.rows.order[local];
            Gates<float> da = {};
            if (unit < run_.hidden) {
                const bool last = shared_.rows.length[local] == t + 1;
                const float dh = last
                                     ? state_or_zero(run_.dh_last, b, run_.hidden, unit)
                                     : add_parts(t + 1, local, static_cast<int>(unit));
                float dc = last ? state_or_zero(run_.dc_last, b, run_.hidden, unit)
                                : shared_.dc[local][cell.in_block];
                da =
                    CellSlopes<float>(trace_[j], run_.tanh_candidate).gradients(dh, dc);
                shared_.dc[local][cell.in_block] = dc;
                const index_t row = now + place_.sorted(division_, local);
                reinterpret_cast<Gates<float>*>(run_.da)[row * run_.hidden + unit] = da;
            }
            *reinterpret_cast<Gates<float>*>(
                &shared_.da[cell.in_group][4 * cell.in_block]) = da;
        }
    }

    /// Where part p of the gradients that step t sends to the step before begins. Two
    /// sets take turns, as other blocks still read the last one.
    __device__ float* parts_at(index_t t, int part, int local) const {
        return partial_ +
               ((t % 2 * n_parts_ + part) * partial_rows_ + slice_row_ + local) * K;
    }

    __device__ float add_parts(index_t t, int local, int unit) const {
        float total = 0.0f;
#pragma unroll 1
        for (int first = 0; first < n_parts_; first += D::batch_of_parts) {
            float part[D::batch_of_parts];
#pragma unroll
            for (int i = 0; i < D::batch_of_parts; ++i) {
                if (first + i >= n_parts_) break;
                // Others wrote it: not from L1.
                part[i] = __ldcg(parts_at(t, first + i, local) + unit);
            }
#pragma unroll
            for (int i = 0; i < D::batch_of_parts; ++i) {
                if (first + i < n_parts_) total += part[i];
            }
        }
        return total;
    }

    /// This thread's columns of weight_hh^T da for some rows of a group.
    template <int Rows> __device__ void multiply(index_t t, int group, int row) {
        float sum[Rows][D::columns_each] = {};
#pragma unroll
        for (int k = 0; k < D::k_each; k += 4) {
#pragma unroll
            for (int r = 0; r < Rows; ++r) {
                const float4 da = *reinterpret_cast<const float4*>(
                    &shared_.da[row + r][k_group_ * D::k_each + k]);
#pragma unroll
                for (int c = 0; c < D::columns_each; ++c) {
                    float& total = sum[r][c];
                    total = fmaf(da.x, weight_[k][c], total);
                    total = fmaf(da.y, weight_[k + 1][c], total);
                    total = fmaf(da.z, weight_[k + 2][c], total);
                    total = fmaf(da.w, weight_[k + 3][c], total);
                }
            }
        }
#pragma unroll
        for (int r = 0; r < Rows; ++r) {
            Columns<D::columns_each> columns;
#pragma unroll
            for (int c = 0; c < D::columns_each; ++c) columns.value[c] = sum[r][c];
            float* const at = parts_at(t, place_.part * D::k_groups + k_group_,
                                       group * group_rows + row + r);
            *reinterpret_cast<Columns<D::columns_each>*>(at + column_) = columns;
        }
    }

    /// Gradients of the initial states: what step 0 sent, or what came to an empty
    /// sequence.
    __device__ void finish() {
        for (int i = static_cast<int>(threadIdx.x); i < place_.rows * D::units;
             i += on_chip_threads) {
            const int local = i / D::units, in_block = i % D::units;
            const index_t unit =
                static_cast<index_t>(place_.part) * D::units + in_block;
            if (unit >= run_.hidden) continue;
            const index_t b = shared_.rows.order[local];
            const bool empty = shared_.rows.length[local] == 0;
            run_.dh0[b * run_.hidden + unit] =
                empty ? state_or_zero(run_.dh_last, b, run_.hidden, unit)
                      : add_parts(0, local, static_cast<int>(unit));
            run_.dc0[b * run_.hidden + unit] =
                empty ? state_or_zero(run_.dc_last, b, run_.hidden, unit)
                      : shared_.dc[local][in_block];
        }
    }

    const BackwardRun<float>& run_;
    const Division& division_;
    Shared<K>& shared_;
    const BlockPlace place_;
    Meeting meeting_;
    float* const partial_;
    const index_t partial_rows_, slice_row_;
    const int n_parts_, k_group_, column_;
    float weight_[D::k_each][D::columns_each];
    CellTrace<float> trace_[D::cells];
};

template <int K>
__global__ void __launch_bounds__(on_chip_threads, 1)
    backward_kernel(const __grid_constant__ BackwardRun<float> run,
                    const __grid_constant__ Division division,
                    const __grid_constant__ ExchangeMemory memory) {
    extern __shared__ __align__(16) unsigned char bytes[];
    BackwardBlock<K>(run, division, memory, *reinterpret_cast<Shared<K>*>(bytes))();
}

template <int K> OnChip describe(index_t hidden) noexcept {
    return {Meet::memory, static_cast<int>(ceil_div(hidden, Deal<K>::units)), max_rows,
            sizeof(Shared<K>)};
}

} // namespace

Room backward_room_of_many(index_t hidden) noexcept {
    return with_many_units(hidden, [&](auto depth) {
        constexpr int K = decltype(depth)::value;
        return find_room<&backward_kernel<K>>(describe<K>(hidden));
    });
}

index_t backward_exchange_of_many(index_t hidden, index_t batch,
                                  const Room& room) noexcept {
    return with_many_units(hidden, [&](auto depth) {
        constexpr int K = decltype(depth)::value;
        const index_t slices = batch < room.slices ? batch : room.slices;
        return 2 * index_t{room.parts} * Deal<K>::k_groups * slices * max_rows * K *
               static_cast<index_t>(sizeof(float));
    });
}

Status backward_many(const BackwardRun<float>& run, const Room& room,
                     const ExchangeMemory& memory, Stream stream) noexcept {
    return with_many_units(run.hidden, [&](auto depth) {
        constexpr int K = decltype(depth)::value;
        return launch_slices(&backward_kernel<K>, describe<K>(run.hidden), run, room,
                             memory, stream);
    });
}

} // namespace fastnotes::recurrent::cuda::detail
