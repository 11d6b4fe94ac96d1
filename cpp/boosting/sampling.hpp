/// The rows that take part in a round.
#pragma once

#include "common/view.hpp"

#include <cstdint>

namespace fastnotes::boosting {

/// Keeps each row with the same chance, independently, in ascending order.
///
/// Row r of a round is kept if word r % 4 of philox4x32({r / 4, round, purpose, 0},
/// {low seed, high seed}) is below chance * 2^32, rounded; so a row's lot depends on
/// its number alone. 0 < chance <= 1; at most 2^31 - 1 rows.
///
///   rows [n_rows] i32      out, the first k overwritten with the rows kept, the rest
///                          scratch
///   counts [sample_blocks(n_rows)] i64   scratch
///
/// Returns k. Cost: O(n_rows). Source: common/philox.hpp.
index_t sample_rows(double chance, std::uint64_t seed, std::uint32_t round,
                    View1<std::int32_t> rows, std::int64_t* counts,
                    int n_threads) noexcept;

index_t sample_blocks(index_t n_rows) noexcept;

} // namespace fastnotes::boosting
