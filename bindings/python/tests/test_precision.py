"""Lower precision: the same input gives the same bits, close to those of float32, from less memory."""

import pickle

import numpy as np
import pytest
from conftest import POCKET

import swiftclip

PRECISIONS = ["bfloat16", "int8"]
# Of an embedding to that of float32, on pictures and captions, at least. Measured: 0.99999 and 0.99986; the smaller a
# model is, the fewer roundings average out.
COSINES = {"bfloat16": 0.9999, "int8": 0.9997}


@pytest.fixture(scope="module", params=PRECISIONS)
def precise(request):
    with swiftclip.load(precision=request.param, threads=2) as opened:
        yield request.param, opened


@pytest.fixture(scope="module")
def pixels(model, paths):
    return model.preprocess(paths)


@pytest.fixture(scope="module")
def texts(golden):
    labels = golden["labels"]
    return [
        golden["templates"][index % 4].format(labels[index % 31]) + " and more" * (index % 5) for index in range(33)
    ]


def cosines(a, b):
    return (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)


def test_embeddings_are_close_to_float32(model, precise, pixels, texts):
    precision, opened = precise
    for exact, rounded in (
        (model.encode_image(pixels), opened.encode_image(pixels)),
        (model.encode_text(texts), opened.encode_text(texts)),
    ):
        assert (exact != rounded).any(-1).all()
        assert cosines(exact, rounded).min() > COSINES[precision]


def test_top_labels_are_those_of_float32(model, precise, pixels, golden):
    labels = list(golden["labels"])
    exact, rounded = (each.classify(pixels, labels) for each in (model, precise[1]))
    # Where the two best are as good as each other, rounding may decide.
    first, second = np.sort(exact, -1)[:, ::-1][:, :2].T
    clear = first - second > 0.05
    assert clear.sum() >= 20
    assert (exact.argmax(-1) == rounded.argmax(-1))[clear].all()


@pytest.mark.parametrize("instructions", ["portable", "avx2", "avx2_vnni", "avx512", "avx512_vnni"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_same_bits_at_every_batch_position_and_thread_count(precision, instructions, pixels, texts):
    try:
        reference = swiftclip.load(precision=precision, instructions=instructions, threads=1)
    except swiftclip.UnsupportedError as error:
        pytest.skip(str(error))
    with reference:
        images = np.concatenate([reference.encode_image(picture) for picture in pixels])
        captions = np.concatenate([reference.encode_text(text) for text in texts])
    for threads in (1, 2, 3):
        with swiftclip.load(precision=precision, instructions=instructions, threads=threads) as opened:
            for count in (2, 3, 7, 16, 29):
                order = (np.arange(count) * 5 + count) % 29
                assert (opened.encode_image(pixels[order]) == images[order]).all()
                assert (opened.encode_text([texts[index] for index in order]) == captions[order]).all()


def test_describe_counts_what_is_held_how(model, precise):
    precision, opened = precise
    exact, described = model.describe(), opened.describe()
    assert described["precision"] == precision
    storage = described["weight_storage"]
    # The matrices of the blocks; patches, tokens and projections stay exact.
    assert storage[precision] == 6 * 12 * 192 * 192 + 4 * 12 * 128 * 128
    assert storage["float16"] == exact["weight_storage"]["float16"] - storage[precision]
    assert storage["float32"] == exact["weight_storage"]["float32"]


def test_pickles_and_bytes_keep_the_precision(precise, pixels):
    precision, opened = precise
    with pickle.loads(pickle.dumps(opened)) as again:
        assert again.describe()["precision"] == precision
        assert (again.encode_image(pixels[:2]) == opened.encode_image(pixels[:2])).all()
    visual = (POCKET / "visual.onnx").read_bytes()
    with swiftclip.load_bytes(visual, precision=precision) as again:
        assert (again.encode_image(pixels[:2]) == opened.encode_image(pixels[:2])).all()
