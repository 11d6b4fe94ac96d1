#include "common/parallel.hpp"
#include "information/neighbours.hpp"

#include <algorithm>

namespace fastnotes::information {
namespace {

constexpr index_t numbers_per_block = 1 << 10;
constexpr index_t numbers_per_thread = 1 << 11;

/// Places from `at` on, going by `step`, for which within(place) holds without a break;
/// at most `room`. Doubling strides, then halving ones.
template <class Within> index_t gallop(index_t room, Within&& within) noexcept {
    index_t known = 0, stride = 1; // the first `known` hold
    while (known + stride <= room && within(known + stride)) {
        known += stride;
        stride *= 2;
    }
    for (stride /= 2; stride > 0; stride /= 2) { // no branch to foretell
        const index_t next = std::min(known + stride, room);
        known = within(next) ? next : known;
    }
    return known;
}

std::int64_t count_around(const Ranked* line, index_t n, index_t at, double radius,
                          bool closed) noexcept {
    const double value = line[at].value;
    const auto near = [&](double distance) {
        return closed ? distance <= radius : distance < radius || distance == 0;
    };
    const index_t above =
        gallop(n - 1 - at, [&](index_t j) { return near(line[at + j].value - value); });
    const index_t below =
        gallop(at, [&](index_t j) { return near(value - line[at - j].value); });
    return above + below;
}

} // namespace

void count_on_lines(View2<const double> lines, View2<const double> radius, bool closed,
                    View2<std::int64_t> counts, Ranked* ranked,
                    int n_threads) noexcept {
    const index_t n = lines.columns;
    if (lines.size() == 0) return;
    n_threads = worthwhile_threads(lines.size(), numbers_per_thread, n_threads);
    parallel_blocks(lines.rows, n_threads, [&](index_t i, int) {
        Ranked* const line = ranked + i * n;
        for (index_t j = 0; j < n; ++j) line[j] = {lines(i, j), j};
        std::sort(line, line + n,
                  [](const Ranked& a, const Ranked& b) { return a.value < b.value; });
    });
    const index_t n_blocks = ceil_div(n, numbers_per_block);
    parallel_blocks(lines.rows * n_blocks, n_threads, [&](index_t block, int) {
        const index_t i = block / n_blocks,
                      first = block % n_blocks * numbers_per_block;
        const index_t last = std::min(first + numbers_per_block, n);
        const Ranked* const line = ranked + i * n;
        for (index_t place = first; place < last; ++place) {
            const index_t row = line[place].row;
            counts(i, row) = count_around(line, n, place, radius(i, row), closed);
        }
    });
}

} // namespace fastnotes::information
