/* What a server needs: calls that are stopped from another thread or by a deadline, limits on what may be asked for,
 * files that are cut while they are opened, and hosts with another floating-point mode.
 *
 *   limits MODEL PICTURES */

#define _GNU_SOURCE

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include <swiftclip.h>

#include "check.h"

enum { DIM = 256, SIZE = 64, CONTEXT = 32, PIXELS = 3 * SIZE * SIZE, MANY = 3000 };

static const char *folder;
static swiftclip_model *model;
static swiftclip_picture penguin;
static char penguin_path[4096], vocabulary[4200];
static const swiftclip_text labels[2] = {{"a penguin", 9}, {"a pear", 6}};
static swiftclip_text many[MANY];
static float many_embeddings[MANY][DIM], expected[DIM];
static float pixels[PIXELS], pixel_input[PIXELS], embedding[DIM], scores[4];
static int32_t tokens[CONTEXT], token_input[CONTEXT];

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + 1e-9 * time.tv_nsec;
}

static swiftclip_cancellation *created(void) {
  swiftclip_cancellation *cancellation = NULL;
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_cancellation_create(&cancellation));
  CHECK(cancellation != NULL);
  return cancellation;
}

static void handles(void) {
  CHECK(strcmp(swiftclip_status_name(SWIFTCLIP_DEADLINE_EXCEEDED), "DEADLINE_EXCEEDED") == 0);
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_cancellation_create(NULL));
  swiftclip_cancellation *freed = created();
  swiftclip_cancellation_free(freed);
  swiftclip_cancellation *wrong[] = {NULL, freed, (swiftclip_cancellation *)(void *)model};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_cancellation_cancel(wrong[i]));
    CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_cancellation_set_deadline(wrong[i], 1));
    CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_cancellation_attach(wrong[i]));
    swiftclip_cancellation_detach(wrong[i]);
    swiftclip_cancellation_free(wrong[i]);
  }
  CHECK(swiftclip_model_embed_dim(model) == DIM);
}

/* Every call that can take long, while something that stops is attached to the thread. */
static void all_stop(swiftclip_status wanted) {
  FILL(embedding), FILL(pixels), FILL(tokens), FILL(scores);
  swiftclip_model *opened = NULL;
  CHECK_STATUS(wanted, swiftclip_model_open(folder, NULL, &opened));
  CHECK(opened == NULL);
  swiftclip_model_options options;
  swiftclip_model_options_init(&options, sizeof options);
  options.read_into_memory = 1;
  CHECK_STATUS(wanted, swiftclip_model_open(folder, &options, &opened));
  CHECK(opened == NULL);
  char json[4096];
  FILL(json);
  CHECK_STATUS(wanted, swiftclip_inspect(folder, NULL, json, sizeof json, NULL));
  CHECK(UNTOUCHED(json));
  swiftclip_preprocess_options preprocess;
  swiftclip_preprocess_options_init(&preprocess, sizeof preprocess);
  preprocess.image_size = SIZE;
  CHECK_STATUS(wanted, swiftclip_preprocess(&preprocess, &penguin, 1, pixels, PIXELS));
  CHECK_STATUS(wanted, swiftclip_model_preprocess(model, &penguin, 1, pixels, PIXELS));
  CHECK_STATUS(wanted, swiftclip_model_tokenize(model, labels, 1, 0, tokens, CONTEXT));
  CHECK_STATUS(wanted, swiftclip_encode_pixels(model, pixel_input, 1, embedding, DIM));
  CHECK_STATUS(wanted, swiftclip_encode_pictures(model, &penguin, 1, embedding, DIM, NULL, NULL));
  CHECK_STATUS(wanted, swiftclip_embed_pictures(model, &penguin, 1, embedding, DIM, NULL, NULL));
  CHECK_STATUS(wanted, swiftclip_encode_tokens(model, token_input, 1, embedding, DIM));
  CHECK_STATUS(wanted, swiftclip_encode_texts(model, labels, 1, 0, embedding, DIM, NULL, NULL));
  CHECK_STATUS(wanted, swiftclip_similarity(expected, 1, expected, 1, DIM, scores, 1));
  swiftclip_classifier *classifier = NULL;
  CHECK_STATUS(wanted, swiftclip_classifier_create(model, labels, 2, NULL, 0, NULL, NULL, &classifier));
  CHECK(classifier == NULL && UNTOUCHED(embedding) && UNTOUCHED(pixels) && UNTOUCHED(tokens) && UNTOUCHED(scores));
  size_t learned = 77;
  char path[] = "/tmp/swiftclip-limits-XXXXXX";
  close(mkstemp(path));
  unlink(path);
  CHECK_STATUS(wanted, swiftclip_learn_merges(many, MANY, 0, 600, path, NULL, NULL, &learned));
  CHECK(learned == 77 && access(path, F_OK) != 0);
}

