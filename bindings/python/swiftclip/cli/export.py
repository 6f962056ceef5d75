"""`swiftclip export`: official weights to a folder that `load` opens."""

from __future__ import annotations

import argparse
from typing import Any

from .common import complain


def add_to(commands: Any) -> None:
    """Adds the command to the program's parser."""
    command = commands.add_parser(
        "export",
        help="make ONNX files from an installed open_clip or clip package",
        description="Makes visual.onnx, textual.onnx, the vocabulary and config.json from an installed "
        "open_clip_torch, or OpenAI's clip, package, which downloads the weights if it has not yet. Then opens "
        "them and compares with PyTorch.",
    )
    command.add_argument("name", metavar="NAME", help='as in the official clip, such as "ViT-B/32", or as in open_clip')
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
    command.add_argument("--random-weights", action="store_true", help="for tests: no download, random weights")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="of the random weights")
    command.set_defaults(run=lambda arguments: run(arguments, command))


def run(arguments: argparse.Namespace, command: argparse.ArgumentParser) -> int:
    """Runs the command and returns its exit status."""
    from ..export import TOLERANCE, compare, export, named

    if arguments.random_weights and arguments.pretrained:
        command.error("--random-weights and --pretrained exclude each other")
    source = named(
        arguments.name,
        arguments.pretrained,
        package=arguments.package,
        random_seed=arguments.seed if arguments.random_weights else None,
    )
    complain(f"making {source.title} from {source.package}")
    export(source, arguments.output, say=complain)
    complain("opening the files and comparing with PyTorch")
    comparison = compare(source, arguments.output)
    for line in comparison.lines():
        print(line)
    if not comparison.passed:
        complain(f"the files differ from PyTorch by more than {TOLERANCE:g}: do not use them")
        return 1
    print(f"{arguments.output} agrees with PyTorch. Open it with swiftclip.load({arguments.output!r}).")
    return 0
