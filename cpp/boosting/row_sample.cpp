#include "boosting/row_sample.hpp"

#include "common/philox.hpp"

#include <algorithm>
#include <cmath>

namespace fastnotes::boosting {
namespace {

using std::int64_t;
using std::uint64_t;

/// Item i of the sample of n out of N.
struct Strata {
    RandomStream stream;
    index_t N, n;

    // floor(i N / n) without a product that could overflow
    index_t first(index_t i) const noexcept { return N / n * i + N % n * i / n; }

    index_t operator()(index_t i) const noexcept {
        const index_t start = first(i);
        const auto size = static_cast<uint64_t>(first(i + 1) - start);
        const uint64_t draw = stream.block(static_cast<uint64_t>(i))[0];
        const uint64_t offset =
            draw * (size >> 32) + (draw * (size & 0xFFFFFFFFu) >> 32);
        return start + static_cast<index_t>(offset);
    }
};

struct WeightFacts {
    index_t n_positive = 0;
    double sum = 0.0;
    double largest = 0.0;
    bool integers = true;
};

WeightFacts look_at(View1<const double> weights) noexcept {
    WeightFacts facts;
    for (const double weight : weights) {
        facts.n_positive += weight > 0.0;
        facts.sum += weight;
        facts.largest = std::max(facts.largest, weight);
        facts.integers &= weight == std::floor(weight);
    }
    facts.integers &= facts.sum <= static_cast<double>(most_mass);
    return facts;
}

/// Weights as integers: as they are, or as multiples of a power of two.
class Masses {
  public:
    Masses(const WeightFacts& facts, index_t n_rows) noexcept {
        if (facts.integers) return;
        int rows_bits = 0;
        while ((index_t{1} << rows_bits) < n_rows) ++rows_bits;
        int exponent = 0;
        std::frexp(facts.largest, &exponent);
        shift_ = 53 - rows_bits - exponent;
    }
    int64_t operator()(double weight) const noexcept {
        if (weight == 0.0) return 0;
        const double scaled = std::nearbyint(std::ldexp(weight, shift_));
        return std::max(int64_t{1}, static_cast<int64_t>(scaled));
    }

  private:
    int shift_ = 0;
};

} // namespace

void sample_strata(index_t n_rows, uint64_t seed, View1<int64_t> rows) noexcept {
    const Strata strata{{seed, sample_purpose}, n_rows, rows.size};
    for (index_t i = 0; i < rows.size; ++i) rows(i) = strata(i);
}

index_t select_rows(View1<const double> weights, uint64_t seed, index_t subsample,
                    int64_t* rows, int64_t* masses) noexcept {
    const WeightFacts facts = look_at(weights);
    const Masses mass_of(facts, weights.size);
    index_t n = 0;
    const auto n_meant =
        facts.integers ? static_cast<index_t>(facts.sum) : facts.n_positive;
    if (n_meant <= subsample) {
        for (index_t row = 0; row < weights.size; ++row) {
            if (weights(row) == 0.0) continue;
            rows[n] = row;
            masses[n++] = mass_of(weights(row));
        }
        return n;
    }
    index_t total = 0;
    for (const double weight : weights) total += mass_of(weight);
    const Strata strata{{seed, sample_purpose}, total, subsample};
    index_t row = -1, end = 0; // rows up to `row` hold the mass before `end`
    for (index_t i = 0; i < subsample; ++i) {
        const index_t drawn = strata(i);
        if (drawn < end) {
            ++masses[n - 1];
            continue;
        }
        while (drawn >= end) end += mass_of(weights(++row));
        rows[n] = row;
        masses[n++] = 1;
    }
    return n;
}

} // namespace fastnotes::boosting
