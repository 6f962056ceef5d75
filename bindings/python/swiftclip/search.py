"""Search of a folder's pictures by a text or by a picture. The index is an ordinary .npz file.

    from swiftclip.search import Index

    with swiftclip.load() as model:
        index = Index.of_folder(model, "pictures", "pictures.npz")   # encodes what is new or changed, forgets what is gone
        for path, cosine in index.best(model.encode_text("a penguin"), 10)[0]:
            print(cosine, path)
"""

from __future__ import annotations

import importlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple, Union

import numpy as np

from ._errors import Status, bad_argument, error_for
from .classifier import similarity, vectors
from .evaluate.encoder import read_arrays, write_arrays
from .identity import Identity, identity
from .model import Model
from .pictures import PICTURE_SUFFIXES, as_list
from ._progress import ProgressFunction

ENGINES = ("exact", "usearch", "faiss")
"""How the nearest are found: all cosines with numpy; an approximate graph by usearch or FAISS, if installed."""

_FORMAT = 1
_PIECE = 4096

PathLike = Union[str, "os.PathLike[str]"]


@dataclass
class Index:
    """Embeddings of a folder's pictures. Since 1.1."""

    folder: str
    """Where `paths` begin: an absolute path."""
    paths: List[str]
    """Pictures below the folder that could be read, sorted."""
    embeddings: np.ndarray
    """float32 (N, D), each of length 1."""
    stamps: np.ndarray
    """int64 (N, 2): size in bytes and time of change in ns of each file when it was read."""
    image: str
    """`Identity.image` of the model."""
    text: str
    """`Identity.text` of the model."""
    unreadable: Dict[str, Tuple[int, int, str]] = field(default_factory=dict)
    """Pictures that could not be read: size, time of change, reason. They are not tried again until they change."""
    news: Dict[str, str] = field(default_factory=dict)
    """Those among them that were tried this time."""
    encoded: int = 0
    """Pictures that were encoded this time."""
    engines: Dict[str, np.ndarray] = field(default_factory=dict)
    """Graphs of engines, as bytes."""

    @staticmethod
    def load(path: PathLike, model: Model) -> "Index":
        """Reads an index and changes nothing. Since 1.1.

        Raises SwiftCLIPError: FileError; InvalidDataError for a file that is no index; InvalidArgumentError where it
        was made with another model or another treatment of pictures.
        """
        return _read(Path(path), identity(model))

    @staticmethod
    def of_folder(
        model: Model,
        folder: PathLike,
        path: Optional[PathLike] = None,
        *,
        progress: Optional[ProgressFunction] = None,
    ) -> "Index":
        """The index of all pictures in and below a folder, brought up to date. Since 1.1.

        path      the .npz file that is read, if it is there, and written, if anything changed; None: none
        progress  called as progress(done, total) with pictures that are new or changed

        Files of the same size and time of change are not read again. Raises as `load` does; FileError for a folder
        that is not there.
        """
        root = os.path.abspath(os.fspath(folder))
        if not os.path.isdir(root):
            raise error_for(Status.IO_ERROR, f"{folder} is no folder.")
        known = identity(model)
        old: Optional[Index] = None
        if path is not None and os.path.exists(path):
            old = _read(Path(path), known)
            if old.folder != root:
                raise bad_argument(f"{path} is the index of {old.folder}, not of {root}. Name another with --index.")
        index, changed = _updated(model, known, root, old, progress)
        if path is not None and changed:
            index.save(path)
        return index

    def save(self, path: PathLike) -> None:
        """Writes the .npz file: it is there as a whole or not at all. Raises OSError."""
        about = dict(format=_FORMAT, folder=self.folder, image=self.image, text=self.text, unreadable=self.unreadable)
        arrays = dict(
            paths=np.array(self.paths, np.str_),
            embeddings=self.embeddings,
            stamps=self.stamps,
            about=np.array(json.dumps(about)),
        )
        write_arrays(Path(path), {**arrays, **{f"engine_{name}": held for name, held in self.engines.items()}})

    def best(self, queries: np.ndarray, count: int = 10, *, engine: str = "exact") -> List[List[Tuple[str, float]]]:
        """The best pictures for each query: (path, cosine), best first. Since 1.1.

        queries  embeddings of texts or pictures, (N, D) or (D,)
        count    at most how many for each
        engine   one of `ENGINES`; graphs are made when first asked for, and kept by `save`

        Of equal ones the earlier path is first. Raises InvalidArgumentError; UnsupportedError where the engine is not
        installed.
        """
        rows = vectors(queries, "queries")
        if count < 1:
            raise bad_argument(f"The best {count} were asked for, and at least 1 is needed.")
        if engine not in ENGINES:
            raise bad_argument(f"engine is {engine!r}, and must be one of {', '.join(ENGINES)}.")
        if not self.paths:
            return [[] for _ in rows]
        count = min(count, len(self.paths))
        if engine == "exact":
            chosen = [_top(similarity(row, self.embeddings)[0], count) for row in rows]
        else:
            lengths = np.linalg.norm(rows, axis=1, keepdims=True)
            unit = (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)
            chosen = [found[found >= 0] for found in _ENGINES[engine](self, unit, count)]
        answers = []
        for row, found in zip(rows, chosen):
            cosines = similarity(row, self.embeddings[found])[0]
            answers.append(
                [(os.path.join(self.folder, self.paths[i]), float(c)) for i, c in zip(found.tolist(), cosines.tolist())]
            )
        return answers


def _top(cosines: np.ndarray, count: int) -> np.ndarray:
    return np.argsort(-cosines, kind="stable")[:count]


