#include "boosting/leaf_quantiles.hpp"

#include "common/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>

namespace fastnotes::boosting {
namespace {

constexpr index_t block_rows = index_t{1} << 16;
constexpr index_t grain = 1 << 14;

struct Weighted {
    double value, weight;

    friend bool operator<(Weighted a, Weighted b) { return a.value < b.value; }
};

double value_of(double item) { return item; }
double value_of(Weighted item) { return item.value; }

void put(double& item, double value, double) { item = value; }
void put(Weighted& item, double value, double weight) { item = {value, weight}; }

template <class Item> double mean_of(Item a, Item b) {
    return 0.5 * value_of(a) + 0.5 * value_of(b);
}

double quantile(double* items, index_t n, double alpha) noexcept {
    const double target = alpha * static_cast<double>(n);
    const auto high = std::min(static_cast<index_t>(target), n - 1);
    const auto low = std::max(static_cast<index_t>(std::ceil(target)) - 1, index_t{0});
    std::nth_element(items, items + low, items + n);
    if (high <= low) return items[low];
    return mean_of(items[low], *std::min_element(items + high, items + n));
}

double quantile(Weighted* items, index_t n, double alpha) noexcept {
    double total = 0.0;
    for (index_t i = 0; i < n; ++i) total += items[i].weight;
    const double target = alpha * total;
    // The item that reaches the target is in [first, last); `below` lies before first.
    index_t first = 0, last = n;
    double below = 0.0;
    while (last - first > 1) {
        const index_t middle = first + (last - first) / 2;
        std::nth_element(items + first, items + middle, items + last);
        double sum = below;
        for (index_t i = first; i < middle; ++i) sum += items[i].weight;
        if (sum >= target) {
            last = middle;
        } else {
            first = middle;
            below = sum;
        }
    }
    const Weighted low = items[first];
    if (below + low.weight != target || last == n) return low.value;
    return mean_of(low, *std::min_element(items + last, items + n));
}

/// Rows sorted by leaf, those of a leaf in their order: count, then place.
template <class Y, class Item> class Sorter {
  public:
    Sorter(const Residuals<Y>& in, index_t n_leaves, index_t* counts, Item* items)
        : in_(in), n_leaves_(n_leaves), counts_(counts), items_(items),
          n_(in.rows.data == nullptr ? in.y.size : in.rows.size) {}

    QuantileStatus sort(int n_threads) noexcept {
        const int threads = worthwhile_threads(n_, grain, n_threads);
        const index_t n_blocks = ceil_div(n_, block_rows);
        parallel_for(n_blocks, threads, [&](index_t block) { count(block); });
        if (status_ != QuantileStatus::ok) return status_;
        add_up(n_blocks);
        parallel_for(n_blocks, threads, [&](index_t block) { place(block); });
        return QuantileStatus::ok;
    }

    /// Items [begin(leaf), begin(leaf + 1)) once they are sorted: then a leaf's last
    /// block has moved on to where the next leaf begins.
    index_t end(index_t leaf) const noexcept {
        return counts_[(ceil_div(n_, block_rows) - 1) * n_leaves_ + leaf];
    }

  private:
    index_t row(index_t i) const noexcept {
        return in_.rows.data == nullptr ? i : in_.rows(i);
    }
    index_t leaf(index_t row) const noexcept {
        return in_.leaf_of_row.data == nullptr ? 0 : in_.leaf_of_row(row);
    }
    double weight(index_t row) const noexcept {
        return in_.weight.data == nullptr ? 1.0 : static_cast<double>(in_.weight(row));
    }
    double residual(index_t row) const noexcept {
        const double margin = in_.margins.data == nullptr ? 0.0 : in_.margins(row);
        return static_cast<double>(in_.y(row)) - margin;
    }

    template <class F> void each(index_t block, F&& f) const noexcept {
        const index_t last = std::min(n_, (block + 1) * block_rows);
        for (index_t i = block * block_rows; i < last; ++i) f(row(i));
    }

    void count(index_t block) noexcept {
        index_t* const counts = counts_ + block * n_leaves_;
        std::fill_n(counts, n_leaves_, index_t{0});
        auto status = QuantileStatus::ok;
        each(block, [&](index_t row) {
            if (row < 0 || row >= in_.y.size) {
                status = QuantileStatus::row_out_of_range;
            } else if (leaf(row) >= n_leaves_) {
                status = QuantileStatus::leaf_out_of_range;
            } else if (leaf(row) >= 0 && weight(row) > 0.0) {
                if (!std::isfinite(residual(row))) status = QuantileStatus::not_finite;
                ++counts[leaf(row)];
            }
        });
        if (status != QuantileStatus::ok) status_ = status;
    }

    void add_up(index_t n_blocks) noexcept {
        index_t total = 0;
        for (index_t l = 0; l < n_leaves_; ++l) {
            for (index_t block = 0; block < n_blocks; ++block) {
                index_t& count = counts_[block * n_leaves_ + l];
                const index_t begin = total;
                total += count;
                count = begin;
            }
        }
    }

    void place(index_t block) noexcept {
        index_t* const next = counts_ + block * n_leaves_;
        each(block, [&](index_t row) {
            const index_t l = leaf(row);
            const double w = weight(row);
            if (l >= 0 && w > 0.0) put(items_[next[l]++], residual(row), w);
        });
    }

    const Residuals<Y>& in_;
    index_t n_leaves_;
    index_t* counts_;
    Item* items_;
    index_t n_;
    std::atomic<QuantileStatus> status_{QuantileStatus::ok};
};

template <class Item, class Y>
QuantileStatus run(const Residuals<Y>& in, double alpha, View1<double> values,
                   index_t* counts, Item* items, int n_threads) noexcept {
    const index_t n = in.rows.data == nullptr ? in.y.size : in.rows.size;
    if (n == 0) return QuantileStatus::ok;
    Sorter<Y, Item> sorter(in, values.size, counts, items);
    const auto status = sorter.sort(n_threads);
    if (status != QuantileStatus::ok) return status;
    const int threads = worthwhile_threads(n, grain, n_threads);
    parallel_blocks(values.size, threads, [&](index_t l, int) {
        const index_t begin = l == 0 ? 0 : sorter.end(l - 1), end = sorter.end(l);
        if (begin < end) values(l) = quantile(items + begin, end - begin, alpha);
    });
    return QuantileStatus::ok;
}

} // namespace

template <class Y>
QuantileScratch leaf_quantile_scratch(const Residuals<Y>& in,
                                      index_t n_leaves) noexcept {
    const index_t n = in.rows.data == nullptr ? in.y.size : in.rows.size;
    return {ceil_div(n, block_rows) * n_leaves, in.weight.data == nullptr ? n : 2 * n};
}

template <class Y>
QuantileStatus leaf_quantiles(const Residuals<Y>& in, double alpha,
                              View1<double> values, index_t* counts, double* items,
                              int n_threads) noexcept {
    if (in.weight.data == nullptr) {
        return run(in, alpha, values, counts, items, n_threads);
    }
    auto* const weighted = reinterpret_cast<Weighted*>(items);
    return run(in, alpha, values, counts, weighted, n_threads);
}

#define FASTNOTES_INSTANTIATE(Y)                                                       \
    template QuantileScratch leaf_quantile_scratch<Y>(const Residuals<Y>&,             \
                                                      index_t) noexcept;               \
    template QuantileStatus leaf_quantiles<Y>(                                         \
        const Residuals<Y>&, double, View1<double>, index_t*, double*, int) noexcept;
FASTNOTES_INSTANTIATE(float)
FASTNOTES_INSTANTIATE(double)
#undef FASTNOTES_INSTANTIATE

} // namespace fastnotes::boosting
