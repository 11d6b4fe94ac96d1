#include "graph/from_edges.hpp"

#include "common/parallel.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

namespace fastnotes::graph {
namespace {

constexpr index_t bucket_entries = 1 << 14; // wanted: two copies fit an L2
constexpr index_t most_buckets = 1 << 10;   // as many pages are written at once
constexpr int most_digit_bits = 12;         // counters of a digit fit half an L1
constexpr index_t edges_per_thread = 1 << 14;
constexpr index_t short_list = 1 << 19; // entries
constexpr index_t few_nodes = 1 << 16;  // two counters for each fit an L2

template <class Count>
using Digits = std::array<Count, std::size_t{1} << most_digit_bits>;
/// Whether a node is out of range: negative ones are large without a sign.
template <class Index> bool is_outside(Index node, index_t n_nodes) noexcept {
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(node)) >=
           static_cast<std::uint64_t>(n_nodes);
}

template <class Index, class T>
EdgeFault::Kind fault_at(const EdgeList<Index, T>& edges, index_t e) noexcept {
    if (is_outside(edges.sources[e], edges.n_nodes)) return EdgeFault::Kind::source;
    if (is_outside(edges.targets[e], edges.n_nodes)) return EdgeFault::Kind::target;
    if (edges.weights != nullptr && !std::isfinite(edges.weights[e]))
        return EdgeFault::Kind::weight;
    return EdgeFault::Kind::none;
}

/// An edge the other way round.
template <class Entry> Entry reversed(Entry entry, const EdgeBuckets& b) noexcept {
    const std::uint64_t column = entry.key & ((std::uint64_t{1} << b.node_bits) - 1);
    entry.key = column << b.node_bits | entry.key >> b.node_bits;
    return entry;
}

/// Calls f with the entries that an edge stands for.
template <class Entry, class F>
void for_each_entry(const Entry& edge, const EdgeBuckets& b, bool both_ways,
                    F&& f) noexcept {
    f(edge);
    if (!both_ways) return;
    const Entry back = reversed(edge, b);
    if (back.key != edge.key) f(back);
}

index_t bucket_of(std::uint64_t key, const EdgeBuckets& b) noexcept {
    return static_cast<index_t>(key >> (b.node_bits + b.row_bits));
}

/// Copies edges [first, last) and counts their entries by bucket. False at a fault.
template <class Index, class T, class Entry>
bool read_edges(const EdgeList<Index, T>& edges, const EdgeBuckets& b, index_t first,
                index_t last, Entry* copied, std::int64_t* counts) noexcept {
    bool good = true;
    for (index_t e = first; e < last; ++e) {
        const Index source = edges.sources[e], target = edges.targets[e];
        bool fits =
            !is_outside(source, edges.n_nodes) && !is_outside(target, edges.n_nodes);
        Entry edge{};
        if constexpr (std::is_same_v<Entry, WeightedPlace>) {
            edge.weight = static_cast<double>(edges.weights[e]);
            fits = fits && std::isfinite(edge.weight);
        }
        good = good && fits;
        if (!fits) continue;
        edge.key = static_cast<std::uint64_t>(source) << b.node_bits |
                   static_cast<std::uint64_t>(target);
        copied[e] = edge;
        for_each_entry(edge, b, edges.both_ways,
                       [&](const Entry& entry) { ++counts[bucket_of(entry.key, b)]; });
    }
    return good;
}

/// The first fault in [first, last); `first` if the caller has mended it meanwhile.
template <class Index, class T>
index_t first_fault(const EdgeList<Index, T>& edges, index_t first,
                    index_t last) noexcept {
    for (index_t e = first; e < last; ++e) {
        if (fault_at(edges, e) != EdgeFault::Kind::none) return e;
    }
    return first;
}

/// What is known of a fault that read_edges has seen: the caller may have mended it.
template <class Index, class T>
EdgeFault described(const EdgeList<Index, T>& edges, index_t position) noexcept {
    const EdgeFault::Kind kind = fault_at(edges, position);
    return {kind == EdgeFault::Kind::none ? EdgeFault::Kind::source : kind, position};
}

/// The end of an entry that is at `node`, with the entry's weight if it has one.
template <class Half, class Entry>
Half end_of(const Entry& entry, std::uint64_t node) noexcept {
    Half half{};
    half.node = static_cast<std::int32_t>(node);
    if constexpr (std::is_same_v<Half, WeightedEnd>) half.weight = entry.weight;
    return half;
}

/// Merges equal ends, which lie side by side, and closes the gaps.
template <class Half>
void merge_rows(Half* ends, std::int64_t* indptr, index_t n) noexcept {
    index_t kept = 0;
    for (index_t row = 0; row < n; ++row) {
        const index_t begin = indptr[row], end = indptr[row + 1];
        const index_t first = indptr[row] = kept;
        for (index_t k = begin; k < end; ++k) {
            if (kept > first && ends[kept - 1].node == ends[k].node) {
                if constexpr (std::is_same_v<Half, WeightedEnd>) {
                    ends[kept - 1].weight += ends[k].weight;
                }
            } else {
                ends[kept++] = ends[k];
            }
        }
    }
    indptr[n] = kept;
}

/// Turns counts of each thread and bucket into where its entries go.
void add_up(std::int64_t* counts, int n_threads, index_t n_buckets,
            std::int64_t* starts) noexcept {
    std::int64_t total = 0;
    for (index_t bucket = 0; bucket < n_buckets; ++bucket) {
        starts[bucket] = total;
        for (int t = 0; t < n_threads; ++t) {
            total += std::exchange(counts[t * n_buckets + bucket], total);
        }
    }
    starts[n_buckets] = total;
}

/// A stable pass of the radix sort, by `width` bits from bit `first` on.
template <class Count, class Entry>
void sort_by_digit(const Entry* from, Entry* to, index_t n, int first,
                   int width) noexcept {
    const std::uint64_t mask = (std::uint64_t{1} << width) - 1;
    Digits<Count> next;
    std::fill_n(next.begin(), mask + 1, Count{0});
    for (index_t i = 0; i < n; ++i) ++next[(from[i].key >> first) & mask];
    Count total = 0;
    for (std::uint64_t d = 0; d <= mask; ++d) {
        total += std::exchange(next[d], total);
    }
    for (index_t i = 0; i < n; ++i) {
        to[next[(from[i].key >> first) & mask]++] = from[i];
    }
}

/// Sorts by the low `bits` of the keys; the result is in `a` or in `b`.
template <class Entry>
const Entry* sort_by_key(Entry* a, Entry* b, index_t n, int bits) noexcept {
    const auto before = [](const Entry& x, const Entry& y) { return x.key < y.key; };
    if (std::is_sorted(a, a + n, before)) return a;
    const int passes = (bits + most_digit_bits - 1) / most_digit_bits;
    for (int p = 0; p < passes; ++p) {
        const int first = bits * p / passes, last = bits * (p + 1) / passes;
        if (n <= std::numeric_limits<std::uint32_t>::max()) {
            sort_by_digit<std::uint32_t>(a, b, n, first, last - first);
        } else {
            sort_by_digit<index_t>(a, b, n, first, last - first);
        }
        std::swap(a, b);
    }
    return a;
}

/// Writes sorted entries to `out`, which may be where they are, one for each place.
template <class Entry>
index_t merge(const Entry* sorted, index_t n, Entry* out) noexcept {
    index_t kept = 0;
    for (index_t i = 0; i < n; ++i) {
        if (kept > 0 && out[kept - 1].key == sorted[i].key) {
            if constexpr (std::is_same_v<Entry, WeightedPlace>) {
                out[kept - 1].weight += sorted[i].weight;
            }
        } else {
            out[kept++] = sorted[i];
        }
    }
    return kept;
}

} // namespace

