"""Training against PyTorch: gradients of every parameter, and the losses of 50 steps from the same initial weights.

    python Tests/verify/training.py [--steps 50]

The reference of gradients is open_clip's model in float64; that of the losses is the same in float32 with
torch.optim.AdamW. Limits are those of the project's promise: gradients 1e-4 relative; losses of the Vision Transformer
1e-3, of the ResNet 2e-3 for ten steps and 5e-2 after (nudged by 1e-6 at its start, PyTorch departs from itself by 1e-2:
BatchNorm amplifies rounding). Exits with 1 where one is missed.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any, Dict, List, Tuple

import numpy as np
import torch
from open_clip.model import CLIP

import swiftclip

IMAGE, CONTEXT, VOCABULARY, DIM = 64, 20, 300, 64
TEXT = dict(context_length=CONTEXT, vocab_size=VOCABULARY, width=128, heads=2, layers=3)
TOWERS: Dict[str, Dict[str, Any]] = {
    "ViT": dict(layers=3, width=128, patch_size=16, image_size=IMAGE),
    "ViT, GELU": dict(layers=2, width=128, patch_size=16, image_size=IMAGE),
    "ResNet": dict(layers=[1, 2, 1, 1], width=32, image_size=IMAGE),
}
OPTIMISER = dict(weight_decay=0.2, betas=(0.9, 0.98), eps=1e-6)


def batch(count: int, seed: int) -> Tuple[np.ndarray, np.ndarray]:
    """Pictures of noise and texts of any length, EOT last."""
    random = np.random.RandomState(seed)
    images = random.randn(count, 3, IMAGE, IMAGE).astype(np.float32)
    tokens = np.zeros((count, CONTEXT), np.int32)
    for row in tokens:
        length = random.randint(3, CONTEXT)
        row[0], row[length] = VOCABULARY - 2, VOCABULARY - 1
        row[1:length] = random.randint(1, VOCABULARY - 2, length - 1)
    return images, tokens


def reference_loss(model: CLIP, images: np.ndarray, tokens: np.ndarray) -> torch.Tensor:
    kind = next(model.parameters()).dtype
    a = model.encode_image(torch.from_numpy(images).to(kind), normalize=True)
    b = model.encode_text(torch.from_numpy(tokens).long(), normalize=True)
    logits = model.logit_scale.exp() * a @ b.T
    labels = torch.arange(len(images))
    cross_entropy = torch.nn.functional.cross_entropy
    return (cross_entropy(logits, labels) + cross_entropy(logits.T, labels)) / 2


def pair(name: str, **options: Any) -> Tuple[CLIP, swiftclip.Trainer]:
    """Both models, with PyTorch's initial values."""
    vision, quick = dict(TOWERS[name], head_width=64), "GELU" not in name
    torch.manual_seed(0)
    model = CLIP(DIM, vision, TEXT, quick_gelu=quick)
    model.train()
    config = dict(embed_dim=DIM, quick_gelu=quick, vision_cfg=vision, text_cfg=TEXT)
    trainer = swiftclip.Trainer(config, **options)
    state = model.state_dict()
    for parameter, values in trainer.parameters().items():
        values[...] = state[parameter].numpy()
    return model, trainer


def gradients(name: str) -> float:
    """The largest relative error of a parameter's gradient. One that is zero by symmetry, of the keys' bias, is left
    out: its norm is rounding alone."""
    model, trainer = pair(name)
    model.double()
    images, tokens = batch(24, 0)
    reference_loss(model, images, tokens).backward()
    trainer.backward(*trainer.encode(images, tokens))
    own = trainer.parameter_gradients()
    total = np.sqrt(sum(float((p.grad**2).sum()) for p in model.parameters()))
    worst = 0.0
    for parameter, tensor in model.named_parameters():
        expected = tensor.grad.numpy()
        norm = np.linalg.norm(expected)
        if norm > 1e-9 * total:
            worst = max(worst, float(np.linalg.norm(own[parameter] - expected) / norm))
    return worst


def losses(name: str, steps: int) -> List[float]:
    """Relative differences of the losses, step by step."""
    rate = 1e-3 if name != "ResNet" else 5e-4
    model, trainer = pair(name, learning_rate=rate, **OPTIMISER)
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    optimiser = torch.optim.AdamW(
        [dict(params=matrices), dict(params=others, weight_decay=0)],
        lr=rate,
        weight_decay=OPTIMISER["weight_decay"],
        betas=OPTIMISER["betas"],
        eps=OPTIMISER["eps"],
    )
    differences = []
    for step in range(steps):
        images, tokens = batch(32, step % 8)
        loss = reference_loss(model, images, tokens)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, float(np.log(100)))
        own = trainer.step(images, tokens)
        differences.append(abs(own - loss.item()) / max(abs(loss.item()), 1e-6))
    return differences


def pieces() -> float:
    """The largest difference of loss and gradients between a batch whole and in 2 and 8 pieces."""
    images, tokens = batch(64, 1)
    results = []
    for count in (1, 2, 8):
        _, trainer = pair("ViT", accumulate=count)
        loss = trainer.backward(*trainer.encode(images, tokens))
        results.append((loss, trainer.gradients.copy()))
    worst = 0.0
    for loss, gradient in results[1:]:
        worst = max(worst, abs(loss - results[0][0]) / results[0][0])
        worst = max(worst, float(np.linalg.norm(gradient - results[0][1]) / np.linalg.norm(results[0][1])))
    return worst


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=50)
    steps = parser.parse_args().steps
    failures = 0

    def check(what: str, value: float, limit: float) -> None:
        nonlocal failures
        failures += not value < limit
        print(f"{what:58} {value:9.2e}  limit {limit:.0e}{'' if value < limit else '  MISSED'}", flush=True)

    for name in TOWERS:
        check(f"{name}: gradients, largest relative error", gradients(name), 1e-4)
    for name in ("ViT", "ResNet"):
        differences = losses(name, steps)
        if name == "ViT":
            check(f"{name}: losses of {steps} steps, largest difference", max(differences), 1e-3)
        else:
            check(f"{name}: losses of the first 10 steps", max(differences[:10]), 2e-3)
            check(f"{name}: losses of {steps} steps", max(differences), 5e-2)
    check("ViT: batch of 64 in 2 and 8 pieces, loss and gradient", pieces(), 1e-5)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
