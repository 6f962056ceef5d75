"""The same input gives the same bits: alone and in batches, on any number of threads, in threads and children."""

import multiprocessing
import os
import pickle
import threading

import numpy as np
import pytest
from conftest import relative_errors

import swiftclip


@pytest.fixture(scope="module")
def pixels(model, paths):
    """33 pictures as pixels: those of the examples and some noise."""
    noise = np.random.default_rng(1).standard_normal((4, 3, 64, 64)).astype(np.float32)
    return np.concatenate([model.preprocess(paths), noise])


@pytest.fixture(scope="module")
def texts(golden):
    """33 captions of different lengths."""
    labels = golden["labels"]
    return [
        golden["templates"][index % 4].format(labels[index % 31]) + " and more" * (index % 5) for index in range(33)
    ]


@pytest.fixture(scope="module")
def alone(model, pixels, texts):
    """Every picture and every caption encoded by itself."""
    return (
        np.concatenate([model.encode_image(picture) for picture in pixels]),
        np.concatenate([model.encode_text(text) for text in texts]),
    )


@pytest.mark.parametrize("count", range(1, 34))
def test_every_position_of_every_batch(model, pixels, texts, alone, count):
    # Rotated by the count, so that neighbours and positions change from one batch to the next.
    order = (np.arange(count) * 5 + count) % 33
    assert (model.encode_image(pixels[order]) == alone[0][order]).all()
    assert (model.encode_text([texts[index] for index in order]) == alone[1][order]).all()
    assert (model.encode_text(model.tokenize([texts[index] for index in order])) == alone[1][order]).all()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_every_thread_count(pixels, texts, alone, threads):
    with swiftclip.load(threads=threads) as model:
        assert model.threads == threads
        for count in (1, 2, 7, 33):
            assert (model.encode_image(pixels[:count]) == alone[0][:count]).all()
            assert (model.encode_text(texts[:count]) == alone[1][:count]).all()


def test_pictures_and_pixels_are_the_same_path(model, paths, alone):
    assert (model.encode_image(paths) == alone[0][:29]).all()
    assert (model.encode_image(paths[3]) == alone[0][3:4]).all()


def test_eight_host_threads(model, pixels, texts, alone):
    wrong = []

    def work(number):
        for step in range(4):
            order = np.roll(np.arange(33), number + step)[: 5 + number]
            same = (model.encode_image(pixels[order]) == alone[0][order]).all()
            same &= (model.encode_text([texts[index] for index in order]) == alone[1][order]).all()
            if not same:
                wrong.append((number, step))

    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_after_fork(model, pixels, alone):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        same = False
        try:
            same = (model.encode_image(pixels) == alone[0]).all()
        finally:
            os.write(writing, b"same" if same else b"different")
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == b"same"
    os.waitpid(child, 0)
    assert (model.encode_image(pixels) == alone[0]).all()


def in_another_process(model, pixels, queue):
    queue.put(model.encode_image(pixels))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(model, pixels, alone, method):
    context = multiprocessing.get_context(method)
    queue = context.SimpleQueue()
    process = context.Process(target=in_another_process, args=(model, pixels[:5], queue))
    process.start()
    assert (queue.get() == alone[0][:5]).all()
    process.join()


def test_pickled(model, pixels, alone):
    with pickle.loads(pickle.dumps(model)) as other:
        assert (other.encode_image(pixels[:3]) == alone[0][:3]).all()


@pytest.mark.parametrize("instructions", ["portable", "avx2", "avx2_vnni", "avx512", "avx512_vnni"])
def test_instruction_sets_agree(pixels, texts, alone, instructions):
    try:
        model = swiftclip.load(instructions=instructions)
    except swiftclip.UnsupportedError as error:
        assert instructions != "portable"
        pytest.skip(f"this processor cannot run it: {error}")
    with model:
        assert relative_errors(model.encode_image(pixels), alone[0]).max() < 1e-5
        assert relative_errors(model.encode_text(texts), alone[1]).max() < 1e-5
        assert (model.encode_image(pixels[7]) == model.encode_image(pixels)[7]).all()


def test_texts_keep_their_bits_among_texts_that_begin_alike(model):
    """Equal texts, texts that begin alike, and texts of one token: each as if it were alone."""
    texts = ["a photo of a dog", "a photo of a dog in a park", "a photo", "a", "the dog", "a photo of a cat"]
    tokens = model.tokenize(texts + texts[::-1] + ["a photo of a dog"] * 500)
    tokens[3] = 1
    together = model.encode_text(tokens)
    for index in [*range(13), 200, 511]:
        assert np.array_equal(together[index], model.encode_text(tokens[index : index + 1])[0]), index
    equal = model.encode_text(np.repeat(tokens[:1], 3000, axis=0))
    assert np.array_equal(equal, np.repeat(together[:1], 3000, axis=0))
