/* The processor's limit: fused multiply-adds on registers, nothing read or written.
 * Twelve independent sums hide the latency of two units that take four to six cycles. */
#include <pthread.h>

#if defined(__x86_64__)
#define FEATURES(list) __attribute__((target(list)))
#else
#define FEATURES(list)
#endif
#define SUMS 12

#define EACH(line) line(0) line(1) line(2) line(3) line(4) line(5) line(6) line(7) line(8) line(9) line(10) line(11)
#define SUM(i) Vector s##i = one * (float)i;
/* Contraction makes one instruction of it. Sums tend to 2. */
#define ADD(i) s##i = s##i * half + one;
/* Used by nobody, as far as the compiler can see: each sum stays in its register, and each round happens. */
#define KEEP(i) __asm__ volatile("" : "+" REGISTER(s##i));
#if defined(__x86_64__)
#define REGISTER(s) "x"(s)
#else
#define REGISTER(s) "w"(s)
#endif

/* A loop for vectors of `bytes`. */
#define LOOP(name, bytes, features)                                              \
  FEATURES(features) static void *name(void *argument) {                         \
    typedef float Vector __attribute__((vector_size(bytes)));                    \
    Vector half = {0}, one = {0};                                                \
    half += 0.5f, one += 1.0f;                                                   \
    EACH(SUM)                                                                    \
    for (long rounds = *(const long *)argument; rounds > 0; rounds--) {          \
      EACH(ADD)                                                                  \
      EACH(KEEP)                                                                 \
    }                                                                            \
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
