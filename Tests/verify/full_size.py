"""Full-size models with seeded random weights: relative L2 error of each embedding against PyTorch.

    python Tests/verify/full_size.py [--models ViT-B/32 ...] [--folder build/verify] [--threads N]

For each model: exports it with `swiftclip export`, opens the files, and compares 8 pictures of noise and 8 texts
(natural captions, one text that fills the context) with PyTorch in float32. Fails above 1e-5; 3e-5 for the two largest ResNets.
The largest needs 12 GB of memory and 3 GB of disk.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import Tuple

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Benchmarks"))

import inputs  # noqa: E402

MODELS = [
    "ViT-B/32", "ViT-B/16", "ViT-L/14", "ViT-L/14@336px", "RN50", "RN101", "RN50x4", "RN50x16", "RN50x64",
]
LIMIT = 1e-5
LARGE_LIMITS = {"RN50x16": 3e-5, "RN50x64": 3e-5}
"""Products over up to 9 x 1024 numbers, in up to 64 blocks, round more."""


def randomise_resnet(visual) -> None:
    """Weights that a ResNet can be compared with, in place of its initial ones, whose last BatchNorm of each block is
    zero: convolutions scaled after He, statistics as training leaves them, and small query and key weights, without
    which all pictures give one embedding, or the attention pool's softmax saturates and rounding decides."""
    import torch

    generator = torch.Generator().manual_seed(0)
    for name, p in sorted(visual.named_parameters()):
        noise = torch.randn(p.shape, generator=generator)
        if p.dim() == 4:
            p.data = noise * (2 / p[0].numel()) ** 0.5
        elif "q_proj.weight" in name or "k_proj.weight" in name:
            p.data = noise * 0.03 * p.shape[1] ** -0.5
        elif "attnpool" not in name:
            p.data = (0.3 if "bn3" in name else 1) + 0.1 * noise if name.endswith("weight") else 0.1 * noise
    for name, b in sorted(visual.named_buffers()):
        if name.endswith("running_mean"):
            b.data = 0.1 * torch.randn(b.shape, generator=generator)
        elif name.endswith("running_var"):
            b.data = 0.7 + 0.6 * torch.rand(b.shape, generator=generator)


def compare(name: str, folder: Path, threads: int) -> Tuple[float, float]:
    """Largest relative error of (image, text) embeddings."""
    import swiftclip
    import torch
    from swiftclip.export import export, named, relative_errors

    source = named(name, random_seed=0)
    if name.startswith("RN"):
        randomise_resnet(source.model().visual)
    export(source, folder, say=lambda line: print(line, file=sys.stderr))
    reference = source.model()
    with swiftclip.load(folder, threads=threads) as model, torch.inference_mode():
        pixels = inputs.pixels(8, model.image_size, seed=1)
        tokens = model.tokenize(inputs.captions(7, seed=1))
        tokens = np.concatenate([tokens, inputs.full_tokens(1, model.context_length, 49408, seed=1)])
        image = relative_errors(model.encode_image(pixels), reference.encode_image(torch.from_numpy(pixels)).numpy())
        text = relative_errors(
            model.encode_text(tokens), reference.encode_text(torch.from_numpy(tokens.astype(np.int64))).numpy()
        )
    return float(image.max()), float(text.max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "verify")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--keep", action="store_true", help="keep the exported files")
    arguments = parser.parse_args()
    failed = 0
    for name in arguments.models:
        folder = arguments.folder / name.replace("/", "-")
        image, text = compare(name, folder, arguments.threads)
        limit = LARGE_LIMITS.get(name, LIMIT)
        passed = max(image, text) < limit
        failed += not passed
        print(f"{'ok  ' if passed else 'FAIL'} {name:16} image {image:.2e}, text {text:.2e} (limit {limit:.0e})", flush=True)
        if not arguments.keep:
            shutil.rmtree(folder)
    print(f"{len(arguments.models) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
