/* The three codecs behind functions that return a status. None exits, aborts or prints; whatever a
 * codec does with longjmp stays inside these files. Pixels leave as 4 bytes each, except where said. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "PixelVectors.h"

/* How a call ended. After anything but OK, `message` holds the codec's own sentence. */
enum {
  CCODECS_OK = 0,
  CCODECS_DAMAGED = 1,     /* the bytes contradict the format */
  CCODECS_TRUNCATED = 2,   /* the bytes end before the picture does */
  CCODECS_UNSUPPORTED = 3, /* well-formed, but nothing that is decoded here */
  CCODECS_NO_MEMORY = 4
};

enum { CCODECS_MESSAGE_SIZE = 200 };

/* ---- JPEG ---------------------------------------------------------------- */

typedef struct ccodecs_jpeg ccodecs_jpeg;

typedef struct ccodecs_jpeg_info {
  uint32_t width, height;
  int32_t components; /* 1, 3 or 4 */
} ccodecs_jpeg_info;

/* Reads the header of `size` bytes at `data`, which must stay until the close. `*jpeg` is
 * to be closed after a failure too, unless it is NULL. */
int ccodecs_jpeg_open(const uint8_t *data, size_t size, ccodecs_jpeg **jpeg,
                      ccodecs_jpeg_info *info, char *message);

/* Has the picture decoded at 1/`denominator` of its size (1, 2, 4 or 8), by an inverse DCT of fewer
 * coefficients. `info` gets the new size. Called before the start. */
int ccodecs_jpeg_scale(ccodecs_jpeg *jpeg, uint32_t denominator, ccodecs_jpeg_info *info,
                       char *message);

/* Begins decoding of the columns `*first` ... `*first + *count`; both are widened to what the
 * decoder can do while every column asked for keeps the value that it has in a full decode. One or
 * three components come as red, green, blue, 255; four as they are in the file. */
int ccodecs_jpeg_start(ccodecs_jpeg *jpeg, uint32_t *first, uint32_t *count, char *message);

/* Passes over the next `rows` rows. */
int ccodecs_jpeg_skip(ccodecs_jpeg *jpeg, uint32_t rows, char *message);

/* Decodes the next `rows` rows into `pixels`, `stride` bytes apart. */
int ccodecs_jpeg_read(ccodecs_jpeg *jpeg, uint8_t *pixels, size_t stride, uint32_t rows,
                      char *message);

void ccodecs_jpeg_close(ccodecs_jpeg *jpeg);

/* ---- PNG ----------------------------------------------------------------- */

typedef struct ccodecs_png ccodecs_png;

enum { /* the bits of a PNG's colour type */
  CCODECS_PNG_PALETTE = 1,
  CCODECS_PNG_COLOR = 2,
  CCODECS_PNG_ALPHA = 4
};

typedef struct ccodecs_png_info {
  uint32_t width, height;
  int32_t depth; /* bits a sample: 1, 2, 4, 8 or 16 */
  int32_t color_type;
  int32_t interlaced;
  int32_t has_transparency;    /* a tRNS chunk */
  uint16_t key[3];             /* the transparent colour of a picture without palette */
  uint8_t palette[256][4];     /* red, green, blue, alpha; black and opaque where not given */
} ccodecs_png_info;

/* As ccodecs_jpeg_open. */
int ccodecs_png_open(const uint8_t *data, size_t size, ccodecs_png **png, ccodecs_png_info *info,
                     char *message);

/* Decodes the next `rows` rows; of an interlaced picture, all rows in one call. A palette's indices
 * take 1 byte a pixel, 16-bit gray 2 in the processor's order, everything else 4. */
int ccodecs_png_read(ccodecs_png *png, uint8_t *pixels, size_t stride, uint32_t rows,
                     char *message);

void ccodecs_png_close(ccodecs_png *png);

/* ---- WebP ---------------------------------------------------------------- */

typedef struct ccodecs_webp_info {
  uint32_t width, height;
  int32_t has_alpha, has_animation;
} ccodecs_webp_info;

int ccodecs_webp_info_read(const uint8_t *data, size_t size, ccodecs_webp_info *info,
                           char *message);

/* Decodes a whole still picture, or one frame's chunks, to red, green, blue, alpha. `capacity` is
 * the number of bytes at `pixels`. */
int ccodecs_webp_decode(const uint8_t *data, size_t size, uint8_t *pixels, size_t stride,
                        size_t capacity, char *message);
