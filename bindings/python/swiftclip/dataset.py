"""Pairs of pictures and captions for training, in batches."""

from __future__ import annotations

import ctypes
import json
import os
from typing import Any, Dict, Iterator, Optional, Sequence, Tuple, Union

import numpy as np

from ._declarations import BACKGROUNDS, CROPS, LONG_CAPTIONS, DatasetOptions
from ._errors import bad_argument, bad_type
from ._handle import Handle
from ._library import address, check, library
from .model import Model
from .options import Preprocess, chosen, real, whole

_Path = Union[str, "os.PathLike[str]"]


class Dataset:
    """Batches of (float32 (N, 3, S, S) pixels, int32 (N, context) tokens). Since 1.1.

        with swiftclip.Dataset("photos/captions.tsv", model, batch=256, crop="random") as data:
            for epoch in range(10):
                for pixels, tokens in data:   # ends with the epoch; the next loop is the next epoch
                    ...

    path            tables (.tsv, .csv, .jsonl) or WebDataset shards (.tar), one or a list, or a folder of them.
                    A row of a table has a path relative to the table's folder and a caption; rows with the same
                    path are captions of one picture, of which one is drawn each time
    model           gives image size, preprocessing, context length and vocabulary. None: the next three do
    preprocess      how pictures become pixels; None: the official way
    vocabulary      a merges file
    context_length  tokens in a row, 2...4096; None: 77
    batch           pairs in a batch
    seed            of everything random
    shuffle         another order in each epoch; False: that of the files
    shuffle_buffer  shards only: pairs of which the next is drawn; no more than `buffer_bytes` of them
    keep_last       keep an epoch's last batch although it has fewer pairs
    endless         epochs follow each other: a loop never ends
    threads         threads that decode, in addition to those of models; 0: the cores allowed to the process
    ahead           batches made ahead; memory holds one more
    crop            "centre", or "random": the paper's random square crop of the resized picture
    scale           of a random crop: range of its side as a part of the picture's shorter side, 0.05...1
    background      under transparent pictures: "preprocess" (as those options say), "white" or "random"
    flip            probability of a mirrored picture
    brightness, contrast, saturation  0...1: a factor is drawn from 1 - x to 1 + x
    sentences       one sentence of the caption, drawn, in place of it
    long_captions   "truncate", "skip", or "refuse" (TextTooLongError)
    allow_outside   take paths that lead out of a table's folder
    named           sentences in `report` about what was skipped first
    path_column, caption_column  names in tables, JSONL and shards' .json; None: the usual ones

    What is in a batch depends on its number, the files and these arguments only. What cannot be used is skipped,
    counted and named in `report`; its batch is smaller. Calls from several threads take turns. A child made by
    fork() goes on at the same position.

    Raises FileError, InvalidDataError, InvalidArgumentError, UnsupportedError, MissingPartError, OutOfMemoryError.
    """

    def __init__(
        self,
        path: Union[_Path, Sequence[_Path]],
        model: Optional[Model] = None,
        *,
        preprocess: Optional[Preprocess] = None,
        vocabulary: Optional[_Path] = None,
        context_length: Optional[int] = None,
        batch: int = 256,
        seed: int = 0,
        shuffle: bool = True,
        shuffle_buffer: int = 4096,
        buffer_bytes: int = 1 << 30,
        keep_last: bool = False,
        endless: bool = False,
        threads: int = 0,
        ahead: int = 2,
        crop: str = "centre",
        scale: Tuple[float, float] = (1.0, 1.0),
        background: str = "preprocess",
        flip: float = 0.0,
        brightness: float = 0.0,
        contrast: float = 0.0,
        saturation: float = 0.0,
        sentences: bool = False,
        long_captions: str = "truncate",
        allow_outside: bool = False,
        named: int = 20,
        path_column: Optional[str] = None,
        caption_column: Optional[str] = None,
    ) -> None:
        if model is not None and not isinstance(model, Model):
            raise bad_type(f"model is of type {type(model).__name__}, and must be a swiftclip.Model.")
        options = DatasetOptions()
        check(library().swiftclip_dataset_options_init(ctypes.byref(options), ctypes.sizeof(options)))
        options.model = None if model is None else model._handle.value
        given = None if preprocess is None else preprocess.to_c()
        if given is not None:
            options.preprocess = ctypes.pointer(given)
        options.vocabulary = None if vocabulary is None else _encoded(vocabulary)
        options.context_length = 0 if context_length is None else whole("context_length", context_length, 2, 4096)
        options.batch_size = whole("batch", batch, 1, 1 << 20)
        options.seed = whole("seed", seed, 0, 2**64 - 1)
        options.shuffle_buffer = whole("shuffle_buffer", shuffle_buffer, 1, 1 << 20)
        options.buffer_bytes = whole("buffer_bytes", buffer_bytes, 1, 2**40)
        options.threads = whole("threads", threads, 0, 1024)
        options.ahead = whole("ahead", ahead, 0, 64)
        options.named = whole("named", named, 0, 10000)
        options.shuffle, options.keep_last, options.endless = bool(shuffle), bool(keep_last), bool(endless)
        options.sentences, options.allow_outside = bool(sentences), bool(allow_outside)
        options.crop = chosen("crop", crop, CROPS)
        options.background = chosen("background", background, BACKGROUNDS)
        options.long_captions = chosen("long_captions", long_captions, LONG_CAPTIONS)
        if np.shape(scale) != (2,):
            raise bad_argument(f"scale is {scale!r}, and must be two numbers: the smallest and the largest.")
        options.scale_min, options.scale_max = (real("scale", value) for value in scale)
        options.flip, options.brightness = real("flip", flip), real("brightness", brightness)
        options.contrast, options.saturation = real("contrast", contrast), real("saturation", saturation)
        options.path_column = None if path_column is None else path_column.encode()
        options.caption_column = None if caption_column is None else caption_column.encode()
        paths = [path] if isinstance(path, (str, os.PathLike)) else list(path)
        array = (ctypes.c_char_p * max(len(paths), 1))(*map(_encoded, paths))
        handle = ctypes.c_void_p()
        check(library().swiftclip_dataset_open(array, len(paths), ctypes.byref(options), ctypes.byref(handle)))
        assert handle.value is not None
        self._handle = Handle(self, handle.value, library().swiftclip_dataset_free, "data set")
        size = model.image_size if model is not None else (preprocess.image_size if preprocess else None) or 224
        context = model.context_length if model is not None else options.context_length or 77
        self._shapes = ((options.batch_size, 3, size, size), (options.batch_size, context))

    def next(self) -> Optional[Tuple[np.ndarray, np.ndarray]]:
        """The next batch, in new arrays; None behind the last batch of an epoch, after which the next epoch begins."""
        pixels = np.empty(self._shapes[0], np.float32)
        tokens = np.empty(self._shapes[1], np.int32)
        count = ctypes.c_size_t()
        check(
            library().swiftclip_dataset_next(
                self._handle.value, address(pixels), pixels.size, address(tokens), tokens.size, ctypes.byref(count)
            )
        )
        return (pixels[: count.value], tokens[: count.value]) if count.value else None

    def __iter__(self) -> Iterator[Tuple[np.ndarray, np.ndarray]]:
        """The batches up to the end of the epoch, from where the data set is."""
        while (batch := self.next()) is not None:
            yield batch

    def seek(self, batch: int) -> None:
        """Goes to a batch, counted from 0 over all epochs: the next one is that which an undisturbed run would get."""
        check(library().swiftclip_dataset_seek(self._handle.value, whole("batch", batch, 0, 2**53)))

    @property
    def position(self) -> int:
        """The number of the batch that comes next, to `seek` later. Batches passed over because nothing in them
        could be used count too."""
        return int(library().swiftclip_dataset_position(self._handle.value))

    @property
    def batches(self) -> Optional[int]:
        """Batches in an epoch; None of shards until an epoch was read, or `seek` went further than 0."""
        return int(library().swiftclip_dataset_batches(self._handle.value)) or None

    def report(self) -> Dict[str, Any]:
        """What became of the pairs so far: "pictures" (in an epoch, or None while unknown), "pairs" (handed over),
        "truncated" (captions of them that were cut), "skipped" (counts by reason: "missing_pictures",
        "broken_pictures", "refused_paths", "bad_rows", "bad_members", "incomplete_pairs", "bad_captions",
        "empty_captions", "long_captions") and "first" (sentences about those skipped first)."""
        length = ctypes.c_size_t()
        library().swiftclip_dataset_report(self._handle.value, None, 0, ctypes.byref(length))
        while True:
            text = ctypes.create_string_buffer(length.value + 4096)
            status = library().swiftclip_dataset_report(self._handle.value, text, len(text), ctypes.byref(length))
            if length.value < len(text):  # another thread may have gone on in between
                break
        check(status)
        told: Dict[str, Any] = json.loads(text.value.decode("utf-8"))
        return told

    def close(self) -> None:
        """Frees the data set and its threads. Later calls raise InvalidArgumentError."""
        self._handle.close()

    def __enter__(self) -> "Dataset":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _encoded(path: Any) -> bytes:
    try:
        encoded = os.fsencode(os.fspath(path))
    except TypeError:
        raise bad_type(f"A path is of type {type(path).__name__}, and must be a str or os.PathLike.") from None
    if b"\0" in encoded:
        raise bad_argument(f"A path holds a NUL byte: {path!r}.")
    return encoded
