/* swiftclip.hpp - swiftclip.h for C++17 and later, in one header.
 *
 *   swiftclip::Model model = swiftclip::Model::open("models/pocket");
 *   swiftclip::Classifier classifier = model.classifier({"a penguin", "a pear"}, {"a drawing of {}"});
 *   const swiftclip_picture picture = swiftclip::file("penguin.png");
 *   std::vector<float> embedding = model.encode_pictures(swiftclip::one(picture));
 *   std::vector<float> probabilities = classifier.probabilities(embedding);
 *
 * What it adds to the C interface, and nothing else:
 *   - Handles are objects that can be moved, not copied, and free themselves. One that was moved from
 *     is empty: its getters answer 0 and calls throw INVALID_ARGUMENT.
 *   - A status that is not SWIFTCLIP_OK is thrown as swiftclip::Error, with the library's sentence.
 *   - Inputs and outputs are views: a pointer with a length, made from anything that has data() and
 *     size(). Nothing is copied. Each function that fills an output has a twin that returns a vector.
 *   - Callbacks are callables, which may throw: the call is cancelled, and the exception goes on.
 *   - Lengths that the C interface takes on trust are checked: a view whose length is no multiple of a
 *     row is INVALID_ARGUMENT.
 *   - `export` is a word of the language: Trainer::write is swiftclip_trainer_export.
 * Everything else (meaning, limits, errors, threads, fork) is as swiftclip.h says of the C function of
 * the same name. Programs link with the same libswiftclip.so; this header has no ABI of its own. */

#ifndef SWIFTCLIP_HPP
#define SWIFTCLIP_HPP

#include <cstddef>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "swiftclip.h"

#if SWIFTCLIP_VERSION_NUMBER < 10100
#error "swiftclip.hpp needs the swiftclip.h of its own release, 1.1.0 or later"
#endif

namespace swiftclip {

/* ---- Version and errors -------------------------------------------------- */

/* A call that failed: what() is the sentence of swiftclip_last_error. */
class Error : public std::runtime_error {
 public:
  Error(swiftclip_status status, const std::string &message) : std::runtime_error(message), status_(status) {}

  swiftclip_status status() const noexcept { return status_; }

 private:
  swiftclip_status status_;
};

/* Throws Error for any status but SWIFTCLIP_OK. On the thread of the call, before the next one. */
inline void check(swiftclip_status status) {
  if (status != SWIFTCLIP_OK) throw Error(status, swiftclip_last_error());
}

inline std::uint32_t version() noexcept { return swiftclip_version(); }
inline const char *status_name(swiftclip_status status) noexcept { return swiftclip_status_name(status); }
inline const char *last_error() noexcept { return swiftclip_last_error(); }

/* ---- Views ----------------------------------------------------------------- */

/* A pointer and a length: what std::span is in C++20. Borrows; what it was made from must outlive it. */
template <typename T>
class View {
 public:
  constexpr View() noexcept = default;
  constexpr View(T *data, std::size_t size) noexcept : data_(data), size_(size) {}

  template <std::size_t N>
  constexpr View(T (&array)[N]) noexcept : data_(array), size_(N) {}

  /* From a vector, an array, a string, a span: whatever has data() of the right type, and size(). */
  template <typename Container, typename Data = decltype(std::declval<Container &>().data()),
            typename = decltype(std::declval<Container &>().size()),
            typename = std::enable_if_t<std::is_convertible_v<std::remove_pointer_t<Data> (*)[], T (*)[]>>>
  constexpr View(Container &&container) noexcept : data_(container.data()), size_(container.size()) {}

  constexpr T *data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr T *begin() const noexcept { return data_; }
  constexpr T *end() const noexcept { return data_ + size_; }
  constexpr T &operator[](std::size_t index) const noexcept { return data_[index]; }

