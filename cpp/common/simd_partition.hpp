/// Items of 8 bytes parted in two, four at a time. For kernels that deal rows out.
#pragma once

#include "common/simd_level.hpp"

#include <cstdint>

namespace fastnotes::simd {

inline constexpr int parted_items = 4;

namespace detail {

/// For each set of four items: where the 32-bit halves of chosen and other items come
/// from. Step -1: the last item comes first.
template <int Step> struct PartingOrders {
    alignas(32) std::int32_t ahead[16][8] = {};
    alignas(32) std::int32_t behind[16][8] = {};

    constexpr PartingOrders() {
        for (int chosen = 0; chosen < 16; ++chosen) {
            int next_ahead = 0, next_behind = parted_items - 1;
            for (int i = 0; i < parted_items; ++i) {
                const int item = Step > 0 ? i : parted_items - 1 - i;
                const bool is_ahead = (chosen >> i & 1) != 0;
                std::int32_t* const to = is_ahead ? ahead[chosen] + 2 * next_ahead++
                                                  : behind[chosen] + 2 * next_behind--;
                to[0] = 2 * item;
                to[1] = 2 * item + 1;
            }
        }
    }
};

template <int Step> inline constexpr PartingOrders<Step> parting_orders{};

} // namespace detail

/// Reads four items, the first at `from`, the others a Step, 1 or -1, further each.
/// Those whose bit of `chosen` is set go to `ahead` and on, in order; the others to the
/// places before `behind`, from the last one back. All of [ahead, ahead + 4) and
/// [behind - 4, behind) may be written: they must not overlap.
template <int Step, class Item>
FASTNOTES_INLINE void part_four(const Item* from, std::uint32_t chosen, Item* ahead,
                                Item* behind) {
    static_assert(sizeof(Item) == 8);
#if defined(__AVX2__)
    const auto& orders = detail::parting_orders<Step>;
    const auto at = [](auto* p) { return reinterpret_cast<const __m256i*>(p); };
    const __m256i items = _mm256_loadu_si256(at(Step > 0 ? from : from - 3));
    const auto put = [items, at](Item* to, const std::int32_t* order) {
        _mm256_storeu_si256(
            reinterpret_cast<__m256i*>(to),
            _mm256_permutevar8x32_epi32(items, _mm256_load_si256(at(order))));
    };
    put(ahead, orders.ahead[chosen]);
    put(behind - parted_items, orders.behind[chosen]);
#else
    for (int i = 0; i < parted_items; ++i) {
        const int is_ahead = static_cast<int>(chosen >> i & 1);
        *ahead = from[Step * i];
        behind[-1] = from[Step * i];
        ahead += is_ahead;
        behind += is_ahead - 1;
    }
#endif
}

} // namespace fastnotes::simd
