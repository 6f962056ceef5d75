#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "CCodecs.h"

/* A file with more scans than this is made to burn time: the usual progressive one has 10. */
enum { SCAN_LIMIT = 128 };

/* Columns of a full decode that a crop needs on either side, so that the interpolation of chroma
 * (which treats the first and last column it sees apart) never reaches a column that is kept. */
enum { CHROMA_MARGIN = 16 };

struct ccodecs_jpeg {
  struct jpeg_decompress_struct decoder;
  struct jpeg_error_mgr errors;
  struct jpeg_source_mgr source;
  struct jpeg_progress_mgr progress;
  jmp_buf back; /* set anew by every function that calls the decoder */
  int status;
  char message[JMSG_LENGTH_MAX];
};

static void leave(ccodecs_jpeg *jpeg, int status, const char *message) {
  jpeg->status = status;
  if (message) snprintf(jpeg->message, sizeof jpeg->message, "%s", message);
  longjmp(jpeg->back, 1);
}

static void error_exit(j_common_ptr common) {
  ccodecs_jpeg *jpeg = common->client_data;
  common->err->format_message(common, jpeg->message);
  switch (common->err->msg_code) {
    case JERR_OUT_OF_MEMORY: leave(jpeg, CCODECS_NO_MEMORY, NULL);
    case JERR_BAD_PRECISION:
    case JERR_SOF_UNSUPPORTED:
    case JERR_ARITH_NOTIMPL:
    case JERR_NOT_COMPILED:
    case JERR_CONVERSION_NOTIMPL: leave(jpeg, CCODECS_UNSUPPORTED, NULL);
    default: leave(jpeg, CCODECS_DAMAGED, NULL);
  }
}

/* Warnings are about data that decodes all the same; nothing is printed. */
static void emit_message(j_common_ptr common, int level) { (void)common, (void)level; }
static void output_message(j_common_ptr common) { (void)common; }

static void ignore(j_decompress_ptr decoder) { (void)decoder; }

static boolean fill_input_buffer(j_decompress_ptr decoder) {
  leave(decoder->client_data, CCODECS_TRUNCATED, "its bytes end too early");
  return FALSE;
}

static void skip_input_data(j_decompress_ptr decoder, long count) {
  if (count <= 0) return;
  if ((size_t)count > decoder->src->bytes_in_buffer) fill_input_buffer(decoder);
  decoder->src->next_input_byte += count;
  decoder->src->bytes_in_buffer -= (size_t)count;
}

static void watch_scans(j_common_ptr common) {
  if (common->is_decompressor && ((j_decompress_ptr)common)->input_scan_number > SCAN_LIMIT)
    leave(common->client_data, CCODECS_UNSUPPORTED, "it has more than 128 scans");
}

static int report(const ccodecs_jpeg *jpeg, char *message) {
  snprintf(message, CCODECS_MESSAGE_SIZE, "%s", jpeg->message);
  return jpeg->status;
}

int ccodecs_jpeg_open(const uint8_t *data, size_t size, ccodecs_jpeg **out,
                      ccodecs_jpeg_info *info, char *message) {
  ccodecs_jpeg *jpeg = *out = calloc(1, sizeof *jpeg);
  if (!jpeg) {
    snprintf(message, CCODECS_MESSAGE_SIZE, "no memory for the decoder");
    return CCODECS_NO_MEMORY;
  }
  jpeg->decoder.err = jpeg_std_error(&jpeg->errors);
  jpeg->decoder.client_data = jpeg;
  jpeg->errors.error_exit = error_exit;
  jpeg->errors.emit_message = emit_message;
  jpeg->errors.output_message = output_message;
  if (setjmp(jpeg->back)) return report(jpeg, message);
  jpeg_create_decompress(&jpeg->decoder);
  jpeg->source.init_source = ignore;
  jpeg->source.fill_input_buffer = fill_input_buffer;
  jpeg->source.skip_input_data = skip_input_data;
  jpeg->source.resync_to_restart = jpeg_resync_to_restart;
  jpeg->source.term_source = ignore;
  jpeg->source.next_input_byte = data;
  jpeg->source.bytes_in_buffer = size;
  jpeg->decoder.src = &jpeg->source;
  jpeg->progress.progress_monitor = watch_scans;
  jpeg->decoder.progress = &jpeg->progress;

  jpeg_read_header(&jpeg->decoder, TRUE);
  info->width = jpeg->decoder.image_width;
  info->height = jpeg->decoder.image_height;
  info->components = jpeg->decoder.num_components;
  if (info->components != 1 && info->components != 3 && info->components != 4)
    leave(jpeg, CCODECS_UNSUPPORTED, "it has neither 1, 3 nor 4 components");
  jpeg->decoder.out_color_space = info->components == 4 ? JCS_CMYK : JCS_EXT_RGBX;
  return CCODECS_OK;
}

