"""Models whose graph is in order but whose numbers are not: refused at opening, with the part named."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import numpy as np
import pytest

import swiftclip

onnx = pytest.importorskip("onnx")

POCKET = Path(__file__).resolve().parents[3] / "models" / "pocket"


def rewritten(name: str, change: Callable[[np.ndarray], bool]) -> bytes:
    """A pocket tower in which `change` has altered the first initialiser that it wants to."""
    model = onnx.load(str(POCKET / name))
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor).copy()
        if change(values):
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
            return bytes(model.SerializeToString())
    raise AssertionError("no initialiser was changed")


def put(value: float, smallest: int, dimensions: int) -> Callable[[np.ndarray], bool]:
    """Puts a value into the middle of the first floating array of so many dimensions and elements."""

    def change(values: np.ndarray) -> bool:
        if values.dtype.kind != "f" or values.ndim != dimensions or values.size < smallest:
            return False
        values.reshape(-1)[values.size // 2] = value
        return True

    return change


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("tower", ["visual", "textual"])
@pytest.mark.parametrize("dimensions", [1, 2])
def test_weights_that_are_not_finite(tower: str, dimensions: int, value: float) -> None:
    data = rewritten(f"{tower}.onnx", put(value, 100, dimensions))
    with pytest.raises(swiftclip.InvalidDataError, match="NaN or infinite"):
        swiftclip.load_bytes(**{tower: data})


def test_towers_of_two_models() -> None:
    """Halves of models whose embeddings have different lengths."""
    other = next(iter(sorted((Path(__file__).resolve().parents[3] / "Tests/fixtures/onnx").glob("*text*.onnx"))))
    with swiftclip.load(textual=other) as model:
        assert model.embed_dim != 256
    with pytest.raises(swiftclip.InvalidDataError, match="do not belong together"):
        swiftclip.load(POCKET / "visual.onnx", textual=other)
