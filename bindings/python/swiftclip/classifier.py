"""Zero-shot classification: labels turned into a classifier, to use again and again."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Callable, Optional, Sequence, Tuple

import numpy as np

from ._errors import bad_argument
from ._handle import Handle
from ._library import address, check, library
from ._progress import ProgressFunction, watching
from .texts import TextArray, TextLike, as_labels, as_texts

if TYPE_CHECKING:
    from .model import Model

DEFAULT_TEMPLATES: Tuple[str, ...] = ("a photo of a {}.",)
"""The official default prompt."""


class Classifier:
    """Labels turned into a linear classifier by the text encoder. Made by `Model.classifier`. Since 1.0.

    For each label the prompts of all templates are encoded and normalised, their mean taken and
    normalised again (the paper's section 3.1.4). Immutable; may be used from many threads at once. It
    stays valid when its model is closed.
    """

    def __init__(
        self,
        model: "Model",
        labels: Sequence[TextLike],
        templates: Sequence[TextLike] = DEFAULT_TEMPLATES,
        progress: Optional[ProgressFunction] = None,
    ) -> None:
        self.labels: Tuple[TextLike, ...] = tuple(as_labels(labels))
        """The labels, in the order of the columns of every result."""
        self.templates: Tuple[TextLike, ...] = tuple(as_texts(templates)) or DEFAULT_TEMPLATES
        """The prompts, each with its one "{}"."""
        names, prompts = TextArray(self.labels), TextArray(self.templates)
        self._embed_dim = model.embed_dim
        handle = ctypes.c_void_p()
        with watching(progress) as watch:
            status = library().swiftclip_classifier_create(
                model._handle.value,
                names.pointer,
                names.count,
                prompts.pointer,
                prompts.count,
                watch.callback,
                None,
                ctypes.byref(handle),
            )
        check(status)
        assert handle.value is not None
        self._handle = Handle(self, handle.value, library().swiftclip_classifier_free, "classifier")

    @property
    def weights(self) -> np.ndarray:
        """One unit vector for each label, float32 (len(labels), embed_dim), as a new array."""
        weights = np.empty((len(self.labels), self._embed_dim), np.float32)
        check(library().swiftclip_classifier_weights(self._handle.value, address(weights), weights.size))
        return weights

    def probabilities(self, embeddings: np.ndarray) -> np.ndarray:
        """Probabilities of each label: softmax over the labels of logit scale times cosine.

        embeddings  (N, embed_dim) or (embed_dim,) image embeddings; they need not be normalised

        Returns a new float32 array (N, len(labels)); each row sums to 1. Raises InvalidArgumentError.
        """
        return self._scores(library().swiftclip_classifier_probabilities, embeddings)

    def cosines(self, embeddings: np.ndarray) -> np.ndarray:
        """Cosines with each label, -1...1, each independent of the other labels: for several labels at
        once, for thresholds and for retrieval. Otherwise as `probabilities`."""
        return self._scores(library().swiftclip_classifier_cosines, embeddings)

    def _scores(self, function: Callable[..., int], embeddings: Any) -> np.ndarray:
        rows = vectors(embeddings, "embeddings")
        if rows.shape[1] != self._embed_dim:
            raise bad_argument(
                f"embeddings have {rows.shape[1]} dimensions, and this classifier's model has {self._embed_dim}."
            )
        scores = np.empty((len(rows), len(self.labels)), np.float32)
        check(function(self._handle.value, address(rows), len(rows), address(scores), scores.size))
        return scores

    def close(self) -> None:
        """Frees the classifier. Later calls raise InvalidArgumentError; closing again does nothing."""
        self._handle.close()

    def __enter__(self) -> "Classifier":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self.labels)

    def __reduce__(self) -> Tuple[Any, ...]:
        raise TypeError("A classifier cannot be pickled. Pickle the model and the labels, or store `weights`.")

    def __repr__(self) -> str:
        counts = f"{len(self.labels)} labels, {len(self.templates)} templates"
        return f"<swiftclip.Classifier {counts}{', closed' if self._handle.closed else ''}>"


def vectors(values: Any, name: str) -> np.ndarray:
    """Rows of numbers as float32 (N, D); one row may be given alone. Raises InvalidArgumentError."""
    try:
        rows = np.require(values, np.float32, ["C", "A"])
    except (TypeError, ValueError) as error:
        raise bad_argument(f"{name} are not an array of numbers: {error}") from None
    if rows.ndim == 1:
        rows = rows[None]
    if rows.ndim != 2:
        raise bad_argument(f"{name} have the shape {rows.shape}, and must be (N, D).")
    return rows


def similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosines between every row of `a` and every row of `b`. Since 1.0.

    a, b  (N, D) and (M, D), or (D,) for one row; they need not be normalised. A row of zeros has the
          cosine 0 with everything.

    Returns a new float32 array (N, M). May be called from any thread. Raises InvalidArgumentError.
    """
    left, right = vectors(a, "a"), vectors(b, "b")
    if left.shape[1] != right.shape[1]:
        raise bad_argument(f"a has {left.shape[1]} dimensions and b has {right.shape[1]}; they must agree.")
    cosines = np.empty((len(left), len(right)), np.float32)
    check(
        library().swiftclip_similarity(
            address(left), len(left), address(right), len(right), left.shape[1], address(cosines), cosines.size
        )
    )
    return cosines
