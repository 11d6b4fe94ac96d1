/// Register tiles over slices in shared memory; the next slice waits in registers.
#include "common/cuda.cuh"
#include "nn/gemm_device.hpp"

#include <algorithm>

namespace fastnotes::nn::cuda {
namespace {

using fastnotes::cuda::launched;
using fastnotes::cuda::warp_size;

/// A block makes [M, N] of out from slices of K, a thread [RM, RN] of that.
template <class T_, int M_, int N_, int K_, int RM_, int RN_, int Resident_>
struct Shape {
    using T = T_;
    static constexpr int M = M_, N = N_, K = K_, RM = RM_, RN = RN_;
    static constexpr int resident = Resident_; // blocks on a multiprocessor
    static constexpr int width =
        16 / static_cast<int>(sizeof(T));                  // of a 16-byte access
    static constexpr int grid_m = M / RM, grid_n = N / RN; // threads
    static constexpr int threads = grid_m * grid_n;
    static_assert(RM % width == 0 && RN % width == 0);
    static_assert(grid_m % 4 == 0 && grid_n % 8 == 0, "a warp is 4 x 8 threads");
};
using LargeFloat = Shape<float, 128, 128, 8, 8, 8, 2>;
using MiddleFloat = Shape<float, 64, 64, 16, 4, 4, 3>;
using SmallFloat = Shape<float, 32, 32, 16, 4, 4, 6>;
using MiddleDouble = Shape<double, 64, 64, 16, 4, 4, 2>;
using SmallDouble = Shape<double, 32, 32, 16, 4, 4, 4>;

/// Blocks that fill a large device; a constant, so that splits depend on sizes alone.
constexpr index_t full_grid = 264;
/// The longest and the shortest chain of the form tn.
constexpr index_t longest_block = 2048, shortest_block = 128;

__device__ inline float fused(float a, float b, float c) { return fmaf(a, b, c); }
__device__ inline double fused(double a, double b, double c) { return fma(a, b, c); }

__device__ inline index_t stored_row(const Rows& rows, index_t i) {
    if (rows.index != nullptr) return static_cast<index_t>(rows.index[i]);
    if (rows.stripe > 0) return (i % 4) * rows.stripe + i / 4;
    return i;
}

template <class T, int Width> struct alignas(sizeof(T) * Width) Pack {
    T value[Width];
};

/// One operand's slices [K, Extent] on their way to shared memory. In global memory
/// either the depth runs along a stored row, or the extent does. `Ahead` finds the rows
/// of a slice one slice earlier, for those that an index names.
template <class S, int Extent, bool AlongDepth, bool Wide, bool Ahead> class Loader {
    using T = typename S::T;
    static constexpr int W = Wide ? S::width : 1;
    static constexpr int count = Extent * S::K / (S::threads * W);
    static constexpr int in_row = AlongDepth ? S::K / W : Extent / W;
    static_assert(count * S::threads * W == Extent * S::K);

  public:
    static constexpr int stride = Extent + S::width; // keeps 16 bytes, spreads banks

    __device__ Loader(const Operand<T>& operand, index_t first, index_t extent)
        : operand_(operand), first_(first), extent_(extent) {
        if constexpr (AlongDepth) {
#pragma unroll
            for (int i = 0; i < count; ++i) {
                const index_t row = first + outer(i);
                rows_[i] = row < extent ? operand.data + stored_row(operand.rows, row) *
                                                             operand.stride
                                        : nullptr;
            }
        }
    }

    /// Finds the stored rows of the slice at k0, so that `load` need not wait for them.
    __device__ void find_rows(index_t k0, index_t depth) {
        if constexpr (Ahead) {
#pragma unroll
            for (int i = 0; i < count; ++i) {
                const index_t k = k0 + outer(i);
                row_at_[i] = k < depth ? stored_row(operand_.rows, k) : 0;
            }
        }
    }

    /// Starts the loads of the slice at k0.
    __device__ void load(index_t k0, index_t depth) {
#pragma unroll
        for (int i = 0; i < count; ++i) {
            const T* from = nullptr;
            if constexpr (AlongDepth) {
                const index_t k = k0 + inner(i);
                if (k < depth && rows_[i] != nullptr) from = rows_[i] + k;
            } else {
                const index_t k = k0 + outer(i), column = first_ + inner(i);
                if (k < depth && column < extent_) {
                    const index_t row =
                        Ahead ? row_at_[i] : stored_row(operand_.rows, k);
                    from = operand_.data + row * operand_.stride + column;
                }
            }
            held_[i] = from != nullptr ? *reinterpret_cast<const Pack<T, W>*>(from)
                                       : Pack<T, W>{};
        }
        find_rows(k0 + S::K, depth);
    }

    __device__ void store(T* tile) const {
#pragma unroll
        for (int i = 0; i < count; ++i) {
            if constexpr (AlongDepth) {
#pragma unroll
                for (int w = 0; w < W; ++w) {
                    tile[(inner(i) + w) * stride + outer(i)] = held_[i].value[w];
                }
            } else {
                *reinterpret_cast<Pack<T, W>*>(tile + outer(i) * stride + inner(i)) =
                    held_[i];
            }
        }
    }

  private:
    __device__ static int element(int i) {
        return static_cast<int>(threadIdx.x) + i * S::threads;
    }
    __device__ static int inner(int i) { return element(i) % in_row * W; }
    __device__ static int outer(int i) { return element(i) / in_row; }

    const Operand<T>& operand_;
    index_t first_, extent_;
    const T* rows_[AlongDepth ? count : 1];
    index_t row_at_[Ahead ? count : 1];
    Pack<T, W> held_[count];
};

/// A thread's place: its elements are runs of `width`, a grid of threads apart.
template <class S> struct Place {
    int m, n;
    __device__ Place() {
        const int lane = static_cast<int>(threadIdx.x) % warp_size;
        const int warp = static_cast<int>(threadIdx.x) / warp_size;
        m = warp / (S::grid_n / 8) * 4 + lane / 8;
        n = warp % (S::grid_n / 8) * 8 + lane % 8;
    }
    __device__ int row(int i) const {
        return (i / S::width * S::grid_m + m) * S::width + i % S::width;
    }
    __device__ int column(int j) const {
        return (j / S::width * S::grid_n + n) * S::width + j % S::width;
    }
};

template <class T, int Count, int Width, int Grid>
__device__ inline void read_run(const T* row, int at, T (&to)[Count]) {
#pragma unroll
    for (int c = 0; c < Count / Width; ++c) {
        const auto run =
            *reinterpret_cast<const Pack<T, Width>*>(row + (c * Grid + at) * Width);
#pragma unroll
        for (int w = 0; w < Width; ++w) to[c * Width + w] = run.value[w];
    }
}

template <class S>
__device__ inline void multiply_slice(const typename S::T* a, int a_stride,
                                      const typename S::T* b, int b_stride,
                                      const Place<S>& place,
                                      typename S::T (&sum)[S::RM][S::RN]) {
    using T = typename S::T;
#pragma unroll
    for (int k = 0; k < S::K; ++k) {
        T left[S::RM], right[S::RN];
        read_run<T, S::RM, S::width, S::grid_m>(a + k * a_stride, place.m, left);
        read_run<T, S::RN, S::width, S::grid_n>(b + k * b_stride, place.n, right);
#pragma unroll
        for (int i = 0; i < S::RM; ++i) {
#pragma unroll
            for (int j = 0; j < S::RN; ++j) {
                sum[i][j] = fused(left[i], right[j], sum[i][j]);
            }
        }
    }
}

/// Writes a tile of out, or of one block's partial sums.
template <class S, bool Wide>
__device__ inline void write_tile(const Product<typename S::T>& product, index_t m0,
                                  index_t n0, const Place<S>& place,
                                  const typename S::T (&sum)[S::RM][S::RN]) {
    using T = typename S::T;
    constexpr int W = Wide ? S::width : 1;
#pragma unroll
    for (int i = 0; i < S::RM; ++i) {
        const index_t row = m0 + place.row(i);
        if (row >= product.rows) continue;
        T* const out =
            product.out + stored_row(product.out_rows, row) * product.out_stride;
#pragma unroll
        for (int j = 0; j < S::RN; j += W) {
            const index_t column = n0 + place.column(j);
            if (column >= product.columns) continue;
            Pack<T, W> value;
#pragma unroll
            for (int w = 0; w < W; ++w) {
                value.value[w] = sum[i][j + w];
                if (product.bias != nullptr) {
                    const index_t at = product.form == Form::nt
                                           ? stored_row(product.b.rows, column + w)
                                           : column + w;
                    value.value[w] += product.bias[at];
                }
                if (product.accumulate) value.value[w] += out[column + w];
            }
            *reinterpret_cast<Pack<T, W>*>(out + column) = value;
        }
    }
}

/// One tile of out; with several blocks in y, one block of the depth of it.
template <class S, Form F, bool Wide>
__global__ void __launch_bounds__(S::threads, S::resident)
    multiply_kernel(const __grid_constant__ Product<typename S::T> product,
                    const index_t block_depth) {
    using T = typename S::T;
    using LoaderA = Loader<S, S::M, F != Form::tn, Wide, F == Form::tn>;
    using LoaderB = Loader<S, S::N, F == Form::nt, Wide, F == Form::tn>;
    __shared__ __align__(16) T a[2][S::K * LoaderA::stride];
    __shared__ __align__(16) T b[2][S::K * LoaderB::stride];

    const index_t tiles_n = (product.columns + S::N - 1) / S::N;
    const index_t m0 = blockIdx.x / tiles_n * S::M, n0 = blockIdx.x % tiles_n * S::N;
    const index_t begin = static_cast<index_t>(blockIdx.y) * block_depth;
    const index_t end =
        begin + block_depth < product.depth ? begin + block_depth : product.depth;

    fastnotes::cuda::let_next_launch_begin();
    const Place<S> place;
    LoaderA load_a(product.a, m0, product.rows);
    LoaderB load_b(product.b, n0, product.columns);
    T sum[S::RM][S::RN] = {};
    if (begin < end) {
        load_a.find_rows(begin, end);
        load_b.find_rows(begin, end);
        load_a.load(begin, end);
        load_b.load(begin, end);
        load_a.store(a[0]);
        load_b.store(b[0]);
    }
    __syncthreads();
    int now = 0;
    for (index_t k = begin; k < end; k += S::K) {
        const bool more = k + S::K < end;
        if (more) {
            load_a.load(k + S::K, end);
            load_b.load(k + S::K, end);
        }
        multiply_slice<S>(a[now], LoaderA::stride, b[now], LoaderB::stride, place, sum);
        if (more) { // the other buffer: its readers passed the barrier before this
                    // slice
            load_a.store(a[1 - now]);
            load_b.store(b[1 - now]);
        }
        __syncthreads();
        now = 1 - now;
    }
    if constexpr (F == Form::tn) {
        Product<T> partial = product;
        partial.out +=
            static_cast<index_t>(blockIdx.y) * product.rows * product.columns;
        write_tile<S, Wide>(partial, m0, n0, place, sum);
    } else {
        write_tile<S, Wide>(product, m0, n0, place, sum);
    }
}

constexpr int sum_threads = 256;

/// out[rows(i)] = the partial sums of element i, added in ascending order.
template <class T>
__global__ void __launch_bounds__(sum_threads)
    add_blocks_kernel(const T* partial, index_t blocks, index_t rows, index_t columns,
                      T* out, index_t out_stride, Rows out_rows) {
    const index_t size = rows * columns;
    const index_t i = static_cast<index_t>(blockIdx.x) * sum_threads + threadIdx.x;
    if (i >= size) return;
    T total = partial[i];
    for (index_t block = 1; block < blocks; ++block) total += partial[block * size + i];
    out[stored_row(out_rows, i / columns) * out_stride + i % columns] = total;
}

template <class T>
__global__ void __launch_bounds__(sum_threads)
    column_sums_kernel(const T* a, index_t depth, index_t columns, index_t block_depth,
                       T* partial) {
    const index_t column = static_cast<index_t>(blockIdx.x) * sum_threads + threadIdx.x;
    if (column >= columns) return;
    const index_t begin = static_cast<index_t>(blockIdx.y) * block_depth;
    const index_t end = begin + block_depth < depth ? begin + block_depth : depth;
    T total = T(0);
#pragma unroll 8
    for (index_t k = begin; k < end; ++k) total += a[k * columns + column];
    partial[blockIdx.y * columns + column] = total;
}

struct Split {
    index_t blocks, depth; // depth of a block, a multiple of 64
};

Split split_of(index_t rows, index_t columns, index_t depth) noexcept {
    const index_t tiles =
        std::max<index_t>(1, ceil_div(rows, 128) * ceil_div(columns, 128));
    index_t blocks = std::max(full_grid / tiles, ceil_div(depth, longest_block));
    blocks = std::clamp<index_t>(blocks, 1,
                                 std::max<index_t>(1, ceil_div(depth, shortest_block)));
    // The grid's y dimension ends at 65535.
    blocks = std::min<index_t>(blocks, 65535);
    const index_t block_depth =
        std::max<index_t>(64, round_up(ceil_div(depth, blocks), 64));
    return {std::max<index_t>(1, ceil_div(depth, block_depth)), block_depth};
}

template <class T> bool aligned(const T* data, index_t stride) noexcept {
    return reinterpret_cast<std::uintptr_t>(data) % 16 == 0 &&
           stride % static_cast<index_t>(16 / sizeof(T)) == 0;
}

/// Whether every access may be one of 16 bytes.
template <class T> bool can_be_wide(const Product<T>& product) noexcept {
    constexpr index_t width = 16 / sizeof(T);
    const bool along = product.form == Form::tn ? product.rows % width == 0
                                                : product.depth % width == 0;
    const bool depth = product.form != Form::nt || product.depth % width == 0;
    return along && depth && product.columns % width == 0 &&
           aligned(product.a.data, product.a.stride) &&
           aligned(product.b.data, product.b.stride) &&
           aligned(product.out, product.out_stride);
}

template <class S, Form F, bool Wide>
Status launch(const Product<typename S::T>& product, const Split& split,
              Stream stream) noexcept {
    const index_t tiles =
        ceil_div(product.rows, S::M) * ceil_div(product.columns, S::N);
    if (tiles > 0x7FFFFFFF) return Status{cudaErrorInvalidValue};
    const dim3 grid(static_cast<unsigned>(tiles), static_cast<unsigned>(split.blocks));
    multiply_kernel<S, F, Wide><<<grid, S::threads, 0, stream>>>(product, split.depth);
    return launched();
}

/// The largest tile that still gives most multiprocessors one; the largest of all only
/// with 16-byte accesses, for its registers.
template <Form F>
Status launch_shape(const Product<float>& product, const Split& split,
                    Stream stream) noexcept {
    const auto fills = [&](index_t tile) {
        return ceil_div(product.rows, tile) * ceil_div(product.columns, tile) *
                   split.blocks >=
               full_grid / 3;
    };
    const bool wide = can_be_wide(product);
    if (wide && fills(LargeFloat::M)) {
        return launch<LargeFloat, F, true>(product, split, stream);
    }
    if (fills(MiddleFloat::M)) {
        return wide ? launch<MiddleFloat, F, true>(product, split, stream)
                    : launch<MiddleFloat, F, false>(product, split, stream);
    }
    return wide ? launch<SmallFloat, F, true>(product, split, stream)
                : launch<SmallFloat, F, false>(product, split, stream);
}

template <Form F>
Status launch_shape(const Product<double>& product, const Split& split,
                    Stream stream) noexcept {
    const index_t blocks =
        ceil_div(product.rows, 64) * ceil_div(product.columns, 64) * split.blocks;
    return blocks >= full_grid / 3
               ? launch<MiddleDouble, F, false>(product, split, stream)
               : launch<SmallDouble, F, false>(product, split, stream);
}

template <class T>
Status add_blocks(const T* partial, index_t blocks, index_t rows, index_t columns,
                  T* out, index_t out_stride, Rows out_rows, Stream stream) noexcept {
    const index_t grid = ceil_div(rows * columns, sum_threads);
    if (grid > 0x7FFFFFFF) return Status{cudaErrorInvalidValue};
    add_blocks_kernel<T><<<static_cast<unsigned>(grid), sum_threads, 0, stream>>>(
        partial, blocks, rows, columns, out, out_stride, out_rows);
    return launched();
}

} // namespace

index_t multiply_scratch(index_t rows, index_t columns, index_t depth) noexcept {
    return split_of(rows, columns, depth).blocks * rows * columns;
}

template <class T> Status multiply(const Product<T>& product, Stream stream) noexcept {
    if (product.rows == 0 || product.columns == 0) return {};
    const Split whole{1, std::max<index_t>(1, product.depth)};
    if (product.form == Form::nt) {
        return launch_shape<Form::nt>(product, whole, stream);
    }
    if (product.form == Form::nn) {
        return launch_shape<Form::nn>(product, whole, stream);
    }
    const Split split = split_of(product.rows, product.columns, product.depth);
    Product<T> partial = product;
    partial.out = product.scratch;
    partial.out_stride = product.columns;
    partial.out_rows = {};
    partial.bias = nullptr;
    partial.accumulate = false;
    const Status status = launch_shape<Form::tn>(partial, split, stream);
    if (!status.ok()) return status;
    return add_blocks(product.scratch, split.blocks, product.rows, product.columns,
                      product.out, product.out_stride, product.out_rows, stream);
}

template <class T>
Status column_sums(const T* a, index_t depth, index_t columns, T* out, Rows rows,
                   T* scratch, Stream stream) noexcept {
    if (columns == 0) return {};
    const Split split = split_of(1, columns, depth);
    const index_t grid_x = ceil_div(columns, sum_threads);
    if (grid_x > 0x7FFFFFFF) return Status{cudaErrorInvalidValue};
    const dim3 grid(static_cast<unsigned>(grid_x), static_cast<unsigned>(split.blocks));
    column_sums_kernel<T>
        <<<grid, sum_threads, 0, stream>>>(a, depth, columns, split.depth, scratch);
    const Status status = launched();
    if (!status.ok()) return status;
    return add_blocks(scratch, split.blocks, columns, index_t{1}, out, index_t{1}, rows,
                      stream);
}

#define FASTNOTES_INSTANTIATE(T)                                                       \
    template Status multiply<T>(const Product<T>&, Stream) noexcept;                   \
    template Status column_sums<T>(const T*, index_t, index_t, T*, Rows, T*,           \
                                   Stream) noexcept;
FASTNOTES_INSTANTIATE(float)
FASTNOTES_INSTANTIATE(double)
#undef FASTNOTES_INSTANTIATE

} // namespace fastnotes::nn::cuda
