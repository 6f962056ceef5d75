/* KernelIntegers.h - products of small integers, for which Swift has no operator on
 * vectors, and conversions, which Swift's library has as generic functions only: one
 * symbol for all modules, whatever each was compiled for. */
#pragma once

#include <stdint.h>

/* Vectors of `lanes` sums, and of twice as many factors, two for each sum. */
#define PLATFORM_INTEGERS(lanes, factors)                                                                 \
  typedef float platform_float##lanes __attribute__((ext_vector_type(lanes)));                            \
  typedef int32_t platform_int##lanes __attribute__((ext_vector_type(lanes)));                            \
  typedef int16_t platform_pairs##lanes __attribute__((ext_vector_type(factors)));                        \
  typedef int8_t platform_bytes##lanes __attribute__((ext_vector_type(factors), aligned(1)));             \
  typedef int16_t platform_shorts##lanes __attribute__((ext_vector_type(lanes), aligned(2)));             \
  /* Bytes at any address as pairs of factors. */                                                         \
  static inline __attribute__((always_inline)) platform_pairs##lanes platform_widen_bytes##lanes(         \
      const void *_Nonnull bytes) {                                                                       \
    return __builtin_convertvector(*(const platform_bytes##lanes *)bytes, platform_pairs##lanes);         \
  }                                                                                                       \
  /* Shorts at any address as integers. */                                                                \
  static inline __attribute__((always_inline)) platform_int##lanes platform_widen_shorts##lanes(          \
      const void *_Nonnull shorts) {                                                                      \
    return __builtin_convertvector(*(const platform_shorts##lanes *)shorts, platform_int##lanes);         \
  }                                                                                                       \
  /* Writes the low halves of integers. */                                                                \
  static inline __attribute__((always_inline)) void platform_narrow_ints##lanes(                          \
      platform_int##lanes ints, void *_Nonnull shorts) {                                                  \
    *(platform_shorts##lanes *)shorts = __builtin_convertvector(ints, platform_shorts##lanes);            \
  }                                                                                                       \
  static inline __attribute__((always_inline)) platform_float##lanes platform_floats##lanes(              \
      platform_int##lanes ints) {                                                                         \
    return __builtin_convertvector(ints, platform_float##lanes);                                          \
  }

PLATFORM_INTEGERS(4, 8)

/* a[0]·b[0] + a[1]·b[1] for each pair: pmaddwd. No sum of two products of 16 bits
 * overflows but that of four times -32768. */
static inline __attribute__((always_inline)) platform_int4 platform_multiply_pairs4(platform_pairs4 a,
                                                                                    platform_pairs4 b) {
#if defined(__SSE2__)
  typedef int16_t shorts __attribute__((vector_size(16)));
  return (platform_int4)__builtin_ia32_pmaddwd128((shorts)a, (shorts)b);
#else
  return __builtin_convertvector(a.even, platform_int4) * __builtin_convertvector(b.even, platform_int4) +
         __builtin_convertvector(a.odd, platform_int4) * __builtin_convertvector(b.odd, platform_int4);
#endif
}

#if defined(__AVX2__)
PLATFORM_INTEGERS(8, 16)

static inline __attribute__((always_inline)) platform_int8 platform_multiply_pairs8(platform_pairs8 a,
                                                                                    platform_pairs8 b) {
  typedef int16_t shorts __attribute__((vector_size(32)));
  return (platform_int8)__builtin_ia32_pmaddwd256((shorts)a, (shorts)b);
}
#endif

#if defined(__AVX512BW__)
PLATFORM_INTEGERS(16, 32)

static inline __attribute__((always_inline)) platform_int16 platform_multiply_pairs16(platform_pairs16 a,
                                                                                      platform_pairs16 b) {
  typedef int16_t shorts __attribute__((vector_size(64)));
  return (platform_int16)__builtin_ia32_pmaddwd512((shorts)a, (shorts)b);
}
#endif

/* sum + a[0]·b[0] + a[1]·b[1] for each pair, with one instruction. Written down, because the compiler takes its own
 * builtin apart into a product and an addition wherever it finds a chain of them. */
#if defined(__AVXVNNI__)
static inline __attribute__((always_inline)) platform_int8 platform_add_pairs8(platform_pairs8 a, platform_pairs8 b,
                                                                               platform_int8 sum) {
  __asm__("%{vex%} vpdpwssd %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
  return sum;
}
#endif

#if defined(__AVX512VNNI__)
static inline __attribute__((always_inline)) platform_int16 platform_add_pairs16(platform_pairs16 a,
                                                                                 platform_pairs16 b,
                                                                                 platform_int16 sum) {
  __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  return sum;
}
#endif
