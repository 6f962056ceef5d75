"""Robustness to distribution shift (section 3.3, Figure 13)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, ClassVar, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from .._errors import bad_argument
from ..classifier import similarity
from ..model import Model
from .corruptions import CORRUPTIONS, STRENGTHS, corrupted_data
from .data import DataSet
from .encoder import Encoder, as_encoder
from .linear_probe import fit, linear_probe
from .metrics import accuracy
from .prompts import ONE, checked_templates
from .result import Result, percent, table

ZERO_SHOT, PROBE = "zero-shot", "linear probe"


class Shift(NamedTuple):
    """One classifier under one shift. Since 1.1."""

    classifier: str
    """"zero-shot" or "linear probe"."""
    shift: str
    """The corruption's or the data set's name."""
    strength: int
    """1 to 5; 0 for another data set."""
    classes: int
    """How many classes both have; only these count, and only these are answers."""
    usual: float
    """Top-1 in distribution, on those classes."""
    shifted: float
    """Top-1 under the shift."""


@dataclass(frozen=True)
class Robustness(Result):
    """Accuracy under shift against accuracy in distribution. Since 1.1."""

    experiment: ClassVar[str] = "robustness"

    model: str
    data: str
    shifts: Tuple[Shift, ...]

    def __str__(self) -> str:
        texts = []
        for classifier in self._classifiers():
            graded = self._by_name(classifier, graded=True)
            if graded:
                usual = next(iter(graded.values()))[0].usual
                rows = [
                    (name, *(percent(found.shifted) for found in steps), _kept(steps)) for name, steps in graded.items()
                ]
                heads = (f"{classifier}, {percent(usual)} without", *(f"{s.strength}" for s in next(iter(graded.values()))))
                texts.append(table((*heads, "kept"), rows))
        others = [found for found in self.shifts if not found.strength]
        if others:
            rows = [
                (found.shift, found.classifier, f"{found.classes}", percent(found.usual), percent(found.shifted),
                 f"{100 * (found.shifted - found.usual):+.1f} points")
                for found in others
            ]  # fmt: skip
            heads = ("shift", "classifier", "classes", f"on {self.data}", "under shift", "difference")
            texts.append(table(heads, rows))
        return "\n\n".join(texts)

    def draw(self, axes: Any) -> None:
        axes.plot([0, 100], [0, 100], "--", color="#999999", linewidth=1, label="y = x: ideal")
        colours = {name: f"C{index}" for index, name in enumerate(dict.fromkeys(f.shift for f in self.shifts))}
        for name, colour in colours.items():
            for classifier, marker in ((ZERO_SHOT, "o"), (PROBE, "s")):
                found = [f for f in self.shifts if f.shift == name and f.classifier == classifier]
                if found:
                    label = name if classifier == self._classifiers()[0] else None
                    axes.plot([100 * f.usual for f in found], [100 * f.shifted for f in found], marker, color=colour,
                              markersize=5, label=label)  # fmt: skip
        values = [100 * share for f in self.shifts for share in (f.usual, f.shifted)]
        low, high = max(0, min(values) - 5), min(100, max(values) + 5)
        axes.set_xlim(low, high)
        axes.set_ylim(low, high)
        marks = " · ".join(f"{mark} {name}" for name, mark in ((ZERO_SHOT, "●"), (PROBE, "■")) if name in self._classifiers())
        axes.set_xlabel(f"in distribution ({self.data}), top-1, %    {marks}")
        axes.set_ylabel("under shift, top-1, %")
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)

    def _classifiers(self) -> List[str]:
        return list(dict.fromkeys(found.classifier for found in self.shifts))

    def _by_name(self, classifier: str, graded: bool) -> Dict[str, List[Shift]]:
        groups: Dict[str, List[Shift]] = {}
        for found in self.shifts:
            if found.classifier == classifier and bool(found.strength) == graded:
                groups.setdefault(found.shift, []).append(found)
        return groups


def _kept(steps: Sequence[Shift]) -> str:
    """The mean accuracy over the strengths, as a share of that without corruption."""
    usual = steps[0].usual
    return percent(float(np.mean([step.shifted for step in steps])) / usual) if usual else "-"


def robustness(
    model: Union[Model, Encoder],
    test: DataSet,
    templates: Sequence[str] = ONE,
    *,
    train: Optional[DataSet] = None,
    shifts: Mapping[str, DataSet] = {},
    corruptions: Sequence[str] = tuple(CORRUPTIONS),
    strengths: Sequence[int] = STRENGTHS,
) -> Robustness:
    """Accuracy under distribution shift against accuracy in distribution (Figure 13). Since 1.1.

    test         the usual pictures
    train        where given, a linear probe on it is tested beside zero-shot: what has learned the usual pictures
    shifts       other data sets by name, such as drawings of the same things; classes are matched by their names
    corruptions  names of `CORRUPTIONS` to lay on the test pictures, in each of `strengths`

    Raises SwiftCLIPError; InvalidArgumentError for a shift that shares fewer than two classes.
    """
    encoder = as_encoder(model)
    weights = encoder.classifier(test.classes, checked_templates(templates))
    scorers: Dict[str, Callable[[np.ndarray], np.ndarray]] = {
        ZERO_SHOT: lambda features: similarity(features, weights)
    }
    if train is not None:
        best = linear_probe(encoder, train, test).c
        scorers[PROBE] = fit(encoder.pictures(train), len(train.classes), best).scores
    composite = encoder.model._preprocess.alpha == "composite"
    usual = encoder.pictures(test)
    found: List[Shift] = []
    everything = np.arange(len(test.classes))
    before = {name: accuracy(score(usual.features), usual.labels).top1 for name, score in scorers.items()}
    for kind in corruptions:
        for strength in strengths:
            worse = encoder.pictures(corrupted_data(test, kind, strength, composite=composite))
            for name, score in scorers.items():
                top1 = accuracy(score(worse.features), worse.labels).top1
                found.append(Shift(name, kind, strength, len(everything), before[name], top1))
    for shift, data in shifts.items():
        mine, theirs = shared_classes(test, data)
        other = encoder.pictures(data)
        for name, score in scorers.items():
            both = [
                _among(score(held.features), held.labels, kept, mine)
                for held, kept in ((usual, mine), (other, theirs))
            ]
            found.append(Shift(name, shift, 0, len(mine), both[0], both[1]))
    return Robustness(encoder.name, test.name, tuple(found))


def shared_classes(one: DataSet, other: DataSet) -> Tuple[np.ndarray, np.ndarray]:
    """The classes that both have by name, as indices into each, in the order of the first."""
    places = {text: index for index, text in enumerate(other.classes)}
    mine = [index for index, text in enumerate(one.classes) if text in places]
    if len(mine) < 2:
        raise bad_argument(
            f"{other.name} has {len(mine)} classes of {one.name}, and at least 2 are needed to compare. "
            f"Its classes are {', '.join(other.classes[:5])}, ...; give them the same names."
        )
    return np.array(mine), np.array([places[one.classes[index]] for index in mine])


def _among(scores: np.ndarray, labels: np.ndarray, kept: np.ndarray, columns: np.ndarray) -> float:
    """Top-1 over the pictures whose labels are in `kept`; `columns` of the scores stand for these in order."""
    place = {int(label): index for index, label in enumerate(kept)}
    rows = np.array([index for index, label in enumerate(labels.tolist()) if label in place], np.int64)
    if not len(rows):
        return float("nan")
    return accuracy(scores[rows][:, columns], np.array([place[int(label)] for label in labels[rows]])).top1
