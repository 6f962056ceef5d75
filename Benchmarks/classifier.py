"""A zero-shot classifier of 1,000 labels × 80 templates, by a sample of its labels.

Whole it takes the peers most of an hour a round, so each encodes the prompts of some labels and the time of a label
is what is compared. The sample is larger for swiftclip, which shares beginnings between the prompts of neighbouring
labels; the peers get ready tokens, in batches of 64. Both say how many labels they had.
"""

from __future__ import annotations

import argparse
from typing import Callable, Dict, Iterator, List

import numpy as np

import inputs
import models
import peers
import swiftclip
from encoding import relative
from rows import OWN, Row, row
from timing import Others, interleaved

BATCH = 64


def directions(embeddings: np.ndarray, labels: int) -> np.ndarray:
    """One unit vector a label: the normalised mean of its normalised prompts."""
    units = embeddings.astype(np.float64) / np.linalg.norm(embeddings, axis=1, keepdims=True)
    means = units.reshape(labels, -1, units.shape[1]).mean(axis=1)
    return means / np.linalg.norm(means, axis=1, keepdims=True)


def peer_run(encode: peers.Encode, tokens: np.ndarray, labels: int) -> Callable[[], np.ndarray]:
    return lambda: directions(
        np.concatenate([encode(tokens[first : first + BATCH]) for first in range(0, len(tokens), BATCH)]), labels
    )


def measure(name: str, threads: int, arguments: argparse.Namespace) -> Iterator[List[Row]]:
    folder = models.exported(name)
    model = swiftclip.load(folder, threads=threads, instructions=arguments.instructions)
    templates, labels = inputs.templates(), inputs.labels(1000)
    count = {OWN: min(arguments.labels, len(labels))}
    runs: Dict[str, Callable[[], np.ndarray]] = {
        OWN: lambda: model.classifier(labels[: count[OWN]], templates).weights
    }
    few = labels[: min(arguments.peer_labels, count[OWN])]
    tokens = model.tokenize([template.replace("{}", label) for label in few for template in templates])
    for peer, encoders in peers.opened(arguments.peers, folder, threads, ("text",)).items():
        runs[peer], count[peer] = peer_run(encoders["text"], tokens, len(few)), len(few)
    reference = runs[OWN]().astype(np.float64)
    last: Dict[str, np.ndarray] = {}

    def remembering(contestant: str) -> Callable[[], object]:
        return lambda: last.update({contestant: runs[contestant]()})

    others = Others()
    calls = {contestant: remembering(contestant) for contestant in runs}
    times = interleaved(calls, arguments.rounds, arguments.seconds)
    busy = others.share()
    yield [
        row(
            "classifier", contestant, "ms a label of 80 prompts",
            [1000 * seconds / count[contestant] for seconds in times[contestant]], model=name, threads=threads,
            difference=relative(last[contestant], reference[: len(last[contestant])]), others_busy=busy,
            note=f"{count[contestant]} of 1,000 labels measured",
        )
        for contestant in runs
    ]
