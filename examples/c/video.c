/* Turns the frames of a video into embeddings, without files in between:
 *
 *   cc -std=c99 video.c $(pkg-config --cflags --libs swiftclip) -o video
 *   ffmpeg -v error -i film.mp4 -vf fps=1,scale=320:240 -f rawvideo -pix_fmt rgb24 - |
 *     ./video "$(pkg-config --variable=model swiftclip)" 320 240 > embeddings.f32
 *
 * stdin: frames of WIDTH x HEIGHT pixels, 3 bytes each, one after the other. stdout: one row of float32 for each. */

#include <stdio.h>
#include <stdlib.h>

#include <swiftclip.h>

enum { BATCH = 16 }; /* frames that are encoded together */

static int fail(const char *message) {
  fprintf(stderr, "video: %s\n", message);
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 4) return fprintf(stderr, "usage: video MODEL WIDTH HEIGHT < FRAMES > EMBEDDINGS\n"), 2;
  const long width = strtol(argv[2], NULL, 10), height = strtol(argv[3], NULL, 10);
  if (width < 1 || width > 65535 || height < 1 || height > 65535) return fail("WIDTH and HEIGHT are 1 to 65535");
  const size_t size = 3 * (size_t)width * (size_t)height;

  swiftclip_model *model = NULL;
  if (swiftclip_model_open(argv[1], NULL, &model)) return fail(swiftclip_last_error());
  const size_t dim = swiftclip_model_embed_dim(model);
  unsigned char *frames = malloc(BATCH * size);
  float *embeddings = malloc(BATCH * dim * sizeof *embeddings);
  if (frames == NULL || embeddings == NULL) return fail("out of memory");

  swiftclip_picture pictures[BATCH] = {{0}};
  for (size_t i = 0; i < BATCH; i++) {
    pictures[i].data = frames + i * size;
    pictures[i].size = size;
    pictures[i].format = SWIFTCLIP_FORMAT_RGB;
    pictures[i].width = (int32_t)width;
    pictures[i].height = (int32_t)height;
  }

  size_t total = 0, got;
  do {
    got = fread(frames, 1, BATCH * size, stdin);
    const size_t count = got / size;
    if (got % size != 0) return fail("the last frame is not complete; do WIDTH and HEIGHT fit the video?");
    if (swiftclip_encode_pictures(model, pictures, count, embeddings, BATCH * dim, NULL, NULL))
      return fail(swiftclip_last_error());
    if (fwrite(embeddings, dim * sizeof *embeddings, count, stdout) != count) return fail("stdout cannot be written");
    total += count;
  } while (got == BATCH * size);

  fprintf(stderr, "%zu frames, %zu numbers each\n", total, dim);
  free(embeddings);
  free(frames);
  swiftclip_model_free(model);
  return fflush(stdout) == 0 ? 0 : fail("stdout cannot be written");
}
