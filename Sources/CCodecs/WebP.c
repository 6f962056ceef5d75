#include <stdio.h>

#include <webp/decode.h>

#include "CCodecs.h"

static int status_of(VP8StatusCode code, char *message) {
  switch (code) {
    case VP8_STATUS_OK: return CCODECS_OK;
    case VP8_STATUS_OUT_OF_MEMORY:
      snprintf(message, CCODECS_MESSAGE_SIZE, "no memory for the decoder");
      return CCODECS_NO_MEMORY;
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      snprintf(message, CCODECS_MESSAGE_SIZE, "it uses an unsupported feature");
      return CCODECS_UNSUPPORTED;
    case VP8_STATUS_SUSPENDED:
    case VP8_STATUS_NOT_ENOUGH_DATA:
      snprintf(message, CCODECS_MESSAGE_SIZE, "its bytes end too early");
      return CCODECS_TRUNCATED;
    default:
      snprintf(message, CCODECS_MESSAGE_SIZE, "its bitstream is damaged");
      return CCODECS_DAMAGED;
  }
}

int ccodecs_webp_info_read(const uint8_t *data, size_t size, ccodecs_webp_info *info,
                           char *message) {
  WebPBitstreamFeatures features;
  VP8StatusCode code = WebPGetFeatures(data, size, &features);
  if (code != VP8_STATUS_OK) return status_of(code, message);
  info->width = (uint32_t)features.width;
  info->height = (uint32_t)features.height;
  info->has_alpha = features.has_alpha;
  info->has_animation = features.has_animation;
  return CCODECS_OK;
}

int ccodecs_webp_decode(const uint8_t *data, size_t size, uint8_t *pixels, size_t stride,
                        size_t capacity, char *message) {
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config) || stride > INT32_MAX) {
    snprintf(message, CCODECS_MESSAGE_SIZE, "libwebp does not fit this build");
    return CCODECS_UNSUPPORTED;
  }
  config.output.colorspace = MODE_RGBA;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = pixels;
  config.output.u.RGBA.stride = (int)stride;
  config.output.u.RGBA.size = capacity;
  VP8StatusCode code = WebPDecode(data, size, &config);
  WebPFreeDecBuffer(&config.output);
  return status_of(code, message);
}
