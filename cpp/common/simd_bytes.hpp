/// Signed bytes side by side: compare, select, step. For kernels that follow as many
/// rows as a register has bytes, one small number each.
#pragma once

#include "common/simd_level.hpp"

#include <cstdint>

namespace fastnotes::simd {

#if FASTNOTES_AVX512
/// True or false per byte: bit i is byte i.
struct ByteMask {
    std::uint64_t bits;
};
#else
struct ByteMask {
    typedef std::int8_t raw_type __attribute__((vector_size(native_bytes)));
    raw_type raw; ///< all bits of a true byte are set
};
#endif

/// One register of this level, byte by byte.
struct Bytes {
    typedef std::int8_t raw_type __attribute__((vector_size(native_bytes)));
    typedef std::uint8_t modular_type __attribute__((vector_size(native_bytes)));
    static constexpr int size = native_bytes;

    raw_type raw;

    Bytes() = default;
    FASTNOTES_INLINE Bytes(raw_type value) : raw(value) {}
    FASTNOTES_INLINE explicit Bytes(std::int8_t value) : raw(value - raw_type{}) {}

    FASTNOTES_INLINE static Bytes load(const std::int8_t* p) {
        Bytes v;
        __builtin_memcpy(&v.raw, p, sizeof(v.raw));
        return v;
    }
    FASTNOTES_INLINE void store(std::int8_t* p) const {
        __builtin_memcpy(p, &raw, sizeof(raw));
    }

    FASTNOTES_INLINE friend ByteMask operator>(Bytes a, Bytes b) {
#if FASTNOTES_AVX512
        return {_mm512_cmpgt_epi8_mask((__m512i)a.raw, (__m512i)b.raw)};
#else
        return {(ByteMask::raw_type)(a.raw > b.raw)};
#endif
    }

    /// mask ? a : b, byte by byte.
    FASTNOTES_INLINE friend Bytes select(ByteMask mask, Bytes a, Bytes b) {
#if FASTNOTES_AVX512
        return (raw_type)_mm512_mask_blend_epi8(mask.bits, (__m512i)b.raw,
                                                (__m512i)a.raw);
#else
        return mask.raw ? a.raw : b.raw;
#endif
    }

    /// v - 1 where the mask is true, modulo 256.
    FASTNOTES_INLINE friend Bytes subtract_one_if(ByteMask mask, Bytes v) {
#if FASTNOTES_AVX512
        return (raw_type)_mm512_mask_sub_epi8((__m512i)v.raw, mask.bits, (__m512i)v.raw,
                                              _mm512_set1_epi8(1));
#else
        return (raw_type)((modular_type)v.raw + (modular_type)mask.raw);
#endif
    }
};

} // namespace fastnotes::simd
