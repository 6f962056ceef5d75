"""Preprocessing against hf-processors-rs and Pillow + torchvision, tokenizing against instant-clip-tokenizer and the
official tokenizer, as open_clip carries it.

One thread, from JPEG bytes to the tensor of 224 pixels, and from captions to ids.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import numpy as np

import inputs
import peers
import swiftclip
from rows import OWN, Row, row
from timing import Others, interleaved

SIDE = 224
CAPTIONS = 1000
MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)

Contestants = Dict[str, Callable[[], Any]]


def compared(
    work: str, contestants: Contestants, unit: str, scale: float, arguments: argparse.Namespace, note: str = ""
) -> List[Row]:
    reference = np.asarray(contestants[OWN](), dtype=np.float64)
    others = Others()
    times = interleaved(contestants, arguments.rounds, arguments.seconds)
    busy = others.share()
    return [
        row(
            work, name, unit, [scale * seconds for seconds in times[name]], others_busy=busy, note=note,
            difference=float(np.abs(np.asarray(call(), dtype=np.float64) - reference).max()),
        )
        for name, call in contestants.items()
    ]


def torchvision_transform(size: int) -> Callable[[Any], np.ndarray]:
    """openai/CLIP's preprocessing of a file or of a stream."""
    from PIL import Image
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor

    steps = Compose([
        Resize(size, interpolation=InterpolationMode.BICUBIC),
        CenterCrop(size),
        lambda image: image.convert("RGB"),
        ToTensor(),
        Normalize(MEAN, DEVIATION),
    ])

    def transform(file: Any) -> np.ndarray:
        with Image.open(file) as image:
            return steps(image).numpy()

    return transform


def rust_processor() -> Any:
    from hf_processors_rs import ImageProcessor

    return ImageProcessor.from_dict({
        "crop_size": {"height": SIDE, "width": SIDE}, "size": {"shortest_edge": SIDE}, "resample": 3,
        "do_center_crop": True, "do_normalize": True, "do_resize": True, "do_convert_rgb": True, "do_rescale": True,
        "image_processor_type": "CLIPImageProcessor", "image_mean": list(MEAN), "image_std": list(DEVIATION),
    })


def preprocessing(arguments: argparse.Namespace) -> Iterator[List[Row]]:
    options = swiftclip.Preprocess(image_size=SIDE)
    rust = rust_processor() if peers.has("hf-processors-rs") else None
    transform = None
    if peers.has("torchvision"):
        import torch

        torch.set_num_threads(1)
        transform = torchvision_transform(SIDE)
    for title, (width, height) in inputs.PICTURE_SIZES.items():
        data = inputs.jpeg(width, height)
        contestants: Contestants = {OWN: lambda: swiftclip.preprocess(data, options)}
        if rust:
            contestants["hf-processors-rs"] = lambda: rust([data], return_tensors="np", num_threads=1)[0]
        if transform:
            contestants["Pillow + torchvision"] = lambda: transform(io.BytesIO(data))
        yield compared(f"preprocessing, {title}", contestants, "ms a picture", 1000, arguments)


def tokenizing(arguments: argparse.Namespace) -> Iterator[List[Row]]:
    if not Path(arguments.merges).exists():
        peers.say(
            f"Tokenizing is not measured: {arguments.merges} does not exist. Name the official merges with --merges."
        )
        return
    captions = inputs.captions(CAPTIONS)
    own = swiftclip.Tokenizer(arguments.merges)
    contestants: Contestants = {OWN: lambda: own.encode(captions)}
    if peers.has("instant-clip-tokenizer"):
        from instant_clip_tokenizer import Tokenizer

        theirs = Tokenizer()
        contestants["instant-clip-tokenizer"] = lambda: theirs.tokenize_batch(captions)
    if peers.has("open_clip"):
        from open_clip.tokenizer import SimpleTokenizer

        official = SimpleTokenizer()
        # It keeps every word that it has met, and would be measured looking them up.
        known = dict(official.cache)

        def run() -> Any:
            official.cache = dict(known)
            return official(captions).numpy()

        contestants["the official one"] = run
    yield compared("tokenizing", contestants, "µs a caption", 1e6 / CAPTIONS, arguments, f"{CAPTIONS} captions a call")
