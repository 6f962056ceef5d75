"""`swiftclip tokenizer`: a vocabulary learned from captions."""

from __future__ import annotations

import argparse
from typing import Any

from ..tokenizer import learn_merges
from .common import complain, lines_of
from .progress import ProgressLine


def add_to(commands: Any) -> None:
    """Adds the command to the program's parser."""
    command = commands.add_parser(
        "tokenizer",
        help="learn a vocabulary from captions",
        description="Learns a byte-level BPE vocabulary from captions and writes it as a merges file in the official "
        "format.",
    )
    command.add_argument("captions", metavar="CAPTIONS", help="a file with a caption on each line; - is stdin")
    command.add_argument("--size", type=int, default=49408, metavar="N", help="token ids, 515 to 49408. 49408")
    command.add_argument("-o", "--output", required=True, metavar="FILE", help="the merges file to write")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command and returns its exit status."""
    with ProgressLine("learning", "captions and merges") as progress:
        size = learn_merges(lines_of(arguments.captions), arguments.size, arguments.output, progress=progress)
    complain(f"wrote {arguments.output}: {size} token ids")
    return 0
