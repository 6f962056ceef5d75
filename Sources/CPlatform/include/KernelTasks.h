/* KernelTasks.h - what one call into a kernel module has to do. The modules are
 * one source compiled per instruction set, so the types they share with their
 * caller must live outside of all of them. All strides count floats. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is applied to each sum of a product before it is stored:
 * y = activation(sum + bias) + residual. */
typedef struct EpilogueTask {
  const float *_Nonnull bias;      /* one per column of the share */
  const float *_Nullable residual; /* same rows and columns as y; may be y */
  ptrdiff_t residualStride;
  float *_Nonnull y;
  ptrdiff_t yStride;
  ptrdiff_t activation; /* 0 none, 1 QuickGELU, 2 exact GELU, 3 ReLU after the residual is added */
} EpilogueTask;

/* How packed weights are held. */
enum {
  WEIGHTS_FLOAT32,
  WEIGHTS_FLOAT16, /* finite */
  WEIGHTS_BFLOAT16,
  WEIGHTS_INT8 /* k is a pair of inputs: two int8 of W, and in the place of a float two int16 of x */
};

/* A tile of x·W: c = a·b, or c += a·b if it `continues`, over `depth` values of k. For every fourth k `aheadStep` bytes
 * at `ahead` are prefetched, at least a line, and `ahead` moves on by as many. */
typedef struct TileTask {
  ptrdiff_t rows, depth;
  const float *_Nonnull a;
  ptrdiff_t rowStep, step; /* from one row, and one k, to the next */
  float *_Nonnull c;
  ptrdiff_t stride;
  bool continues;
  const void *_Nonnull ahead;
  ptrdiff_t aheadStep;
} TileTask;

/* Sums a tile of integers with the weights of a panel. */
typedef void (*IntegerTile)(const TileTask *_Nonnull tile, const void *_Nonnull weights);

/* A share of x·W: some rows of x with some panels of W. */
typedef struct ProductTask {
  const float *_Nonnull a;       /* first row of x */
  ptrdiff_t aStride;
  const void *_Nonnull panels;   /* packed weights: [panel][k][column of panel] */
  ptrdiff_t weights;             /* WEIGHTS_... */
  const float *_Nullable rowScales;    /* for integers: what 1 stands for in each row of x, */
  const float *_Nullable columnScales; /* and in each column of W, up to the panel's last */
  IntegerTile _Nullable integerTile;   /* in place of the module's own */
  const void *_Nonnull ahead;    /* what is read after the last panel; only prefetched */
  float *_Nonnull partial;       /* scratch: rows × panelCount × panel width */
  float *_Nonnull widened;       /* scratch for a K block of halves widened: depth × panel width */
  ptrdiff_t rows, inputs, depth; /* depth: length of a K block */
  ptrdiff_t panelCount, columns; /* columns: of y, at most panelCount × panel width */
  EpilogueTask epilogue;
} ProductTask;

/* Winograd convolution: tiles of inputs, 4 pixels apart, at the 36 points. Tiles are
 * counted through the pictures line by line. */
typedef struct WinogradInputTask {
  const float *_Nonnull x; /* first pixel of the first picture, channels last */
  ptrdiff_t pictureStride, pixelStride, side, tilesPerSide, channels;
  ptrdiff_t firstTile, tiles;
  float *_Nonnull values;     /* [point][tile][all channels] */
  ptrdiff_t pointStride, rowStride;
  float *_Nonnull scratch;
} WinogradInputTask;

/* The 36 products of some tiles with one panel of filters. */
typedef struct WinogradProductTask {
  const float *_Nonnull values; /* [point][tile][channel] */
  ptrdiff_t pointStride, tiles, channels;
  const void *_Nonnull panel;  /* [y][x][channel][column of panel] */
  ptrdiff_t weights;           /* WEIGHTS_FLOAT32 or WEIGHTS_FLOAT16 */
  ptrdiff_t depth;             /* channels whose filters are evaluated at a time */
  float *_Nonnull filters;     /* scratch: winogradFilterFloats(depth) */
  float *_Nonnull products;    /* [point][tile][column of panel] */
  ptrdiff_t productStride;     /* from one point to the next */
} WinogradProductTask;

