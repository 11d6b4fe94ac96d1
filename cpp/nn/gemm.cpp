#include "nn/gemm.hpp"

#include "common/parallel.hpp"

namespace fastnotes::nn {
namespace {

/// Multiply-adds that keep one thread busy for some microseconds, the price of a
/// region.
constexpr index_t grain = 1 << 17;

int threads_for(index_t rows, index_t depth, index_t columns, int n_threads) {
    return worthwhile_threads(rows * depth * columns, grain, n_threads);
}

template <class T>
void pack_panels(Matrix<const T> b, Transpose transpose, index_t first, index_t last,
                 T* packed) {
    const bool transposed = transpose == Transpose::yes;
    const index_t depth = transposed ? b.columns : b.rows;
    const index_t columns = transposed ? b.rows : b.columns;
    for (index_t p = first; p < last; ++p) {
        const index_t column = p * panel_columns<T>;
        const index_t width = panel_width<T>(columns, p);
        T* to = packed + column * depth;
        if (transposed) {
            pack_panel_transposed(b.row(column), b.stride, depth, columns - column,
                                  width, to);
        } else {
            pack_panel(b.data + column, b.stride, depth, columns - column, width, to);
        }
    }
}

/// Whether all of op(B) is packed before the product. Not for one block of rows, nor
/// for weight gradients: each thread packs the panels as it meets them.
template <class T> bool packs_first(const Product<T>& product) {
    return product.transpose_b == Transpose::yes ||
           (product.transpose_a == Transpose::no && product.rows() > row_block);
}

/// Values that all threads pack together: op(B).
template <class T> index_t common_panels(const Product<T>& product) {
    if (!packs_first(product)) return 0;
    return round_up(packed_size<T>(product.depth(), product.columns()), 16);
}

/// Values that each thread packs for itself: a block of rows of A^T, a panel of B.
template <class T> index_t own_rows(const Product<T>& product) {
    if (product.transpose_a == Transpose::no) return 0;
    const index_t rows = std::min(TransposedRows<T>::block, product.rows());
    return round_up(rows * std::min(depth_block, product.depth()), 16);
}
template <class T> index_t own_panel(const Product<T>& product) {
    if (packs_first(product)) return 0;
    return panel_columns<T> * std::min(depth_block, product.depth());
}

} // namespace

template <class T>
void pack(Matrix<const T> b, Transpose transpose, T* packed, int n_threads) noexcept {
    if (b.rows == 0 || b.columns == 0) return; // the other extent may be astronomical
    const index_t columns = transpose == Transpose::yes ? b.rows : b.columns;
    const int threads = worthwhile_threads(b.rows * b.columns, grain, n_threads);
    parallel_region(threads, [&](const Team& team) {
        const auto [first, last] = team.share(panel_count<T>(columns));
        pack_panels(b, transpose, first, last, packed);
    });
}

template <class T>
void multiply_packed(Matrix<const T> a, const T* packed, Matrix<T> out, bool accumulate,
                     int n_threads) noexcept {
    if (out.rows == 0 || out.columns == 0) return;
    const PackedPanels<T> panels{packed, a.columns, out.columns};
    const int threads = threads_for(out.rows, a.columns, out.columns, n_threads);
    parallel_region(threads, [&](const Team& team) {
        const Part part =
            share_of_product<T>(out.rows, out.columns, team.index, team.size);
        multiply_part(PlainRows<T>{a}, panels, a.columns, out, part, accumulate,
                      Identity());
    });
}

template <class T> index_t multiply_scratch(const Product<T>& product, int n_threads) {
    const int threads =
        threads_for(product.rows(), product.depth(), product.columns(), n_threads);
    return common_panels(product) + threads * (own_rows(product) + own_panel(product));
}

template <class T>
void multiply(const Product<T>& product, Matrix<T> out, bool accumulate, T* scratch,
              int n_threads) noexcept {
    if (out.rows == 0 || out.columns == 0) return;
    const index_t depth = product.depth();
    const int threads = threads_for(out.rows, depth, out.columns, n_threads);
    parallel_region(threads, [&](const Team& team) {
        T* const own = scratch + common_panels(product) +
                       team.index * (own_rows(product) + own_panel(product));
        const Part part =
            share_of_product<T>(out.rows, out.columns, team.index, team.size);
        const auto run = [&](auto left, auto right) {
            multiply_part(left, right, depth, out, part, accumulate, Identity());
        };
        const bool transposed = product.transpose_a == Transpose::yes;
        const PlainRows<T> rows{product.a};
        const TransposedRows<T> rows_of_transpose{product.a, own};
        if (packs_first(product)) {
            const auto [first, last] = team.share(panel_count<T>(out.columns));
            pack_panels(product.b, product.transpose_b, first, last, scratch);
            team.barrier();
            const PackedPanels<T> panels{scratch, depth, out.columns};
            transposed ? run(rows_of_transpose, panels) : run(rows, panels);
        } else {
            const PlainPanels<T> panels{product.b, own + own_rows(product),
                                        out.rows >= PlainPanels<T>::many_rows};
            transposed ? run(rows_of_transpose, panels) : run(rows, panels);
        }
    });
}

#define FASTNOTES_INSTANTIATE(T)                                                       \
    template void pack<T>(Matrix<const T>, Transpose, T*, int) noexcept;               \
    template void multiply_packed<T>(Matrix<const T>, const T*, Matrix<T>, bool,       \
                                     int) noexcept;                                    \
    template index_t multiply_scratch<T>(const Product<T>&, int);                      \
    template void multiply<T>(const Product<T>&, Matrix<T>, bool, T*, int) noexcept;
FASTNOTES_INSTANTIATE(float)
FASTNOTES_INSTANTIATE(double)
#undef FASTNOTES_INSTANTIATE

} // namespace fastnotes::nn
