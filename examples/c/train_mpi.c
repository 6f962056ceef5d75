/* Trains a CLIP on several processes or machines by MPI, each with its share of every batch:
 *
 *   mpicc -std=c99 train_mpi.c $(pkg-config --cflags --libs swiftclip) -o train_mpi
 *   mpirun -n 4 ./train_mpi captions.tsv merges.txt 1000 run
 *
 * The loss contrasts every picture with every text of the whole batch, and its curve is that of one process, to
 * rounding. A batch is read in PIECES, of which each process takes as many as the others, so that batches are the same
 * on 1, 2, 4 or 8 of them. The model is a small Vision Transformer: its sizes, and how it learns, stand in main. */

#include <stdio.h>
#include <stdlib.h>

#include <mpi.h>
#include <swiftclip.h>

enum { BATCH = 16, PIECES = 8, PIECE = BATCH / PIECES };

/* Ends all processes: the others would wait for this one. */
static void fail(const char *message) {
  fprintf(stderr, "train_mpi: %s\n", message);
  MPI_Abort(MPI_COMM_WORLD, 1);
  exit(1);
}

static void check(swiftclip_status status) {
  if (status != SWIFTCLIP_OK) fail(swiftclip_last_error());
}

static void *room(size_t count, size_t size) {
  void *memory = calloc(count, size);
  if (memory == NULL) fail("out of memory");
  return memory;
}

/* One update by this process's `count` pairs and those of all others; returns the loss over all of them. */
static double step(swiftclip_trainer *trainer, const float *pixels, const int32_t *tokens, int count) {
  int rank, size, total = 0, first = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  const int dim = (int)swiftclip_trainer_embed_dim(trainer);

  /* 1. Embeddings of this process's pairs. */
  const size_t own = (size_t)count * (size_t)dim;
  float *images = room(own, sizeof *images), *texts = room(own, sizeof *texts);
  check(swiftclip_trainer_encode(trainer, pixels, tokens, (size_t)count, images, texts, own));

  /* 2. Those of all, in the order of the processes. One that skipped a broken picture has fewer. */
  int *counts = room((size_t)size, sizeof *counts), *places = room((size_t)size, sizeof *places);
  MPI_Allgather(&count, 1, MPI_INT, counts, 1, MPI_INT, MPI_COMM_WORLD);
  for (int process = 0; process < size; process++) {
    if (process == rank) first = total;
    places[process] = total * dim;
    total += counts[process];
    counts[process] *= dim;
  }
  const size_t all = (size_t)total * (size_t)dim;
  float *all_images = room(all, sizeof *all_images), *all_texts = room(all, sizeof *all_texts);
  MPI_Allgatherv(images, (int)own, MPI_FLOAT, all_images, counts, places, MPI_FLOAT, MPI_COMM_WORLD);
  MPI_Allgatherv(texts, (int)own, MPI_FLOAT, all_texts, counts, places, MPI_FLOAT, MPI_COMM_WORLD);

  /* 3. The loss over all pairs, and this process's share of its gradient. */
  double loss;
  check(swiftclip_trainer_backward(trainer, all_images, all_texts, (size_t)total, (size_t)first, &loss));

  /* 4. The gradients of all processes, added up. */
  float *gradients;
  size_t parameters;
  check(swiftclip_trainer_gradients(trainer, &gradients, &parameters));
  MPI_Allreduce(MPI_IN_PLACE, gradients, (int)parameters, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);

  /* 5. The same update everywhere. */
  check(swiftclip_trainer_update(trainer));
  free(images), free(texts), free(counts), free(places), free(all_images), free(all_texts);
  return loss;
}

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  int rank, size;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  if (argc != 5) fail("usage: train_mpi CAPTIONS.tsv MERGES.txt STEPS FOLDER");
  if (PIECES % size != 0) fail("the number of processes must divide 8");
  const long steps = strtol(argv[3], NULL, 10);
  const int pieces = PIECES / size; /* of each process */

  swiftclip_architecture sizes = {.struct_size = sizeof sizes,
                                  .embed_dim = 64,
                                  .image_size = 32,
                                  .vision_layers = {2, 0, 0, 0},
                                  .vision_width = 64,
                                  .vision_patch_size = 8,
                                  .context_length = 16,
                                  .text_width = 64,
                                  .text_layers = 2};
  swiftclip_tokenizer *tokenizer = NULL;
  check(swiftclip_tokenizer_open(argv[2], (size_t)sizes.context_length, &tokenizer));
  sizes.vocabulary_size = (int32_t)swiftclip_tokenizer_vocabulary_size(tokenizer);
  swiftclip_tokenizer_free(tokenizer);

  swiftclip_trainer_options options; /* the same seed: the same initial values in all processes */
  check(swiftclip_trainer_options_init(&options, sizeof options));
  options.steps = steps;
  swiftclip_trainer *trainer = NULL;
  check(swiftclip_trainer_create(&sizes, argv[2], &options, &trainer));

  swiftclip_preprocess_options preprocess;
  check(swiftclip_preprocess_options_init(&preprocess, sizeof preprocess));
  preprocess.image_size = sizes.image_size;
  swiftclip_dataset_options reading;
  check(swiftclip_dataset_options_init(&reading, sizeof reading));
  reading.preprocess = &preprocess;
  reading.vocabulary = argv[2];
  reading.context_length = sizes.context_length;
  reading.batch_size = PIECE;
  reading.endless = 1;
  reading.crop = SWIFTCLIP_CROP_RANDOM;
  swiftclip_dataset *data = NULL;
  const char *table = argv[1];
  check(swiftclip_dataset_open(&table, 1, &reading, &data));

  const size_t picture = 3 * (size_t)sizes.image_size * (size_t)sizes.image_size;
  const size_t text = (size_t)sizes.context_length;
  float *pixels = room(BATCH * picture, sizeof *pixels);
  int32_t *tokens = room(BATCH * text, sizeof *tokens);
  for (long done = 0; done < steps; done++) {
    size_t count = 0;
    check(swiftclip_dataset_seek(data, (uint64_t)done * PIECES + (uint64_t)(rank * pieces)));
    for (int piece = 0; piece < pieces; piece++) {
      size_t read;
      check(swiftclip_dataset_next(data, pixels + count * picture, PIECE * picture, tokens + count * text,
                                   PIECE * text, &read));
      count += read;
    }
    const double loss = step(trainer, pixels, tokens, (int)count);
    if (rank == 0) printf("%ld %.9f\n", done + 1, loss);
  }
  if (rank == 0) check(swiftclip_trainer_export(trainer, argv[4], SWIFTCLIP_WEIGHTS_FLOAT16));

  free(pixels), free(tokens);
  swiftclip_dataset_free(data);
  swiftclip_trainer_free(trainer);
  MPI_Finalize();
  return 0;
}
