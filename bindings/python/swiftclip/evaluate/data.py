"""Labelled pictures: what experiments are run on, whatever they were read from."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from typing import Any, Optional, Sequence, Tuple

import numpy as np

from .._errors import Status, bad_argument, error_for


@dataclass(frozen=True)
class DataSet:
    """Pictures, the class of each, and the names of the classes. Immutable. Since 1.1."""

    name: str
    """What it is called in tables and plots."""
    pictures: Sequence[Any]
    """N pictures: paths, or uint8 arrays (H, W, 3); whatever `swiftclip.Model.embed_images` takes."""
    labels: np.ndarray
    """int64 (N,): the class of each picture, an index into `classes`."""
    classes: Tuple[str, ...]
    """The names that go into the prompts."""
    key: Optional[str] = None
    """What stands for the pictures where features are stored; None: it is made from files' names, sizes and times,
    or from the pixels."""

    def __post_init__(self) -> None:
        if len(self.pictures) != len(self.labels):
            raise bad_argument(f"{self.name} has {len(self.pictures)} pictures and {len(self.labels)} labels.")
        if len(self.labels) and not 0 <= self.labels.min() <= self.labels.max() < len(self.classes):
            raise error_for(
                Status.INVALID_DATA,
                f"{self.name} has labels from {self.labels.min()} to {self.labels.max()}, and {len(self.classes)} classes.",
            )

    def __len__(self) -> int:
        return len(self.labels)

    def named(self, classes: Sequence[str]) -> "DataSet":
        """The same with other names of classes, in the same order. Raises InvalidArgumentError."""
        if len(classes) != len(self.classes):
            raise bad_argument(
                f"{len(classes)} class names were given, and {self.name} has {len(self.classes)} classes "
                f"({', '.join(self.classes[:3])}, ...). Give one name for each, in this order."
            )
        return replace(self, classes=tuple(classes))

    def take(self, indices: Any) -> "DataSet":
        """The pictures at these indices, in their order."""
        chosen = np.asarray(indices, np.int64)
        pictures = self.pictures[chosen] if isinstance(self.pictures, np.ndarray) else _taken(self.pictures, chosen)
        return replace(self, pictures=pictures, labels=self.labels[chosen], key=None)

    def sample(self, count: int) -> "DataSet":
        """At most `count` pictures, spread evenly over the whole, the same each time: every class keeps its share."""
        if count < 1:
            raise bad_argument(f"{count} pictures were asked for, and at least 1 is needed.")
        if count >= len(self):
            return self
        order = np.argsort(self.labels, kind="stable")
        chosen = order[(np.arange(count) * len(self)) // count]
        return self.take(np.sort(chosen))

    def fingerprint(self) -> str:
        """32 hexadecimal digits that stand for the pictures and their order, not for names or labels."""
        if self.key is not None:
            return hashlib.sha256(self.key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        digest = hashlib.sha256()
        if isinstance(self.pictures, np.ndarray):
            digest.update(f"{self.pictures.shape}".encode())
            digest.update(np.ascontiguousarray(self.pictures))
        else:
            for picture in self.pictures:
                _identify(digest, picture)
        return digest.hexdigest()[:32]


def _taken(pictures: Sequence[Any], chosen: np.ndarray) -> Sequence[Any]:
    return [pictures[index] for index in chosen.tolist()]


def _identify(digest: Any, picture: Any) -> None:
    """Adds one picture: a file by name, size and time of change, anything else by its content."""
    if isinstance(picture, (str, os.PathLike)):
        path = os.path.abspath(os.fspath(picture))
        try:
            found = os.stat(path)
            told = f"{path}\0{found.st_size}\0{found.st_mtime_ns}\n"
        except (OSError, ValueError):
            told = f"{path}\0missing\n"
        digest.update(told.encode("utf-8", "surrogatepass"))
    elif isinstance(picture, (bytes, bytearray, memoryview)):
        digest.update(f"{len(picture)}\n".encode())
        digest.update(picture)
    else:
        pixels = np.ascontiguousarray(np.asarray(picture))
        digest.update(f"{pixels.shape} {pixels.dtype}\n".encode())
        digest.update(pixels)


def split_off(labels: np.ndarray, share: float, seed: int) -> Tuple[np.ndarray, np.ndarray]:
    """Indices of the larger and of the smaller part, each class split alike, drawn from `seed`, in rising order.

    A class of one picture stays in the larger part.
    """
    random = np.random.default_rng(seed)
    smaller = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        count = min(max(round(share * len(members)), 1), len(members) - 1)
        smaller[members[:count]] = True
    return np.flatnonzero(~smaller), np.flatnonzero(smaller)
