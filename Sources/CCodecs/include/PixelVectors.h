/* The few vector operations that resampling needs and Swift's SIMD types have no name for. Written
 * with the compiler's portable vectors; one instruction each on x86-64 without extensions. */
#pragma once

#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

typedef uint8_t ccodecs_u8x16 __attribute__((ext_vector_type(16)));
typedef int16_t ccodecs_i16x8 __attribute__((ext_vector_type(8)));
typedef int32_t ccodecs_i32x4 __attribute__((ext_vector_type(4)));

#define CCODECS_INLINE static inline __attribute__((always_inline))

/* a[0], b[0], a[1], b[1], ... a[7], b[7] */
CCODECS_INLINE ccodecs_u8x16 ccodecs_interleave_low(ccodecs_u8x16 a, ccodecs_u8x16 b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

/* a[8], b[8], ... a[15], b[15] */
CCODECS_INLINE ccodecs_u8x16 ccodecs_interleave_high(ccodecs_u8x16 a, ccodecs_u8x16 b) {
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15,
                                 31);
}

/* Four pixels of four channels to two pairs: r0 r1 g0 g1 b0 b1 a0 a1, r2 r3 g2 g3 b2 b3 a2 a3. */
CCODECS_INLINE ccodecs_u8x16 ccodecs_pair_pixels(ccodecs_u8x16 v) {
  ccodecs_u8x16 next = __builtin_shufflevector(v, v, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1,
                                               2, 3);
  ccodecs_u8x16 low = ccodecs_interleave_low(v, next), high = ccodecs_interleave_high(v, next);
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
}

/* Bytes 0 ... 7, and bytes 8 ... 15, as 16-bit integers. */
CCODECS_INLINE ccodecs_i16x8 ccodecs_widen_low(ccodecs_u8x16 v) {
  return (ccodecs_i16x8)ccodecs_interleave_low(v, (ccodecs_u8x16)0);
}
CCODECS_INLINE ccodecs_i16x8 ccodecs_widen_high(ccodecs_u8x16 v) {
  return (ccodecs_i16x8)ccodecs_interleave_high(v, (ccodecs_u8x16)0);
}

/* a[0] b[0] + a[1] b[1], a[2] b[2] + a[3] b[3], ... */
CCODECS_INLINE ccodecs_i32x4 ccodecs_multiply_pairs(ccodecs_i16x8 a, ccodecs_i16x8 b) {
#if defined(__SSE2__)
  return (ccodecs_i32x4)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
  return __builtin_convertvector(a.even, ccodecs_i32x4) * __builtin_convertvector(b.even, ccodecs_i32x4) +
         __builtin_convertvector(a.odd, ccodecs_i32x4) * __builtin_convertvector(b.odd, ccodecs_i32x4);
#endif
}

/* Sixteen integers within +-32767 to bytes, clipped to 0 ... 255. */
CCODECS_INLINE ccodecs_u8x16 ccodecs_clip(ccodecs_i32x4 a, ccodecs_i32x4 b, ccodecs_i32x4 c,
                                          ccodecs_i32x4 d) {
#if defined(__SSE2__)
  return (ccodecs_u8x16)_mm_packus_epi16(_mm_packs_epi32((__m128i)a, (__m128i)b),
                                         _mm_packs_epi32((__m128i)c, (__m128i)d));
#else
  typedef int32_t i32x8 __attribute__((ext_vector_type(8)));
  typedef int32_t i32x16 __attribute__((ext_vector_type(16)));
  i32x8 ab = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7);
  i32x8 cd = __builtin_shufflevector(c, d, 0, 1, 2, 3, 4, 5, 6, 7);
  i32x16 all = __builtin_shufflevector(ab, cd, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  all = __builtin_elementwise_min(__builtin_elementwise_max(all, (i32x16)0), (i32x16)255);
  return __builtin_convertvector(all, ccodecs_u8x16);
#endif
}
