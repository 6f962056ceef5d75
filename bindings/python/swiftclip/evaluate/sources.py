"""From what a user names to a data set: an archive, a tree of folders, or one that comes with a package."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, List, Optional, Tuple

import numpy as np

from .._errors import Status, error_for
from ..pictures import PICTURE_SUFFIXES
from .cifar import open_cifar
from .data import DataSet
from .optional import needed

SPLITS = ("train", "validation", "test")

_FOLDERS = {"train": ("train", "training"), "validation": ("val", "valid", "validation"), "test": ("test", "testing")}

DIGITS = "digits"


def open_data(source: str, split: str = "test", *, underscores: bool = False) -> DataSet:
    """Opens a data set. Since 1.1.

    source  the path of a CIFAR-10 or CIFAR-100 archive (see `open_cifar`); of a folder with a folder for each class,
            or with those in train/, val/ and test/; or "digits", the 1,797 handwritten digits inside of scikit-learn.
            "NAME=PATH" gives it another name
    split   "train", "validation" or "test". Where a folder has no test/ its val/ is the test data, as in ImageNet;
            where it has neither that nor train/, all of it is
    underscores
            keep them in names of an archive's classes, as the official README's example does

    Names of classes are those of the archive or the folders, sorted, with spaces for underscores. Raises
    SwiftCLIPError: FileError, InvalidDataError, and UnsupportedError where the source has no such split.
    """
    name, path = _named(source)
    if path == DIGITS and not os.path.exists(path):
        return _digits(name or DIGITS, split)
    if not os.path.exists(path):
        raise error_for(Status.IO_ERROR, f"There is no data set {path}: no file, no folder, and not {DIGITS!r}.")
    archive = open_cifar(path, split) if split != "validation" or not os.path.isdir(path) else None
    if archive is not None:
        return _renamed(archive, name, underscores)
    if not os.path.isdir(path):
        raise error_for(
            Status.UNSUPPORTED,
            f"{path} is neither a folder nor a CIFAR archive in an official layout (.tar.gz, Python or binary version).",
        )
    folder = _split_folder(path, split)
    return _tree(name or os.path.basename(os.path.abspath(path)), folder)


def open_split(source: str, split: str) -> Optional[DataSet]:
    """`open_data`, or None where the source has no such split."""
    _, path = _named(source)
    if split == "validation" and not (os.path.isdir(path) and _below(path, "validation") and _below(path, "test")):
        return None  # archives have none, and a folder without test/ is tested on its val/
    try:
        return open_data(source, split)
    except _NoSuchSplit:
        return None


class _NoSuchSplit(type(error_for(Status.UNSUPPORTED, ""))):  # type: ignore[misc]
    """A source without the split that was asked for."""


def _named(source: str) -> Tuple[Optional[str], str]:
    if "=" in source and not os.path.exists(source):
        name, path = source.split("=", 1)
        return name, path
    return None, source


def _renamed(data: DataSet, name: Optional[str], underscores: bool) -> DataSet:
    classes = data.classes if underscores else tuple(text.replace("_", " ") for text in data.classes)
    return DataSet(name or data.name, data.pictures, data.labels, classes)


def _below(path: str, split: str) -> Optional[str]:
    return next((os.path.join(path, f) for f in _FOLDERS[split] if os.path.isdir(os.path.join(path, f))), None)


def _split_folder(path: str, split: str) -> str:
    found = _below(path, split) or (_below(path, "validation") if split == "test" else None)
    if found is not None:
        return found
    if split == "test" and _below(path, "train") is None:
        return path
    raise _NoSuchSplit(
        f"{path} has no {split} pictures: there is no folder {' or '.join(_FOLDERS[split])} in it.", Status.UNSUPPORTED
    )


def _tree(name: str, folder: str) -> DataSet:
    """A class for each folder, with all pictures in and below it."""
    classes = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))
    pictures: List[Any] = []
    labels: List[int] = []
    for label, folder_name in enumerate(classes):
        found = sorted(
            os.path.join(parent, file)
            for parent, _, files in os.walk(os.path.join(folder, folder_name))
            for file in files
            if Path(file).suffix.lower() in PICTURE_SUFFIXES
        )
        pictures += found
        labels += [label] * len(found)
    if not pictures:
        raise error_for(
            Status.INVALID_DATA,
            f"{folder} holds no JPEG, PNG or WebP file in a folder for its class.",
        )
    return DataSet(name, pictures, np.array(labels, np.int64), tuple(text.replace("_", " ") for text in classes))


def _digits(name: str, split: str) -> DataSet:
    """scikit-learn's digits: 8 × 8 pixels of 17 grays, enlarged to 32 × 32; every third is for the test."""
    if split == "validation":
        raise _NoSuchSplit(f"{DIGITS} has no validation pictures.", Status.UNSUPPORTED)
    held = needed("sklearn.datasets", "scikit-learn", f"The data set {DIGITS!r}").load_digits()
    chosen = (np.arange(len(held.target)) % 3 == 0) == (split == "test")
    gray = np.clip(np.round(held.images[chosen] * (255 / 16)), 0, 255).astype(np.uint8)
    large = gray.repeat(4, axis=1).repeat(4, axis=2)
    pictures = np.ascontiguousarray(np.broadcast_to(large[..., None], (*large.shape, 3)))
    names = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    classes = tuple(f"the number {name}" for name in names)
    return DataSet(name, pictures, held.target[chosen].astype(np.int64), classes)  # type: ignore[arg-type]