 private:
  T *data_ = nullptr;
  std::size_t size_ = 0;
};

/* A view of a single item. */
template <typename T>
constexpr View<const T> one(const T &item) noexcept {
  return {&item, 1};
}

/* ---- Types that inputs are made of --------------------------------------- */

/* Texts for the length of a call: what C takes as an array of swiftclip_text. Made from string literals in
 * braces, from any range of strings, or without any list of its own from an array of swiftclip_text. The
 * characters are never copied and must outlive it. */
class Texts {
 public:
  Texts() = default;
  Texts(std::string_view text) { add(text); }
  Texts(const char *text) : Texts(std::string_view(text)) {}
  Texts(const std::string &text) : Texts(std::string_view(text)) {}
  Texts(std::initializer_list<std::string_view> texts) {
    own_.reserve(texts.size());
    for (std::string_view text : texts) add(text);
  }

  template <typename Range, typename Item = decltype(*std::declval<const Range &>().begin()),
            typename = std::enable_if_t<(std::is_convertible_v<Item, std::string_view> &&
                                         !std::is_convertible_v<const Range &, std::string_view>) ||
                                        std::is_convertible_v<const Range &, View<const swiftclip_text>>>>
  Texts(const Range &range) {
    if constexpr (std::is_convertible_v<const Range &, View<const swiftclip_text>>) {
      texts_ = range;
    } else {
      /* A string that an iterator made for the moment would not outlive this loop. */
      static_assert(std::is_reference_v<Item> || std::is_same_v<Item, std::string_view>,
                    "the strings of the range must live longer than its iterators");
      for (const auto &text : range) add(text);
    }
  }

  Texts(Texts &&) = default;
  Texts &operator=(Texts &&) = default;
  Texts(const Texts &) = delete;
  Texts &operator=(const Texts &) = delete;

  const swiftclip_text *data() const noexcept { return own_.empty() ? texts_.data() : own_.data(); }
  std::size_t size() const noexcept { return own_.empty() ? texts_.size() : own_.size(); }

 private:
  void add(std::string_view text) { own_.push_back({text.data(), text.size()}); }

  std::vector<swiftclip_text> own_;
  View<const swiftclip_text> texts_;
};

using Pictures = View<const swiftclip_picture>;

/* A picture in a file. The path must outlive the picture. */
inline swiftclip_picture file(const char *path) noexcept {
  swiftclip_picture picture = {};
  picture.path = path;
  return picture;
}
inline swiftclip_picture file(const std::string &path) noexcept { return file(path.c_str()); }

/* A picture that is the bytes of a JPEG, PNG or WebP file. */
inline swiftclip_picture encoded(const void *data, std::size_t size) noexcept {
  swiftclip_picture picture = {};
  picture.data = data;
  picture.size = size;
  return picture;
}

/* A picture that is raw pixels: format is SWIFTCLIP_FORMAT_GRAY ... RGBA, stride 0 for rows without a gap. */
inline swiftclip_picture raw(View<const std::uint8_t> pixels, std::int32_t format, std::int32_t width,
                             std::int32_t height, std::size_t stride = 0) noexcept {
  swiftclip_picture picture = encoded(pixels.data(), pixels.size());
  picture.format = format;
  picture.width = width;
  picture.height = height;
  picture.stride = stride;
  return picture;
}

/* Options of C with their defaults. */
struct PreprocessOptions : swiftclip_preprocess_options {
  PreprocessOptions() : swiftclip_preprocess_options() {
    check(swiftclip_preprocess_options_init(this, sizeof(swiftclip_preprocess_options)));
  }
};

struct ModelOptions : swiftclip_model_options {
  ModelOptions() : swiftclip_model_options() {
    check(swiftclip_model_options_init(this, sizeof(swiftclip_model_options)));
  }
};

namespace detail {

/* How many rows of `length` a view has. A length of 0 is that of a part which the handle lacks: the C function
 * then says so, before it reads anything. */
inline std::size_t rows(std::size_t size, std::size_t length, const char *what) {
  if (length == 0) return size != 0;
  if (size % length != 0)
    throw Error(SWIFTCLIP_INVALID_ARGUMENT, std::string(what) + " has " + std::to_string(size) +
                                                " numbers, which is no multiple of " + std::to_string(length) +
                                                ". Pass whole rows.");
  return size / length;
}

/* The JSON that `call(json, capacity, length)` writes; a buffer that was too small is made as large as it says. */
template <typename Call>
std::string json(std::size_t capacity, Call call) {
  std::string text(capacity, '\0');
  std::size_t length = 0;
  swiftclip_status status = call(&text[0], text.size(), &length);
  if (status == SWIFTCLIP_BUFFER_TOO_SMALL) {
    text.resize(length + 1);
    status = call(&text[0], text.size(), &length);
  }
  check(status);
  text.resize(length);
  return text;
}

/* A callable behind a function pointer of C. Borrows the callable, and keeps what it throws: no exception may
 * pass through the library. */
template <typename... Arguments>
class Callback {
 public:
  Callback() = default;
  Callback(std::nullptr_t) {}

