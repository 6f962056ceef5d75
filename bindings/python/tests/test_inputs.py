"""What may be handed in, and the shapes that come out."""

import pathlib

import numpy as np
import pytest
from conftest import PICTURES, POCKET

import swiftclip


def test_one_picture_or_many(model, penguin):
    data = pathlib.Path(penguin).read_bytes()
    one = model.encode_image(penguin)
    assert one.shape == (1, 256) and one.dtype == np.float32
    for given in (
        pathlib.Path(penguin),
        data,
        bytearray(data),
        memoryview(data),
        [penguin],
        (penguin,),
        iter([penguin]),
    ):
        assert (model.encode_image(given) == one).all()
    assert model.encode_image([]).shape == (0, 256)
    assert (model.encode_image([penguin, data]) == one).all()


def test_pixels(model, penguin):
    pixels = model.preprocess(penguin)
    one = model.encode_image(penguin)
    for given in (pixels, pixels[None], [pixels], pixels.astype(np.float64), np.asfortranarray(pixels)):
        assert (model.encode_image(given) == one).all()
    assert model.encode_image(np.zeros((0, 3, 64, 64), np.float32)).shape == (0, 256)
    assert model.encode_image(np.stack([pixels] * 300)).shape == (300, 256)


def test_pillow_and_arrays(model, penguin):
    Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    image = Image.open(penguin)
    one = model.encode_image(penguin)
    assert (model.encode_image(image) == one).all()
    assert (model.encode_image(np.asarray(image)) == one).all()
    assert (model.encode_image(np.stack([np.asarray(image)] * 2)) == one).all()
    many = model.encode_image([image] * 70 + [penguin] * 70)
    assert many.shape == (140, 256) and (many == one).all()


def test_one_text_or_many(model):
    one = model.encode_text("a pear")
    assert one.shape == (1, 256) and one.dtype == np.float32
    for given in (["a pear"], ("a pear",), b"a pear", [b"a pear"], iter(["a pear"]), np.array(["a pear"])):
        assert (model.encode_text(given) == one).all()
    assert model.encode_text([]).shape == (0, 256)
    assert model.tokenize("a pear").shape == (1, 32)
    assert model.tokenize([]).shape == (0, 32)


def test_tokens_of_every_integer_type(model):
    tokens = model.tokenize(["a pear", "a bee"])
    expected = model.encode_text(["a pear", "a bee"])
    for given in (
        tokens,
        tokens.astype(np.int64),
        tokens.astype(np.uint16),
        tokens.tolist(),
        np.asfortranarray(tokens),
    ):
        assert (model.encode_text(given) == expected).all()
    assert (model.encode_text(tokens[0]) == expected[:1]).all()


def test_truncation(model):
    long = "a pear " * 40
    tokens = model.tokenize(long, truncate=True)
    assert tokens[0, 0] == 4094 and tokens[0, -1] == 4095 and (tokens[0] != 0).all()
    assert (model.encode_text(long, truncate=True) == model.encode_text(tokens)).all()


def test_special_texts(model):
    assert model.tokenize("")[0, :3].tolist() == [4094, 4095, 0]
    assert (model.tokenize("a\0pear") != model.tokenize("a")).any()
    assert (model.tokenize("A  Pear \n") == model.tokenize("a pear")).all()
    assert (model.tokenize("&amp;amp;") == model.tokenize("&")).all()
    assert (model.tokenize("\ud800", errors="replace") == model.tokenize("\ufffd" * 3)).all()
    assert (model.tokenize(b"\xff", errors="replace") == model.tokenize("\ufffd")).all()


def test_the_same_tokens_without_a_model(model, golden):
    with swiftclip.Tokenizer(POCKET / "merges.txt", context_length=32) as tokenizer:
        assert tokenizer.vocabulary_size == 4096 and tokenizer.context_length == 32
        assert (tokenizer.encode(golden["labels"]) == model.tokenize(golden["labels"])).all()
        assert "closed" not in repr(tokenizer)
    with pytest.raises(swiftclip.InvalidArgumentError, match="closed"):
        tokenizer.encode("a")
    assert swiftclip.Tokenizer(str(POCKET / "merges.txt")).encode("a pear").shape == (1, 77)


def test_ways_to_open(model, penguin):
    visual, textual, merges = (POCKET / name for name in ("visual.onnx", "textual.onnx", "merges.txt"))
    image, text = model.encode_image(penguin), model.encode_text("a pear")
    opened = {
        "folder": swiftclip.load(POCKET),
        "files": swiftclip.load(str(visual), str(textual)),
        "memory": swiftclip.load_bytes(visual.read_bytes(), textual.read_bytes(), merges.read_bytes()),
        "vocabulary": swiftclip.load(visual, textual, merges),
    }
    for way, other in opened.items():
        assert (other.encode_image(penguin) == image).all(), way
        assert (other.encode_text("a pear") == text).all(), way


def test_one_tower(model, penguin):
    pictures_only = swiftclip.load(POCKET / "visual.onnx")
    assert pictures_only.context_length == 0 and pictures_only.embed_dim == 256
    assert (pictures_only.encode_image(penguin) == model.encode_image(penguin)).all()
    for call in (
        pictures_only.encode_text,
        pictures_only.tokenize,
        lambda text: pictures_only.classify(penguin, [text]),
    ):
        with pytest.raises(swiftclip.MissingPartError):
            call("a pear")
    texts_only = swiftclip.load(textual=POCKET / "textual.onnx")
    assert texts_only.image_size == 0
    assert (texts_only.encode_text("a pear") == model.encode_text("a pear")).all()
    for given in (penguin, np.zeros((1, 3, 64, 64), np.float32), np.zeros((5, 5, 3), np.uint8)):
        with pytest.raises(swiftclip.MissingPartError):
            texts_only.encode_image(given)
    with pytest.raises(swiftclip.MissingPartError):
        texts_only.preprocess(penguin)


def test_without_a_vocabulary_tokens_can_be_encoded(model):
    other = swiftclip.load_bytes(textual=(POCKET / "textual.onnx").read_bytes())
    tokens = model.tokenize("a pear")
    assert (other.encode_text(tokens) == model.encode_text("a pear")).all()
    with pytest.raises(swiftclip.MissingPartError):
        other.encode_text("a pear")


def test_file_names_that_are_not_utf8(model, tmp_path):
    strange = bytes(tmp_path) + b"/strange \xff.png"
    with open(strange, "wb") as file:
        file.write((PICTURES / "bee.png").read_bytes())
    import os

    assert model.encode_image(os.fsdecode(strange)).shape == (1, 256)


def test_similarity_of_zeros_and_single_rows():
    assert swiftclip.similarity([3.0, 4.0], [[6.0, 8.0], [0.0, 0.0]]).tolist() == [pytest.approx([1.0, 0.0])]
    assert swiftclip.similarity(np.zeros((0, 4)), np.ones((2, 4))).shape == (0, 2)
