"""Full-size models with seeded random weights: relative L2 error of each embedding against PyTorch.

    python Tests/verify/full_size.py [--models ViT-B/32 ...] [--folder build/verify] [--threads N]

For each model: exports it with `swiftclip export`, opens the files, and compares 8 pictures of noise and 8 texts
(natural captions, one text that fills the context) with PyTorch in float32. Fails above 1e-5.
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

MODELS = ["ViT-B/32", "ViT-B/16", "ViT-L/14", "ViT-L/14@336px"]
LIMIT = 1e-5


def compare(name: str, folder: Path, threads: int) -> Tuple[float, float]:
    """Largest relative error of (image, text) embeddings."""
    import swiftclip
    import torch
    from swiftclip.export import export, named, relative_errors

    source = named(name, random_seed=0)
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
        passed = max(image, text) < LIMIT
        failed += not passed
        print(f"{'ok  ' if passed else 'FAIL'} {name:16} image {image:.2e}, text {text:.2e} (limit {LIMIT:.0e})", flush=True)
        if not arguments.keep:
            shutil.rmtree(folder)
    print(f"{len(arguments.models) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