  template <typename Callable, typename = std::enable_if_t<std::is_invocable_v<Callable &, Arguments...> &&
                                                           !std::is_base_of_v<Callback, std::decay_t<Callable>>>>
  Callback(Callable &&callable)
      : callable_(const_cast<void *>(static_cast<const void *>(std::addressof(callable)))),
        invoke_([](void *target, Arguments... arguments) -> int {
          auto &function = *static_cast<std::remove_reference_t<Callable> *>(target);
          if constexpr (std::is_void_v<std::invoke_result_t<Callable &, Arguments...>>)
            return function(arguments...), 0;
          else
            return function(arguments...) ? 1 : 0;
        }) {}

  explicit operator bool() const noexcept { return invoke_ != nullptr; }

  /* Non-zero cancels. */
  int operator()(Arguments... arguments) noexcept {
    try {
      return invoke_(callable_, arguments...);
    } catch (...) {
      thrown_ = std::current_exception();
      return 1;
    }
  }

  /* Ends the call: what the callable threw goes before what the library answered. */
  void check(swiftclip_status status) const {
    if (thrown_) std::rethrow_exception(thrown_);
    swiftclip::check(status);
  }

 private:
  void *callable_ = nullptr;
  int (*invoke_)(void *, Arguments...) = nullptr;
  std::exception_ptr thrown_;
};

/* Owns a handle of C. */
template <typename T, void (*release)(T *)>
class Handle {
 public:
  /* The handle itself, for functions of C. */
  T *get() const noexcept { return handle_.get(); }

 protected:
  explicit Handle(T *handle) noexcept : handle_(handle) {}

 private:
  struct Release {
    void operator()(T *handle) const noexcept { release(handle); }
  };
  std::unique_ptr<T, Release> handle_;
};

}  // namespace detail

/* Called as callable(done, total) between pieces of long work. A callable that returns something cancels by
 * what is true or non-zero, as in C; one that returns nothing goes on. Borrowed for the length of the call. */
class Progress : public detail::Callback<std::size_t, std::size_t> {
 public:
  using Callback::Callback;

  swiftclip_progress function() const noexcept {
    if (!*this) return nullptr;
    return [](void *context, std::size_t done, std::size_t total) {
      return (*static_cast<Progress *>(context))(done, total);
    };
  }
};

/* ---- Pictures to pixels --------------------------------------------------- */

inline void preprocess(Pictures pictures, View<float> pixels, const swiftclip_preprocess_options *options = nullptr) {
  check(swiftclip_preprocess(options, pictures.data(), pictures.size(), pixels.data(), pixels.size()));
}

inline std::vector<float> preprocess(Pictures pictures, const swiftclip_preprocess_options *options = nullptr) {
  /* What the options cannot mean is the library's to refuse, and no reason to take memory. */
  const std::int32_t asked = options ? options->image_size : 0;
  const std::size_t side = asked == 0 ? 224 : asked < 0 || asked > 4096 ? 0 : static_cast<std::size_t>(asked);
  std::vector<float> pixels(pictures.size() * 3 * side * side);
  preprocess(pictures, pixels, options);
  return pixels;
}

/* Cosines between the rows of a and the rows of b, each of `dim` numbers: (rows of a, rows of b). */
inline void similarity(View<const float> a, View<const float> b, std::size_t dim, View<float> cosines) {
  check(swiftclip_similarity(a.data(), detail::rows(a.size(), dim, "a"), b.data(), detail::rows(b.size(), dim, "b"),
                             dim, cosines.data(), cosines.size()));
}

inline std::vector<float> similarity(View<const float> a, View<const float> b, std::size_t dim) {
  std::vector<float> cosines(detail::rows(a.size(), dim, "a") * detail::rows(b.size(), dim, "b"));
  similarity(a, b, dim, cosines);
  return cosines;
}

/* ---- Zero-shot classification -------------------------------------------------- */

/* Labels as a linear classifier. Model::classifier makes it. */
class Classifier : public detail::Handle<swiftclip_classifier, swiftclip_classifier_free> {
 public:
  /* Takes over a handle made by C, of a model whose embeddings have `embed_dim` numbers. */
  Classifier(swiftclip_classifier *handle, std::size_t embed_dim) noexcept : Handle(handle), embed_dim_(embed_dim) {}

