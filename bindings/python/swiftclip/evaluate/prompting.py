"""Prompt engineering and ensembling (section 3.1.4, Figure 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Sequence, Tuple, Union

import numpy as np

from ..model import Model
from .data import DataSet
from .encoder import Encoder, as_encoder
from .metrics import Accuracy, accuracy
from .prompts import ENSEMBLE, ONE, PLAIN, checked_templates
from .result import Result, percent, table


class Prompted(NamedTuple):
    """One data set under the three kinds of prompts. Since 1.1."""

    data: str
    plain: Accuracy
    """The bare name of the class: "contextless class names"."""
    template: Accuracy
    ensemble: Accuracy
    templates: Tuple[str, ...]
    """Of the ensemble."""


@dataclass(frozen=True)
class Prompting(Result):
    """Zero-shot accuracy by the kind of prompt. Since 1.1."""

    experiment: ClassVar[str] = "prompts"

    model: str
    template: str
    data_sets: Tuple[Prompted, ...]

    def __str__(self) -> str:
        rows = [
            (
                found.data,
                percent(found.plain.top1),
                percent(found.template.top1),
                percent(found.ensemble.top1),
                f"{len(found.templates)}",
                f"{100 * (found.ensemble.top1 - found.plain.top1):+.1f} points",
            )
            for found in self.data_sets
        ]
        if len(rows) > 1:
            kinds = [(kind.plain, kind.template, kind.ensemble) for kind in self.data_sets]
            means = [np.mean([kind[i].top1 for kind in kinds]) for i in range(3)]
            gain = f"{100 * (means[2] - means[0]):+.1f} points"
            rows.append(("mean", *(percent(float(mean)) for mean in means), "", gain))  # type: ignore[arg-type]
        heads = ("top-1", "name alone", f'"{self.template}"', "ensemble", "its templates", "gain")
        return table(heads, rows)

    def draw(self, axes: Any) -> None:
        places = np.arange(len(self.data_sets))
        kinds = (("name alone", 0, "#b8c4d6"), (self.template, 1, "#6d93c8"), ("ensemble", 2, "#24508f"))
        for shift, (name, index, colour) in enumerate(kinds):
            heights = [
                100 * (found.plain, found.template, found.ensemble)[index].top1 for found in self.data_sets
            ]
            bars = axes.bar(places + 0.27 * (shift - 1), heights, 0.25, label=name, color=colour)
            axes.bar_label(bars, fmt="%.1f", fontsize=8)
        axes.set_xticks(places, [found.data for found in self.data_sets])
        axes.set_ylabel("zero-shot top-1, %")
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.1), ncols=3, frameon=False)


def prompting(
    model: Union[Model, Encoder],
    data_sets: Sequence[DataSet],
    *,
    template: str = ONE[0],
    ensembles: Sequence[Sequence[str]] = (),
) -> Prompting:
    """Class names alone, one template, and an ensemble, side by side (Figure 4). Since 1.1.

    template   the one template
    ensembles  the templates of the ensemble for each data set; empty: `ENSEMBLE` for all

    Raises SwiftCLIPError.
    """
    encoder = as_encoder(model)
    found = []
    for index, data in enumerate(data_sets):
        templates = checked_templates(ensembles[index] if ensembles else ENSEMBLE)
        kinds = [accuracy(*encoder.cosines(data, chosen)) for chosen in (PLAIN, checked_templates([template]), templates)]
        found.append(Prompted(data.name, kinds[0], kinds[1], kinds[2], templates))
    return Prompting(encoder.name, template, tuple(found))
