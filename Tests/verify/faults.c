/* What happens when the system refuses: each open, read, mmap, write, fsync and rename, and each allocation above
 * 256 KB, fails in turn while a model is opened, pictures and texts are embedded, a trainer steps, saves and resumes.
 *
 *   cc -O1 -g -Iinclude -ITests/abi Tests/verify/faults.c -rdynamic -L... -lswiftclip -lm -pthread -o faults
 *   faults MODEL PICTURES [PART OF A SCENARIO'S NAME]
 *
 * Each call must give a status with a sentence and leave its outputs alone, or succeed with the right result where it
 * can do without; the same call must work afterwards; no file, descriptor or temporary file may be left behind, and no
 * memory lost. The functions below stand before those of the C library: the program's symbols come first. */

#define _GNU_SOURCE

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <swiftclip.h>

#include "check.h"

/* ---- Failing ---- */

typedef enum kind { OPENING, READING, MAPPING, WRITING, SYNCING, RENAMING, ALLOCATING, KINDS } kind;

static const char *const kind_names[KINDS] = {"open", "read", "mmap", "write", "fsync", "rename", "allocation"};
static const int errors[KINDS] = {EMFILE, EIO, ENOMEM, ENOSPC, EIO, EACCES, ENOMEM};
/* The Swift runtime ends the process where it finds no memory for its own lists: those of a graph's nodes, of texts, of a
 * vocabulary. Here they take less than this. */
enum { LARGE = 256 << 10 };

static atomic_int counting;          /* one more than the kind that is looked at; 0: none */
static atomic_long calls, failing;   /* calls of that kind so far, and the one that fails; -1: none */

/* Where a child is, for its parent to tell if it dies. */
static volatile struct place {
  long call;
  size_t size; /* of the allocation that failed */
  long tried, answered, passed;
} *place;