static void stopped_before_it_began(void) {
  swiftclip_cancellation *cancellation = created();
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_cancellation_attach(cancellation));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_texts(model, labels, 1, 0, embedding, DIM, NULL, NULL));
  CHECK(memcmp(embedding, expected, sizeof expected) == 0);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_cancellation_cancel(cancellation));
  all_stop(SWIFTCLIP_CANCELLED);
  CHECK(strstr(swiftclip_last_error(), "cancellation") != NULL);
  CHECK(swiftclip_model_embed_dim(model) == DIM);
  /* A deadline brings nothing back to life. */
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_cancellation_set_deadline(cancellation, -1));
  CHECK_STATUS(SWIFTCLIP_CANCELLED, swiftclip_encode_texts(model, labels, 1, 0, embedding, DIM, NULL, NULL));
  swiftclip_cancellation_detach(cancellation);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_texts(model, labels, 1, 0, embedding, DIM, NULL, NULL));
  CHECK(memcmp(embedding, expected, sizeof expected) == 0);
  swiftclip_cancellation_free(cancellation);
}

static void deadlines(void) {
  swiftclip_cancellation *cancellation = created();
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_cancellation_attach(cancellation));
  /* Until it is run into, it can be moved. */
  const int64_t far[] = {0, -1, INT64_MIN, INT64_MAX, 3600000};
  for (size_t i = 0; i < sizeof far / sizeof *far; i++)
    CHECK_STATUS(SWIFTCLIP_OK, swiftclip_cancellation_set_deadline(cancellation, far[i]));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_texts(model, labels, 1, 0, embedding, DIM, NULL, NULL));
  CHECK(memcmp(embedding, expected, sizeof expected) == 0);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_cancellation_set_deadline(cancellation, INT64_MAX));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_texts(model, labels, 1, 0, embedding, DIM, NULL, NULL));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_cancellation_set_deadline(cancellation, 0));
  all_stop(SWIFTCLIP_DEADLINE_EXCEEDED);
  CHECK(strstr(swiftclip_last_error(), "deadline") != NULL);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_cancellation_set_deadline(cancellation, 3600000));
  CHECK_STATUS(SWIFTCLIP_DEADLINE_EXCEEDED, swiftclip_encode_texts(model, labels, 1, 0, embedding, DIM, NULL, NULL));
  swiftclip_cancellation_detach(cancellation);
  swiftclip_cancellation_free(cancellation);

  /* In the middle of a call. */
  cancellation = created();
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_cancellation_attach(cancellation));
  FILL(many_embeddings);
  double start = now();
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_cancellation_set_deadline(cancellation, 20));
  CHECK_STATUS(SWIFTCLIP_DEADLINE_EXCEEDED,
               swiftclip_encode_texts(model, many, MANY, 0, many_embeddings[0], MANY * DIM, NULL, NULL));
  double seconds = now() - start;
  CHECK(seconds >= 0.02 && seconds < 10 && UNTOUCHED(many_embeddings));
  printf("limits.c: a deadline of 20 ms was answered after %.1f ms\n", 1000 * seconds);
  swiftclip_cancellation_detach(cancellation);
  swiftclip_cancellation_free(cancellation);
}

