"""How often the right class is found."""

from __future__ import annotations

from typing import NamedTuple, Tuple

import numpy as np


class Accuracy(NamedTuple):
    """Shares of pictures, 0...1. Since 1.1."""

    top1: float
    """The best class is the right one."""
    top5: float
    """The right one is among the best five; 1 with five classes or fewer."""
    mean_per_class: float
    """The mean over the classes that have pictures of top1 within each: the measure of the paper's Pets, Caltech-101
    and others (Table 9)."""
    pictures: int


def ranks(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How many classes come before the right one, int (N,): those with a higher score, and equal ones named earlier.

    scores  (N, C); labels  (N,)
    """
    right = scores[np.arange(len(labels)), labels][:, None]
    earlier = np.arange(scores.shape[1])[None] < labels[:, None]
    return np.asarray(np.sum((scores > right) | ((scores == right) & earlier), axis=1))


def accuracy(scores: np.ndarray, labels: np.ndarray) -> Accuracy:
    """Top-1, top-5 and mean per class of scores (N, C) against labels (N,); N at least 1."""
    found = ranks(scores, labels)
    return Accuracy(
        float(np.mean(found == 0)),
        float(np.mean(found < 5)),
        float(np.nanmean(per_class(found == 0, labels, scores.shape[1]))),
        len(labels),
    )


def per_class(right: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """The share of right ones in each class, (classes,); NaN for a class without pictures."""
    counts = np.bincount(labels, minlength=classes)
    hits = np.bincount(labels, weights=right, minlength=classes)
    return np.asarray(np.divide(hits, counts, out=np.full(classes, np.nan), where=counts > 0))


def interval(share: float, count: int) -> Tuple[float, float]:
    """Wilson's 95 % interval of a share of `count` pictures."""
    z = 1.959964
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return float(middle - half), float(middle + half)
