"""Zero-shot against the linear probe, data set by data set (section 3.1.5, Figure 8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from ..model import Model
from .data import DataSet
from .encoder import Encoder, as_encoder
from .linear_probe import linear_probe
from .prompts import ONE
from .result import Result, percent, table
from .zero_shot import zero_shot


class Task(NamedTuple):
    """A data set with everything that both classifiers need. Since 1.1."""

    train: DataSet
    test: DataSet
    validation: Optional[DataSet] = None
    templates: Tuple[str, ...] = ONE


class Compared(NamedTuple):
    """Top-1 of both on one data set. Since 1.1."""

    data: str
    zero_shot: float
    linear_probe: float


@dataclass(frozen=True)
class ZeroShotVsProbe(Result):
    """Zero-shot and linear probes on several data sets. Since 1.1."""

    experiment: ClassVar[str] = "zero-shot-vs-probe"

    model: str
    data_sets: Tuple[Compared, ...]
    correlation: Optional[float]
    """Pearson's r between the two; None with fewer than three data sets. The paper's models have 0.82."""

    def __str__(self) -> str:
        rows = [
            (found.data, percent(found.zero_shot), percent(found.linear_probe),
             f"{100 * (found.linear_probe - found.zero_shot):+.1f} points")
            for found in self.data_sets
        ]  # fmt: skip
        text = table(("top-1", "zero-shot", "linear probe", "difference"), rows)
        return text if self.correlation is None else f"{text}\n\nCorrelation: r = {self.correlation:.2f}."

    def draw(self, axes: Any) -> None:
        axes.plot([0, 100], [0, 100], "--", color="#999999", linewidth=1, label="y = x")
        for found in self.data_sets:
            place = (100 * found.linear_probe, 100 * found.zero_shot)
            axes.plot(*place, "o", color="#3c6fb4")
            right = place[0] > 70
            axes.annotate(found.data, place, (-6 if right else 6, 4), textcoords="offset points",
                          ha="right" if right else "left", fontsize=9)  # fmt: skip
        axes.set_xlim(0, 100)
        axes.set_ylim(0, 100)
        axes.set_xlabel("linear probe, top-1, %")
        axes.set_ylabel("zero-shot, top-1, %")
        axes.legend(frameon=False, loc="upper left")


def zero_shot_vs_probe(model: Union[Model, Encoder], tasks: Sequence[Task], *, seed: int = 0) -> ZeroShotVsProbe:
    """Zero-shot and the linear probe on each data set (Figure 8). Since 1.1.

    seed  as in `linear_probe`

    Raises SwiftCLIPError; UnsupportedError without scikit-learn.
    """
    encoder = as_encoder(model)
    found = []
    for task in tasks:
        probe = linear_probe(encoder, task.train, task.test, task.validation, seed=seed)
        zero = zero_shot(encoder, task.test, task.templates)
        found.append(Compared(task.test.name, zero.accuracy.top1, probe.accuracy.top1))
    ones, others = [one.zero_shot for one in found], [one.linear_probe for one in found]
    varied = len(found) > 2 and np.std(ones) > 0 and np.std(others) > 0
    return ZeroShotVsProbe(
        encoder.name, tuple(found), float(np.corrcoef(ones, others)[0, 1]) if varied else None
    )
