#include "graph/laplacian_matmul.hpp"

#include "common/parallel.hpp"
#include "common/simd.hpp"
#include "graph/row_blocks.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <utility>

namespace fastnotes::graph {
namespace {

// A tile of columns is held in registers while a row's neighbours stream past.
constexpr int most_tile_vectors = 8;
constexpr int tile_vectors = std::min(256 / simd::native_bytes, most_tile_vectors);
template <class T> constexpr index_t tile_columns = tile_vectors * simd::lanes<T>;

constexpr index_t cache_line_bytes = 64;
constexpr index_t prefetch_distance = 20;      // entries; crosses row ends
constexpr index_t prefetch_from = 1 << 18;     // bytes of X: half an L2
constexpr index_t near_bytes = 1 << 18;        // of X between a row and its neighbour
constexpr index_t sampled_rows = 256;          // to tell near graphs from far ones
constexpr index_t sampled_entries = 8;         // of each
constexpr index_t stream_from = 24 << 20;      // bytes of Y: most of an L3
constexpr index_t pack_from = 32 << 20;        // bytes of X: beyond most L3
constexpr index_t pack_degree = 24;            // mean gathers of a row that pay for it
constexpr index_t pack_degree_straddling = 10; // the same, rows not on cache lines
constexpr index_t group_rows = 16;             // rows that take turns at the tiles
constexpr index_t products_per_thread = 1 << 17; // entries * F worth a thread

enum class Term { plain, scaled, weighted };

/// One tile of columns: everything multiply_rows needs.
template <class T> struct Tile {
    const GraphFactors<T>* op;
    const T* source; ///< gathered rows: X, or its packed tile
    index_t source_stride;
    const T* own; ///< X itself, for the diagonal
    T* out;
    index_t stride; ///< of X and Y
    index_t width;  ///< columns
    Epilogue<T> epilogue;
    bool has_epilogue;
    bool prefetch;
    bool stream;
};

template <class T, int N>
FASTNOTES_INLINE void stream_any(T* p, simd::Vec<T, N> v) noexcept {
    constexpr std::uintptr_t bytes = sizeof(v.raw);
    if (bytes <= 16 || reinterpret_cast<std::uintptr_t>(p) % bytes == 0) {
        simd::stream(p, v);
    } else if constexpr (bytes > 16) {
        stream_any(p, simd::low_half(v));
        stream_any(p + N / 2, simd::high_half(v));
    }
}

/// Rows [first, last) of one tile of V vectors; `partial`: the last one is not full.
template <class T, Term term, int V, bool partial>
void multiply_rows(const Tile<T>& tile, index_t first, index_t last) noexcept {
    using Vec = simd::Vec<T>;
    constexpr index_t L = Vec::size;
    const GraphFactors<T>& op = *tile.op;
    const std::int32_t* const indices = op.structure.indices;
    const index_t last_entry = op.structure.entries() - 1;
    const auto tail = static_cast<std::size_t>(tile.width - (V - 1) * L);
    const auto load = [&](const T* p, int v) {
        return partial && v == V - 1 ? simd::load_partial<Vec>(p + v * L, tail)
                                     : simd::load<Vec>(p + v * L);
    };
    const auto finish = [&](Vec y, index_t i, int v) {
        const Epilogue<T>& wanted = tile.epilogue;
        y *= Vec(wanted.factor);
        if (wanted.added != nullptr) {
            const Vec added = load(wanted.added + i * tile.stride, v);
            y = simd::fma(Vec(wanted.added_factor), added, y);
        }
        if (wanted.subtracted != nullptr) {
            y -= load(wanted.subtracted + i * tile.stride, v);
        }
        return y;
    };

    for (index_t i = first; i < last; ++i) {
        std::array<Vec, V> sum;
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) sum[v] = Vec(T(0));
        const index_t row_end = op.structure.indptr[i + 1];
        index_t e = op.structure.indptr[i];
        while (e < row_end) {
            const index_t end = std::min(e + run_entries, row_end);
            std::array<Vec, V> acc;
#pragma GCC unroll 8
            for (int v = 0; v < V; ++v) acc[v] = Vec(T(0));
            for (; e < end; ++e) {
                if (tile.prefetch) {
                    const index_t ahead =
                        indices[std::min(e + prefetch_distance, last_entry)];
                    const T* const next = tile.source + ahead * tile.source_stride;
#pragma GCC unroll 9
                    for (index_t c = 0; c < V * L; c += cache_line_bytes / sizeof(T)) {
                        simd::prefetch(next + c);
                    }
                    simd::prefetch(next + V * L - 1);
                }
                const index_t j = indices[e];
                const T* const x = tile.source + j * tile.source_stride;
#pragma GCC unroll 8
                for (int v = 0; v < V; ++v) {
                    if constexpr (term == Term::weighted) {
                        acc[v] = simd::fma(Vec(op.values[e]), load(x, v), acc[v]);
                    } else if constexpr (term == Term::scaled) {
                        acc[v] += Vec(op.column_scale[j]) * load(x, v);
                    } else {
                        acc[v] += load(x, v);
                    }
                }
            }
#pragma GCC unroll 8
            for (int v = 0; v < V; ++v) sum[v] += acc[v];
        }
        const T* const own = tile.own + i * tile.stride;
        T* const out = tile.out + i * tile.stride;
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) {
            if (op.row_scale != nullptr) sum[v] *= Vec(op.row_scale[i]);
            if (op.diagonal != nullptr) {
                sum[v] = simd::fma(Vec(op.diagonal[i]), load(own, v), sum[v]);
            }
            if (tile.has_epilogue) sum[v] = finish(sum[v], i, v);
            if (partial && v == V - 1) {
                simd::store_partial(out + v * L, sum[v], tail);
            } else if (tile.stream) {
                stream_any(out + v * L, sum[v]);
            } else {
                simd::store(out + v * L, sum[v]);
            }
        }
    }
    if (tile.stream) simd::stream_fence();
}

