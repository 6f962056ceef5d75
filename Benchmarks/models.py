"""Full-size models with seeded random weights, exported once into build/bench/NAME.

A name is one of `swiftclip export`, such as "ViT-B/32"; with ":float16" behind it, every number of the matrices is
rounded to float16 and stays stored as float32, as in files made from the official weights.
"""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SEED = 0
ROUNDED = ":float16"


def exported(name: str) -> Path:
    """The folder of an exported model; made the first time, by another process (needs open_clip)."""
    folder = ROOT / "build" / "bench" / name.replace("/", "-").replace(":", "-")
    if not (folder / "config.json").exists():
        print(f"exporting {name} with random weights (seed {SEED})", file=sys.stderr)
        subprocess.run([sys.executable, __file__, name, str(folder)], check=True, stdout=sys.stderr)
    return folder


def source(name: str) -> Any:
    """Where a model is exported from, its PyTorch model made and rounded."""
    import torch
    from swiftclip.export import named

    found = named(name.replace(ROUNDED, ""), random_seed=SEED)
    if name.endswith(ROUNDED):
        with torch.no_grad():
            for parameter in found.model().parameters():
                if parameter.dim() > 1:
                    parameter.copy_(parameter.half().float())
    return found


@functools.lru_cache(maxsize=1)
def pytorch_model(folder_name: str) -> Any:
    """The PyTorch model that the files of a folder were exported from."""
    suffix = ROUNDED.replace(":", "-")
    name = folder_name.removesuffix(suffix).replace("-", "/").replace("ViT/", "ViT-")
    return source(name + ROUNDED if folder_name.endswith(suffix) else name).model()


if __name__ == "__main__":
    from swiftclip.export import export

    export(source(sys.argv[1]), sys.argv[2])