def _read(path: Path, known: Identity) -> Index:
    held = read_arrays(path)
    if held is None and not path.exists():
        raise error_for(Status.IO_ERROR, f"There is no index {path}.")
    try:
        assert held is not None
        about = json.loads(str(held["about"]))
        index = Index(
            folder=str(about["folder"]),
            paths=held["paths"].astype(np.str_).tolist(),
            embeddings=held["embeddings"].astype(np.float32),
            stamps=held["stamps"].astype(np.int64),
            image=str(about["image"]),
            text=str(about["text"]),
            unreadable={str(name): (int(a), int(b), str(why)) for name, (a, b, why) in about["unreadable"].items()},
            engines={name[7:]: value for name, value in held.items() if name.startswith("engine_")},
        )
        count = len(index.paths)
        assert index.embeddings.ndim == 2 and len(index.embeddings) == count and index.stamps.shape == (count, 2)
        assert np.isfinite(index.embeddings).all()
    except (AssertionError, KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise error_for(
            Status.INVALID_DATA, f"{path} is damaged or no index of pictures. Remove it to have it made again."
        ) from None
    if index.image != known.image or (index.text and known.text and index.text != known.text):
        raise bad_argument(
            f"{path} was made with another model, precision or treatment of pictures ({index.image}) than this one "
            f"({known.image}), and their embeddings cannot be compared. Use that model, or name another file with --index."
        )
    return index


def _updated(
    model: Model, known: Identity, root: str, old: Optional[Index], progress: Optional[ProgressFunction]
) -> Tuple[Index, bool]:
    """The index of what is below `root` now, and whether it differs from the old one."""
    now = _pictures_below(root)
    before = {} if old is None else {name: row for row, name in enumerate(old.paths)}
    bad = {} if old is None else dict(old.unreadable)

    def same(name: str) -> bool:
        stamp = now[name]
        if name in before:
            return old is not None and tuple(old.stamps[before[name]].tolist()) == stamp
        return name in bad and tuple(bad[name][:2]) == stamp

    fresh = [name for name in now if not same(name)]
    rows: Dict[str, np.ndarray] = {}
    news: Dict[str, str] = {}
    for start in range(0, len(fresh), _PIECE):
        piece = fresh[start : start + _PIECE]
        shown = None if progress is None else _shifted(progress, start, len(fresh))
        found = model.embed_images([os.path.join(root, name) for name in piece], progress=shown)
        for offset, name in enumerate(piece):
            if offset in found.failures:
                news[name] = str(found.failures[offset])
            else:
                rows[name] = found.embeddings[offset] / max(float(np.linalg.norm(found.embeddings[offset])), 1e-12)
    kept_bad = {name: bad[name] for name in bad if name in now and name not in fresh}
    unreadable = {**kept_bad, **{name: (*now[name], why) for name, why in news.items()}}
    paths = [name for name in now if name not in unreadable]
    embeddings = np.empty((len(paths), model.embed_dim), np.float32)
    for place, name in enumerate(paths):
        embeddings[place] = rows[name] if name in rows else old.embeddings[before[name]]  # type: ignore[union-attr]
    stamps = np.array([now[name] for name in paths], np.int64).reshape(-1, 2)
    changed = old is None or bool(fresh) or paths != old.paths or unreadable != old.unreadable
    engines = old.engines if old is not None and not changed else {}
    index = Index(root, paths, embeddings, stamps, known.image, known.text, unreadable, news, len(fresh), engines)
    return index, changed


def _shifted(progress: ProgressFunction, start: int, total: int) -> ProgressFunction:
    return lambda done, _: progress(start + done, total)


def _pictures_below(root: str) -> Dict[str, Tuple[int, int]]:
    """Size and time of change of every picture below a folder, by its path from there, sorted."""
    found = {}
    for parent, folders, files in os.walk(root):
        folders.sort()
        for file in files:
            if Path(file).suffix.lower() in PICTURE_SUFFIXES:
                path = os.path.join(parent, file)
                try:
                    told = os.stat(path)
                except OSError:
                    continue  # gone since, or a link to nowhere
                found[os.path.relpath(path, root)] = (told.st_size, told.st_mtime_ns)
    return dict(sorted(found.items()))


def picture_query(model: Model, picture: Any) -> np.ndarray:
    """The embedding of one picture, float32 (1, D). Raises what `Model.encode_image` raises."""
    return model.encode_image(as_list(picture))


# -- Engines that need not be there. Only their own bytes are ever given back to them.


def _usearch(index: Index, queries: np.ndarray, count: int) -> List[np.ndarray]:
    library = _engine("usearch.index", "usearch")
    graph = library.Index(ndim=index.embeddings.shape[1], metric="ip", dtype="f32")
    if "usearch" in index.engines:
        graph.load(index.engines["usearch"].tobytes())
    else:
        graph.add(np.arange(len(index.paths), dtype=np.uint64), index.embeddings)
        index.engines["usearch"] = np.frombuffer(bytes(graph.save()), np.uint8)
    return [np.asarray(graph.search(row, count).keys).astype(np.int64) for row in queries]


def _faiss(index: Index, queries: np.ndarray, count: int) -> List[np.ndarray]:
    library = _engine("faiss", "faiss-cpu")
    if "faiss" in index.engines:
        graph = library.deserialize_index(index.engines["faiss"])
    else:
        graph = library.IndexHNSWFlat(index.embeddings.shape[1], 32, library.METRIC_INNER_PRODUCT)
        graph.add(index.embeddings)
        index.engines["faiss"] = np.array(library.serialize_index(graph))
    return list(graph.search(queries, count)[1])


_ENGINES = {"usearch": _usearch, "faiss": _faiss}


def _engine(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise error_for(
            Status.UNSUPPORTED,
            f"The engine {package.split('-')[0]} cannot be imported ({error}): pip install {package}, or use --engine exact.",
        ) from error
