"""Zero-shot accuracy: classification by nothing but the names of the classes (section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Sequence, Tuple, Union

import numpy as np

from ..model import Model
from .data import DataSet
from .encoder import Encoder, as_encoder
from .metrics import Accuracy, accuracy, interval, per_class, ranks
from .prompts import ONE, checked_templates
from .result import Result, percent, table


@dataclass(frozen=True)
class ZeroShot(Result):
    """Zero-shot accuracy on one data set. Since 1.1."""

    experiment: ClassVar[str] = "zero-shot"

    model: str
    data: str
    templates: Tuple[str, ...]
    classes: Tuple[str, ...]
    accuracy: Accuracy
    interval: Tuple[float, float]
    """95 % interval of top-1 (Wilson's)."""
    of_class: Tuple[float, ...]
    """Top-1 within each class; NaN for one without pictures."""

    def __str__(self) -> str:
        told, (low, high) = self.accuracy, self.interval
        prompts = f"{len(self.templates)} template{'' if len(self.templates) == 1 else 's'}"
        heads = ("data", "pictures", "classes", "prompts", "top-1", "95 % interval", "top-5", "mean per class")
        row = (
            self.data,
            f"{told.pictures:,}",
            f"{len(self.classes):,}",
            prompts,
            percent(told.top1),
            f"{100 * low:.1f} to {percent(high)}",
            percent(told.top5),
            percent(told.mean_per_class),
        )
        return table(heads, [row])

    def draw(self, axes: Any) -> None:
        """Top-1 of each class, worst to best; of many classes the curve alone."""
        shares = np.array(self.of_class)
        order = [index for index in np.argsort(shares, kind="stable").tolist() if not np.isnan(shares[index])]
        if len(order) <= 30:
            axes.barh([self.classes[index] for index in order], 100 * shares[order], color="#3c6fb4")
            axes.set_xlabel("right, %")
        else:
            axes.plot(100 * shares[order], color="#3c6fb4")
            axes.set_xlabel("classes, worst to best")
            axes.set_ylabel("right, %")
        axes.set_title(f"Zero-shot on {self.data}: {percent(self.accuracy.top1)}")


def zero_shot(model: Union[Model, Encoder], data: DataSet, templates: Sequence[str] = ONE) -> ZeroShot:
    """Zero-shot accuracy: top-1, top-5, mean per class (section 3.1). Since 1.1.

    data       its class names go into the prompts
    templates  several make an ensemble: the mean of the normalised text embeddings (section 3.1.4)

    Raises SwiftCLIPError.
    """
    encoder = as_encoder(model)
    checked = checked_templates(templates)
    scores, labels = encoder.cosines(data, checked)
    found = accuracy(scores, labels)
    return ZeroShot(
        encoder.name,
        data.name,
        checked,
        data.classes,
        found,
        interval(found.top1, found.pictures),
        tuple(per_class(ranks(scores, labels) == 0, labels, len(data.classes)).tolist()),
    )
