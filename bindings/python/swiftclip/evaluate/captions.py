"""Pictures with captions, for retrieval."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Tuple, Union

from .._errors import Status, error_for


@dataclass(frozen=True)
class Captioned:
    """Pictures and what is said of them: any number of captions for each, and of pictures for a caption. Since 1.1."""

    name: str
    pictures: Tuple[str, ...]
    """Paths."""
    captions: Tuple[str, ...]
    """Each text once, however many pictures have it."""
    pairs: Tuple[Tuple[int, int], ...]
    """(index of a picture, index of one of its captions)."""


def open_captions(path: Union[str, "os.PathLike[str]"]) -> Captioned:
    """Reads a table of captions: UTF-8, on each line a path, a tab, a caption. Since 1.1.

    Paths are relative to the table's folder. A picture with several captions has several lines. A first line
    "path<TAB>caption" is a heading. Raises SwiftCLIPError: FileError; InvalidDataError with the line that is wrong.
    """
    table = Path(path)
    try:
        lines = table.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise error_for(Status.INVALID_DATA, f"{table} is not UTF-8 (byte {error.start}).") from None
    except OSError as error:
        raise error_for(Status.IO_ERROR, f"{table} cannot be read: {error.strerror}.") from error
    pictures: Dict[str, int] = {}
    captions: Dict[str, int] = {}
    pairs: Dict[Tuple[int, int], None] = {}
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\r")
        if not line.strip() or (number == 1 and line.split("\t")[:2] == ["path", "caption"]):
            continue
        name, _, caption = line.partition("\t")
        if not name.strip() or not caption.strip():
            raise error_for(
                Status.INVALID_DATA, f"{table}, line {number}, is no path and caption with a tab between: {line[:80]!r}."
            )
        picture = pictures.setdefault(os.path.join(table.parent, name), len(pictures))
        pairs[picture, captions.setdefault(caption.strip(), len(captions))] = None
    if not pairs:
        raise error_for(Status.INVALID_DATA, f"{table} holds no path and caption.")
    found: List[Tuple[int, int]] = list(pairs)
    return Captioned(table.stem, tuple(pictures), tuple(captions), tuple(found))
