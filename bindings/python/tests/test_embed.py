"""Many pictures at once: the same bits as one by one, whatever else is in the list and however it is cut."""

import os
import signal
import threading

import numpy as np
import pytest

import swiftclip


@pytest.fixture(scope="module")
def alone(model, paths):
    """Every picture of the examples preprocessed and encoded by itself."""
    return np.concatenate([model.encode_image(model.preprocess(path)) for path in paths])


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """Pictures that cannot be read, each with the error that says why."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.jpg").write_bytes(b"not a picture")
    return [
        (str(folder / "missing.png"), swiftclip.FileError),
        (str(folder), swiftclip.FileError),
        (str(folder / "empty.png"), swiftclip.InvalidDataError),
        (str(folder / "text.jpg"), swiftclip.UnsupportedError),
        (b"", swiftclip.InvalidDataError),
        (b"\x89PNG\r\n\x1a\n damaged", swiftclip.InvalidDataError),
        ("with\0nul.png", swiftclip.InvalidArgumentError),
        (os.fsencode(str(folder)).decode() + "/\udcff.png", swiftclip.FileError),
        ("", swiftclip.InvalidArgumentError),
    ]


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("count", [1, 29, 130])
def test_bits(paths, alone, threads, count):
    order = (np.arange(count) * 7 + count) % 29
    with swiftclip.load(threads=threads) as model:
        embeddings, failures = model.embed_images([paths[index] for index in order])
    assert not failures and embeddings.dtype == np.float32
    assert (embeddings == alone[order]).all()


def test_every_kind_of_picture(model, paths, alone):
    Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    with open(paths[1], "rb") as file:
        content = file.read()
    arrays = np.random.default_rng(1).integers(0, 256, (2, 80, 90, 3), np.uint8)
    given = [paths[0], content, arrays[0], Image.open(paths[2]), bytearray(content), memoryview(content), arrays[1]]
    embeddings, failures = model.embed_images(given)
    assert not failures
    assert (embeddings[[0, 1, 3, 4, 5]] == alone[[0, 1, 2, 1, 1]]).all()
    assert (embeddings[[2, 6]] == model.encode_image(list(arrays))).all()


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_bad_pictures_in_the_middle(paths, alone, broken, threads):
    random = np.random.default_rng(threads)
    given, expected = [], {}
    for index in random.integers(0, 29, 150).tolist():
        if random.random() < 0.3:
            picture, kind = broken[index % len(broken)]
            expected[len(given)] = kind
            given.append(picture)
        else:
            given.append(index)
    with swiftclip.load(threads=threads) as model:
        embeddings, failures = model.embed_images([paths[item] if isinstance(item, int) else item for item in given])
    assert list(failures) == list(expected)
    assert all(type(failures[index]) is kind for index, kind in expected.items())
    assert all(str(error) for error in failures.values())
    for index, item in enumerate(given):
        assert np.isnan(embeddings[index]).all() if index in expected else (embeddings[index] == alone[item]).all()


def test_nothing_but_bad_pictures(model, broken):
    embeddings, failures = model.embed_images([picture for picture, _ in broken] * 30)
    assert np.isnan(embeddings).all() and len(failures) == len(embeddings) == 30 * len(broken)


def test_no_pictures(model):
    seen = []
    embeddings, failures = model.embed_images([], progress=lambda *progress: seen.append(progress))
    assert embeddings.shape == (0, 256) and failures == {} and seen == []


def test_one_picture(model, paths, alone):
    assert (model.embed_images(paths[3]).embeddings == alone[3:4]).all()


def test_no_picture_at_all(model, penguin):
    for given in ([penguin, 5], [None], 5, [penguin, np.zeros((4, 4, 3), np.float64)]):
        with pytest.raises(swiftclip.ArgumentTypeError):
            model.embed_images(given)


def test_progress(model, penguin, broken):
    seen = []
    given = ([penguin] * 9 + [broken[0][0]]) * 30
    model.embed_images(given, progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted({done for done, _ in seen}) and len(seen) > 1
    assert seen[-1] == (300, 300) and {total for _, total in seen} == {300}


def test_an_exception_stops_the_work(model, penguin, alone):
    class Enough(Exception):
        pass

    calls = []

    def progress(done, total):
        calls.append(done)
        if len(calls) == 2:
            raise Enough

    with pytest.raises(Enough):
        model.embed_images([penguin] * 2000, progress=progress)
    assert len(calls) == 2 and calls[1] < 2000
    assert (model.embed_images(penguin).embeddings == model.encode_image(penguin)).all()


def test_ctrl_c(model, penguin):
    with pytest.raises(KeyboardInterrupt):
        model.embed_images([penguin] * 2000, progress=lambda done, total: signal.raise_signal(signal.SIGINT))


def test_the_model_is_used_and_closed_inside(paths, alone):
    model = swiftclip.load(threads=3)

    def progress(done, total):
        if done < total:
            assert (model.embed_images(paths[:3]).embeddings == alone[:3]).all()
            assert model.encode_text("a pear").shape == (1, 256)
        else:
            model.close()

    embeddings, _ = model.embed_images(paths * 5, progress=progress)
    assert (embeddings == np.tile(alone, (5, 1))).all()
    with pytest.raises(swiftclip.InvalidArgumentError):
        model.embed_images(paths)


def test_many_calls_at_once(model, paths, alone):
    wrong = []

    def work(number):
        order = np.roll(np.arange(29), number)
        for _ in range(3):
            if not (model.embed_images([paths[index] for index in order]).embeddings == alone[order]).all():
                wrong.append(number)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_a_model_without_an_image_encoder(model, penguin):
    with swiftclip.load(None, textual=swiftclip._places.default_model() / "textual.onnx") as texts_only:
        with pytest.raises(swiftclip.MissingPartError):
            texts_only.embed_images([penguin])


def test_memory_does_not_grow_with_the_number_of_pictures(model, penguin):
    def peak():
        with open("/proc/self/status", encoding="ascii") as file:
            return int(next(line for line in file if line.startswith("VmHWM")).split()[1])

    model.embed_images([penguin] * 200)
    before = peak()
    model.embed_images([penguin] * 2000)
    # Arguments and results take 3 MB; the pixels would take 98.
    assert peak() - before < 30_000
