/* The processor's limit: fused multiply-adds on registers, nothing read or written.
 * Twelve independent sums hide the latency of two units that take four to six cycles. */
#include <pthread.h>

#if defined(__x86_64__)
#define FEATURES(list) __attribute__((target(list)))
#else
#define FEATURES(list)
#endif
#define SUMS 12

/* A loop for vectors of `bytes`; contraction makes one instruction of each line. Sums tend to 2. */
#define LOOP(name, bytes, features)                                              \
  FEATURES(features) static void *name(void *argument) {                         \
    typedef float Vector __attribute__((vector_size(bytes)));                    \
    Vector s[SUMS], half = {0}, one = {0};                                       \
    half += 0.5f, one += 1.0f;                                                   \
    for (int i = 0; i < SUMS; i++) s[i] = one * (float)i;                        \
    for (long rounds = *(const long *)argument; rounds > 0; rounds--) {          \
      __asm__ volatile("" ::: "memory");                                         \
      s[0] = s[0] * half + one, s[1] = s[1] * half + one;                        \
      s[2] = s[2] * half + one, s[3] = s[3] * half + one;                        \
      s[4] = s[4] * half + one, s[5] = s[5] * half + one;                        \
      s[6] = s[6] * half + one, s[7] = s[7] * half + one;                        \
      s[8] = s[8] * half + one, s[9] = s[9] * half + one;                        \
      s[10] = s[10] * half + one, s[11] = s[11] * half + one;                    \
    }                                                                            \
    for (int i = 1; i < SUMS; i++) s[0] += s[i];                                 \
    volatile Vector kept = s[0];                                                 \
    (void)kept;                                                                  \
    return 0;                                                                    \
  }

LOOP(loop_128, 16, "sse2")
#if defined(__x86_64__)
LOOP(loop_avx2, 32, "avx2,fma")
LOOP(loop_avx512, 64, "avx512f")
#endif

/* Bytes of the widest vectors that this processor multiplies and adds at once. */
int fma_widest(void) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return 64;
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? 32 : 16;
#else
  return 16;
#endif
}

/* `threads` threads that run `rounds` each. Returns the operations done by all: a multiply-add is two. */
double fma_run(int bytes, int threads, long rounds) {
  void *(*loop)(void *) = loop_128;
#if defined(__x86_64__)
  if (bytes == 64) loop = loop_avx512;
  if (bytes == 32) loop = loop_avx2;
#endif
  pthread_t workers[1024];
  int started = 1;
  while (started < threads && started < 1024 && !pthread_create(&workers[started], 0, loop, &rounds)) started++;
  loop(&rounds);
  for (int i = 1; i < started; i++) pthread_join(workers[i], 0);
  return 2.0 * SUMS * (bytes / 4) * (double)rounds * started;
}
