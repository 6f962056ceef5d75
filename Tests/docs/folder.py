"""The folder that a page's blocks of code run in: what a reader who follows the page would have there."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Dict, List

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "examples" / "pictures"
CIFAR_10 = [f"data_batch_{number}" for number in range(1, 6)]
CAPTIONS = ["a penguin", "a drawing of a bee", "a pear", "a house", "a small red boat", "a drawing of a clock"]


def fill(folder: Path) -> None:
    """Pictures, captions and data sets under the names that the pages use."""
    for name in ("examples", "models", "include"):
        (folder / name).symlink_to(ROOT / name)
    for name in ("penguin.png", "bee.png", "pear.png", "house.png"):
        shutil.copy(PICTURES / name, folder / name)
    for name in ("cat.jpg", "picture.jpg"):
        shutil.copy(PICTURES / "cat-photo.jpg", folder / name)
    shutil.copy(PICTURES / "teddy.png", folder / "dog.png")
    (folder / "pictures").mkdir()
    (folder / "photos").mkdir()
    some = sorted(PICTURES.glob("*.png"))[:8]
    for picture in some:
        shutil.copy(picture, folder / "pictures" / picture.name)
    for number in range(256):  # the same file under many names
        os.link(folder / "pictures" / some[number % 8].name, folder / "photos" / f"{number}.png")
    rows = "".join(f"{number}.png\t{CAPTIONS[number % len(CAPTIONS)]}\n" for number in range(256))
    (folder / "photos" / "captions.tsv").write_text(rows)
    (folder / "captions.tsv").write_text("".join(f"photos/{row}\n" for row in rows.splitlines()))
    (folder / "captions.txt").write_text("".join(f"{caption}\n" for caption in CAPTIONS * 3))
    shutil.copy(ROOT / "models" / "pocket" / "merges.txt", folder / "merges.txt")
    (folder / "model.json").write_text(json.dumps(small_config()))
    cifar(folder / "cifar-10-python.tar.gz", "cifar-10-batches-py", CIFAR_10, "test_batch", "labels", 10)
    cifar(folder / "cifar-100-python.tar.gz", "cifar-100-python", ["train"], "test", "fine_labels", 100)


def small_config() -> Dict[str, object]:
    """A CLIP that trains in a moment."""
    return {
        "embed_dim": 32, "quick_gelu": True,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
        "text_cfg": {"context_length": 32, "vocab_size": 4096, "width": 64, "heads": 1, "layers": 1},
    }  # fmt: skip


def cifar(path: Path, inside: str, train: List[str], test: str, key: str, classes: int) -> None:
    """An archive in CIFAR's layout, with a few pictures of noise."""
    random = np.random.default_rng(0)
    files: Dict[str, object] = {name: batch(random, key, classes, 5) for name in train}
    files[test] = batch(random, key, classes, 2)
    names = [f"class {number}" for number in range(classes)]
    if classes == 10:
        files["batches.meta"] = {"label_names": names}
    else:
        files["meta"] = {"fine_label_names": names, "coarse_label_names": names[:20]}
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            data = pickle.dumps(content, protocol=2)
            member = tarfile.TarInfo(f"{inside}/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def batch(random: np.random.Generator, key: str, classes: int, each: int) -> Dict[str, object]:
    labels = [number % classes for number in range(classes * each)]
    pixels = random.integers(0, 256, (len(labels), 3072), dtype=np.uint8)
    return {"data": pixels, key: labels, "filenames": [f"{n}.png" for n in range(len(labels))], "batch_label": "a"}


def environment(prefix: Path) -> Dict[str, str]:
    """The variables of somebody who has installed the library under `prefix` and the package into this Python."""
    programs = prefix / "bin"
    programs.mkdir(exist_ok=True)
    for name, words in (("python", ""), ("swiftclip", " -m swiftclip")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{words} "$@"\n')
        (programs / name).chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "bindings" / "python"),
        "SWIFTCLIP_LIBRARY": str(prefix / "lib" / "libswiftclip.so.1"),
        "PKG_CONFIG_PATH": str(prefix / "lib" / "pkgconfig"),
        "CMAKE_PREFIX_PATH": str(prefix),
        "LD_LIBRARY_PATH": str(prefix / "lib"),
        "XDG_CACHE_HOME": str(prefix / "cache"),
        "HF_HUB_OFFLINE": "1",
    }