static void attached_several(void) {
  swiftclip_cancellation *outer = created(), *inner = created();
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_cancellation_attach(outer));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_cancellation_attach(inner));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_cancellation_attach(outer));
  swiftclip_cancellation_detach(outer);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_cancellation_cancel(outer));
  CHECK_STATUS(SWIFTCLIP_CANCELLED, swiftclip_encode_texts(model, labels, 1, 0, embedding, DIM, NULL, NULL));
  swiftclip_cancellation_detach(outer);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_texts(model, labels, 1, 0, embedding, DIM, NULL, NULL));
  swiftclip_cancellation_detach(outer);

  /* Freed while it is attached: it stays as it is, and can be detached. */
  swiftclip_cancellation_free(inner);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_texts(model, labels, 1, 0, embedding, DIM, NULL, NULL));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_cancellation_attach(outer));
  swiftclip_cancellation_free(outer);
  CHECK_STATUS(SWIFTCLIP_CANCELLED, swiftclip_encode_texts(model, labels, 1, 0, embedding, DIM, NULL, NULL));
  swiftclip_cancellation_detach(outer);
  swiftclip_cancellation_detach(inner);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_texts(model, labels, 1, 0, embedding, DIM, NULL, NULL));
  CHECK(memcmp(embedding, expected, sizeof expected) == 0);
}

static int attach_inside(void *context, size_t done, size_t total) {
  (void)done, (void)total;
  swiftclip_cancellation_attach((swiftclip_cancellation *)context);
  return 0;
}

/* What is attached in a callback counts from there on; encoding within a callback is stopped as well. */
static void from_a_callback(void) {
  swiftclip_cancellation *cancellation = created();
  swiftclip_cancellation_cancel(cancellation);
  CHECK_STATUS(SWIFTCLIP_CANCELLED, swiftclip_encode_texts(model, many, MANY, 0, many_embeddings[0], MANY * DIM,
                                                           attach_inside, cancellation));
  swiftclip_cancellation_detach(cancellation);
  swiftclip_cancellation_free(cancellation);
}

typedef struct job {
  swiftclip_cancellation *cancellation; /* to attach, or NULL */
  volatile int begun;
  volatile double ended;
  swiftclip_status status;
  size_t wrong;
} job;

static int has_begun(void *context, size_t done, size_t total) {
  (void)done, (void)total;
  ((job *)context)->begun = 1;
  return 0;
}

/* Texts until it is stopped. */
static void *until_stopped(void *context) {
  job *own = (job *)context;
  float(*room)[DIM] = malloc(sizeof many_embeddings);
  swiftclip_cancellation_attach(own->cancellation);
  do {
    own->status = swiftclip_encode_texts(model, many, MANY, 0, room[0], MANY * DIM, has_begun, own);
  } while (own->status == SWIFTCLIP_OK);
  own->ended = now();
  free(room);
  /* The end of the thread detaches. */
  return NULL;
}

/* The same texts a few times, with nothing that stops. */
static void *undisturbed(void *context) {
  job *own = (job *)context;
  float(*room)[DIM] = malloc(sizeof many_embeddings);
  swiftclip_cancellation *idle = NULL;
  swiftclip_cancellation_create(&idle);
  swiftclip_cancellation_attach(idle);
  for (int round = 0; round < 2; round++) {
    if (swiftclip_encode_texts(model, many, MANY, 0, room[0], MANY * DIM, NULL, NULL) != SWIFTCLIP_OK) own->wrong++;
    if (memcmp(room, many_embeddings, sizeof many_embeddings) != 0) own->wrong++;
  }
  swiftclip_cancellation_detach(idle);
  swiftclip_cancellation_free(idle);
  free(room);
  return NULL;
}

static void one_of_two_threads(void) {
  CHECK_STATUS(SWIFTCLIP_OK,
               swiftclip_encode_texts(model, many, MANY, 0, many_embeddings[0], MANY * DIM, NULL, NULL));
  job stopped = {.cancellation = created()}, other = {0};
  pthread_t first, second;
  CHECK(pthread_create(&first, NULL, until_stopped, &stopped) == 0);
  CHECK(pthread_create(&second, NULL, undisturbed, &other) == 0);
  while (!stopped.begun) usleep(1000);
  double asked = now();
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_cancellation_cancel(stopped.cancellation));
  pthread_join(first, NULL);
  pthread_join(second, NULL);
  CHECK(stopped.status == SWIFTCLIP_CANCELLED && stopped.ended - asked < 10);
  CHECK(other.wrong == 0);
  printf("limits.c: a call was stopped %.1f ms after the wish\n", 1000 * (stopped.ended - asked));
  swiftclip_cancellation_free(stopped.cancellation);
}

