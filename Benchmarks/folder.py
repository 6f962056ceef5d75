"""A folder of JPEGs to embeddings: swiftclip against Pillow + torchvision in a thread pool + onnxruntime or OpenVINO.

    python Benchmarks/folder.py [--model ViT-B/32] [--threads 1 2] [--pictures "500 px=64" "12 megapixel=16"]

The others as a user would write them: a pool of as many threads as the encoder has opens, decodes, resizes and
normalises ahead, while the calling thread encodes batches as they become complete (on one thread, one after the
other). The files come from the page cache. Whole runs in turn, medians; embeddings are compared. A benchmark, not
a test: it never fails. "swiftclip, scaled" decodes JPEGs at a fraction of their size and has other pixels.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import numpy as np

import inputs
import peers
import swiftclip
from models import ROOT, exported
from timing import interleaved, processor, summary

BATCH = 32


def folder_of(size: str, count: int) -> List[str]:
    """Paths of `count` different pictures, made the first time."""
    folder = ROOT / "build" / "bench" / f"pictures-{size.replace(' ', '-')}"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:03}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        if not path.exists():
            path.write_bytes(inputs.jpeg(*inputs.PICTURE_SIZES[size], seed=number))
    return [str(path) for path in paths]


def torchvision_transform(size: int) -> Callable[[str], np.ndarray]:
    """openai/CLIP's preprocessing of a file."""
    from PIL import Image
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor

    steps = Compose([
        Resize(size, interpolation=InterpolationMode.BICUBIC),
        CenterCrop(size),
        lambda image: image.convert("RGB"),
        ToTensor(),
        Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    ])

    def transform(path: str) -> np.ndarray:
        with Image.open(path) as image:
            return steps(image).numpy()

    return transform


def peer_run(
    encode: peers.Encode, transform: Callable[[str], np.ndarray], threads: int, paths: List[str]
) -> Callable[[], np.ndarray]:
    def batches(arrays: Iterator[np.ndarray]) -> np.ndarray:
        done = []
        for start in range(0, len(paths), BATCH):
            done.append(encode(np.stack([next(arrays) for _ in paths[start : start + BATCH]])))
        return np.concatenate(done)

    def run() -> np.ndarray:
        if threads == 1:
            return batches(map(transform, paths))
        with ThreadPoolExecutor(threads) as pool:
            return batches(pool.map(transform, paths))

    return run


def measure(size: str, count: int, threads: int, arguments: argparse.Namespace) -> Dict[str, Any]:
    import torch

    torch.set_num_threads(threads)
    folder = exported(arguments.model)
    paths = folder_of(size, count)
    own = swiftclip.load(folder, threads=threads)
    scaled = swiftclip.load(folder, threads=threads, preprocess=swiftclip.Preprocess(jpeg_decoding="scaled"))
    transform = torchvision_transform(own.image_size)
    runs: Dict[str, Callable[[], np.ndarray]] = {
        "swiftclip": lambda: own.embed_images(paths).embeddings,
        "swiftclip, scaled": lambda: scaled.embed_images(paths).embeddings,
    }
    for name, make in peers.installed().items():
        if name in arguments.peers:
            runs[name] = peer_run(make(folder, threads)["image"], transform, threads, paths)
    reference = runs["swiftclip"]().astype(np.float64)
    row: Dict[str, Any] = {"model": arguments.model, "pictures": size, "count": count, "threads": threads}
    times = interleaved(runs, arguments.rounds, arguments.seconds)
    for name, run in runs.items():
        error = np.linalg.norm(run() - reference, axis=1) / np.linalg.norm(reference, axis=1)
        figures = summary(times[name])
        row[name] = {"ms_per_picture": figures["median_ms"] / count, "difference": float(error.max()), **figures}
    return row


def show(row: Dict[str, Any]) -> None:
    found = {name: value for name, value in row.items() if isinstance(value, dict)}
    line = f"{row['model']}, {row['count']} of {row['pictures']}, {row['threads']} threads, ms a picture: "
    line += ", ".join(f"{name} {value['ms_per_picture']:.2f}" for name, value in found.items())
    others = [value["ms_per_picture"] for name, value in found.items() if not name.startswith("swiftclip")]
    if others:
        line += f"  -> {min(others) / found['swiftclip']['ms_per_picture']:.2f} x the best"
    print(line, flush=True)
    print("  largest relative difference to swiftclip: "
          + ", ".join(f"{name} {value['difference']:.1e}" for name, value in found.items()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ViT-B/32")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--pictures", nargs="+", default=["500 px=64", "12 megapixel=32"], metavar="SIZE=COUNT")
    parser.add_argument("--peers", nargs="+", default=["onnxruntime", "OpenVINO"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=180, help="at most, for each size and number of threads")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()

    print(f"Processor: {processor()}. Medians of whole runs in turn.")
    rows = []
    for asked in arguments.pictures:
        size, _, count = asked.partition("=")
        for threads in arguments.threads:
            rows.append(measure(size, int(count or BATCH), threads, arguments))
            show(rows[-1])
    if arguments.json:
        arguments.json.write_text(json.dumps({"processor": processor(), "rows": rows}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
