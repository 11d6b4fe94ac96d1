/// Rows of a table that are equal, and what one of them then stands for.
#pragma once

#include "common/view.hpp"

#include <cstdint>

namespace fastnotes::boosting {

/// Finds rows of equal bytes. The first of them counts for all: for at most `most`,
/// then the next one begins anew.
///
///   codes  [n_rows, n_columns] u8, tags [n_rows, n_tags] u8   in, a row's bytes
///   counts [n_rows] u8   out, overwritten: how many rows it stands for, itself
///          included; 0 where an earlier row stands for it. They add up to n_rows.
///   most   1 to 255
///
/// Rows are equal only if all bytes are; a few equal rows may be left apart, where too
/// many hashes meet. The same for any n_threads. Cost: about 20 ns a row. Scratch: 4
/// bytes a row and 2 to 4 a row and thread. Throws std::bad_alloc.
void count_equal_rows(View2<const std::uint8_t> codes, View2<const std::uint8_t> tags,
                      int most, View1<std::uint8_t> counts, int n_threads);

} // namespace fastnotes::boosting
