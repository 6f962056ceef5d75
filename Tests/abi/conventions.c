/* The conventions that swiftclip.h states, tried on every function: what NULL, freed and bogus handles,
 * misaligned pointers, wrong sizes and small buffers are answered with, and that outputs stay untouched.
 *
 *   conventions MODEL PICTURES */

#include <math.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <swiftclip.h>

#include "check.h"

enum { DIM = 256, SIZE = 64, CONTEXT = 32, PIXELS = 3 * SIZE * SIZE };

static swiftclip_model *model;
static swiftclip_picture penguin;
static char penguin_path[4096];
static const swiftclip_text label_pair[2] = {{"a penguin", 9}, {"a pear", 6}};
static float pixels[PIXELS];
static float embedding[DIM];
static int32_t tokens[CONTEXT];

/* An address that is not a handle, though it can be read. */
static char bogus[64];
#define BOGUS(type) ((type *)(void *)bogus)

/* A pointer one byte off its alignment, as an argument of the type given. */
static alignas(16) char crooked[PIXELS * 4 + 16];
#define CROOKED(type) ((type *)(void *)(crooked + 1))

static void errors_and_version(void) {
  CHECK(swiftclip_version() == SWIFTCLIP_VERSION_NUMBER);
  CHECK(strcmp(swiftclip_last_error(), "") == 0);
  CHECK(strcmp(swiftclip_status_name(SWIFTCLIP_OK), "OK") == 0);
  CHECK(strcmp(swiftclip_status_name(SWIFTCLIP_TEXT_TOO_LONG), "TEXT_TOO_LONG") == 0);
  CHECK(strcmp(swiftclip_status_name(SWIFTCLIP_INTERNAL_ERROR), "INTERNAL_ERROR") == 0);
  CHECK(strcmp(swiftclip_status_name((swiftclip_status)13), "UNKNOWN") == 0);
  CHECK(strcmp(swiftclip_status_name((swiftclip_status)1000000), "UNKNOWN") == 0);
}

static void preprocess_options(void) {
  swiftclip_preprocess_options options;
  memset(&options, 0x5A, sizeof options);
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_preprocess_options_init(NULL, sizeof options));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_preprocess_options_init(&options, 0));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_preprocess_options_init(&options, 3));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_preprocess_options_init(&options, SIZE_MAX));
  CHECK(check_untouched(&options, sizeof options));

  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_preprocess_options_init(&options, sizeof options));
  CHECK(options.struct_size == sizeof options);
  CHECK(options.image_size == 0 && options.interpolation == SWIFTCLIP_INTERPOLATION_BICUBIC);
  CHECK(options.alpha == SWIFTCLIP_ALPHA_DROP && options.orientation == SWIFTCLIP_ORIENTATION_IGNORE);
  CHECK(options.convert == SWIFTCLIP_CONVERT_LAST);
  CHECK(options.background[0] == 255 && options.background[2] == 255 && options.background[3] == 0);
  CHECK(options.mean[0] == 0.48145466f && options.mean[1] == 0.4578275f && options.mean[2] == 0.40821073f);
  CHECK(options.std[0] == 0.26862954f && options.std[1] == 0.26130258f && options.std[2] == 0.27577711f);
  CHECK(options.max_pixels == 178956970u && options.max_bytes == 268435456u);
  CHECK(options.jpeg_decoding == SWIFTCLIP_JPEG_FULL && options.reserved == 0);
}

/* That options changed by a statement are refused, with the output untouched. */
#define REFUSED(change)                                                                                   \
  do {                                                                                                    \
    swiftclip_preprocess_options options;                                                                 \
    swiftclip_preprocess_options_init(&options, sizeof options);                                          \
    options.image_size = SIZE;                                                                            \
    change;                                                                                               \
    FILL(pixels);                                                                                         \
    CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_preprocess(&options, &penguin, 1, pixels, PIXELS)); \
    CHECK(UNTOUCHED(pixels));                                                                             \
  } while (0)

static void preprocess_option_ranges(void) {
  REFUSED(options.struct_size = 0);
  REFUSED(options.struct_size = offsetof(swiftclip_preprocess_options, jpeg_decoding) - 1);
  REFUSED(options.image_size = -1);
  REFUSED(options.image_size = 4097);
  REFUSED(options.interpolation = 3);
  REFUSED(options.interpolation = -1);
  REFUSED(options.alpha = 2);
  REFUSED(options.orientation = 2);
  REFUSED(options.convert = 2);
  REFUSED(options.jpeg_decoding = 2);
  REFUSED(options.jpeg_decoding = -1);
  REFUSED(options.reserved = 1);
  REFUSED(options.mean[1] = NAN);
  REFUSED(options.std[0] = 0);
  REFUSED(options.std[2] = -1);
  REFUSED(options.std[2] = INFINITY);
  REFUSED(options.max_pixels = 0);
  REFUSED(options.max_bytes = 0);
  REFUSED(options.max_pixels = UINT64_MAX);

  /* A struct of version 1.0, whatever follows it in the program's memory. */
  swiftclip_preprocess_options first;
  swiftclip_preprocess_options_init(&first, sizeof first);
  first.image_size = SIZE;
  first.struct_size = offsetof(swiftclip_preprocess_options, jpeg_decoding);
  first.jpeg_decoding = first.reserved = 77;
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_preprocess(&first, &penguin, 1, pixels, PIXELS));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_preprocess_options_init(&first, first.struct_size));
  CHECK(first.jpeg_decoding == 77 && first.max_bytes == 268435456u);

  /* A struct of a later version is taken if what this version does not know is zero. */
  struct {
    swiftclip_preprocess_options known;
    uint64_t unknown;
  } later;
  memset(&later, 0, sizeof later);
  swiftclip_preprocess_options_init(&later.known, sizeof later.known);
  later.known.image_size = SIZE;
  later.known.struct_size = sizeof later;
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_preprocess(&later.known, &penguin, 1, pixels, PIXELS));
  later.unknown = 1;
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_preprocess(&later.known, &penguin, 1, pixels, PIXELS));
}

/* That a picture is answered with a status, alone and through a model, with outputs untouched. */
static void picture_is(swiftclip_status wanted, swiftclip_picture picture, const char *what, int line) {
  FILL(embedding);
  FILL(pixels);
  check_status(wanted, swiftclip_encode_pictures(model, &picture, 1, embedding, DIM, NULL, NULL), what, line);
  check_status(wanted, swiftclip_model_preprocess(model, &picture, 1, pixels, PIXELS), what, line);
  CHECK(wanted == SWIFTCLIP_OK || (UNTOUCHED(embedding) && UNTOUCHED(pixels)));
}

