/* A program of 1.0.0's time: every function that its header has, with structs of its sizes. promise.py compiles it with
 * that header and runs it with today's library.
 *
 *   program MODEL PICTURES */

#include <math.h>
#include <stdlib.h>

#include <swiftclip.h>

#include "check.h"

enum { DIM = 256, SIZE = 64, CONTEXT = 32, PIXELS = 3 * SIZE * SIZE };

static const swiftclip_text labels[3] = {{"a penguin", 9}, {"a pear", 6}, {"a house", 7}};
static const swiftclip_text drawing = {"a drawing of {}", 15};

static int count_calls(void *context, size_t done, size_t total) {
  *(int *)context += done <= total;
  return 0;
}

static void *content_of(const char *folder, const char *name, size_t *size) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "rb");
  if (file == NULL) return NULL;
  fseek(file, 0, SEEK_END);
  *size = (size_t)ftell(file);
  rewind(file);
  char *content = malloc(*size);
  if (content != NULL) *size = fread(content, 1, *size, file);
  fclose(file);
  return content;
}

/* An option struct of this header, with what lies after it watched. */
static swiftclip_model *open_with_options(const char *path) {
  struct {
    swiftclip_model_options options;
    char after[64];
  } model = {0};
  struct {
    swiftclip_preprocess_options options;
    char after[64];
  } pixels = {0};
  FILL(model.after);
  FILL(pixels.after);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_model_options_init(&model.options, sizeof model.options));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_preprocess_options_init(&pixels.options, sizeof pixels.options));
  CHECK(UNTOUCHED(model.after) && UNTOUCHED(pixels.after));
  CHECK(model.options.struct_size == sizeof model.options && model.options.reserved == 0);
  CHECK(pixels.options.max_bytes == 268435456 && pixels.options.std[2] == 0.27577711f);
  model.options.threads = 1;
  model.options.preprocess = &pixels.options;
  swiftclip_model *opened = NULL;
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_model_open(path, &model.options, &opened));
  CHECK(swiftclip_model_threads(opened) == 1);
  return opened;
}

static void other_openings(const char *path) {
  char visual[4096], textual[4096], json[65536];
  size_t sizes[3] = {0}, length = 0;
  snprintf(visual, sizeof visual, "%s/visual.onnx", path);
  snprintf(textual, sizeof textual, "%s/textual.onnx", path);
  swiftclip_model *model = NULL;
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_model_open_files(visual, textual, NULL, &model));
  CHECK(swiftclip_model_embed_dim(model) == DIM && swiftclip_model_image_size(model) == SIZE);
  CHECK(swiftclip_model_context_length(model) == CONTEXT && swiftclip_model_vocabulary_size(model) == 4096);
  CHECK(fabsf(swiftclip_model_logit_scale(model) - 23.0732f) < 1e-3f);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_model_describe(model, json, sizeof json, &length));
  CHECK(strlen(json) == length && strstr(json, "\"embed_dim\"") != NULL);
  swiftclip_model_free(model);
  void *parts[3] = {content_of(path, "visual.onnx", &sizes[0]), content_of(path, "textual.onnx", &sizes[1]),
                    content_of(path, "merges.txt", &sizes[2])};
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_model_open_memory(parts[0], sizes[0], parts[1], sizes[1], parts[2], sizes[2],
                                                         NULL, &model));
  swiftclip_model_free(model);
  for (int i = 0; i < 3; i++) free(parts[i]);
}

static void pictures(const swiftclip_model *model, const char *folder) {
  char path[4096];
  snprintf(path, sizeof path, "%s/pear.png", folder);
  const swiftclip_picture pear = {.path = path};
  static float pixels[PIXELS], again[PIXELS];
  float embedding[DIM], same[DIM], probabilities[3], cosines[3], weights[3 * DIM], between[3];
  swiftclip_preprocess_options options;
  swiftclip_preprocess_options_init(&options, sizeof options);
  options.image_size = SIZE;
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_preprocess(&options, &pear, 1, pixels, PIXELS));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_model_preprocess(model, &pear, 1, again, PIXELS));
  CHECK(memcmp(pixels, again, sizeof pixels) == 0);
  int calls = 0;
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_pictures(model, &pear, 1, embedding, DIM, count_calls, &calls));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_pixels(model, pixels, 1, same, DIM));
  CHECK(calls > 0 && memcmp(embedding, same, sizeof same) == 0);

  swiftclip_classifier *classifier = NULL;
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_classifier_create(model, labels, 3, &drawing, 1, NULL, NULL, &classifier));
  CHECK(swiftclip_classifier_label_count(classifier) == 3);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_classifier_probabilities(classifier, embedding, 1, probabilities, 3));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_classifier_cosines(classifier, embedding, 1, cosines, 3));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_classifier_weights(classifier, weights, 3 * DIM));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_similarity(embedding, 1, weights, 3, DIM, between, 3));
  CHECK(probabilities[1] > 0.9f && cosines[1] > cosines[0] && fabsf(between[1] - cosines[1]) < 1e-5f);
  swiftclip_classifier_free(classifier);
}

static void texts(const swiftclip_model *model, const char *path) {
  char merges[4096];
  snprintf(merges, sizeof merges, "%s/merges.txt", path);
  int32_t tokens[3 * CONTEXT], same[3 * CONTEXT];
  float embeddings[3 * DIM], again[3 * DIM];
  swiftclip_tokenizer *tokenizer = NULL;
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_tokenizer_open(merges, CONTEXT, &tokenizer));
  CHECK(swiftclip_tokenizer_vocabulary_size(tokenizer) == 4096);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_tokenizer_encode(tokenizer, labels, 3, 0, tokens, 3 * CONTEXT));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_model_tokenize(model, labels, 3, SWIFTCLIP_TEXT_TRUNCATE, same, 3 * CONTEXT));
  CHECK(memcmp(tokens, same, sizeof same) == 0);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_tokens(model, tokens, 3, embeddings, 3 * DIM));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_texts(model, labels, 3, 0, again, 3 * DIM, NULL, NULL));
  CHECK(memcmp(embeddings, again, sizeof again) == 0);
  swiftclip_tokenizer_free(tokenizer);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  CHECK(swiftclip_version() >= SWIFTCLIP_VERSION_NUMBER && swiftclip_version() / 10000 == SWIFTCLIP_VERSION_MAJOR);
  swiftclip_model *model = open_with_options(argv[1]);
  other_openings(argv[1]);
  pictures(model, argv[2]);
  texts(model, argv[1]);
  swiftclip_model_free(model);
  CHECK_STATUS(SWIFTCLIP_IO_ERROR, swiftclip_model_open("no/such/model", NULL, &model));
  CHECK(strstr(swiftclip_last_error(), "no/such/model") != NULL);
  return check_result("first_program");
}
