/* A test program's checks: each is counted, a failed one says where, and the last line is the sum, which
 * run.sh adds up. */

#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <string.h>

#include <swiftclip.h>

static int check_passed, check_failed;

#define CHECK(condition)                                               \
  do {                                                                 \
    if (condition) {                                                   \
      check_passed++;                                                  \
    } else {                                                           \
      check_failed++;                                                  \
      printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);   \
    }                                                                  \
  } while (0)

/* That a call ends with a status; another one is named, with the library's message. */
#define CHECK_STATUS(wanted, call) check_status((wanted), (call), #call, __LINE__)

static inline void check_status(int wanted, int got, const char *call, int line) {
  if (got == wanted) {
    check_passed++;
    return;
  }
  check_failed++;
  printf("line %d: %s is %s (\"%s\"), not %s\n", line, call, swiftclip_status_name((swiftclip_status)got),
         got ? swiftclip_last_error() : "", swiftclip_status_name((swiftclip_status)wanted));
}

/* Fills an output with a pattern, and tells whether it is still there. */
#define FILL(array) memset((array), 0x5A, sizeof(array))
#define UNTOUCHED(array) check_untouched((array), sizeof(array))

static inline int check_untouched(const void *memory, size_t size) {
  const unsigned char *bytes = (const unsigned char *)memory;
  for (size_t i = 0; i < size; i++)
    if (bytes[i] != 0x5A) return 0;
  return 1;
}

static inline int check_result(const char *name) {
  printf("%s: %d passed, %d failed\n", name, check_passed, check_failed);
  return check_failed != 0;
}

#endif
