// swiftclip.hpp: every function of the library by its C++ name, with the answers of the C function; what is thrown,
// what a moved handle does, and that callbacks may throw.
//
//   hpp MODEL PICTURES

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <type_traits>

#include <swiftclip.hpp>

#include "check.h"

#if __cplusplus >= 202002L
#include <span>
#endif

namespace {

using swiftclip::Batch;
using swiftclip::Classifier;
using swiftclip::Error;
using swiftclip::Model;
using swiftclip::ModelOptions;
using swiftclip::PreprocessOptions;
using swiftclip::Tokenizer;
using swiftclip::View;

static_assert(std::is_nothrow_move_constructible_v<Model> && std::is_nothrow_move_assignable_v<Model> &&
                  !std::is_copy_constructible_v<Model> && !std::is_copy_assignable_v<Model>,
              "handles move and are not copied");
static_assert(std::is_nothrow_move_constructible_v<Classifier> && !std::is_copy_constructible_v<Classifier>, "");
static_assert(std::is_nothrow_move_constructible_v<Tokenizer> && !std::is_copy_constructible_v<Tokenizer>, "");
static_assert(!std::is_convertible_v<std::vector<double> &, View<float>>, "a view is of the very type");
static_assert(!std::is_convertible_v<const std::vector<float> &, View<float>>, "outputs can be written to");
static_assert(std::is_convertible_v<std::vector<float>, View<const float>>, "temporaries can be read");
static_assert(!std::is_convertible_v<std::vector<std::array<float, 2>> &, View<const float>>, "no arrays of others");

std::string folder, model_path;

// That a call throws Error with a status and a sentence.
template <typename Call>
void throws(swiftclip_status status, const char *word, Call call, int line) {
  try {
    call();
    std::printf("line %d: nothing was thrown\n", line);
    check_failed++;
  } catch (const Error &error) {
    const bool right = error.status() == status && std::string(error.what()).find(word) != std::string::npos;
    if (!right) std::printf("line %d: %s: %s\n", line, swiftclip::status_name(error.status()), error.what());
    (right ? check_passed : check_failed)++;
  }
}
#define THROWS(status, word, ...) throws(status, word, [&] { __VA_ARGS__; }, __LINE__)

std::vector<std::uint8_t> bytes(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool close(View<const float> a, View<const float> b) {
  if (a.size() != b.size() || a.empty()) return false;
  for (std::size_t i = 0; i < a.size(); i++)
    if (!(a[i] - b[i] < 1e-5f && b[i] - a[i] < 1e-5f)) return false;
  return true;
}

void version_and_errors() {
  CHECK(swiftclip::version() == SWIFTCLIP_VERSION_NUMBER);
  CHECK(std::string(swiftclip::status_name(SWIFTCLIP_IO_ERROR)) == "IO_ERROR");
  THROWS(SWIFTCLIP_IO_ERROR, "no/such/model", Model::open("no/such/model"));
  CHECK(std::string(swiftclip::last_error()).find("no/such/model") != std::string::npos);
}

void views() {
  float plain[3] = {1, 2, 3};
  std::vector<float> vector(plain, plain + 3);
  const std::array<float, 3> array = {1, 2, 3};
  CHECK(View<float>(plain).data() == plain && View<float>(plain).size() == 3);
  CHECK(View<float>(vector).data() == vector.data() && View<const float>(vector).end() == vector.data() + 3);
  CHECK(View<const float>(array)[2] == 3 && View<const float>(View<float>(vector)).data() == vector.data());
  CHECK(View<float>().empty() && View<float>().data() == nullptr);
#if __cplusplus >= 202002L
  CHECK(View<float>(std::span<float>(vector)).data() == vector.data());
  CHECK(std::span<const float>(View<const float>(vector)).data() == vector.data());
#endif
  const std::vector<std::string> strings = {"a bee", std::string("nul\0inside", 10)};
  const swiftclip::Texts texts(strings);
  CHECK(texts.size() == 2 && texts.data()[1].data == strings[1].data() && texts.data()[1].length == 10);
  const std::vector<swiftclip_text> ready = {{"a pear", 6}};
  CHECK(swiftclip::Texts(ready).data() == ready.data() && swiftclip::Texts("a pear").data()[0].length == 6);
  swiftclip::Texts moved = swiftclip::Texts({"a", "bc"});
  CHECK(moved.size() == 2 && moved.data()[1].length == 2);
}

void models(const Model &model) {
  const auto visual = bytes(model_path + "/visual.onnx"), textual = bytes(model_path + "/textual.onnx"),
             merges = bytes(model_path + "/merges.txt");
  const Model files = Model::open_files((model_path + "/visual.onnx").c_str(), nullptr);
  const Model memory = Model::open_memory(visual, textual, merges);
  const Model text_only = Model::open_memory({}, textual, {});
  CHECK(files.embed_dim() == 256 && files.context_length() == 0);
  CHECK(memory.vocabulary_size() == model.vocabulary_size() && memory.logit_scale() == model.logit_scale());
  CHECK(text_only.image_size() == 0 && text_only.context_length() == 32);
  CHECK(memory.encode_texts("a bee") == model.encode_texts("a bee"));

  PreprocessOptions preprocess;
  preprocess.alpha = SWIFTCLIP_ALPHA_COMPOSITE;
  ModelOptions options;
  options.threads = 1;
  options.preprocess = &preprocess;
  CHECK(Model::open(model_path, &options).threads() == 1);
  CHECK(model.describe().find("\"embed_dim\"") != std::string::npos);
  const std::string told = swiftclip::inspect(model_path);
  CHECK(told.front() == '{' && told.back() == '}' && told.find("VisionTransformer") != std::string::npos);
  CHECK(swiftclip::inspect((model_path + "/visual.onnx").c_str(), (model_path + "/textual.onnx").c_str()).find(
            "TextTransformer") != std::string::npos);
  THROWS(SWIFTCLIP_IO_ERROR, "no/such", swiftclip::inspect("no/such"));

  THROWS(SWIFTCLIP_MISSING_PART, "", files.encode_texts("a bee"));
  THROWS(SWIFTCLIP_MISSING_PART, "", files.encode_tokens(std::vector<std::int32_t>(32)));
  THROWS(SWIFTCLIP_MISSING_PART, "", text_only.encode_pixels(std::vector<float>(12)));
  THROWS(SWIFTCLIP_MISSING_PART, "", text_only.encode_pictures(swiftclip::one(swiftclip::file("x.png"))));
  THROWS(SWIFTCLIP_MISSING_PART, "", text_only.preprocess(swiftclip::one(swiftclip::file("x.png"))));
}

// A detail of the JSON helper that no model reaches: answers that are longer than the first buffer.
void long_answers() {
  const std::string answer(9000, 'x');
  int calls = 0;
  const std::string got = swiftclip::detail::json(4096, [&](char *json, std::size_t capacity, std::size_t *length) {
    calls++;
    *length = answer.size();
    if (capacity <= answer.size()) return SWIFTCLIP_BUFFER_TOO_SMALL;
    std::memcpy(json, answer.c_str(), answer.size() + 1);
    return SWIFTCLIP_OK;
  });
  CHECK(got == answer && calls == 2);
}

void pictures(const Model &model) {
  const std::string penguin = folder + "/penguin.png", pear = folder + "/pear.png";
  const auto pear_bytes = bytes(pear);
  const std::vector<std::uint8_t> grey(30 * 20 * 3, 128);
  const std::vector<swiftclip_picture> pictures = {swiftclip::file(penguin),
                                                   swiftclip::encoded(pear_bytes.data(), pear_bytes.size()),
                                                   swiftclip::raw(grey, SWIFTCLIP_FORMAT_RGB, 30, 20, 90)};
  const std::size_t dim = model.embed_dim();
  const std::vector<float> pixels = model.preprocess(pictures);
  CHECK(pixels.size() == 3 * 3 * 64 * 64);
  PreprocessOptions options;
  options.image_size = 64;
  CHECK(swiftclip::preprocess(pictures, &options) == pixels);
  CHECK(swiftclip::preprocess(swiftclip::one(pictures[0])).size() == 3 * 224 * 224);
  options.image_size = -1;
  THROWS(SWIFTCLIP_INVALID_ARGUMENT, "image_size", swiftclip::preprocess(pictures, &options));

  std::size_t told = 0;
  const std::vector<float> embeddings =
      model.encode_pictures(pictures, [&](std::size_t done, std::size_t total) { told += done == total; });
  CHECK(told == 1 && embeddings == model.encode_pixels(pixels));
  std::vector<float> larger(4 * dim, 7.0f);
  model.encode_pictures(pictures, larger);
  CHECK(larger[0] == embeddings[0] && larger[3 * dim - 1] == embeddings[3 * dim - 1] && larger[3 * dim] == 7.0f);
  THROWS(SWIFTCLIP_BUFFER_TOO_SMALL, "", model.encode_pictures(pictures, View<float>(larger.data(), dim)));
  THROWS(SWIFTCLIP_INVALID_ARGUMENT, "no multiple", model.encode_pixels(View<const float>(pixels.data(), 100)));
  THROWS(SWIFTCLIP_CANCELLED, "", model.encode_pictures(pictures, [](std::size_t, std::size_t) { return true; }));
  THROWS(SWIFTCLIP_IO_ERROR, "missing", model.encode_pictures(swiftclip::one(swiftclip::file("missing.png"))));
  CHECK(model.encode_pictures({}).empty());

  std::vector<swiftclip_picture> some = pictures;
  some.push_back(swiftclip::file("missing.png"));
  std::vector<float> rows(4 * dim);
  std::size_t seen = 0, failed = 0;
  model.embed_pictures(some, rows, [&](const Batch &batch) {
    CHECK(batch.total() == 4 && batch.first() == seen && batch.embeddings().size() == batch.count() * dim);
    for (std::size_t i = 0; i < batch.count(); i++) {
      failed += batch.statuses()[i] == SWIFTCLIP_IO_ERROR &&
                std::string(batch.messages()[i]).find("missing.png") != std::string::npos;
      CHECK(batch.embedding(i).data() == batch.embeddings().data() + i * dim);
    }
    seen += batch.count();
  });
  CHECK(seen == 4 && failed == 1 && std::equal(embeddings.begin(), embeddings.end(), rows.begin()));
  CHECK(rows[3 * dim] != rows[3 * dim]);  // NaN
  std::size_t delivered = 0;
  model.embed_pictures(some, {}, [&](const Batch &batch) { delivered += batch.count(); });
  CHECK(delivered == 4);
  THROWS(SWIFTCLIP_CANCELLED, "", model.embed_pictures(some, rows, [](const Batch &) { return 1; }));
  THROWS(SWIFTCLIP_INVALID_ARGUMENT, "", model.embed_pictures(some, {}));
}

void texts(const Model &model) {
  const std::vector<std::string> captions = {"a penguin", "a pear"};
  const auto tokens = model.tokenize(captions);
  CHECK(tokens.size() == 2 * 32);
  const Tokenizer tokenizer = Tokenizer::open(model_path + "/merges.txt", 32);
  CHECK(tokenizer.encode(captions) == tokens && tokenizer.vocabulary_size() == model.vocabulary_size());
  CHECK(tokenizer.context_length() == 32);
  const auto embeddings = model.encode_texts(captions, SWIFTCLIP_TEXT_DEFAULT, [](std::size_t, std::size_t) {});
  CHECK(embeddings == model.encode_tokens(tokens) && embeddings == model.encode_texts({"a penguin", "a pear"}));
  std::string all;
  for (int i = 0; i < 100; i++) all += "a bee ";
  THROWS(SWIFTCLIP_TEXT_TOO_LONG, "", model.tokenize(all));
  CHECK(model.encode_texts(all, SWIFTCLIP_TEXT_TRUNCATE).size() == model.embed_dim());
  THROWS(SWIFTCLIP_INVALID_DATA, "", tokenizer.encode("\xff"));
  CHECK(tokenizer.encode("\xff", SWIFTCLIP_TEXT_REPLACE_INVALID).size() == 32);
  THROWS(SWIFTCLIP_INVALID_ARGUMENT, "no multiple", model.encode_tokens(View<const std::int32_t>(tokens.data(), 33)));
}

void classifiers(const Model &model) {
  const std::vector<std::string> labels = {"a penguin", "a pear", "a house"};
  std::size_t prompts = 0;
  const Classifier classifier = model.classifier(labels, {"a drawing of {}", "{}"},
                                                 [&](std::size_t done, std::size_t) { prompts = done; });
  CHECK(classifier.label_count() == 3 && prompts == 6 && classifier.embed_dim() == model.embed_dim());
  const std::string pear = folder + "/pear.png";
  const auto embedding = model.encode_pictures(swiftclip::one(swiftclip::file(pear)));
  const auto probabilities = classifier.probabilities(embedding), cosines = classifier.cosines(embedding);
  CHECK(probabilities.size() == 3 && probabilities[1] > 0.9f);
  CHECK(close(cosines, swiftclip::similarity(embedding, classifier.weights(), model.embed_dim())));
  CHECK(model.classifier(labels).weights() == model.classifier(labels, {"a photo of a {}."}).weights());
  std::vector<float> longer(4, 7.0f);
  classifier.probabilities(embedding, longer);
  classifier.cosines(embedding, longer);
  CHECK(longer[0] == cosines[0] && longer[3] == 7.0f);
  THROWS(SWIFTCLIP_INVALID_ARGUMENT, "{}", model.classifier(labels, "no place"));
  THROWS(SWIFTCLIP_INVALID_ARGUMENT, "whole rows", classifier.cosines(View<const float>(embedding.data(), 200)));
  THROWS(SWIFTCLIP_INVALID_ARGUMENT, "whole rows", swiftclip::similarity(embedding, embedding, 255));
  THROWS(SWIFTCLIP_BUFFER_TOO_SMALL, "", classifier.weights(View<float>(longer)));
}

void handles() {
  Model model = Model::open(model_path);
  Classifier classifier = model.classifier("a bee");
  Model other = std::move(model);
  CHECK(other.embed_dim() == 256 && other.get() != nullptr);
  CHECK(model.get() == nullptr && model.embed_dim() == 0 && model.threads() == 0);  // NOLINT: moved from on purpose
  THROWS(SWIFTCLIP_INVALID_ARGUMENT, "", model.encode_texts("a bee"));
  THROWS(SWIFTCLIP_INVALID_ARGUMENT, "", model.encode_pixels(std::vector<float>(5)));
  other = Model::open(model_path);  // frees the first
  CHECK(classifier.weights().size() == 256);
  swiftclip_model *raw = nullptr;
  CHECK_STATUS(SWIFTCLIP_OK, swiftclip_model_open(model_path.c_str(), nullptr, &raw));
  CHECK(Model(raw).get() == raw);  // owns it now, and has freed it
  CHECK(swiftclip_model_embed_dim(raw) == 0);
}

void exceptions(const Model &model) {
  const std::string penguin = folder + "/penguin.png";
  const swiftclip_picture picture = swiftclip::file(penguin);
  struct Own {};
  int caught = 0;
  const auto throwing = [](std::size_t, std::size_t) { throw Own(); };
  try {
    model.encode_pictures(swiftclip::one(picture), throwing);
  } catch (const Own &) {
    caught++;
  }
  try {
    model.encode_texts("a bee", SWIFTCLIP_TEXT_DEFAULT, throwing);
  } catch (const Own &) {
    caught++;
  }
  try {
    model.classifier("a bee", {}, throwing);
  } catch (const Own &) {
    caught++;
  }
  try {
    model.embed_pictures(swiftclip::one(picture), {}, [](const Batch &) { throw Own(); });
  } catch (const Own &) {
    caught++;
  }
  CHECK(caught == 4);
  CHECK(model.encode_pictures(swiftclip::one(picture)).size() == 256);
}

void training(const Model &model) {
  using swiftclip::Trainer;
  const std::string base = std::string(std::getenv("TMPDIR") ? std::getenv("TMPDIR") : "/tmp") + "/swiftclip-hpp-" +
                           std::to_string(getpid());
  const std::string merges = base + ".txt", table = base + ".tsv", checkpoint = base + ".bin", exported = base + ".out";
  CHECK(swiftclip::learn_merges({"a penguin", "a pear", "a pear and a penguin"}, 520, merges.c_str()) > 512);

  char *const absolute = realpath(folder.c_str(), nullptr);
  const std::string pictures = absolute ? absolute : "";
  std::free(absolute);
  std::ofstream(table) << pictures << "/penguin.png\ta penguin\n" << pictures << "/pear.png\ta pear\n";
  swiftclip::DatasetOptions reading;
  reading.model = model.get();
  reading.batch_size = 2;
  reading.allow_outside = 1;
  swiftclip::Dataset data = swiftclip::Dataset::open(table.c_str(), reading);
  std::vector<float> pixels(2 * 3 * 64 * 64);
  std::vector<std::int32_t> tokens(2 * model.context_length());
  CHECK(data.batches() == 1 && data.next(pixels, tokens) == 2 && data.position() == 1);
  data.seek(0);
  CHECK(data.position() == 0 && data.report().find("\"pairs\"") != std::string::npos);

  swiftclip::TrainerOptions options;
  options.threads = 1;
  Trainer trainer = Trainer::open(model_path.c_str(), &options);
  CHECK(trainer.embed_dim() == 256 && trainer.image_size() == 64 && trainer.vocabulary_size() == 4096);
  CHECK(trainer.context_length() == model.context_length() && trainer.tensor_count() > 100);
  CHECK(trainer.learning_rate() == 5e-4 && trainer.logit_scale() > 1);
  const double evaluated = trainer.evaluate(pixels, tokens);
  std::vector<float> images(512), texts(512);
  trainer.encode(pixels, tokens, images, texts);
  CHECK(trainer.backward(images, texts) == evaluated);
  std::vector<float> alone(512);
  trainer.encode_images(pixels, alone);
  trainer.backpropagate(images, {});
  trainer.encode_texts(tokens, alone);
  CHECK(alone == texts);
  THROWS(SWIFTCLIP_INVALID_ARGUMENT, "Pass NULL", trainer.backpropagate(images, {}));
  trainer.backpropagate({}, texts);
  trainer.encode(pixels, tokens, images, texts);
  trainer.backward(images, texts);
  CHECK(trainer.gradients().size() > 1000000 && trainer.tensor(0).gradient == trainer.gradients().data());
  trainer.update();
  CHECK(trainer.steps_done() == 1 && trainer.step(pixels, tokens) != evaluated);
  trainer.save(checkpoint.c_str());
  CHECK(Trainer::resume(checkpoint.c_str()).step(pixels, tokens) == trainer.step(pixels, tokens));
  trainer.write(exported.c_str());
  CHECK(Model::open(exported).embed_dim() == 256);
  swiftclip::Architecture nothing;
  try {
    Trainer::create(nothing);
    CHECK(!"an architecture of zeros");
  } catch (const Error &error) {
    CHECK(error.status() == SWIFTCLIP_INVALID_ARGUMENT);
  }
  for (const char *name : {"visual.onnx", "textual.onnx", "merges.txt"}) std::remove((exported + "/" + name).c_str());
  for (const std::string &name : {merges, table, checkpoint, exported}) std::remove(name.c_str());
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  model_path = argv[1];
  folder = argv[2];
  try {
    version_and_errors();
    views();
    long_answers();
    const Model model = Model::open(model_path);
    models(model);
    pictures(model);
    texts(model);
    classifiers(model);
    handles();
    exceptions(model);
    training(model);
  } catch (const std::exception &error) {
    std::printf("%s\n", error.what());
    CHECK(!"an exception");
  }
  return check_result("hpp");
}
