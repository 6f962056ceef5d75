"""swiftclip: CLIP from ONNX files, on the CPU, exact.

    import swiftclip

    model = swiftclip.load()                       # or load("folder-or-file.onnx")
    probabilities = model.classify("cat.jpg", ["a cat", "a dog"])
    image = model.encode_image(["cat.jpg", "dog.png"])   # float32 (2, D)
    text = model.encode_text("a photo of a cat")         # float32 (1, D)
    cosines = swiftclip.similarity(image, text)          # float32 (2, 1)

Everything is safe to call from any thread. Errors derive from `SwiftCLIPError` and carry `.status`.
What is API: the names of `__all__`, their arguments, and what their docstrings promise.
"""

from __future__ import annotations

from ._errors import (
    ArgumentTypeError,
    BufferTooSmallError,
    CancelledError,
    DeadlineExceededError,
    FileError,
    InternalError,
    InvalidArgumentError,
    InvalidDataError,
    LibraryError,
    LimitExceededError,
    MissingPartError,
    OutOfMemoryError,
    Status,
    SwiftCLIPError,
    TextTooLongError,
    UnsupportedError,
)
from ._library import version
from .cancellation import Cancellation, deadline
from .classifier import Classifier, similarity
from .dataset import Dataset
from .inspection import Inspection, Tower, inspect
from .loading import load, load_bytes
from .model import Embedded, Model
from .options import Limits, Preprocess
from .pictures import preprocess
from .tokenizer import Tokenizer, learn_merges
from .trainer import Trainer
from .verification import Agreement, Verification, verify

__version__ = "1.1.0"

__all__ = [
    "Agreement",
    "ArgumentTypeError",
    "BufferTooSmallError",
    "Cancellation",
    "CancelledError",
    "Classifier",
    "Dataset",
    "DeadlineExceededError",
    "Embedded",
    "FileError",
    "Inspection",
    "InternalError",
    "InvalidArgumentError",
    "InvalidDataError",
    "LibraryError",
    "LimitExceededError",
    "Limits",
    "MissingPartError",
    "Model",
    "OutOfMemoryError",
    "Preprocess",
    "Status",
    "SwiftCLIPError",
    "TextTooLongError",
    "Tokenizer",
    "Tower",
    "Trainer",
    "UnsupportedError",
    "Verification",
    "deadline",
    "inspect",
    "learn_merges",
    "load",
    "load_bytes",
    "preprocess",
    "similarity",
    "verify",
    "version",
]
