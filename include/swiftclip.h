/* swiftclip.h - CLIP (Contrastive Language-Image Pre-training) behind a C ABI.
 *
 * swiftclip turns pictures and captions into embeddings of one space, so that
 * their cosine says how well they fit (Radford et al., 2021, "Learning
 * Transferable Visual Models From Natural Language Supervision"). It reads the
 * official weights from ONNX files and does everything around them:
 * decoding, the official resize and crop, tokenizing, zero-shot classification.
 *
 * A complete program (examples/c/quickstart.c):
 *
 *   #include <stdio.h>
 *   #include <swiftclip.h>
 *
 *   int main(int argc, char **argv) {
 *     swiftclip_model *model = NULL;
 *     swiftclip_classifier *classifier = NULL;
 *     swiftclip_text labels[] = {{"a penguin", 9}, {"a pear", 6}, {"a house", 7}};
 *     swiftclip_text templates[] = {{"a drawing of {}", 15}};
 *     swiftclip_picture picture = {.path = argc > 1 ? argv[1] : "examples/pictures/penguin.png"};
 *     float embedding[256], probabilities[3];
 *     if (swiftclip_model_open("models/pocket", NULL, &model) ||
 *         swiftclip_classifier_create(model, labels, 3, templates, 1, NULL, NULL, &classifier) ||
 *         swiftclip_encode_pictures(model, &picture, 1, embedding, 256, NULL, NULL) ||
 *         swiftclip_classifier_probabilities(classifier, embedding, 1, probabilities, 3))
 *       return fprintf(stderr, "%s\n", swiftclip_last_error()), 1;
 *     for (int i = 0; i < 3; i++)
 *       printf("%5.1f %%  %s\n", 100 * probabilities[i], labels[i].data);
 *     swiftclip_classifier_free(classifier);
 *     swiftclip_model_free(model);
 *   }
 *
 * What is API: the names declared here, the values given here and what the
 * comments promise. Nothing else: not the wording of messages, not the layout of
 * the JSON beyond the keys named, not the size of the library's structs inside.
 *
 * Conventions, stated once:
 *   - A function that can fail returns a swiftclip_status; 0 is success. After a
 *     failure swiftclip_last_error() says on the same thread what was wrong, where,
 *     and what to do. Outputs are written only on success, unless said otherwise.
 *   - The caller allocates numeric results and passes their capacity, counted in
 *     elements (floats or ints), never in bytes. A capacity that is too small is
 *     SWIFTCLIP_BUFFER_TOO_SMALL; one that is larger than needed is fine.
 *   - The library allocates handles. Each has a _free function that accepts NULL.
 *     A handle that was already freed, or never existed, is recognised: it answers
 *     SWIFTCLIP_INVALID_ARGUMENT, and freeing it again does nothing.
 *   - Inputs are borrowed for the length of the call and never changed.
 *   - Strings are UTF-8. Where a text may hold a NUL byte its length is explicit.
 *   - Arrays are dense and row-major; the last index varies fastest.
 *   - Every function may be called from any thread. Handles are immutable, but for
 *     data sets, whose calls take turns: any number of threads may use one at the
 *     same time. Freeing a handle while
 *     another thread is inside a call with it is safe: that call finishes first.
 *   - A child made by fork() may use handles opened before the fork.
 *   - No environment variable, locale or floating-point mode changes a result, and
 *     none is changed. No thread of the library outlives its last handle.
 *   - Every call that can take long can be stopped: from a callback that it has, and,
 *     since 1.1, by a swiftclip_cancellation attached to its thread.
 *   - The same input gives the same bits, whatever else is in the batch, at which
 *     position it stands and how many threads compute it, on one instruction set.
 *   - Allocations inside the Swift runtime cannot be answered when memory runs out,
 *     and end the process: messages, and lists of a graph's nodes, of a vocabulary, of
 *     texts, tokens and prompts. Those of weights, activations, files, pictures and
 *     results give SWIFTCLIP_OUT_OF_MEMORY.
 *
 * Since version 1.0 unless said otherwise. */

#ifndef SWIFTCLIP_H
#define SWIFTCLIP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SWIFTCLIP_API __attribute__((visibility("default")))
#else
#define SWIFTCLIP_API
#endif

/* ---- Version and errors -------------------------------------------------- */

/* The version of this header, as major * 10000 + minor * 100 + patch. */
#define SWIFTCLIP_VERSION_MAJOR 1
#define SWIFTCLIP_VERSION_MINOR 1
#define SWIFTCLIP_VERSION_PATCH 0
#define SWIFTCLIP_VERSION_NUMBER \
  (SWIFTCLIP_VERSION_MAJOR * 10000 + SWIFTCLIP_VERSION_MINOR * 100 + SWIFTCLIP_VERSION_PATCH)

/* How a call ended. Values are never renumbered; new ones may be added. */
typedef enum swiftclip_status {
  SWIFTCLIP_OK = 0,
  SWIFTCLIP_INVALID_ARGUMENT = 1, /* NULL, negative, out of range, or a freed handle */
  SWIFTCLIP_IO_ERROR = 2,         /* a file is missing or cannot be read */
  SWIFTCLIP_INVALID_DATA = 3,     /* a file, picture or text is damaged or malformed */
  SWIFTCLIP_UNSUPPORTED = 4,      /* well-formed, but nothing this library understands */
  SWIFTCLIP_TEXT_TOO_LONG = 5,    /* a text needs more tokens than the context has */
  SWIFTCLIP_LIMIT_EXCEEDED = 6,   /* larger than a limit of the options allows */
  SWIFTCLIP_OUT_OF_MEMORY = 7,
  SWIFTCLIP_CANCELLED = 8,        /* a progress callback or a swiftclip_cancellation asked to stop */
  SWIFTCLIP_BUFFER_TOO_SMALL = 9, /* the capacity given is below what the result needs */
  SWIFTCLIP_MISSING_PART = 10,    /* the model has no such tower, or no vocabulary */
  SWIFTCLIP_INTERNAL_ERROR = 11,  /* a defect of swiftclip: please report it */
  SWIFTCLIP_DEADLINE_EXCEEDED = 12 /* the deadline of a swiftclip_cancellation has passed. Since 1.1 */
} swiftclip_status;

/* The version of the library that is loaded, numbered like
 * SWIFTCLIP_VERSION_NUMBER. Cannot fail. */
SWIFTCLIP_API uint32_t swiftclip_version(void);

/* The name of a status, for logs, such as "TEXT_TOO_LONG"; "UNKNOWN" for a value
 * outside the enumeration. Static, never NULL. Cannot fail. */
SWIFTCLIP_API const char *swiftclip_status_name(swiftclip_status status);

/* What went wrong in the last call that failed on this thread: what, where, and
 * what to do about it, in one or two sentences. Never NULL; "" before the first
 * failure. Owned by the library and valid until the next failure on this thread.
 * A call that succeeds leaves it as it was. */
SWIFTCLIP_API const char *swiftclip_last_error(void);

/* ---- Stopping calls -------------------------------------------------------- */

/* A wish that calls stop, from another thread or from a time on. A thread attaches it to itself;
 * all calls that the thread makes until it detaches it then heed it:
 *
 *   swiftclip_cancellation *request;
 *   swiftclip_cancellation_create(&request);
 *   swiftclip_cancellation_set_deadline(request, 250);
 *   swiftclip_cancellation_attach(request);
 *   status = swiftclip_encode_texts(...);   SWIFTCLIP_DEADLINE_EXCEEDED after 250 ms
 *   swiftclip_cancellation_detach(request);
 *   swiftclip_cancellation_free(request);
 *
 * A call that is stopped answers SWIFTCLIP_CANCELLED or SWIFTCLIP_DEADLINE_EXCEEDED, with its outputs
 * as after any other failure: untouched, unless its own comment says otherwise. Handles stay as they
 * were, a trainer or data set where it was before the call. Calls of other threads are not disturbed,
 * and the bits of results do not depend on what is attached. What heeds it:
 *   - opening models, trainers, checkpoints and data sets, and inspecting;
 *   - preprocessing, tokenizing, encoding, embedding, classifiers and their scores, similarity;
 *   - swiftclip_learn_merges, swiftclip_dataset_next and _seek, all of a trainer's passes, saving, exporting.
 * A call looks between products, convolutions, attentions, pictures, texts and pieces of files, so that
 * it answers within the longest of these: for the largest product of a ViT-L/14, 13 GFLOP, about 0.14 s
 * on one thread of 95 GFLOP/s; for a picture, its decoding, which max_pixels bounds. Callbacks are told
 * nothing, and heed what is attached if they call the library. Since 1.1. */
