/// Backward recurrence of few units: the gradients of all gates are exchanged, and a
/// unit's lanes multiply them with the unit's column of weight_hh. The lanes of four
/// units share their sums: a lane holds some rows of all four columns, and after the
/// fold has the sum of its own unit.
#include "recurrent/lstm_few_units.cuh"

namespace fastnotes::recurrent::cuda::detail {
namespace {

template <int K> inline constexpr int slice_rows = 2048 / K;

/// What a unit has from the forward pass, as CellTrace.
struct alignas(16) TraceInShared {
    Gates<float> gates;
    float c, c_before, dh, unused;
};

template <int K, Meet M> struct Shared {
    using Meeting = Exchange<M, 4 * K, slice_rows<K>>;
    alignas(16) typename Meeting::Sets da;
    float dc[slice_rows<K>][FewDeal<K>::units];
    TraceInShared traces[items_ahead][FewDeal<K>::units];
    alignas(8) typename Meeting::State meeting;
    FewRows<slice_rows<K>> rows;
};

template <int K, Meet M> class BackwardBlock {
    using D = FewDeal<K>;
    static constexpr int sharing = 4 * D::lanes; // lanes of four units
    static constexpr int sources = K / sharing;  // units whose gates a lane multiplies
    using Slopes = CellSlopes<float>;

  public:
    __device__ BackwardBlock(const BackwardRun<float>& run, const Division& division,
                             const ExchangeMemory& memory, Shared<K, M>& shared)
        : run_(run), division_(division), shared_(shared), place_(division),
          unit_(place_), real_(unit_.of_all < run.hidden),
          da_(fastnotes::cuda::kept_shared_address(&shared.da[0][0][4 * source(0)])),
          meeting_(shared.da, shared.meeting, division, place_, memory) {}

    __device__ void operator()() {
        shared_.rows.read(place_, division_, run_.schedule, run_.time);
        load_weights();
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
        const SliceRows& rows = shared_.rows.of_slice;
        const index_t steps = rows.length[0]; // rows fall in length
        Ahead ahead(run_.schedule, rows, place_.rows, steps);
        for (unsigned i = 0; i < items_ahead; ++i) fetch_trace(ahead);
        RisingRows running(rows, place_.rows);
        index_t now = start_of(run_.schedule, steps - 1);
        index_t before = start_of(run_.schedule, steps - 2);
        unsigned slot = 0;
        for (index_t n = 0; n < steps; ++n) {
            const index_t t = steps - 1 - n, earlier = start_of(run_.schedule, t - 2);
            const int old = running.count(); // rows for which later steps have run
            running.go_to(t);
            const int active = running.count();
            meeting_.expect(n, active);
            for (int row = 0; row < active; ++row) {
                const Gates<float> da = update(n, row, slot, row >= old);
                meeting_.give(n, row, 4 * unit_.of_all, float4{da.i, da.f, da.g, da.o},
                              unit_.lane);
                if (row + 1 == active) meeting_.arrive(n);
                write(da, (now + shared_.rows.place[0][row]) * run_.hidden);
                fetch_trace(ahead);
                slot = (slot + 1) % items_ahead;
            }
            meeting_.wait(n, active);
            now = before;
            before = earlier;
        }
        for (int row = 0; row < place_.rows; ++row) finish(steps, row);
    }

    /// run_rows for a slice that runs alone: in fewer instructions, and the slopes of
    /// the next step are made while the gradients of this one are on their way.
    __device__ void run_row() {
        const index_t steps = shared_.rows.of_slice.length[0], batch = run_.batch;
        const index_t from_step = kept(trace_.step(batch));
        const index_t to_step = kept(batch * run_.hidden);
        const index_t before = unit_.lane == 2 ? 1 : 0; // the c that came in
        const index_t first = steps - 1 - before;
        const float* from =
            trace_.at(trace_.by_sequence != 0 ? first : first * batch, shared_.rows, 0);
        index_t to = ((steps - 1) * batch + shared_.rows.place[0][0]) * run_.hidden;
        constexpr index_t ahead = items_ahead - 1; // the slot fetched is not that read
        for (index_t n = 0; n < ahead; ++n) {
            fetch_trace(from, n, steps);
            from -= from_step;
        }
        wait_for_copies<ahead - 1>();
        Slopes slopes = make_slopes(0);
        float dc = later_or_zero(run_.dc_last, 0);
        for (index_t n = 0; n < steps; ++n) {
            meeting_.expect(n, 1);
            float dh = multiply(n, 0);
            if (n == 0) dh = later_or_zero(run_.dh_last, 0); // nothing was read yet
            const Gates<float> da = slopes.gradients(dh, dc);
            meeting_.give(n, 0, 4 * unit_.of_all, float4{da.i, da.f, da.g, da.o},
                          unit_.lane);
            meeting_.arrive(n);
            write(da, to);
            to -= to_step;
            fetch_trace(from, n + ahead, steps);
            from -= from_step;
            wait_for_copies<ahead - 1>();
            slopes = make_slopes(static_cast<unsigned>(n + 1) % items_ahead);
            meeting_.wait(n, 1);
        }
        if (unit_.lane == 0) shared_.dc[0][unit_.in_block] = dc;
        finish(steps, 0);
    }

    __device__ static index_t start_of(const DeviceSchedule& schedule, index_t t) {
        return t > 0 ? schedule.start[t] : 0;
    }

    /// The next item to fetch; the first packed rows of its step and of two before.
    struct Ahead {
        const DeviceSchedule& schedule;
        index_t t, first, before, earlier;
        RisingRows running;
        int row = 0;
        unsigned slot = 0;

        __device__ Ahead(const DeviceSchedule& of, const SliceRows& rows, int count,
                         index_t steps)
            : schedule(of), t(steps - 1), first(start_of(of, t)),
              before(start_of(of, t - 1)), earlier(start_of(of, t - 2)),
              running(rows, count) {
            running.go_to(t);
        }

        __device__ void advance() {
            slot = (slot + 1) % items_ahead;
            if (++row < running.count()) return;
            row = 0;
            first = before;
            before = earlier;
            --t;
            earlier = start_of(schedule, t - 2);
            running.go_to(t);
        }
    };

    __device__ static int source(int i) {
        return i * sharing + static_cast<int>(threadIdx.x) % sharing;
    }

    __device__ void load_weights() {
        const index_t first = unit_.of_all - static_cast<int>(threadIdx.x) % sharing /
                                                 D::lanes; // of the four
#pragma unroll
        for (int i = 0; i < sources; ++i) {
#pragma unroll
            for (int gate = 0; gate < 4; ++gate) {
                const index_t row = gate * run_.hidden + source(i);
#pragma unroll
                for (int column = 0; column < 4; ++column) {
                    const index_t k = first + column;
                    weight_[column][4 * i + gate] =
                        source(i) < run_.hidden && k < run_.hidden
                            ? run_.weight_hh[row * run_.hidden + k]
                            : 0.0f;
                }
            }
        }
    }

    /// The part of a unit's trace that this lane fetches.
    __device__ void choose_tracks() {
        trace_ = {run_.gates, 0};
        if (!real_) return;
        const index_t hidden = run_.hidden, unit = unit_.of_all;
        const float* const c = run_.c + run_.batch * hidden + unit;
        if (unit_.lane == 0) trace_ = {run_.gates + 4 * unit, 4 * hidden};
        if (unit_.lane == 1 || unit_.lane == 2) trace_ = {c, hidden};
        if (unit_.lane == 3) trace_ = {run_.dh + unit, hidden, 1};
    }

    __device__ void fetch_trace(Ahead& ahead) {
        if (ahead.t >= 0) {
            TraceInShared& to = shared_.traces[ahead.slot][unit_.in_block];
            index_t first = ahead.first;
            if (unit_.lane == 2) first = ahead.t == 0 ? -run_.batch : ahead.before;
            if (unit_.lane == 3) first = ahead.t;
            copy_trace(trace_.at(first, shared_.rows, ahead.row), to, real_);
            ahead.advance();
        }
        commit_copies();
    }
    __device__ void fetch_trace(const float* from, index_t n, index_t steps) {
        const unsigned slot = static_cast<unsigned>(n) % items_ahead;
        copy_trace(from, shared_.traces[slot][unit_.in_block], real_ && n < steps);
        commit_copies();
    }
    __device__ void copy_trace(const float* from, TraceInShared& to, bool real) {
        if (unit_.lane == 0) {
            copy_async<16>(&to.gates.i, from, real);
        } else if (unit_.lane < 4) {
            copy_async<4>(&to.c + (unit_.lane - 1), from, real);
        }
    }

    /// Of the trace in a slot, whose copies this thread has waited for.
    __device__ Slopes make_slopes(unsigned slot) const {
        __syncwarp(); // the copies of all lanes
        const TraceInShared& trace = shared_.traces[slot][unit_.in_block];
        return Slopes({trace.gates, trace.c, trace.c_before, trace.dh},
                      run_.tanh_candidate);
    }

    /// starts: the row has no later step.
    __device__ Gates<float> update(index_t n, int row, unsigned slot, bool starts) {
        wait_for_copies<items_ahead - 1>();
        const Slopes slopes = make_slopes(slot); // from here on dc has been written
        float dh = multiply(n, row), dc = shared_.dc[row][unit_.in_block];
        if (starts) { // what was read means nothing yet
            dh = later_or_zero(run_.dh_last, row);
            dc = later_or_zero(run_.dc_last, row);
        }
        const Gates<float> da = slopes.gradients(dh, dc);
        __syncwarp(); // all have read the trace, which is copied over next, and dc
        if (unit_.lane == 0) shared_.dc[row][unit_.in_block] = dc;
        return da;
    }

    /// The gradient of this unit's h of the step before.
    __device__ float multiply(index_t n, int row) const {
        constexpr unsigned row_bytes = 4 * K * sizeof(float);
        constexpr unsigned lane_bytes = sizeof(float4);
        const unsigned da =
            da_ + (static_cast<unsigned>(n % 2) * slice_rows<K> + row) * row_bytes;
        float sum[4] = {};
#pragma unroll
        for (int i = 0; i < sources; ++i) {
            const float4 value =
                fastnotes::cuda::load_shared(da + i * sharing * lane_bytes);
            add_products(sum, 4 * i, value.x);
            add_products(sum, 4 * i + 1, value.y);
            add_products(sum, 4 * i + 2, value.z);
            add_products(sum, 4 * i + 3, value.w);
        }
        return fold<4, sharing>(sum, static_cast<int>(threadIdx.x) % sharing);
    }

    __device__ void add_products(float (&sum)[4], int i, float da) const {
#pragma unroll
        for (int column = 0; column < 4; ++column) {
            sum[column] = fmaf(weight_[column][i], da, sum[column]);
        }
    }

    /// A gradient that came to the last step of a row.
    __device__ float later_or_zero(const float* gradient, int row) const {
        if (!real_) return 0.0f;
        return state_or_zero(gradient, shared_.rows.of_slice.order[row], run_.hidden,
                             unit_.of_all);
    }

    /// row: packed row times the hidden size.
    __device__ void write(const Gates<float>& da, index_t row) const {
        if (unit_.lane != 0 || !real_) return;
        reinterpret_cast<Gates<float>*>(run_.da)[row + unit_.of_all] = da;
    }

    /// Gradients of the initial states: what step 0 sent, or what came to an empty
    /// sequence.
    __device__ void finish(index_t steps, int row) const {
        const bool empty = shared_.rows.of_slice.length[row] == 0;
        const float sent = empty ? 0.0f : multiply(steps, row);
        if (unit_.lane != 0 || !real_) return;
        const index_t b = shared_.rows.of_slice.order[row];
        const index_t out = b * run_.hidden + unit_.of_all;
        run_.dh0[out] =
            empty ? state_or_zero(run_.dh_last, b, run_.hidden, unit_.of_all) : sent;
        run_.dc0[out] = empty
                            ? state_or_zero(run_.dc_last, b, run_.hidden, unit_.of_all)
                            : shared_.dc[row][unit_.in_block];
    }

    const BackwardRun<float>& run_;
    const Division& division_;
    Shared<K, M>& shared_;
    const BlockPlace place_;
    const OwnUnit<D> unit_;
    const bool real_;   // not beyond the hidden size
    const unsigned da_; // shared.da, at this lane's part of a row
    typename Shared<K, M>::Meeting meeting_;
    Track<const float> trace_;
    float weight_[4][4 * sources];
};

template <int K, Meet M>
__global__ void __launch_bounds__(on_chip_threads, FewDeal<K>::resident)
    backward_kernel(const __grid_constant__ BackwardRun<float> run,
                    const __grid_constant__ Division division,
                    const __grid_constant__ ExchangeMemory memory) {
    if constexpr (fastnotes::cuda::has_clusters || M != Meet::cluster) {
        extern __shared__ __align__(16) unsigned char bytes[];
        BackwardBlock<K, M>(run, division, memory,
                            *reinterpret_cast<Shared<K, M>*>(bytes))();
    }
}

template <int K, Meet M> OnChip describe() noexcept {
    return {M, FewDeal<K>::blocks, slice_rows<K>, sizeof(Shared<K, M>)};
}

} // namespace

Room backward_room_of_few(index_t hidden) noexcept {
    return with_few_units(hidden, [](auto depth) {
        constexpr int K = decltype(depth)::value;
        return find_best_room([](Meet wanted) {
            return with_meet<K>(wanted, [](auto meet) {
                constexpr Meet M = decltype(meet)::value;
                return find_room<&backward_kernel<K, M>>(describe<K, M>());
            });
        });
    });
}

Status backward_few(const BackwardRun<float>& run, const Room& room,
                    const ExchangeMemory& memory, Stream stream) noexcept {
    return with_few_units(run.hidden, [&](auto depth) {
        constexpr int K = decltype(depth)::value;
        return with_meet<K>(room.meet, [&](auto meet) {
            constexpr Meet M = decltype(meet)::value;
            return launch_slices(&backward_kernel<K, M>, describe<K, M>(), run, room,
                                 memory, stream);
        });
    });
}

index_t backward_exchange_of_few(index_t hidden, index_t batch,
                                 const Room& room) noexcept {
    return with_few_units(hidden, [&](auto depth) {
        return few_exchange_size(4 * decltype(depth)::value, batch, room);
    });
}

} // namespace fastnotes::recurrent::cuda::detail
