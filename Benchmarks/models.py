"""Full-size models with seeded random weights, exported once into build/bench/NAME."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SEED = 0


def exported(name: str) -> Path:
    """The folder of an exported model, such as "ViT-B/32"; made the first time (needs open_clip)."""
    folder = ROOT / "build" / "bench" / name.replace("/", "-")
    if not (folder / "config.json").exists():
        print(f"exporting {name} with random weights (seed {SEED})", file=sys.stderr)
        command = [sys.executable, "-m", "swiftclip", "export", name, "-o", str(folder)]
        subprocess.run([*command, "--random-weights", "--seed", str(SEED)], check=True, stdout=sys.stderr)
    return folder


@functools.lru_cache(maxsize=1)
def pytorch_model(folder_name: str) -> Any:
    """The PyTorch model that the files of a folder were exported from."""
    from swiftclip.export import named

    return named(folder_name.replace("-", "/").replace("ViT/", "ViT-"), random_seed=SEED).model()
