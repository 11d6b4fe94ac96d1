/// Columns of few codes that share one byte of a row.
#pragma once

#include "boosting/growth.hpp"
#include "boosting/histogram.hpp"
#include "common/aligned.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace fastnotes::boosting {

/// Known codes in whole vectors of any level.
inline constexpr index_t bins_step = 16;

/// A column's code in a bundle's: digit (code / stride) % levels, of which `known` is
/// missing.
struct BundleMember {
    std::int32_t column;
    index_t stride, levels;
};

/// A byte of a row: the code of one column, or several columns' codes as the digits of
/// a number.
struct Bundle {
    std::vector<BundleMember> members; ///< by stride
    index_t known = 1;                 ///< codes, without a single column's missing one
    index_t padded = 0;                ///< known, in whole vectors
    index_t offset = 0;                ///< of its sums among those of all bundles

    bool single() const noexcept { return members.size() == 1; }
};

/// 256 codes of a bundle as those of one of its columns.
using CodeDecoder = std::array<std::uint8_t, code_slots>;

/// A table with fewer bytes in a row, where an eighth of them can be saved; else the
/// table as it is. One add to a bundle's sums then counts for all of its columns, whose
/// own sums are its marginal ones, to the last bit.
class BundledTable {
  public:
    /// `table` must outlive this while its codes are read. Codes that are out of range
    /// become others. Memory: the fewer bytes.
    BundledTable(const GrowthTable& table, int n_threads);

    View2<const std::uint8_t> codes() const noexcept { return codes_; }
    const std::vector<Bundle>& bundles() const noexcept { return bundles_; }
    index_t bundle_of(index_t column) const noexcept {
        return bundle_of_[static_cast<std::size_t>(column)];
    }
    /// Null where the bundle's code is the column's.
    const CodeDecoder* decoder(index_t column) const noexcept {
        const auto place = decoder_of_[static_cast<std::size_t>(column)];
        return place < 0 ? nullptr : &decoders_[static_cast<std::size_t>(place)];
    }
    /// Sums of all bundles, [2, padded] each.
    index_t wide_size() const noexcept { return wide_size_; }

  private:
    void make_decoders(const GrowthTable& table);
    void encode(const GrowthTable& table, int n_threads);

    std::vector<Bundle> bundles_;
    std::vector<std::int32_t> bundle_of_;  ///< [n_columns]
    std::vector<std::int32_t> decoder_of_; ///< [n_columns] -1: none
    std::vector<CodeDecoder> decoders_;
    index_t wide_size_ = 0;
    AlignedBuffer<std::uint8_t> own_codes_;
    View2<const std::uint8_t> codes_;
};

} // namespace fastnotes::boosting
