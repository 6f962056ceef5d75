"""Uses of the public names, for type checkers alone: it is never run. `mypy --strict` and `pyright` in strict mode must
find nothing in it; each comment that says `type: ignore` marks a mistake that mypy must find.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import swiftclip


def encoding(model: swiftclip.Model, pixels: NDArray[np.float32]) -> int:
    picture = np.zeros((4, 4, 3), np.uint8)
    images = model.encode_image(["a.png", Path("b.png"), b"bytes", picture])
    texts = model.encode_text(["a bee", b"a pear"], truncate=True)
    cosines = swiftclip.similarity(images, texts)
    tokens = model.tokenize("a bee")
    embedded: swiftclip.Embedded = model.embed_images(["a.png"], progress=lambda done, total: print(done, total))
    for index, error in embedded.failures.items():
        print(index + 1, error.status == swiftclip.Status.IO_ERROR)
    model.encode_text(5)  # type: ignore[arg-type]
    return model.embed_dim + int(cosines.shape[0]) + int(tokens.size) + int(model.encode_image(pixels).size)


def classifying(path: Path) -> float:
    options = swiftclip.Preprocess(alpha="composite", background=(0, 0, 0))
    with swiftclip.load(path, threads=1, precision="int8", preprocess=options) as model:
        classifier: swiftclip.Classifier = model.classifier(["a bee", "a pear"], ["a photo of a {}."])
        row = classifier.probabilities(model.encode_image("a.png"))
        model.no_such_method()  # type: ignore[attr-defined]
        return float(row[0, 0]) + model.logit_scale + float(model.classify("a.png", ["a", "b"]).sum())


def reading(path: str) -> str:
    found: swiftclip.Inspection = swiftclip.inspect(path)
    tower = found.image
    kind: str = "none" if tower is None else tower.kind
    agreement: swiftclip.Verification = swiftclip.verify(path)
    tokenizer = swiftclip.Tokenizer(path)
    size: int = tokenizer.vocabulary_size
    try:
        swiftclip.load_bytes(b"", b"", b"")
    except swiftclip.TextTooLongError as error:
        status: int = error.status  # a newer library may have statuses that Status lacks
        print(status)
    except swiftclip.SwiftCLIPError as error:
        print(error.status)
    return f"{kind} {agreement} {size} {swiftclip.version()}"


def stopping(model: swiftclip.Model) -> swiftclip.Cancellation:
    stop = swiftclip.Cancellation()
    stop.set_deadline(2)
    try:
        with stop as same, swiftclip.deadline(0.5):
            same.cancel()
            model.encode_text("a bee")
    except (swiftclip.CancelledError, swiftclip.DeadlineExceededError) as error:
        print(error.status)
    stop.set_deadline("soon")  # type: ignore[arg-type]
    limits = swiftclip.Limits(max_items=64, max_text_bytes=1000)
    swiftclip.load(limits=limits, read_into_memory=True).close()
    return stop
