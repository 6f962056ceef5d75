// Says which of some labels fits a picture: a program to start from. CMakeLists.txt beside it builds it against an
// installed swiftclip.
//
//   cmake -S . -B build && cmake --build build
//   build/classify PICTURE LABEL LABEL...

#include <cstdio>

#include <swiftclip.hpp>

int main(int argc, char **argv) {
  if (argc < 4) return std::fprintf(stderr, "usage: classify PICTURE LABEL LABEL...\n"), 2;
  try {
    const std::vector<std::string> labels(argv + 2, argv + argc);
    const swiftclip::Model model = swiftclip::Model::open(SWIFTCLIP_DEFAULT_MODEL);
    const swiftclip::Classifier classifier = model.classifier(labels);

    const swiftclip_picture picture = swiftclip::file(argv[1]);
    const std::vector<float> embedding = model.encode_pictures(swiftclip::one(picture));
    const std::vector<float> probabilities = classifier.probabilities(embedding);
    for (std::size_t i = 0; i < labels.size(); i++)
      std::printf("%5.1f %%  %s\n", 100.0 * static_cast<double>(probabilities[i]), labels[i].c_str());
  } catch (const swiftclip::Error &error) {
    return std::fprintf(stderr, "classify: %s\n", error.what()), 1;
  }
}
