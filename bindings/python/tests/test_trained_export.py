"""What a trainer exports: ONNX files that the checker accepts, that onnxruntime computes with, and that load again."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import swiftclip

from conftest import PACKAGE, POCKET, relative_errors

FILES = ("merges.txt", "textual.onnx", "visual.onnx")


def answers(path: Path, feed: Any) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    answer: np.ndarray = session.run(None, {session.get_inputs()[0].name: feed})[0]
    return answer


@pytest.mark.parametrize("weights", ["float32", "float16"])
def test_onnxruntime_agrees(tmp_path: Path, weights: str) -> None:
    swiftclip.Trainer(POCKET).export(tmp_path / "out", weights=weights)
    ours = swiftclip.load(tmp_path / "out")
    pixels = np.random.default_rng(0).standard_normal((5, 3, 64, 64)).astype(np.float32)
    tokens = ours.tokenize(["a cat", "a drawing of two boats at night", "x"])
    for name, feed, mine in (
        ("visual", pixels, ours.encode_image(pixels)),
        ("textual", tokens.astype(np.int64), ours.encode_text(tokens)),
    ):
        path = tmp_path / "out" / f"{name}.onnx"
        onnx.checker.check_model(str(path), full_check=True)
        model = onnx.load(str(path))
        assert model.ir_version == 8 and model.opset_import[0].version == 17
        assert relative_errors(mine, answers(path, feed)).max() < 1e-5
        # The batch is free.
        assert relative_errors(mine[:1], answers(path, feed[:1])).max() < 1e-5
    original = swiftclip.load(POCKET)
    assert ours.logit_scale == pytest.approx(original.logit_scale, rel=1e-6)
    assert relative_errors(ours.encode_image(pixels), original.encode_image(pixels)).max() < 1e-6
    assert (tmp_path / "out" / "merges.txt").read_bytes() == (POCKET / "merges.txt").read_bytes()


def test_float16_holds_the_same_numbers_in_half_the_space(tmp_path: Path) -> None:
    trainer = swiftclip.Trainer(POCKET)
    sizes = {}
    for weights in ("float32", "float16"):
        trainer.export(tmp_path / weights, weights=weights)
        sizes[weights] = (tmp_path / weights / "visual.onnx").stat().st_size
    assert sizes["float16"] < 0.53 * sizes["float32"]
    pixels = np.random.default_rng(1).standard_normal((2, 3, 64, 64)).astype(np.float32)
    wide, half = (swiftclip.load(tmp_path / w).encode_image(pixels) for w in ("float32", "float16"))
    assert np.array_equal(wide, half)


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk."""
    swiftclip.Trainer(POCKET).export(tmp_path / "old")
    before = {name: (tmp_path / "old" / name).read_bytes() for name in FILES}
    program = (
        "import sys, swiftclip\n"
        "trainer = swiftclip.Trainer(sys.argv[1])\n"
        "for folder in sys.argv[2:]:\n"
        "    try:\n"
        "        trainer.export(folder)\n"
        "    except swiftclip.SwiftCLIPError as error:\n"
        "        print(error)\n"
    )

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))

    folders = [str(tmp_path / name) for name in ("old", "new")]
    result = subprocess.run(
        [sys.executable, "-c", program, str(POCKET), *folders],
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = result.stdout.splitlines()
    assert len(lines) == 2 and all("visual.onnx cannot be written" in line for line in lines), result
    assert {p.name: p.read_bytes() for p in (tmp_path / "old").iterdir()} == before
    assert not (tmp_path / "new").exists()
