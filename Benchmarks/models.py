"""Full-size models with seeded random weights, exported once into build/bench/NAME.

A name is one of `swiftclip export`, such as "ViT-B/32"; with ":float16" behind it, every number of the matrices is
rounded to float16 and stays stored as float32, as in files made from the official weights. "pocket" is the default
model of this repository, and a folder with visual.onnx, textual.onnx and config.json is taken as it is.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict

ROOT = Path(__file__).resolve().parent.parent
SEED = 0
ROUNDED = ":float16"
SAVED = "pytorch.pt"


class NotThere(Exception):
    """A model that cannot be had here; the message is a sentence."""


def exported(name: str) -> Path:
    """The folder of an exported model; made the first time, by another process (needs open_clip)."""
    if name == "pocket":
        return ROOT / "models" / "pocket"
    if Path(name, "config.json").exists():
        return Path(name).resolve()
    folder = ROOT / "build" / "bench" / name.replace("/", "-").replace(":", "-")
    if not (folder / "config.json").exists():
        _make("export", name, folder, folder)
    return folder


def saved(folder: Path) -> Path:
    """The PyTorch model of an exported folder as a file that torch.load maps; made the first time."""
    path = folder / SAVED
    if not path.exists():
        _make("save", _name(folder), path, path)
    return path


def _make(what: str, name: str, path: Path, product: Path) -> None:
    if importlib.util.find_spec("open_clip") is None:
        raise NotThere(f"{name} is not measured: {product} does not exist, and making it needs open_clip and PyTorch.")
    print(f"making {product.relative_to(ROOT)} with random weights (seed {SEED})", file=sys.stderr)
    subprocess.run([sys.executable, __file__, what, name, str(path)], check=True, stdout=sys.stderr)


def config(folder: Path) -> Dict[str, Any]:
    """Sizes of a model, in open_clip's terms."""
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))


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


def _name(folder: Path) -> str:
    """The name that a folder in build/bench was exported by."""
    if folder.parent != ROOT / "build" / "bench":
        raise NotThere(f"there is no PyTorch model behind {folder}")
    suffix = ROUNDED.replace(":", "-")
    name = folder.name.removesuffix(suffix).replace("-", "/").replace("ViT/", "ViT-")
    return name + ROUNDED if folder.name.endswith(suffix) else name


@functools.lru_cache(maxsize=1)
def pytorch_model(folder: Path, mapped: bool) -> Any:
    """The PyTorch model that the files of a folder were exported from."""
    import torch

    return torch.load(saved(folder), weights_only=False, mmap=mapped)


if __name__ == "__main__":
    if sys.argv[1] == "export":
        from swiftclip.export import export

        export(source(sys.argv[2]), sys.argv[3])
    else:
        import torch

        torch.save(source(sys.argv[2]).model(), sys.argv[3])
