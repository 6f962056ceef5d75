"""Where swiftclip's time goes, stage by stage, from a library with counters.

That library is built apart, once: run `make counters`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, List

import models
import peers

LIBRARY = models.ROOT / ".build-counters" / "release" / "libswiftclip.so"


def child(folder: Path, threads: int, work: str, batch: int, calls: int, instructions: str) -> None:
    import inputs
    import swiftclip
    from swiftclip import _library

    # The package prefers the library of the checkout, which counts nothing.
    _library._opened = _library.open_library(LIBRARY)
    model = swiftclip.load(folder, threads=threads, instructions=instructions)
    if work == "image":
        given, encode = inputs.pixels(batch, model.image_size), model.encode_image
    elif work == "captions":
        given, encode = model.tokenize(inputs.captions(batch)), model.encode_text
    else:
        given, encode = inputs.full_tokens(batch, model.context_length, model.vocabulary_size), model.encode_text
    for _ in range(calls):
        encode(given)


def measure(name: str, threads: int, arguments: argparse.Namespace) -> List[Dict[str, Any]]:
    """A row for each stage of each work and batch; the first call, which touches new memory, is among them."""
    if not LIBRARY.exists():
        where = LIBRARY.relative_to(models.ROOT)
        peers.say(f"Stages are not measured: {where} does not exist. Run `make counters` once.")
        return []
    folder = models.exported(name)
    found: List[Dict[str, Any]] = []
    for work in [work for work in ("image", "text77", "captions") if work in arguments.work] or ["image"]:
        for batch in arguments.batches:
            calls = max(3, 64 // batch)
            with tempfile.NamedTemporaryFile("r", suffix=".txt") as table:
                environment = {**os.environ, "SWIFTCLIP_COUNTERS_FILE": table.name}
                command = [
                    sys.executable, __file__, str(folder), str(threads), work, str(batch), str(calls),
                    arguments.instructions,
                ]
                subprocess.run(command, env=environment, check=True)
                lines = [line.split() for line in table.read().splitlines()]
            for stage, times, milliseconds, share, waiting, gflops in lines[1:]:
                found.append({
                    "work": work, "model": name, "threads": threads, "batch": batch, "stage": stage,
                    "ms_per_item": float(milliseconds) / calls / batch, "share_percent": float(share),
                    "waiting_ms_per_item": float(waiting) / calls / batch, "gflops": float(gflops),
                    "times_per_call": int(times) / calls,
                })
    return found


if __name__ == "__main__":
    child(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), sys.argv[6])
