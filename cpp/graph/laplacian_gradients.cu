#include "graph/laplacian_gradients.hpp"

#include "graph/row_parts.cuh"

namespace fastnotes::graph::cuda {
namespace {

constexpr int block_warps = 8;
constexpr int block_threads = block_warps * warp_size;

template <class T> struct Problem {
    GraphNormalization op;
    LongRows long_rows;
    const std::int64_t* order; ///< where entry e goes; null: to e
    View2<const T> X;
    View2<const T> dY;
    View2<const T> dX;
    T* dweights;
    double* run_sums;  ///< [runs]
    double* by_degree; ///< [long rows]

    __device__ T& gradient(index_t e) const {
        return dweights[order == nullptr ? e : order[e]];
    }
};

/// The warp's number in the grid.
__device__ inline index_t warp_number() {
    return static_cast<index_t>(blockIdx.x) * block_warps + threadIdx.x / warp_size;
}

__device__ inline int lane_number() {
    return static_cast<int>(threadIdx.x) % warp_size;
}

/// <a_i, b_k> for the `lanes` entries k of a group of as many lanes, a vector a lane in
/// turn; every lane gets all. Entries from `count` on are read at row 0, for nothing.
template <class T, int lanes, bool whole>
__device__ void dots(const Problem<T>& p, const T* a, int column, int count,
                     T (&dot)[lanes]) {
    constexpr int N = vector_size<T>;
    const int lane = lane_number() % lanes;
    const T* b[lanes];
#pragma unroll
    for (int k = 0; k < lanes; ++k) {
        const int j = __shfl_sync(all_lanes, column, k, lanes);
        b[k] = p.X.data + (k < count ? j : 0) * p.X.columns;
        dot[k] = T(0);
    }
#pragma unroll 1
    for (index_t c = static_cast<index_t>(lane) * N; c < p.X.columns; c += lanes * N) {
        const index_t left = p.X.columns - c;
        const Features<T, N> own = load_any(a + c, left, whole);
        Features<T, N> other[lanes];
#pragma unroll
        for (int k = 0; k < lanes; ++k) other[k] = load_any(b[k] + c, left, whole);
#pragma unroll
        for (int k = 0; k < lanes; ++k) {
#pragma unroll
            for (int v = 0; v < N; ++v) {
                dot[k] = fused(own.at[v], other[k].at[v], dot[k]);
            }
        }
    }
#pragma unroll
    for (int k = 0; k < lanes; ++k) {
#pragma unroll
        for (int step = lanes / 2; step > 0; step /= 2) {
            dot[k] += __shfl_xor_sync(all_lanes, dot[k], step);
        }
    }
}

/// <a, b> over the lanes of a warp; every lane gets it.
template <class T> __device__ double warp_dot(const T* a, const T* b, index_t n) {
    T sum(0);
    for (index_t c = lane_number(); c < n; c += warp_size) {
        sum = fused(__ldg(a + c), __ldg(b + c), sum);
    }
    return static_cast<double>(warp_reduce(sum, [](T x, T y) { return x + y; }));
}

/// Adds the first `count` lanes' values to `sum` in the order of the lanes.
__device__ inline double add_in_order(double sum, double value, int count) {
    for (int k = 0; k < count; ++k) sum += __shfl_sync(all_lanes, value, k);
    return sum;
}

/// Gradient by degree i, given sum_e weights_e e_ij over the row.
template <class T>
__device__ double degree_gradient(const Problem<T>& p, index_t i, double row_sum) {
    const GraphNormalization& op = p.op;
    if (!(op.degree[i] > 0.0)) return 0.0;
    if (!op.symmetric) return -row_sum / op.degree[i];
    const index_t F = p.X.columns;
    const T* const x = p.X.data + i * F;
    const bool own = op.raised != nullptr || op.fixed != nullptr;
    const double dy_x = own ? warp_dot(p.dY.data + i * F, x, F) : 0.0;
    double total = row_sum + warp_dot(p.dX.data + i * F, x, F);
    if (op.raised != nullptr) total += op.raised[i] * op.scale[i] * op.scale[i] * dy_x;
    if (op.fixed != nullptr) total -= op.fixed[i] * dy_x;
    return -0.5 * total / op.degree[i];
}

/// dweights of one part of row i, which holds e_ij, becomes the gradient. Each lane
/// reads what it wrote itself where that was in the same kernel.
template <class T>
__device__ void add_degree_gradient(const Problem<T>& p, const RowPart& part,
                                    double by_degree) {
    const bool was_raised = p.op.raised != nullptr && p.op.raised[part.row] > 0.0;
    for (int k = lane_number(); k < part.count; k += warp_size) {
        const index_t e = part.first + k;
        const bool fixed = was_raised && p.op.structure.indices[e] == part.row;
        T& gradient = p.gradient(e);
        const auto direct = static_cast<double>(gradient);
        gradient = fixed ? T(0) : static_cast<T>(direct + by_degree);
    }
}

/// e_ij and its weighted sum over one row part, a warp each; `lanes` lanes share the
/// dot products of as many entries, lane k of the warp keeps entry k of 32. `whole`:
/// the matrices consist of whole vectors.
template <class T, int lanes, bool whole>
__global__ void __launch_bounds__(block_threads) multiply_parts(const Problem<T> p) {
    const index_t number = warp_number();
    const RowPart part = row_part(p.op.structure, p.long_rows, number);
    if (part.row < 0) return;
    const index_t i = part.row;
    const T* const dy = p.dY.data + i * p.dY.columns;
    const double row_factor = p.op.sign * p.op.scale[i];
    const int lane = lane_number();
    double row_sum = 0.0;
    for (int begin = 0; begin < part.count; begin += warp_size) {
        const int count = min(warp_size, part.count - begin);
        const index_t e = part.first + begin + lane;
        const int j = lane < count ? p.op.structure.indices[e] : 0;
        const double column_factor = p.op.symmetric ? p.op.scale[j] : 1.0;
        const bool weighted = p.op.weights != nullptr && lane < count;
        const double weight = weighted ? p.op.weights[e] : 1.0;
        T dot[lanes];
        dots<T, lanes, whole>(p, dy, j, count - lane / lanes * lanes, dot);
        double direct = 0.0;
#pragma unroll
        for (int k = 0; k < lanes; ++k) {
            if (lane % lanes == k) direct = row_factor * static_cast<double>(dot[k]);
        }
        direct *= column_factor;
        row_sum = add_in_order(row_sum, weight * direct, count);
        if (lane < count) p.gradient(e) = static_cast<T>(direct);
    }
    if (part.is_run) {
        if (lane == 0) p.run_sums[number] = row_sum;
        return;
    }
    if (part.count > 0) add_degree_gradient(p, part, degree_gradient(p, i, row_sum));
}

/// The gradient by the degree of each long row, a warp each.
template <class T>
__global__ void __launch_bounds__(block_threads)
    differentiate_degrees(const Problem<T> p) {
    const index_t owner = warp_number();
    if (owner >= p.long_rows.count) return;
    const index_t last = p.long_rows.first_run[owner + 1];
    double row_sum = 0.0;
    for (index_t run = p.long_rows.first_run[owner]; run < last; run += warp_size) {
        const index_t left = last - run;
        const int count = left < warp_size ? static_cast<int>(left) : warp_size;
        const int lane = lane_number();
        row_sum =
            add_in_order(row_sum, lane < count ? p.run_sums[run + lane] : 0.0, count);
    }
    const double gradient = degree_gradient(p, p.long_rows.rows[owner], row_sum);
    if (lane_number() == 0) p.by_degree[owner] = gradient;
}

/// Finishes the runs of the long rows, a warp each.
template <class T>
__global__ void __launch_bounds__(block_threads) finish_runs(const Problem<T> p) {
    const index_t number = warp_number();
    if (number >= p.long_rows.runs) return;
    const RowPart part = row_part(p.op.structure, p.long_rows, number);
    add_degree_gradient(p, part, p.by_degree[p.long_rows.run_owner[number]]);
}

template <class T>
Status launch(void (*kernel)(Problem<T>), index_t warps, const Problem<T>& problem,
              Stream stream) {
    const unsigned blocks = grid_of(ceil_div(warps, block_warps));
    if (blocks == 0) return Status{cudaErrorInvalidConfiguration};
    kernel<<<blocks, block_threads, 0, stream>>>(problem);
    return launched();
}

/// Lanes enough for the features, so that few idle; as many gathers of each.
template <class T> auto choose_kernel(index_t n_features, bool whole) noexcept {
    if (n_features <= 4 * vector_size<T>) {
        return whole ? multiply_parts<T, 4, true> : multiply_parts<T, 4, false>;
    }
    return whole ? multiply_parts<T, 8, true> : multiply_parts<T, 8, false>;
}

} // namespace

index_t edge_weight_gradients_scratch(const LongRows& long_rows) noexcept {
    return (long_rows.runs + long_rows.count) * static_cast<index_t>(sizeof(double));
}

template <class T>
Status edge_weight_gradients(const GraphNormalization& op, const LongRows& long_rows,
                             const std::int64_t* order, View2<const T> X,
                             View2<const T> dY, View2<const T> dX, T* dweights,
                             void* scratch, Stream stream) noexcept {
    if (op.structure.rows == 0) return {};
    auto* const sums = static_cast<double*>(scratch);
    const bool whole = starts_on_vector(X.data) && starts_on_vector(dY.data) &&
                       X.columns % vector_size<T> == 0;
    const Problem<T> problem{
        op, long_rows, order, X, dY, dX, dweights, sums, sums + long_rows.runs};
    Status status = launch<T>(choose_kernel<T>(X.columns, whole),
                              count_parts(op.structure, long_rows), problem, stream);
    if (!status.ok() || long_rows.count == 0) return status;
    status = launch<T>(differentiate_degrees<T>, long_rows.count, problem, stream);
    if (!status.ok()) return status;
    return launch<T>(finish_runs<T>, long_rows.runs, problem, stream);
}

template Status edge_weight_gradients(const GraphNormalization&, const LongRows&,
                                      const std::int64_t*, View2<const float>,
                                      View2<const float>, View2<const float>, float*,
                                      void*, Stream) noexcept;
template Status edge_weight_gradients(const GraphNormalization&, const LongRows&,
                                      const std::int64_t*, View2<const double>,
                                      View2<const double>, View2<const double>, double*,
                                      void*, Stream) noexcept;

} // namespace fastnotes::graph::cuda
