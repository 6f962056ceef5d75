"""What training changed for pairs that it never saw."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Optional, Union

from ..model import Model
from .captions import Captioned
from .encoder import Encoder
from .result import Result, percent, table
from .retrieval import Recall, retrieval


class Scores(NamedTuple):
    """One model on the held-out pairs. Since 1.1."""

    loss: float
    """The mean over batches, as in training."""
    image_to_text: Recall
    text_to_image: Recall


@dataclass(frozen=True)
class Tuning(Result):
    """A model before and after training on some pairs, scored on others. Since 1.1."""

    experiment: ClassVar[str] = "evaluation"

    data: str
    pictures: int
    """Held out, with all of their captions."""
    before: Optional[Scores]
    """None of a model that was trained from scratch."""
    after: Optional[Scores]
    """None while it is trained."""

    def __str__(self) -> str:
        known = [(name, found) for name, found in (("before", self.before), ("after", self.after)) if found is not None]
        shown = known[0][1].image_to_text.at if known else ()
        heads = (
            f"{self.pictures} pictures of {self.data}, held out", "loss",
            *(f"image to text R@{k}" for k, _ in shown), *(f"text to image R@{k}" for k, _ in shown),
        )  # fmt: skip
        rows = [
            (name, f"{found.loss:.3f}",
             *(percent(share) for recall in (found.image_to_text, found.text_to_image) for _, share in recall.at))
            for name, found in known
        ]  # fmt: skip
        return table(heads, rows)

    @classmethod
    def read(cls, path: Union[str, "os.PathLike[str]"]) -> "Tuning":
        """What `save` wrote as JSON. Raises OSError and ValueError."""
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        return cls(found["data"], found["pictures"], _scores(found["before"]), _scores(found["after"]))


def score(model: Model, held_out: Captioned, loss: float) -> Scores:
    """Retrieval in both directions among held-out pairs, captions that are too long being cut. Since 1.1.

    loss  of the same pairs, by `Trainer.evaluate`
    """
    found = retrieval(Encoder(model), held_out, truncate=True)
    return Scores(loss, found.image_to_text, found.text_to_image)


def _scores(found: Any) -> Optional[Scores]:
    if found is None:
        return None
    recalls = [
        Recall(tuple((int(k), float(share)) for k, share in told["at"]), told["median_rank"], told["queries"], told["candidates"])
        for told in (found["image_to_text"], found["text_to_image"])
    ]
    return Scores(found["loss"], *recalls)