typedef struct swiftclip_cancellation swiftclip_cancellation;

/* Makes one that stops nothing yet; free it with swiftclip_cancellation_free.
 * Errors: INVALID_ARGUMENT. */
SWIFTCLIP_API swiftclip_status swiftclip_cancellation_create(swiftclip_cancellation **cancellation);

/* Frees the handle. NULL and freed handles are ignored. Threads that it is attached to heed it as it is
 * until they detach it. */
SWIFTCLIP_API void swiftclip_cancellation_free(swiftclip_cancellation *cancellation);

/* Stops calls of all threads that it is attached to, those under way and those to come. For good:
 * make another one for other work. Returns at once. From any thread, not from a signal handler. In a
 * child made by fork() it is a copy: each process stops its own calls. Errors: INVALID_ARGUMENT. */
SWIFTCLIP_API swiftclip_status swiftclip_cancellation_cancel(swiftclip_cancellation *cancellation);

/* Stops calls likewise from a time on, which replaces the time set before.
 *   milliseconds  from now, on a clock that nobody sets; 0: now; negative: no deadline
 * A deadline that a call has already run into stays passed. Errors: INVALID_ARGUMENT. */
SWIFTCLIP_API swiftclip_status swiftclip_cancellation_set_deadline(
    swiftclip_cancellation *cancellation, int64_t milliseconds);

/* Attaches it to the calling thread. Several may be attached, to one thread or to many, and one more
 * than once: the first one that says stop stops. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY. */
SWIFTCLIP_API swiftclip_status swiftclip_cancellation_attach(swiftclip_cancellation *cancellation);

/* Takes it from the calling thread, once; may be freed already. One that is not attached is ignored.
 * The end of a thread detaches all. */
SWIFTCLIP_API void swiftclip_cancellation_detach(swiftclip_cancellation *cancellation);

/* ---- Types that inputs are made of --------------------------------------- */

/* A text: `length` bytes of UTF-8 at `data`, which may hold NUL bytes and need not
 * end in one. `data` may be NULL when `length` is 0. */
typedef struct swiftclip_text {
  const char *data;
  size_t length;
} swiftclip_text;

/* How the pixels of a swiftclip_picture are stored. 8 bits a channel, channels
 * interleaved, rows from top to bottom. */
enum {
  SWIFTCLIP_FORMAT_ENCODED = 0, /* a JPEG, PNG or WebP file or its bytes */
  SWIFTCLIP_FORMAT_GRAY = 1,    /* 1 byte a pixel */
  SWIFTCLIP_FORMAT_GRAY_ALPHA = 2, /* 2 bytes a pixel, alpha not premultiplied */
  SWIFTCLIP_FORMAT_RGB = 3,     /* 3 bytes a pixel */
  SWIFTCLIP_FORMAT_RGBA = 4     /* 4 bytes a pixel, alpha not premultiplied */
};

/* A picture, in one of three forms; set every member that is not named to 0:
 *   a file            path
 *   an encoded file   data, size (bytes)
 *   raw pixels        data, size (bytes), format, width, height, stride
 * `stride` is the distance in bytes from one row to the next, or 0 for rows without
 * a gap; at least width * bytes-a-pixel otherwise. `size` must cover the last row. */
typedef struct swiftclip_picture {
  const char *path;   /* file name, NUL-terminated; NULL unless it is a file */
  const void *data;   /* encoded bytes or raw pixels; NULL if path is set */
  size_t size;        /* bytes at data */
  int32_t format;     /* SWIFTCLIP_FORMAT_...; 0 unless raw pixels */
  int32_t width;      /* pixels; 0 unless raw pixels */
  int32_t height;     /* pixels; 0 unless raw pixels */
  size_t stride;      /* bytes from row to row; 0: no gap */
  uint64_t reserved;  /* 0 */
} swiftclip_picture;

/* Called between pieces of long work, on the thread that made the call, with how
 * many of `total` items are done. Returning non-zero cancels: the call then returns
 * SWIFTCLIP_CANCELLED with its outputs untouched. Must not call longjmp or throw. */
typedef int (*swiftclip_progress)(void *context, size_t done, size_t total);

/* Flags for the functions that take text. */
enum {
  SWIFTCLIP_TEXT_DEFAULT = 0,
  SWIFTCLIP_TEXT_TRUNCATE = 1,       /* cut at the context length, EOT last, as the official code;
                                        without it, too long is SWIFTCLIP_TEXT_TOO_LONG */
  SWIFTCLIP_TEXT_REPLACE_INVALID = 2 /* read invalid UTF-8 as U+FFFD, as Python's
                                        errors="replace"; without it: SWIFTCLIP_INVALID_DATA */
};

/* ---- Pictures to pixels --------------------------------------------------- */

enum {
  SWIFTCLIP_INTERPOLATION_BICUBIC = 0,  /* Pillow's BICUBIC, antialiased: the official one */
  SWIFTCLIP_INTERPOLATION_BILINEAR = 1, /* Pillow's BILINEAR, antialiased */
  SWIFTCLIP_INTERPOLATION_NEAREST = 2   /* Pillow's NEAREST */
};
enum {
  SWIFTCLIP_ALPHA_DROP = 0,     /* the official code: alpha is forgotten after the resize */
  SWIFTCLIP_ALPHA_COMPOSITE = 1 /* lay the picture on `background` before the resize */
};
enum {
  SWIFTCLIP_ORIENTATION_IGNORE = 0, /* the official code: EXIF orientation is not looked at */
  SWIFTCLIP_ORIENTATION_APPLY = 1   /* turn and mirror the picture as EXIF says */
};
enum {
  SWIFTCLIP_CONVERT_LAST = 0, /* the official code (openai/CLIP, open_clip): resize and crop in the
                                 picture's own mode, then convert to RGB. Palette and 1-bit
                                 pictures are resized by NEAREST, alpha weights colours. */
  SWIFTCLIP_CONVERT_FIRST = 1 /* Pillow's convert("RGB") first, then resize: what Hugging Face's
                                 image processor does */
};
enum {
  SWIFTCLIP_JPEG_FULL = 0,  /* every pixel is decoded, then resized: the official pixels */
  SWIFTCLIP_JPEG_SCALED = 1 /* a JPEG whose shorter side is at least 4, 8 or 16 times image_size is decoded
                               at 1/2, 1/4 or 1/8 of its size, then resized, as after Pillow's draft():
                               large photographs take about half the time, and THE PIXELS DIFFER from the
                               official ones, by a few of 255 levels, and so do embeddings. Smaller JPEGs
                               and other formats are not affected. Since 1.1 */
};

/* How a picture becomes the tensor that the image encoder reads. The defaults are
 * the official ones and give Pillow's and torchvision's values to the last bit. */
typedef struct swiftclip_preprocess_options {
  size_t struct_size;    /* set by the init function */
  int32_t image_size;    /* side of the square result in pixels, 1...4096; 0: the model's, or 224
                            where no model is involved */
  int32_t interpolation; /* SWIFTCLIP_INTERPOLATION_...; BICUBIC */
  int32_t alpha;         /* SWIFTCLIP_ALPHA_...; DROP */
  int32_t orientation;   /* SWIFTCLIP_ORIENTATION_...; IGNORE */
  int32_t convert;       /* SWIFTCLIP_CONVERT_...; LAST */
  uint8_t background[4]; /* red, green, blue under a composited picture; the fourth is 0. White */
  float mean[3];         /* per channel, of values scaled to 0...1; finite.
                            0.48145466, 0.4578275, 0.40821073 */
  float std[3];          /* finite, above 0. 0.26862954, 0.26130258, 0.27577711 */
  uint64_t max_pixels;   /* width * height above it is SWIFTCLIP_LIMIT_EXCEEDED, told from the
                            header before memory is taken; 1...2^40. 178,956,970 (as Pillow) */
  uint64_t max_bytes;    /* size of an encoded picture, likewise; 1...2^40. 268,435,456 */
  int32_t jpeg_decoding; /* SWIFTCLIP_JPEG_...; FULL. Since 1.1 */
  int32_t reserved;      /* 0 */
} swiftclip_preprocess_options;

