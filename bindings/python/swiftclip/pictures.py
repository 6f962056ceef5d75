"""Pictures on their way into the library: what a caller may hand in, and how it gets there."""

from __future__ import annotations

import ctypes
import os
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple, Union

import numpy as np

from ._declarations import (
    FORMAT_GRAY,
    FORMAT_GRAY_ALPHA,
    FORMAT_RGB,
    FORMAT_RGBA,
    Picture,
    PreprocessOptions,
)
from ._errors import ArgumentTypeError, Status, SwiftCLIPError, bad_argument, bad_type, error_for
from ._library import address, check, library
from .options import Preprocess
from .pillow import is_pillow, pillow_pixels

ImageLike = Any
"""A picture: a PIL.Image, the path of a file (str or os.PathLike), the bytes of a JPEG, PNG or WebP
file, or a uint8 array: (H, W) or (H, W, 1) gray, (H, W, 2) gray and alpha, (H, W, 3) RGB, (H, W, 4) RGBA."""

Images = Union[ImageLike, Sequence[ImageLike]]
"""One picture or many."""

_FORMATS = {1: FORMAT_GRAY, 2: FORMAT_GRAY_ALPHA, 3: FORMAT_RGB, 4: FORMAT_RGBA}

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp"})
"""How names of picture files end, in lower case, where a folder is searched for them."""

PIECE = 64
"""Pictures that must be copied (PIL's) are taken this many at a time, so that the copies stay few."""


def _is_array(image: Any) -> bool:
    return not is_pillow(image) and hasattr(image, "__array__")


def is_one(images: Any) -> bool:
    """Whether this is one picture and not several."""
    if isinstance(images, (str, os.PathLike, bytes, bytearray, memoryview)) or is_pillow(images):
        return True
    return _is_array(images) and np.ndim(images) in (2, 3)


def as_list(images: Any) -> List[Any]:
    """One picture or an iterable of pictures, as a list."""
    if is_one(images):
        return [images]
    try:
        return list(images)
    except TypeError:
        raise bad_type(
            f"A picture or a list of pictures was expected, not {type(images).__name__}. "
            "A picture is a PIL.Image, a path, the bytes of a file, or a uint8 array (H, W, 3)."
        ) from None


def as_pixels(images: Any, size: int) -> Optional[np.ndarray]:
    """`images` as float32 (N, 3, size, size) where it holds preprocessed floats; None where it holds pictures."""
    if isinstance(images, (list, tuple)):
        floats = [_is_array(image) and np.asarray(image).dtype.kind == "f" for image in images]
        if not any(floats):
            return None
        if not all(floats):
            raise bad_type("Preprocessed floats and pictures cannot be mixed in one list.")
        try:
            pixels = np.stack([np.asarray(image) for image in images])
        except ValueError as error:
            raise bad_argument(f"The float arrays of the list differ in shape: {error}.") from None
    elif _is_array(images):
        pixels = np.asarray(images)
        if pixels.dtype.kind != "f":
            return None
        if pixels.ndim == 3:
            pixels = pixels[None]
    else:
        return None
    if size and pixels.shape[1:] != (3, size, size):  # without an image encoder the library says so
        raise bad_argument(
            f"Floats have the shape {pixels.shape}, and must be (N, 3, {size}, {size}), as preprocess() makes "
            "them. A picture that is not preprocessed is given as uint8 (H, W, 3)."
        )
    return np.require(pixels, np.float32, ["C", "A"])


def pieces(images: List[Any]) -> Iterator[Tuple[int, List[Any]]]:
    """The list in one piece, or in several where pictures have to be copied; each with its start."""
    step = PIECE if any(is_pillow(image) for image in images) else max(len(images), 1)
    for start in range(0, len(images), step):
        yield start, images[start : start + step]