/* ---- Limits ---- */

static swiftclip_model *limited(swiftclip_model_options options) {
  swiftclip_model *opened = NULL;
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_model_open(folder, &options, &opened));
  return opened;
}

static void limits(void) {
  swiftclip_model_options options, defaults;
  swiftclip_model_options_init(&defaults, sizeof defaults);
  CHECK(defaults.read_into_memory == 0 && defaults.max_model_bytes == 0 && defaults.max_items == 0);
  CHECK(defaults.max_text_bytes == 0 && defaults.max_labels == 0);
  swiftclip_model *opened = NULL;
  options = defaults;
  options.read_into_memory = 2;
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_model_open(folder, &options, &opened));
  for (options = defaults; options.read_into_memory < 2; options.read_into_memory++) {
    options.max_model_bytes = 1000;
    CHECK_STATUS(SWIFTCLIP_LIMIT_EXCEEDED, swiftclip_model_open(folder, &options, &opened));
    CHECK(strstr(swiftclip_last_error(), "max_model_bytes") != NULL);
  }
  options.read_into_memory = 0;
  CHECK_STATUS(SWIFTCLIP_LIMIT_EXCEEDED, swiftclip_model_open_memory(NULL, 0, many, 1001, NULL, 0, &options, &opened));
  CHECK(opened == NULL);
  options.read_into_memory = 1;
  options.max_model_bytes = UINT64_MAX;
  opened = limited(options);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_texts(opened, labels, 1, 0, embedding, DIM, NULL, NULL));
  CHECK(memcmp(embedding, expected, sizeof expected) == 0);
  swiftclip_model_free(opened);

  options = defaults;
  options.max_items = 2;
  options.max_labels = 1;
  options.max_text_bytes = 9;
  opened = limited(options);
  const swiftclip_text three[3] = {{"a", 1}, {"b", 1}, {"c", 1}}, longer = {"a penguin.", 10};
  static float room[3 * DIM], three_pixels[3 * PIXELS];
  static int32_t three_tokens[3 * CONTEXT];
  const swiftclip_picture pictures[3] = {penguin, penguin, penguin};
  FILL(room), FILL(three_pixels), FILL(three_tokens);
  static const float zeros[3 * PIXELS];
#define EXCEEDS(call) CHECK_STATUS(SWIFTCLIP_LIMIT_EXCEEDED, call)
  EXCEEDS(swiftclip_encode_texts(opened, three, 3, 0, room, 3 * DIM, NULL, NULL));
  CHECK(strstr(swiftclip_last_error(), "max_items = 2") != NULL);
  EXCEEDS(swiftclip_encode_tokens(opened, (const int32_t *)zeros, 3, room, 3 * DIM));
  EXCEEDS(swiftclip_model_tokenize(opened, three, 3, 0, three_tokens, 3 * CONTEXT));
  EXCEEDS(swiftclip_encode_pictures(opened, pictures, 3, room, 3 * DIM, NULL, NULL));
  EXCEEDS(swiftclip_embed_pictures(opened, pictures, 3, room, 3 * DIM, NULL, NULL));
  EXCEEDS(swiftclip_model_preprocess(opened, pictures, 3, three_pixels, 3 * PIXELS));
  EXCEEDS(swiftclip_encode_pixels(opened, zeros, 3, room, 3 * DIM));
  EXCEEDS(swiftclip_encode_texts(opened, &longer, 1, 0, room, DIM, NULL, NULL));
  CHECK(strstr(swiftclip_last_error(), "texts[0]") != NULL && strstr(swiftclip_last_error(), "max_text_bytes = 9"));
  EXCEEDS(swiftclip_model_tokenize(opened, &longer, 1, 0, three_tokens, CONTEXT));
  swiftclip_classifier *classifier = NULL;
  EXCEEDS(swiftclip_classifier_create(opened, three, 2, NULL, 0, NULL, NULL, &classifier));
  CHECK(strstr(swiftclip_last_error(), "max_labels = 1") != NULL);
  EXCEEDS(swiftclip_classifier_create(opened, &longer, 1, NULL, 0, NULL, NULL, &classifier));
  const swiftclip_text templates[3] = {{"{}", 2}, {"a {}", 4}, {"the {}", 6}}, wordy = {"a photo of {}", 13};
  EXCEEDS(swiftclip_classifier_create(opened, three, 1, templates, 3, NULL, NULL, &classifier));
  EXCEEDS(swiftclip_classifier_create(opened, three, 1, &wordy, 1, NULL, NULL, &classifier));
  CHECK(classifier == NULL && UNTOUCHED(room) && UNTOUCHED(three_pixels) && UNTOUCHED(three_tokens));
  CHECK_STATUS(SWIFTCLIP_INVALID_ARGUMENT, swiftclip_encode_texts(opened, three, SIZE_MAX, 0, room, DIM, NULL, NULL));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_texts(opened, labels, 2, 0, room, 2 * DIM, NULL, NULL));
  CHECK(memcmp(room, expected, sizeof expected) == 0);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_pictures(opened, pictures, 2, room, 2 * DIM, NULL, NULL));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_classifier_create(opened, three, 1, templates, 2, NULL, NULL, &classifier));
  swiftclip_classifier_free(classifier);
  swiftclip_model_free(opened);
}

