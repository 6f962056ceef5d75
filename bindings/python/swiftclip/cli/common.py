"""What the commands share: arguments, files of lines, and complaints."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import List, Optional

from .._declarations import INSTRUCTIONS, PRECISIONS
from ..loading import load
from ..model import Model
from ..options import Preprocess


def complain(message: str) -> None:
    """One line on stderr."""
    print(f"swiftclip: {message}", file=sys.stderr, flush=True)


def add_model_arguments(command: argparse.ArgumentParser) -> None:
    """The arguments that say which model is opened, and how pictures are read."""
    group = command.add_argument_group("model")
    group.add_argument("--model", metavar="PATH", help="folder or ONNX file; without it, the small default model")
    group.add_argument("--textual", metavar="FILE", help="the text encoder, where it is a file of its own")
    group.add_argument("--vocabulary", metavar="FILE", help="merges.txt or bpe_simple_vocab_16e6.txt[.gz]")
    group.add_argument("--threads", type=_threads, default=0, metavar="N", help="0, the default: all allowed cores")
    group.add_argument(
        "--precision",
        choices=tuple(PRECISIONS),
        default="float32",
        help="of the large products: exact, weights rounded to half the memory, or to 8 bits, which is faster",
    )
    group.add_argument(
        "--instructions", choices=tuple(INSTRUCTIONS), default="auto", help=argparse.SUPPRESS
    )
    group.add_argument(
        "--alpha",
        choices=("drop", "composite"),
        default="drop",
        help="what becomes of transparency: dropped (official), or laid on white",
    )
    group.add_argument(
        "--orientation",
        choices=("ignore", "apply"),
        default="ignore",
        help="what becomes of EXIF orientation: ignored (official), or applied",
    )


def _threads(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 1024:
        raise argparse.ArgumentTypeError(f"{number} is not 0 to 1024")
    return number


def open_model(arguments: argparse.Namespace) -> Model:
    """The model that `add_model_arguments` asked for."""
    return load(
        arguments.model,
        arguments.textual,
        arguments.vocabulary,
        arguments.threads,
        arguments.precision,
        instructions=arguments.instructions,
        preprocess=Preprocess(alpha=arguments.alpha, orientation=arguments.orientation),
    )


def lines_of(path: str) -> List[str]:
    """The lines of a UTF-8 file that are not empty, without the spaces around them; "-" is stdin."""
    text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8-sig")
    return [line.strip() for line in text.splitlines() if line.strip()]


def commas(text: Optional[str]) -> List[str]:
    """What stands between the commas, without the spaces around it."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def cache_folder() -> Path:
    """The user's folder for what can be made again: $XDG_CACHE_HOME/swiftclip, or ~/.cache/swiftclip."""
    named = os.environ.get("XDG_CACHE_HOME")
    return (Path(named) if named and os.path.isabs(named) else Path.home() / ".cache") / "swiftclip"
