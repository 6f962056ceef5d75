"""Scores a model on what was never trained on: the five tests of the default model's card.

    python score.py MODELDIR --work FOLDER [--json FILE]

Pictures are put on white, reduced from 80 pixels to the model's size by an antialiased bicubic filter in floating
point, clipped to [0, 1] and normalised with the official mean and standard deviation. A label's classifier is the
mean of its templates' normalised text embeddings.
"""

import argparse
import json
from pathlib import Path
from typing import Any, Dict, List, Sequence

import numpy as np
from PIL import Image

from augment import MEAN, STD
from captions import Row, read_records

# test: what it is called, templates, and whether the top five are told too.
TESTS = {
    "cifar10": ("CIFAR-10 photographs", ["a photo of a {}"], False),
    "stamps": ("Tux Paint stamps", ["{}", "a picture of {}"], True),
    "art4apps": ("Art4Apps drawings", ["{}", "a picture of a {}", "a cartoon of a {}"], True),
    "icons": ("Oxygen icons", ["an icon of {}", "{} icon", "{}"], True),
    "clipart": ("Open Clip Art by category", ["{}", "a drawing of {}", "clip art of a {}"], False),
}
PART = 256


def on_white(pixels: np.ndarray, side: int) -> np.ndarray:
    """float32 (3, side, side), normalised, of one RGBA picture."""
    values = pixels.astype(np.float32) / 255
    flat = values[..., :3] * values[..., 3:] + 1 - values[..., 3:]
    planes = [
        np.asarray(Image.fromarray(flat[..., channel], "F").resize((side, side), Image.BICUBIC)) for channel in range(3)
    ]
    return ((np.clip(np.stack(planes, 2), 0, 1) - MEAN) / STD).transpose(2, 0, 1)


def normalised(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def image_embeddings(model: Any, pictures: np.ndarray, rows: Sequence[int]) -> np.ndarray:
    parts = []
    for start in range(0, len(rows), PART):
        batch = np.stack([on_white(pictures[row], model.image_size) for row in rows[start : start + PART]])
        parts.append(model.encode_image(np.ascontiguousarray(batch, np.float32)))
    return normalised(np.concatenate(parts))


def classifier(model: Any, labels: List[str], templates: List[str]) -> np.ndarray:
    total = 0
    for template in templates:
        tokens = model.tokenize([template.format(label) for label in labels], truncate=True)
        total = total + normalised(np.asarray(model.encode_text(tokens)))
    return normalised(total)


def score(model: Any, records: List[Row], pictures: np.ndarray) -> Dict[str, Dict[str, Any]]:
    """Each test's number of pictures and labels, and the percentages of right answers."""
    result = {}
    for test, (name, templates, top5) in TESTS.items():
        rows = [i for i, row in enumerate(records) if row["test"] == test]
        labels = sorted({records[i]["answer"] for i in rows})
        right = np.array([labels.index(records[i]["answer"]) for i in rows])
        cosines = image_embeddings(model, pictures, rows) @ classifier(model, labels, templates).T
        best = np.argsort(-cosines, axis=1, kind="stable")[:, :5]
        entry: Dict[str, Any] = {"name": name, "pictures": len(rows), "labels": len(labels), "templates": templates}
        entry["top1"] = round(100 * float((best[:, 0] == right).mean()), 1)
        if top5:
            entry["top5"] = round(100 * float((best == right[:, None]).any(axis=1).mean()), 1)
        else:
            entry["always the largest"] = round(100 * float(np.bincount(right).max() / len(right)), 1)
        result[test] = entry
    return result


def table(scores: Dict[str, Dict[str, Any]]) -> str:
    lines = [f"{'test':28}{'pictures':>9}{'labels':>8}{'top-1':>8}{'top-5':>8}"]
    for entry in scores.values():
        top5 = f"{entry['top5']:.1f} %" if "top5" in entry else ""
        lines.append(
            f"{entry['name']:28}{entry['pictures']:9}{entry['labels']:8}{entry['top1']:6.1f} %{top5:>8}".rstrip()
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", help="a model's folder")
    parser.add_argument("--work", type=Path, required=True, help="the folder that prepare.py filled")
    parser.add_argument("--json", type=Path, help="also write the scores there")
    arguments = parser.parse_args()
    import swiftclip

    model = swiftclip.load(arguments.model)
    pictures = np.load(arguments.work / "pictures.npy", mmap_mode="r")
    scores = score(model, read_records(arguments.work), pictures)
    print(table(scores))
    if arguments.json:
        arguments.json.write_text(json.dumps(scores, indent=1) + "\n")


if __name__ == "__main__":
    main()
