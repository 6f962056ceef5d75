"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009) in the layouts that they are published in.

The "Python version" holds pickles, the "binary version" records of labels and pixels; each comes as a .tar.gz, and is
read as it is or unpacked. 32 × 32 pixels, 3,072 bytes a picture: a plane of red, one of green, one of blue.
"""

from __future__ import annotations

import os
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, FrozenSet, List, Mapping, Optional, Tuple

import numpy as np

from .._errors import Status, error_for
from .data import DataSet
from .unpickle import unpickled

_PIXELS = 3 * 32 * 32
_LARGEST = 256 * 1024 * 1024
"""No official file has more than 154 MB; a larger one is refused unread."""


@dataclass(frozen=True)
class _Layout:
    """How one of the four archives is laid out."""

    name: str
    splits: Mapping[str, Tuple[str, ...]]
    names: str
    """The file with the names of the classes."""
    names_key: Optional[str]
    """Their key in it, where it is a pickle."""
    labels: str
    """The key of the labels, where files are pickles."""
    bytes_before: int
    """Bytes of labels before the pixels of a record, the wanted one last, where they are binary."""


_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))

LAYOUTS = (
    _Layout("CIFAR-10", {"train": _BATCHES, "test": ("test_batch",)}, "batches.meta", "label_names", "labels", 0),
    _Layout(
        "CIFAR-10",
        {"train": tuple(f"{name}.bin" for name in _BATCHES), "test": ("test_batch.bin",)},
        "batches.meta.txt",
        None,
        "",
        1,
    ),
    _Layout("CIFAR-100", {"train": ("train",), "test": ("test",)}, "meta", "fine_label_names", "fine_labels", 0),
    _Layout("CIFAR-100", {"train": ("train.bin",), "test": ("test.bin",)}, "fine_label_names.txt", None, "", 2),
)


def open_cifar(path: Any, split: str) -> Optional[DataSet]:
    """CIFAR-10's or CIFAR-100's pictures and their (fine) classes; None where the place holds neither. Since 1.1.

    path   the official archive, Python or binary version, as .tar.gz (.tar, .tar.xz, ...) or unpacked, or a folder
           above it
    split  "train" or "test"

    Pictures are uint8 (N, 32, 32, 3). Raises SwiftCLIPError: FileError; InvalidDataError for a damaged archive, and
    for a pickle that holds anything but numbers, texts and arrays, of which nothing is run.
    """
    place = Path(path)
    files = _unpacked(place) if place.is_dir() else _packed(place)
    layout = next((layout for layout in LAYOUTS if layout.names in files), None)
    if layout is None:
        return None
    if split not in layout.splits:
        raise error_for(Status.INVALID_ARGUMENT, f"{layout.name} has no split {split!r}; it has train and test.")
    missing = [name for name in layout.splits[split] if name not in files]
    if missing:
        raise _damaged(place, f"{', '.join(missing)} is missing")
    classes = _classes(layout, files[layout.names], f"{place}, {layout.names}")
    parts = [_part(layout, files[name], f"{place}, {name}") for name in layout.splits[split]]
    planes = np.concatenate([pixels for pixels, _ in parts]).reshape(-1, 3, 32, 32)
    pictures = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
    return DataSet(layout.name, pictures, np.concatenate([labels for _, labels in parts]), classes)  # type: ignore[arg-type]


def _damaged(place: Any, reason: str) -> Exception:
    return error_for(Status.INVALID_DATA, f"{place} is no CIFAR archive in an official layout: {reason}.")


def _wanted() -> FrozenSet[str]:
    names = {layout.names for layout in LAYOUTS}
    return frozenset(names.union(*(files for layout in LAYOUTS for files in layout.splits.values())))


def _unpacked(folder: Path) -> Dict[str, bytes]:
    """The files of a folder, or of its one subfolder that has the names of the classes."""
    marks = [layout.names for layout in LAYOUTS]
    for place in [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]:
        if any((place / mark).is_file() for mark in marks):
            return {name: _content(place / name) for name in sorted(_wanted()) if (place / name).is_file()}
    return {}


def _content(path: Path) -> bytes:
    if os.path.getsize(path) > _LARGEST:
        raise _damaged(path, f"it has more than {_LARGEST:,} bytes")
    return path.read_bytes()


def _packed(path: Path) -> Dict[str, bytes]:
    """The files of a tar archive by their last names; none where it is no tar archive."""
    files: Dict[str, bytes] = {}
    wanted = _wanted()
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = member.name.rsplit("/", 1)[-1]
                if not member.isfile() or name not in wanted:
                    continue
                if member.size > _LARGEST:
                    raise _damaged(path, f"{member.name} has more than {_LARGEST:,} bytes")
                held = archive.extractfile(member)
                files[name] = held.read() if held is not None else b""
    except tarfile.ReadError:
        if files:
            raise _damaged(path, "it ends too early or is damaged") from None
        return {}
    except (EOFError, ValueError, *_DECODERS) as error:
        raise _damaged(path, f"it is damaged ({error})") from None
    return files


def _decoders() -> Tuple[Any, ...]:
    import lzma
    import zlib

    return zlib.error, lzma.LZMAError


_DECODERS = _decoders()


def _classes(layout: _Layout, content: bytes, where: str) -> Tuple[str, ...]:
    names: List[Any]
    if layout.names_key is None:
        names = [line.strip() for line in content.splitlines() if line.strip()]
    else:
        found = unpickled(content, where).get(layout.names_key)
        names = found if isinstance(found, list) else []
    texts = [name.decode("utf-8", "replace") if isinstance(name, bytes) else name for name in names]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise _damaged(where, "it holds no names of classes")
    return tuple(texts)


def _part(layout: _Layout, content: bytes, where: str) -> Tuple[np.ndarray, np.ndarray]:
    """Pixels (N, 3072) and labels (N,) of one file."""
    if layout.names_key is None:
        record = layout.bytes_before + _PIXELS
        if not content or len(content) % record:
            raise _damaged(where, f"its {len(content):,} bytes are no records of {record}")
        rows = np.frombuffer(content, np.uint8).reshape(-1, record)
        return rows[:, layout.bytes_before :], rows[:, layout.bytes_before - 1].astype(np.int64)
    found = unpickled(content, where)
    pixels, labels = found.get("data"), found.get(layout.labels)
    if not (isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and pixels.ndim == 2
            and pixels.shape[1] == _PIXELS):  # fmt: skip
        raise _damaged(where, f"its data are no uint8 (N, {_PIXELS})")
    if not isinstance(labels, list) or not all(type(label) is int and 0 <= label < 256 for label in labels):
        raise _damaged(where, f"its {layout.labels} are no list of classes")
    if len(labels) != len(pixels):
        raise _damaged(where, f"it has {len(pixels)} pictures and {len(labels)} labels")
    return pixels, np.array(labels, np.int64)