template <class T>
using RowsKernel = void (*)(const Tile<T>&, index_t, index_t) noexcept;

template <class T, Term term, int... V>
RowsKernel<T> kernel_for_width(index_t width, std::integer_sequence<int, V...>) {
    static constexpr std::array<RowsKernel<T>, sizeof...(V)> full{
        multiply_rows<T, term, V + 1, false>...};
    static constexpr std::array<RowsKernel<T>, sizeof...(V)> partial{
        multiply_rows<T, term, V + 1, true>...};
    const auto last = static_cast<std::size_t>((width - 1) / simd::lanes<T>);
    return width % simd::lanes<T> == 0 ? full[last] : partial[last];
}

template <class T> RowsKernel<T> choose_kernel(Term term, index_t width) {
    constexpr std::make_integer_sequence<int, tile_vectors> widths{};
    switch (term) {
    case Term::weighted:
        return kernel_for_width<T, Term::weighted>(width, widths);
    case Term::scaled:
        return kernel_for_width<T, Term::scaled>(width, widths);
    default:
        return kernel_for_width<T, Term::plain>(width, widths);
    }
}

/// packed[j] = column_scale_j * X[j, first .. first + width), a contiguous table.
template <class T>
void pack_tile(const T* column_scale, View2<const T> X, index_t first, index_t width,
               T* packed, int n_threads) noexcept {
    using Vec = simd::Vec<T>;
    parallel_for(X.rows, n_threads, [&](index_t j) {
        const T* const x = X.row(j) + first;
        T* const z = packed + j * width;
        const Vec scale(column_scale == nullptr ? T(1) : column_scale[j]);
        for (index_t c = 0; c < width; c += Vec::size) {
            const auto count = static_cast<std::size_t>(width - c);
            simd::store_partial(z + c, scale * simd::load_partial<Vec>(x + c, count),
                                count);
        }
    });
}

/// True if gathers mostly leave the neighbourhood that caches and the hardware's own
/// prefetching hold. Looks at some entries of evenly spaced rows.
bool gathers_far(const Csr& a, index_t row_bytes) noexcept {
    if (a.columns * row_bytes < prefetch_from) return false;
    const index_t step = std::max<index_t>(1, a.rows / sampled_rows);
    index_t far = 0, seen = 0;
    for (index_t i = 0; i < a.rows; i += step) {
        const index_t begin = a.indptr[i];
        const index_t end = std::min(a.indptr[i + 1], begin + sampled_entries);
        for (index_t e = begin; e < end; ++e) {
            far += std::abs(a.indices[e] - i) * row_bytes > near_bytes ? 1 : 0;
        }
        seen += end - begin;
    }
    return far > seen / 8;
}

/// The same for the columns from `first` on.
template <class T>
Epilogue<T> epilogue_at(const Epilogue<T>* whole, index_t first) noexcept {
    if (whole == nullptr) return {};
    Epilogue<T> part = *whole;
    if (part.added != nullptr) part.added += first;
    if (part.subtracted != nullptr) part.subtracted += first;
    return part;
}

