"""`swiftclip search`: the pictures of a folder that fit a text, or are like a picture."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from pathlib import Path
from typing import Any, Dict, List, Tuple

import numpy as np

from ..search import ENGINES, Index, picture_query
from .common import add_model_arguments, cache_folder, complain, open_model
from .progress import ProgressLine


def add_to(commands: Any) -> None:
    """Adds the command to the program's parser."""
    command = commands.add_parser(
        "search",
        help="find pictures of a folder by a text or a picture",
        description="Finds the pictures of a folder that fit a text or are like a picture. The first search encodes "
        "all of them; later ones only what is new or changed. The index is an ordinary .npz file.",
    )
    command.add_argument("place", metavar="FOLDER|INDEX", help="a folder, or an index that is searched as it is (.npz)")
    command.add_argument("--text", action="append", default=[], metavar="TEXT", help="may be given often")
    command.add_argument("--picture", action="append", default=[], metavar="FILE", help="may be given often")
    command.add_argument(
        "--index", metavar="FILE", help="the .npz file of the folder; without it, one in the user's cache folder"
    )
    command.add_argument("-k", type=int, default=10, metavar="K", help="pictures shown for each query. 10")
    command.add_argument("--engine", choices=ENGINES, default="exact", help="all cosines, or an approximate graph")
    command.add_argument("--json", action="store_true", help="one JSON array with an object for each query")
    add_model_arguments(command)
    command.set_defaults(run=lambda arguments: run(arguments, command))


def run(arguments: argparse.Namespace, command: argparse.ArgumentParser) -> int:
    """Runs the command and returns its exit status."""
    if not arguments.text and not arguments.picture:
        command.error("give --text or --picture")
    if arguments.k < 1:
        command.error(f"-k is {arguments.k}, and must be 1 or more")
    is_folder = os.path.isdir(arguments.place)
    if arguments.index and not is_folder:
        command.error("--index is for a folder, and " + arguments.place + " is none")
    with open_model(arguments) as model:
        if is_folder:
            path = Path(arguments.index) if arguments.index else _default_index(arguments.place)
            with ProgressLine("pictures", "pictures") as progress:
                index = Index.of_folder(model, arguments.place, path, progress=progress)
            if index.encoded:
                complain(f"encoded {index.encoded} new or changed pictures; the index is {path}")
        else:
            path = Path(arguments.place)
            index = Index.load(path, model)
        queries = [("text", text, model.encode_text(text)) for text in arguments.text]
        queries += [("picture", picture, picture_query(model, picture)) for picture in arguments.picture]
    for name, why in index.news.items():
        complain(f"{os.path.join(index.folder, name)}: {why}")
    graphs = len(index.engines)
    found = index.best(np.concatenate([row for _, _, row in queries]), arguments.k, engine=arguments.engine)
    if len(index.engines) > graphs:
        index.save(path)
    _show([(kind, asked, best) for (kind, asked, _), best in zip(queries, found)], arguments.json)
    return 1 if index.news else 0


def _default_index(folder: str) -> Path:
    name = hashlib.sha256(os.fsencode(os.path.abspath(folder))).hexdigest()[:16]
    return cache_folder() / "search" / f"{name}.npz"


def _show(answers: List[Tuple[str, str, List[Tuple[str, float]]]], as_json: bool) -> None:
    if as_json:
        rows: List[Dict[str, Any]] = [
            {kind: asked, "results": [{"path": path, "cosine": cosine} for path, cosine in best]}
            for kind, asked, best in answers
        ]
        print(json.dumps(rows, indent=1))
        return
    blocks = []
    for _, asked, best in answers:
        blocks.append("\n".join([asked, *(f"  {cosine:7.4f}  {path}" for path, cosine in best)]))
    print("\n\n".join(blocks))
