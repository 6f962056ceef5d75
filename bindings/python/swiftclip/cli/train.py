"""`swiftclip train`: a model from pairs of pictures and captions."""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

import numpy as np

from .._errors import SwiftCLIPError
from ..dataset import Dataset
from ..options import Preprocess
from ..trainer import Trainer
from .common import complain
from .progress import ProgressLine


def add_to(commands: Any) -> None:
    """Adds the command to the program's parser."""
    command = commands.add_parser(
        "train",
        help="train a model from pictures and captions, or train one further",
        description="Trains from scratch (--config) or further (--model) and leaves in the output folder: checkpoint.bin, "
        "log.jsonl (a line for each step), loss.svg where matplotlib is installed, and the model in model/.",
    )
    command.add_argument(
        "--data", nargs="+", required=True, metavar="FILE", help="tables of path and caption (.tsv, .csv, .jsonl) or tar shards"
    )
    start = command.add_mutually_exclusive_group(required=True)
    start.add_argument("--config", metavar="FILE", help="JSON in open_clip's terms: a new model; needs --vocabulary")
    start.add_argument("--model", metavar="PATH", help="a model to train further")
    start.add_argument("--resume", action="store_true", help="go on from the output folder's checkpoint.bin")
    command.add_argument("-o", "--output", required=True, metavar="FOLDER")
    command.add_argument("--vocabulary", metavar="FILE", help="merges.txt or bpe_simple_vocab_16e6.txt[.gz]")
    command.add_argument("--validation", nargs="+", metavar="FILE", help="pairs never trained on: their loss is told too")
    command.add_argument("--batch", type=int, default=256, metavar="N", help="pairs in a step. 256")
    command.add_argument("--steps", type=int, metavar="N", help="all steps; without it, --epochs")
    command.add_argument("--epochs", type=int, default=32, metavar="N", help="times through the data. 32")
    command.add_argument("--learning-rate", type=float, default=5e-4, metavar="X", help="at its peak. 5e-4")
    command.add_argument("--warmup", type=int, default=100, metavar="N", help="steps up to the peak. 100")
    command.add_argument("--weight-decay", type=float, default=0.2, metavar="X", help="0.2")
    command.add_argument("--clip-norm", type=float, metavar="X", help="longest gradient")
    command.add_argument("--accumulate", type=int, default=1, metavar="N", help="pieces of a batch, for little memory. 1")
    command.add_argument(
        "--freeze", action="append", default=[], metavar="PREFIX", help='of parameter names, such as "visual"; may be given often'
    )
    command.add_argument("--flip", type=float, default=0.0, metavar="P", help="probability of a mirrored picture. 0")
    command.add_argument("--scale", type=float, default=1.0, metavar="X", help="smallest side of a random crop. 1")
    command.add_argument("--seed", type=int, default=0, metavar="N")
    command.add_argument("--threads", type=int, default=0, metavar="N", help="0: all cores allowed")
    command.add_argument("--save-every", type=int, default=100, metavar="N", help="steps between checkpoints. 100")
    command.set_defaults(run=lambda arguments: run(arguments, command))


def run(arguments: argparse.Namespace, command: argparse.ArgumentParser) -> int:
    """Runs the command and returns its exit status."""
    if arguments.config and not arguments.vocabulary:
        command.error("--config needs --vocabulary; `swiftclip tokenizer` learns one")
    output = Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    checkpoint, vocabulary = output / "checkpoint.bin", arguments.vocabulary
    told = output / "run.json"
    if arguments.resume:
        settings: Dict[str, Any] = json.loads(told.read_text(encoding="utf-8"))
        trainer = Trainer.resume(checkpoint)
    else:
        if checkpoint.exists():
            complain(f"{checkpoint} is there already. Give --resume to go on from it, or another folder.")
            return 1
        settings = _settings(arguments)
        trainer = _trainer(arguments, settings)
        if vocabulary is None and arguments.model is not None:
            vocabulary = _vocabulary(trainer, output)
        settings["vocabulary"] = os.path.abspath(vocabulary)
        told.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
    with trainer:
        data = _data(arguments.data, trainer, settings, random=True)
        validation = _data(arguments.validation, trainer, settings, random=False) if arguments.validation else None
        with data:
            _train(trainer, data, validation, settings, output, checkpoint)
        trainer.export(output / "model")
    _plot(output)
    complain(f"wrote {output / 'model'}")
    return 0


def _settings(arguments: argparse.Namespace) -> Dict[str, Any]:
    """What a resumed run must do alike."""
    names = ("batch", "flip", "scale", "seed", "save_every")
    return {name: getattr(arguments, name) for name in names}