static void picture_forms(void) {
  static const unsigned char raw[4 * 5 * 6] = {1, 2, 3};
  const swiftclip_picture good = {
      .data = raw, .size = 3 * 5 * 6, .format = SWIFTCLIP_FORMAT_RGB, .width = 5, .height = 6};
  swiftclip_picture picture = good;
#define WITH(wanted, change)                               \
  do {                                                     \
    picture = good;                                        \
    change;                                                \
    picture_is((wanted), picture, #change, __LINE__);      \
  } while (0)
  WITH(SWIFTCLIP_OK, (void)picture);
  WITH(SWIFTCLIP_OK, picture.stride = 15);
  WITH(SWIFTCLIP_OK, picture.stride = 20; picture.size = 20 * 5 + 15);
  WITH(SWIFTCLIP_OK, picture.format = SWIFTCLIP_FORMAT_GRAY; picture.size = 30);
  WITH(SWIFTCLIP_OK, picture.format = SWIFTCLIP_FORMAT_GRAY_ALPHA; picture.size = 60);
  WITH(SWIFTCLIP_OK, picture.format = SWIFTCLIP_FORMAT_RGBA; picture.size = 120);
  WITH(SWIFTCLIP_INVALID_ARGUMENT, picture.data = NULL);
  WITH(SWIFTCLIP_INVALID_ARGUMENT, picture.path = penguin_path);
  WITH(SWIFTCLIP_INVALID_ARGUMENT, picture.size = 89);
  WITH(SWIFTCLIP_INVALID_ARGUMENT, picture.stride = 14);
  WITH(SWIFTCLIP_INVALID_ARGUMENT, picture.stride = SIZE_MAX);
  WITH(SWIFTCLIP_INVALID_ARGUMENT, picture.stride = SIZE_MAX / 5);
  WITH(SWIFTCLIP_INVALID_ARGUMENT, picture.width = 0);
  WITH(SWIFTCLIP_INVALID_ARGUMENT, picture.width = -5);
  WITH(SWIFTCLIP_INVALID_ARGUMENT, picture.height = INT32_MIN);
  WITH(SWIFTCLIP_INVALID_ARGUMENT, picture.format = 5);
  WITH(SWIFTCLIP_INVALID_ARGUMENT, picture.format = -1);
  WITH(SWIFTCLIP_INVALID_ARGUMENT, picture.reserved = 1);
  WITH(SWIFTCLIP_INVALID_ARGUMENT, memset(&picture, 0, sizeof picture));
#undef WITH
  picture_is(SWIFTCLIP_IO_ERROR, (swiftclip_picture){.path = "no/such/file.png"}, "a missing file", __LINE__);
  picture_is(SWIFTCLIP_IO_ERROR, (swiftclip_picture){.path = "/"}, "a folder", __LINE__);
  picture_is(SWIFTCLIP_INVALID_DATA, (swiftclip_picture){.data = "\x89PNG\r\n\x1a\n damaged", .size = 16},
             "a damaged file", __LINE__);
}

static void pictures_and_buffers(void) {
  FILL(pixels);
  FILL(embedding);
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_preprocess(NULL, NULL, 1, pixels, 3 * 224 * 224));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_preprocess(NULL, &penguin, 1, NULL, 3 * 224 * 224));
  CHECK_STATUS(SWIFTCLIP_BUFFER_TOO_SMALL, swiftclip_preprocess(NULL, &penguin, 1, pixels, PIXELS));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_model_preprocess(model, NULL, 1, pixels, PIXELS));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_model_preprocess(model, &penguin, 1, NULL, PIXELS));
  CHECK_STATUS(SWIFTCLIP_BUFFER_TOO_SMALL, swiftclip_model_preprocess(model, &penguin, 1, pixels, PIXELS - 1));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT,
               swiftclip_model_preprocess(model, &penguin, 1, CROOKED(float), PIXELS));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT,
               swiftclip_model_preprocess(model, CROOKED(swiftclip_picture), 1, pixels, PIXELS));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_encode_pictures(model, NULL, 1, embedding, DIM, NULL, NULL));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_encode_pictures(model, &penguin, 1, NULL, DIM, NULL, NULL));
  CHECK_STATUS(SWIFTCLIP_BUFFER_TOO_SMALL,
               swiftclip_encode_pictures(model, &penguin, 1, embedding, DIM - 1, NULL, NULL));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT,
               swiftclip_encode_pictures(model, &penguin, 1, CROOKED(float), DIM, NULL, NULL));
  CHECK(UNTOUCHED(pixels) && UNTOUCHED(embedding));

  /* Counts whose products do not fit size_t. */
  CHECK(swiftclip_encode_pictures(model, &penguin, SIZE_MAX, embedding, DIM, NULL, NULL) != SWIFTCLIP_OK);
  CHECK(swiftclip_encode_pictures(model, &penguin, SIZE_MAX / DIM + 2, embedding, DIM, NULL, NULL) != SWIFTCLIP_OK);
  CHECK(swiftclip_model_preprocess(model, &penguin, SIZE_MAX / PIXELS + 1, pixels, PIXELS) != SWIFTCLIP_OK);
  CHECK(swiftclip_preprocess(NULL, &penguin, SIZE_MAX / 2, pixels, PIXELS) != SWIFTCLIP_OK);
  CHECK(UNTOUCHED(pixels) && UNTOUCHED(embedding));

  /* Nothing asked, nothing done. */
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_preprocess(NULL, NULL, 0, NULL, 0));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_model_preprocess(model, NULL, 0, NULL, 0));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_pictures(model, NULL, 0, NULL, 0, NULL, NULL));

  /* The second of two pictures is missing: the first leaves no trace. */
  float both[2 * DIM];
  swiftclip_picture pair[2] = {penguin, {.path = "no/such/file.png"}};
  FILL(both);
  CHECK_STATUS(SWIFTCLIP_IO_ERROR, swiftclip_encode_pictures(model, pair, 2, both, 2 * DIM, NULL, NULL));
  CHECK(UNTOUCHED(both));
  CHECK(strstr(swiftclip_last_error(), "no/such/file.png") != NULL);
  CHECK(strstr(swiftclip_last_error(), "1") != NULL);
}

static void pixels_to_embeddings(void) {
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_model_preprocess(model, &penguin, 1, pixels, PIXELS));
  FILL(embedding);
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_encode_pixels(model, NULL, 1, embedding, DIM));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_encode_pixels(model, pixels, 1, NULL, DIM));
  CHECK_STATUS(SWIFTCLIP_BUFFER_TOO_SMALL, swiftclip_encode_pixels(model, pixels, 1, embedding, DIM - 1));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_encode_pixels(model, CROOKED(float), 1, embedding, DIM));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_encode_pixels(model, pixels, 1, CROOKED(float), DIM));
  CHECK(swiftclip_encode_pixels(model, pixels, SIZE_MAX / DIM + 2, embedding, DIM) != SWIFTCLIP_OK);
  float was = pixels[77];
  pixels[77] = NAN;
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_encode_pixels(model, pixels, 1, embedding, DIM));
  pixels[77] = INFINITY;
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_encode_pixels(model, pixels, 1, embedding, DIM));
  pixels[77] = was;
  CHECK(UNTOUCHED(embedding));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_pixels(model, NULL, 0, NULL, 0));

  /* Pixels and pictures are two ways to the same bits, and a larger buffer is used only as far as needed. */
  float larger[DIM + 8];
  FILL(larger);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_pixels(model, pixels, 1, larger, DIM + 8));
  CHECK(check_untouched(larger + DIM, 8 * sizeof(float)));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_pictures(model, &penguin, 1, embedding, DIM, NULL, NULL));
  CHECK(memcmp(larger, embedding, sizeof embedding) == 0);
}

