/// bfloat16: the upper half of a float32, 8 bits of precision in its range.
#pragma once

#include <cstdint>

namespace fastnotes {

struct Bfloat16 {
    std::uint16_t bits;
};

} // namespace fastnotes
