/// Counter-based random numbers: Philox4x32-10.
///
/// A value is a pure function of (seed, purpose, index), so a stream may be drawn in
/// any order, by any number of threads and at any vector width. Streams of different
/// purposes under one seed are independent; so are those of different seeds.
///
///     const RandomStream noise{seed, purpose};
///     fill_normal(noise, first, out, n);   // values first .. first + n - 1 of the
///     stream
///
/// Block b of a stream is philox4x32({low b, high b, purpose, 0}, {low seed, high
/// seed}).
///   float  value i comes from word i % 4 of block i / 4;
///   double value i from words 2 (i % 2) and the next (the high one) of block i / 2.
/// Normals come in pairs: values 2 j and 2 j + 1 from the words of both.
///
/// Source: Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2, 3 (SC
/// 2011), and the known answers of its Random123; Box and Muller (1958).
#pragma once

#include "common/simd_math.hpp"
#include "common/view.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace fastnotes {

using PhiloxCounter = std::array<std::uint32_t, 4>;
using PhiloxKey = std::array<std::uint32_t, 2>;

namespace detail {
inline constexpr std::uint32_t philox_multiplier[2] = {0xD2511F53u, 0xCD9E8D57u};
inline constexpr std::uint32_t philox_key_step[2] = {0x9E3779B9u, 0xBB67AE85u};
inline constexpr int philox_rounds = 10;
} // namespace detail

/// Four random words from a counter and a key.
constexpr PhiloxCounter philox4x32(PhiloxCounter c, PhiloxKey key) noexcept {
    for (int round = 0; round < detail::philox_rounds; ++round) {
        const auto product0 = std::uint64_t{detail::philox_multiplier[0]} * c[0];
        const auto product1 = std::uint64_t{detail::philox_multiplier[1]} * c[2];
        const auto high0 = static_cast<std::uint32_t>(product0 >> 32);
        const auto high1 = static_cast<std::uint32_t>(product1 >> 32);
        c = {high1 ^ c[1] ^ key[0], static_cast<std::uint32_t>(product1),
             high0 ^ c[3] ^ key[1], static_cast<std::uint32_t>(product0)};
        key[0] += detail::philox_key_step[0];
        key[1] += detail::philox_key_step[1];
    }
    return c;
}

struct RandomStream {
    std::uint64_t seed;
    std::uint32_t purpose;

    constexpr PhiloxKey key() const noexcept {
        return {static_cast<std::uint32_t>(seed),
                static_cast<std::uint32_t>(seed >> 32)};
    }
    constexpr PhiloxCounter block(std::uint64_t index) const noexcept {
        return philox4x32({static_cast<std::uint32_t>(index),
                           static_cast<std::uint32_t>(index >> 32), purpose, 0},
                          key());
    }
};