static void texts_to_tokens(void) {
  swiftclip_text text = {"a pear", 6};
  FILL(tokens);
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_model_tokenize(model, NULL, 1, 0, tokens, CONTEXT));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_model_tokenize(model, &text, 1, 0, NULL, CONTEXT));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_model_tokenize(model, &text, 1, 4, tokens, CONTEXT));
  CHECK_STATUS(SWIFTCLIP_BUFFER_TOO_SMALL, swiftclip_model_tokenize(model, &text, 1, 0, tokens, CONTEXT - 1));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT,
               swiftclip_model_tokenize(model, &text, 1, 0, CROOKED(int32_t), CONTEXT));
  CHECK(swiftclip_model_tokenize(model, &text, SIZE_MAX / CONTEXT + 2, 0, tokens, CONTEXT) != SWIFTCLIP_OK);
  text = (swiftclip_text){NULL, 1};
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_model_tokenize(model, &text, 1, 0, tokens, CONTEXT));
  text = (swiftclip_text){"x \xff y", 5};
  CHECK_STATUS(SWIFTCLIP_INVALID_DATA, swiftclip_model_tokenize(model, &text, 1, 0, tokens, CONTEXT));
  text = (swiftclip_text){"a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a", 63};
  CHECK_STATUS(SWIFTCLIP_TEXT_TOO_LONG, swiftclip_model_tokenize(model, &text, 1, 0, tokens, CONTEXT));
  CHECK(strstr(swiftclip_last_error(), "34") != NULL);
  CHECK(UNTOUCHED(tokens));

  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_model_tokenize(model, NULL, 0, 0, NULL, 0));
  CHECK_STATUS(SWIFTCLIP_OK,
               swiftclip_model_tokenize(model, &text, 1, SWIFTCLIP_TEXT_TRUNCATE, tokens, CONTEXT));
  CHECK(tokens[0] == 4094 && tokens[CONTEXT - 2] == 320 && tokens[CONTEXT - 1] == 4095);
  text = (swiftclip_text){"x \xff y", 5};
  CHECK_STATUS(SWIFTCLIP_OK,
               swiftclip_model_tokenize(model, &text, 1, SWIFTCLIP_TEXT_REPLACE_INVALID, tokens, CONTEXT));
  text = (swiftclip_text){NULL, 0};
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_model_tokenize(model, &text, 1, 0, tokens, CONTEXT));
  CHECK(tokens[0] == 4094 && tokens[1] == 4095 && tokens[2] == 0);
}

static void tokens_to_embeddings(void) {
  const swiftclip_text text = {"a pear", 6};
  float other[DIM];
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_model_tokenize(model, &text, 1, 0, tokens, CONTEXT));
  FILL(embedding);
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_encode_tokens(model, NULL, 1, embedding, DIM));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_encode_tokens(model, tokens, 1, NULL, DIM));
  CHECK_STATUS(SWIFTCLIP_BUFFER_TOO_SMALL, swiftclip_encode_tokens(model, tokens, 1, embedding, DIM - 1));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_encode_tokens(model, CROOKED(int32_t), 1, embedding, DIM));
  CHECK(swiftclip_encode_tokens(model, tokens, SIZE_MAX / DIM + 2, embedding, DIM) != SWIFTCLIP_OK);
  int32_t was = tokens[1];
  tokens[1] = 4096;
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_encode_tokens(model, tokens, 1, embedding, DIM));
  tokens[1] = -1;
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_encode_tokens(model, tokens, 1, embedding, DIM));
  tokens[1] = was;
  CHECK(UNTOUCHED(embedding));

  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_encode_texts(model, NULL, 1, 0, embedding, DIM, NULL, NULL));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_encode_texts(model, &text, 1, 0, NULL, DIM, NULL, NULL));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_encode_texts(model, &text, 1, 8, embedding, DIM, NULL, NULL));
  CHECK_STATUS(SWIFTCLIP_BUFFER_TOO_SMALL,
               swiftclip_encode_texts(model, &text, 1, 0, embedding, DIM - 1, NULL, NULL));
  CHECK(swiftclip_encode_texts(model, &text, SIZE_MAX / DIM + 2, 0, embedding, DIM, NULL, NULL) != SWIFTCLIP_OK);
  CHECK(UNTOUCHED(embedding));

  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_tokens(model, NULL, 0, NULL, 0));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_texts(model, NULL, 0, 0, NULL, 0, NULL, NULL));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_tokens(model, tokens, 1, embedding, DIM));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_texts(model, &text, 1, 0, other, DIM, NULL, NULL));
  CHECK(memcmp(embedding, other, sizeof other) == 0);
}

/* Stops at the second call and counts them. */
static int stop(void *context, size_t done, size_t total) {
  CHECK(done <= total);
  return ++*(int *)context >= 2;
}

/* Goes on, and remembers the last call. */
static int note(void *context, size_t done, size_t total) {
  size_t *last = context;
  last[0] = done;
  last[1] = total;
  return 0;
}

static void progress(void) {
  enum { COUNT = 400 };
  swiftclip_picture *pictures = malloc(COUNT * sizeof *pictures);
  float *embeddings = malloc(COUNT * DIM * sizeof *embeddings);
  if (pictures == NULL || embeddings == NULL) abort();
  for (int i = 0; i < COUNT; i++) pictures[i] = penguin;
  memset(embeddings, 0x5A, COUNT * DIM * sizeof *embeddings);
  int calls = 0;
  CHECK_STATUS(SWIFTCLIP_CANCELLED,
               swiftclip_encode_pictures(model, pictures, COUNT, embeddings, COUNT * DIM, stop, &calls));
  CHECK(calls == 2);
  CHECK(check_untouched(embeddings, COUNT * DIM * sizeof *embeddings));
  size_t last[2] = {0, 0};
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_pictures(model, pictures, 40, embeddings, 40 * DIM, note, last));
  CHECK(last[0] == 40 && last[1] == 40);
  free(pictures);
  free(embeddings);

  swiftclip_classifier *classifier = (swiftclip_classifier *)(void *)bogus;
  calls = 1;
  CHECK_STATUS(SWIFTCLIP_CANCELLED,
               swiftclip_classifier_create(model, label_pair, 2, NULL, 0, stop, &calls, &classifier));
  CHECK(classifier == (swiftclip_classifier *)(void *)bogus);
}

/* What a run over many pictures handed over. */
typedef struct {
  size_t next, total, failed, calls, stop_at;
  int wrong;
  float last[DIM];
} received;

static int receive(void *context, const swiftclip_embedded_batch *batch) {
  received *all = context;
  all->wrong |= batch->first != all->next || batch->count == 0 || batch->embeddings == NULL;
  all->next = batch->first + batch->count;
  all->total = batch->total;
  for (size_t i = 0; i < batch->count; i++) {
    int failed = batch->statuses[i] != SWIFTCLIP_OK;
    all->failed += (size_t)failed;
    all->wrong |= (*batch->messages[i] != '\0') != failed;
    for (size_t k = 0; k < DIM; k++) all->wrong |= (isnan(batch->embeddings[i * DIM + k]) != 0) != failed;
  }
  memcpy(all->last, batch->embeddings + (batch->count - 1) * DIM, sizeof all->last);
  return ++all->calls == all->stop_at;
}

