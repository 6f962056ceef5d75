"""What is wrong is said: the class, the status, and a sentence that names it."""

import io
import pickle

import numpy as np
import pytest
from conftest import PICTURES, POCKET

import swiftclip
from swiftclip import Preprocess, Status


def raises(error, match=None):
    return pytest.raises(error, match=match)


def test_the_classes_fit_the_builtin_ones():
    for error, builtin, status in (
        (swiftclip.InvalidArgumentError, ValueError, Status.INVALID_ARGUMENT),
        (swiftclip.FileError, OSError, Status.IO_ERROR),
        (swiftclip.InvalidDataError, ValueError, Status.INVALID_DATA),
        (swiftclip.UnsupportedError, ValueError, Status.UNSUPPORTED),
        (swiftclip.TextTooLongError, ValueError, Status.TEXT_TOO_LONG),
        (swiftclip.LimitExceededError, ValueError, Status.LIMIT_EXCEEDED),
        (swiftclip.OutOfMemoryError, MemoryError, Status.OUT_OF_MEMORY),
        (swiftclip.LibraryError, ImportError, Status.IO_ERROR),
    ):
        assert issubclass(error, swiftclip.SwiftCLIPError) and issubclass(error, builtin)
        made = pickle.loads(pickle.dumps(error("a sentence", status)))
        assert type(made) is error and made.status == status and str(made) == "a sentence"


def test_status_is_carried():
    with raises(swiftclip.SwiftCLIPError) as caught:
        swiftclip.load("no/such/model")
    assert caught.value.status == Status.IO_ERROR == 2
    assert isinstance(caught.value, OSError) and "no/such/model" in str(caught.value)


@pytest.mark.parametrize(
    "arguments, error, word",
    [
        (dict(path="no/such"), swiftclip.FileError, "no/such"),
        (dict(path=""), swiftclip.SwiftCLIPError, ""),
        (dict(path=PICTURES), swiftclip.SwiftCLIPError, "pictures"),
        (dict(path=PICTURES / "bee.png"), swiftclip.SwiftCLIPError, "bee.png"),
        (dict(path=POCKET / "merges.txt"), swiftclip.SwiftCLIPError, "merges.txt"),
        (dict(path=POCKET / "visual.onnx", textual="no/such"), swiftclip.FileError, "no/such"),
        (dict(path=POCKET, vocabulary="no/such"), swiftclip.FileError, "no/such"),
        (dict(path=POCKET, vocabulary=POCKET / "visual.onnx"), swiftclip.SwiftCLIPError, "visual.onnx"),
        (dict(path="nul\0byte"), swiftclip.InvalidArgumentError, "NUL"),
        (dict(path=5), swiftclip.ArgumentTypeError, "int"),
        (dict(threads=-1), swiftclip.InvalidArgumentError, "threads"),
        (dict(threads=1025), swiftclip.InvalidArgumentError, "threads"),
        (dict(threads=1.5), swiftclip.ArgumentTypeError, "threads"),
        (dict(threads=2**70), swiftclip.InvalidArgumentError, "threads"),
        (dict(precision="float16"), swiftclip.InvalidArgumentError, "bfloat16"),
        (dict(precision=8), swiftclip.InvalidArgumentError, "int8"),
        (dict(precision="int8", backend="openblas"), swiftclip.InvalidArgumentError, "int8"),
        (dict(instructions="sse9"), swiftclip.InvalidArgumentError, "avx2"),
        (dict(backend="cuda"), swiftclip.InvalidArgumentError, "openblas"),
        (dict(preprocess=5), swiftclip.ArgumentTypeError, "preprocess"),
        (dict(preprocess=Preprocess(image_size=224)), swiftclip.InvalidArgumentError, "image_size"),
    ],
    ids=str,
)
def test_opening(arguments, error, word):
    with raises(error) as caught:
        swiftclip.load(**arguments)
    assert word in str(caught.value) and len(str(caught.value)) > 20