  std::size_t embed_dim() const noexcept { return embed_dim_; }
  std::size_t label_count() const noexcept { return swiftclip_classifier_label_count(get()); }

  void weights(View<float> out) const { check(swiftclip_classifier_weights(get(), out.data(), out.size())); }

  std::vector<float> weights() const {
    std::vector<float> out(label_count() * embed_dim_);
    weights(out);
    return out;
  }

  void probabilities(View<const float> embeddings, View<float> out) const {
    check(swiftclip_classifier_probabilities(get(), embeddings.data(), rows(embeddings), out.data(), out.size()));
  }

  std::vector<float> probabilities(View<const float> embeddings) const {
    std::vector<float> out(rows(embeddings) * label_count());
    probabilities(embeddings, out);
    return out;
  }

  void cosines(View<const float> embeddings, View<float> out) const {
    check(swiftclip_classifier_cosines(get(), embeddings.data(), rows(embeddings), out.data(), out.size()));
  }

  std::vector<float> cosines(View<const float> embeddings) const {
    std::vector<float> out(rows(embeddings) * label_count());
    cosines(embeddings, out);
    return out;
  }

 private:
  std::size_t rows(View<const float> embeddings) const {
    return detail::rows(embeddings.size(), embed_dim_, "embeddings");
  }

  std::size_t embed_dim_;
};

/* ---- Many pictures ----------------------------------------------------------- */

/* Pictures that have become embeddings; valid until the callable that got it returns. */
class Batch {
 public:
  Batch(const swiftclip_embedded_batch &batch, std::size_t embed_dim) noexcept : batch_(batch), dim_(embed_dim) {}

  std::size_t first() const noexcept { return batch_.first; }
  std::size_t count() const noexcept { return batch_.count; }
  std::size_t total() const noexcept { return batch_.total; }
  View<const float> embeddings() const noexcept { return {batch_.embeddings, batch_.count * dim_}; }
  View<const float> embedding(std::size_t index) const noexcept { return {batch_.embeddings + index * dim_, dim_}; }
  View<const swiftclip_status> statuses() const noexcept { return {batch_.statuses, batch_.count}; }
  View<const char *const> messages() const noexcept { return {batch_.messages, batch_.count}; }

 private:
  const swiftclip_embedded_batch &batch_;
  std::size_t dim_;
};

/* Called as callable(batch) with each Batch in turn; cancels as a Progress does. */
class Deliver : public detail::Callback<const Batch &> {
 public:
  using Callback::Callback;
};

/* ---- Models ----------------------------------------------------------------- */

/* A CLIP: an image encoder, a text encoder, or both, with the vocabulary. */
class Model : public detail::Handle<swiftclip_model, swiftclip_model_free> {
 public:
  /* Takes over a handle made by C. */
  explicit Model(swiftclip_model *handle) noexcept : Handle(handle) {}

  static Model open(const char *path, const swiftclip_model_options *options = nullptr) {
    swiftclip_model *handle = nullptr;
    check(swiftclip_model_open(path, options, &handle));
    return Model(handle);
  }
  static Model open(const std::string &path, const swiftclip_model_options *options = nullptr) {
    return open(path.c_str(), options);
  }

  static Model open_files(const char *visual, const char *textual, const swiftclip_model_options *options = nullptr) {
    swiftclip_model *handle = nullptr;
    check(swiftclip_model_open_files(visual, textual, options, &handle));
    return Model(handle);
  }

