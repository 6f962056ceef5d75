/* Every instruction set of this processor against AVX2, on one model: embeddings of pictures made of noise and, where
 * the model has a vocabulary, of texts, in each precision.
 *
 *   instruction_sets MODEL
 *
 * Prints the largest relative L2 error of an embedding, and ends with 1 where one is too large, where the place in a
 * batch changes a bit, or where nothing was compared. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <swiftclip.h>

enum { COUNT = 3 };

static const char *const texts[COUNT] = {"a drawing of a penguin", "a cat", "a photo of a red house with a tree"};

static void fail(const char *what) {
  printf("instruction_sets: %s: %s\n", what, swiftclip_last_error());
  exit(1);
}

static void *room(size_t count, size_t size) {
  void *memory = calloc(count ? count : 1, size);
  if (!memory) fail("no memory");
  return memory;
}

/* Embeddings of all at once; NULL where the model lacks the tower. `changed` counts rows that have other bits alone. */
static float *embed(const swiftclip_model *model, int text, const float *pixels, int *changed) {
  const size_t dim = swiftclip_model_embed_dim(model);
  const size_t side = swiftclip_model_image_size(model), picture = 3 * side * side;
  float *all = room(COUNT * dim, sizeof *all), *one = room(dim, sizeof *one);
  swiftclip_text given[COUNT];
  for (size_t index = 0; index < COUNT; index++)
    given[index] = (swiftclip_text){texts[index], strlen(texts[index])};
  swiftclip_status status =
      text ? swiftclip_encode_texts(model, given, COUNT, 0, all, COUNT * dim, NULL, NULL)
           : swiftclip_encode_pixels(model, pixels, COUNT, all, COUNT * dim);
  if (status == SWIFTCLIP_MISSING_PART) {
    free(all);
    free(one);
    return NULL;
  }
  if (status) fail("encoding");
  for (size_t index = 0; index < COUNT; index++) {
    status = text ? swiftclip_encode_texts(model, given + index, 1, 0, one, dim, NULL, NULL)
                  : swiftclip_encode_pixels(model, pixels + index * picture, 1, one, dim);
    if (status) fail("encoding one");
    *changed += memcmp(one, all + index * dim, dim * sizeof *one) != 0;
  }
  free(one);
  return all;
}

static double error(const float *a, const float *b, size_t dim) {
  double worst = 0;
  for (size_t row = 0; row < COUNT; row++) {
    double difference = 0, size = 0;
    for (size_t i = row * dim; i < (row + 1) * dim; i++) {
      difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
      size += (double)b[i] * b[i];
    }
    const double relative = sqrt(difference / size);
    /* NaN is as bad as can be. */
    if (!(relative <= worst)) worst = relative;
  }
  return worst;
}

int main(int argc, char **argv) {
  enum { SETS = 4 };
  static const int32_t order[SETS] = {SWIFTCLIP_INSTRUCTIONS_AVX2, SWIFTCLIP_INSTRUCTIONS_AVX2_VNNI,
                                      SWIFTCLIP_INSTRUCTIONS_AVX512, SWIFTCLIP_INSTRUCTIONS_AVX512_VNNI};
  static const char *const sets[SETS] = {"AVX2", "AVX2 with VNNI", "AVX-512", "AVX-512 with VNNI"};
  static const char *const precisions[] = {"float32", "bfloat16", "int8"};
  /* Where an input of int8 lies in the middle of two integers, the last bit before decides. */
  static const double allowed[] = {1e-5, 1e-5, 5e-3};
  int compared = 0, bad = 0;
  if (argc != 2) return printf("usage: instruction_sets MODEL\n"), 2;
  for (int32_t precision = 0; precision < 3; precision++) {
    float *expected[SETS][2] = {{NULL}};
    for (int step = 0; step < SETS; step++) {
      swiftclip_model_options options;
      swiftclip_model *model = NULL;
      if (swiftclip_model_options_init(&options, sizeof options)) fail("options");
      options.instructions = order[step];
      options.precision = precision;
      options.threads = 2;
      const swiftclip_status status = swiftclip_model_open(argv[1], &options, &model);
      if (status == SWIFTCLIP_UNSUPPORTED) {
        printf("skipped: %s\n", swiftclip_last_error());
        continue;
      }
      if (status) fail(argv[1]);
      const size_t side = swiftclip_model_image_size(model), count = COUNT * 3 * side * side;
      float *pixels = room(count, sizeof *pixels);
      uint32_t state = 1;
      for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        pixels[i] = (float)(state >> 8) / 4194304.0f - 2.0f;
      }
      for (int text = 0; text < 2; text++) {
        int changed = 0;
        float *got = embed(model, text, pixels, &changed);
        if (!got) continue;
        printf("%s %s %s:", precisions[precision], sets[step], text ? "texts" : "pictures");
        if (changed) bad++, printf(" %d rows have other bits alone;", changed);
        expected[step][text] = got;
        const size_t dim = swiftclip_model_embed_dim(model);
        if (step > 0 && expected[0][text]) {
          const double worst = error(got, expected[0][text], dim);
          printf(" %.2e from AVX2%s", worst, worst <= allowed[precision] ? "" : ", too far");
          bad += !(worst <= allowed[precision]);
          compared++;
        }
        /* Sums of integers are exact: VNNI changes no bit. */
        if (step % 2 == 1 && expected[step - 1][text]) {
          const int differs = memcmp(got, expected[step - 1][text], COUNT * dim * sizeof *got) != 0;
          printf("%s without VNNI", differs ? "; other bits than" : "; the bits of");
          bad += differs;
          compared++;
        }
        printf("\n");
      }
      free(pixels);
      swiftclip_model_free(model);
    }
    for (int step = 0; step < SETS; step++) {
      free(expected[step][0]);
      free(expected[step][1]);
    }
  }
  printf("instruction_sets: %d compared, %d bad\n", compared, bad);
  return bad || !compared;
}