static int fails(kind own) {
  if (atomic_load(&counting) != (int)own + 1) return 0;
  if (atomic_fetch_add(&calls, 1) != atomic_load(&failing)) return 0;
  errno = errors[own];
  return 1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static mode_t mode_of(int flags, va_list *arguments) { return flags & O_CREAT ? va_arg(*arguments, mode_t) : 0; }

int open(const char *path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  mode_t mode = mode_of(flags, &arguments);
  va_end(arguments);
  return fails(OPENING) ? -1 : NEXT(open)(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  mode_t mode = mode_of(flags, &arguments);
  va_end(arguments);
  return fails(OPENING) ? -1 : NEXT(open64)(path, flags, mode);
}
ssize_t read(int file, void *bytes, size_t count) { return fails(READING) ? -1 : NEXT(read)(file, bytes, count); }
ssize_t pread(int file, void *bytes, size_t count, off_t offset) {
  return fails(READING) ? -1 : NEXT(pread)(file, bytes, count, offset);
}
ssize_t pread64(int file, void *bytes, size_t count, off64_t offset) {
  return fails(READING) ? -1 : NEXT(pread64)(file, bytes, count, offset);
}
void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset) {
  return file >= 0 && fails(MAPPING) ? MAP_FAILED : NEXT(mmap)(address, length, protection, flags, file, offset);
}
void *mmap64(void *address, size_t length, int protection, int flags, int file, off64_t offset) {
  return file >= 0 && fails(MAPPING) ? MAP_FAILED : NEXT(mmap64)(address, length, protection, flags, file, offset);
}
ssize_t write(int file, const void *bytes, size_t count) { return fails(WRITING) ? -1 : NEXT(write)(file, bytes, count); }
int fsync(int file) { return fails(SYNCING) ? -1 : NEXT(fsync)(file); }
int rename(const char *from, const char *to) { return fails(RENAMING) ? -1 : NEXT(rename)(from, to); }

/* dlsym allocates, so that these go to glibc by its own other names. */
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static int refused(size_t size) {
  if (size <= LARGE || !fails(ALLOCATING)) return 0;
  place->size = size;
  return 1;
}

void *malloc(size_t size) { return refused(size) ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return refused(count * size) ? NULL : __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { return refused(size) ? NULL : __libc_realloc(old, size); }
void *aligned_alloc(size_t alignment, size_t size) {
  return refused(size) ? NULL : __libc_memalign(alignment, size);
}
int posix_memalign(void **memory, size_t alignment, size_t size) {
  void *got = refused(size) ? NULL : __libc_memalign(alignment, size);
  if (got == NULL) return ENOMEM;
  *memory = got;
  return 0;
}

/* ---- What is tried ---- */

enum { DIM = 256, SIZE = 64, CONTEXT = 32, PICTURES = 8, TEXTS = 2100, LABELS = 100, PAIRS = 6 };

static const char *folder;
static char work[64], visual[4200], checkpoint[128], exported[128], table[128], vocabulary[4200];
static char paths[3][4200];
static swiftclip_model *model;
static swiftclip_trainer *trainer;
static swiftclip_picture pictures[PICTURES];
static swiftclip_text texts[TEXTS];
static int32_t tokens[TEXTS * CONTEXT];
static float result[TEXTS * DIM], expected[TEXTS * DIM], batch[PAIRS * 3 * SIZE * SIZE];
static int32_t ids[PAIRS * 8], batch_ids[PAIRS * CONTEXT];
static size_t result_size; /* bytes that a scenario compares */

static swiftclip_status open_model(void) {
  swiftclip_model *opened = NULL;
  swiftclip_status status = swiftclip_model_open(folder, NULL, &opened);
  if (status != SWIFTCLIP_OK && opened != NULL) abort();
  swiftclip_model_free(opened);
  return status;
}

static swiftclip_status read_model(void) {
  swiftclip_model *opened = NULL;
  swiftclip_model_options options;
  swiftclip_model_options_init(&options, sizeof options);
  options.read_into_memory = 1;
  options.precision = SWIFTCLIP_PRECISION_INT8;
  swiftclip_status status = swiftclip_model_open(folder, &options, &opened);
  if (status != SWIFTCLIP_OK && opened != NULL) abort();
  swiftclip_model_free(opened);
  return status;
}

static swiftclip_status inspect(void) {
  static char json[65536];
  return swiftclip_inspect(folder, NULL, json, sizeof json, NULL);
}

static swiftclip_status encode_pictures(void) {
  result_size = PICTURES * DIM * sizeof(float);
  return swiftclip_encode_pictures(model, pictures, PICTURES, result, PICTURES * DIM, NULL, NULL);
}

static int row_has_sentence;

/* The pictures that failed are rows of their own; the call goes on. Their statuses stand for that of the call. */
static int first_failure(void *context, const swiftclip_embedded_batch *embedded) {
  for (size_t i = 0; i < embedded->count; i++)
    if (embedded->statuses[i] != SWIFTCLIP_OK) {
      *(swiftclip_status *)context = embedded->statuses[i];
      row_has_sentence = embedded->messages[i][0] != 0;
    }
  return 0;
}

static swiftclip_status embed_pictures(void) {
  swiftclip_status failure = SWIFTCLIP_OK;
  float *room = (float *)__libc_malloc(PICTURES * DIM * sizeof(float));
  swiftclip_status status =
      swiftclip_embed_pictures(model, pictures, PICTURES, room, PICTURES * DIM, first_failure, &failure);
  if (status == SWIFTCLIP_OK) status = failure;
  result_size = PICTURES * DIM * sizeof(float);
  if (status == SWIFTCLIP_OK) memcpy(result, room, result_size);
  free(room);
  return status;
}

static swiftclip_status encode_texts(void) {
  result_size = TEXTS * DIM * sizeof(float);
  return swiftclip_encode_texts(model, texts, TEXTS, 0, result, TEXTS * DIM, NULL, NULL);
}

static swiftclip_status encode_tokens(void) {
  result_size = TEXTS * DIM * sizeof(float);
  return swiftclip_encode_tokens(model, tokens, TEXTS, result, TEXTS * DIM);
}

static swiftclip_status classify(void) {
  swiftclip_classifier *classifier = NULL;
  swiftclip_status status = swiftclip_classifier_create(model, texts, LABELS, NULL, 0, NULL, NULL, &classifier);
  if (status == SWIFTCLIP_OK) {
    result_size = LABELS * sizeof(float);
    status = swiftclip_classifier_probabilities(classifier, batch, 1, result, LABELS);
  }
  swiftclip_classifier_free(classifier);
  return status;
}

static swiftclip_status create_trainer(void) {
  swiftclip_architecture sizes = {.struct_size = sizeof sizes, .embed_dim = 64, .image_size = SIZE,
                                  .vision_layers = {1, 1, 1, 1}, .vision_width = 16, .vision_heads = 4,
                                  .context_length = 8, .vocabulary_size = 4096, .text_width = 64, .text_heads = 1,
                                  .text_layers = 2};
  swiftclip_trainer *made = NULL;
  swiftclip_status status = swiftclip_trainer_create(&sizes, NULL, NULL, &made);
  if (status != SWIFTCLIP_OK) return status;
  swiftclip_trainer_free(trainer);
  trainer = made;
  return status;
}

static swiftclip_status open_trainer(void) {
  swiftclip_trainer *made = NULL;
  swiftclip_status status = swiftclip_trainer_open(folder, NULL, NULL, NULL, &made);
  swiftclip_trainer_free(made);
  return status;
}

static swiftclip_status evaluate(void) {
  double loss = 0;
  swiftclip_status status = swiftclip_trainer_evaluate(trainer, batch, ids, PAIRS, &loss);
  if (status == SWIFTCLIP_OK) memcpy(result, &loss, sizeof loss);
  result_size = sizeof loss;
  return status;
}

/* From a fresh trainer each time, so that each step has its memory to ask for. */
static swiftclip_status step(void) {
  int kind = atomic_exchange(&counting, 0);
  if (create_trainer() != SWIFTCLIP_OK) abort();
  atomic_store(&counting, kind);
  double loss = 0;
  swiftclip_status status = swiftclip_trainer_step(trainer, batch, ids, PAIRS, &loss);
  if (status == SWIFTCLIP_OK) memcpy(result, &loss, sizeof loss);
  result_size = sizeof loss;
  if (status != SWIFTCLIP_OK && swiftclip_trainer_steps_done(trainer) != 0) abort();
  return status;
}

static swiftclip_status save(void) { return swiftclip_trainer_save(trainer, checkpoint); }

static swiftclip_status resume(void) {
  swiftclip_trainer *resumed = NULL;
  swiftclip_status status = swiftclip_trainer_resume(checkpoint, NULL, &resumed);
  swiftclip_trainer_free(resumed);
  return status;
}

static swiftclip_status export(void) {
  return swiftclip_trainer_export(trainer, exported, SWIFTCLIP_WEIGHTS_FLOAT32);
}

static swiftclip_status learn(void) {
  return swiftclip_learn_merges(texts, TEXTS, 0, 700, checkpoint, NULL, NULL, NULL);
}

static swiftclip_status open_dataset(void) {
  swiftclip_dataset_options options;
  swiftclip_dataset_options_init(&options, sizeof options);
  options.vocabulary = vocabulary;
  options.context_length = CONTEXT;
  options.batch_size = PAIRS;
  options.allow_outside = 1;
  swiftclip_preprocess_options preprocess;
  swiftclip_preprocess_options_init(&preprocess, sizeof preprocess);
  preprocess.image_size = SIZE;
  options.preprocess = &preprocess;
  const char *path = table;
  swiftclip_dataset *opened = NULL;
  swiftclip_status status = swiftclip_dataset_open(&path, 1, &options, &opened);
  if (status != SWIFTCLIP_OK) return status;
  size_t count = 0;
  status = swiftclip_dataset_next(opened, batch, sizeof batch / sizeof *batch, batch_ids, PAIRS * CONTEXT, &count);
  swiftclip_dataset_free(opened);
  return status;
}

static const struct scenario {
  const char *name;
  swiftclip_status (*run)(void);
} scenarios[] = {
    {"open a model", open_model},       {"read a model", read_model},   {"inspect", inspect},
    {"encode pictures", encode_pictures}, {"embed pictures", embed_pictures}, {"encode texts", encode_texts},
    {"encode tokens", encode_tokens},   {"classify", classify},         {"create a trainer", create_trainer},
    {"open a trainer", open_trainer},   {"evaluate", evaluate},         {"step", step},
    {"save", save},                     {"resume", resume},             {"export", export},
    {"read a data set", open_dataset},  {"learn merges", learn},
};
enum { SCENARIOS = sizeof scenarios / sizeof *scenarios };

/* ---- Trying ---- */

static int files_in(const char *path) {
  DIR *opened = opendir(path);
  int count = 0;
  while (opened != NULL && readdir(opened) != NULL) count++;
  if (opened != NULL) closedir(opened);
  return count;
}

static size_t heap(void) {
  struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

/* In a child: every call of a kind fails in turn. Returns whether something was not as it should be. */
static int try_all(const struct scenario *scenario, kind own) {
  int wrong = 0;
  memset(expected, 0x5A, sizeof expected);
  memset(result, 0x5A, sizeof result);
  atomic_store(&failing, -1);
  atomic_store(&calls, 0);
  atomic_store(&counting, own + 1);
  swiftclip_status whole = scenario->run();
  atomic_store(&counting, 0);
  if (whole != SWIFTCLIP_OK) {
    printf("faults: %s fails by itself: %s\n", scenario->name, swiftclip_last_error());
    return 1;
  }
  memcpy(expected, result, sizeof expected);
  long count = atomic_load(&calls);
  int files = files_in("/proc/self/fd"), there = files_in(work);
  size_t memory = 0;
  for (long call = 0; call < count; call++) {
    place->call = call;
    memset(result, 0x5A, sizeof result);
    row_has_sentence = 0;
    atomic_store(&failing, call);
    atomic_store(&calls, 0);
    atomic_store(&counting, own + 1);
    swiftclip_status status = scenario->run();
    atomic_store(&counting, 0);
    place->tried++;
    const char *what = NULL;
    if (status == SWIFTCLIP_OK) {
      place->passed++;
      if (memcmp(result, expected, result_size) != 0) what = "a wrong result";
    } else {
      place->answered++;
      if (swiftclip_last_error()[0] == 0 && !row_has_sentence) what = "no sentence";
      if (!check_untouched(result, result_size)) what = "an output that was touched";
    }
    if (files_in("/proc/self/fd") != files) what = "a descriptor left open";
    if (files_in(work) != there) what = "a file left behind";
    if (scenario->run() != SWIFTCLIP_OK || memcmp(result, expected, result_size) != 0) what = "a call after it that fails";
    if (call == 2) memory = heap();
    if (call > 2 && call == count - 1 && heap() > memory + (1 << 20)) what = "memory that is lost";
    if (what != NULL) {
      printf("faults: %s, %s %ld of %ld: %s (%s: %s)\n", scenario->name, kind_names[own], call, count, what,
             swiftclip_status_name(status), swiftclip_last_error());
      wrong = 1;
    }
  }
  return wrong;
}

static void prepare(const char *pictures_folder) {
  static const char *const names[3] = {"penguin.png", "pear.png", "cat-photo.jpg"};
  static char written[TEXTS][40];
  snprintf(work, sizeof work, "/tmp/swiftclip-faults-XXXXXX");
  if (mkdtemp(work) == NULL) exit(2);
  snprintf(checkpoint, sizeof checkpoint, "%s/checkpoint", work);
  snprintf(exported, sizeof exported, "%s/exported", work);
  snprintf(table, sizeof table, "%s/table.tsv", work);
  snprintf(vocabulary, sizeof vocabulary, "%s/merges.txt", folder);
  snprintf(visual, sizeof visual, "%s/visual.onnx", folder);
  for (int i = 0; i < 3; i++) snprintf(paths[i], sizeof paths[i], "%s/%s", pictures_folder, names[i]);
  FILE *rows = fopen(table, "w");
  for (int i = 0; i < PAIRS; i++) {
    char link[128];
    snprintf(link, sizeof link, "%s/%d", work, i);
    if (symlink(paths[i % 3], link) != 0) exit(2);
    fprintf(rows, "%d\tcaption %d\n", i, i);
  }
  fclose(rows);
  for (int i = 0; i < PICTURES; i++) pictures[i].path = paths[i % 3];
  for (int i = 0; i < TEXTS; i++)
    texts[i] = (swiftclip_text){written[i], (size_t)snprintf(written[i], sizeof written[i], "%d pears", i)};
  for (size_t i = 0; i < sizeof batch / sizeof *batch; i++) batch[i] = (float)((i * 2654435761u) >> 8 & 1023) / 512 - 1;
  for (int i = 0; i < PAIRS; i++) ids[8 * i] = 4094, ids[8 * i + 1] = i, ids[8 * i + 2] = 4095;
}

/* One thread, so that calls come in the same order each time. */
static void prepare_child(void) {
  swiftclip_model_options options;
  swiftclip_model_options_init(&options, sizeof options);
  options.threads = 1;
  if (swiftclip_model_open(folder, &options, &model) != SWIFTCLIP_OK) _exit(2);
  if (swiftclip_model_tokenize(model, texts, TEXTS, 0, tokens, TEXTS * CONTEXT) != SWIFTCLIP_OK) _exit(2);
  if (create_trainer() != SWIFTCLIP_OK || save() != SWIFTCLIP_OK || export() != SWIFTCLIP_OK) _exit(2);
}

int main(int argc, char **argv) {
  if (argc != 3 && argc != 4) return 2;
  setvbuf(stdout, NULL, _IONBF, 0);
  folder = argv[1];
  prepare(argv[2]);
  place = mmap(NULL, sizeof *place, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (int s = 0; s < SCENARIOS; s++) {
    if (argc == 4 && strstr(scenarios[s].name, argv[3]) == NULL) continue;
    for (kind k = 0; k < KINDS; k++) {
      memset((void *)place, 0, sizeof *place);
      int status = 0;
      pid_t child = fork();
      if (child == 0) {
        alarm(300);
        prepare_child();
        _exit(try_all(&scenarios[s], k));
      }
      CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
      if (WIFSIGNALED(status))
        printf("faults: %s, %s %ld (%zu bytes): the process died of %s\n", scenarios[s].name, kind_names[k], place->call,
               place->size, strsignal(WTERMSIG(status)));
      if (place->tried > 0)
        printf("faults: %-16s %-10s %4ld failed in turn: %ld answered with a status, %ld not needed\n", scenarios[s].name,
               kind_names[k], place->tried, place->answered, place->passed);
    }
  }
  char command[200];
  snprintf(command, sizeof command, "rm -rf '%s'", work);
  CHECK(system(command) == 0);
  return check_result("faults");
}
