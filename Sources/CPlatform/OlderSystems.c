/* Lets the library run where the C library is older than the one it was linked with.
 *
 * Swift's overlay of the C library is linked as a whole and refers to hypotf, which glibc 2.35 gave a new
 * version: that reference alone would keep the library from systems with 2.34. It is answered here instead.
 * swiftclip itself never calls it. */

#include <math.h>

__attribute__((visibility("hidden"))) float hypotf(float x, float y) {
  if (isinf(x) || isinf(y)) return INFINITY;
  /* The squares and their sum are in the range of a double, whatever the floats are. */
  return (float)__builtin_sqrt((double)x * x + (double)y * y);
}