/// Streaming must fill whole cache lines: rows in one sweep, or tiles made of lines.
/// Lines that an epilogue has just read are in the cache.
template <class T>
bool worth_streaming(View2<T> Y, bool one_sweep, const Epilogue<T>* epilogue) noexcept {
    if (epilogue != nullptr && epilogue->subtracted == Y.data) return false;
    const auto bytes = static_cast<index_t>(sizeof(T));
    const index_t unit = one_sweep ? 16 : cache_line_bytes;
    const auto address = static_cast<index_t>(reinterpret_cast<std::uintptr_t>(Y.data));
    return Y.size() * bytes >= stream_from && address % unit == 0 &&
           Y.columns * bytes % unit == 0;
}

} // namespace

template <class T>
index_t packed_tile_size(index_t columns, index_t n_features) noexcept {
    return columns * std::min(n_features, tile_columns<T>);
}

template <class T> bool worth_packing(const Csr& structure, View2<const T> X) noexcept {
    const auto bytes = static_cast<index_t>(sizeof(T));
    const auto address = static_cast<index_t>(reinterpret_cast<std::uintptr_t>(X.data));
    const bool aligned =
        address % cache_line_bytes == 0 && X.columns * bytes % cache_line_bytes == 0;
    const index_t degree = aligned ? pack_degree : pack_degree_straddling;
    return X.size() * bytes >= pack_from && structure.entries() >= degree * X.rows;
}

template <class T>
void laplacian_matmul(const GraphFactors<T>& op, View2<const T> X, View2<T> Y,
                      T* scratch, int n_threads, const Epilogue<T>* epilogue) noexcept {
    const index_t F = X.columns;
    if (F == 0 || Y.rows == 0) return;
    const RowBlocks blocks(op.structure);
    n_threads = worthwhile_threads((op.structure.entries() + op.structure.rows) * F,
                                   products_per_thread, n_threads);
    const bool prefetch =
        gathers_far(op.structure, F * static_cast<index_t>(sizeof(T)));
    const auto tile_at = [&](index_t first) {
        return Tile<T>{&op,
                       X.data + first,
                       F,
                       X.data + first,
                       Y.data + first,
                       F,
                       std::min(F - first, tile_columns<T>),
                       epilogue_at(epilogue, first),
                       epilogue != nullptr,
                       prefetch,
                       false};
    };
    const Term in_place = op.values != nullptr         ? Term::weighted
                          : op.column_scale != nullptr ? Term::scaled
                                                       : Term::plain;
    if (scratch == nullptr) {
        const bool stream = worth_streaming(Y, true, epilogue);
        parallel_blocks(blocks.count(), n_threads, [&](index_t block, int) {
            const auto [first, last] = blocks.rows(block);
            const index_t step = F <= tile_columns<T> ? last - first : group_rows;
            for (index_t i = first; i < last; i += step) {
                for (index_t c = 0; c < F; c += tile_columns<T>) {
                    Tile<T> tile = tile_at(c);
                    tile.stream = stream;
                    choose_kernel<T>(in_place, tile.width)(tile, i,
                                                           std::min(i + step, last));
                }
            }
        });
        return;
    }
    const Term packed = in_place == Term::scaled ? Term::plain : in_place;
    const bool stream = worth_streaming(Y, F <= tile_columns<T>, epilogue);
    for (index_t c = 0; c < F; c += tile_columns<T>) {
        Tile<T> tile = tile_at(c);
        pack_tile(op.column_scale, X, c, tile.width, scratch, n_threads);
        tile.source = scratch;
        tile.source_stride = tile.width;
        tile.stream = stream;
        const RowsKernel<T> kernel = choose_kernel<T>(packed, tile.width);
        parallel_blocks(blocks.count(), n_threads, [&](index_t block, int) {
            const auto [first, last] = blocks.rows(block);
            kernel(tile, first, last);
        });
    }
}

template index_t packed_tile_size<float>(index_t, index_t) noexcept;
template index_t packed_tile_size<double>(index_t, index_t) noexcept;
template bool worth_packing(const Csr&, View2<const float>) noexcept;
template bool worth_packing(const Csr&, View2<const double>) noexcept;
template void laplacian_matmul(const GraphFactors<float>&, View2<const float>,
                               View2<float>, float*, int,
                               const Epilogue<float>*) noexcept;
template void laplacian_matmul(const GraphFactors<double>&, View2<const double>,
                               View2<double>, double*, int,
                               const Epilogue<double>*) noexcept;

} // namespace fastnotes::graph
