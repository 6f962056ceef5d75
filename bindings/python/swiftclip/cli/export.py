"""`swiftclip export`: official weights to a folder that `load` opens."""

from __future__ import annotations

import argparse
import importlib.util
import os
from typing import Any

from ..archive import archive
from ..export import TOLERANCE, Source, compare, export, named
from ..verification import verify
from .common import complain


def add_to(commands: Any) -> None:
    """Adds the command to the program's parser."""
    command = commands.add_parser(
        "export",
        help="make ONNX files from an installed open_clip or clip package, or from a .pt archive",
        description="Makes visual.onnx, textual.onnx, the vocabulary and config.json from an installed "
        "open_clip_torch, or OpenAI's clip, package, which downloads the weights if it has not yet, or from a local "
        "archive of the official release. Then opens them and compares with PyTorch and, if it is installed, with "
        "onnxruntime.",
    )
    command.add_argument(
        "name",
        metavar="NAME",
        help='as in the official clip, such as "ViT-B/32", or in open_clip; or a .pt file: TorchScript or a state dict',
    )
    command.add_argument("-o", "--output", required=True, metavar="DIR", help="the folder to write to")
    command.add_argument(
        "--pretrained", metavar="TAG", help='open_clip\'s tag of the weights; "openai" for official names'
    )
    command.add_argument(
        "--package",
        choices=("auto", "open_clip", "clip"),
        default="auto",
        help="where the model comes from; auto: open_clip if it is installed, else clip",
    )
    command.add_argument(
        "--vocabulary", metavar="FILE", help="for a .pt file where neither package is installed: the official merges"
    )
    command.add_argument(
        "--activation",
        choices=("quick_gelu", "gelu"),
        help="of a .pt file, which does not say it; quick_gelu, the official models', by default",
    )
    command.add_argument("--random-weights", action="store_true", help="for tests: no download, random weights")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="of the random weights")
    command.set_defaults(run=lambda arguments: run(arguments, command))


def run(arguments: argparse.Namespace, command: argparse.ArgumentParser) -> int:
    """Runs the command and returns its exit status."""
    if arguments.random_weights and arguments.pretrained:
        command.error("--random-weights and --pretrained exclude each other")
    source = _source(arguments, command)
    complain(f"making {source.title}{f' from {source.package}' if source.package else ''}")
    export(source, arguments.output, say=complain)
    complain("opening the files and comparing with PyTorch")
    comparison = compare(source, arguments.output)
    for line in comparison.lines():
        print(line)
    if not comparison.passed:
        complain(f"the files differ from PyTorch by more than {TOLERANCE:g}: do not use them")
        return 1
    if importlib.util.find_spec("onnxruntime") is None:
        complain("onnxruntime is not installed, so the files were not compared with it")
    else:
        verification = verify(arguments.output)
        print(verification)
        if not verification.passed:
            complain("swiftclip does not compute these files as onnxruntime does: please report it")
            return 1
    print(f"{arguments.output} agrees with PyTorch. Open it with swiftclip.load({arguments.output!r}).")
    return 0


def _source(arguments: argparse.Namespace, command: argparse.ArgumentParser) -> Source:
    is_file = arguments.name.endswith((".pt", ".pth", ".bin")) or os.path.isfile(arguments.name)
    if is_file:
        if arguments.pretrained or arguments.random_weights or arguments.package != "auto":
            command.error("--pretrained, --package and --random-weights are for names, and a file was given")
        return archive(arguments.name, vocabulary=arguments.vocabulary, activation=arguments.activation)
    if arguments.vocabulary or arguments.activation:
        command.error("--vocabulary and --activation are for .pt files, and a name was given")
    return named(
        arguments.name,
        arguments.pretrained,
        package=arguments.package,
        random_seed=arguments.seed if arguments.random_weights else None,
    )
