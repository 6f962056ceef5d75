"""How pictures become pixels: the choices, with the official ones as default."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any, Mapping, Optional, Tuple

from ._declarations import (
    ALPHAS,
    CONVERTS,
    INTERPOLATIONS,
    JPEG_DECODINGS,
    ORIENTATIONS,
    ModelOptions,
    PreprocessOptions,
)
from ._errors import bad_argument, bad_type
from ._library import check, library


def chosen(name: str, value: Any, choices: Mapping[str, int]) -> int:
    """The number of a named choice. Raises InvalidArgumentError with the names that there are."""
    if not isinstance(value, str) or value not in choices:
        known = ", ".join(f'"{choice}"' for choice in choices)
        raise bad_argument(f"{name} is {value!r}, and must be one of {known}.")
    return choices[value]


def whole(name: str, value: Any, low: int, high: int) -> int:
    """A whole number within bounds, as a C integer can hold it. Raises InvalidArgumentError."""
    try:
        number = int(value.__index__())
    except AttributeError:
        raise bad_type(f"{name} is {value!r}, and must be a whole number.") from None
    if not low <= number <= high:
        raise bad_argument(f"{name} is {number}, and must be {low} to {high}.")
    return number


def real(name: str, value: Any) -> float:
    """A number. Raises ArgumentTypeError."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise bad_type(f"{name} holds {value!r}, and must hold numbers.") from None


@dataclass(frozen=True)
class Preprocess:
    """How a picture becomes the tensor that the image encoder reads. Since 1.0.

    The defaults are the official ones: they give the values of Pillow and torchvision to the last bit.
    Immutable; may be shared between threads, models and processes.
    """

    image_size: Optional[int] = None
    """Side of the square result in pixels, 1...4096; None: the model's, or 224 where there is none."""
    interpolation: str = "bicubic"
    """"bicubic", "bilinear" or "nearest", each as Pillow computes it, antialiased."""
    alpha: str = "drop"
    """"drop": alpha is forgotten after the resize (official); "composite": laid on `background` first."""
    background: Tuple[int, int, int] = (255, 255, 255)
    """Red, green and blue, 0...255, under a composited picture."""
    orientation: str = "ignore"
    """"ignore" the EXIF orientation (official), or "apply" it."""
    convert: str = "last"
    """"last": resize and crop in the picture's own mode, then to RGB (openai/CLIP, open_clip);
    "first": to RGB, then resize (Hugging Face's image processor)."""
    mean: Tuple[float, float, float] = (0.48145466, 0.4578275, 0.40821073)
    """Subtracted from each channel, whose values are scaled to 0...1 before."""
    std: Tuple[float, float, float] = (0.26862954, 0.26130258, 0.27577711)
    """Divides each channel afterwards; above 0."""
    max_pixels: int = 178_956_970
    """A picture of more pixels is a LimitExceededError, raised before memory is taken; 1...2^40."""
    max_bytes: int = 268_435_456
    """A picture file of more bytes is a LimitExceededError; 1...2^40."""
    jpeg_decoding: str = "full"
    """"full" (official), or "scaled": a JPEG whose shorter side is at least 4 times `image_size` is decoded at
    1/2, 1/4 or 1/8 of its size, in about half the time, with slightly different pixels. Since 1.1."""

    def to_c(self) -> PreprocessOptions:
        """The struct of the C library. Raises InvalidArgumentError for values outside their range."""
        options = PreprocessOptions()
        check(library().swiftclip_preprocess_options_init(ctypes.byref(options), ctypes.sizeof(options)))
        options.image_size = 0 if self.image_size is None else whole("image_size", self.image_size, 1, 4096)
        options.interpolation = chosen("interpolation", self.interpolation, INTERPOLATIONS)
        options.alpha = chosen("alpha", self.alpha, ALPHAS)
        options.orientation = chosen("orientation", self.orientation, ORIENTATIONS)
        options.convert = chosen("convert", self.convert, CONVERTS)
        options.jpeg_decoding = chosen("jpeg_decoding", self.jpeg_decoding, JPEG_DECODINGS)
        for name, target in (("background", options.background), ("mean", options.mean), ("std", options.std)):
            values = tuple(getattr(self, name))
            if len(values) != 3:
                raise bad_argument(f"{name} has {len(values)} values, and needs 3: red, green, blue.")
            for channel, value in enumerate(values):
                target[channel] = whole(name, value, 0, 255) if name == "background" else real(name, value)
        options.max_pixels = whole("max_pixels", self.max_pixels, 1, 2**40)
        options.max_bytes = whole("max_bytes", self.max_bytes, 1, 2**40)
        return options


@dataclass(frozen=True)
class Limits:
    """How much a model may be asked for: what a server allows to those who ask it. Since 1.1.

    More is a LimitExceededError, raised before memory is taken for it. None: any. Pictures have `Preprocess.max_pixels`
    and `Preprocess.max_bytes`, threads `load(threads=...)`, time `deadline`.
    """

    max_model_bytes: Optional[int] = None
    """Of all ONNX files of the model together, external data included."""
    max_items: Optional[int] = None
    """Pictures or texts in one call of the C library; prompts (labels times templates) of a classifier. Methods of
    `Model` pass preprocessed pixels and tokens on 256 at a time."""
    max_text_bytes: Optional[int] = None
    """Of a text, label or template in UTF-8; above 16,777,216 it is a TextTooLongError in any case."""
    max_labels: Optional[int] = None
    """Of a classifier."""

    def to_c(self, options: ModelOptions) -> None:
        """Sets the members of the C library's struct. Raises InvalidArgumentError for values outside their range."""
        for name in ("max_model_bytes", "max_items", "max_text_bytes", "max_labels"):
            value = getattr(self, name)
            setattr(options, name, 0 if value is None else whole(name, value, 1, 2**63 - 1))
