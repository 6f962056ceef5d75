"""`swiftclip train`: a model from pairs of pictures and captions."""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import numpy as np

from .._declarations import BACKGROUNDS, CROPS
from .._errors import SwiftCLIPError
from ..dataset import Dataset
from ..kept_embeddings import KeptEmbeddings
from ..trainer import Trainer
from .common import complain
from .progress import ProgressLine
from .training_data import SETTINGS, HeldOut, batches, opened, validated

_Side = Callable[[np.ndarray], np.ndarray]


def add_to(commands: Any) -> None:
    """Adds the command to the program's parser."""
    command = commands.add_parser(
        "train",
        help="train a model from pictures and captions, or train one further",
        description="Trains from scratch (--config) or further (--from) and leaves in the output folder: checkpoint.bin, "
        "log.jsonl (a line for each step), loss.svg where matplotlib is installed, the model in model/, and with "
        "--evaluate evaluation.txt and evaluation.json: how well it finds pictures and captions that it never saw.",
    )
    command.add_argument(
        "--data", nargs="+", required=True, metavar="FILE", help="tables of path and caption (.tsv, .csv, .jsonl) or tar shards"
    )
    start = command.add_mutually_exclusive_group(required=True)
    start.add_argument("--config", metavar="FILE", help="JSON in open_clip's terms: a new model; needs --vocabulary")
    start.add_argument("--from", "--model", dest="model", metavar="PATH", help="a model to train further")
    start.add_argument(
        "--resume",
        action="store_true",
        help="go on from the output folder's checkpoint.bin, as the run began; --steps, --threads and --save-every may be new",
    )
    command.add_argument("-o", "--output", required=True, metavar="FOLDER")
    command.add_argument("--vocabulary", metavar="FILE", help="merges.txt or bpe_simple_vocab_16e6.txt[.gz]")
    command.add_argument("--validation", nargs="+", metavar="FILE", help="pairs never trained on: their loss is told too")
    command.add_argument(
        "--evaluate",
        nargs="?",
        type=float,
        const=0.1,
        metavar="SHARE",
        help="hold out a share of the pictures of a table, drawn by --seed: the model is scored on them before and after. 0.1",
    )
    command.add_argument("--batch", type=int, default=256, metavar="N", help="pairs in a step. 256")
    command.add_argument("--steps", type=int, metavar="N", help="all steps; without it, --epochs")
    command.add_argument("--epochs", type=int, default=32, metavar="N", help="times through the data. 32")
    command.add_argument("--learning-rate", type=float, metavar="X", help="at its peak. 5e-4; with --from, 1e-5")
    command.add_argument("--warmup", type=int, metavar="N", help="steps up to the peak. 100, but at most a tenth of all")
    command.add_argument("--weight-decay", type=float, default=0.2, metavar="X", help="0.2")
    command.add_argument("--clip-norm", type=float, metavar="X", help="longest gradient")
    command.add_argument("--accumulate", type=int, default=1, metavar="N", help="pieces of a batch, for little memory. 1")
    command.add_argument(
        "--freeze", action="append", default=[], metavar="PREFIX", help='of parameter names, such as "visual"; may be given often'
    )
    command.add_argument(
        "--reuse-features",
        action="store_true",
        help="compute what a tower frozen as a whole makes of each picture, or caption, once; needs --crop centre",
    )
    command.add_argument("--crop", choices=tuple(CROPS), default="random", help="random, as in the paper, or centre")
    command.add_argument("--sentences", action="store_true", help="one sentence of a long caption, drawn (ConVIRT)")
    command.add_argument("--background", choices=tuple(BACKGROUNDS), default="preprocess", help="under transparent pictures")
    command.add_argument("--flip", type=float, default=0.0, metavar="P", help="probability of a mirrored picture. 0")
    command.add_argument("--scale", type=float, default=1.0, metavar="X", help="smallest side of a random crop. 1")
    command.add_argument("--seed", type=int, default=0, metavar="N")
    command.add_argument("--threads", type=int, metavar="N", help="0, the default: all cores allowed")
    command.add_argument("--save-every", type=int, metavar="N", help="steps between checkpoints. 100")
    command.set_defaults(run=lambda arguments: run(arguments, command))


