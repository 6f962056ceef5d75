/* A child made by fork() uses a handle opened before it, also when another thread was inside a call at
 * that moment, and gets the same bits. A child that hangs is ended by its alarm.
 *
 *   fork MODEL PICTURES */

#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <swiftclip.h>

#include "check.h"

enum { CHILDREN = 6, DIM = 256 };

static swiftclip_model *model;
static char path[4096];
static float expected[DIM];
static volatile int stop;

/* Encodes the picture; 0 if the bits are the expected ones. */
static int encode(void) {
  swiftclip_picture pictures[3] = {{.path = path}, {.path = path}, {.path = path}};
  float embeddings[3][DIM];
  if (swiftclip_encode_pictures(model, pictures, 3, embeddings[0], 3 * DIM, NULL, NULL) != SWIFTCLIP_OK) return 1;
  for (int i = 0; i < 3; i++)
    if (memcmp(embeddings[i], expected, sizeof expected) != 0) return 2;
  return 0;
}

static void *keep_busy(void *unused) {
  (void)unused;
  size_t wrong = 0;
  while (!stop) wrong += encode() != 0;
  return (void *)wrong;
}

/* Forks; the child encodes, opens a second model, frees both, and exits. Returns 0 if all went well. */
static int child_works(const char *folder) {
  fflush(stdout);
  pid_t child = fork();
  if (child < 0) return -1;
  if (child == 0) {
    alarm(60);
    int failed = encode();
    swiftclip_model *second = NULL;
    if (!failed) failed = swiftclip_model_open(folder, NULL, &second) == SWIFTCLIP_OK ? 0 : 3;
    swiftclip_model_free(second);
    if (!failed) failed = encode();
    swiftclip_model_free(model);
    _exit(failed);
  }
  int status = 0;
  return waitpid(child, &status, 0) == child ? status : -1;
}

/* Forks in the middle of a run, while workers have pictures in hand. */
static int fork_inside(void *context, const swiftclip_embedded_batch *batch) {
  pid_t *child = context;
  if (*child < 0 && batch->first + batch->count < batch->total) {
    *child = fork();
    if (*child == 0) alarm(60);
  }
  return 0;
}

/* The run comes to its end in both processes, with the same bits. */
static void fork_in_a_callback(void) {
  enum { COUNT = 400 };
  static swiftclip_picture pictures[COUNT];
  static float embeddings[COUNT][DIM];
  for (int i = 0; i < COUNT; i++) pictures[i].path = path;
  pid_t child = -1;
  fflush(stdout);
  swiftclip_status status =
      swiftclip_embed_pictures(model, pictures, COUNT, embeddings[0], COUNT * DIM, fork_inside, &child);
  int wrong = status != SWIFTCLIP_OK;
  for (int i = 0; i < COUNT; i++) wrong |= memcmp(embeddings[i], expected, sizeof expected) != 0;
  if (child == 0) _exit(wrong || encode() != 0);
  CHECK(!wrong && child > 0);
  int end = -1;
  CHECK(waitpid(child, &end, 0) == child && end == 0);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  snprintf(path, sizeof path, "%s/penguin.png", argv[2]);
  swiftclip_model_options options;
  swiftclip_model_options_init(&options, sizeof options);
  options.threads = 3;
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_model_open(argv[1], &options, &model));
  CHECK(child_works(argv[1]) != 0); /* not yet: nothing is expected so far */
  swiftclip_picture picture = {.path = path};
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_pictures(model, &picture, 1, expected, DIM, NULL, NULL));
  CHECK(encode() == 0);
  CHECK(child_works(argv[1]) == 0);
  CHECK(encode() == 0);
  for (int i = 0; i < CHILDREN; i++) fork_in_a_callback();

  pthread_t busy[2];
  for (int i = 0; i < 2; i++) CHECK(pthread_create(&busy[i], NULL, keep_busy, NULL) == 0);
  for (int i = 0; i < CHILDREN; i++) CHECK(child_works(argv[1]) == 0);
  stop = 1;
  for (int i = 0; i < 2; i++) {
    void *wrong = NULL;
    CHECK(pthread_join(busy[i], &wrong) == 0);
    CHECK((size_t)wrong == 0);
  }
  CHECK(encode() == 0);
  swiftclip_model_free(model);
  return check_result("fork");
}
