"""Opening and closing, and that nothing is left over."""

import gc
import os
import pickle
import threading
import time

import pytest
from conftest import POCKET

import swiftclip


def threads_of_this_process():
    return len(os.listdir("/proc/self/task"))


def test_closed_models_refuse(penguin):
    with swiftclip.load() as model:
        assert "closed" not in repr(model) and "pocket" in repr(model)
        classifier = model.classifier(["a pear", "a penguin"])
        model.classify(penguin, ["a pear", "a penguin"])
    assert "closed" in repr(model)
    model.close()
    for call in (
        lambda: model.embed_dim,
        lambda: model.encode_image(penguin),
        lambda: model.encode_text("a"),
        model.describe,
        lambda: model.classify(penguin, ["a pear", "a penguin"]),
        lambda: model.tokenize("a"),
    ):
        with pytest.raises(swiftclip.InvalidArgumentError, match="closed"):
            call()
    assert classifier.weights.shape == (2, 256)
    with classifier:
        pass
    with pytest.raises(swiftclip.InvalidArgumentError, match="closed"):
        classifier.weights
    assert "closed" in repr(classifier)


def test_no_thread_is_left(model, penguin):
    before = threads_of_this_process()
    for _ in range(3):
        other = swiftclip.load(threads=3)
        other.encode_image([penguin] * 8)
        del other
    gc.collect()
    for _ in range(200):
        if threads_of_this_process() <= before:
            break
        time.sleep(0.01)
    assert threads_of_this_process() <= before


def test_a_model_goes_with_its_last_reference(penguin):
    other = swiftclip.load()
    other.classify(penguin, ["a pear", "a penguin"])  # keeps a classifier, which must not keep the model
    finalizer = other._handle._finalizer
    gc.disable()
    try:
        del other
        assert not finalizer.alive
    finally:
        gc.enable()


def test_memory_does_not_grow(model, penguin):
    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def round_of_work():
        for _ in range(30):
            model.classify([penguin] * 4, ["a pear", "a penguin"], ["{}"])
            model.classify([penguin] * 4, ["a pear", "a bee"], ["{}"])
            with pytest.raises(swiftclip.FileError):
                model.encode_image("no/such.png")
        with swiftclip.load() as other:
            other.encode_image(penguin)
        gc.collect()

    for _ in range(3):
        round_of_work()
    before = resident()
    for _ in range(6):
        round_of_work()
    assert resident() - before < 8_000_000


def test_closing_under_another_thread(penguin):
    for _ in range(5):
        model = swiftclip.load()
        failures = []

        def work():
            try:
                while True:
                    model.encode_text("a pear")
            except swiftclip.InvalidArgumentError:
                pass
            except BaseException as error:
                failures.append(error)

        workers = [threading.Thread(target=work) for _ in range(3)]
        for worker in workers:
            worker.start()
        time.sleep(0.02)
        model.close()
        for worker in workers:
            worker.join()
        assert not failures


def test_pickling():
    with swiftclip.load(POCKET, threads=2, preprocess=swiftclip.Preprocess(alpha="composite")) as model:
        with pickle.loads(pickle.dumps(model)) as other:
            assert other.threads == 2 and other._preprocess.alpha == "composite"
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(model.classifier(["a"]))
    tokenizer = pickle.loads(pickle.dumps(swiftclip.Tokenizer(POCKET / "merges.txt", 32)))
    assert tokenizer.context_length == 32 and tokenizer.encode("a").shape == (1, 32)
    from_memory = swiftclip.load_bytes((POCKET / "visual.onnx").read_bytes())
    with pytest.raises(TypeError, match="memory"):
        pickle.dumps(from_memory)
