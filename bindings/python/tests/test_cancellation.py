"""Stopping calls from other threads and by deadlines, and limits on what may be asked for."""

import math
import pickle
import threading
import time

import numpy as np
import pytest
from conftest import POCKET

import swiftclip

TEXTS = [f"{number} drawings of a lighthouse" for number in range(3000)]
CONFIG = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 16, "layers": 1, "width": 64, "patch_size": 8},
    "text_cfg": {"context_length": 8, "vocab_size": 520, "width": 64, "heads": 1, "layers": 1},
}


def test_a_deadline_stops_a_long_call(model):
    start = time.monotonic()
    with pytest.raises(swiftclip.DeadlineExceededError, match="deadline") as caught:
        with swiftclip.deadline(0.02):
            model.encode_text(TEXTS)
    assert time.monotonic() - start < 10
    assert caught.value.status is swiftclip.Status.DEADLINE_EXCEEDED and isinstance(caught.value, TimeoutError)
    assert str(caught.value).startswith("The call did not end") and isinstance(caught.value, swiftclip.SwiftCLIPError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert model.encode_text("a pear").shape == (1, 256)


def test_a_deadline_of_nothing_stops_everything(model, penguin, tmp_path):
    pixels, tokens = model.preprocess(penguin)[None], model.tokenize("a pear")
    classifier = model.classifier(["a pear", "a bee"])
    embedding = model.encode_image(pixels)
    table = tmp_path / "table.tsv"
    table.write_text(f"{penguin}\ta penguin\n")
    dataset = swiftclip.Dataset(table, batch=1, vocabulary=POCKET / "merges.txt", allow_outside=True)
    trainer = swiftclip.Trainer(CONFIG)
    batch = (np.zeros((2, 3, 16, 16), np.float32), np.array([[518, 1, 519, 0, 0, 0, 0, 0]] * 2, np.int32))
    calls = {
        "load": lambda: swiftclip.load(),
        "load, reading": lambda: swiftclip.load(read_into_memory=True),
        "inspect": lambda: swiftclip.inspect(POCKET),
        "preprocess": lambda: swiftclip.preprocess(penguin),
        "model.preprocess": lambda: model.preprocess(penguin),
        "tokenize": lambda: model.tokenize("a pear"),
        "encode_image": lambda: model.encode_image(penguin),
        "encode_image of pixels": lambda: model.encode_image(pixels),
        "embed_images": lambda: model.embed_images(penguin),
        "encode_text": lambda: model.encode_text("a pear"),
        "encode_text of tokens": lambda: model.encode_text(tokens),
        "classifier": lambda: model.classifier(["a pear"]),
        "probabilities": lambda: classifier.probabilities(embedding),
        "cosines": lambda: classifier.cosines(embedding),
        "similarity": lambda: swiftclip.similarity(embedding, embedding),
        "learn_merges": lambda: swiftclip.learn_merges(TEXTS, 600, tmp_path / "merges.txt"),
        "Dataset": lambda: swiftclip.Dataset(table, batch=1, vocabulary=POCKET / "merges.txt", allow_outside=True),
        "next": lambda: dataset.next(),
        "Trainer": lambda: swiftclip.Trainer(CONFIG),
        "step": lambda: trainer.step(*batch),
        "evaluate": lambda: trainer.evaluate(*batch),
        "save": lambda: trainer.save(tmp_path / "checkpoint"),
        "export": lambda: trainer.export(tmp_path / "model"),
    }
    for name, call in calls.items():
        with swiftclip.deadline(0):
            with pytest.raises(swiftclip.DeadlineExceededError):
                call()
                print(name, "was not stopped")
    for call in calls.values():
        call()
    assert trainer.steps_done == 1


def test_what_does_not_stop_changes_no_bit(model, paths):
    texts, pictures = model.encode_text(TEXTS[:50]), model.encode_image(paths)
    with swiftclip.deadline(3600), swiftclip.deadline(math.inf), swiftclip.Cancellation():
        assert np.array_equal(model.encode_text(TEXTS[:50]), texts)
        assert np.array_equal(model.encode_image(paths), pictures)
        assert np.array_equal(model.embed_images(paths).embeddings, pictures)


def test_another_thread_cancels(model):
    expected = model.encode_text(TEXTS)
    stop, begun, results = swiftclip.Cancellation(), threading.Event(), {}

    def stopped():
        try:
            with stop:
                while True:
                    model.encode_text(TEXTS, progress=lambda done, total: begun.set())
        except swiftclip.CancelledError as error:
            results["stopped"] = error

    def undisturbed():
        with swiftclip.Cancellation():
            results["same"] = [np.array_equal(model.encode_text(TEXTS), expected) for _ in range(2)]

    threads = [threading.Thread(target=stopped), threading.Thread(target=undisturbed)]
    for thread in threads:
        thread.start()
    assert begun.wait(60)
    stop.cancel()
    for thread in threads:
        thread.join(60)
    assert results["stopped"].status is swiftclip.Status.CANCELLED and results["same"] == [True, True]
    assert model.encode_text("a pear").shape == (1, 256)


def test_a_batch_is_stopped_among_its_pictures(model, penguin):
    stop = swiftclip.Cancellation()

    def progress(done, total):
        stop.cancel()

    with stop, pytest.raises(swiftclip.CancelledError, match="^The call was stopped"):
        model.embed_images([penguin] * 2000, progress=progress)
    stop = swiftclip.Cancellation()
    with stop, pytest.raises(swiftclip.CancelledError, match="^The call was stopped"):
        model.encode_image([penguin] * 2000, progress=progress)


def test_nesting(model):
    outer, inner = swiftclip.Cancellation(), swiftclip.Cancellation()
    with outer, inner, outer:
        inner.set_deadline(1000)
        outer.cancel()
        with pytest.raises(swiftclip.CancelledError):
            model.encode_text("a pear")
    with inner:
        model.encode_text("a pear")
        with swiftclip.deadline(0):
            with pytest.raises(swiftclip.DeadlineExceededError):
                model.encode_text("a pear")
        model.encode_text("a pear")
    with outer:
        with pytest.raises(swiftclip.CancelledError):
            model.encode_text("a pear")
    with pytest.raises(ZeroDivisionError), outer:
        1 / 0
    model.encode_text("a pear")


@pytest.mark.parametrize("seconds", [-1, math.nan, "soon", None])
def test_impossible_deadlines(seconds):
    with pytest.raises(swiftclip.InvalidArgumentError):
        swiftclip.deadline(seconds)
    with pytest.raises(swiftclip.InvalidArgumentError):
        swiftclip.Cancellation().set_deadline(seconds)


def test_a_data_set_goes_on_where_it_was(penguin, tmp_path):
    table = tmp_path / "table.tsv"
    for number in range(8):
        (tmp_path / f"{number}.png").write_bytes(open(penguin, "rb").read())
    table.write_text("".join(f"{number}.png\tcaption {number}\n" for number in range(8)))
    sets = [
        swiftclip.Dataset(table, batch=2, vocabulary=POCKET / "merges.txt", threads=1)
        for _ in range(2)
    ]
    expected = [tokens for _, tokens in sets[0]]
    got = []
    for _ in expected:
        with swiftclip.deadline(0), pytest.raises(swiftclip.DeadlineExceededError):
            sets[1].next()
        got.append(sets[1].next()[1])
    assert len(got) > 1 and all(np.array_equal(a, b) for a, b in zip(got, expected))


def test_limits():
    limits = swiftclip.Limits(max_items=2, max_labels=2, max_text_bytes=10)
    with swiftclip.load(limits=limits) as model:
        assert model.encode_text(["a pear", "a bee"]).shape == (2, 256)
        for call in (
            lambda: model.encode_text(["a", "b", "c"]),
            lambda: model.encode_text("eleven byte"),
            lambda: model.classifier(["a", "b", "c"], ["{}"]),
            lambda: model.classifier(["a", "b"], ["{}", "a {}"]),
            lambda: model.tokenize(["a", "b", "c"]),
        ):
            with pytest.raises(swiftclip.LimitExceededError, match="max_(items|labels|text_bytes) = "):
                call()
        again = pickle.loads(pickle.dumps(model))
        with pytest.raises(swiftclip.LimitExceededError):
            again.encode_text(["a", "b", "c"])
    for options in ({}, {"read_into_memory": True}):
        with pytest.raises(swiftclip.LimitExceededError, match="max_model_bytes = 1000"):
            swiftclip.load(limits=swiftclip.Limits(max_model_bytes=1000), **options)
    for value in (0, -1, 2**63):
        with pytest.raises(swiftclip.InvalidArgumentError):
            swiftclip.load(limits=swiftclip.Limits(max_items=value))
    with pytest.raises(swiftclip.ArgumentTypeError):
        swiftclip.load(limits={"max_items": 2})


def test_files_read_into_memory(model, paths):
    with swiftclip.load(read_into_memory=True) as other:
        assert np.array_equal(other.encode_image(paths), model.encode_image(paths))
        assert np.array_equal(other.encode_text("a pear"), model.encode_text("a pear"))


def test_a_trainer_that_no_machine_can_hold():
    huge = {
        "embed_dim": 1 << 14,
        "vision_cfg": {"image_size": 4096, "layers": 256, "width": 1 << 14, "patch_size": 8},
        "text_cfg": {"context_length": 4096, "vocab_size": 1 << 24, "width": 1 << 14, "heads": 1, "layers": 256},
    }
    with pytest.raises(swiftclip.OutOfMemoryError, match="this process may have"):
        swiftclip.Trainer(huge)
    with pytest.raises(swiftclip.LimitExceededError, match="max_bytes is 1000"):
        swiftclip.Trainer(CONFIG, max_bytes=1000)
    with swiftclip.Trainer(CONFIG, max_bytes=1 << 28) as trainer:
        assert trainer.steps_done == 0
