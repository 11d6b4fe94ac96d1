#include "evidence/psis.hpp"

#include "common/parallel.hpp"
#include "evidence/pareto_fit.hpp"

namespace fastnotes::evidence {

namespace {

using pareto::V;
using pareto::width;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// Columns taken together, so that whole cache lines are read and written.
constexpr index_t block_columns = 8;
constexpr index_t samples_per_thread = 1 << 11;
constexpr index_t smallest_tail = 5;
constexpr index_t sample_size = 256; // to choose a pivot from

struct Candidate {
    double value;
    index_t index;

    bool operator<(const Candidate& other) const noexcept {
        return value < other.value || (value == other.value && index < other.index);
    }
};

/// A thread's memory.
struct Scratch {
    double* columns;       // [block_columns, count]
    Candidate* candidates; // [count]
    double* tail;          // [tail], padded
    double* smoothed;      // [tail], padded
    double* grid;
    double* sample; // [sample_size]

    static index_t bytes(index_t count, index_t tail) noexcept {
        const auto candidate = static_cast<index_t>(sizeof(Candidate));
        return round_up(8 * doubles(count, tail) + candidate * count, 64);
    }
    Scratch(unsigned char* memory, index_t count, index_t tail_size) noexcept
        : columns(reinterpret_cast<double*>(memory)),
          candidates(reinterpret_cast<Candidate*>(columns + doubles(count, tail_size))),
          tail(columns + round_up(block_columns * count, width)),
          smoothed(tail + round_up(tail_size, width)),
          grid(smoothed + round_up(tail_size, width)),
          sample(grid + grid_doubles(tail_size)) {}

  private:
    static index_t grid_doubles(index_t tail) noexcept {
        return 2 * round_up(pareto::grid_size(tail), width);
    }
    static index_t doubles(index_t count, index_t tail) noexcept {
        return round_up(block_columns * count, width) + 2 * round_up(tail, width) +
               grid_doubles(tail) + sample_size;
    }
};

/// A value with probably somewhat more than `wanted` of x above it.
double pivot(const double* x, index_t count, index_t wanted, double* sample) noexcept {
    const index_t stride = ceil_div(count, sample_size), size = count / stride;
    const index_t rank = wanted * 5 / 4 * size / count + 8;
    if (rank >= size) return -infinity;
    for (index_t i = 0; i < size; ++i) sample[i] = x[i * stride];
    double* const at = sample + rank;
    std::nth_element(sample, at, sample + size,
                     [](double a, double b) { return a > b; });
    return *at;
}

/// The `wanted` largest of x at the end of candidates [0, returned), ascending.
index_t select_largest(const double* x, index_t count, index_t wanted,
                       const Scratch& scratch) noexcept {
    double limit = pivot(x, count, wanted, scratch.sample);
    for (;;) {
        index_t found = 0;
        for (index_t k = 0; k < count; ++k) { // without a branch
            scratch.candidates[found] = {x[k], k};
            found += static_cast<index_t>(x[k] >= limit);
        }
        if (found >= wanted) {
            std::sort(scratch.candidates, scratch.candidates + found);
            return found;
        }
        limit = -infinity;
    }
}

/// Replaces the tail of x, whose maximum is 0; returns the shape, inf if x is as it
/// was.
double smooth(double* x, index_t count, index_t tail, const Scratch& scratch) noexcept {
    if (tail < smallest_tail) return infinity;
    const index_t found = select_largest(x, count, tail + 1, scratch);
    const Candidate* const largest = scratch.candidates + (found - tail);
    if (!(largest[tail - 1].value - largest[0].value >=
          std::numeric_limits<double>::min())) {
        return infinity;
    }
    for (index_t i = 0; i < tail; ++i) scratch.tail[i] = largest[i].value;
    const double cutoff = simd::exp(V(largest[-1].value))[0];
    for (index_t i = 0; i < tail; i += width) {
        const auto left = static_cast<std::size_t>(tail - i);
        const V value = simd::load_partial<V>(scratch.tail + i, left);
        simd::store_partial(scratch.tail + i, simd::exp(value) - V(cutoff), left);
    }
    const auto quarter = static_cast<index_t>(static_cast<double>(tail) / 4 + 0.5) - 1;
    if (!(scratch.tail[quarter] > 0)) return infinity;
    const pareto::Fit fit = pareto::fit(scratch.tail, tail, scratch.grid);
    if (!std::isfinite(fit.shape) || !(fit.scale > 0)) return infinity;
    pareto::log_quantiles(fit, cutoff, scratch.smoothed, tail);
    for (index_t i = 0; i < tail; ++i) x[largest[i].index] = scratch.smoothed[i];
    return fit.shape;
}

/// Subtracts log sum exp; returns the effective sample size.
double normalise(double* x, index_t count) noexcept {
    V sum(0.0), squares(0.0);
    for (index_t k = 0; k < count; k += width) {
        const auto left = static_cast<std::size_t>(count - k);
        const V e = simd::exp(simd::load_partial<V>(x + k, left));
        const V inside = select(simd::first_lanes<V>(left), e, V(0.0));
        sum += inside;
        squares = fma(inside, inside, squares);
    }
    const double total = simd::reduce_add(sum), log_total = simd::log(V(total))[0];
    for (index_t k = 0; k < count; ++k) x[k] -= log_total;
    return total * total / simd::reduce_add(squares);
}

struct Answer {
    double shape, ess;
};

Answer solve(double* x, index_t count, index_t tail, const Scratch& scratch) noexcept {
    double largest = -infinity;
    bool has_nan = false;
    for (index_t k = 0; k < count; ++k) {
        has_nan |= x[k] != x[k];
        largest = x[k] > largest ? x[k] : largest;
    }
    if (has_nan) {
        std::fill_n(x, count, nan);
        return {nan, nan};
    }
    if (largest == -infinity) return {infinity, 0.0};
    if (largest == infinity) {
        for (index_t k = 0; k < count; ++k) x[k] = x[k] == infinity ? 0.0 : -infinity;
        return {infinity, normalise(x, count)};
    }
    for (index_t k = 0; k < count; ++k) x[k] -= largest;
    const double shape = smooth(x, count, tail, scratch);
    return {shape, normalise(x, count)};
}

/// Columns [first, first + size) of an (outer, K, inner) array, each contiguous in x.
struct Block {
    index_t offset[block_columns]; // of sample 0
    index_t size, stride, count;

