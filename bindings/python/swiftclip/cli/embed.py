"""`swiftclip embed`: pictures and texts to embeddings."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import IO, Any, List

import numpy as np

from .common import add_model_arguments, complain, lines_of, open_model
from .inputs import expanded
from .progress import ProgressLine

_FORMATS = (".npy", ".npz", ".jsonl")


def add_to(commands: Any) -> None:
    """Adds the command to the program's parser."""
    command = commands.add_parser(
        "embed",
        help="turn pictures and texts into embeddings",
        description="Turns pictures, then texts, into embeddings. A .npy file holds float32 (N, D), one row for "
        "each picture and text in the order given, NaN where a picture could not be read. A .npz file holds "
        '"embeddings" and "inputs" without those, and so does .jsonl: one {"input", "kind", "embedding"} '
        "on a line.",
    )
    command.add_argument("pictures", nargs="*", metavar="PICTURE", help="JPEG, PNG or WebP; a folder or a pattern too")
    command.add_argument("--text", action="append", default=[], metavar="TEXT", help="a text; may be given often")
    command.add_argument("--texts-file", metavar="FILE", help="texts, one on a line; - is stdin")
    command.add_argument(
        "-o", "--output", metavar="FILE", help=".npy, .npz or .jsonl; without it, JSON lines on stdout"
    )
    command.add_argument("--normalize", action="store_true", help="scale every embedding to length 1")
    command.add_argument("--truncate", action="store_true", help="cut texts that are too long")
    add_model_arguments(command)
    command.set_defaults(run=lambda arguments: run(arguments, command))


def run(arguments: argparse.Namespace, command: argparse.ArgumentParser) -> int:
    """Runs the command and returns its exit status."""
    texts = arguments.text + (lines_of(arguments.texts_file) if arguments.texts_file else [])
    if not arguments.pictures and not texts:
        command.error("give a picture, --text or --texts-file")
    suffix = Path(arguments.output).suffix.lower() if arguments.output else ".jsonl"
    if suffix not in _FORMATS:
        command.error(f"the output must end in {', '.join(_FORMATS)}, and {arguments.output} does not")
    paths = expanded(arguments.pictures)
    if arguments.pictures and not paths:
        complain("no picture was found in " + ", ".join(arguments.pictures))
        return 1

    with open_model(arguments) as model:
        of_texts = np.zeros((0, model.embed_dim), np.float32)
        if texts:
            with ProgressLine("texts", "texts") as progress:
                of_texts = model.encode_text(texts, truncate=arguments.truncate, progress=progress)
        with ProgressLine("pictures", "pictures") as progress:
            of_pictures, failures = model.embed_images(paths, progress=progress)
    for index, error in failures.items():
        complain(f"{paths[index]}: {error}")

    embeddings = np.concatenate([of_pictures, of_texts])
    if arguments.normalize:
        lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
        embeddings = embeddings / np.where(lengths > 0, lengths, 1)
    kept = [index for index in range(len(embeddings)) if index not in failures]
    _write(arguments.output, suffix, paths + texts, len(paths), embeddings.astype(np.float32), kept)
    return 1 if failures else 0


def _write(output: Any, suffix: str, inputs: List[str], pictures: int, embeddings: np.ndarray, kept: List[int]) -> None:
    if suffix == ".npy":
        np.save(output, embeddings)
    elif suffix == ".npz":
        np.savez(output, embeddings=embeddings[kept], inputs=np.array([inputs[i] for i in kept], dtype=np.str_))
    elif output is None:
        _write_lines(sys.stdout, inputs, pictures, embeddings, kept)
    else:
        with open(output, "w", encoding="utf-8") as file:
            _write_lines(file, inputs, pictures, embeddings, kept)


def _write_lines(file: IO[str], inputs: List[str], pictures: int, embeddings: np.ndarray, kept: List[int]) -> None:
    for index in kept:
        kind = "picture" if index < pictures else "text"
        row = {"input": inputs[index], "kind": kind, "embedding": embeddings[index].tolist()}
        print(json.dumps(row), file=file)
