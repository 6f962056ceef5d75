"""Opening a model: time to open both towers, from process start to the first image embedding, and peak memory.

    python Benchmarks/opening.py [--model ViT-B/32] [--threads 1] [--rounds 7]

Each measurement is a process of its own, the contestants in turn, the files in the page cache. Peak memory is the
process's own (VmHWM) less what it had after importing its packages, beside the size of the weights. Processor time of
opening, all threads added up, is told too: other work on the machine does not count in it.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, List

from timing import processor


def peak() -> int:
    """Bytes at most resident so far."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith("VmHWM"))


def used() -> float:
    """Seconds of processor time so far, all threads, in this process and in the system for it."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def one(contestant: str, folder: Path, threads: int) -> Dict[str, Any]:
    """What one process measures about itself."""
    import peers

    make = peers.swiftclip_peer if contestant == "swiftclip" else peers.PEERS[contestant][1]
    for module in {"swiftclip": ["swiftclip"], "onnxruntime": ["onnxruntime"], "OpenVINO": ["openvino"]}[contestant]:
        __import__(module)
    import inputs

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    batch = inputs.pixels(1, config["vision_cfg"]["image_size"])
    before, busy = peak(), used()
    start = time.perf_counter()
    encoders = make(folder, threads)
    opened, busy = time.perf_counter(), used() - busy
    encoders["image"](batch)
    return {
        "open_s": opened - start, "first_image_s": time.perf_counter() - start, "ended": time.time(),
        "processor_s": busy, "peak_bytes": peak() - before,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ViT-B/32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    from models import exported

    folder = exported(arguments.model)
    if arguments.one:
        print(json.dumps(one(arguments.one, folder, arguments.threads)))
        return
    import peers

    rows: Dict[str, List[Dict[str, Any]]] = {}
    names = ["swiftclip", *(name for name in peers.installed() if name != "PyTorch")]
    for _ in range(arguments.rounds):
        for name in names:
            started = time.time()
            command = [sys.executable, __file__, "--model", arguments.model, "--threads", str(arguments.threads)]
            answer = subprocess.run([*command, "--one", name], check=True, capture_output=True, text=True).stdout
            row = json.loads(answer.splitlines()[-1])
            row["process_s"] = row["ended"] - started
            rows.setdefault(name, []).append(row)
    weights = sum((folder / f"{tower}.onnx").stat().st_size for tower in ("visual", "textual"))
    print(f"Processor: {processor()}. {arguments.model}, {arguments.threads} threads, medians of {arguments.rounds}.")
    for name, measured in rows.items():
        median = {key: statistics.median(row[key] for row in measured) for key in measured[0]}
        print(
            f"{name:12} opens both towers in {median['open_s']:.3f} s ({median['processor_s']:.2f} s of processor time), first image embedding after {median['first_image_s']:.3f} s "
            f"({median['process_s']:.3f} s from process start), peak memory {median['peak_bytes'] / 2**20:.0f} MiB "
            f"= {median['peak_bytes'] / weights:.2f} x the weights"
        )


if __name__ == "__main__":
    main()
