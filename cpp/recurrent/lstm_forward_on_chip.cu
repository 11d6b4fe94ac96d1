/// Forward recurrence, one launch.
///
/// A thread holds weights of `rows_each` gate rows at `k_each` places of h. A warp
/// multiplies them with one sequence's h after the other, its lanes sharing the sum
/// over h, which they add up by shuffles in a fixed tree. Then a lane owns a cell: a
/// unit of one sequence.
#include "recurrent/lstm_on_chip.cuh"

namespace fastnotes::recurrent::cuda::detail {
namespace {

constexpr int warps = on_chip_threads / warp_size;
constexpr int group_rows = 16; // sequences between two barriers of a block

/// How a hidden size up to K is dealt to threads.
template <int K> struct Deal {
    static constexpr int units = units_of_block(K);
    static constexpr int warp_units = units / warps;
    static constexpr int gate_rows = 4 * warp_units; // of a warp
    static constexpr int rows_each = K == 1024 ? 4 : 8;
    static constexpr int k_lanes = warp_size * rows_each / gate_rows;
    static constexpr int k_each = K / k_lanes;
    static constexpr int cells =
        (group_rows * warp_units + warp_size - 1) / warp_size; // of a lane
    static_assert(k_lanes >= rows_each && k_lanes <= warp_size && k_each % 4 == 0);
};

template <int K> struct Shared {
    using D = Deal<K>;
    float h[2][group_rows][K];
    float sums[warps][group_rows][D::gate_rows];
    float c[max_rows][D::units];
    SliceRows rows;
};

template <int K> class ForwardBlock {
    using D = Deal<K>;

  public:
    __device__ ForwardBlock(const ForwardRun<float>& run, const Division& division,
                            const ExchangeMemory& memory, Shared<K>& shared)
        : run_(run), division_(division), shared_(shared), place_(division),
          meeting_(memory.counters, place_.slice, division.parts),
          lane_(static_cast<int>(threadIdx.x) % warp_size),
          warp_(static_cast<int>(threadIdx.x) / warp_size),
          first_unit_(place_.part * D::units + warp_ * D::warp_units) {}

    __device__ void operator()() {
        place_.read_rows(division_, run_.schedule, shared_.rows);
        __syncthreads();
        load_weights();
        load_states();
        __syncthreads();
        const index_t steps = shared_.rows.length[0]; // rows fall in length
        const std::int64_t* const start = run_.schedule.start;
        index_t before = 0, now = 0, next = steps > 0 ? start[1] : 0;
        int active = place_.rows;
        if (steps > 0) load_inputs(0, 0, 0);
        for (index_t t = 0; t < steps; ++t) {
            while (active > 0 && shared_.rows.length[active - 1] <= t) --active;
            const index_t after = t + 1 < steps ? start[t + 2] : 0;
            step(t, active, before, now);
            end_step(t, active, now, next, t + 1 < steps);
            before = now;
            now = next;
            next = after;
        }
    }

  private:
    /// What other blocks need not wait for goes between arriving and waiting.
    __device__ void end_step(index_t t, int active, index_t now, index_t next,
                             bool more_steps) {
        if (more_steps) meeting_.arrive();
        const int group = (active - 1) / group_rows;
        write(t, group, active - group * group_rows, now);
        if (!more_steps) return;
        load_inputs(t + 1, 0, next);
        meeting_.wait();
    }

    __device__ void load_weights() {
        const int k_lane = lane_ % D::k_lanes, row0 = lane_ / D::k_lanes * D::rows_each;
#pragma unroll
        for (int r = 0; r < D::rows_each; ++r) {
            const index_t unit = first_unit_ + (row0 + r) / 4, gate = (row0 + r) % 4;
#pragma unroll
            for (int i = 0; i < D::k_each; ++i) {
                const index_t k = (i / 4 * D::k_lanes + k_lane) * 4 + i % 4;
                const bool real = unit < run_.hidden && k < run_.hidden;
                weight_[r][i] =
                    real ? run_.weight_hh[(gate * run_.hidden + unit) * run_.hidden + k]
                         : 0.0f;
            }
        }
    }

    __device__ void load_states() {
        const int unit0 = place_.part * D::units;
        for (int i = static_cast<int>(threadIdx.x); i < max_rows * D::units;
             i += on_chip_threads) {
            const int local = i / D::units, unit = unit0 + i % D::units;
            const bool real = local < place_.rows && unit < run_.hidden;
            const index_t row = place_.sorted(division_, local);
            shared_.c[local][i % D::units] =
                real ? run_.c[row * run_.hidden + unit] : 0.0f;
        }
    }

    /// The input parts of this lane's cells of a group, into registers.
    __device__ void load_inputs(index_t t, int group, index_t first) {
#pragma unroll
        for (int j = 0; j < D::cells; ++j) {
            const CellPlace cell(lane_, j);
            const int local = group * group_rows + cell.in_group;
            const index_t unit = first_unit_ + cell.in_warp;
            input_[j] = {};
            if (cell.in_group < group_rows && unit < run_.hidden &&
                shared_.rows.length[local] > t) {
                const index_t row = place_.sorted(division_, local);
                input_[j] = reinterpret_cast<const Gates<float>*>(
                    run_.gates)[(first + row) * run_.hidden + unit];
            }
        }
    }

    /// All groups; the last one's results are still to be written.
    __device__ void step(index_t t, int active, index_t before, index_t now) {
        const int groups = (active + group_rows - 1) / group_rows;
        fetch(t, 0, active, before);
        for (int group = 0; group < groups; ++group) {
            const bool more = group + 1 < groups;
            if (more) {
                fetch(t, group + 1, active, before);
                wait_for_copies<1>();
            } else {
                wait_for_copies<0>();
            }
            __syncthreads();
            const int rows = min(group_rows, active - group * group_rows);
            multiply(&shared_.h[group % 2][0][0], rows);
            update(t, group, rows, now);
            if (more) {
                write(t, group, rows, now);
                load_inputs(t, group + 1, now);
                __syncthreads(); // the group's h may be overwritten
            }
        }
    }

    /// Starts to copy h_(t-1) of a group; other blocks wrote it, so past the L1 cache.
    __device__ void fetch(index_t t, int group, int active, index_t before) {
        constexpr int row_copies = K / 4;
        const int rows = min(group_rows, active - group * group_rows);
        for (int i = static_cast<int>(threadIdx.x); i < rows * row_copies;
             i += on_chip_threads) {
            const int local = i / row_copies, k = i % row_copies * 4;
            const index_t row = place_.sorted(division_, group * group_rows + local);
            const float* const from =
                run_.states + run_.row_before(t, before, row) * run_.padded;
            const bool real = k < run_.padded;
            copy_async<16>(&shared_.h[group % 2][local][k], real ? from + k : from,
                           real);
        }
        commit_copies();
    }

    /// sums = weight_hh h for this warp's gate rows.
    __device__ void multiply(const float* h, int rows) {
        const int k_lane = lane_ % D::k_lanes, row0 = lane_ / D::k_lanes * D::rows_each;
        constexpr int copies = D::k_lanes / D::rows_each; // lanes with the same total
        __syncwarp(); // the sums of the group before have been read
#pragma unroll 2
        for (int row = 0; row < rows; ++row) {
            const auto* const h4 =
                reinterpret_cast<const float4*>(h + row * K) + k_lane;
            float sum[D::rows_each] = {};
#pragma unroll
            for (int i = 0; i < D::k_each / 4; ++i) {
                const float4 value = h4[i * D::k_lanes];
                add_products(sum, 4 * i, value.x);
                add_products(sum, 4 * i + 1, value.y);
                add_products(sum, 4 * i + 2, value.z);
                add_products(sum, 4 * i + 3, value.w);
            }
            const float total = fold<D::rows_each, D::k_lanes>(sum, k_lane);
            if (k_lane % copies == 0) {
                shared_.sums[warp_][row][row0 + k_lane / copies] = total;
            }
        }
        __syncwarp();
    }

    __device__ void add_products(float (&sum)[D::rows_each], int k, float h) const {
#pragma unroll
        for (int r = 0; r < D::rows_each; ++r) {
            sum[r] = fmaf(weight_[r][k], h, sum[r]);
        }
    }

    /// This lane's cell j of a group.
    struct CellPlace {
        int in_group, in_warp;
        __device__ CellPlace(int lane, int j)
            : in_group((lane + warp_size * j) / D::warp_units),
              in_warp((lane + warp_size * j) % D::warp_units) {}
    };

    /// New states of a group, which the next step needs: h into memory, c kept here.
    __device__ void update(index_t t, int group, int rows, index_t now) {
#pragma unroll
        for (int j = 0; j < D::cells; ++j) {
            const CellPlace cell(lane_, j);
            if (cell.in_group >= rows) continue;
            const int local = group * group_rows + cell.in_group;
            const index_t unit = first_unit_ + cell.in_warp;
            const float4 sums = *reinterpret_cast<const float4*>(
                &shared_.sums[warp_][cell.in_group][4 * cell.in_warp]);
            const Gates<float>& a = input_[j];
            float& c = shared_.c[local][warp_ * D::warp_units + cell.in_warp];
            result_[j] = Cell<float>(activate<float>({a.i + sums.x, a.f + sums.y,
                                                      a.g + sums.z, a.o + sums.w},
                                                     run_.tanh_candidate),
                                     c);
            c = result_[j].c;
            const float h = unit < run_.hidden ? result_[j].h : 0.0f;
            if (unit < run_.padded) {
                const index_t row = place_.sorted(division_, local);
                run_.states[run_.row_now(t, now, row) * run_.padded + unit] = h;
            }
        }
    }

    /// The rest of what a group's cells leave.
    __device__ void write(index_t t, int group, int rows, index_t now) {
#pragma unroll
        for (int j = 0; j < D::cells; ++j) {
            const CellPlace cell(lane_, j);
            const int local = group * group_rows + cell.in_group;
            const index_t unit = first_unit_ + cell.in_warp;
            if (cell.in_group < rows && unit < run_.hidden) {
                write_cell(run_, result_[j], t, now, place_.sorted(division_, local),
                           shared_.rows.order[local], shared_.rows.length[local], unit);
            }
        }
    }

    const ForwardRun<float>& run_;
    const Division& division_;
    Shared<K>& shared_;
    const BlockPlace place_;
    Meeting meeting_;
    const int lane_, warp_, first_unit_;
    float weight_[D::rows_each][D::k_each];
    Gates<float> input_[D::cells];
    Cell<float> result_[D::cells];
};

template <int K>
__global__ void __launch_bounds__(on_chip_threads, 1)
    forward_kernel(const __grid_constant__ ForwardRun<float> run,
                   const __grid_constant__ Division division,
                   const __grid_constant__ ExchangeMemory memory) {
    extern __shared__ __align__(16) unsigned char bytes[];
    ForwardBlock<K>(run, division, memory, *reinterpret_cast<Shared<K>*>(bytes))();
}

template <int K> OnChip describe(index_t hidden) noexcept {
    return {Meet::memory, static_cast<int>(ceil_div(hidden, Deal<K>::units)), max_rows,
            sizeof(Shared<K>)};
}

} // namespace

Room forward_room_of_many(index_t hidden) noexcept {
    return with_many_units(hidden, [&](auto depth) {
        constexpr int K = decltype(depth)::value;
        return find_room<&forward_kernel<K>>(describe<K>(hidden));
    });
}

Status forward_many(const ForwardRun<float>& run, const Room& room,
                    const ExchangeMemory& memory, Stream stream) noexcept {
    return with_many_units(run.hidden, [&](auto depth) {
        constexpr int K = decltype(depth)::value;
        return launch_slices(&forward_kernel<K>, describe<K>(run.hidden), run, room,
                             memory, stream);
    });
}

} // namespace fastnotes::recurrent::cuda::detail
