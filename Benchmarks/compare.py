"""Encoders side by side in one process: swiftclip, onnxruntime, OpenVINO and PyTorch in turn.

    python Benchmarks/compare.py [--models ViT-B/32 ...] [--threads 1 2] [--batches 1 8 32] [--json FILE] [--csv FILE]

Prints the median milliseconds per item of each contestant and how many times faster swiftclip is than the best
of the others. Outputs are compared, so that nobody wins by being wrong. A benchmark, not a test: it never fails.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

import numpy as np

import inputs
import peers
from models import exported
from timing import interleaved, processor, summary


def work(kinds: List[str], batches: List[int], model: Any) -> Iterator[Tuple[str, str, int, np.ndarray]]:
    """What to encode: (name, tower, batch, input)."""
    if "image" in kinds:
        for batch in batches:
            yield "image", "image", batch, inputs.pixels(batch, model.image_size)
    if "text" in kinds:
        for batch in batches:
            yield "captions", "text", batch, model.tokenize(inputs.captions(batch))
        tokens = inputs.full_tokens(8, model.context_length, 49408)
        yield "77 tokens", "text", 8, tokens


def measure(name: str, threads: int, arguments: argparse.Namespace) -> Iterator[Dict[str, Any]]:
    """One row for each piece of work and contestant."""
    import swiftclip

    folder = exported(name)
    contestants = {"swiftclip": peers.swiftclip_peer(folder, threads, arguments.instructions)}
    for peer, make in peers.installed().items():
        if peer in arguments.peers:
            contestants[peer] = make(folder, threads)
    with swiftclip.load(folder, threads=threads) as model:
        pieces = list(work(arguments.work, arguments.batches, model))
    for title, tower, batch, given in pieces:
        calls: Dict[str, Callable[[], object]] = {
            contestant: (lambda encode=encoders[tower]: encode(given)) for contestant, encoders in contestants.items()
        }
        reference = np.asarray(contestants["swiftclip"][tower](given), dtype=np.float64)
        times = interleaved(calls, arguments.rounds, arguments.seconds)
        for contestant in calls:
            other = np.asarray(contestants[contestant][tower](given), dtype=np.float64)
            error = np.linalg.norm(other - reference, axis=1) / np.linalg.norm(reference, axis=1)
            figures = summary(times[contestant])
            yield {
                "model": name, "work": title, "threads": threads, "batch": batch, "contestant": contestant,
                "ms_per_item": figures["median_ms"] / batch, "difference": float(error.max()), **figures,
            }


def show(rows: List[Dict[str, Any]]) -> None:
    """A line for each piece of work, with the ratio to the best peer."""
    keys = ("model", "work", "threads", "batch")
    for key in dict.fromkeys(tuple(row[k] for k in keys) for row in rows):
        group = {row["contestant"]: row for row in rows if tuple(row[k] for k in keys) == key}
        own = group.pop("swiftclip")["ms_per_item"]
        line = f"{key[0]:12} {key[1]:10} {key[2]} threads, batch {key[3]:3}: swiftclip {own:8.2f} ms"
        line += "".join(f", {name} {row['ms_per_item']:8.2f}" for name, row in group.items())
        if group:
            line += f"  -> {min(row['ms_per_item'] for row in group.values()) / own:.2f} x the best"
        print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["ViT-B/32"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8, 32])
    parser.add_argument("--work", nargs="+", choices=["image", "text"], default=["image", "text"])
    parser.add_argument("--peers", nargs="+", default=list(peers.PEERS))
    parser.add_argument("--instructions", default="auto", help="force an instruction set of swiftclip")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=20, help="at most, for each piece of work")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--csv", type=Path)
    arguments = parser.parse_args()

    print(f"Processor: {processor()}. Median of interleaved rounds, milliseconds per item.")
    rows: List[Dict[str, Any]] = []
    for name in arguments.models:
        for threads in arguments.threads:
            new = list(measure(name, threads, arguments))
            show(new)
            rows += new
    if arguments.json:
        arguments.json.write_text(json.dumps({"processor": processor(), "rows": rows}, indent=1), encoding="utf-8")
    if arguments.csv and rows:
        with arguments.csv.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
