"""The pairs of `swiftclip train`: those that are learned from, and those that are held out."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any, Dict, List, Sequence, Union

from .._errors import SwiftCLIPError
from ..dataset import Dataset
from ..evaluate.captions import open_captions
from ..evaluate.tuning import Tuning, score
from ..loading import load
from ..options import Preprocess
from ..trainer import Trainer
from .common import complain

SETTINGS = ("batch", "crop", "sentences", "background", "flip", "scale", "seed", "reuse_features")
"""Arguments that a resumed run must have alike."""

_Paths = Sequence[Union[str, Path]]


def opened(paths: _Paths, trainer: Trainer, settings: Dict[str, Any], random: bool) -> Dataset:
    """Batches to learn from, in any order and endless, or to be tested on."""
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
        crop=settings["crop"] if random else "centre",
        scale=(settings["scale"], 1.0) if random and settings["crop"] == "random" else (1.0, 1.0),
        flip=settings["flip"] if random else 0.0,
        background=settings["background"] if random else "preprocess",
        sentences=settings["sentences"],
        allow_outside=settings["held_out"],  # their tables lie in the output folder; see HeldOut.drawn
    )


def batches(paths: _Paths, settings: Dict[str, Any]) -> int:
    """Whole batches in the data, which is read through once."""
    with Dataset(
        paths, preprocess=Preprocess(image_size=8), batch=settings["batch"], allow_outside=settings["held_out"]
    ) as data:
        return sum(1 for _ in data)


def validated(trainer: Trainer, validation: Dataset) -> float:
    """The mean loss over the pairs never trained on, batch by batch."""
    validation.seek(0)
    losses = [(trainer.evaluate(pixels, tokens), len(pixels)) for pixels, tokens in validation]
    return sum(loss * count for loss, count in losses) / max(1, sum(count for _, count in losses))


class HeldOut:
    """A share of a table's pictures that is kept out of training, and how models do on it."""

    def __init__(self, output: Path) -> None:
        self._output = output
        self.training, self.table = output / "training.jsonl", output / "held-out.jsonl"

    @classmethod
    def drawn(cls, arguments: argparse.Namespace, output: Path) -> "HeldOut":
        """Divides the data into two tables in the output folder."""
        table = _table(arguments.data)
        skipped: List[str] = []
        pairs = open_captions(table, skipped)
        root = os.path.realpath(table.parent) + os.sep
        inside = [index for index, path in enumerate(pairs.pictures) if os.path.realpath(path).startswith(root)]
        kept = {pairs.pictures[index] for index in inside}
        skipped += [f"{path} leads out of the table's folder." for path in pairs.pictures if path not in kept]
        if skipped:
            complain(f"{len(skipped)} rows of {table} cannot be used. The first: {skipped[0]}")
        training, held_out = pairs.only(inside).hold_out(arguments.evaluate, arguments.seed)
        own = cls(output)
        training.write(own.training)
        held_out.write(own.table)
        if len(training.pictures) < arguments.batch:
            complain(f"the batch is {len(training.pictures)}: there are no more pictures to learn from")
            arguments.batch = len(training.pictures)
        return own

    def before(self, arguments: argparse.Namespace, loss: float) -> None:
        """Scores the model that training begins with."""
        pairs = open_captions(self.table)
        with load(arguments.model, vocabulary=arguments.vocabulary, threads=arguments.threads or 0) as model:
            found = score(model, pairs, loss)
        Tuning(_table(arguments.data).stem, len(pairs.pictures), found, None).save(self._output)

    def after(self, settings: Dict[str, Any], loss: float) -> Tuning:
        """Scores the model that training has made, beside the former."""
        pairs = open_captions(self.table)
        with load(self._output / "model", threads=settings["options"]["threads"]) as model:
            found = score(model, pairs, loss)
        told = self._output / "evaluation.json"
        begun = Tuning.read(told) if told.exists() else Tuning(pairs.name, len(pairs.pictures), None, None)
        result = Tuning(begun.data, begun.pictures, begun.before, found)
        result.save(self._output)
        return result


def _table(data: Sequence[str]) -> Path:
    """The one table that pictures are held out of: a file, or the one in a folder."""
    path = Path(data[0])
    found = sorted(entry for entry in path.iterdir() if entry.suffix in _TABLES) if path.is_dir() else [path]
    if len(data) > 1 or len(found) != 1 or found[0].suffix not in _TABLES:
        raise SwiftCLIPError(
            "--evaluate holds pictures out of one table (.tsv, .csv or .jsonl). Give --data one, or a folder with one; or "
            "other data, and --validation in place of --evaluate."
        )
    return found[0]


_TABLES = (".tsv", ".csv", ".jsonl")