/* ---- Files that are cut ---- */

static char copied_folder[64], copied[128];
static volatile int done;

static void copy(const char *from, const char *to) {
  char command[9000];
  snprintf(command, sizeof command, "cp '%s' '%s'", from, to);
  CHECK(system(command) == 0);
}

/* Cuts a file and makes it whole again, over and over. */
static void *cut(void *unused) {
  (void)unused;
  int file = open(copied, O_RDWR);
  off_t size = lseek(file, 0, SEEK_END);
  char *bytes = malloc(size);
  if (pread(file, bytes, size, 0) != size) abort();
  for (unsigned round = 0; !done; round++) {
    if (ftruncate(file, round % 7 * size / 8) != 0) abort();
    usleep(round % 5 * 300);
    if (pwrite(file, bytes, size, 0) != size) abort();
    usleep(round % 3 * 2000);
  }
  close(file);
  free(bytes);
  return NULL;
}

/* A child in which one thread cuts a model's file while another opens it: 0 if each opening gave a status, and each
 * model that was opened the right bits. */
static int opens_what_is_cut(void) {
  pthread_t cutter;
  pthread_create(&cutter, NULL, cut, NULL);
  swiftclip_model_options options;
  swiftclip_model_options_init(&options, sizeof options);
  options.read_into_memory = 1;
  options.vocabulary = vocabulary;
  int wrong = 0, whole = 0, refused = 0;
  for (double end = now() + 20; now() < end && (whole < 3 || refused < 10);) {
    swiftclip_model *opened = NULL;
    swiftclip_status status = swiftclip_model_open_files(NULL, copied, &options, &opened);
    if (status == SWIFTCLIP_OK) {
      /* Only a file that was read between two cuts is whole; one that was read across them has other bytes. */
      whole++;
      wrong += swiftclip_encode_texts(opened, labels, 1, 0, embedding, DIM, NULL, NULL) != SWIFTCLIP_OK;
    } else {
      refused++;
      wrong += status != SWIFTCLIP_IO_ERROR && status != SWIFTCLIP_INVALID_DATA && status != SWIFTCLIP_UNSUPPORTED;
    }
    swiftclip_model_free(opened);
  }
  done = 1;
  pthread_join(cutter, NULL);
  swiftclip_model *opened = NULL;
  wrong += swiftclip_model_open_files(NULL, copied, &options, &opened) != SWIFTCLIP_OK;
  wrong += truncate(copied, 0) != 0;
  wrong += swiftclip_encode_texts(opened, labels, 1, 0, embedding, DIM, NULL, NULL) != SWIFTCLIP_OK;
  wrong += memcmp(embedding, expected, sizeof expected) != 0;
  return wrong != 0 || refused == 0;
}