    template <class T>
    Block(const View3<const T>& a, index_t first) noexcept
        : size(std::min(block_columns, a.planes * a.columns - first)),
          stride(a.columns), count(a.rows) {
        for (index_t c = 0; c < size; ++c) {
            const index_t plane = (first + c) / a.columns;
            offset[c] = plane * a.rows * a.columns + (first + c) % a.columns;
        }
    }
    /// f(place in the array, place in x) for every element, neighbours together.
    template <class F> void each(F&& f) const noexcept {
        if (stride == 1) {
            for (index_t c = 0; c < size; ++c) {
                for (index_t k = 0; k < count; ++k) f(offset[c] + k, c * count + k);
            }
            return;
        }
        for (index_t k = 0; k < count; ++k) {
            for (index_t c = 0; c < size; ++c) {
                f(offset[c] + k * stride, c * count + k);
            }
        }
    }
};

int useful_threads(index_t n_outputs, index_t count, int n_threads) noexcept {
    const index_t blocks = ceil_div(n_outputs, block_columns);
    return std::min(
        worthwhile_threads(n_outputs * count, samples_per_thread, n_threads),
        static_cast<int>(std::clamp<index_t>(blocks, 1, n_threads)));
}

} // namespace

index_t psis_scratch(index_t outer, index_t count, index_t inner, index_t tail,
                     int n_threads) noexcept {
    return useful_threads(outer * inner, count, n_threads) *
           Scratch::bytes(count, tail);
}

template <class T>
void psis(View3<const T> log_w, View3<T> log_weights, View2<T> pareto_k, View2<T> ess,
          index_t tail, View1<unsigned char> scratch, int n_threads) noexcept {
    const index_t count = log_w.rows, n_outputs = log_w.planes * log_w.columns;
    const int threads = useful_threads(n_outputs, count, n_threads);
    const index_t n_blocks = ceil_div(n_outputs, block_columns);
    parallel_blocks(n_blocks, threads, [&](index_t i, int thread) {
        const Scratch own(scratch.data + thread * Scratch::bytes(count, tail), count,
                          tail);
        const Block block(log_w, i * block_columns);
        block.each([&](index_t from, index_t to) {
            own.columns[to] = static_cast<double>(log_w.data[from]);
        });
        for (index_t c = 0; c < block.size; ++c) {
            const Answer answer = solve(own.columns + c * count, count, tail, own);
            pareto_k.data[i * block_columns + c] = static_cast<T>(answer.shape);
            ess.data[i * block_columns + c] = static_cast<T>(answer.ess);
        }
        block.each([&](index_t to, index_t from) {
            log_weights.data[to] = static_cast<T>(own.columns[from]);
        });
    });
}

template void psis<float>(View3<const float>, View3<float>, View2<float>, View2<float>,
                          index_t, View1<unsigned char>, int) noexcept;
template void psis<double>(View3<const double>, View3<double>, View2<double>,
                           View2<double>, index_t, View1<unsigned char>, int) noexcept;

} // namespace fastnotes::evidence
