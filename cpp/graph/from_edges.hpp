/// From a list of edges in any order to compressed sparse rows.
///
/// Short lists are sorted by sort_short_list. For others there are three steps, between
/// which the caller allocates what the next one needs: scatter_edges, sort_buckets,
/// write_rows. Rows are cut into buckets of 2^row_bits; an entry of the matrix travels
/// as its place and its weight into its row's bucket, where it is sorted while the
/// bucket is in the cache.
#pragma once

#include "common/view.hpp"

#include <cstdint>

namespace fastnotes::graph {

/// Edge e leads from sources[e] to targets[e].
template <class Index, class T> struct EdgeList {
    const Index* sources; ///< [size] int32|int64; any values
    const Index* targets; ///< [size] int32|int64; any values
    const T* weights;     ///< [size] or null: ones; any values
    index_t size;
    index_t n_nodes; ///< below 2^31
    bool both_ways;  ///< each edge is two entries, a self-loop one

    index_t most_entries() const noexcept { return both_ways ? 2 * size : size; }
};

/// Where an entry belongs: row * 2^node_bits + column.
struct Place {
    std::uint64_t key;
};
struct WeightedPlace {
    std::uint64_t key;
    double weight;
};

/// What is left of an entry once its row or column is known from where it lies.
struct End {
    std::int32_t node;
};
struct WeightedEnd {
    std::int32_t node;
    double weight;
};

/// Whether sort_short_list is the faster way: one thread, counters in the caches.
bool is_short_list(index_t n_nodes, index_t most_entries) noexcept;

/// How places are spread; depends on the sizes alone, never on threads.
struct EdgeBuckets {
    int node_bits; ///< of a column
    int row_bits;  ///< of a row within its bucket
    index_t count;
};

EdgeBuckets edge_buckets(index_t n_nodes, index_t most_entries) noexcept;

/// First edge with an end that is no node, or a weight that is not finite.
struct EdgeFault {
    enum class Kind { none, source, target, weight } kind;
    index_t position;
};

/// Checks edges and spreads their entries over the buckets, each in the list's order.
///
///   copied    [edges.size] Entry (Place if edges.weights is null, else WeightedPlace),
///             scratch
///   entries   [edges.most_entries()] Entry, out, overwritten
///   starts    [buckets.count + 1] int64, out, overwritten: of the buckets in `entries`
///   counters  [n_threads * buckets.count] int64, scratch
///
/// Each input value is trusted once it is read, and read for use once, so that a caller
/// changing it meanwhile cannot slip a bad one past the check. With a fault the outputs
/// are unspecified; it is the first by position whatever n_threads. O(edges + buckets *
/// n_threads).
template <class Index, class T, class Entry>
EdgeFault scatter_edges(const EdgeList<Index, T>& edges, const EdgeBuckets& buckets,
                        Entry* copied, Entry* entries, std::int64_t* starts,
                        std::int64_t* counters, int n_threads) noexcept;

/// Sorts every bucket by place and merges entries of one place at its front.
///
///   entries  [starts[buckets.count]] Entry, in-out
///   starts   [buckets.count + 1] int64, in: from scatter_edges
///   scratch  [n_threads * largest] Entry, scratch; `largest` entries of any bucket
///   kept     [buckets.count + 1] int64, out, overwritten: entries of all buckets
///            before this one that are left
///
/// Weights of one place are summed in f64 in the list's order; of plain places one is
/// kept. Radix sort by digits of at most 12 bits, stable, so no n_threads shows.
/// O(entries * digits).
template <class Entry>
void sort_buckets(const EdgeBuckets& buckets, Entry* entries,
                  const std::int64_t* starts, Entry* scratch, index_t largest,
                  std::int64_t* kept, int n_threads) noexcept;

/// The rows of sorted buckets.
///
///   indptr   [n_nodes + 1] int64, out, overwritten
///   indices  [kept[buckets.count]] int32, out, overwritten: strictly increasing
///            within each row
///   values   [kept[buckets.count]] T, out, overwritten: weights rounded once, or ones
template <class Entry, class T>
void write_rows(const EdgeBuckets& buckets, index_t n_nodes, const Entry* entries,
                const std::int64_t* starts, const std::int64_t* kept,
                std::int64_t* indptr, std::int32_t* indices, T* values,
                int n_threads) noexcept;

/// In place of all three steps, up to the output, for short lists.
///
///   copied     [edges.size] Entry, scratch
///   by_column  [edges.most_entries()] End, or WeightedEnd with weights, scratch
///   by_row     [edges.most_entries()] likewise, out: the columns of the rows, one
///   after
///              the other, strictly increasing within each
///   indptr     [n_nodes + 1] int64, out, overwritten
///   next       [2 * n_nodes] uint32, scratch
///
/// Two counting sorts, by column and then by row, both stable: the same entries, and
/// sums in the same order, as of the other way. Reading and faults as scatter_edges.
/// O(edges + nodes).
template <class Index, class T, class Entry, class Half>
EdgeFault sort_short_list(const EdgeList<Index, T>& edges, Entry* copied,
                          Half* by_column, Half* by_row, std::int64_t* indptr,
                          std::uint32_t* next) noexcept;

/// Columns and weights (rounded once), or ones, of sorted ends.
template <class Half, class T>
void write_ends(const Half* ends, index_t count, std::int32_t* indices,
                T* values) noexcept;

} // namespace fastnotes::graph
