/* CPlatform.h - what Swift cannot say itself: questions to the processor and the
 * kernel, single instructions, and the structs that the kernel modules share. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "KernelIntegers.h"
#include "KernelTasks.h"
#include "ResNetTasks.h"

/* ---- Processor ----------------------------------------------------------- */

/* Bits of platform_features(). A bit is set only if the processor has every
 * instruction of the set and the operating system saves its registers. */
enum {
  PLATFORM_AVX2 = 1,        /* AVX2, FMA, F16C */
  PLATFORM_AVX512 = 2,      /* AVX-512 F, VL, BW, DQ, besides PLATFORM_AVX2 */
  PLATFORM_AVX2_VNNI = 4,   /* AVX-VNNI, besides PLATFORM_AVX2 */
  PLATFORM_AVX512_VNNI = 8  /* AVX-512 VNNI, besides PLATFORM_AVX512 */
};

/* What the processor that runs this can execute. 0 on other architectures. */
uint32_t platform_features(void);

/* Asks for the cache line at `address` to be brought to the second-level cache.
 * Never faults, whatever the address is. */
static inline __attribute__((always_inline)) void platform_prefetch(const void *_Nonnull address) {
  __builtin_prefetch(address, 0, 2);
}

/* Tells the processor that this is a waiting loop. */
static inline __attribute__((always_inline)) void platform_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/* ---- Half precision ------------------------------------------------------- */

/* Swift's conversions of vectors are generic functions of the standard library:
 * one symbol for all modules, whatever each was compiled for. */
#if defined(__F16C__)
typedef _Float16 platform_half8 __attribute__((ext_vector_type(8), aligned(2)));

/* Eight halves as floats: vcvtph2ps. */
static inline __attribute__((always_inline)) platform_float8 platform_widen8(const void *_Nonnull halves) {
  return __builtin_convertvector(*(const platform_half8 *)halves, platform_float8);
}

/* Writes eight floats as halves, rounded: vcvtps2ph. */
static inline __attribute__((always_inline)) void platform_narrow8(platform_float8 floats,
                                                                   void *_Nonnull halves) {
  *(platform_half8 *)halves = __builtin_convertvector(floats, platform_half8);
}
#endif

#if defined(__AVX512F__)
typedef _Float16 platform_half16 __attribute__((ext_vector_type(16), aligned(2)));

static inline __attribute__((always_inline)) platform_float16 platform_widen16(const void *_Nonnull halves) {
  return __builtin_convertvector(*(const platform_half16 *)halves, platform_float16);
}

static inline __attribute__((always_inline)) void platform_narrow16(platform_float16 floats,
                                                                    void *_Nonnull halves) {
  *(platform_half16 *)halves = __builtin_convertvector(floats, platform_half16);
}
#endif

/* ---- Floating-point mode ------------------------------------------------- */

/* Switches the calling thread to the default mode (round to nearest, denormals
 * kept, exceptions masked) and returns the mode it had. A host that flushes
 * denormals or rounds otherwise must not change our results. */
uint32_t platform_float_mode_begin(void);

/* Restores what platform_float_mode_begin returned. */
void platform_float_mode_end(uint32_t mode);

/* Sets the mode of the calling thread; tests play such a host with it. */
void platform_float_mode_set(uint32_t mode);

/* ---- Operating system ---------------------------------------------------- */

/* How many processors the affinity mask of the calling thread allows; 0 if the
 * kernel does not say. */
int platform_allowed_processors(void);

/* Registers handlers around fork(); 0 on success. */
int platform_on_fork(void (*_Nonnull prepare)(void), void (*_Nonnull parent)(void),
                     void (*_Nonnull child)(void));

/* fork(), which Swift does not let one call; used by tests. */
int platform_fork(void);
