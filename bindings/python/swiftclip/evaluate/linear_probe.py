"""Linear probes: logistic regression on the features of pictures (section 3.2, Figure 10, Appendix A.3)."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from typing import Any, Callable, ClassVar, Dict, List, NamedTuple, Optional, Tuple, Union

import numpy as np

from .._errors import bad_argument
from ..model import Model
from .data import DataSet, split_off
from .encoder import Encoded, Encoder, as_encoder
from .metrics import Accuracy, accuracy
from .optional import needed
from .result import Result, percent, table

ITERATIONS = 1000
"""Of L-BFGS at most, as in the paper."""

STEPS_PER_DECADE = 8
GRID = tuple(10 ** (-6 + step / STEPS_PER_DECADE) for step in range(12 * STEPS_PER_DECADE + 1))
"""1e-6 to 1e6 in 96 steps of equal ratio."""

_SHARE = 0.2
"""Of the training pictures, where there are no validation pictures."""


class Step(NamedTuple):
    """One strength of regularisation that was tried. Since 1.1."""

    c: float
    """scikit-learn's C, the inverse of the paper's λ."""
    accuracy: float
    """On the validation pictures."""


class Fitted(NamedTuple):
    """A logistic regression."""

    scores: Callable[[np.ndarray], np.ndarray]
    """Features (N, D) to scores (N, classes); a class without training pictures scores less than any other."""
    converged: bool


@dataclass(frozen=True)
class LinearProbe(Result):
    """The linear probe on one data set. Since 1.1."""

    experiment: ClassVar[str] = "linear-probe"

    model: str
    data: str
    training: int
    """Pictures of the last fit: training and validation together."""
    validation: int
    c: float
    """The strength that was best on the validation pictures."""
    sweep: Tuple[Step, ...]
    """What was tried, by rising C; empty where C was given."""
    accuracy: Accuracy
    """On the test pictures."""
    converged: bool
    """Whether the last fit ended before its 1,000 iterations."""

    def __str__(self) -> str:
        heads = ("data", "training", "test", "C", "top-1", "top-5", "mean per class", "fits")
        row = (
            self.data,
            f"{self.training:,}",
            f"{self.accuracy.pictures:,}",
            f"{self.c:.3g}",
            percent(self.accuracy.top1),
            percent(self.accuracy.top5),
            percent(self.accuracy.mean_per_class),
            f"{len(self.sweep) + 1}",
        )
        ended = "" if self.converged else f"\nThe last fit did not converge in {ITERATIONS:,} iterations."
        return table(heads, [row]) + ended

    def draw(self, axes: Any) -> None:
        if self.sweep:
            axes.plot([s.c for s in self.sweep], [100 * s.accuracy for s in self.sweep], "o-", color="#6d93c8",
                      label=f"validation ({self.validation:,} pictures)")  # fmt: skip
        axes.plot([self.c], [100 * self.accuracy.top1], "*", markersize=14, color="#c0392b",
                  label=f"test, training and validation together: {percent(self.accuracy.top1)}")  # fmt: skip
        axes.set_xscale("log")
        axes.set_xlabel("C")
        axes.set_ylabel("top-1, %")
        axes.set_title(f"Linear probe on {self.data}")
        axes.legend(frameon=False)


def linear_probe(
    model: Union[Model, Encoder],
    train: DataSet,
    test: DataSet,
    validation: Optional[DataSet] = None,
    *,
    c: Optional[float] = None,
    seed: int = 0,
) -> LinearProbe:
    """The paper's linear probe (Appendix A.3). Since 1.1.

    train, test  with the same classes
    validation   for the choice of C; None: a fifth of each class of `train`
    c            the strength of regularisation, which is then not searched for. The official example uses 0.316
    seed         of that fifth

    scikit-learn's LogisticRegression with L-BFGS and at most 1,000 iterations on the features as the model gives them;
    C by `parametric_search` over 1e-6 ... 1e6 on the validation pictures; then a fit to training and validation
    pictures together, which is tested. Raises SwiftCLIPError; UnsupportedError without scikit-learn.
    """
    needed("sklearn.linear_model", "scikit-learn", "The linear probe")
    _same_classes(train, test)
    encoder = as_encoder(model)
    held, tested = encoder.pictures(train), encoder.pictures(test)
    if validation is not None:
        _same_classes(train, validation)
        extra = encoder.pictures(validation)
    elif c is None:
        larger, smaller = split_off(held.labels, _SHARE, seed)
        held, extra = _rows(held, larger), _rows(held, smaller)
    else:
        extra = _rows(held, np.zeros(0, np.int64))
    steps: Tuple[Step, ...] = ()
    if c is None:
        c, steps = _kept_sweep(encoder, train, test.name, held, extra)
    together = Encoded(*(np.concatenate(pair) for pair in zip(held, extra)))
    fitted = fit(together, len(train.classes), c)
    found = accuracy(fitted.scores(tested.features), tested.labels)
    return LinearProbe(
        encoder.name, test.name, len(together.labels), len(extra.labels), c, steps, found, fitted.converged
    )


def _kept_sweep(
    encoder: Encoder, train: DataSet, name: str, held: Encoded, extra: Encoded
) -> Tuple[float, Tuple[Step, ...]]:
    """`swept`, done once for the same pictures and kept with the features, as most of the time goes there."""

    def make() -> Dict[str, np.ndarray]:
        _, steps = swept(
            held, extra, len(train.classes), lambda done, total: encoder.tell(f"linear probes on {name}", done, total)
        )
        return {"steps": np.array(steps)}

    digest = hashlib.sha256(np.concatenate([held.labels, [-1], extra.labels]).tobytes())
    for features in (held.features, extra.features):
        digest.update(np.ascontiguousarray(features).tobytes())
    steps = tuple(Step(*step) for step in encoder.once(f"sweep {digest.hexdigest()}", make)["steps"].tolist())
    return max(steps, key=lambda step: (step.accuracy, -step.c)).c, steps


def fit(data: Encoded, classes: int, c: float) -> Fitted:
    """A multinomial logistic regression on features (N, D). Raises InvalidArgumentError for fewer than two classes."""
    linear = needed("sklearn.linear_model", "scikit-learn", "The linear probe")
    if len(np.unique(data.labels)) < 2:
        raise bad_argument("A linear probe needs training pictures of at least two classes.")
    if not (np.isfinite(c) and c > 0):
        raise bad_argument(f"C is {c}, and must be above 0.")
    regression = linear.LogisticRegression(C=c, max_iter=ITERATIONS, solver="lbfgs")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it did not converge is told in the result
        regression.fit(data.features.astype(np.float64), data.labels)

    def scores(features: np.ndarray) -> np.ndarray:
        decided = regression.decision_function(features.astype(np.float64))
        if decided.ndim == 1:  # of two classes scikit-learn gives the second's score alone
            decided = np.stack([-decided, decided], axis=1)
        all_classes = np.full((len(features), classes), -np.inf)
        all_classes[:, regression.classes_] = decided
        return all_classes

    return Fitted(scores, bool(np.max(regression.n_iter_) < ITERATIONS))


def swept(
    train: Encoded,
    validation: Encoded,
    classes: int,
    progress: Optional[Callable[[int, int], None]] = None,
) -> Tuple[float, Tuple[Step, ...]]:
    """The best C on the validation pictures, and all that were tried by rising C."""
    if not len(validation.labels):
        raise bad_argument("There are no validation pictures to choose C by: give more training pictures, or C.")
    expected = len(GRID) // 16 + 1 + 8

    tried: List[int] = []

    def tested(index: int) -> float:
        score = accuracy(fit(train, classes, GRID[index]).scores(validation.features), validation.labels).top1
        tried.append(index)
        if progress is not None:
            progress(min(len(tried), expected), expected)
        return score

    best, scores = parametric_search(tested)
    return GRID[best], tuple(Step(GRID[index], scores[index]) for index in sorted(scores))


def parametric_search(score: Callable[[int], float], last: int = len(GRID) - 1) -> Tuple[int, Dict[int, float]]:
    """The paper's search for the peak of a curve with few evaluations (Appendix A.3). Since 1.1.

    score  of a place 0 ... last; here places of `GRID`. Called once for each place
    last   a multiple of 16

    Tries every 16th place (1e-6, 1e-4, ... 1e6), then both neighbours of the best at half the distance, and so on
    down to distance 1 (8 steps per decade): 15 evaluations of 97. Of equal ones the lowest, the strongest
    regularisation, is best. Returns the best place and every score by place. Where the curve has one peak that
    every 16th place can see, this is the peak of the whole grid.
    """
    scores = {place: score(place) for place in range(0, last + 1, 16)}

    def best() -> int:
        return min(scores, key=lambda place: (-scores[place], place))

    distance = 8
    while distance:
        middle = best()
        for place in (middle - distance, middle + distance):
            if 0 <= place <= last and place not in scores:
                scores[place] = score(place)
        distance //= 2
    return best(), scores


def _rows(data: Encoded, indices: np.ndarray) -> Encoded:
    return Encoded(data.features[indices], data.labels[indices])


def _same_classes(one: DataSet, other: DataSet) -> None:
    if one.classes != other.classes:
        raise bad_argument(
            f"The training pictures have {len(one.classes)} classes and the others {len(other.classes)}, or they differ "
            f"in names: {sorted(set(one.classes) ^ set(other.classes))[:3]}. They must be the same."
        )