/* Outputs of some tiles, for one panel. */
typedef struct WinogradOutputTask {
  const float *_Nonnull products; /* of the first tile and point */
  ptrdiff_t productStride;
  ptrdiff_t firstTile, count, side, tilesPerSide, columns;
  EpilogueTask epilogue; /* y and residual: first pixel of the first picture */
  float *_Nonnull scratch;
} WinogradOutputTask;

/* Rows of k and v that follow each other in memory and in a sequence. */
typedef struct KeyRun {
  ptrdiff_t row, count;
} KeyRun;

/* Attention of consecutive queries of one sequence and one head. */
typedef struct AttentionTask {
  const float *_Nonnull q; /* first query of the share, first column of the head */
  const float *_Nonnull k; /* row 0, first column of the head */
  const float *_Nonnull v;
  float *_Nonnull out;
  ptrdiff_t qStride, kStride, vStride, outStride;
  const KeyRun *_Nonnull runs; /* the sequence's keys and values, `keys` in all */
  ptrdiff_t queries, keys, width;
  ptrdiff_t visible; /* keys that the first query sees; each next one sees one more, up to `keys` */
  float scale;
  float *_Nonnull scratch; /* attentionScratch(keys, width) floats */
} AttentionTask;

/* Rows of a LayerNorm. */
typedef struct LayerNormTask {
  const float *_Nonnull x;
  float *_Nonnull y; /* may be x */
  ptrdiff_t xStride, yStride, rows, columns;
  const float *_Nonnull gain;
  const float *_Nonnull bias;
  float epsilon;
} LayerNormTask;

/* A share of the gradient of a linear map's weights, dW += dYᵀ·X, both packed in blocks of rows:
 * [block][tile of outputs][row][output of tile] and [block][panel][row][column of panel]. */
typedef struct GradientProductTask {
  const float *_Nonnull a;
  const float *_Nonnull b;
  ptrdiff_t aBlockStride, bBlockStride; /* from one full block to the next */
  ptrdiff_t rows, depth; /* all rows; rows of a full block */
  ptrdiff_t firstTile, firstPanel; /* of the share */
  ptrdiff_t outputs, columns; /* of the share */
  float *_Nonnull c; /* dW at the share's first output and column */
  ptrdiff_t cStride;
  float *_Nonnull scratch; /* one tile */
} GradientProductTask;

/* Rows of the gradient of a LayerNorm. */
typedef struct LayerNormGradientTask {
  const float *_Nonnull x;
  const float *_Nonnull dy;
  float *_Nonnull dx; /* added to */
  ptrdiff_t xStride, dyStride, dxStride, rows, columns;
  const float *_Nonnull gain;
  float epsilon;
  float *_Nonnull dGain; /* written: sums over these rows */
  float *_Nonnull dBias;
} LayerNormGradientTask;

/* The gradient of the attention of one sequence and one head. Keys lie below each other. */
typedef struct AttentionGradientTask {
  const float *_Nonnull q;
  const float *_Nonnull k;
  const float *_Nonnull v;
  const float *_Nonnull dOut;
  float *_Nonnull dq;
  float *_Nonnull dk;
  float *_Nonnull dv;
  ptrdiff_t qStride, kvStride, dOutStride, dqStride, dkvStride;
  ptrdiff_t queries, keys, width, visible; /* as in AttentionTask */
  float scale;
  float *_Nonnull scratch; /* attentionGradientScratch(keys, width) floats */
} AttentionGradientTask;

/* One step of AdamW for consecutive parameters. */
typedef struct AdamWTask {
  float *_Nonnull values;
  const float *_Nonnull gradients;
  float *_Nonnull momentum;  /* first moment */
  float *_Nonnull variance; /* second moment */
  ptrdiff_t count;
  float beta1, beta2, epsilon;
  float gradientScale;  /* what gradients are multiplied by first: clipping */
  float stepSize;       /* learning rate / (1 - beta1^t) */
  float varianceScale;  /* 1 / sqrt(1 - beta2^t) */
  float decay;          /* what values are multiplied by: 1 - rate · weight decay */
} AdamWTask;
