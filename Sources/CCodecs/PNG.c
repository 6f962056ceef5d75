#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "CCodecs.h"

struct ccodecs_png {
  png_structp decoder;
  png_infop info;
  const uint8_t *next;
  size_t left;
  jmp_buf back; /* set anew by every function that calls the decoder */
  int status, passes;
  char message[CCODECS_MESSAGE_SIZE];
};

static void fail(png_structp decoder, png_const_charp message) {
  ccodecs_png *png = png_get_error_ptr(decoder);
  snprintf(png->message, sizeof png->message, "%s", message);
  if (png->status == CCODECS_OK)
    png->status = strstr(message, "emory") ? CCODECS_NO_MEMORY : CCODECS_DAMAGED;
  longjmp(png->back, 1);
}

static void warn(png_structp decoder, png_const_charp message) { (void)decoder, (void)message; }

static void read_bytes(png_structp decoder, png_bytep into, size_t count) {
  ccodecs_png *png = png_get_io_ptr(decoder);
  if (count > png->left) {
    png->status = CCODECS_TRUNCATED;
    png_error(decoder, "its bytes end too early");
  }
  memcpy(into, png->next, count);
  png->next += count;
  png->left -= count;
}

static int report(const ccodecs_png *png, char *message) {
  snprintf(message, CCODECS_MESSAGE_SIZE, "%s", png->message);
  return png->status;
}

/* Colour profiles, gamma and texts change no pixel here: their chunks are passed over. */
static void ignore_chunks(png_structp decoder) {
  static const png_byte names[] = "bKGD\0cHRM\0eXIf\0gAMA\0hIST\0iCCP\0iTXt\0oFFs\0pCAL\0pHYs\0"
                                  "sBIT\0sCAL\0sPLT\0sRGB\0sTER\0tEXt\0tIME\0zTXt";
  png_set_keep_unknown_chunks(decoder, PNG_HANDLE_CHUNK_NEVER, NULL, 0);
  png_set_keep_unknown_chunks(decoder, PNG_HANDLE_CHUNK_NEVER, names, sizeof names / 5);
}

static void describe(ccodecs_png *png, ccodecs_png_info *info) {
  png_uint_32 width, height;
  int depth, color_type, interlace;
  png_get_IHDR(png->decoder, png->info, &width, &height, &depth, &color_type, &interlace, NULL, NULL);
  memset(info, 0, sizeof *info);
  info->width = width;
  info->height = height;
  info->depth = depth;
  info->color_type = color_type;
  info->interlaced = interlace != PNG_INTERLACE_NONE;
  for (int i = 0; i < 256; i++) info->palette[i][3] = 255;
  png_colorp colors;
  int count = 0;
  if ((color_type & PNG_COLOR_MASK_PALETTE) &&
      png_get_PLTE(png->decoder, png->info, &colors, &count) == PNG_INFO_PLTE)
    for (int i = 0; i < count && i < 256; i++) {
      info->palette[i][0] = colors[i].red;
      info->palette[i][1] = colors[i].green;
      info->palette[i][2] = colors[i].blue;
    }
  png_bytep alphas = NULL;
  png_color_16p key = NULL;
  if (png_get_tRNS(png->decoder, png->info, &alphas, &count, &key) != PNG_INFO_tRNS) return;
  info->has_transparency = 1;
  if (color_type & PNG_COLOR_MASK_PALETTE) {
    for (int i = 0; alphas && i < count && i < 256; i++) info->palette[i][3] = alphas[i];
  } else if (key) {
    int gray = !(color_type & PNG_COLOR_MASK_COLOR);
    info->key[0] = gray ? key->gray : key->red;
    info->key[1] = gray ? key->gray : key->green;
    info->key[2] = gray ? key->gray : key->blue;
  }
}

/* Asks for the pixels that the header promises. */
static void choose_output(ccodecs_png *png, const ccodecs_png_info *info) {
  if (info->color_type & CCODECS_PNG_PALETTE) {
    png_set_packing(png->decoder);
  } else if (info->color_type == 0 && info->depth == 16) {
    const uint16_t one = 1;
    if (*(const uint8_t *)&one) png_set_swap(png->decoder);
  } else {
    if (info->depth == 16) png_set_strip_16(png->decoder);
    if (info->depth < 8) png_set_expand_gray_1_2_4_to_8(png->decoder);
    if (!(info->color_type & CCODECS_PNG_COLOR)) png_set_gray_to_rgb(png->decoder);
    if (!(info->color_type & CCODECS_PNG_ALPHA))
      png_set_filler(png->decoder, 255, PNG_FILLER_AFTER);
  }
  png->passes = png_set_interlace_handling(png->decoder);
}

int ccodecs_png_open(const uint8_t *data, size_t size, ccodecs_png **out, ccodecs_png_info *info,
                     char *message) {
  ccodecs_png *png = *out = calloc(1, sizeof *png);
  snprintf(message, CCODECS_MESSAGE_SIZE, "no memory for the decoder");
  if (!png) return CCODECS_NO_MEMORY;
  png->next = data;
  png->left = size;
  if (setjmp(png->back)) return report(png, message);
  png->decoder = png_create_read_struct(PNG_LIBPNG_VER_STRING, png, fail, warn);
  if (!png->decoder) return CCODECS_NO_MEMORY;
  png->info = png_create_info_struct(png->decoder);
  if (!png->info) return CCODECS_NO_MEMORY;
  png_set_read_fn(png->decoder, png, read_bytes);
  png_set_user_limits(png->decoder, 0x7fffffff, 0x7fffffff);
  png_set_crc_action(png->decoder, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  ignore_chunks(png->decoder);
  png_read_info(png->decoder, png->info);
  describe(png, info);
  choose_output(png, info);
  return CCODECS_OK;
}

int ccodecs_png_read(ccodecs_png *png, uint8_t *pixels, size_t stride, uint32_t rows,
                     char *message) {
  if (setjmp(png->back)) return report(png, message);
  for (int pass = 0; pass < png->passes; pass++)
    for (uint32_t y = 0; y < rows; y++)
      png_read_row(png->decoder, pixels + (size_t)y * stride, NULL);
  return CCODECS_OK;
}

void ccodecs_png_close(ccodecs_png *png) {
  if (!png) return;
  if (png->decoder && !setjmp(png->back)) png_destroy_read_struct(&png->decoder, &png->info, NULL);
  free(png);
}