static void embedding_many(void) {
  enum { COUNT = 400 };
  swiftclip_picture *pictures = malloc(COUNT * sizeof *pictures);
  float *rows = malloc(COUNT * DIM * sizeof *rows);
  if (pictures == NULL || rows == NULL) abort();
  for (int i = 0; i < COUNT; i++) pictures[i] = penguin;
  memset(rows, 0x5A, COUNT * DIM * sizeof *rows);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_pictures(model, &penguin, 1, embedding, DIM, NULL, NULL));

  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_embed_pictures(model, NULL, 1, rows, DIM, NULL, NULL));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_embed_pictures(model, pictures, 1, NULL, DIM, NULL, NULL));
  CHECK_STATUS(SWIFTCLIP_BUFFER_TOO_SMALL, swiftclip_embed_pictures(model, pictures, 2, rows, 2 * DIM - 1, NULL, NULL));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT,
               swiftclip_embed_pictures(model, pictures, 1, CROOKED(float), DIM, NULL, NULL));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT,
               swiftclip_embed_pictures(model, CROOKED(swiftclip_picture), 1, rows, DIM, NULL, NULL));
  received all = {0};
  CHECK(swiftclip_embed_pictures(model, pictures, SIZE_MAX, rows, DIM, receive, &all) != SWIFTCLIP_OK);
  CHECK(swiftclip_embed_pictures(model, pictures, SIZE_MAX / DIM + 2, rows, DIM, receive, &all) != SWIFTCLIP_OK);
  CHECK(swiftclip_embed_pictures(model, pictures, SIZE_MAX / 2 + 2, NULL, 0, receive, &all) != SWIFTCLIP_OK);
  CHECK(all.calls == 0 && check_untouched(rows, COUNT * DIM * sizeof *rows));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_embed_pictures(model, NULL, 0, NULL, 0, NULL, NULL));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_embed_pictures(model, NULL, 0, NULL, 0, receive, &all));
  CHECK(all.calls == 0);

  /* Into a buffer alone, to a function alone, and both. Bad pictures do not stop the others. */
  static const int bad[] = {0, 31, 32, 33, 200, 398};
  pictures[0] = (swiftclip_picture){.path = "no/such/file.png"};
  pictures[31] = (swiftclip_picture){.data = "nonsense", .size = 8};
  pictures[32] = (swiftclip_picture){.path = penguin_path, .data = "both", .size = 4};
  pictures[33].reserved = 1;
  memset(&pictures[200], 0, sizeof pictures[200]);
  pictures[398] = (swiftclip_picture){.path = "/"};
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_embed_pictures(model, pictures, COUNT, rows, COUNT * DIM, NULL, NULL));
  for (size_t i = 0, b = 0; i < COUNT; i++) {
    int is_bad = b < sizeof bad / sizeof *bad && bad[b] == (int)i;
    b += (size_t)is_bad;
    CHECK(is_bad ? isnan(rows[i * DIM]) : memcmp(rows + i * DIM, embedding, sizeof embedding) == 0);
  }
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_embed_pictures(model, pictures, COUNT, NULL, 0, receive, &all));
  CHECK(!all.wrong && all.next == COUNT && all.total == COUNT && all.failed == 6 && all.calls > 1);
  CHECK(memcmp(all.last, embedding, sizeof embedding) == 0);
  all = (received){0};
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_embed_pictures(model, pictures, COUNT, rows, COUNT * DIM, receive, &all));
  CHECK(!all.wrong && all.next == COUNT && all.failed == 6);

  /* Cancelled: what was handed over is there. */
  memset(rows, 0x5A, COUNT * DIM * sizeof *rows);
  all = (received){.stop_at = 2};
  CHECK_STATUS(SWIFTCLIP_CANCELLED,
               swiftclip_embed_pictures(model, pictures, COUNT, rows, COUNT * DIM, receive, &all));
  CHECK(!all.wrong && all.calls == 2 && all.next < COUNT);
  CHECK(isnan(rows[0]) && memcmp(rows + DIM, embedding, sizeof embedding) == 0);
  CHECK(check_untouched(rows + (COUNT - 1) * DIM, DIM * sizeof *rows));
  free(pictures);
  free(rows);
}

/* Bytes of this process that are in memory. */
static long resident(void) {
  long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file == NULL || fscanf(file, "%*s %ld", &pages) != 1) abort();
  fclose(file);
  return pages * sysconf(_SC_PAGESIZE);
}

/* 400,000 failures and twenty cancelled runs, each with batches in the making, leave nothing behind. */
static void embedding_leaves_nothing(void) {
  enum { COUNT = 20000, RUNS = 20, CANCELLED_RUNS = 20, ALLOWED = 16 << 20 };
  swiftclip_picture *pictures = calloc(COUNT, sizeof *pictures);
  if (pictures == NULL) abort();
  for (int i = 0; i < COUNT; i++) pictures[i].path = "no/such/file.png";
  received all = {0};
  long before = 0;
  for (int run = 0; run <= RUNS; run++) {
    all = (received){0};
    swiftclip_embed_pictures(model, pictures, COUNT, NULL, 0, receive, &all);
    if (run == 0) before = resident();
  }
  CHECK(!all.wrong && all.failed == COUNT);
  CHECK(resident() - before < ALLOWED);
  for (int i = 0; i < COUNT; i++) pictures[i] = penguin;
  for (int run = 0; run <= CANCELLED_RUNS; run++) {
    all = (received){.stop_at = 1};
    swiftclip_embed_pictures(model, pictures, COUNT, NULL, 0, receive, &all);
    if (run == 0) before = resident();
  }
  CHECK(!all.wrong && all.calls == 1);
  CHECK(resident() - before < ALLOWED);
  free(pictures);
}

static void similarity(void) {
  const float a[4] = {3, 4, 0, 0}, b[2] = {6, 8};
  float cosines[2];
  FILL(cosines);
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_similarity(NULL, 2, b, 1, 2, cosines, 2));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_similarity(a, 2, NULL, 1, 2, cosines, 2));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_similarity(a, 2, b, 1, 2, NULL, 2));
  CHECK_STATUS(SWIFTCLIP_BUFFER_TOO_SMALL, swiftclip_similarity(a, 2, b, 1, 2, cosines, 1));
  CHECK(swiftclip_similarity(a, SIZE_MAX / 2, b, 4, 2, cosines, 2) != SWIFTCLIP_OK);
  CHECK(swiftclip_similarity(a, 2, b, 1, SIZE_MAX / 2, cosines, 2) != SWIFTCLIP_OK);
  CHECK(UNTOUCHED(cosines));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_similarity(a, 2, b, 1, 2, cosines, 2));
  CHECK(fabsf(cosines[0] - 1) < 1e-6f && cosines[1] == 0);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_similarity(NULL, 0, b, 1, 2, NULL, 0));
}