def run(arguments: argparse.Namespace, command: argparse.ArgumentParser) -> int:
    """Runs the command and returns its exit status."""
    if arguments.config and not arguments.vocabulary:
        command.error("--config needs --vocabulary; `swiftclip tokenizer` learns one")
    if arguments.evaluate is not None and arguments.validation:
        command.error("give --evaluate, which holds pictures out, or --validation, which are others; not both")
    if arguments.reuse_features and (arguments.crop != "centre" or arguments.flip > 0 or arguments.background == "random"):
        command.error("--reuse-features needs pictures that stay the same: --crop centre, and neither --flip nor random --background")
    output = Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    if not arguments.resume and (output / "checkpoint.bin").exists():
        complain(f"{output / 'checkpoint.bin'} is there already. Give --resume to go on from it, or another folder.")
        return 1
    settings, trainer = (_resumed if arguments.resume else _begun)(arguments, output)
    held_out = HeldOut(output) if settings["held_out"] else None
    with trainer:
        tested = [held_out.table] if held_out else arguments.validation
        validation = opened(tested, trainer, settings, random=False) if tested else None
        if held_out and validation and arguments.model:
            held_out.before(arguments, validated(trainer, validation))
        with opened([held_out.training] if held_out else arguments.data, trainer, settings, random=True) as data:
            _train(trainer, data, validation, settings, output)
        trainer.export(output / "model")
        if held_out and validation:
            print(held_out.after(settings, validated(trainer, validation)))
    _plot(output)
    complain(f"wrote {output / 'model'}")
    return 0


