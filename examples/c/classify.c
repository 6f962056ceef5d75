/* Says which labels fit some pictures: a program to start from.
 *
 *   cc -std=c99 -I include classify.c -L .build/release -lswiftclip -o classify
 *   ./classify [-m MODEL] [-l LABELS] [-t TEMPLATES] [-k TOP] PICTURE...
 *
 * LABELS and TEMPLATES are files with one text on a line. examples/python/classify.py does the same and
 * prints the same lines. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <swiftclip.h>

/* The lines of a file, as the library wants its texts. */
typedef struct {
  char *content;
  swiftclip_text *texts;
  size_t count;
} lines;

static void lines_free(lines *file) {
  free(file->content);
  free(file->texts);
}

/* Reads a whole file; the caller frees it. NULL, with errno set, if that fails. */
static char *content_of(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) return NULL;
  size_t capacity = 4096, used = 0, got;
  char *content = malloc(capacity);
  while (content != NULL && (got = fread(content + used, 1, capacity - used, file)) > 0) {
    used += got;
    if (used == capacity) {
      char *larger = realloc(content, capacity *= 2);
      if (larger == NULL) free(content);
      content = larger;
    }
  }
  if (content != NULL && ferror(file)) {
    free(content);
    content = NULL;
  }
  fclose(file);
  *size = used;
  return content;
}

/* Splits a file into its lines, leaving out empty ones. Returns 0, or 1 after saying what was wrong. */
static int lines_read(const char *path, lines *file) {
  size_t size = 0, start = 0;
  file->content = content_of(path, &size);
  file->texts = file->content ? malloc((size + 1) * sizeof *file->texts) : NULL;
  if (file->texts == NULL) {
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return 1;
  }
  for (size_t i = 0; i <= size; i++) {
    if (i < size && file->content[i] != '\n') continue;
    size_t length = i - start;
    if (length > 0 && file->content[i - 1] == '\r') length--;
    if (length > 0) file->texts[file->count++] = (swiftclip_text){file->content + start, length};
    start = i + 1;
  }
  return 0;
}

/* Prints the `top` best labels of one picture. Of equal scores the earlier label comes first. */
static void print_best(const char *path, const lines *labels, float *scores, size_t top) {
  printf("%s\n", path);
  for (size_t rank = 0; rank < top && rank < labels->count; rank++) {
    size_t best = 0;
    for (size_t i = 1; i < labels->count; i++)
      if (scores[i] > scores[best]) best = i;
    const swiftclip_text label = labels->texts[best];
    printf("  %5.1f %%  %.*s\n", 100.0 * scores[best], (int)label.length, label.data);
    scores[best] = -1; /* taken */
  }
}

static int show_progress(void *context, size_t done, size_t total) {
  (void)context;
  fprintf(stderr, "\r%zu of %zu pictures%s", done, total, done == total ? "\n" : "");
  return 0; /* anything else would cancel */
}

/* Classifies all pictures. Returns 0, or 1 where the library answered with an error. */
static int classify(const char *model_path, const lines *labels, const lines *templates,
                    char **paths, size_t count, size_t top) {
  swiftclip_model *model = NULL;
  swiftclip_classifier *classifier = NULL;
  swiftclip_picture *pictures = NULL;
  float *embeddings = NULL, *scores = NULL;
  int failed = 1;

  if (swiftclip_model_open(model_path, NULL, &model) != SWIFTCLIP_OK) goto done;
  if (swiftclip_classifier_create(model, labels->texts, labels->count, templates->texts,
                                  templates->count, NULL, NULL, &classifier) != SWIFTCLIP_OK)
    goto done;

  size_t dim = swiftclip_model_embed_dim(model);
  pictures = calloc(count, sizeof *pictures);
  embeddings = malloc(count * dim * sizeof *embeddings);
  scores = malloc(count * labels->count * sizeof *scores);
  if (pictures == NULL || embeddings == NULL || scores == NULL) goto done;
  for (size_t i = 0; i < count; i++) pictures[i].path = paths[i];

  if (swiftclip_encode_pictures(model, pictures, count, embeddings, count * dim,
                                count > 100 ? show_progress : NULL, NULL) != SWIFTCLIP_OK)
    goto done;
  if (swiftclip_classifier_probabilities(classifier, embeddings, count, scores,
                                         count * labels->count) != SWIFTCLIP_OK)
    goto done;
  for (size_t i = 0; i < count; i++)
    print_best(paths[i], labels, scores + i * labels->count, top);
  failed = 0;

done:
  if (failed) {
    const char *message = swiftclip_last_error();
    fprintf(stderr, "classify: %s\n", *message ? message : "out of memory");
  }
  free(scores);
  free(embeddings);
  free(pictures);
  swiftclip_classifier_free(classifier);
  swiftclip_model_free(model);
  return failed;
}

static int usage(void) {
  fprintf(stderr, "usage: classify [-m MODEL] [-l LABELS] [-t TEMPLATES] [-k TOP] PICTURE...\n");
  return 2;
}

int main(int argc, char **argv) {
  const char *model = "models/pocket";
  const char *label_file = "examples/labels.txt", *template_file = "examples/templates.txt";
  size_t top = 3;
  int i = 1;
  for (; i < argc && argv[i][0] == '-'; i += 2) {
    if (i + 1 == argc || argv[i][1] == '\0' || argv[i][2] != '\0') return usage();
    const char *value = argv[i + 1];
    switch (argv[i][1]) {
      case 'm': model = value; break;
      case 'l': label_file = value; break;
      case 't': template_file = value; break;
      case 'k': top = (size_t)strtoul(value, NULL, 10); break;
      default: return usage();
    }
  }
  if (i == argc) return usage();

  lines labels = {0}, templates = {0};
  int failed = lines_read(label_file, &labels) || lines_read(template_file, &templates) ||
               classify(model, &labels, &templates, argv + i, (size_t)(argc - i), top);
  lines_free(&labels);
  lines_free(&templates);
  return failed;
}