/* Fills `options` with the defaults above. Pass sizeof(swiftclip_preprocess_options)
 * as `struct_size`: a program compiled with an older, shorter struct keeps working.
 * Errors: INVALID_ARGUMENT for NULL or a size that no version had. */
SWIFTCLIP_API swiftclip_status swiftclip_preprocess_options_init(
    swiftclip_preprocess_options *options, size_t struct_size);

/* Pictures to pixels without a model: shorter side resized to image_size, centre
 * crop, scaled to 0...1, minus mean, divided by std.
 *   options   NULL: the defaults
 *   pixels    out, (count, 3, image_size, image_size), planes red, green, blue
 *   capacity  floats at pixels, at least count * 3 * image_size^2
 * Uses the calling thread only, in the library's floating-point mode. A picture that
 * fails stops the call; the message names its index. Errors: INVALID_ARGUMENT,
 * IO_ERROR, INVALID_DATA, UNSUPPORTED, LIMIT_EXCEEDED, OUT_OF_MEMORY, BUFFER_TOO_SMALL. */
SWIFTCLIP_API swiftclip_status swiftclip_preprocess(
    const swiftclip_preprocess_options *options,
    const swiftclip_picture *pictures, size_t count,
    float *pixels, size_t capacity);

/* ---- Models ----------------------------------------------------------------- */

/* A CLIP: an image encoder, a text encoder, or both, with the vocabulary. Immutable. */
typedef struct swiftclip_model swiftclip_model;

/* Which inner loops compute. AUTO picks the best that the processor has. A set that
 * it lacks is SWIFTCLIP_UNSUPPORTED when a model is opened with it, never a crash. */
enum {
  SWIFTCLIP_INSTRUCTIONS_AUTO = 0,
  SWIFTCLIP_INSTRUCTIONS_PORTABLE = 1, /* what every processor of the architecture has */
  SWIFTCLIP_INSTRUCTIONS_AVX2 = 2,     /* x86-64: AVX2, FMA, F16C */
  SWIFTCLIP_INSTRUCTIONS_AVX512 = 3,   /* x86-64: AVX-512 F, VL, BW, DQ */
  SWIFTCLIP_INSTRUCTIONS_AVX2_VNNI = 4,  /* AVX2, and AVX-VNNI for int8; the same bits. Since 1.1.0 */
  SWIFTCLIP_INSTRUCTIONS_AVX512_VNNI = 5 /* AVX512, and AVX-512 VNNI for int8; the same bits. Since 1.1.0 */
};

/* What multiplies matrices. */
enum {
  SWIFTCLIP_BACKEND_OWN = 0,
  SWIFTCLIP_BACKEND_OPENBLAS = 1 /* libopenblas.so.0, opened when the model is; for comparison.
                                    The promise of equal bits does not hold with it. */
};

/* How precisely the large products are computed, those inside of the Transformers' blocks:
 * queries, keys and values, attention output, and both of the MLP. All else is float32 with
 * each: embeddings of patches and tokens, positions, norms, the attention itself, final
 * projections, and ResNets with their attention pool. Whatever the precision, the same
 * input gives the same bits at every batch, position and thread count. Since 1.1.0. */
enum {
  SWIFTCLIP_PRECISION_FLOAT32 = 0,  /* no weight is rounded */
  SWIFTCLIP_PRECISION_BFLOAT16 = 1, /* weights rounded to bfloat16, to even in the middle: half the
                                       memory. Inputs and sums stay float32. Weights that are float16
                                       numbers take no more as float32, and lose nothing */
  SWIFTCLIP_PRECISION_INT8 = 2      /* weights rounded to integers of 8 bits with a scale for each output,
                                       inputs to integers with a scale for each token (as fine as sums of
                                       32 bits allow: 13 to 16 bits), sums exact: a quarter of the memory,
                                       and faster */
};

typedef struct swiftclip_model_options {
  size_t struct_size;   /* set by the init function */
  int32_t threads;      /* 1...1024 threads for one call; 0: the cores allowed to the process by
                           affinity mask and cgroup quota. 0. A limit too: the model has threads - 1
                           of its own, however many calls run at once */
  int32_t instructions; /* SWIFTCLIP_INSTRUCTIONS_...; AUTO */
  int32_t backend;      /* SWIFTCLIP_BACKEND_...; OWN */
  int32_t exact_order;  /* 1: every sum is added in ascending order, as a plain loop would; slower where
                           the library saves multiplications by adding otherwise (convolutions of
                           3 x 3 by Winograd's algorithm, whose error is twice as large and far below
                           1e-5). 0. Was `reserved` before 1.1.0, always 0 */
  const char *vocabulary; /* path of merges.txt or bpe_simple_vocab_16e6.txt[.gz]; NULL: looked for
                             beside the model and in its metadata. NULL */
  const swiftclip_preprocess_options *preprocess; /* NULL: the defaults. Read when the model is
                             opened. image_size must be 0 or the image encoder's own. NULL */
  int32_t precision;    /* SWIFTCLIP_PRECISION_...; FLOAT32. Since 1.1.0; the struct was shorter before */
  int32_t read_into_memory; /* 1: files are read into memory when the model is opened, not mapped: for files
                           that others may change or cut meanwhile. Takes their size in memory besides
                           until the call returns. 0. This and all below since 1.1.0 */
  uint64_t max_model_bytes; /* of all ONNX files of the model together, external data included. Here and
                           below: more is SWIFTCLIP_LIMIT_EXCEEDED, told before memory is taken for it;
                           0: any. 0 */
  uint64_t max_items;   /* pictures or texts, as such or as pixels or tokens, in one call; prompts
                           (labels times templates) of a classifier. 0 */
  uint64_t max_text_bytes; /* of a text, label or template. Above 16,777,216 it is SWIFTCLIP_TEXT_TOO_LONG
                           in any case. 0 */
  uint64_t max_labels;  /* of a classifier. 0. Pictures: max_pixels and max_bytes of `preprocess` */
} swiftclip_model_options;

/* Fills `options` with the defaults above; `struct_size` is
 * sizeof(swiftclip_model_options). Errors: INVALID_ARGUMENT. */
SWIFTCLIP_API swiftclip_status swiftclip_model_options_init(
    swiftclip_model_options *options, size_t struct_size);

/* Opens a model from a path:
 *   - an ONNX file that holds one tower or both, or
 *   - a directory in a common layout: visual.onnx + textual.onnx;
 *     onnx/vision_model.onnx + onnx/text_model.onnx, or onnx/model.onnx (the Hugging
 *     Face hub's), with or without the folder onnx/; visual/model.onnx +
 *     textual/model.onnx; model.onnx.
 * The vocabulary is options->vocabulary, else merges.txt, bpe_simple_vocab_16e6.txt
 * or bpe_simple_vocab_16e6.txt.gz in the directory, else in the file's metadata_props
 * (key "merges"). Without one, texts cannot be tokenized but tokens can be encoded.
 * A file is recognised by its structure, never by names in it; what is not
 * understood is refused with the first operator that did not fit.
 *   options  NULL: the defaults
 *   model    out; free it with swiftclip_model_free
 * Files are mapped while this call runs and not needed afterwards. A file that
 * another process cuts during the call raises SIGBUS, which ends the process, and one
 * that it changes gives any weights; with read_into_memory, neither: what was read is
 * looked at as a whole, and a file that became shorter is IO_ERROR. External data is
 * read only from inside the folder of its ONNX file. Takes time and memory in proportion to the weights. A matrix whose every
 * number is exactly that of a float16, as in files made from the official weights, is
 * held as float16 and computed with as float32: half the memory, the same bits.
 * Errors: INVALID_ARGUMENT, IO_ERROR, INVALID_DATA, UNSUPPORTED, LIMIT_EXCEEDED,
 * OUT_OF_MEMORY. */
SWIFTCLIP_API swiftclip_status swiftclip_model_open(
    const char *path, const swiftclip_model_options *options, swiftclip_model **model);

