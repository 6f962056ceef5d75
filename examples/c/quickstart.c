#include <stdio.h>
#include <swiftclip.h>

int main(int argc, char **argv) {
  swiftclip_model *model = NULL;
  swiftclip_classifier *classifier = NULL;
  swiftclip_text labels[] = {{"a penguin", 9}, {"a pear", 6}, {"a house", 7}};
  swiftclip_text templates[] = {{"a drawing of {}", 15}};
  swiftclip_picture picture = {.path = argc > 1 ? argv[1] : "examples/pictures/penguin.png"};
  float embedding[256], probabilities[3];
  if (swiftclip_model_open("models/pocket", NULL, &model) ||
      swiftclip_classifier_create(model, labels, 3, templates, 1, NULL, NULL, &classifier) ||
      swiftclip_encode_pictures(model, &picture, 1, embedding, 256, NULL, NULL) ||
      swiftclip_classifier_probabilities(classifier, embedding, 1, probabilities, 3))
    return fprintf(stderr, "%s\n", swiftclip_last_error()), 1;
  for (int i = 0; i < 3; i++)
    printf("%5.1f %%  %s\n", 100 * probabilities[i], labels[i].data);
  swiftclip_classifier_free(classifier);
  swiftclip_model_free(model);
}
