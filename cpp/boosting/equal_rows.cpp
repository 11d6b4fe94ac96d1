#include "boosting/equal_rows.hpp"

#include "common/aligned.hpp"
#include "common/parallel.hpp"
#include "common/simd.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace fastnotes::boosting {
namespace {

using std::int32_t;
using std::uint32_t;
using std::uint64_t;
using std::uint8_t;

/// Rows are dealt out by the first bits of their hash, each part to one thread.
constexpr int part_bits = 3;
constexpr index_t n_parts = index_t{1} << part_bits;
/// Places that are looked at before a row is left apart.
constexpr uint32_t most_probes = 32;
constexpr index_t block = 1024;
constexpr index_t ahead = 16;
constexpr index_t row_grain = index_t{1} << 15; ///< rows that are worth a thread

uint64_t mix(uint64_t hash, const uint8_t* bytes, index_t n) noexcept {
    constexpr uint64_t factor = 0x9E3779B97F4A7C15;
    for (index_t i = 0; i < n; i += 8) {
        uint64_t word = 0;
        if (n - i >= 8) {
            std::memcpy(&word, bytes + i, 8);
        } else {
            for (index_t k = i; k < n; ++k) word = word << 8 | bytes[k];
        }
        hash = (hash ^ word) * factor;
        hash ^= hash >> 32;
    }
    return hash;
}

/// Rows by their hashes: open addressing.
class FirstRows {
  public:
    static index_t slots_of(index_t n_rows) noexcept {
        index_t n = block;
        while (n < 2 * n_rows / n_parts) n *= 2;
        return n;
    }

    FirstRows(int32_t* slots, index_t n) noexcept
        : slots_(slots), mask_(static_cast<uint32_t>(n - 1)) {
        std::fill_n(slots, n, int32_t{-1});
    }

    void prefetch(uint32_t hash) const noexcept {
        simd::prefetch(slots_ + (hash & mask_));
    }

    /// The place of an equal row, or a free one; null where there is neither nearby.
    template <class IsEqual>
    int32_t* find(uint32_t hash, const IsEqual& is_equal) const noexcept {
        for (uint32_t k = 0; k < most_probes; ++k) {
            int32_t* const slot = slots_ + ((hash + k) & mask_);
            if (*slot < 0 || is_equal(*slot)) return slot;
        }
        return nullptr;
    }

  private:
    int32_t* slots_;
    uint32_t mask_;
};

struct Bytes {
    View2<const uint8_t> codes, tags;

    uint32_t hash(index_t row) const noexcept {
        const uint64_t of_codes = mix(0, codes.row(row), codes.columns);
        return static_cast<uint32_t>(mix(of_codes, tags.row(row), tags.columns));
    }
    bool equal(index_t a, index_t b) const noexcept {
        const auto same = [&](const View2<const uint8_t>& of) {
            return std::memcmp(of.row(a), of.row(b),
                               static_cast<std::size_t>(of.columns)) == 0;
        };
        return same(codes) && same(tags);
    }
};

/// Counts the rows of a part.
void count_part(const Bytes& bytes, const uint32_t* hashes, index_t part, int most,
                FirstRows& firsts, View1<uint8_t> counts) noexcept {
    const auto add = [&](int32_t row) {
        int32_t* const slot = firsts.find(
            hashes[row], [&](int32_t first) { return bytes.equal(row, first); });
        if (slot != nullptr && *slot >= 0 && counts(*slot) < most) {
            ++counts.data[*slot];
            counts.data[row] = 0;
            return;
        }
        counts.data[row] = 1;
        if (slot != nullptr) *slot = row;
    };
    for (index_t at = 0; at < counts.size; at += block) {
        const index_t last = std::min(at + block, counts.size);
        int32_t rows[block];
        index_t n = 0;
        for (index_t r = at; r < last; ++r) {
            rows[n] = static_cast<int32_t>(r);
            n += static_cast<index_t>(hashes[r] >> (32 - part_bits)) == part ? 1 : 0;
        }
        for (index_t i = 0; i < n; ++i) {
            firsts.prefetch(hashes[rows[std::min(i + ahead, n - 1)]]);
            add(rows[i]);
        }
    }
}

} // namespace

void count_equal_rows(View2<const uint8_t> codes, View2<const uint8_t> tags, int most,
                      View1<uint8_t> counts, int n_threads) {
    const index_t n_rows = counts.size;
    const Bytes bytes{codes, tags};
    const int threads = std::min(worthwhile_threads(n_rows, row_grain, n_threads),
                                 static_cast<int>(n_parts));
    const index_t n_slots = FirstRows::slots_of(n_rows);
    const AlignedBuffer<uint32_t> hashes(n_rows);
    const AlignedBuffer<int32_t> slots(threads * n_slots);
    std::atomic<index_t> next{0};
    parallel_region(threads, [&](const Team& team) {
        const auto [first, last] = team.share(n_rows);
        for (index_t r = first; r < last; ++r) hashes.data()[r] = bytes.hash(r);
        team.barrier();
        for (index_t part = next++; part < n_parts; part = next++) {
            FirstRows firsts(slots.data() + team.index * n_slots, n_slots);
            count_part(bytes, hashes.data(), part, most, firsts, counts);
        }
    });
}

} // namespace fastnotes::boosting