/* Opens a model from one file per tower. Either path may be NULL: the model then
 * answers only for the other tower. The vocabulary is looked for beside `textual`.
 * Otherwise as swiftclip_model_open. */
SWIFTCLIP_API swiftclip_status swiftclip_model_open_files(
    const char *visual, const char *textual,
    const swiftclip_model_options *options, swiftclip_model **model);

/* Opens a model from memory: the bytes of one ONNX file per tower (or one that holds
 * both, as either), and of the vocabulary file (plain or gzip). Each may be NULL with
 * size 0, but not both towers. Nothing is kept of the buffers after the call. External
 * data cannot be used. Otherwise as swiftclip_model_open. */
SWIFTCLIP_API swiftclip_status swiftclip_model_open_memory(
    const void *visual, size_t visual_size,
    const void *textual, size_t textual_size,
    const void *vocabulary, size_t vocabulary_size,
    const swiftclip_model_options *options, swiftclip_model **model);

/* Frees a model and its threads. NULL and freed handles are ignored. Classifiers made
 * from it stay valid. */
SWIFTCLIP_API void swiftclip_model_free(swiftclip_model *model);

/* Getters. They cannot fail: for NULL or a freed handle, and where the model lacks the
 * part asked for, the answer is 0. */

/* Length of an embedding. */
SWIFTCLIP_API size_t swiftclip_model_embed_dim(const swiftclip_model *model);
/* Side of the square picture that the image encoder reads, in pixels; 0 without one. */
SWIFTCLIP_API size_t swiftclip_model_image_size(const swiftclip_model *model);
/* Tokens in a text, start and end included (officially 77); 0 without a text encoder. */
SWIFTCLIP_API size_t swiftclip_model_context_length(const swiftclip_model *model);
/* Number of token ids, special ones included; 0 without a text encoder. */
SWIFTCLIP_API size_t swiftclip_model_vocabulary_size(const swiftclip_model *model);
/* The multiplier of cosines before the softmax: exp of the learned temperature, such as
 * 100. Read from the file (graph or metadata_props "logit_scale"), else 100. */
SWIFTCLIP_API float swiftclip_model_logit_scale(const swiftclip_model *model);
/* Threads that one call uses. */
SWIFTCLIP_API size_t swiftclip_model_threads(const swiftclip_model *model);

/* What was recognised, as JSON: {"instructions", "backend", "threads", "embed_dim",
 * "logit_scale", "image": {...} or null, "text": {...} or null, "vocabulary",
 * "precision", "weight_storage": {"float16": n, "float32": n, "bfloat16": n, "int8": n}}.
 * The last two, since 1.1.0, are that of the options, "float32", "bfloat16" or "int8", and
 * how many parameters are held in which way; see swiftclip_model_open.
 *   json      out, NUL-terminated; may be NULL when capacity is 0
 *   capacity  bytes at json
 *   length    out, bytes of the JSON without the NUL; may be NULL. Written also when the
 *             answer is BUFFER_TOO_SMALL, the one output that is written on failure.
 * Errors: INVALID_ARGUMENT, BUFFER_TOO_SMALL. */
SWIFTCLIP_API swiftclip_status swiftclip_model_describe(
    const swiftclip_model *model, char *json, size_t capacity, size_t *length);

/* What a model's files hold, told without opening the model: they are mapped and read
 * once, and no weight is brought into the order of the kernels. Whoever cuts them
 * meanwhile raises SIGBUS, as with swiftclip_model_open. Since version 1.1.0.
 *   path      an ONNX file or a directory, as for swiftclip_model_open; with `textual`,
 *             the image encoder's file, and NULL then if there is none
 *   textual   the text encoder's file; NULL: `path` is all there is
 *   json, capacity, length   as for swiftclip_model_describe; 65536 bytes hold any answer
 *             to paths of sensible length, and asking twice costs twice
 * What swiftclip_model_open or swiftclip_model_open_files would refuse is refused with the
 * same status and sentence, but for the vocabulary, which is not looked at. The JSON is
 *   architecture  one of the official nine, such as "ViT-B/32"; null where the sizes,
 *                 activations, mask or pooling are another model's, or only a text encoder
 *                 is there (several models have the same)
 *   embed_dim     length of an embedding
 *   logit_scale   what the file says; null where it does not (100 is used then)
 *   image, text   what was recognised of each tower; null where there is none:
 *     kind            "VisionTransformer", "ModifiedResNet" or "TextTransformer"
 *     image_size, patch_size (null in a ResNet), or context_length, vocabulary_size
 *     width, layers   layers is an array in a ResNet: bottlenecks of each stage
 *     heads, head_width
 *     activation      "quick_gelu", "gelu" or "relu"
 *     mask            "causal" or "none"
 *     pooling         "class token", "attention pool", "largest id", "first of an id"
 *                     (pooling_id, in the text tower, tells it) or "last position"
 *     normalised      whether the graph itself divides embeddings by their length
 *     parameters      numbers that the tower computes with
 *     digest          16 hexadecimal digits that stand for what the tower computes: the same
 *                     for the same numbers in the same structure, whichever exporter wrote
 *                     them, in float32 or float16; not proof against forgery
 *     weight_types    numbers of each element type in matrices of the tower's file, such as
 *                     {"int8": 85000000, "float32": 150000}
 *     exactly_float16 whether all its float32 matrices hold numbers that float16 can hold, as
 *                     the official weights do; null where none is in float32
 *     file, exporter (null if the file does not say), opset
 *     dialect         whose way of writing a CLIP the file follows, as far as names tell:
 *                     "openai/CLIP or open_clip", "Hugging Face", "Hugging Face Optimum (both
 *                     towers)", "immich", "IMAGE and TEXT to LOGITS_PER_*", "swiftclip", or
 *                     "unknown"; it decides nothing
 * Errors: those of swiftclip_model_open; BUFFER_TOO_SMALL. */
SWIFTCLIP_API swiftclip_status swiftclip_inspect(
    const char *path, const char *textual, char *json, size_t capacity, size_t *length);

/* Pictures to the pixels that this model's image encoder reads, on the model's
 * threads; see swiftclip_preprocess. capacity >= count * 3 * image_size^2.
 * Errors: those of swiftclip_preprocess, and MISSING_PART without an image encoder. */
SWIFTCLIP_API swiftclip_status swiftclip_model_preprocess(
    const swiftclip_model *model,
    const swiftclip_picture *pictures, size_t count,
    float *pixels, size_t capacity);

/* Texts to tokens: start token, byte pairs, EOT, zeros.
 *   flags     SWIFTCLIP_TEXT_... added up
 *   tokens    out, (count, context_length)
 *   capacity  ints at tokens, at least count * context_length
 * The same ids as the official tokenizer with ftfy installed. A NUL byte is a control
 * character, not an end. Errors: INVALID_ARGUMENT, INVALID_DATA (UTF-8, with the byte),
 * TEXT_TOO_LONG (says how long), MISSING_PART without a vocabulary, BUFFER_TOO_SMALL. */
SWIFTCLIP_API swiftclip_status swiftclip_model_tokenize(
    const swiftclip_model *model, const swiftclip_text *texts, size_t count,
    uint32_t flags, int32_t *tokens, size_t capacity);

/* ---- Embeddings --------------------------------------------------------------- */

/* Pixels, as the preprocess functions make them, to image embeddings.
 *   pixels      (count, 3, image_size, image_size); finite
 *   embeddings  out, (count, embed_dim), not normalised unless the graph does so itself
 *   capacity    floats at embeddings, at least count * embed_dim
 * count may be 0. Errors: INVALID_ARGUMENT, MISSING_PART, OUT_OF_MEMORY,
 * BUFFER_TOO_SMALL. */
SWIFTCLIP_API swiftclip_status swiftclip_encode_pixels(
    const swiftclip_model *model, const float *pixels, size_t count,
    float *embeddings, size_t capacity);

/* Pictures to image embeddings: preprocess and encode, in batches that bound memory,
 * decoding in parallel. The first picture that fails ends the call; swiftclip_embed_pictures
 * goes on.
 *   progress  called with pictures done; may be NULL
 * Errors: those of swiftclip_model_preprocess and swiftclip_encode_pixels; CANCELLED. */
