// The header from C++: handles in unique_ptr, errors as exceptions, a lambda as the progress callback.
//
//   plusplus MODEL PICTURES

#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include <swiftclip.h>

#include "check.h"

namespace {

struct Free {
  void operator()(swiftclip_model *model) const { swiftclip_model_free(model); }
  void operator()(swiftclip_classifier *classifier) const { swiftclip_classifier_free(classifier); }
};

using Model = std::unique_ptr<swiftclip_model, Free>;
using Classifier = std::unique_ptr<swiftclip_classifier, Free>;

void require(swiftclip_status status) {
  if (status != SWIFTCLIP_OK) throw std::runtime_error(swiftclip_last_error());
}

swiftclip_text text(const std::string &string) { return {string.data(), string.size()}; }

Model open(const std::string &path) {
  swiftclip_model *model = nullptr;
  require(swiftclip_model_open(path.c_str(), nullptr, &model));
  return Model(model);
}

Classifier classifier(const Model &model, const std::vector<std::string> &labels, const std::string &prompt) {
  std::vector<swiftclip_text> texts;
  for (const auto &label : labels) texts.push_back(text(label));
  const swiftclip_text template_ = text(prompt);
  swiftclip_classifier *made = nullptr;
  std::size_t prompts = 0;
  require(swiftclip_classifier_create(
      model.get(), texts.data(), texts.size(), &template_, 1,
      [](void *context, std::size_t done, std::size_t) { return *static_cast<std::size_t *>(context) = done, 0; },
      &prompts, &made));
  CHECK(prompts == labels.size());
  return Classifier(made);
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  static_assert(std::is_standard_layout<swiftclip_picture>::value && std::is_trivial<swiftclip_picture>::value,
                "a struct of C");
  static_assert(!std::is_convertible<swiftclip_model *, swiftclip_classifier *>::value, "handles are distinct");
  try {
    const Model model = open(argv[1]);
    const std::vector<std::string> labels = {"a penguin", "a pear", "a house"};
    const Classifier labelled = classifier(model, labels, "a drawing of {}");
    const std::string path = std::string(argv[2]) + "/pear.png";
    swiftclip_picture picture = {};
    picture.path = path.c_str();
    std::vector<float> embedding(swiftclip_model_embed_dim(model.get())), probabilities(labels.size());
    require(swiftclip_encode_pictures(model.get(), &picture, 1, embedding.data(), embedding.size(), nullptr, nullptr));
    require(swiftclip_classifier_probabilities(labelled.get(), embedding.data(), 1, probabilities.data(),
                                               probabilities.size()));
    CHECK(probabilities[1] > 0.9f);
  } catch (const std::exception &error) {
    std::printf("%s\n", error.what());
    CHECK(!"an exception");
  }
  try {
    open("no/such/model");
    CHECK(!"opened");
  } catch (const std::runtime_error &error) {
    CHECK(std::string(error.what()).find("no/such/model") != std::string::npos);
  }
  return check_result("plusplus");
}