static void classifiers(void) {
  const swiftclip_text none = {"a photo", 7}, two = {"{} {}", 5};
  swiftclip_classifier *const unset = (swiftclip_classifier *)(void *)bogus;
  swiftclip_classifier *made = unset;
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_classifier_create(NULL, label_pair, 2, NULL, 0, NULL, NULL, &made));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_classifier_create(model, NULL, 2, NULL, 0, NULL, NULL, &made));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_classifier_create(model, label_pair, 0, NULL, 0, NULL, NULL, &made));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_classifier_create(model, label_pair, 2, NULL, 1, NULL, NULL, &made));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_classifier_create(model, label_pair, 2, &none, 1, NULL, NULL, &made));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_classifier_create(model, label_pair, 2, &two, 1, NULL, NULL, &made));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_classifier_create(model, label_pair, 2, NULL, 0, NULL, NULL, NULL));
  CHECK(swiftclip_classifier_create(model, label_pair, SIZE_MAX / 2, &none, 3, NULL, NULL, &made) != SWIFTCLIP_OK);
  CHECK(made == unset);

  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_classifier_create(model, label_pair, 2, NULL, 0, NULL, NULL, &made));
  if (made == unset) return;
  CHECK(swiftclip_classifier_label_count(made) == 2);
  float weights[2 * DIM], scores[2];
  FILL(weights);
  FILL(scores);
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_classifier_weights(made, NULL, 2 * DIM));
  CHECK_STATUS(SWIFTCLIP_BUFFER_TOO_SMALL, swiftclip_classifier_weights(made, weights, 2 * DIM - 1));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_classifier_probabilities(made, NULL, 1, scores, 2));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_classifier_probabilities(made, embedding, 1, NULL, 2));
  CHECK_STATUS(SWIFTCLIP_BUFFER_TOO_SMALL, swiftclip_classifier_probabilities(made, embedding, 1, scores, 1));
  CHECK_STATUS(SWIFTCLIP_BUFFER_TOO_SMALL, swiftclip_classifier_cosines(made, embedding, 1, scores, 1));
  CHECK(swiftclip_classifier_cosines(made, embedding, SIZE_MAX / 2 + 2, scores, 2) != SWIFTCLIP_OK);
  CHECK(UNTOUCHED(weights) && UNTOUCHED(scores));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_classifier_probabilities(made, NULL, 0, NULL, 0));

  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_pictures(model, &penguin, 1, embedding, DIM, NULL, NULL));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_classifier_weights(made, weights, 2 * DIM));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_classifier_probabilities(made, embedding, 1, scores, 2));
  CHECK(fabsf(scores[0] + scores[1] - 1) < 1e-6f);
  CHECK(scores[0] > 0.9f);

  swiftclip_classifier_free(made);
  swiftclip_classifier_free(made);
  swiftclip_classifier_free(NULL);
  swiftclip_classifier_free(BOGUS(swiftclip_classifier));
  CHECK(swiftclip_classifier_label_count(made) == 0 && swiftclip_classifier_label_count(NULL) == 0);
  CHECK(swiftclip_classifier_label_count(BOGUS(swiftclip_classifier)) == 0);
  FILL(scores);
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_classifier_probabilities(made, embedding, 1, scores, 2));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_classifier_cosines(NULL, embedding, 1, scores, 2));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_classifier_weights(made, weights, 2 * DIM));
  CHECK(UNTOUCHED(scores));
}

static void tokenizers(const char *folder) {
  char path[4200];
  snprintf(path, sizeof path, "%s/merges.txt", folder);
  swiftclip_tokenizer *const unset = BOGUS(swiftclip_tokenizer);
  swiftclip_tokenizer *tokenizer = unset;
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_tokenizer_open(NULL, 77, &tokenizer));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_tokenizer_open(path, 1, &tokenizer));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_tokenizer_open(path, 4097, &tokenizer));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_tokenizer_open(path, 77, NULL));
  CHECK_STATUS(SWIFTCLIP_IO_ERROR, swiftclip_tokenizer_open("no/such/merges.txt", 77, &tokenizer));
  CHECK(tokenizer == unset);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_tokenizer_open(path, CONTEXT, &tokenizer));
  if (tokenizer == unset) return;
  CHECK(swiftclip_tokenizer_vocabulary_size(tokenizer) == 4096);
  const swiftclip_text text = {"a drawing of a pear", 19};
  int32_t other[CONTEXT];
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_tokenizer_encode(tokenizer, &text, 1, 0, other, CONTEXT));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_model_tokenize(model, &text, 1, 0, tokens, CONTEXT));
  CHECK(memcmp(tokens, other, sizeof other) == 0);
  FILL(tokens);
  CHECK_STATUS(SWIFTCLIP_BUFFER_TOO_SMALL, swiftclip_tokenizer_encode(tokenizer, &text, 1, 0, tokens, CONTEXT - 1));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_tokenizer_encode(tokenizer, NULL, 1, 0, tokens, CONTEXT));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_tokenizer_encode(NULL, &text, 1, 0, tokens, CONTEXT));
  swiftclip_tokenizer_free(tokenizer);
  swiftclip_tokenizer_free(tokenizer);
  swiftclip_tokenizer_free(NULL);
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_tokenizer_encode(tokenizer, &text, 1, 0, tokens, CONTEXT));
  CHECK(UNTOUCHED(tokens));
  CHECK(swiftclip_tokenizer_vocabulary_size(tokenizer) == 0 && swiftclip_tokenizer_vocabulary_size(NULL) == 0);
}

/* Learning merges, into the folder given. */
static void learning(const char *folder) {
  char path[4200];
  snprintf(path, sizeof path, "%s/merges.txt", folder);
  const swiftclip_text captions[2] = {{"a cat and a cat", 15}, {"x \xff", 3}};
  size_t learned = 77;
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_learn_merges(NULL, 1, 0, 515, path, NULL, NULL, &learned));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT,
               swiftclip_learn_merges(CROOKED(swiftclip_text), 1, 0, 515, path, NULL, NULL, &learned));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_learn_merges(captions, 1, 0, 514, path, NULL, NULL, &learned));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_learn_merges(captions, 1, 0, 49409, path, NULL, NULL, &learned));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT,
               swiftclip_learn_merges(captions, 1, 0, SIZE_MAX, path, NULL, NULL, &learned));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_learn_merges(captions, 1, 0, 515, NULL, NULL, NULL, &learned));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT,
               swiftclip_learn_merges(captions, 1, SWIFTCLIP_TEXT_TRUNCATE, 515, path, NULL, NULL, &learned));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_learn_merges(captions, 1, 4, 515, path, NULL, NULL, &learned));
  CHECK(swiftclip_learn_merges(captions, SIZE_MAX, 0, 515, path, NULL, NULL, &learned) == SWIFTCLIP_INVALID_ARGUMENT);
  CHECK_STATUS(SWIFTCLIP_INVALID_DATA, swiftclip_learn_merges(captions, 2, 0, 515, path, NULL, NULL, &learned));
  CHECK_STATUS(SWIFTCLIP_INVALID_DATA, swiftclip_learn_merges(NULL, 0, 0, 515, path, NULL, NULL, &learned));
  int calls = 1;
  CHECK_STATUS(SWIFTCLIP_CANCELLED, swiftclip_learn_merges(captions, 1, 0, 515, path, stop, &calls, &learned));
  CHECK(learned == 77 && access(path, F_OK) != 0);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_learn_merges(captions, 1, 0, 515, path, NULL, NULL, &learned));
  CHECK(learned == 515);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_learn_merges(captions, 2, SWIFTCLIP_TEXT_REPLACE_INVALID, 49408, path, NULL,
                                                    NULL, NULL));
  swiftclip_tokenizer *tokenizer = NULL;
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_tokenizer_open(path, 77, &tokenizer));
  CHECK(swiftclip_tokenizer_vocabulary_size(tokenizer) == 516); /* "ca" and "cat</w>" */
  swiftclip_tokenizer_free(tokenizer);
  unlink(path);
}

