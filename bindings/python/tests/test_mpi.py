"""Training on several processes (examples/python/train_mpi.py, examples/c/train_mpi.c): the curve of one process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
import pytest

import swiftclip
from conftest import IN_CHECKOUT, PACKAGE, PICTURES, POCKET, ROOT, needs_checkout
from swiftclip._library import library

pytestmark = [
    needs_checkout,
    pytest.mark.skipif(shutil.which("mpirun") is None, reason="there is no mpirun (Debian: openmpi-bin)"),
]
VOCABULARY = POCKET / "merges.txt"
STEPS = 8


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example pictures with captions, and the model of the C example as a configuration."""
    folder: Path = tmp_path_factory.mktemp("pairs")
    with open(folder / "captions.tsv", "w", encoding="utf-8") as table:
        for path in sorted(PICTURES.iterdir()):
            if path.suffix in (".png", ".jpg"):
                shutil.copy(path, folder / path.name)
                table.write(f"{path.name}\ta picture of a {path.stem.replace('-', ' ')}\n")
    size = swiftclip.Tokenizer(VOCABULARY, 16).vocabulary_size
    text = dict(context_length=16, vocab_size=size, width=64, heads=1, layers=2)
    towers = {"vit": dict(image_size=32, layers=2, width=64, patch_size=8), "resnet": dict(image_size=32, layers=[1, 1, 1, 1], width=8)}
    for name, vision in towers.items():
        (folder / f"{name}.json").write_text(json.dumps(dict(embed_dim=64, vision_cfg=vision, text_cfg=text)))
    return folder


def mpirun(processes: int, *command: Any) -> str:
    """Runs a command on so many processes of this machine, whoever we are and however few cores there are."""
    environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    if IN_CHECKOUT:
        environment["PYTHONPATH"] = str(PACKAGE)
    done = subprocess.run(
        ["mpirun", "--oversubscribe", "--mca", "plm", "isolated", "-n", str(processes), *map(str, command)],
        env=environment, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def python_curve(processes: int, data: Path, output: Path, *more: Any, model: str = "vit", steps: int = STEPS) -> List[float]:
    pytest.importorskip("mpi4py")
    told = mpirun(
        processes, sys.executable, "-m", "mpi4py", ROOT / "examples/python/train_mpi.py", "--data", data / "captions.tsv",
        "--config", data / f"{model}.json", "--vocabulary", VOCABULARY, "--batch", 16, "--steps", steps, "--threads", 1,
        "-o", output, *more,
    )  # fmt: skip
    return [json.loads(line)["loss"] for line in told.splitlines()]


def parameters(output: Path) -> Dict[str, np.ndarray]:
    with swiftclip.Trainer.resume(output / "checkpoint.bin") as trainer:
        return {name: values.copy() for name, values in trainer.parameters().items()}


def test_the_same_curve_on_any_number_of_processes(data, tmp_path):
    curves = {count: python_curve(count, data, tmp_path / str(count)) for count in (1, 2, 4)}
    assert len(curves[1]) == STEPS and curves[1][-1] < curves[1][0]
    for count in (2, 4):
        assert curves[count] == pytest.approx(curves[1], rel=2e-6)
        for name, values in parameters(tmp_path / "1").items():
            other = parameters(tmp_path / str(count))[name]
            assert np.linalg.norm(other - values) <= 1e-3 * np.linalg.norm(values) + 1e-6, name
        swiftclip.load(tmp_path / str(count) / "model").close()


def test_rows_of_the_loss_give_the_loss(data, tmp_path):
    whole = python_curve(2, data, tmp_path / "whole")
    rows = python_curve(2, data, tmp_path / "rows", "--rows")
    assert rows == pytest.approx(whole, rel=2e-6)


def test_it_goes_on_where_it_was_stopped(data, tmp_path):
    whole = python_curve(2, data, tmp_path / "whole", "--constant-rate")
    first = python_curve(2, data, tmp_path / "parts", "--constant-rate", steps=3)
    assert first + python_curve(2, data, tmp_path / "parts", "--constant-rate", "--resume") == whole


def test_a_resnet_trains_though_its_statistics_are_of_each_process(data, tmp_path):
    """Another curve than on one process: BatchNorm sees the pairs of its process. It falls all the same."""
    losses = python_curve(2, data, tmp_path / "resnet", "--learning-rate", "2e-3", model="resnet", steps=16)
    assert np.mean(losses[-4:]) < 0.9 * losses[0]


@pytest.mark.skipif(shutil.which("mpicc") is None, reason="there is no mpicc (Debian: libopenmpi-dev)")
def test_the_c_example_has_the_curve_of_the_python_one(data, tmp_path):
    os.symlink(library()._name, tmp_path / "libswiftclip.so.1")
    subprocess.run(
        ["mpicc", "-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", str(ROOT / "examples/c/train_mpi.c"),
         f"-I{ROOT / 'include'}", str(tmp_path / "libswiftclip.so.1"), f"-Wl,-rpath,{tmp_path}", "-o", str(tmp_path / "train")],
        check=True,
    )  # fmt: skip
    curves = {}
    for count in (1, 2, 4):
        told = mpirun(count, tmp_path / "train", data / "captions.tsv", VOCABULARY, STEPS, tmp_path / f"model{count}")
        curves[count] = [float(line.split()[1]) for line in told.splitlines()]
        assert len(curves[count]) == STEPS
        assert (tmp_path / f"model{count}" / "visual.onnx").exists()
    assert curves[2] == pytest.approx(curves[1], rel=2e-6) and curves[4] == pytest.approx(curves[1], rel=2e-6)
    assert curves[1] == pytest.approx(python_curve(1, data, tmp_path / "python"), rel=2e-6)
