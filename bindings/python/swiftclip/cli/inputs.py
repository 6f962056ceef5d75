"""From what was typed to the pictures that are meant, and through them when some are broken."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import Callable, Dict, List, Sequence, Tuple

import numpy as np

from .._errors import Status, SwiftCLIPError
from ..model import Model

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp"})

_BATCH = 64

_OF_THE_PICTURE = frozenset(
    {
        Status.INVALID_ARGUMENT,
        Status.IO_ERROR,
        Status.INVALID_DATA,
        Status.UNSUPPORTED,
        Status.LIMIT_EXCEEDED,
        Status.OUT_OF_MEMORY,
    }
)
"""What can be wrong with one picture while the others are well."""


def expanded(names: Sequence[str]) -> List[str]:
    """Files as they are named; folders as the pictures in them and below, patterns as what matches, sorted.

    A name that does not exist stays, so that it is reported like any picture that cannot be read.
    """
    found: List[str] = []
    for name in names:
        if os.path.isdir(name):
            found += _pictures_below(name)
        elif os.path.exists(name) or not glob.has_magic(name):
            found.append(name)
        else:
            for match in sorted(glob.glob(name, recursive=True)) or [name]:
                found += _pictures_below(match) if os.path.isdir(match) else [match]
    return found


def _pictures_below(folder: str) -> List[str]:
    pictures = []
    for parent, folders, files in os.walk(folder):
        folders.sort()
        pictures += [os.path.join(parent, file) for file in files if Path(file).suffix.lower() in PICTURE_SUFFIXES]
    return sorted(pictures)


def encode_readable(
    model: Model, paths: Sequence[str], progress: Callable[[int, int], None]
) -> Tuple[np.ndarray, Dict[int, SwiftCLIPError]]:
    """Embeddings of all pictures, (len(paths), D), and what was wrong with those that could not be read.

    A picture that could not be read has NaN in its row.
    """
    embeddings = np.full((len(paths), model.embed_dim), np.nan, np.float32)
    failures: Dict[int, SwiftCLIPError] = {}

    def encode(start: int, end: int) -> None:
        # A batch that fails is halved until the pictures that are to blame stand alone.
        try:
            embeddings[start:end] = model.encode_image(
                list(paths[start:end]), progress=lambda done, total: progress(start + done, len(paths))
            )
        except SwiftCLIPError as error:
            if error.status not in _OF_THE_PICTURE:
                raise
            if end - start == 1:
                failures[start] = error
            else:
                middle = (start + end) // 2
                encode(start, middle)
                encode(middle, end)
        progress(end, len(paths))

    for start in range(0, len(paths), _BATCH):
        encode(start, min(start + _BATCH, len(paths)))
    return embeddings, failures
