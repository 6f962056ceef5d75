"""Pictures with captions, for retrieval."""

from __future__ import annotations

import csv
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple, Union

import numpy as np

from .._errors import Status, bad_argument, error_for

_PATHS = ("path", "filepath", "file", "filename", "file_name", "image")
_CAPTIONS = ("caption", "captions", "text", "title")


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

    def only(self, pictures: Sequence[int]) -> "Captioned":
        """Some of the pictures, in this order, with their captions."""
        place = {picture: index for index, picture in enumerate(pictures)}
        kept = [(place[picture], caption) for picture, caption in self.pairs if picture in place]
        column = {caption: index for index, caption in enumerate(sorted({caption for _, caption in kept}))}
        return Captioned(
            self.name,
            tuple(self.pictures[picture] for picture in pictures),
            tuple(self.captions[caption] for caption in column),
            tuple((picture, column[caption]) for picture, caption in kept),
        )

    def hold_out(self, share: float, seed: int = 0) -> Tuple["Captioned", "Captioned"]:
        """All but a share of the pictures, to learn from, and that share, drawn, to be tested on.

        A picture is on one side with all of its captions. Raises InvalidArgumentError for a share that leaves fewer
        than two pictures on a side.
        """
        count = round(share * len(self.pictures))
        if not 2 <= count <= len(self.pictures) - 2:
            raise bad_argument(f"A share of {share} of {len(self.pictures)} pictures is {count}. Two at least are needed on each side.")
        order = np.random.default_rng(seed).permutation(len(self.pictures)).tolist()
        return self.only(sorted(order[count:])), self.only(sorted(order[:count]))

    def write(self, path: Union[str, "os.PathLike[str]"]) -> None:
        """Writes a table in JSONL, with absolute paths. Raises OSError."""
        own: Dict[int, List[str]] = {}
        for picture, caption in self.pairs:
            own.setdefault(picture, []).append(self.captions[caption])
        lines = [json.dumps({"path": os.path.abspath(self.pictures[picture]), "caption": own[picture]}) for picture in own]
        Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def open_captions(path: Union[str, "os.PathLike[str]"], skipped: Optional[List[str]] = None) -> Captioned:
    """Reads a table of captions in UTF-8: .csv, .jsonl, or lines with a path, a tab and a caption. Since 1.1.

    Paths are relative to the table's folder. A picture with several captions has several rows, or in JSONL a list. A
    first row that names both columns, as `swiftclip.Dataset` knows them, is a heading; otherwise they are two.

    skipped  gets a sentence for each row that is wrong. None: the first one is an error

    Raises SwiftCLIPError: FileError; InvalidDataError with the row that is wrong.
    """
    table = Path(path)
    try:
        text = table.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise error_for(Status.INVALID_DATA, f"{table} is not UTF-8 (byte {error.start}).") from None
    except OSError as error:
        raise error_for(Status.IO_ERROR, f"{table} cannot be read: {error.strerror}.") from error
    pictures: Dict[str, int] = {}
    captions: Dict[str, int] = {}
    pairs: Dict[Tuple[int, int], None] = {}
    for number, name, caption in (_objects if table.suffix == ".jsonl" else _rows)(table, text):
        if not name.strip() or not caption.strip():
            told = f"{table}, line {number}, is no path and caption: {f'{name} {caption}'.strip()[:80]!r}."
            if skipped is None:
                raise error_for(Status.INVALID_DATA, told)
            skipped.append(told)
            continue
        picture = pictures.setdefault(os.path.join(table.parent, name), len(pictures))
        pairs[picture, captions.setdefault(caption.strip(), len(captions))] = None
    if not pairs:
        raise error_for(Status.INVALID_DATA, f"{table} holds no path and caption.")
    return Captioned(table.stem, tuple(pictures), tuple(captions), tuple(pairs))


def _rows(table: Path, text: str) -> Iterator[Tuple[int, str, str]]:
    """(number, path, caption) of the rows of a CSV or a TSV; in a row that is wrong, one of both is empty."""
    path, caption, width = 0, 1, 2
    for number, row in enumerate(_csv(table, text) if table.suffix == ".csv" else _tsv(text), 1):
        names = [field.strip().lower() for field in row]
        heads = [next((names.index(name) for name in known if name in names), -1) for known in (_PATHS, _CAPTIONS)]
        if number == 1 and min(heads) >= 0:
            path, caption, width = heads[0], heads[1], len(row)
        elif any(names):
            yield (number, row[path], row[caption]) if len(row) == width else (number, "", " ".join(row))


def _csv(table: Path, text: str) -> Iterator[List[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        yield from reader
    except csv.Error as error:
        raise error_for(Status.INVALID_DATA, f"{table}, line {reader.line_num}: {error}.") from None


def _tsv(text: str) -> Iterator[List[str]]:
    """A line is a row. Quotes around a whole field are taken off, others stay."""
    for line in text.split("\n"):
        fields = line.rstrip("\r").split("\t")
        yield [field[1:-1] if len(field) > 1 and field[0] == field[-1] == '"' else field for field in fields]


def _objects(table: Path, text: str) -> Iterator[Tuple[int, str, str]]:
    """The same of a JSONL's objects, whose caption may be a list."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        name: Any = ""
        captions: Any = line
        try:
            found = json.loads(line)
            name = next(found[key] for key in _PATHS if key in found)
            captions = next(found[key] for key in _CAPTIONS if key in found)
        except (ValueError, TypeError, StopIteration, RecursionError):
            name = ""
        for caption in captions if isinstance(captions, list) else [captions]:
            good = isinstance(name, str) and isinstance(caption, str)
            yield (number, name, caption) if good else (number, "", line)
