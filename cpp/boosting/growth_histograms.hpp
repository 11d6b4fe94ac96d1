/// Histograms of nodes: sums of rows, and their cumulative form.
#pragma once

#include "boosting/bundles.hpp"
#include "boosting/histogram_tiles.hpp"
#include "common/aligned.hpp"

#include <cstdint>
#include <vector>

namespace fastnotes::boosting {

struct GrowthColumn {
    index_t known;  ///< bins
    index_t padded; ///< known, in whole vectors
    index_t offset; ///< of its sums in a node's histogram
    bool categorical;
    std::int8_t monotone;
};

/// A node's histogram is, column after column, the sums of G over bins 0..b for each
/// known bin b, then those of H, each [padded] f64 integers. What is missing is what
/// the node's totals have beyond. Cumulative sums of a node and its sibling add up to
/// their parent's, like plain ones. In a tree of at most most_packed_rows rows they
/// are packed, at half of the offset.
struct HistogramLayout {
    std::vector<GrowthColumn> columns;
    index_t size = 0; ///< doubles of a node
};

/// Bundles [first, first + width) that are added in one pass over rows.
struct ColumnTile {
    index_t first, width;
};

/// The bundles a tree uses, ascending, in tiles; a tile may hold a few others where
/// that is cheaper than a pass of its own.
std::vector<ColumnTile> make_tiles(const std::vector<std::int32_t>& bundles);

/// What rows are read with.
struct RowSource {
    View2<const std::uint8_t> bins; ///< [n_rows, n_bundles]
    const BundledTable* table;
    const HistogramLayout* layout;
    const std::vector<ColumnTile>* tiles;
    std::uint8_t missing_code;
    const std::uint8_t* counts; ///< as of GrowthTable

    index_t count(index_t row) const noexcept {
        return counts == nullptr ? 1 : counts[row];
    }
    /// How many rows n records may stand for.
    index_t most_rows(index_t n) const noexcept {
        return counts == nullptr ? n : n * most_count;
    }
};

/// At most 65,535 rows of |q| <= 2^15 stay within 31 bits and a sign.
inline constexpr index_t most_packed_rows = 65535;

/// Packed sums of some rows, with wide ones behind where they may overflow.
class RowSums {
  public:
    RowSums() = default;

    /// packed [n_bundles, column_slots]; wide [wide_size] or null, where add never gets
    /// more than most_packed_rows rows in total.
    RowSums(std::int64_t* packed, double* wide) noexcept
        : packed_(packed), wide_(wide) {}

    void clear(const RowSource& source) noexcept;

    /// Adds n records, of which `readable` may be read ahead.
    void add(const RowSource& source, const RowRecord* records, index_t n,
             index_t readable) noexcept;

    /// The same where the rows' codes were just read.
    void add_near(const RowSource& source, const RowRecord* records,
                  index_t n) noexcept;

    /// Adds n rows from `first` on, most_rows(n) <= most_packed_rows; values are times
    /// their counts.
    void add_consecutive(const RowSource& source, index_t first,
                         const std::int64_t* values, index_t n) noexcept;

    /// Packed sums of a bundle, and what was taken out of them before: null, or
    /// [2, padded] G, then H.
    const std::int64_t* packed(index_t bundle) const noexcept {
        return packed_ + bundle * column_slots;
    }
    const double* wide(const Bundle& about) const noexcept {
        return flushed_ ? wide_ + about.offset : nullptr;
    }

  private:
    template <class Rows>
    void add_steps(const RowSource& source, const RowRecord* records, index_t n,
                   index_t readable) noexcept;
    template <class Rows>
    void add_tiles(const RowSource& source, const Rows& rows) noexcept;
    void flush(const RowSource& source) noexcept;

    std::int64_t* packed_ = nullptr;
    double* wide_ = nullptr;
    index_t unflushed_ = 0;
    bool flushed_ = false;
};

/// Whether sums fit packed halves.
enum class SumsWidth {
    wide,        ///< they may not
    narrow,      ///< those of the parts do, of at most most_packed_rows rows
    narrow_tree, ///< those of all nodes do: histograms are packed
};

/// Where a column's sums are in a packed histogram.
inline std::int64_t* packed_sums(double* histogram,
                                 const GrowthColumn& about) noexcept {
    return reinterpret_cast<std::int64_t*>(histogram + about.offset / 2);
}

/// Cumulative sums of a bundle's columns over all parts, to their places in a node's
/// histogram.
void accumulate_bundle(View1<const RowSums> parts, index_t bundle,
                       const RowSource& source, SumsWidth width,
                       double* histogram) noexcept;

/// Histograms by number, kept from tree to tree.
class HistogramPool {
  public:
    static constexpr index_t none = -1;

    void reset(index_t size, index_t most_bytes);

    /// A free histogram; `none` where there would be too many, unless it is `needed`.
    index_t take(bool needed);
    void give(index_t number);
    double* data(index_t number) const noexcept {
        return slots_[static_cast<std::size_t>(number)].data();
    }

  private:
    index_t size_ = 0, most_ = 0;
    std::vector<AlignedBuffer<double>> slots_;
    std::vector<index_t> free_;
};

} // namespace fastnotes::boosting
