"""The first example of the official release: the classes of CIFAR-100, and the five that fit one picture best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Sequence, Tuple, Union

import numpy as np

from .._errors import bad_argument
from ..model import Model
from .encoder import Encoder, as_encoder
from .result import Result

TEMPLATE = "a photo of a {}"
"""The example's own prompt, which has no full stop."""

PICTURE = 3637
"""The example's own picture: this one of CIFAR-100's test pictures."""


@dataclass(frozen=True)
class SeedExample(Result):
    """The classes that fit one picture best. Since 1.1."""

    experiment: ClassVar[str] = "seed"

    model: str
    predictions: Tuple[Tuple[str, float], ...]
    """Names of classes with their probabilities, best first."""

    def __str__(self) -> str:
        lines = [f"{name:>16s}: {100 * probability:.2f}%" for name, probability in self.predictions]
        return "\n".join(["", "Top predictions:", "", *lines])

    def draw(self, axes: Any) -> None:
        names = [name for name, _ in self.predictions][::-1]
        axes.barh(names, [100 * probability for _, probability in self.predictions][::-1], color="#3c6fb4")
        axes.set_xlabel("probability, %")


def seed_example(
    model: Union[Model, Encoder], picture: Any, classes: Sequence[str], *, template: str = TEMPLATE, top: int = 5
) -> SeedExample:
    """The first example of openai/CLIP: the top predictions for one picture. Since 1.1.

    picture   what `swiftclip.Model.encode_image` takes
    classes   names as they go into the prompt; of CIFAR-100 from `open_cifar(...).classes`, with their underscores
    template  the prompt, with "{}"
    top       how many to return, best first; of equal ones the earlier is first

    Probabilities are the softmax of logit scale times cosine. Raises SwiftCLIPError.
    """
    if top < 1:
        raise bad_argument(f"The best {top} classes were asked for, and at least 1 is needed.")
    encoder = as_encoder(model)
    probabilities = encoder.model.classify([picture], list(classes), (template,))[0]
    order = np.argsort(-probabilities, kind="stable")[:top]
    return SeedExample(encoder.name, tuple((classes[i], float(probabilities[i])) for i in order.tolist()))
