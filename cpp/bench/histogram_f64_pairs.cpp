#include "bench/histogram_f64_pairs.hpp"

#include "common/parallel.hpp"
#include "common/simd.hpp"

#include <algorithm>

namespace fastnotes::bench {
namespace {

using Pair = simd::Vec<double, 2>;

constexpr index_t prefetch_rows = 16;

FASTNOTES_INLINE void add_row(const std::uint8_t* codes, Pair value, index_t n_columns,
                              double* sums) {
    for (index_t c = 0; c < n_columns; ++c) {
        double* const slot = sums + (c * 256 + codes[c]) * 2;
        simd::store(slot, simd::load<Pair>(slot) + value);
    }
}

} // namespace

void histogram_f64_pairs(View2<const std::uint8_t> bins, View1<const float> grad,
                         View1<const float> hess, View1<const std::int64_t> rows,
                         View3<double> out, double* partial, int n_threads) noexcept {
    const index_t n_used = rows.data == nullptr ? bins.rows : rows.size;
    parallel_region(n_threads, [&](const Team& team) {
        double* const sums =
            team.index == 0 ? out.data : partial + (team.index - 1) * out.size();
        std::fill_n(sums, out.size(), 0.0);
        const auto [first, last] = team.share(n_used);
        for (index_t i = first; i < last; ++i) {
            index_t row = i;
            if (rows.data != nullptr) {
                row = rows(i);
                const index_t ahead = rows(std::min(i + prefetch_rows, last - 1));
                simd::prefetch(bins.row(ahead));
                simd::prefetch(bins.row(ahead + 1) - 1); // often on the next line
                simd::prefetch(grad.data + ahead);
                simd::prefetch(hess.data + ahead);
            }
            const double pair[2] = {static_cast<double>(grad(row)),
                                    static_cast<double>(hess(row))};
            add_row(bins.row(row), simd::load<Pair>(pair), bins.columns, sums);
        }
        team.barrier();
        const auto [from, to] = team.share(out.size());
        for (int other = 1; other < team.size; ++other) {
            const double* const theirs = partial + (other - 1) * out.size();
            for (index_t i = from; i < to; ++i) out.data[i] += theirs[i];
        }
    });
}

} // namespace fastnotes::bench
