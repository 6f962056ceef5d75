/* ResNetTasks.h - as KernelTasks.h, what one call has to do; for the training of a Modified ResNet.
 * Maps are dense, channels last: a row is a pixel, `columns` floats. A norm is three rows of as many floats: means,
 * scales and biases of the channels, for (x - mean)·scale + bias. */
#pragma once

#include <stddef.h>

/* Means of the channels of some rows, and sums of the differences from them, which are what rounding took from the
 * means, and of their squares. */
typedef struct MomentsTask {
  const float *_Nonnull x;
  ptrdiff_t rows, columns;
  float *_Nonnull sums; /* three rows: means, differences, squares */
} MomentsTask;

/* y = relu(norm(x)), or relu(norm(x) + shortcut), or relu(norm(x) + shortcutNorm(shortcut)). */
typedef struct RectifyTask {
  const float *_Nonnull x;
  const float *_Nonnull norm;
  const float *_Nullable shortcut;
  const float *_Nullable shortcutNorm;
  ptrdiff_t rows, columns;
  float *_Nonnull y;
} RectifyTask;

/* Means of 2 × 2 pixels of relu(norm(x)), or of x itself. */
typedef struct PoolTask {
  const float *_Nonnull x; /* the first line of all pictures */
  const float *_Nullable norm;
  ptrdiff_t side, columns;
  ptrdiff_t firstLine, lines; /* of y */
  float *_Nonnull y;          /* the first line of all pictures */
} PoolTask;

/* The way back through y = relu(norm(x)), for some lines of pixels: the gradient of y is that of the pixel, or, if it
 * was pooled, a quarter of that of its tile. */
typedef struct RectifiedTask {
  float *_Nonnull x; /* the first line of all pictures */
  const float *_Nonnull norm;
  const float *_Nonnull dy; /* the first line of all pictures */
  ptrdiff_t isPooled;
  ptrdiff_t firstLine, lines, lineRows, columns;
  float *_Nonnull sums; /* two rows: gradients, and gradients times (x - mean) */
} RectifiedTask;

/* The way back through y = relu(norm(x) + shortcut), first half: dy becomes that of what was rectified, and its sums as
 * above are taken for x, and for the shortcut where that has a norm. */
typedef struct JoinedTask {
  const float *_Nonnull y;
  float *_Nonnull dy;
  const float *_Nonnull x;
  const float *_Nonnull norm;
  const float *_Nullable shortcut;
  const float *_Nullable shortcutNorm;
  ptrdiff_t rows, columns;
  float *_Nonnull sums; /* two rows for x, two for the shortcut */
} JoinedTask;

/* The way back through a norm, in the place of its input: x = (dy - offset - (x - mean)·slope)·scale. */
typedef struct NormGradientTask {
  float *_Nonnull x;
  const float *_Nonnull norm;
  const float *_Nonnull dy;
  const float *_Nonnull offsets; /* two rows: offsets and slopes */
  ptrdiff_t rows, columns;
} NormGradientTask;

/* dx += a quarter of its tile's dy, or dx = that. */
typedef struct UnpoolTask {
  const float *_Nonnull dy; /* the first line of all pictures */
  ptrdiff_t side, columns;
  ptrdiff_t firstLine, lines; /* of dx */
  float *_Nonnull dx;         /* the first line of all pictures */
} UnpoolTask;

/* c += aᵀ·b, some rows, as they lie. */
typedef struct TallProductTask {
  const float *_Nonnull a;
  const float *_Nonnull b;
  ptrdiff_t aStride, bStride;
  ptrdiff_t rows, outputs, columns; /* columns of a, of b */
  float *_Nonnull c;
  ptrdiff_t cStride; /* room for whole panels in each row */
  float *_Nonnull panel; /* scratch: tallDepth × panel columns */
} TallProductTask;

/* The products of one point of Winograd's gradient of filters, c = or += aᵀ·b. */
typedef struct WinogradGradientTask {
  const float *_Nonnull a; /* [tile][output] */
  ptrdiff_t aStride;
  const float *_Nonnull b; /* [panel][tile][column of panel] */
  ptrdiff_t panelStride;   /* from one panel to the next, of b */
  ptrdiff_t tiles, outputs, panels;
  ptrdiff_t continues;
  float *_Nonnull c; /* [output][column], whole panels */
  ptrdiff_t cStride;
} WinogradGradientTask;
