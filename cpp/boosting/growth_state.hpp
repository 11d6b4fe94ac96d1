/// What a TreeGrower keeps, and the steps of growing a tree.
#pragma once

#include "boosting/growth.hpp"
#include "boosting/growth_nodes.hpp"
#include "boosting/growth_rows.hpp"
#include "boosting/growth_tree.hpp"
#include "common/aligned.hpp"
#include "common/parallel.hpp"

#include <atomic>
#include <memory>
#include <vector>

namespace fastnotes::boosting {

/// A node about to be cut.
struct Expansion {
    enum class Kind {
        leaves,   ///< both children are leaves: rows stay where they are
        direct,   ///< few rows: children are searched without histograms
        subtract, ///< the lighter child is summed, the other is the parent less it
        rebuild,  ///< the parent's histogram is gone: children are summed
    };

    index_t node = -1;
    Kind kind = Kind::leaves;
    bool lighter_left = false;
    bool shared = false;    ///< by all threads, where one would take too long
    index_t first_part = 0; ///< of its sums, where shared
    index_t lighter_histogram = HistogramPool::none;
    CodeTable goes_left{};
};

class TreeGrower::State : GrowingTree {
  public:
    State(const GrowthTable& table, GrowthRules rules, int n_threads);
    /// On a table whose codes are known to be in range.
    State(const GrowthTable& table, GrowthRules rules, int n_threads,
          std::shared_ptr<const BundledTable> bundled);

    bool codes_in_range() const noexcept { return codes_in_range_; }
    bool reads_bins() const noexcept {
        return bundled_.codes().data == table_.bins.data;
    }
    View2<const std::uint8_t> codes() const noexcept { return bundled_.codes(); }
    int n_threads() const noexcept { return n_threads_; }
    /// Another for the same trees, of one thread.
    std::unique_ptr<State> single() const;
    /// most_bytes: of histograms.
    GrowthStatus grow(const GrowthInput& input, GrownNodes& tree,
                      View1<std::int32_t> leaf_of_row, index_t most_bytes);

  private:
    /// Scratch of a thread.
    struct Worker {
        AlignedBuffer<std::int64_t> packed;
        AlignedBuffer<double> wide;
        AlignedBuffer<double> histogram; ///< of a node that does not keep it
        RowSums sums;
        DirectScratch direct;
    };

    // growth_input.cpp
    void list_outliers(const GrowthInput& input);
    View1<const RowRecord> extra_records(index_t at, index_t n) const noexcept;
    QuantisedTotals list_rows(int list, RowSums* sums) noexcept;
    void plant_root();

    // growth_expand.cpp
    void search_root();
    void expand(const std::vector<index_t>& batch);
    void plan(std::vector<Expansion>& expansions);
    Expansion::Kind kind_of(const GrowthNode& node) const noexcept;
    void run(const Expansion& expansion, Worker& worker) noexcept;
    RecordReader reader_of(index_t node, int list) noexcept;
    SegmentRouter router_of(index_t node, int list) noexcept;
    Routing routing_of(const Expansion& expansion) noexcept;
    void route_shared(const std::vector<const Expansion*>& shared, int list,
                      SegmentRouter* routers) noexcept;
    void search_direct(index_t node, Worker& worker) noexcept;
    void count_rows(const Expansion& expansion) noexcept;
    void finish(const Expansion& expansion);
    bool may_use(const GrowthNode& node, std::int32_t column) const noexcept;
    void reserve_parts(index_t n_parts, index_t most_rows);

    /// Sums that become histograms: of one node, or of a node and its heavier sibling.
    struct Summed {
        View1<const RowSums> parts;
        index_t n_rows;
        index_t lighter;
        double* lighter_histogram;
        index_t heavier;           ///< -1: none
        double* heavier_histogram; ///< in: the parent's
    };
    Summed summed(const Expansion& expansion, View1<const RowSums> parts,
                  Worker& worker) noexcept;
    struct Cuts {
        NodeCut lighter, heavier;
    };
    /// Bundles [first, last) of the tree's list.
    void search_summed(const Summed& sums, index_t first, index_t last,
                       Cuts& cuts) noexcept;
    void keep(const Summed& sums, const Cuts& cuts) noexcept;

    // growth_leaves.cpp
    void finish_tree(const GrowthInput& input, const GrowthOrder& order,
                     GrownNodes& tree, View1<std::int32_t> leaf_of_row);
    struct Terminal {
        index_t node;
        index_t bundle; ///< -1: all rows have label 0
        std::int32_t labels[2];
        CodeTable second; ///< 1 where a code's rows have label 1
    };
    std::vector<Terminal> find_terminals();
    void label(const Terminal& terminal, RecordReader& reader, index_t end,
               std::int32_t* leaf_of_row) const noexcept;
    void label_rows(std::int32_t* leaf_of_row);

    Segment* segments_of(index_t node) noexcept {
        return segments_.data() + node * n_lists_;
    }
    RowRecord* buffer_of(index_t depth) noexcept { return records_[depth % 2].data(); }
    const GrowthColumn& column(std::int32_t c) const noexcept {
        return layout_.columns[static_cast<std::size_t>(c)];
    }

    GrowthTable table_;
    int n_lists_;
    bool codes_in_range_ = true;
    std::shared_ptr<const BundledTable> kept_; ///< by all states of a grower
    const BundledTable& bundled_;
    HistogramLayout layout_;
    HistogramPool pool_;
    AlignedBuffer<RowRecord> records_[2];
    std::vector<Worker> workers_;
    AlignedBuffer<std::int64_t> part_packed_;
    AlignedBuffer<double> part_wide_;
    std::vector<RowSums> parts_;

    // Of the tree that grows.
    const GrowthInput* input_ = nullptr;
    index_t window_rows_; ///< rows whose codes stay near while all nodes are cut
    std::vector<RowRecord> extra_records_; ///< of outliers, beyond the first of a row
    std::vector<std::int32_t> bundles_;    ///< ascending, of its columns
    std::vector<ColumnTile> tiles_;
    RowSource source_{};
    std::vector<Segment> segments_; ///< [nodes, n_lists]
    bool packs_ = false;            ///< sums of all rows fit packed halves
};

} // namespace fastnotes::boosting
