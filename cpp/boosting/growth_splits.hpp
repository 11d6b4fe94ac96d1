/// The best cut of a column.
#pragma once

#include "boosting/growth.hpp"
#include "boosting/growth_histograms.hpp"
#include "boosting/split_gain.hpp"

#include <cstdint>
#include <limits>

namespace fastnotes::boosting {

/// A cut of a node. Sums are in quantised units.
struct NodeCut {
    double gain = 0.0; ///< 0: no admissible cut
    index_t column = -1;
    index_t bin = -1; ///< at categorical cuts -1
    bool default_left = false;
    bool categorical = false;
    Sums left{0.0, 0.0};
    CodeSet left_codes{}; ///< at categorical cuts
};

/// Whether `a` is the better cut: of equal gains, at the lower column.
inline bool beats(const NodeCut& a, const NodeCut& b) noexcept {
    return a.gain > b.gain || (a.gain == b.gain && a.gain > 0.0 && a.column < b.column);
}

/// What a node's cuts are measured against.
struct NodeFrame {
    Sums total; ///< quantised units
    double lower = -std::numeric_limits<double>::infinity();
    double upper = std::numeric_limits<double>::infinity();
};

/// Cumulative sums of the places of a column: all its known bins, or the occupied ones.
struct ColumnSums {
    const double* G; ///< [n] and zeros or other finite numbers up to whole vectors
    const double* H;
    index_t n;
    const std::uint8_t* code; ///< [n] ascending; null: place p is code p

    Sums at(index_t p) const noexcept { return {G[p], H[p]}; }
};

/// The same of at most most_packed_rows rows, G 2^32 + H.
struct PackedColumnSums {
    const std::int64_t* packed; ///< [n] and any numbers up to whole steps
    index_t n;
    const std::uint8_t* code;

    Sums at(index_t p) const noexcept {
        const auto low = static_cast<std::int32_t>(packed[p]);
        return {static_cast<double>((packed[p] - low) >> 32), static_cast<double>(low)};
    }
};

/// The weight -T(G) / (H + lambda) cut to max_delta_step and to [lower, upper].
double clipped_weight(Sums sums, const GrowthRules& rules, double lower,
                      double upper) noexcept;

/// Raises `best` by the best cut of one column, if it beats it.
void search_column(index_t column, const GrowthColumn& about, const ColumnSums& sums,
                   const NodeFrame& frame, const GrowthRules& rules, const Units& units,
                   NodeCut& best) noexcept;
void search_column(index_t column, const GrowthColumn& about,
                   const PackedColumnSums& sums, const NodeFrame& frame,
                   const GrowthRules& rules, const Units& units,
                   NodeCut& best) noexcept;

} // namespace fastnotes::boosting
