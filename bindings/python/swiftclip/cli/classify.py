"""`swiftclip classify`: which labels fit the pictures."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np

from ..classifier import DEFAULT_TEMPLATES, Classifier
from ..html import Entry, report
from .common import add_model_arguments, commas, complain, lines_of, open_model
from .inputs import expanded
from .progress import ProgressLine


def add_to(commands: Any) -> None:
    """Adds the command to the program's parser."""
    command = commands.add_parser(
        "classify",
        help="say which labels fit pictures",
        description="Says which labels fit pictures, best first. Without --cosine the scores are "
        "probabilities over the labels given, so that they add up to 100 %%.",
    )
    command.add_argument("pictures", nargs="+", metavar="PICTURE", help="JPEG, PNG or WebP; a folder or a pattern too")
    labels = command.add_mutually_exclusive_group(required=True)
    labels.add_argument("--labels", metavar="A,B,...", help="the labels, with commas between them")
    labels.add_argument("--labels-file", metavar="FILE", help="the labels, one on a line; - is stdin")
    command.add_argument(
        "--template",
        action="append",
        default=[],
        metavar="TEXT",
        help='a prompt with {} where the label goes; may be given often. "a photo of a {}."',
    )
    command.add_argument("--templates-file", metavar="FILE", help="prompts, one on a line")
    command.add_argument("--cosine", action="store_true", help="cosines, independent of the other labels")
    command.add_argument("--top", type=int, default=5, metavar="K", help="labels shown for each picture; 0: all. 5")
    command.add_argument("--json", action="store_true", help="one JSON array with an object for each picture")
    command.add_argument("--html", metavar="FILE", help="write one self-contained page of the pictures as well")
    add_model_arguments(command)
    command.set_defaults(run=lambda arguments: run(arguments, command))


def run(arguments: argparse.Namespace, command: argparse.ArgumentParser) -> int:
    """Runs the command and returns its exit status."""
    labels, templates = _asked(arguments, command)
    paths = expanded(arguments.pictures)
    if not paths:
        complain("no picture was found in " + ", ".join(arguments.pictures))
        return 1
    with open_model(arguments) as model:
        with ProgressLine("labels", "prompts") as progress:
            classifier = model.classifier(labels, templates, progress=progress)
        with ProgressLine("pictures", "pictures") as progress:
            embeddings, failures = model.embed_images(paths, progress=progress)
        facts: Dict[str, Any] = dict(description=model.describe(), logit_scale=model.logit_scale)
    for index, error in failures.items():
        complain(f"{paths[index]}: {error}")

    scores = _scores(classifier, embeddings, arguments.cosine)
    entries = [
        Entry(path, [], error=str(failures[index]))
        if index in failures
        else Entry(path, _ranked(row, labels, arguments.top))
        for index, (path, row) in enumerate(zip(paths, scores))
    ]
    if arguments.json:
        print(json.dumps([_as_json(entry, arguments.cosine) for entry in entries], indent=1))
    elif len(failures) < len(entries):
        print("\n\n".join(_as_text(entry, arguments.cosine) for entry in entries if entry.error is None))
    if arguments.html:
        name = arguments.model or "the default model"
        page = report(entries, cosines=arguments.cosine, labels=labels, templates=templates, model=name, **facts)
        Path(arguments.html).write_text(page, encoding="utf-8")
        complain(f"wrote {arguments.html}")
    return 1 if failures else 0


def _asked(arguments: argparse.Namespace, command: argparse.ArgumentParser) -> Tuple[List[str], List[str]]:
    """Labels and templates; ends with a usage error where they or --top make no sense."""
    labels = lines_of(arguments.labels_file) if arguments.labels_file else commas(arguments.labels)
    templates = arguments.template + (lines_of(arguments.templates_file) if arguments.templates_file else [])
    if not labels:
        command.error("there is no label")
    for template in templates:
        if template.count("{}") != 1:
            command.error(f"the template {template!r} must hold {{}} exactly once, where the label goes")
    if arguments.top < 0:
        command.error(f"--top is {arguments.top}, and must be 0 or more")
    return labels, templates or list(DEFAULT_TEMPLATES)


def _scores(classifier: Classifier, embeddings: np.ndarray, cosines: bool) -> np.ndarray:
    score = classifier.cosines if cosines else classifier.probabilities
    readable = ~np.isnan(embeddings).any(axis=1)
    scores = np.zeros((len(embeddings), len(classifier)), np.float32)
    scores[readable] = score(embeddings[readable])
    return scores


def _ranked(row: np.ndarray, labels: Sequence[str], top: int) -> List[Tuple[str, float]]:
    """The best labels with their scores, best first; of equal ones the earlier is first."""
    order = np.argsort(-row, kind="stable")[: top or None]
    return [(labels[i], float(row[i])) for i in order]


def _as_text(entry: Entry, cosines: bool) -> str:
    shown = [f"{score:7.4f}" if cosines else f"{100 * score:5.1f} %" for _, score in entry.labels]
    return "\n".join([entry.path] + [f"  {score}  {label}" for score, (label, _) in zip(shown, entry.labels)])


def _as_json(entry: Entry, cosines: bool) -> Dict[str, Any]:
    if entry.error is not None:
        return {"picture": entry.path, "error": entry.error}
    kind = "cosine" if cosines else "probability"
    return {"picture": entry.path, "labels": [{"label": label, kind: score} for label, score in entry.labels]}
