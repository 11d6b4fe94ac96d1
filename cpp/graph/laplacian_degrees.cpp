#include "graph/laplacian_degrees.hpp"

#include "common/parallel.hpp"
#include "graph/row_blocks.hpp"

#include <atomic>
#include <cmath>

namespace fastnotes::graph {
namespace {

double row_sum(const double* weights, index_t first, index_t last) noexcept {
    if (weights == nullptr) return static_cast<double>(last - first);
    double sum = 0.0;
    for (index_t e = first; e < last; ++e) sum += weights[e];
    return sum;
}

double stored_diagonal(const Csr& a, const double* weights, index_t i) noexcept {
    double sum = 0.0;
    for (index_t e = a.indptr[i]; e < a.indptr[i + 1]; ++e) {
        if (a.indices[e] == i) sum += weights == nullptr ? 1.0 : weights[e];
    }
    return sum;
}

/// The first entry in [first, last) that is no weight, or last.
index_t first_bad_weight(const double* weights, index_t first, index_t last) noexcept {
    while (first < last && weights[first] >= 0.0 && std::isfinite(weights[first])) {
        ++first;
    }
    return first;
}

bool in_range(double degree, double scale) noexcept {
    return std::isfinite(degree) && std::isfinite(scale);
}

} // namespace

WeightFault node_degrees(const Csr& a, const double* weights, bool inverse,
                         double* raised, double* degree, double* scale,
                         int n_threads) noexcept {
    const RowBlocks blocks(a);
    std::atomic<bool> faulty{false};
    parallel_blocks(blocks.count(), n_threads, [&](index_t block, int) {
        const auto [first, last] = blocks.rows(block);
        for (index_t i = first; i < last; ++i) {
            const index_t begin = a.indptr[i], end = a.indptr[i + 1];
            if (weights != nullptr && first_bad_weight(weights, begin, end) != end) {
                faulty.store(true, std::memory_order_relaxed);
            }
            double sum = row_sum(weights, begin, end);
            if (raised != nullptr) {
                raised[i] = std::fmax(0.0, 1.0 - stored_diagonal(a, weights, i));
                sum += raised[i];
            }
            degree[i] = sum;
            const double root = inverse ? sum : std::sqrt(sum);
            scale[i] = sum > 0.0 ? 1.0 / root : 0.0;
            if (!in_range(sum, scale[i])) faulty.store(true, std::memory_order_relaxed);
        }
    });
    if (!faulty.load()) return {WeightFault::Kind::none, 0};
    if (weights != nullptr) {
        const index_t bad = first_bad_weight(weights, 0, a.entries());
        if (bad != a.entries()) return {WeightFault::Kind::weight, bad};
    }
    index_t node = 0;
    while (in_range(degree[node], scale[node])) ++node;
    return {WeightFault::Kind::degree, node};
}

template <class T>
void normalized_values(const Csr& a, const double* weights, const double* row_scale,
                       const double* column_scale, T* values, int n_threads) noexcept {
    const RowBlocks blocks(a);
    parallel_blocks(blocks.count(), n_threads, [&](index_t block, int) {
        const auto [first, last] = blocks.rows(block);
        for (index_t i = first; i < last; ++i) {
            for (index_t e = a.indptr[i]; e < a.indptr[i + 1]; ++e) {
                double value = row_scale[i];
                if (weights != nullptr) value *= weights[e];
                if (column_scale != nullptr) value *= column_scale[a.indices[e]];
                values[e] = static_cast<T>(value);
            }
        }
    });
}

template void normalized_values(const Csr&, const double*, const double*, const double*,
                                float*, int) noexcept;
template void normalized_values(const Csr&, const double*, const double*, const double*,
                                double*, int) noexcept;

} // namespace fastnotes::graph
