"""Features of pictures and classifiers of texts, computed once and kept."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from .._errors import Status, error_for
from ..classifier import similarity
from ..identity import identity
from ..model import Model
from .data import DataSet

Progress = Callable[[str, int, int], None]
"""Called as progress(what, done, total); an exception from it stops the work."""

_PIECE = 512
"""Pictures that exist as pixels at one time, where they are made on the way."""


class Encoded(NamedTuple):
    """Features of the pictures of a data set that could be read."""

    features: np.ndarray
    """float32 (N, D): image embeddings, not normalised."""
    labels: np.ndarray
    """int64 (N,)."""


class Encoder:
    """A model that remembers what it has encoded, in memory and, where it may, in a folder. Since 1.1.

    model     a `swiftclip.Model`
    cache     a folder for features and classifiers, made where it is missing; None: in memory only. What is kept
              there is found again by the model's digest and options and by the pictures or texts
    progress  see `Progress`
    truncate  cut prompts that are too long for the model; otherwise they are a TextTooLongError

    Features are the model's embeddings after the projection. (The paper's linear probes of Vision Transformers read
    the layer before it; the official release's own example reads these.)
    """

    def __init__(
        self,
        model: Model,
        *,
        cache: Optional[Union[str, "os.PathLike[str]"]] = None,
        progress: Optional[Progress] = None,
        truncate: bool = False,
    ) -> None:
        self.model = model
        self._truncate = truncate
        self.name = identity(model).name
        """The model in a word, with digests of its towers."""
        self.failures: Dict[str, str] = {}
        """Pictures that could not be read, by name, with the reason. They are left out of every count."""
        self._key = identity(model).exact
        self._cache = None if cache is None else Path(cache)
        self._progress = progress
        self._kept: Dict[str, Dict[str, np.ndarray]] = {}

    def pictures(self, data: DataSet) -> Encoded:
        """Features and labels of a data set. Raises SwiftCLIPError where none of its pictures can be read."""
        held = self.once(f"pictures {data.fingerprint()}", lambda: self._embed(data))
        features, readable = held["features"], held["readable"]
        for index in np.flatnonzero(~readable).tolist():
            self.failures.setdefault(_called(data, index), str(held["errors"][index]))
        if not readable.any():
            raise error_for(Status.INVALID_DATA, f"None of the {len(data)} pictures of {data.name} can be read.")
        return Encoded(features[readable], data.labels[readable])

    def classifier(self, classes: Sequence[str], templates: Sequence[str]) -> np.ndarray:
        """Zero-shot weights, float32 (classes, D), each of length 1: the mean over the templates (section 3.1.4)."""

        def make() -> Dict[str, np.ndarray]:
            told = self._told("prompts")
            if self._truncate:
                total = np.zeros((len(classes), self.model.embed_dim), np.float32)
                for template in templates:
                    total += unit(self.texts([template.replace("{}", name) for name in classes], truncate=True))
                return {"weights": unit(total)}
            with self.model.classifier(list(classes), list(templates), progress=told) as made:
                return {"weights": made.weights}

        return self.once(f"classifier {self._truncate}\0" + "\0".join(classes) + "\0\0" + "\0".join(templates), make)["weights"]

    def texts(self, texts: Sequence[str], truncate: bool = False) -> np.ndarray:
        """Embeddings of texts, float32 (N, D), not normalised."""

        def make() -> Dict[str, np.ndarray]:
            return {"features": self.model.encode_text(list(texts), truncate=truncate, progress=self._told("texts"))}

        return self.once(f"texts {truncate}\0" + "\0".join(texts), make)["features"]

    def cosines(self, data: DataSet, templates: Sequence[str]) -> Tuple[np.ndarray, np.ndarray]:
        """Cosines of a data set's pictures with its classes, float32 (N, classes), and the labels (N,)."""
        encoded = self.pictures(data)
        return similarity(encoded.features, self.classifier(data.classes, templates)), encoded.labels

    def tell(self, what: str, done: int, total: int) -> None:
        """Reports progress of work that an experiment does itself."""
        if self._progress is not None:
            self._progress(what, done, total)

    def _told(self, what: str) -> Optional[Callable[[int, int], None]]:
        progress = self._progress
        return None if progress is None else lambda done, total: progress(what, done, total)

    def _embed(self, data: DataSet) -> Dict[str, np.ndarray]:
        features = np.empty((len(data), self.model.embed_dim), np.float32)
        errors: List[str] = [""] * len(data)
        for start in range(0, len(data), _PIECE):
            stop = min(start + _PIECE, len(data))
            piece = [data.pictures[index] for index in range(start, stop)]
            found = self.model.embed_images(piece)
            features[start:stop] = found.embeddings
            for index, error in found.failures.items():
                errors[start + index] = str(error)
            self.tell(f"pictures of {data.name}", stop, len(data))
        told = np.array(errors, np.str_)
        return {"features": features, "readable": told == "", "errors": told}

    def once(self, what: str, make: Callable[[], Dict[str, np.ndarray]]) -> Dict[str, np.ndarray]:
        """Arrays that belong to this model and to `what`: kept ones, or those that `make` makes, which are kept then."""
        name = hashlib.sha256(f"{self._key}\n{what}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
        if name not in self._kept:
            path = None if self._cache is None else self._cache / f"{name}.npz"
            held = None if path is None else read_arrays(path)
            if held is None:
                held = make()
                if path is not None:
                    write_arrays(path, held)
            self._kept[name] = held
        return self._kept[name]


def as_encoder(model: Union[Model, Encoder]) -> Encoder:
    """What was given, or an Encoder around it that remembers in memory."""
    return model if isinstance(model, Encoder) else Encoder(model)


def read_arrays(path: Path) -> Optional[Dict[str, np.ndarray]]:
    """The arrays of a .npz file; None where there is none or it is damaged. Never unpickles."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, MemoryError):
        return None


def write_arrays(path: Path, arrays: Dict[str, np.ndarray]) -> None:
    """Writes a .npz file that is there as a whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def unit(rows: np.ndarray) -> np.ndarray:
    """Vectors along the last axis made as long as 1; those of zeros stay."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, np.float32(1)))


def _called(data: DataSet, index: int) -> str:
    picture = data.pictures[index]
    return os.fspath(picture) if isinstance(picture, (str, os.PathLike)) else f"picture {index} of {data.name}"