namespace detail {

using Words = simd::Vec<std::uint64_t>;

/// Words 0, 1, 2, 3 of Words::size consecutive blocks, in the low halves of the lanes;
/// the high halves hold rubbish, which no step below lets into a low half.
struct PhiloxBlocks {
    Words word[4];
};

FASTNOTES_INLINE PhiloxBlocks philox_blocks(RandomStream stream, std::uint64_t first) {
    const Words index = simd::iota<Words>() + Words(first);
    const Words multiplier0(philox_multiplier[0]), multiplier1(philox_multiplier[1]);
    Words c0 = index, c1 = index >> 32, c2(stream.purpose), c3(0);
    auto [key0, key1] = stream.key();
    for (int round = 0; round < philox_rounds; ++round) {
        const Words product0 = simd::multiply_low_halves(c0, multiplier0);
        const Words product1 = simd::multiply_low_halves(c2, multiplier1);
        c0 = (product1 >> 32) ^ c1 ^ Words(key0);
        c1 = product1;
        c2 = (product0 >> 32) ^ c3 ^ Words(key1);
        c3 = product0;
        key0 += philox_key_step[0];
        key1 += philox_key_step[1];
    }
    return {{c0, c1, c2, c3}};
}

/// low(a) + 2^32 low(b), lane by lane.
FASTNOTES_INLINE Words join_words(Words a, Words b) {
    return (a & Words(0xFFFFFFFFu)) | (b << 32);
}

/// The words behind two vectors of values: `first` feeds the even values of the stream,
/// `second` the odd ones.
template <class T> struct RandomBits;

template <> struct RandomBits<float> {
    using V = simd::Vec<float>;
    using Bits = simd::Vec<std::uint32_t>;
    Bits first, second;

    FASTNOTES_INLINE RandomBits(RandomStream stream, std::uint64_t block) {
        const auto blocks = philox_blocks(stream, block);
        first =
            simd::bit_cast<std::uint32_t>(join_words(blocks.word[0], blocks.word[2]));
        second =
            simd::bit_cast<std::uint32_t>(join_words(blocks.word[1], blocks.word[3]));
    }
    /// 24 bits, in [0, 1)
    FASTNOTES_INLINE static V uniform(Bits bits) {
        const auto integer = simd::bit_cast<std::int32_t>(bits >> 8);
        return simd::convert<float>(integer) * V(0x1p-24f);
    }
    /// 32 bits, rounded, in (0, 1]
    FASTNOTES_INLINE static V positive_uniform(Bits bits) {
        return simd::convert<float>(bits) * V(0x1p-32f) + V(0x1p-33f);
    }
};

template <> struct RandomBits<double> {
    using V = simd::Vec<double>;
    using Bits = simd::Vec<std::uint64_t>;
    Bits first, second;

    FASTNOTES_INLINE RandomBits(RandomStream stream, std::uint64_t block) {
        const auto blocks = philox_blocks(stream, block);
        first = join_words(blocks.word[0], blocks.word[1]);
        second = join_words(blocks.word[2], blocks.word[3]);
    }
    /// 52 bits, in [0, 1): the mantissa of a number in [1, 2)
    FASTNOTES_INLINE static V uniform(Bits bits) {
        const Bits one_to_two = (bits >> 12) | Bits(0x3FF0000000000000u);
        return simd::bit_cast<double>(one_to_two) - V(1.0);
    }
    FASTNOTES_INLINE static V positive_uniform(Bits bits) {
        return V(1.0) - uniform(bits);
    }
};

/// Calls draw(bits) -> {even values, odd values} for what covers the n values from
/// `first`.
template <class T, class F>
void fill_random(RandomStream stream, std::uint64_t first, T* out, index_t n,
                 F draw) noexcept {
    constexpr index_t lanes = simd::lanes<T>, step = 2 * lanes;
    for (index_t done = 0; done < n;) {
        const std::uint64_t at = first + static_cast<std::uint64_t>(done);
        const auto skip = static_cast<index_t>(at % step);
        const RandomBits<T> bits(stream, at / step * Words::size);
        const auto [even, odd] = draw(bits);
        const auto values = simd::interleave(even, odd);
        if (skip == 0 && n - done >= step) {
            simd::store(out + done, values.low);
            simd::store(out + done + lanes, values.high);
            done += step;
        } else {
            T edge[step];
            simd::store(edge, values.low);
            simd::store(edge + lanes, values.high);
            const index_t count = std::min(step - skip, n - done);
            std::copy_n(edge + skip, count, out + done);
            done += count;
        }
    }
}

} // namespace detail

/// Values first .. first + n - 1 of the stream, uniform on [0, 1): 24 bits (float)
/// or 52.
///
/// out   [n] T, out, overwritten
template <class T>
void fill_uniform(RandomStream stream, std::uint64_t first, T* out,
                  index_t n) noexcept {
    using Bits = detail::RandomBits<T>;
    detail::fill_random(stream, first, out, n, [](const Bits& bits) {
        return std::array{Bits::uniform(bits.first), Bits::uniform(bits.second)};
    });
}

/// Values first .. first + n - 1 of the stream, standard normal, up to 6.7 (float)
/// or 8.5 standard deviations out.
///
/// out   [n] T, out, overwritten
template <class T>
void fill_normal(RandomStream stream, std::uint64_t first, T* out, index_t n) noexcept {
    using Bits = detail::RandomBits<T>;
    using V = typename Bits::V;
    detail::fill_random(stream, first, out, n, [](const Bits& bits) {
        const V u = Bits::positive_uniform(bits.first);
        const V radius = simd::sqrt(V(T(-2)) * simd::log(u));
        const auto angle = simd::sincos_turns(Bits::uniform(bits.second));
        return std::array{radius * angle.cos, radius * angle.sin};
    });
}

} // namespace fastnotes
