/// fastnotes.graph: lists of edges to compressed sparse rows.
#include "bindings/arrays.hpp"
#include "bindings/rooms.hpp"
#include "common/aligned.hpp"
#include "graph/from_edges.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <type_traits>

namespace fastnotes {
namespace {

using graph::EdgeFault;
using graph::EdgeList;
using std::int32_t;
using std::int64_t;

constexpr const char* from_edges_name = "graph.from_edges";

template <class Index, class T>
[[noreturn]] void raise_fault(const EdgeFault& fault, const EdgeList<Index, T>& edges) {
    const index_t e = fault.position;
    const std::string at = std::to_string(e) + "]";
    if (fault.kind == EdgeFault::Kind::weight) {
        fail(from_edges_name, "finite weights",
             "weights[" + at + " = " + std::to_string(edges.weights[e]));
    }
    const bool target = fault.kind == EdgeFault::Kind::target;
    const auto node = static_cast<int64_t>((target ? edges.targets : edges.sources)[e]);
    fail(from_edges_name,
         "nodes from 0 to n_nodes - 1 = " + std::to_string(edges.n_nodes - 1),
         std::string("edges[") + (target ? "1" : "0") + ", " + at + " = " +
             std::to_string(node));
}

index_t largest_bucket(const AlignedBuffer<int64_t>& starts) {
    index_t largest = 0;
    for (index_t b = 0; b + 1 < starts.size(); ++b) {
        largest = std::max<index_t>(largest, starts.data()[b + 1] - starts.data()[b]);
    }
    return largest;
}

/// Indices and values beside row starts, written by `write(indices, values)`.
template <class T, class F>
py::tuple finish(py::array_t<int64_t> indptr, int64_t n_entries, F&& write) {
    auto indices = empty<int32_t>(n_entries);
    auto values = empty<T>(n_entries);
    auto* const indices_out = indices.mutable_data();
    auto* const values_out = values.mutable_data();
    {
        const py::gil_scoped_release nogil;
        write(indices_out, values_out);
    }
    return py::make_tuple(std::move(indptr), std::move(indices), std::move(values));
}

template <class Entry, class Index, class T>
py::tuple build_short(const EdgeList<Index, T>& edges) {
    constexpr bool weighted = std::is_same_v<Entry, graph::WeightedPlace>;
    using Half = std::conditional_t<weighted, graph::WeightedEnd, graph::End>;
    const AlignedBuffer<Entry> copied(edges.size);
    const AlignedBuffer<Half> by_column(edges.most_entries());
    const AlignedBuffer<Half> by_row(edges.most_entries());
    const AlignedBuffer<std::uint32_t> next(2 * edges.n_nodes);
    auto indptr = empty<int64_t>(edges.n_nodes + 1);
    auto* const starts = indptr.mutable_data();
    EdgeFault fault{};
    {
        const py::gil_scoped_release nogil;
        fault = graph::sort_short_list(edges, copied.data(), by_column.data(),
                                       by_row.data(), starts, next.data());
    }
    if (fault.kind != EdgeFault::Kind::none) raise_fault(fault, edges);
    const int64_t count = starts[edges.n_nodes];
    return finish<T>(std::move(indptr), count, [&](int32_t* indices, T* values) {
        graph::write_ends(by_row.data(), count, indices, values);
    });
}

template <class Entry, class Index, class T>
py::tuple build(const EdgeList<Index, T>& edges, int n_threads) {
    if (graph::is_short_list(edges.n_nodes, edges.most_entries())) {
        return build_short<Entry>(edges);
    }
    const auto buckets = graph::edge_buckets(edges.n_nodes, edges.most_entries());
    AlignedBuffer<int64_t> starts(buckets.count + 1), kept(buckets.count + 1);
    AlignedBuffer<Entry> entries(edges.most_entries());
    {
        const AlignedBuffer<Entry> copied(edges.size);
        const AlignedBuffer<int64_t> counters(n_threads * buckets.count);
        EdgeFault fault{};
        {
            const py::gil_scoped_release nogil;
            fault = graph::scatter_edges(edges, buckets, copied.data(), entries.data(),
                                         starts.data(), counters.data(), n_threads);
        }
        if (fault.kind != EdgeFault::Kind::none) raise_fault(fault, edges);
    }
    {
        const index_t largest = largest_bucket(starts);
        const auto team = static_cast<int>(std::min<index_t>(n_threads, buckets.count));
        const AlignedBuffer<Entry> scratch(team * largest);
        const py::gil_scoped_release nogil;
        graph::sort_buckets(buckets, entries.data(), starts.data(), scratch.data(),
                            largest, kept.data(), team);
    }
    auto indptr = empty<int64_t>(edges.n_nodes + 1);
    auto* const row_starts = indptr.mutable_data();
    const int64_t count = kept.data()[buckets.count];
    return finish<T>(std::move(indptr), count, [&](int32_t* indices, T* values) {
        graph::write_rows(buckets, edges.n_nodes, entries.data(), starts.data(),
                          kept.data(), row_starts, indices, values, n_threads);
    });
}

template <class Index>
py::tuple from_edges_of(const py::array& edges, index_t n_nodes,
                        const py::object& weights, bool both_ways, int n_threads) {
    const auto ends = as_view<const Index, 2>(edges, from_edges_name, "edges");
    check_extent(ends.rows, 2, from_edges_name, "edges with rows");
    const Index* const sources = ends.data;
    const Index* const targets = ends.data + ends.columns;
    if (weights.is_none()) {
        const EdgeList<Index, double> list{sources,      targets, nullptr,
                                           ends.columns, n_nodes, both_ways};
        return build<graph::Place>(list, n_threads);
    }
    const auto array = py::reinterpret_borrow<py::array>(weights);
    return dispatch_real(array, from_edges_name, "weights", [&](auto real) {
        using T = decltype(real);
        const auto w = as_view<const T, 1>(array, from_edges_name, "weights");
        check_extent(w.size, ends.columns, from_edges_name, "weights of length");
        const EdgeList<Index, T> list{sources,      targets, w.data,
                                      ends.columns, n_nodes, both_ways};
        return build<graph::WeightedPlace>(list, n_threads);
    });
}

py::tuple from_edges(const py::array& edges, index_t n_nodes, const py::object& weights,
                     bool both_ways, int n_threads) {
    check_threads(n_threads, from_edges_name);
    if (n_nodes < 0 || n_nodes > std::numeric_limits<int32_t>::max()) {
        fail(from_edges_name, "n_nodes from 0 to 2**31 - 1", std::to_string(n_nodes));
    }
    if (holds<int32_t>(edges)) {
        return from_edges_of<int32_t>(edges, n_nodes, weights, both_ways, n_threads);
    }
    return from_edges_of<int64_t>(edges, n_nodes, weights, both_ways, n_threads);
}

} // namespace

void register_graph_edges(py::module_& room) {
    using namespace pybind11::literals;
    room.def("from_edges", &from_edges, "edges"_a, "n_nodes"_a, "weights"_a,
             "both_ways"_a, "n_threads"_a);
}

} // namespace fastnotes
