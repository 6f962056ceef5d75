"""Muon for the matrices inside of the towers (Jordan et al., "Muon: An optimizer for hidden layers in neural networks",
2024; scaled as in Liu et al., "Muon is Scalable for LLM Training", 2025): momentum, made orthogonal by five
Newton-Schulz iterations. It works on the trainer's own memory; the trainer's AdamW does the rest.
"""

from pathlib import Path
from typing import Dict, Iterator, Tuple

import numpy as np
import swiftclip

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
MOMENTUM = 0.95


def is_hidden(name: str, shape: Tuple[int, ...]) -> bool:
    """Convolutions but the first, and the matrices of Transformer blocks."""
    if name.startswith("visual."):
        return len(shape) == 4 and name != "visual.conv1.weight"
    return len(shape) == 2 and name.startswith("transformer.")


def orthogonal(matrix: np.ndarray) -> np.ndarray:
    """Near the closest matrix with orthonormal rows or columns."""
    x = matrix / (np.linalg.norm(matrix) + np.float32(1e-7))
    turned = x.shape[0] > x.shape[1]
    x = x.T if turned else x
    a, b, c = map(np.float32, COEFFICIENTS)
    for _ in range(5):
        gram = x @ x.T
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.T if turned else x


class Muon:
    """Updates some of a trainer's parameters, between its `backward` and its `update`."""

    def __init__(self, trainer: swiftclip.Trainer) -> None:
        gradients = trainer.parameter_gradients()
        self.trainer = trainer
        self.pairs = {
            name: (values, gradients[name])
            for name, values in trainer.parameters().items()
            if name in gradients and is_hidden(name, values.shape)
        }
        self.momentum: Dict[str, np.ndarray] = {n: np.zeros_like(v) for n, (v, _) in self.pairs.items()}

    def update(self) -> None:
        """One step at the trainer's rate. Gradients are zero after it, so that AdamW only decays the weights."""
        rate = self.trainer.learning_rate
        for name, (values, gradient) in self.pairs.items():
            momentum = self.momentum[name]
            momentum *= np.float32(MOMENTUM)
            momentum += gradient
            step = gradient + np.float32(MOMENTUM) * momentum
            for part, value in self.matrices(name, step, values):
                value -= np.float32(rate * 0.2 * max(part.shape) ** 0.5) * orthogonal(part).reshape(value.shape)
            gradient[...] = 0

    def matrices(self, name: str, step: np.ndarray, values: np.ndarray) -> Iterator[Tuple[np.ndarray, np.ndarray]]:
        """Queries, keys and values are three matrices; a convolution is one, (out, in x height x width)."""
        parts = 3 if "in_proj" in name else 1
        for part, value in zip(np.split(step, parts), np.split(values, parts)):
            yield part.reshape(len(part), -1), value

    def save(self, folder: Path) -> None:
        """Beside the checkpoint of the same step; earlier ones are removed by `clean`."""
        path = folder / f"muon-{self.trainer.steps_done}.npz"
        np.savez(path, **{name: array for name, array in self.momentum.items()})

    def load(self, folder: Path) -> None:
        """That of the trainer's step, where there is one."""
        path = folder / f"muon-{self.trainer.steps_done}.npz"
        if path.exists():
            with np.load(path) as held:
                self.momentum = {name: held[name] for name in self.momentum}

    def clean(self, folder: Path) -> None:
        """Removes those of other steps."""
        for path in folder.glob("muon-*.npz"):
            if path.name != f"muon-{self.trainer.steps_done}.npz":
                path.unlink()
