#define _GNU_SOURCE
#include "CPlatform.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <xmmintrin.h>

static uint64_t enabled_registers(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

uint32_t platform_features(void) {
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
  /* OSXSAVE says that xgetbv exists; without it the system saves no ymm register. */
  const uint32_t needed = bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C;
  if ((c & needed) != needed) return 0;
  const uint64_t saved = enabled_registers();
  if ((saved & 0x6) != 0x6) return 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
  if (!(b & bit_AVX2)) return 0;
  const uint32_t wide = bit_AVX512F | bit_AVX512VL | bit_AVX512BW | bit_AVX512DQ;
  uint32_t features = PLATFORM_AVX2;
  if ((b & wide) == wide && (saved & 0xe6) == 0xe6) {
    features |= PLATFORM_AVX512;
    if (c & bit_AVX512VNNI) features |= PLATFORM_AVX512_VNNI;
  }
  /* The subleaves there are; processors answer anything for those beyond. */
  if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && a & bit_AVXVNNI) features |= PLATFORM_AVX2_VNNI;
  return features;
}

uint32_t platform_float_mode_begin(void) {
  const uint32_t mode = _mm_getcsr();
  _mm_setcsr(0x1f80);
  return mode;
}

void platform_float_mode_end(uint32_t mode) { _mm_setcsr(mode); }
void platform_float_mode_set(uint32_t mode) { _mm_setcsr(mode); }
#else
uint32_t platform_features(void) { return 0; }
uint32_t platform_float_mode_begin(void) { return 0; }
void platform_float_mode_end(uint32_t mode) { (void)mode; }
void platform_float_mode_set(uint32_t mode) { (void)mode; }
#endif

int platform_allowed_processors(void) {
  /* The kernel refuses masks that are too short for the machine: ask with longer ones. */
  for (size_t count = 1024; count <= 1 << 20; count *= 4) {
    cpu_set_t *set = CPU_ALLOC(count);
    if (!set) return 0;
    const size_t size = CPU_ALLOC_SIZE(count);
    const int failed = sched_getaffinity(0, size, set);
    const int allowed = failed ? 0 : CPU_COUNT_S(size, set);
    CPU_FREE(set);
    if (!failed) return allowed;
    if (errno != EINVAL) return 0;
  }
  return 0;
}

int platform_on_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void)) {
  return pthread_atfork(prepare, parent, child);
}

int platform_fork(void) { return fork(); }
