"""Encoders side by side in one process: swiftclip, onnxruntime, OpenVINO and PyTorch in turn.

Works: image, captions of natural length, text77 (texts that use every token). Between them runs a bare loop of
multiply-adds; what a model has on paper divided by what that loop does in the same time is its share of the limit.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import numpy as np

import fma
import inputs
import models
import peers
from rows import OWN, Row, row
from timing import Others, interleaved

WORKS = ("image", "text77", "captions")
AVX2 = f"{OWN}, AVX2"


def pieces(arguments: argparse.Namespace, folder: Path) -> Iterator[Tuple[str, str, int, np.ndarray]]:
    """What to encode: (work, tower, batch, input)."""
    import swiftclip

    with swiftclip.load(folder, threads=1) as model:
        for work in WORKS:
            if work not in arguments.work:
                continue
            for batch in (arguments.caption_batches or arguments.batches) if work == "captions" else arguments.batches:
                if work == "image":
                    yield work, "image", batch, inputs.pixels(batch, model.image_size)
                elif work == "captions":
                    yield work, "text", batch, model.tokenize(inputs.captions(batch))
                else:
                    yield work, "text", batch, inputs.full_tokens(batch, model.context_length, model.vocabulary_size)


def limits(arguments: argparse.Namespace, threads: int) -> Dict[str, fma.Limit]:
    """The bare loops that bound the contestants: by the widest vectors, and by AVX2 where that is forced."""
    library, why_not = fma.compiled()
    if library is None:
        peers.say(why_not)
        return {}
    found = {"": fma.limit(library, arguments.instructions, threads)}
    if arguments.instructions == "auto" and fma.has_avx512(library):
        found[AVX2] = fma.limit(library, "avx2", threads)
    return found


def relative(other: np.ndarray, reference: np.ndarray) -> float:
    """The largest relative L2 difference of an embedding."""
    error = np.linalg.norm(other.astype(np.float64) - reference, axis=1) / np.linalg.norm(reference, axis=1)
    return float(error.max())


def measure(name: str, threads: int, arguments: argparse.Namespace) -> Iterator[List[Row]]:
    """The rows of each piece of work of a model."""
    folder = models.exported(name)
    bounds = limits(arguments, threads)
    contestants = {OWN: peers.swiftclip_peer(folder, threads, instructions=arguments.instructions)}
    if AVX2 in bounds:
        contestants[AVX2] = peers.swiftclip_peer(folder, threads, instructions="avx2")
    contestants.update(peers.opened(arguments.peers, folder, threads))
    for work, tower, batch, given in list(pieces(arguments, folder)):
        calls: Dict[str, Callable[[], object]] = {
            contestant: (lambda encode=encoders[tower]: encode(given)) for contestant, encoders in contestants.items()
        }
        calls.update({f"limit {bound}": loop for bound, loop in bounds.items()})
        reference = np.asarray(contestants[OWN][tower](given), dtype=np.float64)
        others = Others()
        times = interleaved(calls, arguments.rounds, arguments.seconds)
        busy = others.share()
        measured = []
        for contestant, encoders in contestants.items():
            found = row(
                work, contestant, "ms an image" if tower == "image" else "ms a text",
                [1000 * seconds / batch for seconds in times[contestant]], model=name, threads=threads, batch=batch,
                difference=relative(np.asarray(encoders[tower](given)), reference), others_busy=busy,
            )
            bound = contestant if contestant in bounds else ""
            if bound in bounds:
                found["fma_gflops"] = bounds[bound].operations / statistics.median(times[f"limit {bound}"]) / 1e9
                found["share_of_fma_limit"] = share(models.config(folder), work, tower, found)
            measured.append(found)
        yield measured


def share(config: Dict[str, Any], work: str, tower: str, measured: Row) -> Optional[float]:
    """Of captions none: swiftclip leaves out what is behind their ends, and shares above 1 say nothing."""
    if work == "captions":
        return None
    return fma.operations(config, tower) / (measured["median"] / 1000) / 1e9 / measured["fma_gflops"]