static void files_that_are_cut(void) {
  snprintf(copied_folder, sizeof copied_folder, "/tmp/swiftclip-cut-XXXXXX");
  CHECK(mkdtemp(copied_folder) != NULL);
  snprintf(copied, sizeof copied, "%s/textual.onnx", copied_folder);
  char from[4200];
  snprintf(from, sizeof from, "%s/textual.onnx", folder);
  copy(from, copied);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    alarm(60);
    _exit(opens_what_is_cut());
  }
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  unlink(copied);
  rmdir(copied_folder);
}

/* ---- The host's floating-point mode ---- */

#if defined(__x86_64__)
enum { HOST_MODE = 0xdfc0 }; /* upwards, denormals are zeros */
static unsigned seen_mode;

static int look(void *context, size_t count, size_t total) {
  (void)context, (void)count, (void)total;
  seen_mode = _mm_getcsr() & 0xffc0;
  return 0;
}

static int look_at_batch(void *context, const swiftclip_embedded_batch *batch) {
  return look(context, batch->first, batch->total);
}

static void host_mode(void) {
  static float other[PIXELS], ours[PIXELS], cosines[2][4], probabilities[2][2];
  static char sink[64];
  swiftclip_preprocess_options preprocess;
  swiftclip_preprocess_options_init(&preprocess, sizeof preprocess);
  preprocess.image_size = SIZE;
  swiftclip_classifier *classifier = NULL;
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_classifier_create(model, labels, 2, NULL, 0, NULL, NULL, &classifier));
  const float rows[2][3] = {{0.3f, 0.1f, 1e-39f}, {0.7f, -0.2f, 0.9f}};
  for (int in_host = 0; in_host < 2; in_host++) {
    unsigned before = _mm_getcsr();
    if (in_host) _mm_setcsr(HOST_MODE);
    swiftclip_status status = swiftclip_preprocess(&preprocess, &penguin, 1, in_host ? other : ours, PIXELS);
    swiftclip_status second = swiftclip_similarity(rows[0], 2, rows[0], 2, 3, cosines[in_host], 4);
    swiftclip_status third = swiftclip_classifier_probabilities(classifier, expected, 1, probabilities[in_host], 2);
    swiftclip_status fourth = swiftclip_encode_texts(model, labels, 1, 0, embedding, DIM, look, sink);
    unsigned texts_saw = seen_mode;
    seen_mode = 0;
    swiftclip_status fifth = swiftclip_embed_pictures(model, &penguin, 1, embedding, DIM, look_at_batch, sink);
    unsigned after = _mm_getcsr();
    _mm_setcsr(before);
    CHECK(status == SWIFTCLIP_OK && second == SWIFTCLIP_OK && third == SWIFTCLIP_OK);
    CHECK(fourth == SWIFTCLIP_OK && fifth == SWIFTCLIP_OK);
    unsigned wanted = (in_host ? HOST_MODE : before) & 0xffc0;
    CHECK((after & 0xffc0) == wanted && texts_saw == wanted && seen_mode == wanted);
  }
  CHECK(memcmp(ours, other, sizeof ours) == 0);
  CHECK(memcmp(cosines[0], cosines[1], sizeof cosines[0]) == 0);
  CHECK(memcmp(probabilities[0], probabilities[1], sizeof probabilities[0]) == 0);
  swiftclip_classifier_free(classifier);
}
#else
static void host_mode(void) {}
#endif

/* ---- Trainers ---- */

static swiftclip_architecture small_resnet(void) {
  swiftclip_architecture sizes = {.struct_size = sizeof sizes, .embed_dim = 16, .image_size = 64,
                                  .vision_layers = {1, 1, 1, 1}, .vision_width = 8, .vision_heads = 4,
                                  .context_length = 8, .vocabulary_size = 520, .text_width = 32, .text_heads = 2,
                                  .text_layers = 2};
  return sizes;
}