  /* An empty view stands for a part that is not there. */
  static Model open_memory(View<const std::uint8_t> visual, View<const std::uint8_t> textual,
                           View<const std::uint8_t> vocabulary, const swiftclip_model_options *options = nullptr) {
    swiftclip_model *handle = nullptr;
    check(swiftclip_model_open_memory(part(visual), visual.size(), part(textual), textual.size(), part(vocabulary),
                                      vocabulary.size(), options, &handle));
    return Model(handle);
  }

  std::size_t embed_dim() const noexcept { return swiftclip_model_embed_dim(get()); }
  std::size_t image_size() const noexcept { return swiftclip_model_image_size(get()); }
  std::size_t context_length() const noexcept { return swiftclip_model_context_length(get()); }
  std::size_t vocabulary_size() const noexcept { return swiftclip_model_vocabulary_size(get()); }
  float logit_scale() const noexcept { return swiftclip_model_logit_scale(get()); }
  std::size_t threads() const noexcept { return swiftclip_model_threads(get()); }

  /* What was recognised, as JSON. */
  std::string describe() const {
    return detail::json(4096, [this](char *json, std::size_t capacity, std::size_t *length) {
      return swiftclip_model_describe(get(), json, capacity, length);
    });
  }

  void preprocess(Pictures pictures, View<float> pixels) const {
    check(swiftclip_model_preprocess(get(), pictures.data(), pictures.size(), pixels.data(), pixels.size()));
  }

  std::vector<float> preprocess(Pictures pictures) const {
    std::vector<float> pixels(pictures.size() * picture_length());
    preprocess(pictures, pixels);
    return pixels;
  }

  /* flags: SWIFTCLIP_TEXT_... */
  void tokenize(const Texts &texts, View<std::int32_t> tokens, std::uint32_t flags = SWIFTCLIP_TEXT_DEFAULT) const {
    check(swiftclip_model_tokenize(get(), texts.data(), texts.size(), flags, tokens.data(), tokens.size()));
  }

  std::vector<std::int32_t> tokenize(const Texts &texts, std::uint32_t flags = SWIFTCLIP_TEXT_DEFAULT) const {
    std::vector<std::int32_t> tokens(texts.size() * context_length());
    tokenize(texts, tokens, flags);
    return tokens;
  }

  void encode_pixels(View<const float> pixels, View<float> embeddings) const {
    check(swiftclip_encode_pixels(get(), pixels.data(), pixel_rows(pixels), embeddings.data(), embeddings.size()));
  }

  std::vector<float> encode_pixels(View<const float> pixels) const {
    std::vector<float> embeddings(pixel_rows(pixels) * embed_dim());
    encode_pixels(pixels, embeddings);
    return embeddings;
  }

  void encode_pictures(Pictures pictures, View<float> embeddings, Progress progress = {}) const {
    progress.check(swiftclip_encode_pictures(get(), pictures.data(), pictures.size(), embeddings.data(),
                                             embeddings.size(), progress.function(), &progress));
  }

  std::vector<float> encode_pictures(Pictures pictures, Progress progress = {}) const {
    std::vector<float> embeddings(pictures.size() * embed_dim());
    encode_pictures(pictures, embeddings, progress);
    return embeddings;
  }

  /* Goes on after pictures that cannot be read. `embeddings` may be empty: each batch is then only delivered.
   * A call that delivers nothing needs embeddings. */
  void embed_pictures(Pictures pictures, View<float> embeddings, Deliver deliver = {}) const {
    struct Context {
      Deliver &deliver;
      std::size_t dim;
    } context = {deliver, embed_dim()};
    const swiftclip_batch_function function = [](void *target, const swiftclip_embedded_batch *batch) {
      const Context &to = *static_cast<Context *>(target);
      return to.deliver(Batch(*batch, to.dim));
    };
    deliver.check(swiftclip_embed_pictures(get(), pictures.data(), pictures.size(),
                                           embeddings.empty() ? nullptr : embeddings.data(), embeddings.size(),
                                           deliver ? function : nullptr, &context));
  }

  void encode_tokens(View<const std::int32_t> tokens, View<float> embeddings) const {
    check(swiftclip_encode_tokens(get(), tokens.data(), token_rows(tokens), embeddings.data(), embeddings.size()));
  }

  std::vector<float> encode_tokens(View<const std::int32_t> tokens) const {
    std::vector<float> embeddings(token_rows(tokens) * embed_dim());
    encode_tokens(tokens, embeddings);
    return embeddings;
  }

