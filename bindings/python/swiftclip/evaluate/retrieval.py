"""Retrieval of texts by pictures and of pictures by texts (Appendix E, Table 13)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Dict, List, NamedTuple, Sequence, Tuple, Union

import numpy as np

from .._errors import bad_argument
from ..classifier import similarity
from ..model import Model
from .captions import Captioned
from .data import DataSet
from .encoder import Encoder, as_encoder
from .prompts import PLAIN, checked_templates
from .result import Result, percent, table

AT = (1, 5, 10)


class Recall(NamedTuple):
    """One direction. Since 1.1."""

    at: Tuple[Tuple[int, float], ...]
    """(k, share of the queries for which a right one is among the best k)."""
    median_rank: float
    """Of the first right one; 1 is best."""
    queries: int
    candidates: int


@dataclass(frozen=True)
class Retrieval(Result):
    """Retrieval in both directions. Since 1.1."""

    experiment: ClassVar[str] = "retrieval"

    model: str
    data: str
    template: str
    image_to_text: Recall
    text_to_image: Recall

    def __str__(self) -> str:
        heads = (self.data, "queries", "among", *(f"R@{k}" for k, _ in self.image_to_text.at), "median rank")
        rows = [
            (name, f"{found.queries:,}", f"{found.candidates:,}", *(percent(share) for _, share in found.at),
             f"{found.median_rank:g}")
            for name, found in (("image to text", self.image_to_text), ("text to image", self.text_to_image))
        ]  # fmt: skip
        return table(heads, rows)

    def draw(self, axes: Any) -> None:
        places = np.arange(len(self.image_to_text.at))
        for shift, (name, found, colour) in enumerate(
            (("image to text", self.image_to_text, "#3c6fb4"), ("text to image", self.text_to_image, "#d98b3a"))
        ):
            bars = axes.bar(places + 0.4 * shift - 0.2, [100 * share for _, share in found.at], 0.38, label=name, color=colour)
            axes.bar_label(bars, fmt="%.1f", fontsize=8)
        axes.set_xticks(places, [f"R@{k}" for k, _ in self.image_to_text.at])
        axes.set_ylabel("recall, %")
        axes.set_title(f"Retrieval, {self.data}")
        axes.legend(frameon=False)


def retrieval(
    model: Union[Model, Encoder],
    data: Captioned,
    *,
    template: str = PLAIN[0],
    truncate: bool = False,
    at: Sequence[int] = AT,
) -> Retrieval:
    """Recall of captions by pictures and of pictures by captions, zero-shot (Table 13). Since 1.1.

    template  "{}" stands for the caption; the paper put "a photo of" before each
    truncate  cut captions that are too long; otherwise they are a TextTooLongError

    Each different caption counts once, and each of its pictures is right for it. Pictures that cannot be read are left
    out, with captions that no other picture has. Raises SwiftCLIPError.
    """
    encoder = as_encoder(model)
    (template,) = checked_templates([template])
    pictures = DataSet(data.name, data.pictures, np.arange(len(data.pictures)), ("",) * len(data.pictures))
    encoded = encoder.pictures(pictures)
    row = {picture: index for index, picture in enumerate(encoded.labels.tolist())}
    pairs = [(row[picture], caption) for picture, caption in data.pairs if picture in row]
    kept = sorted({caption for _, caption in pairs})
    column = {caption: index for index, caption in enumerate(kept)}
    texts = encoder.texts([template.replace("{}", data.captions[caption]) for caption in kept], truncate)
    right = [(picture, column[caption]) for picture, caption in pairs]
    return Retrieval(
        encoder.name,
        data.name,
        template,
        recall(encoded.features, texts, right, at),
        recall(texts, encoded.features, [(b, a) for a, b in right], at),
    )


def recall(
    queries: np.ndarray, candidates: np.ndarray, right: Sequence[Tuple[int, int]], at: Sequence[int] = AT
) -> Recall:
    """How many queries find one of their own among the best. Since 1.1.

    queries, candidates  (N, D) and (M, D), which need not be normalised; ranked by cosine
    right                (query, candidate) pairs; every query has one at least
    at                   the numbers k

    A wrong candidate with the same cosine as the best right one counts as before it, so that a model that gives
    everything one embedding finds nothing.
    """
    own: Dict[int, List[int]] = {}
    for query, candidate in right:
        own.setdefault(query, []).append(candidate)
    if set(own) != set(range(len(queries))) or min(at) < 1:
        raise bad_argument("Every query needs a right candidate, and every k must be 1 or more.")
    ranks = np.empty(len(queries), np.int64)
    for start in range(0, len(queries), 256):
        scores = similarity(queries[start : start + 256], candidates)
        for offset, line in enumerate(scores):
            mine = own[start + offset]
            best = line[mine].max()
            ranks[start + offset] = 1 + np.sum(line >= best) - np.sum(line[mine] >= best)
    shares = tuple((int(k), float(np.mean(ranks <= k))) for k in at)
    return Recall(shares, float(np.median(ranks)), len(queries), len(candidates))