EdgeBuckets edge_buckets(index_t n_nodes, index_t most_entries) noexcept {
    const index_t wanted =
        std::clamp<index_t>(most_entries / bucket_entries, 1, most_buckets);
    const index_t last = std::max<index_t>(n_nodes - 1, 0);
    EdgeBuckets b{0, 0, 1};
    while (last >> b.node_bits > 0) ++b.node_bits;
    b.row_bits = b.node_bits;
    while (b.row_bits > 0 && (last >> (b.row_bits - 1)) < wanted) --b.row_bits;
    b.count = (last >> b.row_bits) + 1;
    return b;
}

template <class Index, class T, class Entry>
EdgeFault scatter_edges(const EdgeList<Index, T>& edges, const EdgeBuckets& buckets,
                        Entry* copied, Entry* entries, std::int64_t* starts,
                        std::int64_t* counters, int n_threads) noexcept {
    n_threads = worthwhile_threads(edges.size, edges_per_thread, n_threads);
    std::atomic<index_t> first_bad{edges.size};
    parallel_region(n_threads, [&](const Team& team) {
        const auto [first, last] = team.share(edges.size);
        std::int64_t* const next = counters + team.index * buckets.count;
        std::fill_n(next, buckets.count, 0);
        if (!read_edges(edges, buckets, first, last, copied, next)) {
            const index_t bad = first_fault(edges, first, last);
            index_t seen = first_bad.load();
            while (bad < seen && !first_bad.compare_exchange_weak(seen, bad)) {
            }
        }
        team.barrier();
        if (first_bad.load() < edges.size) return;
        if (team.index == 0) add_up(counters, team.size, buckets.count, starts);
        team.barrier();
        for (index_t e = first; e < last; ++e) {
            for_each_entry(copied[e], buckets, edges.both_ways,
                           [&](const Entry& entry) {
                               entries[next[bucket_of(entry.key, buckets)]++] = entry;
                           });
        }
    });
    const index_t bad = first_bad.load();
    if (bad == edges.size) return {EdgeFault::Kind::none, 0};
    return described(edges, bad);
}

