"""Learned prompts against hand-written ones and linear probes, at equal shots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from .._errors import bad_argument
from ..model import Model
from .data import DataSet
from .encoder import Encoded, Encoder, as_encoder
from .few_shot import SHOTS, draw_shots, mean_and_deviation, probe_scores
from .learned_context import LearnedContext
from .metrics import accuracy
from .prompts import ONE, checked_templates
from .result import Result, percent, table

METHODS = ("CoOp", "CoCoOp", "linear probe")
_COLOURS = ("#3c6fb4", "#2e8b57", "#8a8a8a")


class Learned(NamedTuple):
    """One method on some pictures per class. Since 1.1."""

    method: str
    """One of METHODS."""
    shots: int
    mean: float
    """Top-1 on the test pictures, the mean over the seeds."""
    deviation: float
    """Standard deviation over the seeds; NaN with one."""
    each: Tuple[float, ...]


@dataclass(frozen=True)
class LearnedPrompts(Result):
    """Learned prompts on one data set. Since 1.1."""

    experiment: ClassVar[str] = "learned-prompts"

    model: str
    data: str
    hand_written: float
    """Zero-shot with the templates, their ensemble where there are several."""
    template: str
    """The one whose words the context vectors began as, or which stands around class names."""
    context: Optional[int]
    """Number of context vectors; None: as many as the template has tokens before the class name."""
    found: Tuple[Learned, ...]

    def __str__(self) -> str:
        shots = sorted({learned.shots for learned in self.found})
        heads = (f"{self.data}, shots per class", "hand-written", *METHODS)
        rows = [("0", percent(self.hand_written), *("" for _ in METHODS))]
        for number in shots:
            cells = {learned.method: _cell(learned) for learned in self.found if learned.shots == number}
            rows.append((str(number), "", *(cells.get(method, "") for method in METHODS)))
        return table(heads, rows)

    def draw(self, axes: Any) -> None:
        shots = sorted({learned.shots for learned in self.found})
        for method, colour in zip(METHODS, _COLOURS):
            points = [learned for learned in self.found if learned.method == method]
            if points:
                axes.errorbar([p.shots for p in points], [100 * p.mean for p in points],
                              [100 * np.nan_to_num(p.deviation) for p in points],
                              marker="o", capsize=3, color=colour, label=method)  # fmt: skip
        axes.axhline(100 * self.hand_written, color="#c0392b", linestyle="--", label="hand-written prompts")
        axes.set_xscale("log", base=2)
        axes.set_xticks(shots, [str(number) for number in shots])
        axes.set_xlabel("training pictures per class")
        axes.set_ylabel("top-1, %")
        axes.set_title(f"Learned prompts on {self.data}")
        axes.legend(frameon=False)


def _cell(learned: Learned) -> str:
    spread = "" if np.isnan(learned.deviation) else f" ± {100 * learned.deviation:.1f}"
    return percent(learned.mean) + spread


def epochs_of(method: str, shots: int) -> int:
    """Passes over the shots, as the papers have it."""
    if method == "CoCoOp":
        return 10
    return 50 if shots == 1 else 100 if shots <= 4 else 200


def learned_prompts(
    model: Union[Model, Encoder],
    train: DataSet,
    test: DataSet,
    templates: Sequence[str] = ONE,
    *,
    shots: Sequence[int] = SHOTS,
    seeds: int = 3,
    context: Optional[int] = None,
    methods: Sequence[str] = METHODS,
    epochs: Optional[int] = None,
) -> LearnedPrompts:
    """Context vectors learned on few pictures per class (CoOp, and CoCoOp's conditional form) through the frozen text
    encoder, against hand-written prompts and a linear probe on the same pictures. Since 1.1.

    templates  hand-written ones; the words before {} of the first are what the vectors begin as
    shots      training pictures of each class; the draws are those of `few_shot`
    seeds      draws for each number of shots, from the seeds 0, 1, ...
    context    number of vectors, with random first values; None: the first template's
    methods    any of METHODS
    epochs     None: the papers' (CoOp: 50 for one shot, 100 up to four, then 200; CoCoOp: 10)

    The model must be one that `swiftclip.Trainer` opens. Raises SwiftCLIPError; UnsupportedError for the probe without
    scikit-learn.
    """
    if not shots or min(shots) < 1 or seeds < 1 or (epochs is not None and epochs < 1):
        raise bad_argument(f"Shots {list(shots)}, {seeds} seeds, {epochs} epochs: at least 1 of each is needed.")
    if not set(methods) <= set(METHODS):
        raise bad_argument(f"Methods are {', '.join(METHODS)}; not {', '.join(sorted(set(methods) - set(METHODS)))}.")
    encoder = as_encoder(model)
    checked = checked_templates(templates)
    scores, labels = encoder.cosines(test, checked)
    held, tested = encoder.pictures(train), encoder.pictures(test)
    found: List[Learned] = []
    tried = sorted(set(shots))
    for number in tried:
        for method in methods:
            each = []
            for seed in range(seeds):
                fitting, choosing = draw_shots(held, number, seed)
                if method == "linear probe":
                    found_scores = probe_scores(fitting, choosing, tested, len(train.classes), None)
                else:
                    passes = epochs or epochs_of(method, number)
                    found_scores = _learn(encoder, train, fitting, tested, method, checked[0], context, passes, seed)
                each.append(accuracy(found_scores, tested.labels).top1)
                done = (len(found) * seeds) + seed + 1
                encoder.tell(f"learned prompts on {test.name}", done, len(tried) * len(methods) * seeds)
            found.append(Learned(method, number, *mean_and_deviation(each), tuple(each)))
    hand = accuracy(scores, labels).top1
    return LearnedPrompts(encoder.name, test.name, hand, checked[0], context, tuple(found))


def _learn(
    encoder: Encoder, train: DataSet, fitting: Encoded, tested: Encoded, method: str, template: str,
    context: Optional[int], epochs: int, seed: int,
) -> np.ndarray:  # fmt: skip
    with LearnedContext(
        encoder.model, train.classes, template, length=context, conditional=method == "CoCoOp", seed=seed
    ) as learner:
        learner.train(fitting, epochs)
        return learner.scores(tested.features)