  void encode_texts(const Texts &texts, View<float> embeddings, std::uint32_t flags = SWIFTCLIP_TEXT_DEFAULT,
                    Progress progress = {}) const {
    progress.check(swiftclip_encode_texts(get(), texts.data(), texts.size(), flags, embeddings.data(),
                                          embeddings.size(), progress.function(), &progress));
  }

  std::vector<float> encode_texts(const Texts &texts, std::uint32_t flags = SWIFTCLIP_TEXT_DEFAULT,
                                  Progress progress = {}) const {
    std::vector<float> embeddings(texts.size() * embed_dim());
    encode_texts(texts, embeddings, flags, progress);
    return embeddings;
  }

  /* Without templates: the official default. */
  Classifier classifier(const Texts &labels, const Texts &templates = {}, Progress progress = {}) const {
    swiftclip_classifier *handle = nullptr;
    progress.check(swiftclip_classifier_create(get(), labels.data(), labels.size(), templates.data(),
                                               templates.size(), progress.function(), &progress, &handle));
    return Classifier(handle, embed_dim());
  }

 private:
  static const std::uint8_t *part(View<const std::uint8_t> bytes) { return bytes.empty() ? nullptr : bytes.data(); }

  std::size_t picture_length() const noexcept { return 3 * image_size() * image_size(); }
  std::size_t pixel_rows(View<const float> pixels) const {
    return detail::rows(pixels.size(), picture_length(), "pixels");
  }
  std::size_t token_rows(View<const std::int32_t> tokens) const {
    return detail::rows(tokens.size(), context_length(), "tokens");
  }
};

/* What a model's files hold, as JSON, without opening the model. */
inline std::string inspect(const char *path, const char *textual = nullptr) {
  return detail::json(65536, [=](char *json, std::size_t capacity, std::size_t *length) {
    return swiftclip_inspect(path, textual, json, capacity, length);
  });
}
inline std::string inspect(const std::string &path) { return inspect(path.c_str()); }

/* ---- Tokenizing without a model ------------------------------------------------- */

/* A byte-level BPE vocabulary. */
class Tokenizer : public detail::Handle<swiftclip_tokenizer, swiftclip_tokenizer_free> {
 public:
  /* Takes over a handle made by C with this context length. */
  Tokenizer(swiftclip_tokenizer *handle, std::size_t context_length) noexcept
      : Handle(handle), context_length_(context_length) {}

  static Tokenizer open(const char *path, std::size_t context_length = 77) {
    swiftclip_tokenizer *handle = nullptr;
    check(swiftclip_tokenizer_open(path, context_length, &handle));
    return Tokenizer(handle, context_length);
  }
  static Tokenizer open(const std::string &path, std::size_t context_length = 77) {
    return open(path.c_str(), context_length);
  }

  std::size_t context_length() const noexcept { return context_length_; }
  std::size_t vocabulary_size() const noexcept { return swiftclip_tokenizer_vocabulary_size(get()); }

  void encode(const Texts &texts, View<std::int32_t> tokens, std::uint32_t flags = SWIFTCLIP_TEXT_DEFAULT) const {
    check(swiftclip_tokenizer_encode(get(), texts.data(), texts.size(), flags, tokens.data(), tokens.size()));
  }

  std::vector<std::int32_t> encode(const Texts &texts, std::uint32_t flags = SWIFTCLIP_TEXT_DEFAULT) const {
    std::vector<std::int32_t> tokens(texts.size() * context_length_);
    encode(texts, tokens, flags);
    return tokens;
  }

 private:
  std::size_t context_length_;
};

/* A byte-level BPE vocabulary learned from captions and written to `path`; returns the token ids learned. */
inline std::size_t learn_merges(const Texts &captions, std::size_t vocabulary_size, const char *path,
                                std::uint32_t flags = SWIFTCLIP_TEXT_DEFAULT, Progress progress = {}) {
  std::size_t learned = 0;
  progress.check(swiftclip_learn_merges(captions.data(), captions.size(), flags, vocabulary_size, path,
                                        progress.function(), &progress, &learned));
  return learned;
}

/* ---- Data sets for training ------------------------------------------------------ */

struct DatasetOptions : swiftclip_dataset_options {
  DatasetOptions() : swiftclip_dataset_options() {
    check(swiftclip_dataset_options_init(this, sizeof(swiftclip_dataset_options)));
  }
};

/* Pairs of pictures and captions in batches. */
class Dataset : public detail::Handle<swiftclip_dataset, swiftclip_dataset_free> {
 public:
  explicit Dataset(swiftclip_dataset *handle) noexcept : Handle(handle) {}