/* That dataset options changed by a statement are answered so, with the output untouched. */
#define DATASET_IS(wanted, change)                                                       \
  do {                                                                                   \
    CHECK_STATUS(SWIFTCLIP_OK, swiftclip_dataset_options_init(&options, sizeof options)); \
    options.model = model;                                                               \
    options.batch_size = 2;                                                              \
    change;                                                                              \
    CHECK_STATUS(wanted, swiftclip_dataset_open(&path, 1, &options, &dataset));          \
    CHECK(dataset == unset);                                                             \
  } while (0)

static void dataset_options(const char *path, const char *vocabulary) {
  swiftclip_dataset *const unset = BOGUS(swiftclip_dataset);
  swiftclip_dataset *dataset = unset;
  swiftclip_dataset_options options;
  memset(&options, 0x5A, sizeof options);
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_dataset_options_init(NULL, sizeof options));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_dataset_options_init(&options, sizeof options - 1));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_dataset_options_init(&options, SIZE_MAX));
  CHECK(check_untouched(&options, sizeof options));
  swiftclip_preprocess_options preprocess;
  swiftclip_preprocess_options_init(&preprocess, sizeof preprocess);
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_dataset_open(&path, 1, NULL, &dataset));
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.struct_size = sizeof options - 1);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.model = NULL);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.model = BOGUS(swiftclip_model));
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.preprocess = &preprocess);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.vocabulary = vocabulary);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.context_length = 77);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.model = NULL; options.vocabulary = vocabulary;
             options.context_length = 1);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.model = NULL; options.vocabulary = vocabulary;
             options.context_length = 4097);
  DATASET_IS(SWIFTCLIP_IO_ERROR, options.model = NULL; options.vocabulary = "no/such/merges.txt");
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.model = NULL; options.vocabulary = vocabulary;
             options.preprocess = &preprocess; preprocess.std[0] = 0);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.batch_size = 0);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.batch_size = 1048577);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.shuffle = 2);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.shuffle_buffer = 0);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.shuffle_buffer = INT32_MAX);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.buffer_bytes = 0);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.buffer_bytes = UINT64_MAX);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.keep_last = -1);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.endless = 2);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.threads = -1);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.threads = 1025);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.ahead = 65);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.crop = 2);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.background = 3);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.scale_min = 0.04f);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.scale_max = 1.01f);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.scale_min = 0.9f; options.scale_max = 0.8f);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.scale_min = NAN);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.flip = -0.1f);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.brightness = NAN);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.contrast = INFINITY);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.saturation = 1.5f);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.sentences = 2);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.long_captions = 3);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.allow_outside = 2);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.named = 10001);
  DATASET_IS(SWIFTCLIP_INVALID_ARGUMENT, options.path_column = "");
  DATASET_IS(SWIFTCLIP_INVALID_DATA, options.caption_column = "nowhere");
  DATASET_IS(SWIFTCLIP_INVALID_DATA, options.batch_size = 3);
}

/* A table of two pictures in a folder of its own, and everything that is done with it. */
static void datasets(const char *vocabulary) {
  char folder[] = "/tmp/swiftclip-XXXXXX", table[64], copy[64];
  CHECK(mkdtemp(folder) != NULL);
  learning(folder);
  snprintf(table, sizeof table, "%s/t.tsv", folder);
  snprintf(copy, sizeof copy, "%s/p.png", folder);
  FILE *file = fopen(table, "w");
  if (file == NULL || symlink(penguin_path, copy) != 0) abort();
  fprintf(file, "%s\ta penguin\nmissing.png\ta pear\n", penguin_path);
  fclose(file);
  dataset_options(table, vocabulary);

  enum { BATCH = 2 };
  static float floats[BATCH * PIXELS];
  int32_t ids[BATCH * CONTEXT];
  size_t count = 77, length = 0;
  char json[4096];
  swiftclip_dataset *const unset = BOGUS(swiftclip_dataset);
  swiftclip_dataset *dataset = unset;
  swiftclip_dataset_options options;
  swiftclip_dataset_options_init(&options, sizeof options);
  options.model = model;
  options.batch_size = BATCH;
  options.allow_outside = 1;
  const char *path = table, *const none[1] = {NULL}, *const other[1] = {"no/such.tar"};
  const char *const mixed[2] = {table, "no/such.tar"};
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_dataset_open(NULL, 1, &options, &dataset));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_dataset_open(&path, 0, &options, &dataset));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_dataset_open(&path, SIZE_MAX, &options, &dataset));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_dataset_open(none, 1, &options, &dataset));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_dataset_open(mixed, 2, &options, &dataset));
  CHECK_STATUS(SWIFTCLIP_IO_ERROR, swiftclip_dataset_open(other, 1, &options, &dataset));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_dataset_open(&path, 1, &options, NULL));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT,
               swiftclip_dataset_open(&path, 1, CROOKED(swiftclip_dataset_options), &dataset));
  CHECK(dataset == unset);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_dataset_open(&path, 1, &options, &dataset));
  if (dataset == unset) return;

  CHECK(swiftclip_dataset_batches(dataset) == 1 && swiftclip_dataset_position(dataset) == 0);
  FILL(floats);
  FILL(ids);
#define NEXT(pixels, pixels_capacity, tokens, tokens_capacity, count) \
  swiftclip_dataset_next(dataset, pixels, pixels_capacity, tokens, tokens_capacity, count)
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, NEXT(NULL, BATCH * PIXELS, ids, BATCH * CONTEXT, &count));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, NEXT(floats, BATCH * PIXELS, NULL, BATCH * CONTEXT, &count));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, NEXT(floats, BATCH * PIXELS, ids, BATCH * CONTEXT, NULL));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, NEXT(CROOKED(float), BATCH * PIXELS, ids, BATCH * CONTEXT, &count));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, NEXT(floats, BATCH * PIXELS, CROOKED(int32_t), BATCH * CONTEXT, &count));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, NEXT(floats, SIZE_MAX, ids, BATCH * CONTEXT, &count));
  CHECK_STATUS(SWIFTCLIP_BUFFER_TOO_SMALL, NEXT(floats, BATCH * PIXELS - 1, ids, BATCH * CONTEXT, &count));
  CHECK_STATUS(SWIFTCLIP_BUFFER_TOO_SMALL, NEXT(floats, BATCH * PIXELS, ids, BATCH * CONTEXT - 1, &count));
  CHECK(UNTOUCHED(floats) && UNTOUCHED(ids) && count == 77 && swiftclip_dataset_position(dataset) == 0);

  /* One of the two is missing. What is behind the pairs stays untouched. */
  CHECK_STATUS(SWIFTCLIP_OK, NEXT(floats, BATCH * PIXELS, ids, BATCH * CONTEXT, &count));
  CHECK(count == 1 && swiftclip_dataset_position(dataset) == 1);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_model_preprocess(model, &penguin, 1, pixels, PIXELS));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_model_tokenize(model, label_pair, 1, 0, tokens, CONTEXT));
  CHECK(memcmp(floats, pixels, sizeof pixels) == 0 && memcmp(ids, tokens, sizeof tokens) == 0);
  CHECK(check_untouched(floats + PIXELS, sizeof pixels) && check_untouched(ids + CONTEXT, sizeof tokens));
  CHECK_STATUS(SWIFTCLIP_OK, NEXT(floats, BATCH * PIXELS, ids, BATCH * CONTEXT, &count));
  CHECK(count == 0 && swiftclip_dataset_position(dataset) == 1);
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_dataset_seek(dataset, UINT64_MAX));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_dataset_seek(dataset, (uint64_t)1 << 53));
  CHECK_STATUS(SWIFTCLIP_OK, NEXT(floats, BATCH * PIXELS, ids, BATCH * CONTEXT, &count));
  CHECK(count == 1);

  CHECK_STATUS(SWIFTCLIP_BUFFER_TOO_SMALL, swiftclip_dataset_report(dataset, NULL, 0, &length));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_dataset_report(dataset, NULL, length + 1, NULL));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_dataset_report(dataset, json, sizeof json, &length));
  CHECK(strlen(json) == length && strstr(json, "\"missing_pictures\": 2") != NULL && strstr(json, "missing.png"));
  swiftclip_dataset_free(dataset);
  for (int i = 0; i < 3; i++) {
    CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, NEXT(floats, BATCH * PIXELS, ids, BATCH * CONTEXT, &count));
    CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_dataset_seek(dataset, 0));
    CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_dataset_report(dataset, json, sizeof json, NULL));
    CHECK(swiftclip_dataset_batches(dataset) == 0 && swiftclip_dataset_position(dataset) == 0);
    swiftclip_dataset_free(dataset);
    dataset = i == 0 ? NULL : unset;
  }
