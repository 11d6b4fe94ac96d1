/// The scales of a tree: its gradients and hessians as integers.
#pragma once

#include "boosting/growth.hpp"
#include "boosting/quantization.hpp"
#include "boosting/split_gain.hpp"

#include <cstdint>

namespace fastnotes::boosting {

/// Magnitudes up to it fit a record; the largest may round up to one more, and is cut.
inline constexpr std::int32_t largest_quantised = 32767;

/// Where rows' quantised values come from: a value is its integer times its unit.
struct Quantiser {
    Scale grad{1.0, 1.0}, hess{1.0, 1.0};
};

struct GrowthScales {
    Quantiser quantiser;
    Units units; ///< of quantised values
    double exact_grad = 1.0,
           exact_hess = 1.0;   ///< value -> integer, sums of all rows below 2^62
    bool has_outliers = false; ///< some integers are beyond largest_quantised
};

/// The integer that a value becomes.
inline std::int64_t quantise(float value, const Scale& scale) noexcept {
    const double scaled = static_cast<double>(value) * scale.first * scale.second;
    return static_cast<std::int64_t>(integer_bits(scaled) - magic_bits);
}

/// Its part that fits.
inline std::int16_t fitting_part(std::int64_t quantised) noexcept {
    return static_cast<std::int16_t>(
        std::clamp<std::int64_t>(quantised, -largest_quantised, largest_quantised));
}

/// The scales of all rows, or what is wrong with their values. The largest fits, unless
/// it is 512 times the mean magnitude: then 64 times the mean does. Rows count as
/// `counts` says, [n_rows], with null data once.
GrowthStatus find_scales(View1<const float> grad, View1<const float> hess,
                         View1<const std::uint8_t> counts, int n_threads,
                         GrowthScales& scales);

} // namespace fastnotes::boosting
