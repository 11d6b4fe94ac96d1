/// The rows that thresholds are fitted on, and how many rows each stands for.
#pragma once

#include "common/view.hpp"

#include <cstdint>

namespace fastnotes::boosting {

/// Philox purpose of the rows that thresholds are fitted on ("boo", 1).
inline constexpr std::uint32_t sample_purpose = 0x626F6F01;

/// The largest sum of masses: a Cutter multiplies it by twice the number of bins.
inline constexpr std::int64_t most_mass = std::int64_t{1} << 53;

/// One row from each of n equal strata: stratum i is [i N / n, (i + 1) N / n),
/// N = n_rows, and its row is first + floor(draw size / 2^32), with draw the first word
/// of Philox4x32-10 keyed on (seed, sample_purpose, i).
///
///   rows [n] i64, ascending, 0 < n <= n_rows   out, overwritten
void sample_strata(index_t n_rows, std::uint64_t seed,
                   View1<std::int64_t> rows) noexcept;

/// Rows of weight > 0 with integer masses, all of them or a sample. Returns how many.
///
///   weights [n_rows] f64, finite, >= 0                          in
///   rows    [min(n_rows, subsample)] i64, ascending, distinct   out, that many written
///   masses  [min(n_rows, subsample)] i64, > 0, sum <= 2^53      out, that many written
///
/// Integer weights of sum W <= 2^53 mean repeated rows: the masses are the weights, and
/// if W > subsample they are counts of the strata of the W rows that
/// repeat(row, weight) would give. Other weights become multiples of a power of two,
/// rounded to nearest and at least 1, the largest of at least 53 - ceil(log2 n_rows)
/// bits; they are sampled, by strata of equal mass, if more than subsample are
/// positive.
index_t select_rows(View1<const double> weights, std::uint64_t seed, index_t subsample,
                    std::int64_t* rows, std::int64_t* masses) noexcept;

} // namespace fastnotes::boosting
