/// Forward recurrence of few units: a lane of a unit holds the weights of all four
/// gates at some places of h; after the fold it owns one gate, or two.
#include "recurrent/lstm_few_units.cuh"

namespace fastnotes::recurrent::cuda::detail {
namespace {

template <int K> inline constexpr int slice_rows = K == 256 ? 32 : 64;

/// A block alone has no one to wait for: fewer warps have less to do beside products.
template <int K> using ForwardDeal = FewDeal<K, K == 64 ? 128 : on_chip_threads>;

/// Gates that a lane owns.
template <class D> inline constexpr int owned_gates = D::lanes < 4 ? 4 / D::lanes : 1;

template <int K, Meet M> struct Shared {
    using D = ForwardDeal<K>;
    using Meeting = Exchange<M, K, slice_rows<K>>;
    alignas(16) typename Meeting::Sets h;
    float c[slice_rows<K>][D::units];
    float inputs[items_ahead][owned_gates<D> * D::threads];
    alignas(8) typename Meeting::State meeting;
    FewRows<slice_rows<K>> rows;
};

template <int K, Meet M> class ForwardBlock {
    using D = ForwardDeal<K>;
    static constexpr int k_each = K / D::lanes;
    static constexpr int owned = owned_gates<D>;
    static constexpr int gate_lanes = owned * D::lanes / 4; // with the same gates
    static_assert(owned <= 2);
    struct Owned {
        float gate[owned];
    };

  public:
    __device__ ForwardBlock(const ForwardRun<float>& run, const Division& division,
                            const ExchangeMemory& memory, Shared<K, M>& shared)
        : run_(run), division_(division), shared_(shared), place_(division),
          unit_(place_), gate_(unit_.lane / gate_lanes * owned),
          real_(unit_.of_all < run.hidden),
          h_(fastnotes::cuda::kept_shared_address(&shared.h[0][0][4 * unit_.lane])),
          meeting_(shared.h, shared.meeting, division, place_, memory) {}

    __device__ void operator()() {
        load_weights();
        fastnotes::cuda::wait_for_launch_before();
        shared_.rows.read(place_, division_, run_.schedule, run_.time);
        load_states();
        choose_tracks();
        meeting_.begin();
        if (runs_alone(place_, shared_.rows, run_.schedule, run_.batch)) {
            run_row();
        } else {
            run_rows();
        }
        meeting_.end();
    }

  private:
    __device__ void run_rows() {
        const index_t steps = shared_.rows.of_slice.length[0]; // rows fall in length
        Ahead ahead(run_.schedule, shared_.rows.of_slice, place_.rows, steps);
        for (unsigned i = 0; i < items_ahead; ++i) fetch_input(ahead);
        FallingRows running(shared_.rows.of_slice, place_.rows);
        index_t now = 0, next = steps > 0 ? run_.schedule.start[1] : 0;
        unsigned slot = 0;
        for (index_t t = 0; t < steps; ++t) {
            const int active = running.count();
            running.go_to(t + 1);
            const bool more = t + 1 < steps;
            const index_t after = more ? run_.schedule.start[t + 2] : 0;
            if (more) meeting_.expect(t, active);
            for (int row = 0; row < active; ++row) {
                __syncwarp(); // c has been written
                const float c = shared_.c[row][unit_.in_block];
                wait_for_copies<items_ahead - 1>(); // of this thread alone
                const Cell<float> cell = make_cell(preactivations(t, row, slot), c);
                __syncwarp(); // all have read c
                if (unit_.lane == 0) shared_.c[row][unit_.in_block] = cell.c;
                if (more) {
                    meeting_.give(t, row, unit_.of_all, cell.h, unit_.lane);
                    if (row + 1 == active) meeting_.arrive(t);
                }
                for (int i = 0; i < owned; ++i) {
                    const index_t first = output_[i].by_sequence != 0 ? t : now;
                    write(cell, i, output_[i].at(first, shared_.rows, row), true);
                }
                if (row >= running.count()) write_last(cell, row);
                fetch_input(ahead);
                slot = (slot + 1) % items_ahead;
            }
            if (more) meeting_.wait(t, active);
            now = next;
            next = after;
        }
    }

    /// run_rows for a slice that runs alone, in fewer instructions.
    __device__ void run_row() {
        const index_t steps = shared_.rows.of_slice.length[0];
        if (steps == 0) return;
        const index_t from_step = kept(input_.step(run_.batch));
        const float* from = input_.at(0, shared_.rows, 0);
        float* to[owned];
        index_t to_step[owned];
        for (int i = 0; i < owned; ++i) {
            to[i] = output_[i].at(0, shared_.rows, 0);
            to_step[i] = kept(output_[i].step(run_.batch));
        }
        constexpr index_t ahead = items_ahead - 1; // the slot fetched is not that read
        for (index_t t = 0; t < ahead; ++t) {
            fetch_input(from, t, steps);
            from += from_step;
        }
        Cell<float> cell;
        cell.c = shared_.c[0][unit_.in_block];
        for (index_t t = 0; t < steps; ++t) {
            meeting_.expect(t, 1);
            wait_for_copies<ahead - 1>();
            const Owned a =
                preactivations(t, 0, static_cast<unsigned>(t) % items_ahead);
            for (int i = 0; i < owned; ++i) { // while the sums fold
                write(cell, i, to[i] - to_step[i], t > 0);
                to[i] += to_step[i];
            }
            fetch_input(from, t + ahead, steps);
            from += from_step;
            cell = make_cell(a, cell.c);
            meeting_.give(t, 0, unit_.of_all, cell.h, unit_.lane);
            meeting_.arrive(t);
            meeting_.wait(t, 1);
        }
        for (int i = 0; i < owned; ++i) write(cell, i, to[i] - to_step[i], true);
        write_last(cell, 0);
    }

    /// The next item to fetch.
    struct Ahead {
        const std::int64_t* const start;
        const index_t steps;
        index_t t = 0, first = 0, next_first;
        FallingRows running;
        int row = 0;
        unsigned slot = 0;

        __device__ Ahead(const DeviceSchedule& schedule, const SliceRows& rows,
                         int count, index_t all_steps)
            : start(schedule.start), steps(all_steps),
              next_first(all_steps > 0 ? start[1] : 0), running(rows, count) {}

        __device__ void advance() {
            slot = (slot + 1) % items_ahead;
            if (++row < running.count()) return;
            row = 0;
            first = next_first;
            if (++t < steps) next_first = start[t + 1];
            running.go_to(t);
        }
    };

    __device__ void load_weights() {
#pragma unroll
        for (int i = 0; i < k_each; ++i) {
            const index_t k = (i / 4 * D::lanes + unit_.lane) * 4 + i % 4;
#pragma unroll
            for (int gate = 0; gate < 4; ++gate) {
                const index_t row = gate * run_.hidden + unit_.of_all;
                weight_[gate][i] = real_ && k < run_.hidden
                                       ? run_.weight_hh[row * run_.hidden + k]
                                       : 0.0f;
            }
        }
    }

    __device__ void load_states() {
        for (int i = static_cast<int>(threadIdx.x); i < place_.rows * K;
             i += D::threads) {
            const int local = i / K, unit = i % K;
            const bool is_unit = unit < run_.hidden;
            const index_t row = place_.sorted(division_, local);
            shared_.h[0][local][unit] =
                is_unit ? run_.states[row * run_.padded + unit] : 0.0f;
            const int in_block = unit - place_.part * D::units;
            if (in_block >= 0 && in_block < D::units) {
                shared_.c[local][in_block] =
                    is_unit ? run_.c[row * run_.hidden + unit] : 0.0f;
            }
        }
    }

    /// The input of this lane's gates, and the arrays it writes.
    __device__ void choose_tracks() {
        const index_t hidden = run_.hidden, unit = unit_.of_all;
        input_ = {run_.gates, 0};
        if (real_) input_ = {run_.gates + 4 * unit + gate_, 4 * hidden};
        for (int i = 0; i < owned; ++i) {
            if (output(i) == 2 && real_) {
                output_[i] = {run_.h + unit, hidden, 1};
            } else if (!run_.keep) {
                continue;
            } else if (output(i) == 0 && real_) {
                output_[i] = {run_.gates + 4 * unit, 4 * hidden};
            } else if (output(i) == 1 && real_) {
                output_[i] = {run_.c + run_.batch * hidden + unit, hidden};
            } else if (output(i) == 3 && unit < run_.padded) {
                output_[i] = {run_.states + run_.batch * run_.padded + unit,
                              run_.padded};
            }
        }
    }
    /// Of gates, c, h and states, the i-th that this lane writes; 4 or more: none.
    __device__ int output(int i) const { return unit_.lane + i * D::lanes; }

    __device__ void fetch_input(Ahead& ahead) {
        if (ahead.t < ahead.steps) {
            const float* const from = input_.at(ahead.first, shared_.rows, ahead.row);
            copy_inputs(from, ahead.slot, real_);
            ahead.advance();
        }
        commit_copies();
    }
    __device__ void fetch_input(const float* from, index_t t, index_t steps) {
        copy_inputs(from, static_cast<unsigned>(t) % items_ahead, real_ && t < steps);
        commit_copies();
    }
    __device__ void copy_inputs(const float* from, unsigned slot, bool real) {
        constexpr int bytes = owned * sizeof(float);
        copy_async<bytes>(&shared_.inputs[slot][owned * threadIdx.x], from, real);
    }

    /// Those of this lane's gates.
    __device__ Owned preactivations(index_t t, int row, unsigned slot) const {
        Owned a;
        float sum[4] = {};
        multiply(t, row, sum);
        fold<4, D::lanes>(sum, unit_.lane);
        for (int i = 0; i < owned; ++i) {
            a.gate[i] = shared_.inputs[slot][owned * threadIdx.x + i] + sum[i];
        }
        return a;
    }

    __device__ Cell<float> make_cell(const Owned& a, float c_before) const {
        Owned mine;
        for (int i = 0; i < owned; ++i) { // g is always the first
            const bool tanh = i == 0 && gate_ == 2 && run_.tanh_candidate;
            mine.gate[i] = squash(a.gate[i], tanh);
        }
        Gates<float> gates;
        gates.i = gate_of_unit(mine, 0);
        gates.f = gate_of_unit(mine, 1);
        gates.g = gate_of_unit(mine, 2);
        gates.o = gate_of_unit(mine, 3);
        Cell<float> cell(gates, c_before);
        if (!real_) cell.h = 0.0f; // as the weights' padding wants it
        return cell;
    }

    /// This lane's part of the sums of all gates.
    __device__ void multiply(index_t t, int row, float (&sum)[4]) const {
        constexpr unsigned row_bytes = K * sizeof(float), lane_bytes = sizeof(float4);
        const unsigned h =
            h_ + (static_cast<unsigned>(t % 2) * slice_rows<K> + row) * row_bytes;
#pragma unroll
        for (int i = 0; i < k_each / 4; ++i) {
            const float4 value =
                fastnotes::cuda::load_shared(h + i * D::lanes * lane_bytes);
            add_products(sum, 4 * i, value.x);
            add_products(sum, 4 * i + 1, value.y);
            add_products(sum, 4 * i + 2, value.z);
            add_products(sum, 4 * i + 3, value.w);
        }
    }

    __device__ void add_products(float (&sum)[4], int i, float h) const {
#pragma unroll
        for (int gate = 0; gate < 4; ++gate) {
            sum[gate] = fmaf(weight_[gate][i], h, sum[gate]);
        }
    }

    __device__ float gate_of_unit(const Owned& mine, int gate) const {
        return __shfl_sync(all_lanes, mine.gate[gate % owned],
                           gate / owned * gate_lanes, D::lanes);
    }

    /// Without branches around it.
    __device__ void write(const Cell<float>& cell, int i, float* to,
                          bool wanted) const {
        const bool writes = wanted && output_[i].unit != nullptr;
        if (writes && output(i) == 0) {
            *reinterpret_cast<Gates<float>*>(to) = cell.gates;
        }
        if (writes && output(i) != 0) *to = output(i) == 1 ? cell.c : cell.h;
    }

    __device__ void write_last(const Cell<float>& cell, int row) const {
        if (unit_.lane != 0 || !real_) return;
        const index_t at =
            shared_.rows.of_slice.order[row] * run_.hidden + unit_.of_all;
        run_.h_last[at] = cell.h;
        run_.c_last[at] = cell.c;
    }

    const ForwardRun<float>& run_;
    const Division& division_;
    Shared<K, M>& shared_;
    const BlockPlace place_;
    const OwnUnit<D> unit_;
    const int gate_;   // the first of this lane
    const bool real_;  // not beyond the hidden size
    const unsigned h_; // shared.h, at this lane's part of a row
    typename Shared<K, M>::Meeting meeting_;
    Track<const float> input_;
    Track<float> output_[owned];
    float weight_[4][k_each];
};

template <int K, Meet M>
__global__ void __launch_bounds__(ForwardDeal<K>::threads, ForwardDeal<K>::resident)
    forward_kernel(const __grid_constant__ ForwardRun<float> run,
                   const __grid_constant__ Division division,
                   const __grid_constant__ ExchangeMemory memory) {
    if constexpr (fastnotes::cuda::has_clusters || M != Meet::cluster) {
        extern __shared__ __align__(16) unsigned char bytes[];
        ForwardBlock<K, M>(run, division, memory,
                           *reinterpret_cast<Shared<K, M>*>(bytes))();
    }
}

template <int K, Meet M> OnChip describe() noexcept {
    using D = ForwardDeal<K>;
    return {M, D::blocks, slice_rows<K>, sizeof(Shared<K, M>), D::threads, true};
}

} // namespace

Room forward_room_of_few(index_t hidden) noexcept {
    return with_few_units(hidden, [](auto depth) {
        constexpr int K = decltype(depth)::value;
        return find_best_room([](Meet wanted) {
            return with_meet<K>(wanted, [](auto meet) {
                constexpr Meet M = decltype(meet)::value;
                return find_room<&forward_kernel<K, M>>(describe<K, M>());
            });
        });
    });
}

Status forward_few(const ForwardRun<float>& run, const Room& room,
                   const ExchangeMemory& memory, Stream stream) noexcept {
    return with_few_units(run.hidden, [&](auto depth) {
        constexpr int K = decltype(depth)::value;
        return with_meet<K>(room.meet, [&](auto meet) {
            constexpr Meet M = decltype(meet)::value;
            return launch_slices(&forward_kernel<K, M>, describe<K, M>(), run, room,
                                 memory, stream);
        });
    });
}

index_t forward_exchange_of_few(index_t hidden, index_t batch,
                                const Room& room) noexcept {
    return with_few_units(hidden, [&](auto depth) {
        return few_exchange_size(decltype(depth)::value, batch, room);
    });
}

} // namespace fastnotes::recurrent::cuda::detail
