"""swiftclip beside onnxruntime, OpenVINO and PyTorch: one command for every piece of work (docs/benchmarks.md).

    python Benchmarks/run.py [--work image captions ...] [--models ViT-B/32 RN50 ...] [--threads 1 2] [--batches 1 8 32]

Prints a line for each piece of work and writes results.json, results.csv, results.md and plots into the folder of
--out. Needs no network, and says in a sentence which peer is not installed. A benchmark, not a test: it never fails
because something is slow.
"""

from __future__ import annotations

import argparse
import datetime
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

ROOT = Path(__file__).resolve().parent.parent

# Before numpy is loaded: these force the kernels of some processor upon it. Children inherit all of it.
UNSET = [name for name in os.environ if name.startswith("OPENBLAS_")]
for _name in UNSET:
    del os.environ[_name]
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(ROOT / "bindings" / "python"), *filter(None, [os.environ.get("PYTHONPATH")])]
)
os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.insert(0, str(ROOT / "bindings" / "python"))

import classifier  # noqa: E402
import encoding  # noqa: E402
import folder  # noqa: E402
import frontend  # noqa: E402
import models  # noqa: E402
import opening  # noqa: E402
import peers  # noqa: E402
import plots  # noqa: E402
import report  # noqa: E402
import stages  # noqa: E402
from rows import Row, show  # noqa: E402
from timing import allowed_threads, processor  # noqa: E402

OF_A_MODEL: "Dict[tuple[str, ...], Callable[[str, int, argparse.Namespace], Iterator[List[Row]]]]" = {
    encoding.WORKS: encoding.measure,
    ("classifier",): classifier.measure,
    ("folder",): folder.measure,
    ("start", "memory"): opening.measure,
}
OF_NONE: Dict[str, Callable[[argparse.Namespace], Iterator[List[Row]]]] = {
    "preprocessing": frontend.preprocessing,
    "tokenizing": frontend.tokenizing,
}
PACKAGES = (
    "numpy", "onnxruntime", "openvino", "torch", "open_clip_torch", "hf-processors-rs", "instant-clip-tokenizer",
)
WORKS = [work for names in OF_A_MODEL for work in names] + list(OF_NONE) + ["stages"]


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", nargs="+", choices=WORKS, default=["image", "text77", "captions"], metavar="WORK",
                        help=f"of {', '.join(WORKS)}; default: image text77 captions")
    parser.add_argument("--models", nargs="+", default=["ViT-B/32"], help='"pocket" is the default model')
    parser.add_argument("--threads", nargs="+", type=int, default=sorted({1, allowed_threads()}))
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8, 32])
    parser.add_argument("--caption-batches", nargs="+", type=int, help="default: those of --batches")
    parser.add_argument("--peers", nargs="+", choices=list(peers.PEERS), default=list(peers.PEERS))
    parser.add_argument("--instructions", default="auto", help="force an instruction set of swiftclip")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=20, help="at most, for each piece of work, after three rounds")
    parser.add_argument("--labels", type=int, default=16, help="classifier: labels that swiftclip encodes")
    parser.add_argument("--peer-labels", type=int, default=2, help="classifier: labels that the others encode")
    parser.add_argument("--pictures", nargs="+", default=["500 px=64", "12 megapixel=16"], metavar="SIZE=COUNT",
                        help="folder: 500 px, 1 megapixel or 12 megapixel")
    parser.add_argument("--merges", default=str(ROOT / "build" / "merges" / "bpe_simple_vocab_16e6.txt.gz"))
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench" / "results")
    return parser.parse_args()


def measured(arguments: argparse.Namespace, breakdown: List[Dict[str, Any]]) -> Iterator[List[Row]]:
    """The rows of one piece of work after the other; rows of stages go to `breakdown`."""
    for model in arguments.models:
        for threads in arguments.threads:
            for works, measure in OF_A_MODEL.items():
                if not set(works) & set(arguments.work):
                    continue
                try:
                    yield from measure(model, threads, arguments)
                except models.NotThere as error:
                    peers.say(str(error))
            if "stages" in arguments.work:
                try:
                    breakdown += stages.measure(model, threads, arguments)
                except models.NotThere as error:
                    peers.say(str(error))
    for work, measure_alone in OF_NONE.items():
        if work in arguments.work:
            yield from measure_alone(arguments)


def commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.strip() or "unknown"
    except OSError:
        return "unknown"


def versions() -> Dict[str, str]:
    from importlib import metadata

    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            pass
    return found


def main() -> None:
    arguments = parsed()
    facts: Dict[str, Any] = {
        "processor": processor(), "began": datetime.datetime.now().isoformat(" ", "minutes"), "commit": commit(),
        "versions": versions(), "command": sys.argv[1:], "unset": UNSET,
    }
    print(f"Processor: {facts['processor']}.")
    print("Medians of interleaved rounds; in brackets the quartiles of the ratios of single rounds.")
    if UNSET:
        print(f"Not passed on, for they choose kernels for numpy: {', '.join(UNSET)}.")
    rows: List[Row] = []
    breakdown: List[Dict[str, Any]] = []
    try:
        for piece in measured(arguments, breakdown):
            show({row["contestant"]: row for row in piece})
            rows += piece
    except KeyboardInterrupt:
        print("Interrupted: what was measured so far is written.", file=sys.stderr)
    finally:
        made = plots.draw_into(arguments.out, facts, rows)
        facts["left_out"] = peers.said()
        report.write(arguments.out, facts, rows, breakdown)
    print(report.noise(rows))
    print(f"{arguments.out}: results.json, results.csv, results.md and {len(made)} files of plots")


if __name__ == "__main__":
    main()
