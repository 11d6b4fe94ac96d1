#include "graph/laplacian_gradients.hpp"

#include "common/parallel.hpp"
#include "common/simd.hpp"
#include "graph/row_blocks.hpp"

namespace fastnotes::graph {
namespace {

constexpr index_t prefetch_distance = 12;        // entries
constexpr index_t prefetch_bytes = 256;          // of each row ahead
constexpr index_t products_per_thread = 1 << 17; // entries * F worth a thread

template <class T> double dot(const T* a, const T* b, index_t n) noexcept {
    using Vec = simd::Vec<T>;
    constexpr index_t L = Vec::size;
    Vec even(T(0)), odd(T(0));
    index_t c = 0;
    for (; c + 2 * L <= n; c += 2 * L) {
        even = simd::fma(simd::load<Vec>(a + c), simd::load<Vec>(b + c), even);
        odd = simd::fma(simd::load<Vec>(a + c + L), simd::load<Vec>(b + c + L), odd);
    }
    for (; c < n; c += L) {
        const auto count = static_cast<std::size_t>(n - c);
        even = simd::fma(simd::load_partial<Vec>(a + c, count),
                         simd::load_partial<Vec>(b + c, count), even);
    }
    return static_cast<double>(simd::reduce_add(even + odd));
}

template <class T> void prefetch_row(View2<const T> X, index_t j) noexcept {
    const T* const row = X.row(j);
    const auto bytes = static_cast<index_t>(sizeof(T)) * X.columns;
    for (index_t b = 0; b < std::min(bytes, prefetch_bytes); b += 64) {
        simd::prefetch(row + b / static_cast<index_t>(sizeof(T)));
    }
}

/// Gradient by degree i, given sum_e weights_e e_ij over the row.
template <class T>
double degree_gradient(const GraphNormalization& op, index_t i, double row_sum,
                       View2<const T> X, View2<const T> dY,
                       View2<const T> dX) noexcept {
    if (!(op.degree[i] > 0.0)) return 0.0;
    if (!op.symmetric) return -row_sum / op.degree[i];
    const index_t F = X.columns;
    const bool own = op.raised != nullptr || op.fixed != nullptr;
    const double dy_x = own ? dot(dY.row(i), X.row(i), F) : 0.0;
    double total = row_sum + dot(dX.row(i), X.row(i), F);
    if (op.raised != nullptr) {
        total += op.raised[i] * op.scale[i] * op.scale[i] * dy_x;
    }
    if (op.fixed != nullptr) total -= op.fixed[i] * dy_x;
    return -0.5 * total / op.degree[i];
}

} // namespace

template <class T>
void edge_weight_gradients(const GraphNormalization& op, View2<const T> X,
                           View2<const T> dY, View2<const T> dX, T* dweights,
                           int n_threads) noexcept {
    const Csr& a = op.structure;
    const RowBlocks blocks(a);
    const index_t last_entry = a.entries() - 1;
    n_threads = worthwhile_threads((a.entries() + a.rows) * (X.columns + 1),
                                   products_per_thread, n_threads);
    parallel_blocks(blocks.count(), n_threads, [&](index_t block, int) {
        const auto [first, last] = blocks.rows(block);
        for (index_t i = first; i < last; ++i) {
            const double row_factor = op.sign * op.scale[i];
            double row_sum = 0.0;
            for (index_t e = a.indptr[i]; e < a.indptr[i + 1]; ++e) {
                prefetch_row(X, a.indices[std::min(e + prefetch_distance, last_entry)]);
                const index_t j = a.indices[e];
                double direct = row_factor * dot(dY.row(i), X.row(j), X.columns);
                if (op.symmetric) direct *= op.scale[j];
                row_sum += op.weights == nullptr ? direct : op.weights[e] * direct;
                dweights[e] = static_cast<T>(direct);
            }
            const double by_degree = degree_gradient(op, i, row_sum, X, dY, dX);
            const bool was_raised = op.raised != nullptr && op.raised[i] > 0.0;
            for (index_t e = a.indptr[i]; e < a.indptr[i + 1]; ++e) {
                const auto direct = static_cast<double>(dweights[e]);
                const bool fixed = was_raised && a.indices[e] == i;
                dweights[e] = fixed ? T(0) : static_cast<T>(direct + by_degree);
            }
        }
    });
}

template void edge_weight_gradients(const GraphNormalization&, View2<const float>,
                                    View2<const float>, View2<const float>, float*,
                                    int) noexcept;
template void edge_weight_gradients(const GraphNormalization&, View2<const double>,
                                    View2<const double>, View2<const double>, double*,
                                    int) noexcept;

} // namespace fastnotes::graph