  static Dataset open(View<const char *const> paths, const swiftclip_dataset_options &options) {
    swiftclip_dataset *handle = nullptr;
    check(swiftclip_dataset_open(paths.data(), paths.size(), &options, &handle));
    return Dataset(handle);
  }
  static Dataset open(const char *path, const swiftclip_dataset_options &options) {
    return open(View<const char *const>(&path, 1), options);
  }

  /* Pairs in the next batch, which is written to the views; 0 once behind an epoch. */
  std::size_t next(View<float> pixels, View<std::int32_t> tokens) {
    std::size_t count = 0;
    check(swiftclip_dataset_next(get(), pixels.data(), pixels.size(), tokens.data(), tokens.size(), &count));
    return count;
  }

  void seek(std::uint64_t batch) { check(swiftclip_dataset_seek(get(), batch)); }
  std::uint64_t position() const noexcept { return swiftclip_dataset_position(get()); }
  std::size_t batches() const noexcept { return swiftclip_dataset_batches(get()); }

  /* What became of the pairs so far, as JSON. */
  std::string report() const {
    return detail::json(4096, [this](char *json, std::size_t capacity, std::size_t *length) {
      return swiftclip_dataset_report(get(), json, capacity, length);
    });
  }
};

/* ---- Training ------------------------------------------------------------------- */

/* Sizes of a model, all 0 at first. */
struct Architecture : swiftclip_architecture {
  Architecture() : swiftclip_architecture() { struct_size = sizeof(swiftclip_architecture); }
};

struct TrainerOptions : swiftclip_trainer_options {
  TrainerOptions() : swiftclip_trainer_options() {
    check(swiftclip_trainer_options_init(this, sizeof(swiftclip_trainer_options)));
  }
};

/* A CLIP that learns. Not for several threads at once. */
class Trainer : public detail::Handle<swiftclip_trainer, swiftclip_trainer_free> {
 public:
  explicit Trainer(swiftclip_trainer *handle) noexcept : Handle(handle) {}

  static Trainer create(const swiftclip_architecture &architecture, const char *vocabulary = nullptr,
                        const swiftclip_trainer_options *options = nullptr) {
    swiftclip_trainer *handle = nullptr;
    check(swiftclip_trainer_create(&architecture, vocabulary, options, &handle));
    return Trainer(handle);
  }
  static Trainer open(const char *path, const swiftclip_trainer_options *options = nullptr,
                      const char *textual = nullptr, const char *vocabulary = nullptr) {
    swiftclip_trainer *handle = nullptr;
    check(swiftclip_trainer_open(path, textual, vocabulary, options, &handle));
    return Trainer(handle);
  }
  static Trainer resume(const char *path, const swiftclip_trainer_options *options = nullptr) {
    swiftclip_trainer *handle = nullptr;
    check(swiftclip_trainer_resume(path, options, &handle));
    return Trainer(handle);
  }

  std::size_t embed_dim() const noexcept { return swiftclip_trainer_embed_dim(get()); }
  std::size_t image_size() const noexcept { return swiftclip_trainer_image_size(get()); }
  std::size_t context_length() const noexcept { return swiftclip_trainer_context_length(get()); }
  std::size_t vocabulary_size() const noexcept { return swiftclip_trainer_vocabulary_size(get()); }
  std::uint64_t steps_done() const noexcept { return swiftclip_trainer_steps_done(get()); }
  double learning_rate() const noexcept { return swiftclip_trainer_learning_rate(get()); }
  double logit_scale() const noexcept { return swiftclip_trainer_logit_scale(get()); }

