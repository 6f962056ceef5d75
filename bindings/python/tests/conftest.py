"""What the tests share: the checkout, the default model, and what PyTorch says about it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
import pytest

import swiftclip

ROOT = Path(__file__).resolve().parents[3]
POCKET = ROOT / "models" / "pocket"
PICTURES = ROOT / "examples" / "pictures"
PACKAGE = ROOT / "bindings" / "python"
IN_CHECKOUT = (PACKAGE / "swiftclip" / "__init__.py").is_file()
"""Whether the package is tested in its checkout. If not, an installed one is, with a copy of the tests."""

needs_checkout = pytest.mark.skipif(not IN_CHECKOUT, reason="it is about a checkout, and an installed package is tested")


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """A shell's job in the background ignores Ctrl-C, and so would the tests of it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def golden() -> Dict[str, Any]:
    """PyTorch's answers (Tests/fixtures/make_pocket_golden.py)."""
    with np.load(ROOT / "Tests" / "fixtures" / "pocket_golden.npz") as file:
        arrays: Dict[str, Any] = {name: file[name] for name in file.files}
    for name in ("labels", "templates", "pictures"):
        arrays[name] = arrays[name].tolist()
    return arrays


@pytest.fixture(scope="session")
def model() -> swiftclip.Model:
    """The default model."""
    return swiftclip.load()


@pytest.fixture(scope="session")
def paths(golden: Dict[str, Any]) -> List[str]:
    """The pictures of the examples, in the order of the golden answers."""
    return [str(PICTURES / name) for name in golden["pictures"]]


@pytest.fixture(scope="session")
def penguin() -> str:
    return str(PICTURES / "penguin.png")


def relative_errors(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """|ours - theirs| / |theirs| of each row."""
    reference = theirs.astype(np.float64)
    return np.linalg.norm(ours - reference, axis=1) / np.linalg.norm(reference, axis=1)


def run_python(*arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Runs another Python that finds this package, and returns what came of it."""
    environment = dict(os.environ, **options.pop("env", {}))
    if IN_CHECKOUT:
        environment["PYTHONPATH"] = str(PACKAGE)
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=300, **options
    )