static void trainers_too_large(void) {
  swiftclip_architecture huge = small_resnet();
  huge.embed_dim = 1 << 14;
  huge.vocabulary_size = 1 << 24;
  huge.text_width = 1 << 14;
  huge.text_layers = 1 << 8;
  swiftclip_trainer *trainer = NULL;
  double start = now();
  CHECK_STATUS(SWIFTCLIP_OUT_OF_MEMORY, swiftclip_trainer_create(&huge, NULL, NULL, &trainer));
  CHECK(trainer == NULL && now() - start < 5 && strstr(swiftclip_last_error(), "this process may have") != NULL);

  swiftclip_architecture sizes = small_resnet();
  swiftclip_trainer_options options;
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_trainer_options_init(&options, sizeof options));
  CHECK(options.max_bytes == 0);
  options.max_bytes = 100000;
  CHECK_STATUS(SWIFTCLIP_LIMIT_EXCEEDED, swiftclip_trainer_create(&sizes, NULL, &options, &trainer));
  CHECK(trainer == NULL && strstr(swiftclip_last_error(), "max_bytes is 100000") != NULL);

  /* Enough to be made, too little for a step: nothing changes, and it stays usable. */
  options.max_bytes = 8 << 20;
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_trainer_create(&sizes, NULL, &options, &trainer));
  static float batch[4 * 3 * 64 * 64];
  static int32_t ids[4 * 8] = {518, 519, 0, 0, 0, 0, 0, 0, 518, 1, 519, 0, 0, 0, 0, 0,
                               518, 2, 519, 0, 0, 0, 0, 0, 518, 3, 519, 0, 0, 0, 0, 0};
  double loss = 77;
  for (int round = 0; round < 2; round++)
    CHECK_STATUS(SWIFTCLIP_LIMIT_EXCEEDED, swiftclip_trainer_step(trainer, batch, ids, 4, &loss));
  CHECK(loss == 77 && swiftclip_trainer_steps_done(trainer) == 0);
  swiftclip_trainer_free(trainer);

  /* A struct of an earlier version of 1.1, whatever follows it. */
  options.max_bytes = 1;
  options.struct_size = offsetof(swiftclip_trainer_options, max_bytes);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_trainer_create(&sizes, NULL, &options, &trainer));
  swiftclip_trainer_free(trainer);
}