SWIFTCLIP_API swiftclip_status swiftclip_encode_pictures(
    const swiftclip_model *model, const swiftclip_picture *pictures, size_t count,
    float *embeddings, size_t capacity, swiftclip_progress progress, void *context);

/* Pictures that have become embeddings, as swiftclip_embed_pictures hands them over. Everything that
 * it points to belongs to the library and is valid until the function that got it returns. Members may
 * be added at its end in later versions. Since 1.1. */
typedef struct swiftclip_embedded_batch {
  size_t first;            /* index of the first picture of the batch; all before it were handed over */
  size_t count;            /* pictures in the batch, at least 1: first + count are done */
  size_t total;            /* pictures of the call */
  const float *embeddings; /* (count, embed_dim); NaN in the rows of pictures that failed */
  const swiftclip_status *statuses; /* count: SWIFTCLIP_OK, or what was wrong with the picture */
  const char *const *messages;      /* count: "" or the sentence that swiftclip_last_error would give */
} swiftclip_embedded_batch;

/* Called with each batch in turn, on the thread that made the call, while other threads of the model go on
 * decoding. Returning non-zero cancels: the call then returns SWIFTCLIP_CANCELLED, and no further batch
 * comes. Any function of this library may be called inside, with any handle; swiftclip_model_free of the
 * call's own model takes effect when the call has returned. A child that is forked inside may return from
 * it: the call then ends in both processes. Must not call longjmp or throw. Since 1.1. */
typedef int (*swiftclip_batch_function)(void *context, const swiftclip_embedded_batch *batch);

/* Any number of pictures to image embeddings, for servers and large folders: pictures are read, decoded and
 * resized by the model's threads while those before them are encoded, and one that cannot be read does not
 * stop the others. Memory beside the caller's does not grow with count: a few batches, and the files in hand.
 *   pictures    each is looked at when its turn comes; they stay the caller's and unchanged until the end
 *   embeddings  out, (count, embed_dim), or NULL. Rows are written batch by batch, in order, those of pictures
 *               that failed with NaN. When the call does not succeed, rows of batches handed over are
 *               valid, and those after them unspecified
 *   capacity    floats at embeddings, at least count * embed_dim; not looked at for NULL
 *   deliver     gets each batch: results, failures, progress, and the chance to cancel. May be NULL if
 *               embeddings is not
 * The same bits as swiftclip_encode_pictures gives for the pictures that can be read. Statuses of a picture:
 * INVALID_ARGUMENT (its members), IO_ERROR, INVALID_DATA, UNSUPPORTED, LIMIT_EXCEEDED, OUT_OF_MEMORY.
 * The call succeeds even if every picture fails. Errors of the call: INVALID_ARGUMENT, MISSING_PART,
 * OUT_OF_MEMORY, BUFFER_TOO_SMALL, CANCELLED. Since 1.1. */
SWIFTCLIP_API swiftclip_status swiftclip_embed_pictures(
    const swiftclip_model *model, const swiftclip_picture *pictures, size_t count,
    float *embeddings, size_t capacity, swiftclip_batch_function deliver, void *context);

/* Tokens to text embeddings. The embedding is read at EOT, where the graph says it is:
 * at the first of the largest id, or at a given id; what follows is not computed.
 *   tokens      (count, context_length), each 0...vocabulary_size - 1
 *   embeddings  out, (count, embed_dim), not normalised unless the graph does so itself
 * Errors: INVALID_ARGUMENT (an id out of range, no EOT), MISSING_PART, OUT_OF_MEMORY,
 * BUFFER_TOO_SMALL. */
SWIFTCLIP_API swiftclip_status swiftclip_encode_tokens(
    const swiftclip_model *model, const int32_t *tokens, size_t count,
    float *embeddings, size_t capacity);

/* Texts to text embeddings: tokenize and encode.
 * Errors: those of swiftclip_model_tokenize and swiftclip_encode_tokens; CANCELLED. */
SWIFTCLIP_API swiftclip_status swiftclip_encode_texts(
    const swiftclip_model *model, const swiftclip_text *texts, size_t count, uint32_t flags,
    float *embeddings, size_t capacity, swiftclip_progress progress, void *context);

/* Cosines between every row of a and every row of b.
 *   a, b      (a_count, dim), (b_count, dim); finite, need not be normalised. A row of zeros
 *             has cosine 0 with everything.
 *   cosines   out, (a_count, b_count), capacity at least a_count * b_count
 * Written row by row: rows before the one at which the call is stopped are valid then.
 * Errors: INVALID_ARGUMENT, BUFFER_TOO_SMALL. */
SWIFTCLIP_API swiftclip_status swiftclip_similarity(
    const float *a, size_t a_count, const float *b, size_t b_count, size_t dim,
    float *cosines, size_t capacity);

/* ---- Zero-shot classification -------------------------------------------------- */

/* Labels turned into a linear classifier by the text encoder. Immutable. */
typedef struct swiftclip_classifier swiftclip_classifier;

/* Makes a classifier: for each label, every template with the label in the place of its
 * one "{}" is encoded and normalised, the mean taken and normalised again (the paper's
 * section 3.1.4, prompt ensembling).
 *   labels     label_count >= 1 texts
 *   templates  template_count texts with exactly one "{}" each; NULL and 0 for the
 *              official default, "a photo of a {}."
 *   progress   called with prompts done; may be NULL
 *   classifier out; free it with swiftclip_classifier_free
 * Errors: those of swiftclip_encode_texts; INVALID_ARGUMENT for a template without its
 * "{}" or with two. */
SWIFTCLIP_API swiftclip_status swiftclip_classifier_create(
    const swiftclip_model *model,
    const swiftclip_text *labels, size_t label_count,
    const swiftclip_text *templates, size_t template_count,
    swiftclip_progress progress, void *context, swiftclip_classifier **classifier);

/* Frees a classifier. NULL and freed handles are ignored. */
SWIFTCLIP_API void swiftclip_classifier_free(swiftclip_classifier *classifier);

/* Number of labels; 0 for NULL or a freed handle. Cannot fail. */
SWIFTCLIP_API size_t swiftclip_classifier_label_count(const swiftclip_classifier *classifier);

/* The classifier's weights: (label_count, embed_dim) unit vectors, to store or to search
 * with. Errors: INVALID_ARGUMENT, BUFFER_TOO_SMALL. */
SWIFTCLIP_API swiftclip_status swiftclip_classifier_weights(
    const swiftclip_classifier *classifier, float *weights, size_t capacity);

/* Probabilities of each label: softmax over the labels of logit scale * cosine.
 *   embeddings     (count, embed_dim) image embeddings; finite, need not be normalised
 *   probabilities  out, (count, label_count), capacity at least count * label_count; unspecified
 *                  where the call is stopped
 * Errors: INVALID_ARGUMENT, BUFFER_TOO_SMALL. */
SWIFTCLIP_API swiftclip_status swiftclip_classifier_probabilities(
    const swiftclip_classifier *classifier, const float *embeddings, size_t count,
    float *probabilities, size_t capacity);

/* Cosines with each label, -1...1, independent of the other labels: for several labels
 * at once, thresholds and retrieval. As swiftclip_classifier_probabilities otherwise. */
SWIFTCLIP_API swiftclip_status swiftclip_classifier_cosines(
    const swiftclip_classifier *classifier, const float *embeddings, size_t count,
    float *cosines, size_t capacity);

/* ---- Tokenizing without a model ------------------------------------------------- */

/* A byte-level BPE vocabulary. Immutable. */
typedef struct swiftclip_tokenizer swiftclip_tokenizer;

/* Opens a vocabulary: merges.txt or bpe_simple_vocab_16e6.txt, plain or gzip.
 *   context_length  2...4096; 77 is the official one
 *   tokenizer       out; free it with swiftclip_tokenizer_free
 * Errors: INVALID_ARGUMENT, IO_ERROR, INVALID_DATA (with the line), OUT_OF_MEMORY. */
SWIFTCLIP_API swiftclip_status swiftclip_tokenizer_open(
    const char *path, size_t context_length, swiftclip_tokenizer **tokenizer);

/* Frees a tokenizer. NULL and freed handles are ignored. */
SWIFTCLIP_API void swiftclip_tokenizer_free(swiftclip_tokenizer *tokenizer);

