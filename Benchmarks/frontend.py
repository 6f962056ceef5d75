"""Preprocessing against hf-processors-rs and Pillow, tokenizing against instant-clip-tokenizer and ftfy + regex.

    python Benchmarks/frontend.py [--merges build/merges/bpe_simple_vocab_16e6.txt.gz]

One thread, from JPEG bytes to the tensor, and from captions to ids. Medians of interleaved rounds.
"""

from __future__ import annotations

import argparse
import importlib.util
from typing import Callable, Dict

import numpy as np

import inputs
import swiftclip
from timing import interleaved, processor, summary

def report(title: str, contestants: Dict[str, Callable[[], object]], unit: float, name: str) -> None:
    times = {key: summary(value)["median_ms"] * unit for key, value in interleaved(contestants, 21, 20).items()}
    own = times["swiftclip"]
    others = {key: value for key, value in times.items() if key != "swiftclip"}
    line = ", ".join(f"{key} {value:.3f}" for key, value in times.items())
    print(f"{title}: {line} {name}" + "".join(f"; {value / own:.2f} x {key}" for key, value in others.items()))


def preprocessing() -> None:
    model = swiftclip.load(threads=1)
    official = dict(
        crop_size={"height": model.image_size, "width": model.image_size}, do_center_crop=True, do_normalize=True,
        do_resize=True, do_convert_rgb=True, do_rescale=True, image_processor_type="CLIPImageProcessor", resample=3,
        image_mean=[0.48145466, 0.4578275, 0.40821073], image_std=[0.26862954, 0.26130258, 0.27577711],
        size={"shortest_edge": model.image_size},
    )
    for image_size in (model.image_size, 224):
        official["crop_size"] = {"height": image_size, "width": image_size}
        official["size"] = {"shortest_edge": image_size}
        for title, (width, height) in inputs.PICTURE_SIZES.items():
            data = inputs.jpeg(width, height)
            contestants: Dict[str, Callable[[], object]] = {
                "swiftclip": lambda: swiftclip.preprocess(data, swiftclip.Preprocess(image_size=image_size))
            }
            if importlib.util.find_spec("hf_processors_rs"):
                from hf_processors_rs import ImageProcessor

                processor_rs = ImageProcessor.from_dict(official)
                contestants["hf-processors-rs"] = lambda: processor_rs([data], return_tensors="np", num_threads=1)
            report(f"JPEG {title} to {image_size} px", contestants, 1, "ms")


def tokenizing(merges: str) -> None:
    captions = inputs.captions(1000)
    own = swiftclip.Tokenizer(merges)
    contestants: Dict[str, Callable[[], object]] = {"swiftclip": lambda: own.encode(captions)}
    if importlib.util.find_spec("instant_clip_tokenizer"):
        from instant_clip_tokenizer import Tokenizer

        theirs = Tokenizer()
        contestants["instant-clip-tokenizer"] = lambda: theirs.tokenize_batch(captions)
        assert np.array_equal(theirs.tokenize_batch(captions), own.encode(captions))
    report("1,000 captions", contestants, 1, "µs a caption")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--merges", default="build/merges/bpe_simple_vocab_16e6.txt.gz")
    arguments = parser.parse_args()
    print(f"Processor: {processor()}. One thread, medians.")
    preprocessing()
    tokenizing(arguments.merges)


if __name__ == "__main__":
    main()