#undef NEXT
  unlink(table);
  unlink(copy);
  rmdir(folder);
}

static void opening(const char *folder) {
  swiftclip_model *const unset = BOGUS(swiftclip_model);
  swiftclip_model *opened = unset;
  swiftclip_model_options options;
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_model_options_init(NULL, sizeof options));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_model_options_init(&options, 1));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_model_open(NULL, NULL, &opened));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_model_open(folder, NULL, NULL));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_model_open_files(NULL, NULL, NULL, &opened));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT,
               swiftclip_model_open_memory(NULL, 0, NULL, 0, NULL, 0, NULL, &opened));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT,
               swiftclip_model_open_memory(NULL, 5, NULL, 0, NULL, 0, NULL, &opened));
  CHECK_STATUS(SWIFTCLIP_INVALID_DATA,
               swiftclip_model_open_memory("nonsense", 8, NULL, 0, NULL, 0, NULL, &opened));
  CHECK_STATUS(SWIFTCLIP_IO_ERROR, swiftclip_model_open("no/such/model", NULL, &opened));
#define WITH(wanted, change)                                                    \
  do {                                                                          \
    CHECK_STATUS(SWIFTCLIP_OK, swiftclip_model_options_init(&options, sizeof options)); \
    change;                                                                     \
    CHECK_STATUS(wanted, swiftclip_model_open(folder, &options, &opened));      \
    CHECK(opened == unset);                                                     \
  } while (0)
  WITH(SWIFTCLIP_INVALID_ARGUMENT, options.struct_size = 0);
  WITH(SWIFTCLIP_INVALID_ARGUMENT, options.struct_size = offsetof(swiftclip_model_options, precision) - 1);
  WITH(SWIFTCLIP_INVALID_ARGUMENT, options.threads = -1);
  WITH(SWIFTCLIP_INVALID_ARGUMENT, options.threads = 1025);
  WITH(SWIFTCLIP_INVALID_ARGUMENT, options.instructions = 6);
  WITH(SWIFTCLIP_INVALID_ARGUMENT, options.backend = 2);
  WITH(SWIFTCLIP_INVALID_ARGUMENT, options.exact_order = 2);
  WITH(SWIFTCLIP_INVALID_ARGUMENT, options.precision = 3);
  WITH(SWIFTCLIP_INVALID_ARGUMENT, options.precision = -1);
  WITH(SWIFTCLIP_INVALID_ARGUMENT, options.read_into_memory = 2);
  WITH(SWIFTCLIP_INVALID_ARGUMENT, options.read_into_memory = -1);
  WITH(SWIFTCLIP_INVALID_ARGUMENT, options.precision = SWIFTCLIP_PRECISION_INT8;
       options.backend = SWIFTCLIP_BACKEND_OPENBLAS);
  WITH(SWIFTCLIP_IO_ERROR, options.vocabulary = "no/such/merges.txt");
  swiftclip_preprocess_options preprocess;
  swiftclip_preprocess_options_init(&preprocess, sizeof preprocess);
  preprocess.image_size = SIZE / 2;
  WITH(SWIFTCLIP_INVALID_ARGUMENT, options.preprocess = &preprocess);
#undef WITH

  /* A struct of version 1.0, whatever follows it in the program's memory. */
  swiftclip_model_options first;
  swiftclip_model_options_init(&first, sizeof first);
  CHECK(first.precision == SWIFTCLIP_PRECISION_FLOAT32 && first.read_into_memory == 0);
  first.struct_size = offsetof(swiftclip_model_options, precision);
  CHECK(first.struct_size == 40);
  first.precision = first.read_into_memory = 77;
  first.max_model_bytes = first.max_items = first.max_text_bytes = first.max_labels = 1;
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_model_open(folder, &first, &opened));
  swiftclip_model_free(opened);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_model_options_init(&first, first.struct_size));
  CHECK(first.precision == 77 && first.read_into_memory == 77 && first.max_items == 1);
}

/* A model of each precision says so. */
static void precision(const char *folder) {
  static const char *const names[] = {"\"precision\": \"float32\"", "\"precision\": \"bfloat16\"",
                                      "\"precision\": \"int8\""};
  for (int32_t value = SWIFTCLIP_PRECISION_FLOAT32; value <= SWIFTCLIP_PRECISION_INT8; value++) {
    swiftclip_model_options options;
    swiftclip_model_options_init(&options, sizeof options);
    options.precision = value;
    swiftclip_model *opened = NULL;
    CHECK_STATUS(SWIFTCLIP_OK, swiftclip_model_open(folder, &options, &opened));
    char json[4096];
    CHECK_STATUS(SWIFTCLIP_OK, swiftclip_model_describe(opened, json, sizeof json, NULL));
    CHECK(strstr(json, names[value]) != NULL);
    swiftclip_model_free(opened);
  }
}

static void description(void) {
  size_t length = 0;
  char json[4096];
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_model_describe(NULL, json, sizeof json, &length));
  CHECK_STATUS(SWIFTCLIP_BUFFER_TOO_SMALL, swiftclip_model_describe(model, NULL, 0, &length));
  CHECK(length > 50 && length < sizeof json);
  FILL(json);
  CHECK_STATUS(SWIFTCLIP_BUFFER_TOO_SMALL, swiftclip_model_describe(model, json, length, NULL));
  CHECK(UNTOUCHED(json));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_model_describe(model, json, length + 1, NULL));
  CHECK(strlen(json) == length);
  for (const char *const *key = (const char *const[]){"instructions", "backend", "threads", "embed_dim",
                                                      "logit_scale", "image", "text", "vocabulary", NULL};
       *key; key++)
    CHECK(strstr(json, *key) != NULL);
}