/* Number of token ids, special ones included (officially 49,408); 0 for NULL or a freed
 * handle. Cannot fail. */
SWIFTCLIP_API size_t swiftclip_tokenizer_vocabulary_size(const swiftclip_tokenizer *tokenizer);

/* Texts to tokens; see swiftclip_model_tokenize, which this equals.
 *   tokens  out, (count, context_length) */
SWIFTCLIP_API swiftclip_status swiftclip_tokenizer_encode(
    const swiftclip_tokenizer *tokenizer, const swiftclip_text *texts, size_t count,
    uint32_t flags, int32_t *tokens, size_t capacity);

/* Learns a byte-level BPE vocabulary from captions, and writes it as a merges file that
 * swiftclip_tokenizer_open, options->vocabulary and the official code read: a version line, then
 * a merge on each line. Captions are cleaned and split into words as the official tokenizer does.
 * Each merge is the pair of symbols that occurs most often in the words as they are tokenized with
 * the merges before it; of equals, the pair whose left symbol came about first, then whose right
 * one did. Pairs that occur once are not merged. The same captions give the same file.
 *   captions         count texts
 *   flags            SWIFTCLIP_TEXT_REPLACE_INVALID, or 0; others are refused
 *   vocabulary_size  token ids to aim for: 512 for bytes, a merge each, 2 for start and end;
 *                    515...49408
 *   path             where to write. The file appears whole or not at all: a file that was there
 *                    before stays until the new one is on the disk
 *   progress         called with captions read and merges learned, of both; may be NULL
 *   learned          out, token ids of the vocabulary: fewer than vocabulary_size where no pair
 *                    was left that occurs twice; may be NULL
 * Takes some 100 bytes of memory for each different word. Errors: INVALID_ARGUMENT, INVALID_DATA
 * (UTF-8, or nothing to learn), TEXT_TOO_LONG (above 16 MB), IO_ERROR, CANCELLED. Since 1.1.0. */
SWIFTCLIP_API swiftclip_status swiftclip_learn_merges(
    const swiftclip_text *captions, size_t count, uint32_t flags, size_t vocabulary_size,
    const char *path, swiftclip_progress progress, void *context, size_t *learned);

/* ---- Data sets for training ------------------------------------------------------ */

/* Pairs of pictures and captions, read in batches that threads of the data set decode while the
 * last one is used. Since version 1.1.0.
 *
 * Unlike other handles this one has a position. Calls with one data set from several threads take
 * turns. What is in a batch depends on its number, the files and the options alone: not on threads,
 * on time, or on how the position was reached. A child made by fork() goes on at the position that
 * the data set had, with files opened again. */
typedef struct swiftclip_dataset swiftclip_dataset;

enum {
  SWIFTCLIP_CROP_CENTRE = 0, /* shorter side to image_size, centre crop: swiftclip_preprocess */
  SWIFTCLIP_CROP_RANDOM = 1  /* the paper's: a random square crop of the resized picture. Its side
                                is a part of the shorter side drawn from scale_min...scale_max */
};
enum {
  SWIFTCLIP_BACKGROUND_PREPROCESS = 0, /* transparent pictures as the preprocessing options say */
  SWIFTCLIP_BACKGROUND_WHITE = 1,      /* laid on white before the resize */
  SWIFTCLIP_BACKGROUND_RANDOM = 2      /* laid on a colour drawn for each picture */
};
enum {
  SWIFTCLIP_LONG_TRUNCATE = 0, /* cut at the context length, EOT last, and counted */
  SWIFTCLIP_LONG_SKIP = 1,     /* the pair is left out, and counted */
  SWIFTCLIP_LONG_REFUSE = 2    /* the batch is SWIFTCLIP_TEXT_TOO_LONG */
};

/* Everything random is drawn by a generator that counts from (seed, epoch, pair). */
typedef struct swiftclip_dataset_options {
  size_t struct_size;    /* set by the init function */
  const swiftclip_model *model; /* gives image size, preprocessing, context length and vocabulary; not
                            needed after opening. NULL: the next three give them. NULL */
  const swiftclip_preprocess_options *preprocess; /* NULL: the defaults. NULL with a model */
  const char *vocabulary; /* path of a merges file; NULL with a model, and only then. NULL */
  int32_t context_length; /* 2...4096; 0: the model's, or 77. 0 with a model */
  int32_t batch_size;    /* pairs in a batch, 1...1048576. 256 */
  uint64_t seed;         /* any. 0 */
  int32_t shuffle;       /* 1: another order in each epoch; 0: that of the files. 1 */
  int32_t shuffle_buffer; /* shards only: pairs of which the next is drawn, 1...1048576. 4096 */
  uint64_t buffer_bytes; /* shards only: no more pairs are read ahead than that many bytes,
                            1...2^40. 2^30 */
  int32_t keep_last;     /* 1: the last batch of an epoch is kept though it has fewer pairs. 0 */
  int32_t endless;       /* 1: epochs follow each other without a mark. 0 */
  int32_t threads;       /* threads that decode, 1...1024; 0: the cores allowed to the process. They
                            come on top of those of a model or trainer. 0 */
  int32_t ahead;         /* batches that are made ahead, 0...64. Memory holds one more. 2 */
  int32_t crop;          /* SWIFTCLIP_CROP_...; CENTRE */
  int32_t background;    /* SWIFTCLIP_BACKGROUND_...; PREPROCESS */
  float scale_min;       /* of a random crop, 0.05...1, at most scale_max. 1 */
  float scale_max;       /* 0.05...1. 1, the paper's */
  float flip;            /* probability of a picture with left and right exchanged, 0...1. 0 */
  float brightness;      /* a factor of 1 - x ... 1 + x is drawn, 0...1, for each of these, and */
  float contrast;        /*   applied in this order, as Pillow's ImageEnhance does it. 0 */
  float saturation;
  int32_t sentences;     /* 1: one sentence of the caption, drawn, in place of it (ConVIRT). 0 */
  int32_t long_captions; /* SWIFTCLIP_LONG_...; TRUNCATE */
  int32_t allow_outside; /* 1: tables may name pictures outside of their folder, by absolute paths,
                            ".." or links. 0: those are refused and counted. 0 */
  int32_t named;         /* sentences in the report about what was skipped first, 0...10000. 20 */
  const char *path_column;    /* name of a table's column, or JSONL member, with the path; NULL: path,
                            filepath, file, filename, file_name or image. NULL */
  const char *caption_column; /* with the caption, or the list of captions, also in shards' .json;
                            NULL: caption, captions, text or title. NULL */
} swiftclip_dataset_options;

/* Fills `options` with the defaults above; `struct_size` is
 * sizeof(swiftclip_dataset_options). Errors: INVALID_ARGUMENT. */
SWIFTCLIP_API swiftclip_status swiftclip_dataset_options_init(
    swiftclip_dataset_options *options, size_t struct_size);

/* Opens tables, or shards:
 *   - .tsv, .csv (RFC 4180) or .jsonl: a path and a caption in each row, the path relative to the
 *     table's folder. A first row that names both columns is a header; without one there are two
 *     columns, path and caption. JSONL has an object on each line; its caption may be a list.
 *     Rows with the same path are captions of one picture: it comes once in an epoch, with a
 *     caption drawn.
 *   - .tar: WebDataset's shards. Neighbouring members with the same name up to the first dot are a
 *     pair, of .jpg, .jpeg, .png or .webp and .txt or .json (with a caption). Shards are read from
 *     begin to end, in an order drawn for each epoch, through a buffer out of which pairs are drawn.
 *   - a folder: the one table in it, or all its shards.
 * What cannot be used (a row, a member, a missing or broken picture, an empty caption) is skipped,
 * counted and named; see swiftclip_dataset_report. Files must not change while the handle lives.
 *   paths    count >= 1 of them, all tables or all shards
 *   options  model or vocabulary must be set
 *   dataset  out; free it with swiftclip_dataset_free
 * Tables are held in memory, pictures and shards not. Errors: INVALID_ARGUMENT, IO_ERROR,
 * INVALID_DATA (also: fewer pictures than a batch), UNSUPPORTED, MISSING_PART, LIMIT_EXCEEDED,
 * OUT_OF_MEMORY. */
