/// The sum over subsets: heavy samples one subset at a time, light ones by symmetric
/// sums.
#pragma once

#include "evidence/jackknife_column.hpp"

namespace fastnotes::evidence::jvi {

/// Powers of the light samples' series for order M: its argument is at most M / 16.
template <int M>
inline constexpr int n_powers = M == 1   ? 12
                                : M == 2 ? 16
                                : M == 3 ? 20
                                : M == 4 ? 24
                                         : 32;

/// n! and 1 / n! of the series' terms.
struct Factorials {
    double value[40], inverse[40];

    constexpr Factorials() : value{}, inverse{} {
        double product = 1.0;
        for (int n = 0; n < 40; ++n) {
            if (n > 0) product *= n;
            value[n] = product;
            inverse[n] = 1.0 / product;
        }
    }
};
inline constexpr Factorials factorials;

/// For b = 0..M: sums over the b-subsets B of the light samples, of x(B)^n / n!.
template <int M> struct LightSums {
    static constexpr int size = n_powers<M> + 2; // n = 0 .. size - 1

    V term[M + 1][size];

    /// b e_b(t) = sum_{k=1}^{b} (-1)^(k-1) e_{b-k}(t) S(k t), S(t) = sum_i exp(t x_i):
    /// Newton's identities for the products of 1 + u exp(t x_i).
    LightSums(const double* x, index_t count, V n_light) noexcept {
        V power[n_powers<M>];
        power_sums<n_powers<M>>(x, count, power);
        V sums[M + 1][size]; // [k]: S(k t)
        for (int k = 1; k <= M; ++k) {
            sums[k][0] = n_light, sums[k][1] = V(0.0);
            double factor = k;
            for (int n = 2; n < size; ++n) {
                factor *= k;
                sums[k][n] = power[n - 2] * V(factor * factorials.inverse[n]);
            }
        }
        for (V& each : term[0]) each = V(0.0);
        term[0][0] = V(1.0);
        for (int b = 1; b <= M; ++b) {
            const Mask enough = n_light >= V(double(b));
            for (int n = 0; n < size; ++n) {
                term[b][n] = select(enough, sum_of(b, n, sums), V(0.0));
            }
            term[b][0] = binomial(n_light, b);
        }
    }

  private:
    V sum_of(int b, int n, const V (&sums)[M + 1][size]) const noexcept {
        V total = b % 2 == 1 ? sums[b][n] : -sums[b][n]; // k = b, where e_0 = 1
        for (int k = 1; k < b; ++k) {
            V inner = term[b - k][n] * sums[k][0];
            for (int s = 2; s <= n; ++s)
                inner = fma(term[b - k][n - s], sums[k][s], inner);
            total = k % 2 == 1 ? total + inner : total - inner;
        }
        return total * V(1.0 / b);
    }
};

/// The gradient, per weight: of a heavy sample its own, of a light one a polynomial.
template <int M> struct Gradient {
    static constexpr int size = LightSums<M>::size;

    V heavy[Heavy<M>::capacity]; // beside the share of the weight
    V factor[M + 1][size];       // [b][n]: of the sum over B of x(B)^n
    V light[size];               // of x^n

    Gradient() noexcept {
        for (V& each : heavy) each = V(0.0);
        for (auto& row : factor) {
            for (V& each : row) each = V(0.0);
        }
    }

    /// From `factor`: sums over subsets B without the sample, as
    /// e_b - exp(t x) e_{b-1} + exp(2 t x) e_{b-2} - ...
    void finish(const LightSums<M>& sums, V n_light) noexcept {
        for (V& each : light) each = V(0.0);
        for (int b = 0; b <= M; ++b) {
            V outer[size]; // factor n! of n >= 1
            outer[0] = V(0.0);
            for (int n = 1; n < size; ++n) {
                outer[n] = factor[b][n] * V(factorials.value[n]);
            }
            light[0] = fma(factor[b][0], binomial(n_light - V(1.0), b), light[0]);
            for (int i = 0; i <= b; ++i) {
                double power = i % 2 == 0 ? 1.0 : -1.0; // (-1)^i i^s
                for (int s = 0; s < (i == 0 ? 1 : size); ++s, power *= i) {
                    const V sum =
                        i == b ? outer[s] : product(outer, sums.term[b - i], s);
                    light[s] = fma(sum, V(power * factorials.inverse[s]), light[s]);
                }
            }
        }
    }

  private:
    /// sum_{n >= s} outer_n term_{n - s}
    static V product(const V (&outer)[size], const V (&term)[size], int s) noexcept {
        V even(0.0), odd(0.0);
        for (int n = s; n + 1 < size; n += 2) {
            even = fma(outer[n], term[n - s], even);
            odd = fma(outer[n + 1], term[n + 1 - s], odd);
        }
        if ((size - s) % 2 == 1) even = fma(outer[size - 1], term[size - 1 - s], even);
        return even + odd;
    }
};

/// Walks the subsets of the heavy samples, largest member outermost: those of a lane
/// with fewer heavy samples than others come first, so that its sums do not depend on
/// its neighbours.
template <int M, bool WithGradient> class Subsets {
  public:
    static constexpr int size = LightSums<M>::size;

    Subsets(const Column<M>& column, const LightSums<M>& sums, index_t count,
            const double* shares, Gradient<M>* gradient) noexcept
        : column_(column), sums_(sums), gradient_(gradient), shares_(shares) {
        const V k(static_cast<double>(count));
        const V inverse = V(1.0) / (k * column.sum);
        const auto deviation = [&](V weight) { // 1 / K - weight / sum
            return fma(-k, weight, column.sum) * inverse;
        };
        for (int i = 0; i < column.heavy.most; ++i) {
            removed_[i] = column.heavy.exponential(i);
            const V unit = column.top[0][M];
            deviation_[i] =
                deviation(i < M ? column.top[0][i < M ? i : 0] : removed_[i] * unit);
            valid_[i] = column.heavy.has(i);
        }
        light_deviation_ = deviation(column.light_mean * column.top[0][M]);
        for (int j = 1; j <= M; ++j) {
            scale_[j] = V(double(count) / double(count - j));
            ratio_[j] = scale_[j] / column.sum;
        }
        for (int b = 1; b <= M; ++b) {
            for (int n = 2; n < size; ++n) {
                series_[b][n] = sums.term[b][n] * V(factorials.value[n - 1]);
                if (WithGradient)
                    moment_[b][n] = sums.term[b][n] * V(factorials.value[n]);
            }
        }
    }

    /// sum_j share_j D_j; fills the gradient's sums.
    V walk() noexcept {
        descend({0, column_.heavy.most, 0, V(0.0), V(0.0), !Mask{}});
        V total(0.0);
        for (int a = 0; a <= M; ++a) {
            for (int b = a == 0 ? 1 : 0; a + b <= M; ++b) {
                const V whole =
                    fma(product_[a][b].log(), sums_.term[b][0], -rest_[a][b]);
                total = fma(V(shares_[a + b]), whole, total);
            }
        }
        return total;
    }

  private:
    /// A subset: how many it has, below which index it may grow, its tops, the sum of
    /// its deviations and of its weights below the tops, and the lanes that have it.
    struct Subset {
        int size, below;
        unsigned tops;
        V deviation, removed;
        Mask valid;
    };

    void descend(const Subset& subset) noexcept {
        visit(subset);
        if (subset.size == M) return;
        for (int i = 0; i < subset.below; ++i) {
            Subset larger = subset;
            members_[larger.size++] = i;
            larger.below = i;
            larger.deviation += deviation_[i];
            if (i < M) {
                larger.tops |= 1u << i;
            } else {
                larger.removed += removed_[i];
            }
            if (subset.size == 0) larger.valid = valid_[i];
            descend(larger);
        }
    }

    void visit(const Subset& subset) noexcept {
        int first = 0; // rank kept, whose unit is in use
        while (subset.tops >> first & 1u) ++first;
        const V unit = column_.top[first][M];
        const V left = column_.kept[subset.tops] - subset.removed * unit;
        const V offset = column_.rank[first] - column_.rank[0];
        V pull(0.0); // on the heavy samples that are kept
        for (int b = subset.size == 0 ? 1 : 0; subset.size + b <= M; ++b) {
            const int j = subset.size + b;
            const Mask valid = subset.valid & (column_.n_light >= V(double(b)));
            const V rest = left - V(double(b)) * column_.light_mean * unit;
            const V d =
                (subset.deviation + V(double(b)) * light_deviation_) * scale_[j];
            product_[subset.size][b].multiply(d, rest * ratio_[j], offset, valid);
            const V inverse = select(valid, V(1.0) / rest, V(0.0));
            const V step =
                b == 0 ? V(0.0) : column_.tail[first < M ? first : 0] * inverse;
            if (b > 0) {
                rest_[subset.size][b] += horner(series_[b], step);
            }
            if constexpr (WithGradient) {
                const V weight = V(shares_[j]) * inverse;
                pull += pull_light(b, -d * weight, weight, step, unit);
            }
        }
        if constexpr (WithGradient) pull_heavy(subset, first, pull);
    }

    /// sum_{n >= 2} c_n step^n, in two chains.
    static V horner(const V (&c)[size], V step) noexcept {
        static_assert(size % 2 == 0);
        const V square = step * step;
        V even = c[size - 2], odd = c[size - 1];
        for (int n = size - 4; n >= 2; n -= 2) {
            even = fma(even, square, c[n]);
            odd = fma(odd, square, c[n + 1]);
        }
        return fma(odd, step, even) * square;
    }

    /// Adds to the factors of light samples; returns what heavy ones get.
    V pull_light(int b, V head, V weight, V step, V unit) noexcept {
        auto& factor = gradient_->factor[b];
        const Mask leaves = column_.n_light > V(double(b)); // a light one to pull
        factor[0] += select(leaves, head * unit, V(0.0));
        if (b == 0) return head;
        V power = select(leaves, weight * unit, V(0.0));
        for (int n = 1; n < size; ++n) {
            power *= step;
            factor[n] += power;
        }
        return fma(head, sums_.term[b][0], weight * horner(moment_[b], step));
    }

    void pull_heavy(const Subset& subset, int first, V pull) noexcept {
        const V unit = column_.top[first][M];
        for (int i = column_.heavy.most, member = 0; i-- > first;) {
            if (member < subset.size && members_[member] == i) {
                ++member;
                continue;
            }
            const V weight =
                i < M ? column_.top[first][i < M ? i : 0] : removed_[i] * unit;
            gradient_->heavy[i] += select(valid_[i], weight * pull, V(0.0));
        }
    }

    const Column<M>& column_;
    const LightSums<M>& sums_;
    Gradient<M>* gradient_;
    const double* shares_;
    V deviation_[Heavy<M>::capacity], removed_[Heavy<M>::capacity];
    Mask valid_[Heavy<M>::capacity];
    V light_deviation_, scale_[M + 1], ratio_[M + 1];
    V series_[M + 1][size], moment_[M + 1][size];
    LogProduct product_[M + 1][M + 1];
    V rest_[M + 1][M + 1] = {};
    int members_[M] = {};
};

} // namespace fastnotes::evidence::jvi
