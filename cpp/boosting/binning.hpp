/// From values to bin codes.
#pragma once

#include "boosting/lookup.hpp"
#include "common/view.hpp"

#include <cstdint>

namespace fastnotes::boosting {

/// Codes of values: the number of thresholds below the value, or missing_code for NaN.
///
///   X          [n_rows, n_columns] T                                      in
///   thresholds [n_columns, m] T, m <= 254, ascending, +inf as padding     in
///   bins       [n_rows, n_columns] u8                                     out,
///              overwritten
///   lookup     [n_columns, lookup_size] T                                 scratch
///
/// Nothing may overlap. A value equal to a threshold has it on its right: codes <= b
/// are exactly the values <= threshold b.
///
/// Cost: two vector compares per value, against the 16 coarse cuts and the 16 fine cuts
/// behind them. Parallel over rows. Source: the two-level search of a B-tree node.
template <class T>
void assign_bins(View2<const T> X, View2<const T> thresholds, std::uint8_t missing_code,
                 View2<std::uint8_t> bins, T* lookup, int n_threads) noexcept;

} // namespace fastnotes::boosting