def _begun(arguments: argparse.Namespace, output: Path) -> Tuple[Dict[str, Any], Trainer]:
    """A new run: its settings, which a resumed one finds in run.json, and its trainer."""
    data, held_out = arguments.data, arguments.evaluate is not None
    if held_out:
        data = [HeldOut.drawn(arguments, output).training]
    settings = {name: getattr(arguments, name) for name in SETTINGS}
    settings["held_out"] = held_out
    settings["save_every"] = 100 if arguments.save_every is None else arguments.save_every
    steps = arguments.steps
    if steps is None:
        steps = arguments.epochs * batches(data, settings)
    if steps < 1:
        raise SwiftCLIPError("There is nothing to do in no steps. Give --steps or --epochs of 1 or more.")
    rate = arguments.learning_rate
    settings["options"] = {
        "learning_rate": (1e-5 if arguments.model else 5e-4) if rate is None else rate,
        "weight_decay": arguments.weight_decay,
        "warmup": min(100, steps // 10) if arguments.warmup is None else min(arguments.warmup, steps),
        "steps": steps,
        "clip_norm": arguments.clip_norm,
        "accumulate": arguments.accumulate,
        "freeze": arguments.freeze,
        "threads": arguments.threads or 0,
        "seed": arguments.seed,
    }
    start = arguments.model
    if arguments.config:
        start = json.loads(Path(arguments.config).read_text(encoding="utf-8"))
    trainer = Trainer(start, **settings["options"], vocabulary=arguments.vocabulary)
    vocabulary = arguments.vocabulary or _vocabulary(trainer, output)
    settings["vocabulary"] = os.path.abspath(vocabulary)
    _tell(output, settings)
    return settings, trainer


def _resumed(arguments: argparse.Namespace, output: Path) -> Tuple[Dict[str, Any], Trainer]:
    """The settings and the trainer of a run that was stopped."""
    settings: Dict[str, Any] = json.loads((output / "run.json").read_text(encoding="utf-8"))
    fresh = {name: getattr(arguments, name) for name in ("steps", "threads") if getattr(arguments, name) is not None}
    if arguments.save_every is not None:
        settings["save_every"] = arguments.save_every
    settings["options"].update(fresh)
    trainer = Trainer.resume(output / "checkpoint.bin", options=settings["options"] if fresh else None)
    _tell(output, settings)
    return settings, trainer


def _tell(output: Path, settings: Dict[str, Any]) -> None:
    _replace(output / "run.json", json.dumps(settings, indent=1) + "\n")


def _replace(path: Path, text: str) -> None:
    """Whoever is killed meanwhile leaves the old file or the new one."""
    fresh = path.with_name(path.name + ".part")
    fresh.write_text(text, encoding="utf-8")
    os.replace(fresh, path)


def _vocabulary(trainer: Trainer, output: Path) -> Path:
    """The vocabulary of a model that is trained further, as a file: it is exported once."""
    trainer.export(output / "model")
    merges = output / "model" / "merges.txt"
    if not merges.exists():
        raise SwiftCLIPError("The model brings no vocabulary. Give --vocabulary.")
    return merges


def _train(
    trainer: Trainer,
    data: Dataset,
    validation: Optional[Dataset],
    settings: Dict[str, Any],
    output: Path,
) -> None:
    steps, pictures, texts = settings["options"]["steps"], *_sides(trainer, settings)
    first, started = trainer.steps_done, time.monotonic()
    data.seek(_cut(output / "log.jsonl", first))
    with ProgressLine("training", "steps") as progress, open(output / "log.jsonl", "a", encoding="utf-8") as log:
        for pixels, tokens in _whole(data):
            if trainer.steps_done >= steps:
                break
            line: Dict[str, Any] = {"step": trainer.steps_done + 1, "learning_rate": trainer.learning_rate}
            line["loss"] = trainer.step(pictures(pixels), texts(tokens))
            line["logit_scale"] = trainer.logit_scale
            done, seconds = trainer.steps_done, time.monotonic() - started
            line["pairs_per_second"] = round((done - first) * len(pixels) / seconds, 1)
            line["seconds_left"] = round(seconds / (done - first) * (steps - done))
            # Batches that had no usable pair count too.
            line["position"] = data.position
            due = done % settings["save_every"] == 0 or done == steps
            if due and validation is not None:
                line["validation"] = validated(trainer, validation)
            # Before the checkpoint, so that a resumed run finds the position of its step.
            log.write(json.dumps(line) + "\n")
            log.flush()
            if due:
                trainer.save(output / "checkpoint.bin")
            progress(done, steps)
    report = data.report()
    if any(report["skipped"].values()):
        complain(f"skipped in the data: {json.dumps(report)}")


def _sides(trainer: Trainer, settings: Dict[str, Any]) -> Tuple[_Side, _Side]:
    """What a step gets for pixels and for tokens: themselves, or what a frozen tower made of them once."""
    sides: List[_Side] = [np.asarray, np.asarray]
    if settings["reuse_features"]:
        frozen = trainer.frozen
        if not any(frozen):
            raise SwiftCLIPError("No tower is frozen as a whole, so there is nothing to reuse. Give --freeze visual.")
        # One of the two, since a step encodes something.
        side = 0 if frozen[0] else 1
        sides[side] = KeptEmbeddings((trainer.encode_images, trainer.encode_texts)[side])
    return sides[0], sides[1]


def _whole(data: Dataset) -> Iterator[Tuple[np.ndarray, np.ndarray]]:
    while (batch := data.next()) is not None:
        yield batch


def _cut(log: Path, step: int) -> int:
    """Lines of steps that were made after the last checkpoint, and are made again, go. Returns the number of the batch that
    comes after those of the steps kept."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    kept = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= step]
    if len(kept) != step:
        raise SwiftCLIPError(f"{log} does not tell of all {step} steps of the checkpoint. Resume from a whole folder.")
    _replace(log, "".join(line + "\n" for line in kept))
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