SWIFTCLIP_API swiftclip_status swiftclip_dataset_open(
    const char *const *paths, size_t count, const swiftclip_dataset_options *options,
    swiftclip_dataset **dataset);

/* Frees a data set and its threads. NULL and freed handles are ignored. */
SWIFTCLIP_API void swiftclip_dataset_free(swiftclip_dataset *dataset);

/* The next batch.
 *   pixels           out, (count, 3, image_size, image_size)
 *   pixels_capacity  floats at pixels, at least batch_size * 3 * image_size^2, also for a last batch
 *   tokens           out, (count, context_length)
 *   tokens_capacity  ints at tokens, at least batch_size * context_length
 *   count            out, pairs in this batch: batch_size, less those that had to be skipped; less in
 *                    a last batch that is kept; 0 once behind the last batch of an epoch, after which
 *                    the next epoch begins, unless the data set is endless
 * No picture comes twice in an epoch. A batch of which every pair is skipped is passed over. After
 * a failure the position is as it was. Errors: INVALID_ARGUMENT, BUFFER_TOO_SMALL, IO_ERROR (a shard),
 * INVALID_DATA (not one pair of an epoch can be used), TEXT_TOO_LONG (LONG_REFUSE), OUT_OF_MEMORY. */
SWIFTCLIP_API swiftclip_status swiftclip_dataset_next(
    swiftclip_dataset *dataset, float *pixels, size_t pixels_capacity,
    int32_t *tokens, size_t tokens_capacity, size_t *count);

/* Goes to batch number `batch`, counted from 0 over all epochs, at most 2^53: a run that is resumed
 * there gets exactly the batches that an undisturbed one would get. Quick for tables; of shards the
 * headers are read, once for their number and once up to the batch.
 * Errors: INVALID_ARGUMENT, IO_ERROR, INVALID_DATA. */
SWIFTCLIP_API swiftclip_status swiftclip_dataset_seek(swiftclip_dataset *dataset, uint64_t batch);

/* The number of the batch that comes next, to seek to later; 0 for NULL or a freed handle. It can
 * be above the number of batches handed over: those passed over count. Cannot fail. */
SWIFTCLIP_API uint64_t swiftclip_dataset_position(const swiftclip_dataset *dataset);

/* Batches in an epoch; 0 for NULL or a freed handle, and of shards until an epoch was read or
 * swiftclip_dataset_seek went further than 0. Cannot fail. */
SWIFTCLIP_API size_t swiftclip_dataset_batches(const swiftclip_dataset *dataset);

/* What became of the pairs so far, as JSON: {"pictures": in an epoch, or null while unknown,
 * "pairs": handed over, "truncated": captions of them that were cut, "skipped": {"missing_pictures",
 * "broken_pictures", "refused_paths", "bad_rows", "bad_members", "incomplete_pairs", "bad_captions",
 * "empty_captions", "long_captions"}, each a count, "first": sentences about those skipped first}.
 * What is met in every epoch counts in every epoch, rows of tables once.
 *   json, capacity, length   as for swiftclip_model_describe
 * Errors: INVALID_ARGUMENT, BUFFER_TOO_SMALL. */
SWIFTCLIP_API swiftclip_status swiftclip_dataset_report(
    const swiftclip_dataset *dataset, char *json, size_t capacity, size_t *length);

/* ---- Training ------------------------------------------------------------------- */

/* A CLIP that learns: parameters, their gradients, and the state of the optimiser. Not
 * for several threads at once: a call on a trainer that another thread is inside of is
 * INVALID_ARGUMENT. Deterministic: the same seed and batches give the same bits on any
 * number of threads, and after a stop that was resumed. All of it since 1.1.0. */
typedef struct swiftclip_trainer swiftclip_trainer;

/* The sizes of a CLIP to be trained from scratch, in the terms of the paper's tables. */
typedef struct swiftclip_architecture {
  size_t struct_size;        /* sizeof(swiftclip_architecture) */
  int32_t embed_dim;         /* of both towers' embeddings, 1...16384 */
  int32_t image_size;        /* side of pictures in pixels; a multiple of vision_patch_size, or of 32 */
  int32_t vision_layers[4];  /* Vision Transformer: its blocks, then three 0; Modified ResNet: blocks of
                                each of the four stages */
  int32_t vision_width;      /* channels of a token; of a ResNet, those after the stem */
  int32_t vision_patch_size; /* side of a patch in pixels; 0: a Modified ResNet */
  int32_t vision_heads;      /* 0: width / 64, of a ResNet 32 * width / 64 (of its attention pool) */
  int32_t context_length;    /* tokens in a text, start and end included */
  int32_t vocabulary_size;   /* token ids, start and end included */
  int32_t text_width;
  int32_t text_heads;        /* 0: text_width / 64 */
  int32_t text_layers;
  int32_t exact_gelu;        /* 0: QuickGELU, as in the official models; 1: exact GELU */
} swiftclip_architecture;

/* How a trainer updates parameters. */
typedef struct swiftclip_trainer_options {
  size_t struct_size;     /* set by the init function */
  double learning_rate;   /* at its peak; 0...1e6. 5e-4 */
  double weight_decay;    /* of AdamW, decoupled, on tensors of two or more dimensions only; 0...1e6. 0.2 */
  double beta1, beta2;    /* of AdamW, 0 to below 1. 0.9, 0.98 (the paper: 0.999 for ResNets) */
  double epsilon;         /* of AdamW, 0...1. 1e-6 */
  double clip_norm;       /* longest gradient; 0: any. 0 */
  int64_t warmup;         /* steps over which the rate rises linearly. 0 */
  int64_t steps;          /* after which half a cosine has brought the rate to 0; 0: it stays. 0 */
  int32_t accumulate;     /* pieces of a batch: memory holds the activations of one, which are computed twice;
                             the loss contrasts the whole batch all the same. BatchNorm of a ResNet sees
                             pieces. At least 1. 1 */
  int32_t precision;      /* SWIFTCLIP_PRECISION_FLOAT32, the only one so far */
  int32_t threads;        /* 1...1024; 0: the cores allowed to the process. 0 */
  int32_t instructions;   /* SWIFTCLIP_INSTRUCTIONS_...; AUTO */
  uint64_t seed;          /* of the initial values. 0 */
  const char *const *freeze; /* prefixes of names of parameters that do not learn, such as "visual" (locked
                                image tuning), "transformer.resblocks.0", "token_embedding". NULL */
  size_t freeze_count;    /* 0 */
  uint64_t max_bytes;     /* memory for parameters, gradients, moments, packed weights and activations: what
                             would need more is SWIFTCLIP_LIMIT_EXCEEDED before it is taken. 0: what the
                             machine has, or the process's control group allows, which is
                             SWIFTCLIP_OUT_OF_MEMORY. 0 */
} swiftclip_trainer_options;

/* Fills `options` with the defaults above; `struct_size` is
 * sizeof(swiftclip_trainer_options). Errors: INVALID_ARGUMENT. */
SWIFTCLIP_API swiftclip_status swiftclip_trainer_options_init(
    swiftclip_trainer_options *options, size_t struct_size);

/* Makes a model with the initial values of the official code.
 *   vocabulary  path of the vocabulary file that is exported with the model; NULL: none
 *   options     NULL: the defaults
 *   trainer     out; free it with swiftclip_trainer_free
 * Takes memory for 4 floats a parameter, and for packed weights and the activations of a batch when
 * steps are made. Errors: INVALID_ARGUMENT, IO_ERROR, UNSUPPORTED, LIMIT_EXCEEDED, OUT_OF_MEMORY. */
SWIFTCLIP_API swiftclip_status swiftclip_trainer_create(
    const swiftclip_architecture *architecture, const char *vocabulary,
    const swiftclip_trainer_options *options, swiftclip_trainer **trainer);

