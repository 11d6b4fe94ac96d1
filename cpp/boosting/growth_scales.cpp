#include "boosting/growth_scales.hpp"

#include "common/parallel.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace fastnotes::boosting {
namespace {

using std::int32_t;
using std::int64_t;
using std::uint8_t;

constexpr index_t survey_step = 4096;
constexpr int mantissa_bits = 23;
/// Binary orders of magnitude from the mean one to the largest value before its
/// distance is measured.
constexpr double suspect_orders = 6.0;
/// Times the mean magnitude from which the largest is an outlier, and up to which
/// values then fit one record.
constexpr double outlying = 512.0;
constexpr double fitting = 64.0;

/// Magnitudes of some values; everything is an integer, so that order makes no
/// difference.
struct Survey {
    int32_t largest_bits = 0;
    int64_t orders = 0; ///< sum of biased exponents

    void add(const Survey& other) noexcept {
        largest_bits = std::max(largest_bits, other.largest_bits);
        orders += other.orders;
    }
};

using Counts = View1<const uint8_t>;

struct Once {
    int32_t operator()(index_t) const noexcept { return 1; }
};

struct AsCounted {
    const uint8_t* counts;
    int32_t operator()(index_t i) const noexcept { return counts[i]; }
};

template <class CountOf>
void survey(const float* values, index_t first, index_t last, CountOf count_of,
            Survey& found) noexcept {
    for (index_t at = first; at < last; at += survey_step) {
        const index_t stop = std::min(at + survey_step, last);
        int32_t largest = 0, orders = 0;
        for (index_t i = at; i < stop; ++i) {
            const int32_t bits = magnitude_bits(values[i]);
            largest = std::max(largest, bits);
            orders += (bits >> mantissa_bits) * count_of(i);
        }
        found.add({largest, orders});
    }
}

void survey(const float* values, index_t first, index_t last, Counts counts,
            Survey& found) noexcept {
    if (counts.data == nullptr) return survey(values, first, last, Once{}, found);
    survey(values, first, last, AsCounted{counts.data}, found);
}

/// Rows, each as often as it counts.
index_t total_count(Counts counts, index_t n_rows) noexcept {
    if (counts.data == nullptr) return n_rows;
    return std::accumulate(counts.begin(), counts.end(), index_t{0});
}

/// Sum of |v| scale, as integers.
int64_t sum_magnitudes(View1<const float> values, Counts counts,
                       double scale) noexcept {
    int64_t sum = 0;
    for (index_t i = 0; i < values.size; ++i) {
        const double scaled = std::abs(static_cast<double>(values(i))) * scale;
        const auto integer = static_cast<int64_t>(integer_bits(scaled) - magic_bits);
        sum += integer * (counts.data == nullptr ? 1 : counts(i));
    }
    return sum;
}

/// n values below 2^bits add up to less than 2^62.
int exact_bits(index_t n) noexcept {
    int exponent = 0;
    (void)std::frexp(static_cast<double>(n), &exponent);
    return std::min(62 - exponent, 50);
}

/// Scales of one of both.
struct Chosen {
    Scale scale;
    double unit, exact;
    bool has_outliers;
};

/// Of n values in all.
Chosen choose(const Survey& found, View1<const float> values, Counts counts,
              index_t n_values) {
    const int bits = exact_bits(n_values);
    int exponent = exponent_of<float>(found.largest_bits);
    const double exact = std::ldexp(1.0, bits - exponent);
    const auto n = static_cast<double>(std::max<index_t>(1, n_values));
    const double orders =
        (found.largest_bits >> mantissa_bits) - static_cast<double>(found.orders) / n;
    bool has_outliers = false;
    if (orders > suspect_orders) {
        const auto sum = static_cast<double>(sum_magnitudes(values, counts, exact));
        if (std::ldexp(1.0, bits) > outlying * (sum / n)) {
            int fits = 0;
            (void)std::frexp(fitting * (sum / n), &fits);
            exponent += fits - bits;
            has_outliers = true;
        }
    }
    const Scale scale = scale_of(quantized_bits - exponent);
    return {scale, 1.0 / (scale.first * scale.second), exact, has_outliers};
}

} // namespace

GrowthStatus find_scales(View1<const float> grad, View1<const float> hess,
                         Counts counts, int n_threads, GrowthScales& scales) {
    struct Both {
        Survey grad, hess;
    };
    std::vector<Both> found(static_cast<std::size_t>(n_threads));
    parallel_region(n_threads, [&](const Team& team) {
        const auto [first, last] = team.share(grad.size);
        Both& own = found[static_cast<std::size_t>(team.index)];
        survey(grad.data, first, last, counts, own.grad);
        survey(hess.data, first, last, counts, own.hess);
    });
    Both all;
    for (const Both& one : found) {
        all.grad.add(one.grad);
        all.hess.add(one.hess);
    }
    const auto infinity = magnitude_bits(std::numeric_limits<float>::infinity());
    if (all.grad.largest_bits >= infinity) return GrowthStatus::gradient_not_finite;
    if (all.hess.largest_bits >= infinity) return GrowthStatus::hessian_not_finite;
    const index_t n_values = total_count(counts, grad.size);
    const Chosen of_grad = choose(all.grad, grad, counts, n_values);
    const Chosen of_hess = choose(all.hess, hess, counts, n_values);
    scales = {{of_grad.scale, of_hess.scale},
              {of_grad.unit, of_hess.unit},
              of_grad.exact,
              of_hess.exact,
              of_grad.has_outliers || of_hess.has_outliers};
    return GrowthStatus::ok;
}

} // namespace fastnotes::boosting