template <class Entry>
void sort_buckets(const EdgeBuckets& buckets, Entry* entries,
                  const std::int64_t* starts, Entry* scratch, index_t largest,
                  std::int64_t* kept, int n_threads) noexcept {
    const int bits = buckets.node_bits + buckets.row_bits;
    parallel_blocks(buckets.count, n_threads, [&](index_t bucket, int thread) {
        Entry* const own = entries + starts[bucket];
        const index_t n = starts[bucket + 1] - starts[bucket];
        const Entry* const sorted =
            sort_by_key(own, scratch + thread * largest, n, bits);
        kept[bucket + 1] = merge(sorted, n, own);
    });
    kept[0] = 0;
    for (index_t bucket = 0; bucket < buckets.count; ++bucket) {
        kept[bucket + 1] += kept[bucket];
    }
}

template <class Entry, class T>
void write_rows(const EdgeBuckets& buckets, index_t n_nodes, const Entry* entries,
                const std::int64_t* starts, const std::int64_t* kept,
                std::int64_t* indptr, std::int32_t* indices, T* values,
                int n_threads) noexcept {
    const std::uint64_t column = (std::uint64_t{1} << buckets.node_bits) - 1;
    indptr[0] = 0;
    parallel_blocks(buckets.count, n_threads, [&](index_t bucket, int) {
        const index_t first = bucket << buckets.row_bits;
        const index_t last =
            std::min(first + (index_t{1} << buckets.row_bits), n_nodes);
        const Entry* entry = entries + starts[bucket];
        index_t slot = kept[bucket];
        const index_t end = kept[bucket + 1];
        for (index_t row = first; row < last; ++row) {
            while (slot < end &&
                   static_cast<index_t>(entry->key >> buckets.node_bits) == row) {
                indices[slot] = static_cast<std::int32_t>(entry->key & column);
                if constexpr (std::is_same_v<Entry, WeightedPlace>) {
                    values[slot] = static_cast<T>(entry->weight);
                } else {
                    values[slot] = T(1);
                }
                ++slot, ++entry;
            }
            indptr[row + 1] = slot;
        }
    });
}

bool is_short_list(index_t n_nodes, index_t most_entries) noexcept {
    return n_nodes <= few_nodes && most_entries <= short_list;
}

