"""Embeddings of a frozen tower, computed once for the whole of training."""

from __future__ import annotations

import hashlib
from typing import Callable, Dict, List

import numpy as np


class KeptEmbeddings:
    """Remembers what a frozen tower has made of pictures, or of tokens, and gives it again. Since 1.1.

        trainer = swiftclip.Trainer(model, freeze="visual")
        known = KeptEmbeddings(trainer.encode_images)
        for pixels, tokens in data:                     # without random crops and the like: those make new pictures
            trainer.step(known(pixels), tokens)         # the same bits as step(pixels, tokens)

    Known again by a digest of all bytes, so that it does not matter in which order and batches they come. Memory holds
    an embedding for each.
    """

    def __init__(self, encode: Callable[[np.ndarray], np.ndarray]) -> None:
        self._encode = encode
        self._known: Dict[bytes, np.ndarray] = {}

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Embeddings float32 (N, D) of pixels (N, 3, S, S) or tokens (N, context)."""
        keys = [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in rows]
        fresh: List[int] = list({key: index for index, key in enumerate(keys) if key not in self._known}.values())
        if fresh:
            for index, embedding in zip(fresh, self._encode(rows[fresh])):
                self._known[keys[index]] = embedding
        return np.stack([self._known[key] for key in keys])

    def __len__(self) -> int:
        """Embeddings that are kept."""
        return len(self._known)
