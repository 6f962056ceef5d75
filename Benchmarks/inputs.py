"""What is encoded: seeded noise for pictures, captions of natural length for texts."""

from __future__ import annotations

import io
from typing import List

import numpy as np

PICTURE_SIZES = {"500 px": (500, 375), "1 megapixel": (1155, 866), "12 megapixel": (4000, 3000)}

_SUBJECTS = "a dog,two children,an old man,a red car,a small bird,a woman in a hat,three boats,a cat".split(",")
_DEEDS = "running,sleeping,playing,standing,waiting,looking at something,being photographed".split(",")
_PLACES = (
    "in the park,on a wooden table,near the sea at sunset,on a street,in front of a house with a green door,"
    "under a tree,at the market,in the snow"
).split(",")


def pixels(count: int, size: int, seed: int = 0) -> np.ndarray:
    """(count, 3, size, size) float32, distributed as normalised pixels are."""
    return np.random.default_rng(seed).standard_normal((count, 3, size, size), dtype=np.float32)


def jpeg(width: int, height: int, seed: int = 0) -> bytes:
    """A picture with as much detail as photographs have: smooth noise of several scales, quality 90."""
    from PIL import Image

    random = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for cells in (4, 16, 64, 256):
        small = Image.fromarray(random.integers(0, 256, (cells, cells, 3), dtype=np.uint8).astype(np.uint8))
        total += np.asarray(small.resize((width, height), Image.BICUBIC), np.float32) / 4
    out = io.BytesIO()
    Image.fromarray(total.clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=90)
    return out.getvalue()


def captions(count: int, seed: int = 0) -> List[str]:
    """Captions of 7 to 20 tokens."""
    random = np.random.default_rng(seed)
    return [
        f"a photo of {random.choice(_SUBJECTS)} {random.choice(_DEEDS)} {random.choice(_PLACES)}"
        for _ in range(count)
    ]


def full_tokens(count: int, context: int, vocabulary: int, seed: int = 0) -> np.ndarray:
    """(count, context) int32 of texts that use every token: random ids between start and EOT."""
    ids = np.random.default_rng(seed).integers(256, vocabulary - 2, (count, context), dtype=np.int32)
    ids[:, 0], ids[:, -1] = vocabulary - 2, vocabulary - 1
    return ids