def _trainer(arguments: argparse.Namespace, settings: Dict[str, Any]) -> Trainer:
    steps = arguments.steps
    if steps is None:
        with Dataset(arguments.data, preprocess=Preprocess(image_size=8), batch=arguments.batch) as data:
            steps = arguments.epochs * sum(1 for _ in data)
    if steps < 1:
        raise SwiftCLIPError("The data has no whole batch. Give more pairs, or a smaller --batch.")
    settings["steps"] = steps
    start = arguments.model
    if arguments.config:
        start = json.loads(Path(arguments.config).read_text(encoding="utf-8"))
    return Trainer(
        start,
        learning_rate=arguments.learning_rate,
        weight_decay=arguments.weight_decay,
        warmup=min(arguments.warmup, steps),
        steps=steps,
        clip_norm=arguments.clip_norm,
        accumulate=arguments.accumulate,
        freeze=arguments.freeze,
        threads=arguments.threads,
        seed=arguments.seed,
        vocabulary=arguments.vocabulary,
    )


def _vocabulary(trainer: Trainer, output: Path) -> Path:
    """The vocabulary of a model that is trained further, as a file: it is exported once."""
    trainer.export(output / "model")
    merges = output / "model" / "merges.txt"
    if not merges.exists():
        raise SwiftCLIPError("The model brings no vocabulary. Give --vocabulary.")
    return merges


def _data(paths: List[str], trainer: Trainer, settings: Dict[str, Any], random: bool) -> Dataset:
    return Dataset(
        paths,
        preprocess=Preprocess(image_size=trainer.image_size),
        vocabulary=settings["vocabulary"],
        context_length=trainer.context_length,
        batch=settings["batch"],
        seed=settings["seed"],
        shuffle=random,
        keep_last=not random,
        endless=random,
        crop="random" if random else "centre",
        scale=(settings["scale"], 1.0) if random else (1.0, 1.0),
        flip=settings["flip"] if random else 0.0,
    )


def _train(
    trainer: Trainer,
    data: Dataset,
    validation: Optional[Dataset],
    settings: Dict[str, Any],
    output: Path,
    checkpoint: Path,
) -> None:
    first, started = trainer.steps_done, time.monotonic()
    data.seek(_cut(output / "log.jsonl", first))
    with ProgressLine("training", "steps") as progress, open(output / "log.jsonl", "a", encoding="utf-8") as log:
        for pixels, tokens in _whole(data):
            if trainer.steps_done >= settings["steps"]:
                break
            line: Dict[str, Any] = {"step": trainer.steps_done + 1, "learning_rate": trainer.learning_rate}
            line["loss"] = trainer.step(pixels, tokens)
            line["logit_scale"] = trainer.logit_scale
            done, seconds = trainer.steps_done, time.monotonic() - started
            line["pairs_per_second"] = round((done - first) * len(pixels) / seconds, 1)
            line["seconds_left"] = round(seconds / (done - first) * (settings["steps"] - done))
            # Batches that had no usable pair count too.
            line["position"] = data.position
            due = done % settings["save_every"] == 0 or done == settings["steps"]
            if due and validation is not None:
                line["validation"] = _validated(trainer, validation)
            # Before the checkpoint, so that a resumed run finds the position of its step.
            log.write(json.dumps(line) + "\n")
            log.flush()
            if due:
                trainer.save(checkpoint)
            progress(done, settings["steps"])
    report = data.report()
    if any(report["skipped"].values()):
        complain(f"skipped in the data: {json.dumps(report)}")


def _whole(data: Dataset) -> Iterator[Tuple[np.ndarray, np.ndarray]]:
    while (batch := data.next()) is not None:
        yield batch


def _validated(trainer: Trainer, validation: Dataset) -> float:
    """The mean loss over the pairs never trained on, batch by batch."""
    validation.seek(0)
    losses = [(trainer.evaluate(pixels, tokens), len(pixels)) for pixels, tokens in validation]
    return sum(loss * count for loss, count in losses) / max(1, sum(count for _, count in losses))


def _cut(log: Path, step: int) -> int:
    """Lines of steps that were made after the last checkpoint, and are made again, go. Returns the number of the batch that
    comes after those of the steps kept."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    kept = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= step]
    if len(kept) != step:
        raise SwiftCLIPError(f"{log} does not tell of all {step} steps of the checkpoint. Resume from a whole folder.")
    log.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
    return int(json.loads(kept[-1])["position"]) if kept else 0


def _plot(output: Path) -> None:
    """The loss against steps, where matplotlib is installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    lines = [json.loads(line) for line in (output / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([line["step"] for line in lines], [line["loss"] for line in lines], label="training")
    told = [line for line in lines if not math.isnan(line.get("validation", math.nan))]
    if told:
        axes.plot([line["step"] for line in told], [line["validation"] for line in told], label="validation")
        axes.legend()
    axes.set(xlabel="step", ylabel="loss")
    figure.savefig(output / "loss.svg")
