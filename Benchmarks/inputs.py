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


def labels(count: int) -> List[str]:
    """Names of one to three words, different ones, at most 1,600."""
    kinds = (
        "red,small,old,wild,wooden,young,striped,tall,broken,garden,mountain,river,winter,royal,spotted,paper,glass,"
        "white,silver,giant,miniature,northern,desert,forest,painted,golden,field,island,stone,iron,dwarf,night,"
        "morning,summer,woolly,crested,folding,portable,antique,common"
    ).split(",")
    things = (
        "dog,cat,bird,lizard,beetle,fish,monkey,bear,fox,horse,boat,truck,bicycle,chair,table,lamp,clock,bottle,cup,"
        "bridge,tower,house,church,fence,guitar,drum,piano,hammer,camera,telephone,keyboard,backpack,umbrella,shoe,"
        "hat,apple,mushroom,flower,tree,train"
    ).split(",")
    return [f"{kinds[number // 40]} {things[number % 40]}" for number in range(count)]


def templates() -> List[str]:
    """80 prompts with a place for the label, as long as those that people use."""
    means = (
        "photo,picture,drawing,sketch,painting,close-up photo,black and white photo,blurry photo,rendering,print"
    ).split(",")
    forms = (
        "a [] of a {}.|a [] of the {}.|a [] of many {}.|a good [] of a {}.|a bad [] of the {}.|the [] of one {}.|"
        "a [] of a {} in the wild.|a [] of my {}, taken at home."
    ).split("|")
    return [form.replace("[]", mean) for form in forms for mean in means]


def full_tokens(count: int, context: int, vocabulary: int, seed: int = 0) -> np.ndarray:
    """(count, context) int32 of texts that use every token: random ids between start and EOT."""
    ids = np.random.default_rng(seed).integers(256, vocabulary - 2, (count, context), dtype=np.int32)
    ids[:, 0], ids[:, -1] = vocabulary - 2, vocabulary - 1
    return ids