/* What a model's files hold, asked for as swiftclip_model_open and swiftclip_model_open_files take them. */
static void inspection(const char *folder) {
  char visual[1024], textual[1024], json[8192];
  snprintf(visual, sizeof visual, "%s/visual.onnx", folder);
  snprintf(textual, sizeof textual, "%s/textual.onnx", folder);
  size_t length = 0;
  FILL(json);
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_inspect(NULL, NULL, json, sizeof json, &length));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_inspect("", NULL, json, sizeof json, &length));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_inspect("\xff", NULL, json, sizeof json, &length));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_inspect(folder, NULL, json, (size_t)-1, &length));
  CHECK_STATUS(SWIFTCLIP_IO_ERROR, swiftclip_inspect("no/such/file.onnx", NULL, json, sizeof json, &length));
  CHECK_STATUS(SWIFTCLIP_UNSUPPORTED, swiftclip_inspect(textual, visual, json, sizeof json, &length));
  CHECK(UNTOUCHED(json));
  CHECK_STATUS(SWIFTCLIP_BUFFER_TOO_SMALL, swiftclip_inspect(folder, NULL, NULL, 0, &length));
  CHECK(length > 500 && length < sizeof json);
  CHECK_STATUS(SWIFTCLIP_BUFFER_TOO_SMALL, swiftclip_inspect(folder, NULL, json, length, NULL));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_inspect(folder, NULL, NULL, length + 1, NULL));
  CHECK(UNTOUCHED(json));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_inspect(folder, NULL, json, length + 1, NULL));
  CHECK(strlen(json) == length);
  for (const char *const *key = (const char *const[]){"architecture", "logit_scale", "digest", "pooling_id",
                                                      "exactly_float16", "dialect", "weight_types", NULL};
       *key; key++)
    CHECK(strstr(json, *key) != NULL);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_inspect(visual, NULL, json, sizeof json, NULL));
  CHECK(strstr(json, "\"text\": null") != NULL);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_inspect(NULL, textual, json, sizeof json, NULL));
  CHECK(strstr(json, "\"image\": null") != NULL);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_inspect(visual, textual, json, sizeof json, NULL));
  CHECK(strstr(json, "null, \"text\"") == NULL);
}

static void getters(void) {
  CHECK(swiftclip_model_embed_dim(model) == DIM && swiftclip_model_image_size(model) == SIZE);
  CHECK(swiftclip_model_context_length(model) == CONTEXT && swiftclip_model_vocabulary_size(model) == 4096);
  CHECK(fabsf(swiftclip_model_logit_scale(model) - 23.073202f) < 1e-5f);
  CHECK(swiftclip_model_threads(model) >= 1);
}

/* A handle that is NULL, bogus or freed, at every function that takes one. */
static void not_a_model(const swiftclip_model *handle) {
  const swiftclip_text text = {"a pear", 6};
  CHECK(swiftclip_model_embed_dim(handle) == 0 && swiftclip_model_image_size(handle) == 0);
  CHECK(swiftclip_model_context_length(handle) == 0 && swiftclip_model_vocabulary_size(handle) == 0);
  CHECK(swiftclip_model_logit_scale(handle) == 0 && swiftclip_model_threads(handle) == 0);
  FILL(pixels);
  FILL(embedding);
  FILL(tokens);
  char json[256];
  swiftclip_classifier *classifier = NULL;
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_model_describe(handle, json, sizeof json, NULL));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_model_preprocess(handle, &penguin, 1, pixels, PIXELS));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_model_tokenize(handle, &text, 1, 0, tokens, CONTEXT));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_encode_pixels(handle, pixels, 1, embedding, DIM));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_encode_pictures(handle, &penguin, 1, embedding, DIM, NULL, NULL));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_embed_pictures(handle, &penguin, 1, embedding, DIM, NULL, NULL));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_encode_tokens(handle, tokens, 1, embedding, DIM));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_encode_texts(handle, &text, 1, 0, embedding, DIM, NULL, NULL));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT,
               swiftclip_classifier_create(handle, &text, 1, NULL, 0, NULL, NULL, &classifier));
  CHECK(UNTOUCHED(pixels) && UNTOUCHED(embedding) && UNTOUCHED(tokens) && classifier == NULL);
  CHECK(*swiftclip_last_error() != '\0');
}

static void *error_of_another_thread(void *unused) {
  (void)unused;
  int empty = strcmp(swiftclip_last_error(), "") == 0;
  swiftclip_model_embed_dim(NULL);
  swiftclip_preprocess(NULL, NULL, 1, NULL, 0);
  return empty && *swiftclip_last_error() != '\0' ? &check_passed : NULL;
}

static void messages(void) {
  CHECK_STATUS(SWIFTCLIP_IO_ERROR, swiftclip_tokenizer_open("no/such/vocabulary", 77, &(swiftclip_tokenizer *){NULL}));
  CHECK(strstr(swiftclip_last_error(), "no/such/vocabulary") != NULL);
  pthread_t thread;
  void *good = NULL;
  CHECK(pthread_create(&thread, NULL, error_of_another_thread, NULL) == 0 && pthread_join(thread, &good) == 0);
  CHECK(good != NULL);
  const swiftclip_text text = {"a pear", 6};
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_model_tokenize(model, &text, 1, 0, tokens, CONTEXT));
  CHECK(strstr(swiftclip_last_error(), "no/such/vocabulary") != NULL);
}

static void limits(void) {
  swiftclip_preprocess_options options;
  swiftclip_preprocess_options_init(&options, sizeof options);
  options.image_size = SIZE;
  options.max_pixels = 336 * 336;
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_preprocess(&options, &penguin, 1, pixels, PIXELS));
  FILL(pixels);
  options.max_pixels = 336 * 336 - 1;
  CHECK_STATUS(SWIFTCLIP_LIMIT_EXCEEDED, swiftclip_preprocess(&options, &penguin, 1, pixels, PIXELS));
  options.max_pixels = 336 * 336;
  options.max_bytes = 1000;
  CHECK_STATUS(SWIFTCLIP_LIMIT_EXCEEDED, swiftclip_preprocess(&options, &penguin, 1, pixels, PIXELS));
  CHECK(UNTOUCHED(pixels));
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  setvbuf(stdout, NULL, _IONBF, 0); /* what was found is seen even if the next call crashes */
  snprintf(penguin_path, sizeof penguin_path, "%s/penguin.png", argv[2]);
  penguin.path = penguin_path;

  errors_and_version();
  preprocess_options();
  preprocess_option_ranges();
  limits();
  opening(argv[1]);
  precision(argv[1]);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_model_open(argv[1], NULL, &model));
  if (model == NULL) return check_result("conventions");
  getters();
  description();
  inspection(argv[1]);
  picture_forms();
  pictures_and_buffers();
  pixels_to_embeddings();
  texts_to_tokens();
  tokens_to_embeddings();
  progress();
  embedding_many();
  embedding_leaves_nothing();
  similarity();
  classifiers();
  tokenizers(argv[1]);
  char vocabulary[4200];
  snprintf(vocabulary, sizeof vocabulary, "%s/merges.txt", argv[1]);
  datasets(vocabulary);
  messages();

  swiftclip_classifier *classifier = NULL;
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_classifier_create(model, label_pair, 2, NULL, 0, NULL, NULL, &classifier));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_pictures(model, &penguin, 1, embedding, DIM, NULL, NULL));
  swiftclip_model_free(model);
  float scores[2];
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_classifier_probabilities(classifier, embedding, 1, scores, 2));
  swiftclip_classifier_free(classifier);

  not_a_model(model);
  not_a_model(NULL);
  not_a_model(BOGUS(swiftclip_model));
  swiftclip_model_free(model);
  swiftclip_model_free(NULL);
  swiftclip_model_free(BOGUS(swiftclip_model));
  return check_result("conventions");
}
