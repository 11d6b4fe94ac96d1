#include "graph/laplacian_matmul.hpp"

#include "graph/row_parts.cuh"

#include <algorithm>

namespace fastnotes::graph::cuda {
namespace {

constexpr int tile_bytes = 256;       // of a row's features, swept at a time
constexpr int in_flight = 8;          // gathers of a lane
constexpr int block_threads = 256;    // of the product and of packing
constexpr int combine_threads = 64;   // a feature each
constexpr int combine_in_flight = 16; // runs of a row
constexpr index_t pack_degree = 12;   // mean gathers of a row that pay for packing
constexpr index_t scratch_bytes = 192 << 20; // enough tiles at once; what a pool keeps

constexpr index_t most_row_bytes =
    std::numeric_limits<std::uint32_t>::max(); // of a row that is gathered in place

enum class Term { plain, scaled, weighted };

/// How a product is cut up. `tiles` of `width` features, `pass_tiles` at a time, each
/// row of a tile by `lanes` lanes with `vector` features each.
struct Plan {
    bool packed;
    int vector;
    index_t width;
    index_t tiles;
    index_t pass_tiles;

    index_t pass_width() const noexcept { return pass_tiles * width; }
};

template <class T> bool whole_vectors(View2<const T> X, View2<const T> Y) noexcept {
    return starts_on_vector(X.data) && starts_on_vector(Y.data) &&
           X.columns % vector_size<T> == 0;
}

/// Elements of scratch for one tile: its packed table and the sums of its runs.
index_t tile_scratch(const Plan& plan, const LongRows& long_rows,
                     index_t columns) noexcept {
    return plan.width * ((plan.packed ? columns : 0) + long_rows.runs);
}

template <class T>
Plan plan_of(const GraphFactors<T>& op, index_t entries, const LongRows& long_rows,
             View2<const T> X, View2<const T> Y) noexcept {
    const index_t F = X.columns;
    const bool whole = whole_vectors(X, Y);
    const bool pays = entries >= pack_degree * X.rows;
    const bool vast = F > most_row_bytes / static_cast<index_t>(sizeof(T));
    Plan plan{};
    plan.packed = vast || (pays && (op.column_scale != nullptr || (!whole && F > 1)));
    plan.vector = F > 1 && (plan.packed || whole) ? vector_size<T> : 1;
    constexpr index_t most = tile_bytes / static_cast<index_t>(sizeof(T));
    plan.tiles = ceil_div(F, plan.vector == 1 ? warp_size : most);
    plan.width = round_up(ceil_div(F, plan.tiles), plan.vector);
    const index_t bytes =
        tile_scratch(plan, long_rows, X.rows) * static_cast<index_t>(sizeof(T));
    const index_t fitting = bytes == 0 ? plan.tiles : scratch_bytes / bytes;
    plan.pass_tiles = std::clamp<index_t>(fitting, 1, plan.tiles);
    return plan;
}

/// One pass over all rows: what the kernels need.
template <class T> struct Pass {
    GraphFactors<T> op;
    LongRows long_rows;
    View2<const T> X;
    T* Y;
    const T* source;         ///< gathered features of the pass: X, or a packed table
    std::uint32_t row_bytes; ///< from one gathered row to the next
    index_t tile_stride;
    T* run_sums; ///< [runs, run_stride]
    index_t run_stride;
    index_t first_feature;
    index_t width; ///< of a tile
    bool whole;    ///< X and Y consist of whole vectors
};

/// Y_i from the sums over row i: N features from `feature` on, or what is left of them.
template <int N, class T>
__device__ void finish(const Pass<T>& pass, index_t row, index_t feature,
                       Features<T, N> sum) {
    const GraphFactors<T>& op = pass.op;
    const index_t place = row * pass.X.columns + feature;
    const index_t left = pass.X.columns - feature;
    const T scale = op.row_scale == nullptr ? T(1) : op.row_scale[row];
    T diagonal(0);
    Features<T, N> own{};
    if (op.diagonal != nullptr) {
        diagonal = op.diagonal[row];
        if constexpr (N == 1) {
            own.at[0] = pass.X.data[place];
        } else {
            own = load_any(pass.X.data + place, left, pass.whole);
        }
    }
#pragma unroll
    for (int k = 0; k < N; ++k) {
        if (op.row_scale != nullptr) sum.at[k] *= scale;
        if (op.diagonal != nullptr) sum.at[k] = fused(diagonal, own.at[k], sum.at[k]);
    }
    T* const y = pass.Y + place;
    if constexpr (N == vector_size<T>) {
        if (pass.whole) {
            __stcs(reinterpret_cast<Packed<T>*>(y), packed(sum));
            return;
        }
    }
#pragma unroll
    for (int k = 0; k < N; ++k) {
        if (k < left) __stcs(y + k, sum.at[k]);
    }
}

template <class T, int N>
__device__ void store_run(T* sums, const Features<T, N>& sum) {
    if constexpr (N == vector_size<T>) {
        *reinterpret_cast<Packed<T>*>(sums) = packed(sum);
    } else {
        sums[0] = sum.at[0];
    }
}

/// One multiply-add of 32 bits by 32, where 64-bit indices would take several.
template <class T>
__device__ const T* row_of(const char* source, std::int32_t j,
                           std::uint32_t row_bytes) {
    const auto offset =
        static_cast<std::uint64_t>(static_cast<std::uint32_t>(j)) * row_bytes;
    return reinterpret_cast<const T*>(source + offset);
}

/// `lanes` lanes sum one row part over one tile, N features a lane. Lanes hold the
/// part's indices in turn and hand them round; all parts of a warp take as many rounds
/// as the longest, so that it stays together. Where a part has no entry left its lanes
/// read row 0 and drop it: a load without a condition never waits for another.
template <class T, int N, int lanes, Term term>
__global__ void __launch_bounds__(block_threads)
    sum_parts(const Pass<T> pass, unsigned tile_blocks) {
    constexpr int held = lanes < in_flight ? in_flight / lanes : 1;
    constexpr int round = lanes * held;
    const index_t tile = blockIdx.x / tile_blocks;
    const index_t number =
        static_cast<index_t>(blockIdx.x % tile_blocks) * (block_threads / lanes) +
        static_cast<int>(threadIdx.x) / lanes;
    const int lane = static_cast<int>(threadIdx.x) % lanes;
    const RowPart part = row_part(pass.op.structure, pass.long_rows, number);
    const index_t offset = tile * pass.width + lane * N; // in the pass
    const index_t feature = pass.first_feature + offset;
    const bool active = lane * N < pass.width && feature < pass.X.columns;
    const std::int32_t* const indices = pass.op.structure.indices + part.first;
    const int own_place = active ? lane * N : 0; // idle lanes read with lane 0
    const auto* const source = reinterpret_cast<const char*>(
        pass.source + tile * pass.tile_stride + own_place);
    const std::uint32_t row_bytes = pass.row_bytes;

    int next[held] = {};
    T next_value[held] = {};
    const auto read_entries = [&](int begin) {
#pragma unroll
        for (int k = 0; k < held; ++k) {
            const int e = begin + k * lanes + lane;
            next[k] = e < part.count ? __ldcs(indices + e) : 0;
            if constexpr (term == Term::weighted) {
                const T* const values = pass.op.values + part.first;
                next_value[k] = e < part.count ? __ldcs(values + e) : T(0);
            }
        }
    };
    Features<T, N> sum{};
    const int longest =
        warp_reduce(part.count, [](int a, int b) { return a > b ? a : b; });
    read_entries(0);
    for (int begin = 0; begin < longest; begin += round) {
        int index[held];
        T value[held];
#pragma unroll
        for (int k = 0; k < held; ++k) {
            index[k] = next[k];
            value[k] = next_value[k];
            if constexpr (term == Term::scaled) {
                value[k] = __ldg(pass.op.column_scale + index[k]);
            }
        }
        read_entries(begin + round);
#pragma unroll
        for (int first = 0; first < round; first += in_flight) {
            if (begin + first >= longest) break;
            Features<T, N> x[in_flight];
            T factor[in_flight];
#pragma unroll
            for (int k = 0; k < in_flight; ++k) {
                const int e = first + k;
                const int j =
                    __shfl_sync(all_lanes, index[e / lanes], e % lanes, lanes);
                if constexpr (term != Term::plain) {
                    factor[k] =
                        __shfl_sync(all_lanes, value[e / lanes], e % lanes, lanes);
                }
                x[k] = load<N>(row_of<T>(source, j, row_bytes));
            }
#pragma unroll
            for (int k = 0; k < in_flight; ++k) {
                if (begin + first + k >= part.count) continue;
#pragma unroll
                for (int c = 0; c < N; ++c) {
                    if constexpr (term == Term::weighted) {
                        sum.at[c] = fused(factor[k], x[k].at[c], sum.at[c]);
                    } else if constexpr (term == Term::scaled) {
                        sum.at[c] += factor[k] * x[k].at[c];
                    } else {
                        sum.at[c] += x[k].at[c];
                    }
                }
            }
        }
    }
    if (!active || part.row < 0) return;
    if (part.is_run) {
        store_run(pass.run_sums + number * pass.run_stride + offset, sum);
        return;
    }
#pragma unroll
    for (int c = 0; c < N; ++c) sum.at[c] = T(0) + sum.at[c]; // -0 as on the CPU
    finish(pass, part.row, feature, sum);
}

/// Adds the runs of the long rows in order, one feature a thread.
template <class T>
__global__ void __launch_bounds__(combine_threads)
    combine_runs(const Pass<T> pass, index_t width, unsigned row_blocks) {
    const index_t owner = blockIdx.x / row_blocks;
    const index_t offset =
        static_cast<index_t>(blockIdx.x % row_blocks) * combine_threads + threadIdx.x;
    const index_t feature = pass.first_feature + offset;
    if (offset >= width || feature >= pass.X.columns) return;
    const index_t last = pass.long_rows.first_run[owner + 1];
    Features<T, 1> sum{};
    for (index_t run = pass.long_rows.first_run[owner]; run < last;
         run += combine_in_flight) {
        const T* const sums = pass.run_sums + run * pass.run_stride + offset;
        T part[combine_in_flight];
#pragma unroll
        for (int k = 0; k < combine_in_flight; ++k) {
            if (run + k < last) part[k] = __ldg(sums + k * pass.run_stride);
        }
#pragma unroll
        for (int k = 0; k < combine_in_flight; ++k) {
            if (run + k < last) sum.at[0] += part[k];
        }
    }
    finish(pass, pass.long_rows.rows[owner], feature, sum);
}

/// table[tile, j] = column_scale_j * X[j, features of the tile], then zeros.
template <class T, int N>
__global__ void __launch_bounds__(block_threads)
    pack(const Pass<T> pass, T* table, unsigned tile_blocks) {
    const index_t tile = blockIdx.x / tile_blocks;
    const index_t j =
        static_cast<index_t>(blockIdx.x % tile_blocks) * blockDim.y + threadIdx.y;
    const index_t within = static_cast<index_t>(threadIdx.x) * N;
    if (j >= pass.X.rows || within >= pass.width) return;
    const index_t feature = pass.first_feature + tile * pass.width + within;
    const index_t left = pass.X.columns - feature;
    const T* const x = pass.X.data + j * pass.X.columns + feature;
    Features<T, N> v{};
    if constexpr (N == 1) {
        v.at[0] = left > 0 ? *x : T(0);
    } else if (left > 0) {
        v = load_any(x, left, pass.whole);
    }
    if (pass.op.column_scale != nullptr) {
        const T scale = pass.op.column_scale[j];
#pragma unroll
        for (int k = 0; k < N; ++k) v.at[k] *= scale;
    }
    store_run(table + (tile * pass.X.rows + j) * pass.width + within, v);
}

template <class T, int N>
Status launch_pack(const Pass<T>& pass, index_t tiles, T* table, Stream stream) {
    if (pass.X.rows == 0) return {};
    unsigned lanes = 1;
    while (lanes * N < static_cast<unsigned>(pass.width)) lanes *= 2;
    const dim3 block(lanes, block_threads / lanes);
    const unsigned tile_blocks =
        grid_of(ceil_div(pass.X.rows, static_cast<index_t>(block.y)));
    const unsigned blocks = grid_of(tiles * static_cast<index_t>(tile_blocks));
    if (blocks == 0) return Status{cudaErrorInvalidConfiguration};
    pack<T, N><<<blocks, block, 0, stream>>>(pass, table, tile_blocks);
    return launched();
}

template <class T, int N, int lanes, Term term>
Status launch_sums(const Pass<T>& pass, index_t tiles, Stream stream) {
    // Single features have fewer choices: they are for odd shapes, not for speed.
    constexpr int most_lanes = N == 1 ? warp_size : tile_bytes / 16;
    if constexpr (lanes < most_lanes) {
        if (lanes * N < pass.width) {
            constexpr int more = N > 1 ? 2 * lanes : lanes == 1 ? 8 : warp_size;
            return launch_sums<T, N, more, term>(pass, tiles, stream);
        }
    }
    const index_t parts = count_parts(pass.op.structure, pass.long_rows);
    const unsigned tile_blocks = grid_of(ceil_div(parts, block_threads / lanes));
    const unsigned blocks = grid_of(tiles * static_cast<index_t>(tile_blocks));
    if (blocks == 0) return Status{cudaErrorInvalidConfiguration};
    sum_parts<T, N, lanes, term>
        <<<blocks, block_threads, 0, stream>>>(pass, tile_blocks);
    return launched();
}

template <class T, int N>
Status launch_sums(const Pass<T>& pass, bool packed, index_t tiles, Stream stream) {
    if (pass.op.values != nullptr) {
        return launch_sums<T, N, 1, Term::weighted>(pass, tiles, stream);
    }
    if (pass.op.column_scale != nullptr && !packed) {
        return launch_sums<T, N, 1, Term::scaled>(pass, tiles, stream);
    }
    return launch_sums<T, N, 1, Term::plain>(pass, tiles, stream);
}

template <class T>
Status launch_combine(const Pass<T>& pass, index_t tiles, Stream stream) {
    if (pass.long_rows.count == 0) return {};
    const index_t width = tiles * pass.width;
    const unsigned row_blocks = grid_of(ceil_div(width, combine_threads));
    const unsigned blocks =
        grid_of(pass.long_rows.count * static_cast<index_t>(row_blocks));
    if (blocks == 0) return Status{cudaErrorInvalidConfiguration};
    combine_runs<T><<<blocks, combine_threads, 0, stream>>>(pass, width, row_blocks);
    return launched();
}

template <class T, int N>
Status run_passes(const Plan& plan, Pass<T> pass, T* table, Stream stream) {
    for (index_t tile = 0; tile < plan.tiles; tile += plan.pass_tiles) {
        const index_t tiles = std::min(plan.pass_tiles, plan.tiles - tile);
        pass.first_feature = tile * plan.width;
        if (plan.packed) {
            const Status status = launch_pack<T, N>(pass, tiles, table, stream);
            if (!status.ok()) return status;
        } else {
            pass.source = pass.X.data + pass.first_feature;
        }
        Status status = launch_sums<T, N>(pass, plan.packed, tiles, stream);
        if (status.ok()) status = launch_combine(pass, tiles, stream);
        if (!status.ok()) return status;
    }
    return {};
}

} // namespace

template <class T>
index_t laplacian_matmul_scratch(const GraphFactors<T>& op, index_t entries,
                                 const LongRows& long_rows, View2<const T> X,
                                 View2<const T> Y) noexcept {
    if (X.columns == 0) return 0;
    const Plan plan = plan_of(op, entries, long_rows, X, Y);
    return plan.pass_tiles * tile_scratch(plan, long_rows, X.rows) *
           static_cast<index_t>(sizeof(T));
}

template <class T>
Status laplacian_matmul(const GraphFactors<T>& op, index_t entries,
                        const LongRows& long_rows, View2<const T> X, View2<T> Y,
                        void* scratch, Stream stream) noexcept {
    if (X.columns == 0 || Y.rows == 0) return {};
    const Plan plan = plan_of<T>(op, entries, long_rows, X, Y);
    T* const table = static_cast<T*>(scratch);
    const index_t table_size = plan.packed ? plan.pass_width() * X.rows : 0;
    const index_t row_bytes =
        (plan.packed ? plan.width : X.columns) * static_cast<index_t>(sizeof(T));
    const Pass<T> pass{op,
                       long_rows,
                       X,
                       Y.data,
                       table,
                       static_cast<std::uint32_t>(row_bytes),
                       plan.packed ? plan.width * X.rows : plan.width,
                       table + table_size,
                       plan.pass_width(),
                       0,
                       plan.width,
                       whole_vectors<T>(X, Y)};
    return plan.vector == 1 ? run_passes<T, 1>(plan, pass, table, stream)
                            : run_passes<T, vector_size<T>>(plan, pass, table, stream);
}

template index_t laplacian_matmul_scratch(const GraphFactors<float>&, index_t,
                                          const LongRows&, View2<const float>,
                                          View2<const float>) noexcept;
template index_t laplacian_matmul_scratch(const GraphFactors<double>&, index_t,
                                          const LongRows&, View2<const double>,
                                          View2<const double>) noexcept;
template Status laplacian_matmul(const GraphFactors<float>&, index_t, const LongRows&,
                                 View2<const float>, View2<float>, void*,
                                 Stream) noexcept;
template Status laplacian_matmul(const GraphFactors<double>&, index_t, const LongRows&,
                                 View2<const double>, View2<double>, void*,
                                 Stream) noexcept;

} // namespace fastnotes::graph::cuda
