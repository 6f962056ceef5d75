/* Eight threads on one handle get the same bits as one alone, and none of the library's threads is left
 * when the last handle is freed.
 *
 *   threads MODEL PICTURES */

#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <swiftclip.h>

#include "check.h"

enum { THREADS = 8, ROUNDS = 20, NAMES = 4, DIM = 256 };

static const char *const names[NAMES] = {"penguin.png", "pear.png", "cat-photo.jpg", "stopsign.png"};
static char paths[NAMES][4096];
static swiftclip_model *model;
static float expected[NAMES][DIM], expected_text[DIM];
static const swiftclip_text caption = {"a drawing of a lighthouse", 25};

/* Threads of this process. */
static int thread_count(void) {
  DIR *folder = opendir("/proc/self/task");
  if (folder == NULL) return -1;
  int count = 0;
  for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) count += entry->d_name[0] != '.';
  closedir(folder);
  return count;
}

/* Encodes over and over, in batches of its own make; returns how often the bits were others. */
static void *encode(void *number) {
  size_t own = (size_t)number, wrong = 0;
  for (size_t round = 0; round < ROUNDS; round++) {
    swiftclip_picture pictures[NAMES] = {{0}};
    float embeddings[NAMES][DIM], text[DIM];
    size_t count = 1 + (own + round) % NAMES;
    for (size_t i = 0; i < count; i++) pictures[i].path = paths[(own + i) % NAMES];
    wrong += swiftclip_encode_pictures(model, pictures, count, embeddings[0], count * DIM, NULL, NULL) != SWIFTCLIP_OK;
    for (size_t i = 0; i < count; i++)
      wrong += memcmp(embeddings[i], expected[(own + i) % NAMES], sizeof expected[0]) != 0;
    wrong += swiftclip_encode_texts(model, &caption, 1, 0, text, DIM, NULL, NULL) != SWIFTCLIP_OK;
    wrong += memcmp(text, expected_text, sizeof text) != 0;
  }
  return (void *)wrong;
}

/* Uses a handle until it is freed by another thread. */
static void *use_until_freed(void *unused) {
  (void)unused;
  float text[DIM];
  swiftclip_status status;
  do {
    status = swiftclip_encode_texts(model, &caption, 1, 0, text, DIM, NULL, NULL);
  } while (status == SWIFTCLIP_OK);
  return (void *)(size_t)(status == SWIFTCLIP_INVALID_ARGUMENT);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  for (int i = 0; i < NAMES; i++) snprintf(paths[i], sizeof paths[i], "%s/%s", argv[2], names[i]);
  int before = thread_count();
  CHECK(before == 1);

  for (int threads = 1; threads <= 3; threads++) {
    swiftclip_model_options options;
    swiftclip_model_options_init(&options, sizeof options);
    options.threads = threads;
    CHECK_STATUS(SWIFTCLIP_OK, swiftclip_model_open(argv[1], &options, &model));
    CHECK(swiftclip_model_threads(model) == (size_t)threads);
    for (int i = 0; i < NAMES; i++) {
      swiftclip_picture picture = {.path = paths[i]};
      float embedding[DIM];
      CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_pictures(model, &picture, 1, embedding, DIM, NULL, NULL));
      if (threads == 1) memcpy(expected[i], embedding, sizeof embedding);
      CHECK(memcmp(expected[i], embedding, sizeof embedding) == 0);
    }
    if (threads == 1)
      CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_texts(model, &caption, 1, 0, expected_text, DIM, NULL, NULL));

    pthread_t workers[THREADS];
    for (size_t i = 0; i < THREADS; i++) CHECK(pthread_create(&workers[i], NULL, encode, (void *)i) == 0);
    for (size_t i = 0; i < THREADS; i++) {
      void *wrong = NULL;
      CHECK(pthread_join(workers[i], &wrong) == 0);
      CHECK((size_t)wrong == 0);
    }

    for (size_t i = 0; i < THREADS; i++) CHECK(pthread_create(&workers[i], NULL, use_until_freed, NULL) == 0);
    usleep(20000);
    swiftclip_model_free(model);
    for (size_t i = 0; i < THREADS; i++) {
      void *good = NULL;
      CHECK(pthread_join(workers[i], &good) == 0);
      CHECK((size_t)good == 1);
    }
    /* A thread that was joined can stay in /proc for a moment. */
    for (int i = 0; i < 200 && thread_count() != 1; i++) usleep(10000);
    CHECK(thread_count() == 1);
  }
  return check_result("threads");
}
