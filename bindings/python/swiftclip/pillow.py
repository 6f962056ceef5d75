"""Pictures that are PIL.Image objects, without importing Pillow unless the caller has."""

from __future__ import annotations

import sys
from typing import Any, Tuple

import numpy as np

from ._errors import SwiftCLIPError, Status, error_for
from .options import Preprocess

_DIRECT = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
"""The modes whose bytes the library reads as they are, with their channels."""


def is_pillow(image: Any) -> bool:
    """Whether this is a PIL.Image. It cannot be where nobody has imported PIL.Image."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(image, module.Image)


def pillow_pixels(image: Any, options: Preprocess, size: int, index: int) -> np.ndarray:
    """The pixels of a PIL.Image as uint8 (H, W, C), in a mode that the library reads.

    Modes that it does not read (palette, 1-bit, CMYK, 16-bit, ...) are resized and cropped here, by
    Pillow in their own mode as the official pipeline does, and come out as RGB (size, size, 3), which
    the library leaves as it is.
    """
    try:
        return _pixels(_prepared(image, options), options, size)
    except SwiftCLIPError:
        raise
    except MemoryError as error:
        raise error_for(Status.OUT_OF_MEMORY, f"Picture {index}, a {image!r}, does not fit in memory.") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise error_for(
            Status.INVALID_DATA, f"Picture {index}, a {image!r}, could not be read by Pillow: {error}"
        ) from error


def _prepared(image: Any, options: Preprocess) -> Any:
    """Applies the options that concern what the pixels alone do not tell: EXIF and transparency."""
    if image.width * image.height > options.max_pixels:
        raise error_for(
            Status.LIMIT_EXCEEDED,
            f"A picture of {image.width} by {image.height} pixels is over the limit of {options.max_pixels}. "
            "Raise max_pixels if it is meant.",
        )
    if options.orientation == "apply":
        from PIL import ImageOps

        image = ImageOps.exif_transpose(image)
    transparent = image.mode in ("PA", "La", "RGBa") or "transparency" in image.info
    if options.alpha == "composite" and transparent:
        return image.convert("RGBA")
    if options.convert == "first" and image.mode not in _DIRECT:
        return image.convert("RGB")
    return image


def _pixels(image: Any, options: Preprocess, size: int) -> np.ndarray:
    if image.mode not in _DIRECT:
        image = _resized_and_cropped(image, options, size).convert("RGB")
    channels = _DIRECT[image.mode]
    return np.frombuffer(image.tobytes(), np.uint8).reshape(image.height, image.width, channels)


def _resized_and_cropped(image: Any, options: Preprocess, size: int) -> Any:
    from PIL import Image

    filters = {
        "bicubic": Image.Resampling.BICUBIC,
        "bilinear": Image.Resampling.BILINEAR,
        "nearest": Image.Resampling.NEAREST,
    }
    resized = resized_size(image.width, image.height, size)
    if resized[0] * resized[1] > options.max_pixels:
        raise error_for(
            Status.LIMIT_EXCEEDED,
            f"A picture of {image.width} by {image.height} pixels becomes {resized[0]} by {resized[1]} on the way, "
            f"which is over the limit of {options.max_pixels}. Raise max_pixels if it is meant.",
        )
    if image.size != resized:
        image = image.resize(resized, filters[options.interpolation])
    left, top = ((side - size) / 2.0 for side in image.size)
    left, top = int(round(left)), int(round(top))
    return image.crop((left, top, left + size, top + size))


def resized_size(width: int, height: int, size: int) -> Tuple[int, int]:
    """Width and height after the official resize: the shorter side becomes `size`, the longer is rounded down."""
    if width <= height:
        return size, int(size * height / width)
    return int(size * width / height), size