/* Opens a model to train it further. Both towers are needed, with their norms and biases as the official
 * models have them; a ResNet must have kept its BatchNorm as nodes of the graph, as
 * swiftclip_trainer_export writes it and torch.onnx.export does with
 * training=TrainingMode.PRESERVE and do_constant_folding=False.
 *   path        a directory or file, as of swiftclip_model_open; with `textual`, the image encoder's
 *   textual     file of the text encoder, or NULL
 *   vocabulary  as of swiftclip_model_options; NULL: looked for beside the model and in its metadata
 *   options     NULL: the defaults
 * The temperature begins as the model's, or as that of a new one where it does not tell it. Files are
 * mapped, with the risk that swiftclip_model_open tells of.
 * Errors: INVALID_ARGUMENT, IO_ERROR, INVALID_DATA, UNSUPPORTED, MISSING_PART, OUT_OF_MEMORY. */
SWIFTCLIP_API swiftclip_status swiftclip_trainer_open(
    const char *path, const char *textual, const char *vocabulary,
    const swiftclip_trainer_options *options, swiftclip_trainer **trainer);

/* Opens a checkpoint of swiftclip_trainer_save, to go on with the bits that training would
 * have had without the stop.
 *   options  NULL: those of the checkpoint. Else they replace them all
 * Errors: INVALID_ARGUMENT, IO_ERROR, INVALID_DATA (damaged), OUT_OF_MEMORY. */
SWIFTCLIP_API swiftclip_status swiftclip_trainer_resume(
    const char *path, const swiftclip_trainer_options *options, swiftclip_trainer **trainer);

/* Frees a trainer. NULL and freed handles are ignored. */
SWIFTCLIP_API void swiftclip_trainer_free(swiftclip_trainer *trainer);

/* Sizes of the model, as of swiftclip_model_...; 0 for NULL or a freed handle. */
SWIFTCLIP_API size_t swiftclip_trainer_embed_dim(const swiftclip_trainer *trainer);
SWIFTCLIP_API size_t swiftclip_trainer_image_size(const swiftclip_trainer *trainer);
SWIFTCLIP_API size_t swiftclip_trainer_context_length(const swiftclip_trainer *trainer);
SWIFTCLIP_API size_t swiftclip_trainer_vocabulary_size(const swiftclip_trainer *trainer);
/* Updates made so far. */
SWIFTCLIP_API uint64_t swiftclip_trainer_steps_done(const swiftclip_trainer *trainer);
/* Of the next update. */
SWIFTCLIP_API double swiftclip_trainer_learning_rate(const swiftclip_trainer *trainer);
/* The multiplier of cosines, 1...100: the exponential of the learned temperature. */
SWIFTCLIP_API double swiftclip_trainer_logit_scale(const swiftclip_trainer *trainer);

/* One update by a batch of pairs.
 *   pixels  (count, 3, image_size, image_size), preprocessed
 *   tokens  (count, context_length); the largest id of a text is its EOT, nothing after it is read
 *   loss    out, before the update; may be NULL
 * Text i belongs to picture i and to no other. A loss or gradient that is not finite is
 * INVALID_DATA. After a failure nothing is updated, running statistics included; gradients are
 * unspecified. Errors: INVALID_ARGUMENT, INVALID_DATA, LIMIT_EXCEEDED, OUT_OF_MEMORY. */
SWIFTCLIP_API swiftclip_status swiftclip_trainer_step(
    swiftclip_trainer *trainer, const float *pixels, const int32_t *tokens, size_t count, double *loss);

/* The loss of a batch as the exported model has it (BatchNorm by running statistics), without
 * an update. Otherwise as swiftclip_trainer_step. */
SWIFTCLIP_API swiftclip_status swiftclip_trainer_evaluate(
    swiftclip_trainer *trainer, const float *pixels, const int32_t *tokens, size_t count, double *loss);

/* A step in its parts, for batches that are spread over processes. Each process
 *   1. encodes its pairs,
 *   2. gathers the embeddings of all, in one order (MPI_Allgather),
 *   3. takes the way back: the loss is over all pairs, the gradient is this process's share,
 *   4. adds up the gradients of all (MPI_Allreduce, sum) in place,
 *   5. updates, all alike.
 * BatchNorm of a ResNet sees the pairs of its process.
 *
 * swiftclip_trainer_encode: embeddings, not normalised, out, (count, embed_dim) each; `capacity`
 * floats at each. `pixels` and `tokens` are read again by the way back and must stay until then.
 * One of the two may be NULL, and so may the output that belongs to it: nothing is computed then,
 * and no gradient comes of it. So embeddings of a frozen tower, once computed, serve every step. */
SWIFTCLIP_API swiftclip_status swiftclip_trainer_encode(
    swiftclip_trainer *trainer, const float *pixels, const int32_t *tokens, size_t count,
    float *images, float *texts, size_t capacity);

/* The way back from embeddings (total, embed_dim) of all processes, of which those of this process's
 * swiftclip_trainer_encode begin at row `first`. The loss is that over all pairs. Fills the
 * gradients. Errors: INVALID_ARGUMENT (also without an encoded batch), INVALID_DATA, OUT_OF_MEMORY. */
SWIFTCLIP_API swiftclip_status swiftclip_trainer_backward(
    swiftclip_trainer *trainer, const float *images, const float *texts, size_t total, size_t first,
    double *loss);

/* The way back with a loss of the caller's own in place of the contrastive one: from its gradients with
 * respect to the `count` embeddings of swiftclip_trainer_encode, (count, embed_dim) each. NULL: none of
 * that tower's parameters. Fills the gradients, but for the temperature's. Errors: INVALID_ARGUMENT
 * (also without an encoded batch, or with one of another count), OUT_OF_MEMORY. */
SWIFTCLIP_API swiftclip_status swiftclip_trainer_backpropagate(
    swiftclip_trainer *trainer, const float *image_gradients, const float *text_gradients, size_t count);

/* Gradients of all parameters, one after the other: `count` floats, owned by the trainer and valid
 * until it is freed, to be read and changed between swiftclip_trainer_backward and _update. */
SWIFTCLIP_API swiftclip_status swiftclip_trainer_gradients(
    swiftclip_trainer *trainer, float **gradients, size_t *count);

/* One update of the optimiser with the gradients. Errors: INVALID_ARGUMENT, INVALID_DATA. */
SWIFTCLIP_API swiftclip_status swiftclip_trainer_update(swiftclip_trainer *trainer);

/* A tensor of a trainer, named and shaped as in the official state dictionary. */
typedef struct swiftclip_tensor {
  const char *name;  /* valid until the trainer is freed */
  float *values;     /* row-major; may be read and changed between calls; valid until the trainer is freed */
  float *gradient;   /* NULL for what no gradient changes: running statistics of BatchNorm */
  size_t count;      /* floats at values */
  size_t rank;       /* dimensions, 0...4 */
  size_t shape[4];   /* 1 beyond rank */
  int32_t trained;   /* 0 if it is frozen, or learns by no gradient */
  int32_t reserved;  /* 0 */
} swiftclip_tensor;

/* Number of tensors, parameters first in the order of the gradients; 0 for NULL or a freed handle. */
SWIFTCLIP_API size_t swiftclip_trainer_tensor_count(const swiftclip_trainer *trainer);

/* One of them. Errors: INVALID_ARGUMENT. */
SWIFTCLIP_API swiftclip_status swiftclip_trainer_tensor(
    swiftclip_trainer *trainer, size_t index, swiftclip_tensor *tensor);

/* Writes a checkpoint: under another name first, brought to the disk, then renamed, so that whatever
 * happens, either the old or the new one is there and whole. Errors: INVALID_ARGUMENT, IO_ERROR. */
SWIFTCLIP_API swiftclip_status swiftclip_trainer_save(swiftclip_trainer *trainer, const char *path);

/* How an exported model holds its matrices. */
enum {
  SWIFTCLIP_WEIGHTS_FLOAT32 = 0,
  SWIFTCLIP_WEIGHTS_FLOAT16 = 1 /* rounded to float16, in half the space, each followed by a cast */
};

/* Writes the model as visual.onnx, textual.onnx (opset 17) and merges.txt into a directory, which is made
 * if need be, each file whole or not at all. swiftclip_model_open, swiftclip_trainer_open and any ONNX
 * runtime open them. Errors: INVALID_ARGUMENT, IO_ERROR, LIMIT_EXCEEDED (above 2 GB). */
SWIFTCLIP_API swiftclip_status swiftclip_trainer_export(
    swiftclip_trainer *trainer, const char *directory, int32_t weights);

#ifdef __cplusplus
}
#endif

#endif /* SWIFTCLIP_H */