  /* One update by whole rows of pixels and as many of tokens; the loss before it. */
  double step(View<const float> pixels, View<const std::int32_t> tokens) {
    double loss = 0;
    const std::size_t count = pairs(pixels, tokens);
    check(swiftclip_trainer_step(get(), pixels.data(), tokens.data(), count, &loss));
    return loss;
  }
  double evaluate(View<const float> pixels, View<const std::int32_t> tokens) {
    double loss = 0;
    const std::size_t count = pairs(pixels, tokens);
    check(swiftclip_trainer_evaluate(get(), pixels.data(), tokens.data(), count, &loss));
    return loss;
  }

  /* A step in its parts, for batches that are spread over processes. */
  void encode(View<const float> pixels, View<const std::int32_t> tokens, View<float> images, View<float> texts) {
    if (images.size() != texts.size())
      throw Error(SWIFTCLIP_INVALID_ARGUMENT, "images and texts differ in length. Give room for as many rows.");
    const std::size_t count = pairs(pixels, tokens);
    check(swiftclip_trainer_encode(get(), pixels.data(), tokens.data(), count, images.data(), texts.data(),
                                   images.size()));
  }
  /* Of one tower alone, where the other's embeddings are known. */
  void encode_images(View<const float> pixels, View<float> images) {
    const std::size_t count = detail::rows(pixels.size(), 3 * image_size() * image_size(), "pixels");
    check(swiftclip_trainer_encode(get(), pixels.data(), nullptr, count, images.data(), nullptr, images.size()));
  }
  void encode_texts(View<const std::int32_t> tokens, View<float> texts) {
    const std::size_t count = detail::rows(tokens.size(), context_length(), "tokens");
    check(swiftclip_trainer_encode(get(), nullptr, tokens.data(), count, nullptr, texts.data(), texts.size()));
  }
  double backward(View<const float> images, View<const float> texts, std::size_t first = 0) {
    double loss = 0;
    const std::size_t total = detail::rows(images.size(), embed_dim(), "images");
    if (images.size() != texts.size())
      throw Error(SWIFTCLIP_INVALID_ARGUMENT, "images and texts differ in length. Give the embeddings of all pairs.");
    check(swiftclip_trainer_backward(get(), images.data(), texts.data(), total, first, &loss));
    return loss;
  }
  /* With a loss of the caller's own; an empty view stands for NULL. */
  void backpropagate(View<const float> image_gradients, View<const float> text_gradients) {
    const View<const float> &given = image_gradients.empty() ? text_gradients : image_gradients;
    if (!image_gradients.empty() && !text_gradients.empty() && image_gradients.size() != text_gradients.size())
      throw Error(SWIFTCLIP_INVALID_ARGUMENT, "The gradients differ in length. Give those of as many pictures as texts.");
    const std::size_t count = detail::rows(given.size(), embed_dim(), "gradients");
    check(swiftclip_trainer_backpropagate(get(), image_gradients.empty() ? nullptr : image_gradients.data(),
                                          text_gradients.empty() ? nullptr : text_gradients.data(), count));
  }
  View<float> gradients() {
    float *data = nullptr;
    std::size_t count = 0;
    check(swiftclip_trainer_gradients(get(), &data, &count));
    return {data, count};
  }
  void update() { check(swiftclip_trainer_update(get())); }

  std::size_t tensor_count() const noexcept { return swiftclip_trainer_tensor_count(get()); }
  swiftclip_tensor tensor(std::size_t index) {
    swiftclip_tensor tensor = {};
    check(swiftclip_trainer_tensor(get(), index, &tensor));
    return tensor;
  }

  void save(const char *path) { check(swiftclip_trainer_save(get(), path)); }
  void write(const char *directory, std::int32_t weights = SWIFTCLIP_WEIGHTS_FLOAT16) {
    check(swiftclip_trainer_export(get(), directory, weights));
  }

 private:
  std::size_t pairs(View<const float> pixels, View<const std::int32_t> tokens) const {
    const std::size_t count = detail::rows(pixels.size(), 3 * image_size() * image_size(), "pixels");
    if (detail::rows(tokens.size(), context_length(), "tokens") != count)
      throw Error(SWIFTCLIP_INVALID_ARGUMENT, "pixels and tokens differ in their number of rows. Give pairs.");
    return count;
  }
};

}  // namespace swiftclip

#endif /* SWIFTCLIP_HPP */