class PictureArray:
    """An array of swiftclip_picture, with everything that it points to. Valid while this object lives.

    failures  where given, it gets the errors of pictures that the library cannot be handed, by their index
              in the caller's list, and their places are left empty; otherwise the first is raised. Something
              that is no picture at all is always raised
    """

    def __init__(
        self,
        images: List[Any],
        options: Preprocess,
        size: int,
        start: int = 0,
        failures: Optional[Dict[int, SwiftCLIPError]] = None,
    ) -> None:
        self.count: int = len(images)
        self.array: ctypes.Array[Picture] = (Picture * max(self.count, 1))()
        self._kept: List[Any] = []
        for index, image in enumerate(images):
            try:
                self._fill(self.array[index], image, start + index, options, size)
            except SwiftCLIPError as error:
                if failures is None or isinstance(error, ArgumentTypeError):
                    raise
                failures[start + index] = error

    def _fill(self, target: Picture, image: Any, index: int, options: Preprocess, size: int) -> None:
        if isinstance(image, (str, os.PathLike)):
            path = os.fsencode(os.fspath(image))
            if b"\0" in path:
                raise bad_argument(f"The path of picture {index} holds a NUL byte: {image!r}.")
            if _is_utf8(path):
                target.path = path  # ctypes keeps the bytes alive with the array
            else:
                self._encoded(target, _content(path, index))
        elif isinstance(image, (bytes, bytearray, memoryview)):
            self._encoded(target, image)
        elif is_pillow(image):
            self._raw(target, pillow_pixels(image, options, size, index), index)
        elif _is_array(image):
            self._raw(target, np.asarray(image), index)
        else:
            raise bad_type(
                f"Picture {index} is of type {type(image).__name__}. A picture is a PIL.Image, a path, "
                "the bytes of a file, or a uint8 array (H, W, 3)."
            )

    def _encoded(self, target: Picture, data: Union[bytes, bytearray, memoryview]) -> None:
        view = np.frombuffer(data, np.uint8) if len(data) else np.zeros(1, np.uint8)
        self._kept.append(view)
        target.data = address(view)
        target.size = view.size if len(data) else 0

    def _raw(self, target: Picture, pixels: np.ndarray, index: int) -> None:
        if pixels.dtype != np.uint8:
            raise bad_type(f"Picture {index} is an array of {pixels.dtype}, and must be uint8, 0 to 255.")
        if pixels.ndim == 2:
            pixels = pixels[:, :, None]
        if pixels.ndim != 3 or pixels.shape[2] not in _FORMATS:
            raise bad_argument(
                f"Picture {index} is an array of the shape {pixels.shape}, and must be (H, W), or (H, W, C) with "
                "1 (gray), 2 (gray, alpha), 3 (RGB) or 4 (RGBA) channels."
            )
        height, width, channels = pixels.shape
        if not pixels.size or max(height, width) >= 2**31:
            raise bad_argument(f"Picture {index} is {width} pixels wide and {height} high.")
        rows, columns, samples = pixels.strides
        if samples != 1 or columns != channels or rows < width * channels:
            pixels = np.ascontiguousarray(pixels)
            rows = width * channels
        self._kept.append(pixels)
        target.data = address(pixels)
        target.size = rows * (height - 1) + width * channels
        target.format = _FORMATS[channels]
        target.width, target.height, target.stride = width, height, rows


def _is_utf8(path: bytes) -> bool:
    try:
        path.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _content(path: bytes, index: int) -> bytes:
    """A file whose name is not UTF-8, which Linux allows and the library's strings do not."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise error_for(Status.IO_ERROR, f"Picture {index}, {path!r}, cannot be read: {error.strerror}.") from error


def preprocess(images: Images, options: Optional[Preprocess] = None) -> np.ndarray:
    """Pictures to pixels without a model: shorter side resized, centre crop, normalisation. Since 1.0.

    images   one picture or a list (see `ImageLike`)
    options  a `Preprocess`; None: the official one, 224 pixels

    Returns float32 (3, S, S) for one picture and (N, 3, S, S) for a list; planes red, green, blue. The
    array is new and the caller's. Uses the calling thread only; may be called from any.

    Raises SwiftCLIPError: FileError, InvalidDataError, UnsupportedError, LimitExceededError,
    InvalidArgumentError (also for types), OutOfMemoryError.
    """
    options = Preprocess() if options is None else options
    native: PreprocessOptions = options.to_c()
    size = options.image_size or 224
    items = as_list(images)
    pixels = _empty((len(items), 3, size, size))
    for start, piece in pieces(items):
        pictures = PictureArray(piece, options, size, start)
        part = pixels[start : start + pictures.count]
        check(
            library().swiftclip_preprocess(
                ctypes.byref(native), pictures.array, pictures.count, address(part), part.size
            ),
            start,
        )
    return pixels[0] if is_one(images) else pixels


def _empty(shape: Tuple[int, ...]) -> np.ndarray:
    """A float32 array for a result. Raises OutOfMemoryError."""
    try:
        return np.empty(shape, np.float32)
    except MemoryError as error:
        raise error_for(Status.OUT_OF_MEMORY, f"A result of the shape {shape} does not fit in memory.") from error
