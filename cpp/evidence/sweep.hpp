/// Runs the passes over all strips of an array, on one thread or several.
#pragma once

#include "evidence/passes.hpp"
#include "evidence/work.hpp"

namespace fastnotes::evidence {

/// From this size on, the second pass writes past the cache.
inline constexpr index_t streamed_bytes = index_t{1} << 24;

/// Sums the terms of every strip, calls finish(strip, place of its first output, size)
/// once for each, then emit(strip, tile, range of K) for ranges that cover K.
template <bool Squares, bool Factors, class T, class Finish, class Emit>
void sweep(const Tiling& tiling, const Terms<T>& terms, View1<unsigned char> scratch,
           Finish&& finish, Emit&& emit) noexcept {
    const auto reduce = [&](const Tiling::Strip& tile, index_t b, Strip<T>& strip) {
        const auto [first, last] = tiling.range(b);
        const index_t at = tiling.element(tile);
        if (tiling.by_rows) {
            strip.clear(tile.size);
            for (index_t i = 0; i < tile.size; ++i) {
                reduce_row<Squares, Factors>(terms, at + i * tiling.count + first,
                                             last - first, strip, i);
            }
        } else {
            reduce_columns<Squares, Factors>(terms, at + first * tiling.inner,
                                             tiling.inner, last - first, tile.size,
                                             strip);
        }
    };
    if (!tiling.split()) {
        parallel_blocks(tiling.n_strips, tiling.n_threads, [&](index_t s, int thread) {
            const auto tile = tiling.strip(s);
            Strip<T> total, part;
            reduce(tile, 0, total);
            for (index_t b = 1; b < tiling.n_blocks; ++b) {
                reduce(tile, b, part);
                total.merge(part, tile.size);
            }
            finish(total, tiling.output(tile), tile.size);
            const index_t start = tiling.start(thread);
            emit(total, tile, Tiling::Range{start, tiling.count});
            emit(total, tile, Tiling::Range{0, start});
        });
        return;
    }
    auto* const parts = reinterpret_cast<Strip<T>*>(scratch.data);
    const index_t n_parts = tiling.n_strips * tiling.n_blocks;
    parallel_region(tiling.n_threads, [&](const Team& team) {
        const auto mine = team.share(n_parts);
        for (index_t p = mine.first; p < mine.last; ++p) {
            reduce(tiling.strip(p / tiling.n_blocks), p % tiling.n_blocks, parts[p]);
        }
        team.barrier();
        const auto strips = team.share(tiling.n_strips);
        for (index_t s = strips.first; s < strips.last; ++s) {
            const auto tile = tiling.strip(s);
            Strip<T>& total = parts[s * tiling.n_blocks];
            for (index_t b = 1; b < tiling.n_blocks; ++b) {
                total.merge(parts[s * tiling.n_blocks + b], tile.size);
            }
            finish(total, tiling.output(tile), tile.size);
        }
        team.barrier();
        for (index_t p = mine.first; p < mine.last; ++p) {
            emit(parts[p / tiling.n_blocks * tiling.n_blocks],
                 tiling.strip(p / tiling.n_blocks), tiling.range(p % tiling.n_blocks));
        }
    });
}

/// The second pass over one block of a strip: out = map(x, largest, term).
template <class T, class Map>
FASTNOTES_INLINE void transform(const Tiling& tiling, const Tiling::Strip& tile,
                                Tiling::Range range, const Strip<T>& strip, const T* a,
                                T* out, Map&& map) noexcept {
    using V = simd::Vec<T>;
    const bool stream = tiling.outer * tiling.count * tiling.inner >=
                        streamed_bytes / static_cast<index_t>(sizeof(T));
    const index_t at = tiling.element(tile);
    if (tiling.by_rows) {
        for (index_t i = 0; i < tile.size; ++i) {
            const index_t row = at + i * tiling.count + range.first;
            const V largest(strip.largest[i]), term(strip.term[i]);
            transform_run(a + row, out + row, range.last - range.first, stream,
                          [&](V x, index_t) { return map(x, largest, term); });
        }
    } else {
        for (index_t k = range.first; k < range.last; ++k) {
            const index_t row = at + k * tiling.inner;
            const T* const next = a + row + (k + 1 < range.last ? tiling.inner : 0);
            transform_run(a + row, out + row, tile.size, stream, [&](V x, index_t c) {
                simd::prefetch(next + c);
                return map(x, simd::load<V>(strip.largest + c),
                           simd::load<V>(strip.term + c));
            });
        }
    }
    if (stream) simd::stream_fence();
}

/// exp(x - largest) / sum, the second pass of every kernel that returns weights. The
/// strip's terms are Totals::raised_scale.
template <class T>
void emit_weights(const Tiling& tiling, const Tiling::Strip& tile, Tiling::Range range,
                  const Strip<T>& strip, const T* a, T* out) noexcept {
    using V = simd::Vec<T>;
    if (strip.any_infinite(tile.size)) {
        transform(tiling, tile, range, strip, a, out, [](V x, V largest, V scale) {
            return simd::exp_raised<64>(shift(x, largest)) * scale;
        });
    } else {
        transform(tiling, tile, range, strip, a, out, [](V x, V largest, V scale) {
            return simd::exp_raised<64>(x - largest) * scale;
        });
    }
}

/// The tiling of one call.
template <class T> Tiling tile(View3<const T> a, const Work& work) noexcept {
    return {a.planes,       a.rows,         a.columns,
            work.last_axis, work.n_threads, Strip<T>::capacity};
}

/// Memory that a split sweep keeps its partial strips in.
template <class T> index_t partial_strips_size(const Tiling& tiling) noexcept {
    if (!tiling.split()) return 0;
    return tiling.n_strips * tiling.n_blocks * static_cast<index_t>(sizeof(Strip<T>));
}

} // namespace fastnotes::evidence
