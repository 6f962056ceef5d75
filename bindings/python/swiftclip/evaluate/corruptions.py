"""Pictures made worse in five steps: noise, blur, JPEG, contrast, brightness, pixels.

Own definitions, in proportion to the picture's size, in the spirit of ImageNet-C (Hendrycks & Dietterich, 2019) but not
its numbers: compare with figures that were made here only. The same picture, kind and strength give the same pixels.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Sequence as AbstractSequence
from typing import Any, Callable, Dict, Tuple

import numpy as np

from .._errors import bad_argument
from .data import DataSet
from .optional import needed

STRENGTHS = (1, 2, 3, 4, 5)

_LARGEST = 224
"""Larger pictures are first reduced to this shorter side, what most models see of them."""

_VERSION = "1"
"""To be raised when a corruption changes, so that stored features of the old one are not taken."""


def _noise(pixels: np.ndarray, strength: int) -> np.ndarray:
    """Gaussian noise of 0.04 to 0.24 of the full range, seeded by the picture."""
    seed = int.from_bytes(hashlib.sha256(pixels.tobytes()).digest()[:8], "little")
    noise = np.random.default_rng([seed, strength]).normal(0, (0.04, 0.08, 0.12, 0.18, 0.24)[strength - 1], pixels.shape)
    return _bytes(pixels / 255 + noise)


def _blur(pixels: np.ndarray, strength: int) -> np.ndarray:
    """Gaussian blur; its deviation is 1 % to 6 % of the shorter side."""
    image = needed("PIL.Image", "Pillow", "A corruption")
    filters = needed("PIL.ImageFilter", "Pillow", "A corruption")
    radius = (0.01, 0.02, 0.03, 0.045, 0.06)[strength - 1] * min(pixels.shape[:2])
    return np.asarray(image.fromarray(pixels).filter(filters.GaussianBlur(radius)))


def _jpeg(pixels: np.ndarray, strength: int) -> np.ndarray:
    """JPEG of quality 40 down to 5."""
    image = needed("PIL.Image", "Pillow", "A corruption")
    held = io.BytesIO()
    image.fromarray(pixels).save(held, "JPEG", quality=(40, 25, 15, 10, 5)[strength - 1])
    return np.asarray(image.open(held).convert("RGB"))


def _contrast(pixels: np.ndarray, strength: int) -> np.ndarray:
    """The distance to the mean colour times 0.6 down to 0.1."""
    mean = pixels.mean(axis=(0, 1), keepdims=True) / 255
    return _bytes(mean + (pixels / 255 - mean) * (0.6, 0.45, 0.3, 0.2, 0.1)[strength - 1])


def _brightness(pixels: np.ndarray, strength: int) -> np.ndarray:
    """0.1 to 0.5 of the full range added."""
    return _bytes(pixels / 255 + (0.1, 0.2, 0.3, 0.4, 0.5)[strength - 1])


def _pixelate(pixels: np.ndarray, strength: int) -> np.ndarray:
    """Reduced to 0.7 to 0.25 of its size by averaging, and enlarged without smoothing."""
    image = needed("PIL.Image", "Pillow", "A corruption")
    height, width = pixels.shape[:2]
    share = (0.7, 0.55, 0.45, 0.35, 0.25)[strength - 1]
    small = (max(1, round(width * share)), max(1, round(height * share)))
    resampling = image.Resampling
    reduced = image.fromarray(pixels).resize(small, resampling.BOX)
    return np.asarray(reduced.resize((width, height), resampling.NEAREST))


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values * 255), 0, 255).astype(np.uint8)


CORRUPTIONS: Dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "gaussian noise": _noise,
    "blur": _blur,
    "jpeg": _jpeg,
    "contrast": _contrast,
    "brightness": _brightness,
    "pixelate": _pixelate,
}
"""By name; each takes uint8 (H, W, 3) and a strength of 1 to 5."""


def corrupted(pixels: np.ndarray, kind: str, strength: int) -> np.ndarray:
    """A picture made worse. Since 1.1.

    pixels    uint8 (H, W, 3)
    kind      a name of `CORRUPTIONS`
    strength  1 (little) to 5 (much)

    Returns uint8 of the same shape. Raises InvalidArgumentError; UnsupportedError without Pillow.
    """
    if kind not in CORRUPTIONS:
        raise bad_argument(f"There is no corruption {kind!r}; there are {', '.join(CORRUPTIONS)}.")
    if strength not in STRENGTHS:
        raise bad_argument(f"The strength is {strength!r}, and must be 1 to 5.")
    return CORRUPTIONS[kind](np.ascontiguousarray(pixels), strength)


class _Corrupted(AbstractSequence):  # type: ignore[type-arg]
    """Pictures that are corrupted when they are asked for, so that they never exist all at once."""

    def __init__(self, pictures: Any, kind: str, strength: int, composite: bool) -> None:
        self._pictures, self._kind, self._strength, self._composite = pictures, kind, strength, composite

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, index: Any) -> Any:
        picture = self._pictures[index]
        try:
            pixels = as_rgb(picture, self._composite)
        except (OSError, ValueError, SyntaxError):
            return picture  # the library says better what is wrong with it
        return corrupted(pixels, self._kind, self._strength)


def corrupted_data(data: DataSet, kind: str, strength: int, *, composite: bool = False) -> DataSet:
    """The same data set with every picture made worse. Since 1.1.

    composite  transparent pictures are laid on white first; otherwise transparency is forgotten

    Raises as `corrupted` does.
    """
    corrupted(np.zeros((8, 8, 3), np.uint8), kind, strength)  # arguments are wrong now or never
    key = f"{data.fingerprint()} corrupted {_VERSION} {kind} {strength} {composite}"
    pictures = _Corrupted(data.pictures, kind, strength, composite)
    return DataSet(f"{data.name}, {kind} {strength}", pictures, data.labels, data.classes, key)


def as_rgb(picture: Any, composite: bool) -> np.ndarray:
    """A picture as uint8 (H, W, 3), its shorter side at most 224. Raises OSError or ValueError for no picture."""
    image = needed("PIL.Image", "Pillow", "A corruption")
    if isinstance(picture, (str, os.PathLike)):
        opened = image.open(picture)
    elif isinstance(picture, (bytes, bytearray, memoryview)):
        opened = image.open(io.BytesIO(picture))
    else:
        opened = picture if hasattr(picture, "getbands") else image.fromarray(np.asarray(picture))
    if composite and (opened.mode in ("LA", "PA", "RGBA") or "transparency" in opened.info):
        opened = opened.convert("RGBA")
        opened = image.alpha_composite(image.new("RGBA", opened.size, (255, 255, 255, 255)), opened)
    held = opened.convert("RGB")
    if min(held.size) > _LARGEST:
        held = held.resize(_reduced(held.size), image.Resampling.BICUBIC)
    return np.asarray(held)


def _reduced(size: Tuple[int, int]) -> Tuple[int, int]:
    share = _LARGEST / min(size)
    return max(_LARGEST, round(size[0] * share)), max(_LARGEST, round(size[1] * share))