@pytest.mark.parametrize("name", ["visual.onnx", "textual.onnx"])
def test_truncated_models(name):
    data = (POCKET / name).read_bytes()
    for percent in range(100):
        with raises(swiftclip.SwiftCLIPError) as caught:
            swiftclip.load_bytes(data[: len(data) * percent // 100])
        assert caught.value.status in (Status.INVALID_DATA, Status.UNSUPPORTED, Status.INVALID_ARGUMENT)


def test_empty_and_foreign_files(tmp_path):
    for name, content in (("empty.onnx", b""), ("text.onnx", b"hello"), ("zeros.onnx", bytes(1000))):
        path = tmp_path / name
        path.write_bytes(content)
        with raises(swiftclip.SwiftCLIPError, name) as caught:
            swiftclip.load(path)
        assert caught.value.status in (Status.INVALID_DATA, Status.UNSUPPORTED)
    for given in ({}, dict(visual=b""), dict(visual=5)):
        with raises(swiftclip.SwiftCLIPError):
            swiftclip.load_bytes(**given)


def test_a_vocabulary_that_does_not_fit(tmp_path):
    lines = (POCKET / "merges.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    other = tmp_path / "merges.txt"
    other.write_text("".join(lines[:1000]), encoding="utf-8")
    with raises(swiftclip.SwiftCLIPError):
        swiftclip.load(POCKET, vocabulary=other)


@pytest.mark.parametrize(
    "image, error, word",
    [
        ("no/such.png", swiftclip.FileError, "no/such.png"),
        (str(PICTURES), swiftclip.SwiftCLIPError, "pictures"),
        (str(POCKET / "merges.txt"), swiftclip.SwiftCLIPError, "merges.txt"),
        ("nul\0byte", swiftclip.InvalidArgumentError, "NUL"),
        (b"", swiftclip.SwiftCLIPError, ""),
        (b"not a picture", swiftclip.SwiftCLIPError, ""),
        (5, swiftclip.ArgumentTypeError, "int"),
        (None, swiftclip.ArgumentTypeError, "NoneType"),
        ([None], swiftclip.ArgumentTypeError, "NoneType"),
        ([3.5], swiftclip.ArgumentTypeError, "float"),
        (np.zeros((5, 5, 5), np.uint8), swiftclip.InvalidArgumentError, "(5, 5, 5)"),
        (np.zeros((0, 5, 3), np.uint8), swiftclip.InvalidArgumentError, "0 high"),
        (np.zeros((5, 5, 3), np.int32), swiftclip.ArgumentTypeError, "int32"),
        (np.zeros((5, 5, 3), np.float32), swiftclip.InvalidArgumentError, "(1, 5, 5, 3)"),
        (np.zeros((1, 3, 32, 32), np.float32), swiftclip.InvalidArgumentError, "64"),
        (np.zeros(7, np.uint8), swiftclip.SwiftCLIPError, ""),
        (np.full((1, 3, 64, 64), np.nan, np.float32), swiftclip.InvalidArgumentError, ""),
        ([np.zeros((3, 64, 64), np.float32), "a.png"], swiftclip.ArgumentTypeError, "mixed"),
        (
            [np.zeros((3, 64, 64), np.float32), np.zeros((3, 32, 32), np.float32)],
            swiftclip.InvalidArgumentError,
            "differ",
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_pictures(model, image, error, word):
    with raises(error) as caught:
        model.encode_image(image)
    assert word in str(caught.value)


@pytest.mark.parametrize("name", ["bee.png", "cat-photo.jpg"])
def test_truncated_pictures(model, name):
    data = (PICTURES / name).read_bytes()
    for percent in range(0, 100, 5):
        # A picture that ends early is damaged; none may bring down the process.
        with raises(swiftclip.SwiftCLIPError):
            model.encode_image(data[: len(data) * percent // 100])


def test_the_broken_picture_of_a_list_is_named(model, penguin):
    with raises(swiftclip.FileError, "missing.png") as caught:
        model.encode_image([penguin, penguin, "missing.png"])
    assert "2" in str(caught.value)


def test_damaged_pillow_image(model):
    Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    data = (PICTURES / "cat-photo.jpg").read_bytes()
    with raises(swiftclip.InvalidDataError, "Pillow"):
        model.encode_image(Image.open(io.BytesIO(data[: len(data) // 2])))


def test_limits():
    small = np.zeros((100, 100, 3), np.uint8)
    with raises(swiftclip.LimitExceededError):
        swiftclip.preprocess(small, Preprocess(max_pixels=9999))
    assert swiftclip.preprocess(small, Preprocess(max_pixels=10000)).shape == (3, 224, 224)
    data = (PICTURES / "bee.png").read_bytes()
    with raises(swiftclip.LimitExceededError):
        swiftclip.preprocess(data, Preprocess(max_bytes=len(data) - 1))
    assert swiftclip.preprocess(data, Preprocess(max_bytes=len(data))).shape == (3, 224, 224)
    Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    with raises(swiftclip.LimitExceededError):
        swiftclip.preprocess(Image.new("P", (100, 100)), Preprocess(max_pixels=9999))
    with raises(swiftclip.LimitExceededError, "on the way"):
        swiftclip.preprocess(Image.new("P", (1, 60000)), Preprocess(max_pixels=100_000))


@pytest.mark.parametrize(
    "options, word",
    [
        (dict(image_size=0), "image_size"),
        (dict(image_size=4097), "image_size"),
        (dict(image_size="64"), "image_size"),
        (dict(interpolation="lanczos"), "bicubic"),
        (dict(alpha="keep"), "composite"),
        (dict(orientation=1), "apply"),
        (dict(convert="never"), "first"),
        (dict(background=(1, 2)), "3"),
        (dict(background=(0, 0, 256)), "256"),
        (dict(mean=(0, 0)), "mean"),
        (dict(std=(1, 1, "x")), "std"),
        (dict(std=(0, 1, 1)), ""),
        (dict(mean=(float("nan"), 0, 0)), ""),
        (dict(max_pixels=0), "max_pixels"),
        (dict(max_bytes=2**41), "max_bytes"),
    ],
    ids=str,
)
def test_preprocess_options(options, word):
    with raises(swiftclip.InvalidArgumentError) as caught:
        swiftclip.preprocess(np.zeros((9, 9, 3), np.uint8), Preprocess(**options))
    assert word in str(caught.value)


@pytest.mark.parametrize(
    "texts, error, word",
    [
        ("a pear " * 40, swiftclip.TextTooLongError, "82"),
        (["a", "a pear " * 40], swiftclip.TextTooLongError, "1"),
        ("\ud800", swiftclip.InvalidDataError, ""),
        (b"ab\xff", swiftclip.InvalidDataError, "2"),
        (5, swiftclip.ArgumentTypeError, "int"),
        ([5.5], swiftclip.ArgumentTypeError, "float"),
        ([None], swiftclip.ArgumentTypeError, "NoneType"),
    ],
    ids=lambda value: str(value).encode("ascii", "backslashreplace").decode()[:30],
)
def test_texts(model, texts, error, word):
    with raises(error) as caught:
        model.encode_text(texts)
    assert word in str(caught.value)
    if not isinstance(caught.value, TypeError):
        with raises(error):
            model.tokenize(texts)


@pytest.mark.parametrize(
    "tokens, word",
    [
        (np.zeros((1, 31), np.int32), "(1, 31)"),
        (np.zeros((1, 1, 32), np.int32), "(1, 1, 32)"),
        (np.full((1, 32), 4096), ""),
        (np.full((1, 32), -1), ""),
        (np.full((1, 32), 2**32 + 4095), str(2**32 + 4095)),
        ([[1, 2], [3]], "differ"),
        (np.zeros((1, 32)), "float64"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_tokens(model, tokens, word):
    with raises(swiftclip.InvalidArgumentError) as caught:
        model.encode_text(tokens)
    assert word in str(caught.value)


@pytest.mark.parametrize(
    "labels, templates, word",
    [
        ([], ("{}",), ""),
        ("a cat", ("{}",), "list"),
        (["a"], ["no place"], "{}"),
        (["a"], ["{} and {}"], "{}"),
        (["a"], ["{}", "x"], ""),
        ([5], ("{}",), "int"),
    ],
    ids=str,
)
def test_labels_and_templates(model, penguin, labels, templates, word):
    with raises(swiftclip.InvalidArgumentError) as caught:
        model.classify(penguin, labels, templates)
    assert word in str(caught.value)


def test_labels_that_are_too_long(model, penguin):
    with raises(swiftclip.TextTooLongError):
        model.classify(penguin, ["a", "a pear " * 40])


def test_embeddings_of_another_model(model):
    classifier = model.classifier(["a", "b"])
    for given in (np.zeros((1, 255)), np.zeros((1, 1, 256)), "embeddings"):
        with raises(swiftclip.InvalidArgumentError):
            classifier.probabilities(given)
    for a, b in ((np.zeros((1, 3)), np.zeros((1, 4))), (np.zeros((1, 1, 3)), np.zeros(3)), ("a", "b")):
        with raises(swiftclip.InvalidArgumentError):
            swiftclip.similarity(a, b)


def test_other_arguments(model, penguin):
    with raises(swiftclip.InvalidArgumentError, "replace"):
        model.tokenize("a", errors="ignore")
    with raises(swiftclip.InvalidArgumentError, "context_length"):
        swiftclip.Tokenizer(POCKET / "merges.txt", context_length=1)
    with raises(swiftclip.FileError, "no/such"):
        swiftclip.Tokenizer("no/such")
    with raises(swiftclip.SwiftCLIPError):
        swiftclip.Tokenizer(POCKET / "visual.onnx")
