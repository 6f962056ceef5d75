"""Progress out of long work, and stopping it."""

import os
import signal
import threading
import time

import numpy as np
import pytest


def test_progress_reaches_the_end(model, penguin):
    for call, count in (
        (lambda progress: model.encode_image([penguin] * 70, progress=progress), 70),
        (lambda progress: model.encode_text(["a pear"] * 70, progress=progress), 70),
        (lambda progress: model.encode_image(np.zeros((300, 3, 64, 64), np.float32), progress=progress), 300),
        (lambda progress: model.encode_text(model.tokenize(["a"] * 300), progress=progress), 300),
        (lambda progress: model.classifier(["a", "b", "c"], ["{}", "a {}"], progress=progress), 6),
        (lambda progress: model.classify([penguin] * 5, ["a", "b"], progress=progress), 5),
    ):
        seen = []
        call(lambda done, total: seen.append((done, total)))
        assert seen and seen[-1] == (count, count)
        assert [done for done, _ in seen] == sorted(done for done, _ in seen)
        assert {total for _, total in seen} == {count}


def test_progress_of_copied_pictures(model, penguin):
    Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    seen = []
    model.encode_image([Image.open(penguin)] * 130, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (130, 130) and [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_an_exception_stops_the_work(model, penguin):
    class Enough(Exception):
        pass

    calls = []

    def progress(done, total):
        calls.append(done)
        raise Enough

    for call in (
        lambda: model.encode_image([penguin] * 500, progress=progress),
        lambda: model.encode_text(["a pear"] * 5000, progress=progress),
        lambda: model.classifier([f"label {number}" for number in range(500)], progress=progress),
    ):
        calls.clear()
        with pytest.raises(Enough):
            call()
        assert len(calls) == 1
    assert model.encode_image(penguin).shape == (1, 256)


def interrupt_soon():
    timer = threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    return timer


@pytest.mark.parametrize("what", ["pictures", "texts", "pixels"])
def test_ctrl_c(model, penguin, what):
    handler = signal.getsignal(signal.SIGINT)
    pixels = np.zeros((256, 3, 64, 64), np.float32)
    timer = interrupt_soon()
    with pytest.raises(KeyboardInterrupt):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:  # whatever the machine's speed, the signal falls into a call
            if what == "pictures":
                model.encode_image([penguin] * 4000)
            elif what == "texts":
                model.encode_text(["a drawing of a lighthouse"] * 20000)
            else:
                model.encode_image(pixels)
    timer.join()
    assert signal.getsignal(signal.SIGINT) is handler
    assert model.encode_image(penguin).shape == (1, 256)


def test_a_handler_of_the_program_is_left_alone(model, penguin):
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append("interrupt"))
    try:
        signal.raise_signal(signal.SIGINT)
        model.encode_image([penguin] * 3, progress=lambda done, total: signal.raise_signal(signal.SIGINT))
        assert len(seen) >= 2
    finally:
        signal.signal(signal.SIGINT, before)
