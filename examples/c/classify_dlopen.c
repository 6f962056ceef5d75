/* Says which of some labels fits a picture, with the library opened at run time: a program that works,
 * and says so, where libswiftclip.so is not installed.
 *
 *   cc -std=c11 -I include classify_dlopen.c -ldl -o classify_dlopen
 *   ./classify_dlopen LIBRARY MODEL PICTURE LABEL LABEL...
 *
 * Only the header is needed to compile it: a function's type is taken from its declaration there. */

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <swiftclip.h>

/* The functions that this program uses. To use another one, add it here: the rest follows. */
#define FUNCTIONS(each)                     \
  each(swiftclip_version)                   \
  each(swiftclip_last_error)                \
  each(swiftclip_model_open)                \
  each(swiftclip_model_free)                \
  each(swiftclip_model_embed_dim)           \
  each(swiftclip_encode_pictures)           \
  each(swiftclip_classifier_create)         \
  each(swiftclip_classifier_free)           \
  each(swiftclip_classifier_probabilities)

/* One pointer each, of the declared type. */
static struct {
#define MEMBER(name) __typeof__(&name) name;
  FUNCTIONS(MEMBER)
} clip;

/* Opens the library and finds the functions. Returns 0, or 1 after saying what was wrong. */
static int open_library(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  void *found;
#define FIND(name)                                     \
  if ((found = dlsym(library, #name)) == NULL) {       \
    fprintf(stderr, "%s has no " #name "\n", path);    \
    return 1;                                          \
  }                                                    \
  memcpy(&clip.name, &found, sizeof found);
  FUNCTIONS(FIND)
  if (clip.swiftclip_version() / 10000 != SWIFTCLIP_VERSION_MAJOR) {
    fprintf(stderr, "%s is of another major version\n", path);
    return 1;
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc < 5) {
    fprintf(stderr, "usage: classify_dlopen LIBRARY MODEL PICTURE LABEL LABEL...\n");
    return 2;
  }
  if (open_library(argv[1])) return 1;

  size_t count = (size_t)argc - 4;
  swiftclip_text *labels = calloc(count, sizeof *labels);
  float *probabilities = calloc(count, sizeof *probabilities);
  if (labels == NULL || probabilities == NULL) return 1;
  for (size_t i = 0; i < count; i++)
    labels[i] = (swiftclip_text){argv[4 + i], strlen(argv[4 + i])};

  swiftclip_picture picture = {.path = argv[3]};
  swiftclip_model *model = NULL;
  swiftclip_classifier *classifier = NULL;
  float *embedding = NULL;
  int failed = clip.swiftclip_model_open(argv[2], NULL, &model) != SWIFTCLIP_OK;
  if (!failed) {
    size_t dim = clip.swiftclip_model_embed_dim(model);
    embedding = malloc(dim * sizeof *embedding);
    failed = embedding == NULL ||
             clip.swiftclip_classifier_create(model, labels, count, NULL, 0, NULL, NULL, &classifier) ||
             clip.swiftclip_encode_pictures(model, &picture, 1, embedding, dim, NULL, NULL) ||
             clip.swiftclip_classifier_probabilities(classifier, embedding, 1, probabilities, count);
  }
  if (failed)
    fprintf(stderr, "classify_dlopen: %s\n", clip.swiftclip_last_error());
  else
    for (size_t i = 0; i < count; i++) printf("%5.1f %%  %s\n", 100.0 * probabilities[i], argv[4 + i]);

  clip.swiftclip_classifier_free(classifier);
  clip.swiftclip_model_free(model);
  free(embedding);
  free(probabilities);
  free(labels);
  return failed;
}
