"""Few-shot linear probes against zero-shot (section 3.1.5, Figures 6 and 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from .._errors import bad_argument
from ..model import Model
from .data import DataSet
from .encoder import Encoded, Encoder, as_encoder
from .linear_probe import fit, linear_probe, swept
from .metrics import accuracy
from .prompts import ONE, checked_templates
from .result import Result, percent, table

SHOTS = (1, 2, 4, 8, 16)
_FOR_VALIDATION = 4
"""Pictures of each class, at most, by which C is chosen; never more than shots."""


class Shots(NamedTuple):
    """Probes on some pictures per class. Since 1.1."""

    shots: float
    """Training pictures of each class; the mean, where all are used."""
    mean: float
    """Top-1 on the test pictures, the mean over the seeds."""
    deviation: float
    """Standard deviation over the seeds; NaN with one."""
    each: Tuple[float, ...]


@dataclass(frozen=True)
class FewShot(Result):
    """Few-shot probes on one data set. Since 1.1."""

    experiment: ClassVar[str] = "few-shot"

    model: str
    data: str
    zero_shot: float
    few: Tuple[Shots, ...]
    full: Optional[Shots]
    """The probe on all training pictures; None where it was not asked for."""
    equal: Optional[float]
    """Shots at which the probe equals zero-shot, by `shots_to_equal`; None: not within what was tried."""

    def __str__(self) -> str:
        rows = [("0 (zero-shot)", percent(self.zero_shot), "", "")]
        for found in self.few + ((self.full,) if self.full else ()):
            deviation = "" if np.isnan(found.deviation) else f"± {100 * found.deviation:.1f}"
            name = f"{found.shots:g}" + (" (all)" if found is self.full else "")
            rows.append((name, percent(found.mean), deviation, f"{100 * (found.mean - self.zero_shot):+.1f} points"))
        heads = (f"{self.data}, shots per class", "top-1", "deviation", "to zero-shot")
        return f"{table(heads, rows)}\n\n{self.told()}"

    def told(self) -> str:
        """How many shots equal zero-shot, in words."""
        first = self.few[0]
        if first.mean >= self.zero_shot:
            return f"Zero-shot equals a probe of {first.shots:g} shot{'' if first.shots == 1 else 's'} or fewer."
        if self.equal is None:
            return f"Zero-shot is better than every probe, up to {(self.full or self.few[-1]).shots:g} shots."
        return f"Zero-shot equals a probe of {self.equal:.1f} shots (log-linear interpolation)."

    def draw(self, axes: Any) -> None:
        shots = [found.shots for found in self.few]
        means = 100 * np.array([found.mean for found in self.few])
        deviations = 100 * np.nan_to_num([found.deviation for found in self.few])
        axes.errorbar(shots, means, deviations, marker="o", capsize=3, color="#3c6fb4", label="linear probe")
        if self.full:
            axes.plot([self.full.shots], [100 * self.full.mean], "s", color="#3c6fb4", label="on all training pictures")
        axes.axhline(100 * self.zero_shot, color="#c0392b", linestyle="--", label="zero-shot")
        if self.equal is not None:
            axes.plot([self.equal], [100 * self.zero_shot], "*", markersize=13, color="#c0392b",
                      label=f"equal at {self.equal:.1f} shots")  # fmt: skip
        axes.set_xscale("log", base=2)
        axes.set_xticks(shots, [f"{s:g}" for s in shots])
        axes.set_xlabel("training pictures per class")
        axes.set_ylabel("top-1, %")
        axes.set_title(f"Few-shot on {self.data}")
        axes.legend(frameon=False)


def few_shot(
    model: Union[Model, Encoder],
    train: DataSet,
    test: DataSet,
    templates: Sequence[str] = ONE,
    *,
    shots: Sequence[int] = SHOTS,
    seeds: int = 3,
    c: Optional[float] = None,
    full: bool = True,
) -> FewShot:
    """Linear probes on few pictures per class, against zero-shot (Figures 6 and 7). Since 1.1.

    train  pictures to draw from; a class with too few gives all it has
    shots  pictures of each class
    seeds  draws for each number of shots, from the seeds 0, 1, ...
    c      the strength of regularisation; None: chosen by `parametric_search` on other training pictures, as many as
           shots, at most 4 of each class. Where there are none left, 1.0
    full   also a probe on all training pictures, which helps to interpolate

    Raises SwiftCLIPError; UnsupportedError without scikit-learn.
    """
    if not shots or min(shots) < 1 or seeds < 1:
        raise bad_argument(f"Shots {list(shots)} and {seeds} seeds: at least 1 of each is needed.")
    encoder = as_encoder(model)
    tried = sorted(set(shots))
    scores, labels = encoder.cosines(test, checked_templates(templates))
    zero = accuracy(scores, labels).top1
    held, tested = encoder.pictures(train), encoder.pictures(test)
    few: List[Shots] = []
    for number in tried:
        each = []
        for seed in range(seeds):
            fitting, choosing = draw_shots(held, number, seed)
            scores = probe_scores(fitting, choosing, tested, len(train.classes), c)
            each.append(accuracy(scores, tested.labels).top1)
            encoder.tell(f"few-shot probes on {test.name}", len(few) * seeds + seed + 1, len(tried) * seeds)
        few.append(Shots(number, *mean_and_deviation(each), tuple(each)))
    whole: Optional[Shots] = None
    if full:
        best = linear_probe(encoder, train, test, c=c).accuracy.top1
        whole = Shots(len(held.labels) / len(np.unique(held.labels)), best, float("nan"), (best,))
    points = [(found.shots, found.mean) for found in few + ([whole] if whole else [])]
    return FewShot(encoder.name, test.name, zero, tuple(few), whole, shots_to_equal(points, zero))


def draw_shots(data: Encoded, shots: int, seed: int) -> Tuple[Encoded, Encoded]:
    """`shots` pictures of each class, and others to choose C by: as many, at most 4 of each class."""
    random = np.random.default_rng([seed, shots])
    fitting: List[int] = []
    choosing: List[int] = []
    for label in np.unique(data.labels):
        members = random.permutation(np.flatnonzero(data.labels == label)).tolist()
        fitting += members[:shots]
        choosing += members[shots : shots + min(shots, _FOR_VALIDATION)]
    return (
        Encoded(data.features[fitting], data.labels[fitting]),
        Encoded(data.features[choosing], data.labels[choosing]),
    )


def probe_scores(fitting: Encoded, choosing: Encoded, tested: Encoded, classes: int, c: Optional[float]) -> np.ndarray:
    """Scores (N, classes) of test pictures by a probe; without `c` it is chosen on other pictures, if there are any."""
    if c is None:
        c = swept(fitting, choosing, classes)[0] if len(choosing.labels) else 1.0
    return fit(fitting, classes, c).scores(tested.features)


def mean_and_deviation(each: Sequence[float]) -> Tuple[float, float]:
    """Over seeds; one alone has a deviation of NaN."""
    return float(np.mean(each)), float(np.std(each, ddof=1)) if len(each) > 1 else float("nan")


def shots_to_equal(points: Sequence[Tuple[float, float]], target: float) -> Optional[float]:
    """The number of shots at which accuracy first reaches `target`, linear in the logarithm of shots (Figure 7).

    points  (shots, accuracy) by rising shots

    None where it is reached nowhere, or already at the first.
    """
    if not points or points[0][1] >= target:
        return None
    for (x, low), (y, high) in zip(points, points[1:]):
        if high >= target and y > x:
            return float(np.exp(np.log(x) + (target - low) / (high - low) * (np.log(y) - np.log(x))))
    return None
