#!/usr/bin/env python3
"""Makes every result and figure of docs/experiments.md again, in one command.

    python scripts/experiments.py --cifar10 cifar-10-python.tar.gz [--drawings FOLDER] [--model DIR]

cifar10   CIFAR-10's archive in an official layout, or a folder with train/CLASS/ and test/CLASS/
drawings  the data of the default model's recipe: records.jsonl and pictures.npy, of which the held-out ones are used

Tables go between the page's marks, figures beside it (docs/experiments/*.svg). Needs pip install 'swiftclip[evaluate]'.
"""

import argparse
import json
import re
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bindings" / "python"))

import swiftclip  # noqa: E402
from swiftclip import evaluate  # noqa: E402
from swiftclip.cli.common import cache_folder  # noqa: E402
from swiftclip.cli.progress import Stages  # noqa: E402

PAGE = ROOT / "docs" / "experiments.md"
FIGURES = ROOT / "docs" / "experiments"

TEST, TRAIN = 2000, 2000
"""Photographs of CIFAR-10 that are used: spread evenly over each class."""

DRAWINGS = {
    "stamps": ("Tux Paint stamps", ("{}", "a picture of {}")),
    "art4apps": ("Art4Apps", ("{}", "a picture of a {}", "a cartoon of a {}")),
    "icons": ("Oxygen icons", ("an icon of {}", "{} icon", "{}")),
    "clipart": ("Open Clip Art", ("{}", "a drawing of {}", "clip art of a {}")),
}
"""Held-out drawings by the name that records have for them, with the templates of the model's card."""


class Drawings(list):
    """Rows of the recipe's pictures as RGB on white, made when they are asked for."""

    def __init__(self, pictures, rows):
        super().__init__(rows)
        self.pictures = pictures

    def __getitem__(self, index):
        pixels = self.pictures[super().__getitem__(index)].astype(np.float32)
        alpha = pixels[..., 3:] / 255
        return np.round(pixels[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)


def drawings(folder):
    """Each held-out set of drawings: a DataSet with the templates that belong to it."""
    lines = (Path(folder) / "records.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    pictures = np.load(Path(folder) / "pictures.npy", mmap_mode="r")
    for test, (name, templates) in DRAWINGS.items():
        rows = [index for index, record in enumerate(records) if record["test"] == test]
        classes = sorted({records[row]["answer"] for row in rows})
        labels = np.array([classes.index(records[row]["answer"]) for row in rows], np.int64)
        yield evaluate.DataSet(name, Drawings(pictures, rows), labels, tuple(classes)), templates


def results(encoder, cifar10, drawn):
    """(name of its place in the page, result) of every experiment."""
    source = f"CIFAR-10={cifar10}"
    test = evaluate.open_data(source, "test").sample(TEST)
    train = evaluate.open_data(source, "train").sample(TRAIN)
    digits = [evaluate.open_data("digits", split) for split in ("train", "test")]
    photo = ("a photo of a {}",)
    picture = ROOT / "examples" / "pictures" / "cat-photo.jpg"
    yield "seed", evaluate.seed_example(encoder, picture, test.classes)
    yield "zero-shot", evaluate.zero_shot(encoder, test, photo)
    for data, templates in drawn:
        yield f"zero-shot-{data.name.lower().replace(' ', '-')}", evaluate.zero_shot(encoder, data, templates)
    yield "prompts", evaluate.prompting(encoder, [test, *(data for data, _ in drawn)])
    yield "few-shot", evaluate.few_shot(encoder, train, test, photo)
    yield "linear-probe", evaluate.linear_probe(encoder, train, test)
    yield "learned-prompts", evaluate.learned_prompts(encoder, train, test, photo)
    tasks = [evaluate.Task(train, test, None, photo), evaluate.Task(*digits)]
    yield "zero-shot-vs-probe", evaluate.zero_shot_vs_probe(encoder, tasks)
    yield "robustness", evaluate.robustness(encoder, test.sample(TEST // 2), photo, train=train)
    for data, _ in drawn:
        if data.name == "Tux Paint stamps":
            yield "retrieval", retrieved(encoder, data)


def retrieved(encoder, data):
    """Retrieval of drawings by their captions; the pictures are written out, since captions go with paths."""
    from PIL import Image

    folder = cache_folder() / "drawings" / data.fingerprint()
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{index:05d}.png" for index in range(len(data))]
    for index, path in enumerate(paths):
        Image.fromarray(data.pictures[index]).save(path)
    pairs = tuple((index, int(label)) for index, label in enumerate(data.labels))
    captioned = evaluate.Captioned(data.name, tuple(map(str, paths)), data.classes, pairs)
    return evaluate.retrieval(encoder, captioned, truncate=True)


def put(page, name, text):
    """The page with `text` between the marks of `name`."""
    pattern = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end -->)", re.S)
    if not pattern.search(page):
        raise SystemExit(f"{PAGE} has no place for {name}")
    return pattern.sub(lambda found: f"{found[1]}{text}\n{found[2]}", page)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cifar10", required=True, metavar="PATH", help="CIFAR-10's archive or a tree of folders")
    parser.add_argument("--drawings", metavar="FOLDER", help="the data of the default model's recipe")
    parser.add_argument("--model", metavar="DIR", help="without it, the default model")
    arguments = parser.parse_args()
    tables = {}
    with swiftclip.load(arguments.model) as model, Stages() as progress:
        encoder = evaluate.Encoder(model, cache=cache_folder() / "features", progress=progress, truncate=True)
        drawn = list(drawings(arguments.drawings)) if arguments.drawings else []
        for name, result in results(encoder, arguments.cifar10, drawn):
            print(f"{name}\n{result}\n", flush=True)
            # A table or, where it is no table, text as it was printed.
            tables[name] = str(result) if str(result).startswith("|") else f"```\n{str(result).strip(chr(10))}\n```"
            if name in ("few-shot", "learned-prompts", "linear-probe", "prompts", "robustness", "zero-shot-vs-probe", "retrieval"):
                FIGURES.mkdir(exist_ok=True)
                *_, svg = result.save_plot(FIGURES / name)
                (FIGURES / f"{name}.png").unlink()
                assert Path(svg).stat().st_size < 40_000
        tables["model"] = encoder.name
    page = PAGE.read_text(encoding="utf-8")
    for name, text in tables.items():
        page = put(page, name, text)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
