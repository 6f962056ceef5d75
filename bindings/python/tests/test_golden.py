"""The default model against PyTorch's answers."""

import numpy as np
from conftest import relative_errors

import swiftclip


def test_what_the_model_is(model):
    assert model.embed_dim == 256
    assert model.image_size == 64
    assert model.context_length == 32
    assert model.vocabulary_size == 4096
    assert abs(model.logit_scale - 23.07320213317871) < 1e-5
    assert isinstance(model.logit_scale, float)


def test_describe_names_what_was_recognised(model):
    described = model.describe()
    assert set(described) == {
        "instructions", "backend", "threads", "embed_dim", "logit_scale", "image", "text", "vocabulary",
        "precision", "weight_storage",
    }
    assert described["embed_dim"] == 256
    assert described["threads"] == model.threads
    assert isinstance(described["image"], dict) and isinstance(described["text"], dict)
    # The matrices of this model are float16 numbers; its biases, gains and positions stay float32.
    assert described["precision"] == "float32"
    assert described["weight_storage"] == {"float16": 4083712, "float32": 39424, "bfloat16": 0, "int8": 0}


def test_image_embeddings(model, golden, paths):
    embeddings = model.encode_image(paths)
    assert embeddings.dtype == np.float32 and embeddings.shape == (29, 256)
    assert relative_errors(embeddings, golden["image_embeddings"]).max() < 1e-5


def test_tokens(model, golden):
    for template, expected in zip(golden["templates"], golden["tokens"]):
        prompts = [template.format(label) for label in golden["labels"]]
        tokens = model.tokenize(prompts)
        assert tokens.dtype == np.int32 and tokens.shape == (31, 32)
        assert (tokens == expected).all()


def test_text_embeddings_make_the_golden_classifier(model, golden):
    total = 0
    for template in golden["templates"]:
        embeddings = model.encode_text([template.format(label) for label in golden["labels"]]).astype(np.float64)
        total = total + embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    weights = total / np.linalg.norm(total, axis=1, keepdims=True)
    assert relative_errors(weights, golden["classifier"]).max() < 1e-5


def test_classifier(model, golden):
    classifier = model.classifier(golden["labels"], golden["templates"])
    assert len(classifier) == 31 and classifier.labels == tuple(golden["labels"])
    assert relative_errors(classifier.weights, golden["classifier"]).max() < 1e-5
    probabilities = classifier.probabilities(golden["image_embeddings"])
    assert np.abs(probabilities - golden["probabilities"]).max() < 1e-5
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_classify_gives_the_golden_labels(model, golden, paths):
    probabilities = model.classify(paths, golden["labels"], golden["templates"])
    assert probabilities.dtype == np.float32 and probabilities.shape == (29, 31)
    assert (probabilities.argmax(axis=1) == golden["probabilities"].argmax(axis=1)).all()
    assert np.abs(probabilities - golden["probabilities"]).max() < 1e-4


def test_cosines_are_those_of_numpy(model, golden):
    classifier = model.classifier(golden["labels"], golden["templates"])
    images = golden["image_embeddings"].astype(np.float64)
    images /= np.linalg.norm(images, axis=1, keepdims=True)
    expected = images @ golden["classifier"].astype(np.float64).T
    assert np.abs(classifier.cosines(golden["image_embeddings"]) - expected).max() < 1e-6
    similarity = swiftclip.similarity(golden["image_embeddings"], golden["classifier"])
    assert similarity.shape == (29, 31)
    assert np.abs(similarity - expected).max() < 1e-6


def test_probabilities_are_the_softmax_of_scaled_cosines(model, golden):
    classifier = model.classifier(golden["labels"], golden["templates"])
    logits = model.logit_scale * classifier.cosines(golden["image_embeddings"]).astype(np.float64)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = exponentials / exponentials.sum(axis=1, keepdims=True)
    assert np.abs(classifier.probabilities(golden["image_embeddings"]) - expected).max() < 1e-5


def test_default_template_is_the_official_one(model, penguin):
    labels = ["penguin", "pear"]
    default = model.classify(penguin, labels)
    assert (default == model.classify(penguin, labels, ["a photo of a {}."])).all()
    assert (default == model.classify(penguin, labels, ())).all()
    assert (default != model.classify(penguin, labels, ["{}"])).any()


def test_eighty_templates(model, penguin):
    templates = [f"picture {number} of a {{}}." for number in range(80)]
    assert model.classify(penguin, ["penguin", "pear"], templates).shape == (1, 2)
