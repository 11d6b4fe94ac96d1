/// The level simd.hpp is compiled for: register width, and the instructions that vector
/// extensions cannot say, as overloads on raw registers. For simd_vector.hpp alone.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define FASTNOTES_INLINE [[gnu::always_inline]] inline

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) &&          \
    defined(__AVX512VL__)
#define FASTNOTES_AVX512 1
#else
#define FASTNOTES_AVX512 0
#endif

namespace fastnotes::simd {

#if FASTNOTES_AVX512
inline constexpr int native_bytes = 64;
#elif defined(__AVX__)
inline constexpr int native_bytes = 32;
#else
inline constexpr int native_bytes = 16;
#endif

#if defined(__FMA__) || defined(__aarch64__)
#define FASTNOTES_FMA 1
#else
#define FASTNOTES_FMA 0
#endif
inline constexpr bool has_fma = FASTNOTES_FMA;

/// Overloads on the raw register types. Where one is missing here, simd.hpp has plain
/// vector arithmetic of equal result.
namespace detail {
#if defined(__x86_64__) || defined(__i386__)
#define FASTNOTES_WRAP(R, D, prefix)                                                   \
    FASTNOTES_INLINE R min_raw(R a, R b) { return prefix##_min_ps(a, b); }             \
    FASTNOTES_INLINE D min_raw(D a, D b) { return prefix##_min_pd(a, b); }             \
    FASTNOTES_INLINE R max_raw(R a, R b) { return prefix##_max_ps(a, b); }             \
    FASTNOTES_INLINE D max_raw(D a, D b) { return prefix##_max_pd(a, b); }             \
    FASTNOTES_INLINE R sqrt_raw(R a) { return prefix##_sqrt_ps(a); }                   \
    FASTNOTES_INLINE D sqrt_raw(D a) { return prefix##_sqrt_pd(a); }                   \
    FASTNOTES_INLINE void stream_raw(float* p, R a) { prefix##_stream_ps(p, a); }      \
    FASTNOTES_INLINE void stream_raw(double* p, D a) { prefix##_stream_pd(p, a); }
#define FASTNOTES_WRAP_FMA(R, D, prefix)                                               \
    FASTNOTES_INLINE R fma_raw(R a, R b, R c) { return prefix##_fmadd_ps(a, b, c); }   \
    FASTNOTES_INLINE D fma_raw(D a, D b, D c) { return prefix##_fmadd_pd(a, b, c); }
#define FASTNOTES_WRAP_ROUND(R, D, function)                                           \
    FASTNOTES_INLINE R round_raw(R a) { return function##_ps(a, 8); }                  \
    FASTNOTES_INLINE D round_raw(D a) { return function##_pd(a, 8); }

/// Left to itself, GCC 12 widens a vector in pieces, through memory.
typedef float HalfRegister __attribute__((vector_size(8)));
FASTNOTES_INLINE __m128d widen_raw(HalfRegister a) {
    const __m128 twice = {a[0], a[1], a[0], a[1]};
    return _mm_cvtps_pd(twice);
}
FASTNOTES_WRAP(__m128, __m128d, _mm)
#if defined(__AVX__)
FASTNOTES_INLINE __m256d widen_raw(__m128 a) { return _mm256_cvtps_pd(a); }
FASTNOTES_WRAP(__m256, __m256d, _mm256)
FASTNOTES_WRAP_ROUND(__m256, __m256d, _mm256_round)
#endif
#if FASTNOTES_AVX512
FASTNOTES_INLINE __m512d widen_raw(__m256 a) { return _mm512_maskz_cvtps_pd(0xFF, a); }
FASTNOTES_WRAP_FMA(__m512, __m512d, _mm512)
/// The zero-masking forms with a full mask are the plain instructions; the plain
/// intrinsics of GCC 12 start from an undefined register, which it then warns about.
FASTNOTES_INLINE __m512 min_raw(__m512 a, __m512 b) {
    return _mm512_maskz_min_ps(0xFFFF, a, b);
}
FASTNOTES_INLINE __m512 max_raw(__m512 a, __m512 b) {
    return _mm512_maskz_max_ps(0xFFFF, a, b);
}
FASTNOTES_INLINE __m512 sqrt_raw(__m512 a) { return _mm512_maskz_sqrt_ps(0xFFFF, a); }
FASTNOTES_INLINE __m512 round_raw(__m512 a) {
    return _mm512_maskz_roundscale_ps(0xFFFF, a, 8);
}
/// a 2^b for an integer b; rounded once
FASTNOTES_INLINE __m512 scale_raw(__m512 a, __m512 b) {
    return _mm512_maskz_scalef_ps(0xFFFF, a, b);
}
FASTNOTES_INLINE void stream_raw(float* p, __m512 a) { _mm512_stream_ps(p, a); }
FASTNOTES_INLINE __m512d min_raw(__m512d a, __m512d b) {
    return _mm512_maskz_min_pd(0xFF, a, b);
}
FASTNOTES_INLINE __m512d max_raw(__m512d a, __m512d b) {
    return _mm512_maskz_max_pd(0xFF, a, b);
}
FASTNOTES_INLINE __m512d sqrt_raw(__m512d a) { return _mm512_maskz_sqrt_pd(0xFF, a); }
FASTNOTES_INLINE __m512d round_raw(__m512d a) {
    return _mm512_maskz_roundscale_pd(0xFF, a, 8);
}
/// a 2^b for an integer b; rounded once
FASTNOTES_INLINE __m512d scale_raw(__m512d a, __m512d b) {
    return _mm512_maskz_scalef_pd(0xFF, a, b);
}
FASTNOTES_INLINE void stream_raw(double* p, __m512d a) { _mm512_stream_pd(p, a); }
#endif
#if defined(__SSE4_1__)
FASTNOTES_WRAP_ROUND(__m128, __m128d, _mm_round)
#define FASTNOTES_HAS_ROUND 1
#endif
#if defined(__FMA__)
FASTNOTES_WRAP_FMA(__m128, __m128d, _mm)
FASTNOTES_WRAP_FMA(__m256, __m256d, _mm256)
#endif
#undef FASTNOTES_WRAP
#undef FASTNOTES_WRAP_FMA
#undef FASTNOTES_WRAP_ROUND
#elif defined(__aarch64__)
#define FASTNOTES_HAS_ROUND 1
FASTNOTES_INLINE float32x4_t fma_raw(float32x4_t a, float32x4_t b, float32x4_t c) {
    return vfmaq_f32(c, a, b);
}
FASTNOTES_INLINE float64x2_t fma_raw(float64x2_t a, float64x2_t b, float64x2_t c) {
    return vfmaq_f64(c, a, b);
}
FASTNOTES_INLINE float32x4_t round_raw(float32x4_t a) { return vrndnq_f32(a); }
FASTNOTES_INLINE float64x2_t round_raw(float64x2_t a) { return vrndnq_f64(a); }
FASTNOTES_INLINE float32x4_t sqrt_raw(float32x4_t a) { return vsqrtq_f32(a); }
FASTNOTES_INLINE float64x2_t sqrt_raw(float64x2_t a) { return vsqrtq_f64(a); }
#endif
} // namespace detail

} // namespace fastnotes::simd
