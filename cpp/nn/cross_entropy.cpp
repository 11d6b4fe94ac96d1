#include "nn/cross_entropy.hpp"

#include "common/parallel.hpp"
#include "evidence/passes.hpp"
#include "evidence/totals.hpp"

namespace fastnotes::nn {
namespace {

/// Logits that feed one thread, and those of one block of rows: as many as stay in the
/// first-level cache between the passes.
constexpr index_t grain = 32768;
constexpr index_t block_values = 4096;
constexpr index_t most_rows = 64;

/// Rows [first, first + size) of a call.
template <class T> class RowBlock {
    using V = simd::Vec<T>;

  public:
    RowBlock(const CrossEntropy<T>& call, index_t first, index_t size)
        : call_(call), first_(first), size_(size) {}

    void operator()() noexcept {
        sums_.clear(size_);
        const evidence::Terms<T> terms{call_.logits.data, nullptr};
        const index_t count = call_.logits.columns;
        for (index_t i = 0; i < size_; ++i) {
            if (weight(i) == 0) continue;
            const index_t at = (first_ + i) * count;
            evidence::reduce_row<false, false>(terms, at, count, sums_, i);
        }
        for (index_t i = 0; i < size_; i += V::size) {
            const evidence::Totals<T> totals(sums_.load(i), true);
            simd::store(sums_.term + i, totals.scale());
            simd::store(log_sum_ + i, totals.log_sum());
        }
        for (index_t i = 0; i < size_; ++i) finish(i);
    }

  private:
    /// 0 for a row without loss.
    T weight(index_t i) const noexcept {
        if (call_.target(first_ + i) < 0) return 0;
        return call_.weight == nullptr ? T(1) : call_.weight[first_ + i];
    }

    void finish(index_t i) noexcept {
        const index_t row = first_ + i, count = call_.logits.columns;
        const T w = weight(i);
        const T* const logits = call_.logits.row(row);
        T* const gradient =
            call_.gradient == nullptr ? nullptr : call_.gradient + row * count;
        if (w == 0) {
            call_.loss(row) = 0;
            if (gradient != nullptr) std::fill_n(gradient, count, T(0));
            return;
        }
        const index_t target = static_cast<index_t>(call_.target(row));
        const T largest = sums_.largest[i], at_target = logits[target];
        const T below = at_target == largest ? T(0) : at_target - largest;
        call_.loss(row) = w * (log_sum_[i] - below);
        if (gradient == nullptr) return;
        const V anchor(largest), scale(w * sums_.term[i]);
        evidence::transform_run(logits, gradient, count, false, [&](V x, index_t) {
            return evidence::exp_from(x, anchor) * scale;
        });
        gradient[target] -= w;
    }

    const CrossEntropy<T>& call_;
    const index_t first_, size_;
    evidence::Strip<T> sums_;
    alignas(64) T log_sum_[most_rows + V::size];
};

} // namespace

template <class T>
void cross_entropy(const CrossEntropy<T>& call, int n_threads) noexcept {
    const index_t n = call.logits.rows, count = call.logits.columns;
    const index_t rows =
        std::clamp<index_t>(block_values / std::max<index_t>(count, 1), 1, most_rows);
    const int threads = worthwhile_threads(n * count, grain, n_threads);
    parallel_blocks(ceil_div(n, rows), threads, [&](index_t block, int) {
        const index_t first = block * rows;
        RowBlock<T>(call, first, std::min(rows, n - first))();
    });
}

template void cross_entropy(const CrossEntropy<float>&, int) noexcept;
template void cross_entropy(const CrossEntropy<double>&, int) noexcept;

} // namespace fastnotes::nn