/* A step that is stopped wherever it is stopped leaves no trace: running statistics of BatchNorm neither. */
static void steps_that_are_stopped(void) {
  enum { PAIRS = 24 };
  static float batch[PAIRS * 3 * 64 * 64];
  static int32_t ids[PAIRS * 8];
  for (size_t i = 0; i < sizeof batch / sizeof *batch; i++) batch[i] = (float)((i * 2654435761u) >> 8 & 1023) / 512 - 1;
  for (int i = 0; i < PAIRS; i++) ids[8 * i] = 518, ids[8 * i + 1] = i, ids[8 * i + 2] = 519;
  swiftclip_architecture sizes = small_resnet();
  swiftclip_trainer *trainers[2] = {NULL, NULL};
  for (int i = 0; i < 2; i++) CHECK_STATUS(SWIFTCLIP_OK, swiftclip_trainer_create(&sizes, NULL, NULL, &trainers[i]));
  int stopped = 0;
  for (int step = 0; step < 3; step++) {
    double losses[2] = {0, 1};
    for (int64_t milliseconds = 0; milliseconds < 12; milliseconds++) {
      swiftclip_cancellation *cancellation = created();
      swiftclip_cancellation_set_deadline(cancellation, milliseconds);
      swiftclip_cancellation_attach(cancellation);
      /* Of a whole step, or of its first half, neither of which may leave a trace when it fails. */
      static float rows[2][PAIRS * 16];
      swiftclip_status status =
          swiftclip_trainer_encode(trainers[1], batch, ids, PAIRS, rows[0], rows[1], PAIRS * 16);
      swiftclip_cancellation_detach(cancellation);
      swiftclip_cancellation_free(cancellation);
      if (status == SWIFTCLIP_OK) break; /* it was quicker, and has counted the batch */
      CHECK(status == SWIFTCLIP_DEADLINE_EXCEEDED);
      stopped++;
      if (milliseconds > 1) break;
    }
    swiftclip_cancellation *cancellation = created();
    swiftclip_cancellation_set_deadline(cancellation, 1);
    swiftclip_cancellation_attach(cancellation);
    swiftclip_status status = swiftclip_trainer_step(trainers[1], batch, ids, PAIRS, &losses[1]);
    swiftclip_cancellation_detach(cancellation);
    swiftclip_cancellation_free(cancellation);
    CHECK(status == SWIFTCLIP_OK || status == SWIFTCLIP_DEADLINE_EXCEEDED);
    stopped += status != SWIFTCLIP_OK;
    if (status != SWIFTCLIP_OK)
      CHECK_STATUS(SWIFTCLIP_OK, swiftclip_trainer_step(trainers[1], batch, ids, PAIRS, &losses[1]));
    CHECK_STATUS(SWIFTCLIP_OK, swiftclip_trainer_step(trainers[0], batch, ids, PAIRS, &losses[0]));
    CHECK(losses[0] == losses[1]);
  }
  CHECK(stopped >= 3);
  size_t differing = 0, tensors = swiftclip_trainer_tensor_count(trainers[0]);
  for (size_t i = 0; i < tensors; i++) {
    swiftclip_tensor a, b;
    CHECK_STATUS(SWIFTCLIP_OK, swiftclip_trainer_tensor(trainers[0], i, &a));
    CHECK_STATUS(SWIFTCLIP_OK, swiftclip_trainer_tensor(trainers[1], i, &b));
    differing += memcmp(a.values, b.values, a.count * sizeof(float)) != 0;
  }
  CHECK(differing == 0);

  /* Saving is stopped with the old file in its place. */
  char path[] = "/tmp/swiftclip-checkpoint-XXXXXX";
  close(mkstemp(path));
  swiftclip_cancellation *cancellation = created();
  swiftclip_cancellation_cancel(cancellation);
  swiftclip_cancellation_attach(cancellation);
  CHECK_STATUS(SWIFTCLIP_CANCELLED, swiftclip_trainer_save(trainers[0], path));
  swiftclip_trainer *resumed = NULL, *opened = NULL;
  CHECK_STATUS(SWIFTCLIP_CANCELLED, swiftclip_trainer_create(&sizes, NULL, NULL, &opened));
  swiftclip_cancellation_detach(cancellation);
  int file = open(path, O_RDONLY);
  CHECK(lseek(file, 0, SEEK_END) == 0);
  close(file);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_trainer_save(trainers[0], path));
  swiftclip_cancellation_attach(cancellation);
  CHECK_STATUS(SWIFTCLIP_CANCELLED, swiftclip_trainer_resume(path, NULL, &resumed));
  CHECK_STATUS(SWIFTCLIP_CANCELLED, swiftclip_trainer_evaluate(trainers[0], batch, ids, PAIRS, NULL));
  swiftclip_cancellation_detach(cancellation);
  CHECK(resumed == NULL && opened == NULL);
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_trainer_resume(path, NULL, &resumed));
  swiftclip_cancellation_free(cancellation);
  swiftclip_trainer_free(resumed);
  unlink(path);
  for (int i = 0; i < 2; i++) swiftclip_trainer_free(trainers[i]);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  setvbuf(stdout, NULL, _IONBF, 0);
  folder = argv[1];
  snprintf(penguin_path, sizeof penguin_path, "%s/penguin.png", argv[2]);
  snprintf(vocabulary, sizeof vocabulary, "%s/merges.txt", folder);
  penguin.path = penguin_path;
  static char texts[MANY][40];
  for (int i = 0; i < MANY; i++)
    many[i] = (swiftclip_text){texts[i], (size_t)snprintf(texts[i], sizeof texts[i], "%d drawings of a lighthouse", i)};

  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_model_open(folder, NULL, &model));
  if (model == NULL) return check_result("limits");
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_encode_texts(model, labels, 1, 0, expected, DIM, NULL, NULL));
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_model_tokenize(model, labels, 1, 0, token_input, CONTEXT));
  handles();
  stopped_before_it_began();
  deadlines();
  attached_several();
  from_a_callback();
  one_of_two_threads();
  limits();
  files_that_are_cut();
  host_mode();
  trainers_too_large();
  steps_that_are_stopped();
  swiftclip_model_free(model);
  return check_result("limits");
}