template <class Index, class T, class Entry, class Half>
EdgeFault sort_short_list(const EdgeList<Index, T>& edges, Entry* copied,
                          Half* by_column, Half* by_row, std::int64_t* indptr,
                          std::uint32_t* next) noexcept {
    const index_t n = edges.n_nodes;
    EdgeBuckets all = edge_buckets(n, 0);
    std::int64_t count = 0;
    if (!read_edges(edges, all, 0, edges.size, copied, &count)) {
        return described(edges, first_fault(edges, 0, edges.size));
    }
    const std::uint64_t mask = (std::uint64_t{1} << all.node_bits) - 1;
    const auto each = [&](auto&& f) {
        for (index_t e = 0; e < edges.size; ++e) {
            for_each_entry(copied[e], all, edges.both_ways, [&](const Entry& entry) {
                f(entry, entry.key >> all.node_bits, entry.key & mask);
            });
        }
    };
    std::uint32_t* const rows = next;
    std::uint32_t* const columns = next + n;
    std::fill_n(next, 2 * n, std::uint32_t{0});
    each([&](const Entry&, std::uint64_t row, std::uint64_t column) {
        ++rows[row];
        ++columns[column];
    });
    std::uint32_t before = 0, beside = 0;
    for (index_t i = 0; i < n; ++i) {
        indptr[i] = before;
        before += std::exchange(rows[i], before);
        beside += std::exchange(columns[i], beside);
    }
    indptr[n] = before;
    each([&](const Entry& entry, std::uint64_t row, std::uint64_t column) {
        by_column[columns[column]++] = end_of<Half>(entry, row);
    });
    std::uint32_t k = 0;
    for (index_t j = 0; j < n; ++j) { // columns[j] is now the end of column j
        for (; k < columns[j]; ++k) {
            const Half& half = by_column[k];
            by_row[rows[half.node]++] =
                end_of<Half>(half, static_cast<std::uint64_t>(j));
        }
    }
    merge_rows(by_row, indptr, n);
    return {EdgeFault::Kind::none, 0};
}

template <class Half, class T>
void write_ends(const Half* ends, index_t count, std::int32_t* indices,
                T* values) noexcept {
    for (index_t k = 0; k < count; ++k) {
        indices[k] = ends[k].node;
        if constexpr (std::is_same_v<Half, WeightedEnd>) {
            values[k] = static_cast<T>(ends[k].weight);
        } else {
            values[k] = T(1);
        }
    }
}

#define FASTNOTES_SCATTER(Index, T, Entry)                                             \
    template EdgeFault scatter_edges(const EdgeList<Index, T>&, const EdgeBuckets&,    \
                                     Entry*, Entry*, std::int64_t*, std::int64_t*,     \
                                     int) noexcept;
FASTNOTES_SCATTER(std::int32_t, double, Place)
FASTNOTES_SCATTER(std::int64_t, double, Place)
FASTNOTES_SCATTER(std::int32_t, float, WeightedPlace)
FASTNOTES_SCATTER(std::int64_t, float, WeightedPlace)
FASTNOTES_SCATTER(std::int32_t, double, WeightedPlace)
FASTNOTES_SCATTER(std::int64_t, double, WeightedPlace)
#undef FASTNOTES_SCATTER

#define FASTNOTES_SHORT(Index, T, Entry, Half)                                         \
    template EdgeFault sort_short_list(const EdgeList<Index, T>&, Entry*, Half*,       \
                                       Half*, std::int64_t*, std::uint32_t*) noexcept;
FASTNOTES_SHORT(std::int32_t, double, Place, End)
FASTNOTES_SHORT(std::int64_t, double, Place, End)
FASTNOTES_SHORT(std::int32_t, float, WeightedPlace, WeightedEnd)
FASTNOTES_SHORT(std::int64_t, float, WeightedPlace, WeightedEnd)
FASTNOTES_SHORT(std::int32_t, double, WeightedPlace, WeightedEnd)
FASTNOTES_SHORT(std::int64_t, double, WeightedPlace, WeightedEnd)
#undef FASTNOTES_SHORT

template void write_ends(const End*, index_t, std::int32_t*, double*) noexcept;
template void write_ends(const WeightedEnd*, index_t, std::int32_t*, float*) noexcept;
template void write_ends(const WeightedEnd*, index_t, std::int32_t*, double*) noexcept;

template void sort_buckets(const EdgeBuckets&, Place*, const std::int64_t*, Place*,
                           index_t, std::int64_t*, int) noexcept;
template void sort_buckets(const EdgeBuckets&, WeightedPlace*, const std::int64_t*,
                           WeightedPlace*, index_t, std::int64_t*, int) noexcept;
template void write_rows(const EdgeBuckets&, index_t, const Place*, const std::int64_t*,
                         const std::int64_t*, std::int64_t*, std::int32_t*, double*,
                         int) noexcept;
template void write_rows(const EdgeBuckets&, index_t, const WeightedPlace*,
                         const std::int64_t*, const std::int64_t*, std::int64_t*,
                         std::int32_t*, float*, int) noexcept;
template void write_rows(const EdgeBuckets&, index_t, const WeightedPlace*,
                         const std::int64_t*, const std::int64_t*, std::int64_t*,
                         std::int32_t*, double*, int) noexcept;

} // namespace fastnotes::graph
