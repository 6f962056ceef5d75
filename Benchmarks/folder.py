"""A folder of JPEGs to embeddings: swiftclip against Pillow + torchvision in a thread pool + onnxruntime or OpenVINO.

The others as a user would write them: a pool of as many threads as the encoder has opens, decodes, resizes and
normalises ahead, while the calling thread encodes batches as they become complete (on one thread, one after the
other). The files come from the page cache. Whole runs in turn; embeddings are compared. "swiftclip, scaled" decodes
JPEGs at a fraction of their size and has other pixels.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Dict, Iterator, List

import numpy as np

import inputs
import models
import peers
import swiftclip
from encoding import relative
from frontend import torchvision_transform
from rows import OWN, Row, row
from timing import Others, interleaved

BATCH = 32


def folder_of(size: str, count: int) -> List[str]:
    """Paths of `count` different pictures, made the first time."""
    folder = models.ROOT / "build" / "bench" / f"pictures-{size.replace(' ', '-')}"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:03}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        if not path.exists():
            path.write_bytes(inputs.jpeg(*inputs.PICTURE_SIZES[size], seed=number))
    return [str(path) for path in paths]


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


def measure(name: str, threads: int, arguments: argparse.Namespace) -> Iterator[List[Row]]:
    folder = models.exported(name)
    own = swiftclip.load(folder, threads=threads, instructions=arguments.instructions)
    scaled = swiftclip.load(
        folder, threads=threads, instructions=arguments.instructions,
        preprocess=swiftclip.Preprocess(jpeg_decoding="scaled"),
    )
    encoders = {}
    if peers.has("torchvision"):
        import torch

        torch.set_num_threads(threads)
        transform = torchvision_transform(own.image_size)
        encoders = peers.opened(arguments.peers, folder, threads, ("image",))
    for asked in arguments.pictures:
        size, _, count = asked.partition("=")
        paths = folder_of(size, int(count or BATCH))
        runs: Dict[str, Callable[[], np.ndarray]] = {
            OWN: lambda: own.embed_images(paths).embeddings,
            f"{OWN}, scaled": lambda: scaled.embed_images(paths).embeddings,
        }
        for peer, towers in encoders.items():
            runs[peer] = peer_run(towers["image"], transform, threads, paths)
        yield compared(f"folder, {size}", name, threads, len(paths), runs, arguments)


def compared(
    work: str, model: str, threads: int, count: int, runs: Dict[str, Callable[[], np.ndarray]],
    arguments: argparse.Namespace,
) -> List[Row]:
    outputs: Dict[str, np.ndarray] = {}

    def remembering(name: str) -> Callable[[], object]:
        return lambda: outputs.update({name: runs[name]()})

    others = Others()
    times = interleaved({name: remembering(name) for name in runs}, arguments.rounds, arguments.seconds)
    busy = others.share()
    reference = outputs[OWN].astype(np.float64)
    return [
        row(
            work, name, "ms a picture", [1000 * seconds / count for seconds in times[name]], model=model,
            threads=threads, difference=relative(outputs[name], reference), others_busy=busy, note=f"{count} pictures",
        )
        for name in runs
    ]
