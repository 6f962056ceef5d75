"""`swiftclip inspect` and `swiftclip verify`: what a model's files hold, and whether it is computed rightly."""

from __future__ import annotations

import argparse
import json
from typing import Any

from .common import complain


def add_to(commands: Any) -> None:
    """Adds the two commands to the program's parser."""
    command = commands.add_parser(
        "inspect",
        help="say what a model's files hold",
        description="Says what was recognised in a model's files without opening it: architecture, sizes, activation, "
        "mask, pooling, exporter, weight types, parameters and a digest of each tower.",
    )
    _add_files(command)
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=run_inspect)

    command = commands.add_parser(
        "verify",
        help="compare a model with onnxruntime",
        description="Runs the original graph with onnxruntime and the opened model on the same seeded inputs and "
        "prints the relative L2 error and the cosine of each tower. "
        "The exit status is 1 where an error is above the limit.",
    )
    _add_files(command)
    command.add_argument(
        "--limit",
        type=float,
        metavar="ERROR",
        help="largest relative error that counts as agreement; by default 2e-5, 2e-2 with float16 or bfloat16 weights, "
        "1e-1 with 8-bit weights",
    )
    command.add_argument("--seed", type=int, default=0, metavar="N", help="of the inputs")
    command.set_defaults(run=run_verify)


def _add_files(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", metavar="FILE", help="ONNX file, or folder")
    command.add_argument("--textual", metavar="FILE", help="the text encoder, where it is a file of its own")


def run_inspect(arguments: argparse.Namespace) -> int:
    """Runs `inspect` and returns its exit status."""
    from ..inspection import inspect

    found = inspect(arguments.model, arguments.textual)
    print(json.dumps(found.as_dict(), indent=1) if arguments.json else found)
    return 0


def run_verify(arguments: argparse.Namespace) -> int:
    """Runs `verify` and returns its exit status."""
    from ..verification import verify

    verification = verify(arguments.model, arguments.textual, limit=arguments.limit, seed=arguments.seed)
    print(verification)
    if not verification.passed:
        complain(f"{arguments.model} is not computed as onnxruntime computes it: do not use it with swiftclip")
    return 0 if verification.passed else 1