int ccodecs_jpeg_scale(ccodecs_jpeg *jpeg, uint32_t denominator, ccodecs_jpeg_info *info,
                       char *message) {
  if (setjmp(jpeg->back)) return report(jpeg, message);
  jpeg->decoder.scale_num = 1;
  jpeg->decoder.scale_denom = denominator;
  jpeg_calc_output_dimensions(&jpeg->decoder);
  info->width = jpeg->decoder.output_width;
  info->height = jpeg->decoder.output_height;
  return CCODECS_OK;
}

/* Whether scans are missing from a progressive picture. The decoder then smooths over block
 * borders, which a crop would cut. */
static int smooths(const struct jpeg_decompress_struct *decoder) {
  if (!decoder->progressive_mode) return 0;
  if (!decoder->coef_bits) return 1;
  for (int c = 0; c < decoder->num_components; c++)
    for (int k = 0; k < DCTSIZE2; k++)
      if (decoder->coef_bits[c][k] != 0) return 1;
  return 0;
}

int ccodecs_jpeg_start(ccodecs_jpeg *jpeg, uint32_t *first, uint32_t *count, char *message) {
  if (setjmp(jpeg->back)) return report(jpeg, message);
  struct jpeg_decompress_struct *decoder = &jpeg->decoder;
  jpeg_start_decompress(decoder);
  uint32_t width = decoder->output_width;
  if (smooths(decoder) || *first >= width || *count > width - *first) {
    *first = 0;
    *count = width;
    return CCODECS_OK;
  }
  uint32_t end = width - (*first + *count) > CHROMA_MARGIN ? *first + *count + CHROMA_MARGIN : width;
  JDIMENSION begin = *first > CHROMA_MARGIN ? *first - CHROMA_MARGIN : 0;
  JDIMENSION columns = end - begin;
  if (columns < width) jpeg_crop_scanline(decoder, &begin, &columns);
  *first = begin;
  *count = columns;
  return CCODECS_OK;
}

int ccodecs_jpeg_skip(ccodecs_jpeg *jpeg, uint32_t rows, char *message) {
  if (setjmp(jpeg->back)) return report(jpeg, message);
  while (rows > 0) {
    JDIMENSION passed = jpeg_skip_scanlines(&jpeg->decoder, rows);
    if (passed == 0) leave(jpeg, CCODECS_DAMAGED, "its rows end too early");
    rows -= passed;
  }
  return CCODECS_OK;
}

int ccodecs_jpeg_read(ccodecs_jpeg *jpeg, uint8_t *pixels, size_t stride, uint32_t rows,
                      char *message) {
  if (setjmp(jpeg->back)) return report(jpeg, message);
  for (uint32_t done = 0; done < rows;) {
    JSAMPROW next[8];
    uint32_t count = rows - done < 8 ? rows - done : 8;
    for (uint32_t i = 0; i < count; i++) next[i] = pixels + (size_t)(done + i) * stride;
    JDIMENSION read = jpeg_read_scanlines(&jpeg->decoder, next, count);
    if (read == 0) leave(jpeg, CCODECS_DAMAGED, "its rows end too early");
    done += read;
  }
  return CCODECS_OK;
}

void ccodecs_jpeg_close(ccodecs_jpeg *jpeg) {
  if (!jpeg) return;
  if (!setjmp(jpeg->back)) jpeg_destroy_decompress(&jpeg->decoder);
  free(jpeg);
}
