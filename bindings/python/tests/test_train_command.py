"""`swiftclip train`: one command from a model and a folder to a better model for the folder, scored before and after."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
import pytest

import swiftclip
from conftest import PICTURES, POCKET, run_python
from swiftclip import evaluate
from swiftclip.cli.train import _cut, _sides
from swiftclip.kept_embeddings import KeptEmbeddings

COLOURS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (50, 70, 220), "yellow": (235, 215, 40), "grey": (128, 128, 128)}
THINGS = sorted(path for path in PICTURES.iterdir() if path.suffix == ".png")[:12]


@pytest.fixture(scope="module")
def products(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of products: things on coloured ground, whose captions are in the shop's own words."""
    image = pytest.importorskip("PIL.Image")
    folder: Path = tmp_path_factory.mktemp("products")
    rows = ["file\tprice\ttitle"]
    for number, (colour, ground) in enumerate(COLOURS.items()):
        for place, path in enumerate(THINGS):
            name = f"{colour}-{place}.png"
            thing = image.open(path).convert("RGBA").resize((48, 48))
            picture = image.new("RGBA", (64, 64), ground)
            picture.alpha_composite(thing, (8, 8))
            picture.convert("RGB").save(folder / name)
            rows.append(f"{name}\t{number}\tarticle {place} in {colour}")
    rows += ["none.png\t1\t", "../outside.png\t2\tarticle outside"]
    (folder / "captions.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Vision Transformer that knows nothing yet, as a model to begin with."""
    vision = dict(image_size=32, layers=2, width=64, patch_size=8)
    text = dict(context_length=16, vocab_size=swiftclip.Tokenizer(POCKET / "merges.txt").vocabulary_size, width=64, heads=1, layers=2)
    folder: Path = tmp_path_factory.mktemp("small")
    with swiftclip.Trainer(dict(embed_dim=64, vision_cfg=vision, text_cfg=text), vocabulary=POCKET / "merges.txt") as trainer:
        trainer.export(folder)
    return folder


def train(*arguments: Any) -> "Any":
    return run_python("-m", "swiftclip", "train", *map(str, arguments))


def log(folder: Path) -> List[Dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def files(folder: Path) -> Dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "model").iterdir()}


def test_one_command_makes_a_better_model_of_a_folder_and_tells_how_much(products, small, tmp_path):
    begun = train("--from", small, "--data", products, "--evaluate", 0.2, "--batch", 24, "--steps", 80, "--threads", 1,
                  "--learning-rate", 1e-3, "--crop", "centre", "-o", tmp_path)  # fmt: skip
    assert begun.returncode == 0, begun.stderr
    assert "2 rows" in begun.stderr and "captions.tsv, line 62" in begun.stderr
    held = evaluate.open_captions(tmp_path / "held-out.jsonl")
    learned = evaluate.open_captions(tmp_path / "training.jsonl")
    assert len(held.pictures) == 12 and len(learned.pictures) == 48
    assert not set(held.pictures) & set(learned.pictures)

    found = evaluate.Tuning.read(tmp_path / "evaluation.json")
    assert begun.stdout == (tmp_path / "evaluation.txt").read_text() == f"{found}\n"
    assert found.before is not None and found.after is not None
    assert found.after.loss < found.before.loss
    assert found.after.image_to_text.at[0][1] > found.before.image_to_text.at[0][1] + 0.2
    assert found.after.text_to_image.at[0][1] > found.before.text_to_image.at[0][1] + 0.2
    # What it tells is what the experiment says of both models.
    for model, told in ((small, found.before), (tmp_path / "model", found.after)):
        with swiftclip.load(model) as opened:
            assert evaluate.retrieval(opened, held, truncate=True).image_to_text == told.image_to_text


def test_features_of_a_frozen_tower_are_reused_with_the_same_bits(products, small, tmp_path):
    common = ("--from", small, "--data", products / "captions.tsv", "--freeze", "visual", "--crop", "centre",
              "--batch", 20, "--steps", 9, "--threads", 1)  # fmt: skip
    for name, more in (("plain", ()), ("reused", ("--reuse-features",))):
        done = train(*common, *more, "-o", tmp_path / name)
        assert done.returncode == 0, done.stderr
    assert [line["loss"] for line in log(tmp_path / "plain")] == [line["loss"] for line in log(tmp_path / "reused")]
    assert files(tmp_path / "plain") == files(tmp_path / "reused")
    with swiftclip.Trainer(small, freeze="visual") as trainer:
        pictures, texts = _sides(trainer, {"reuse_features": True})
        assert isinstance(pictures, KeptEmbeddings) and texts is np.asarray
    for wrong, words in ((("--crop", "random"), "--crop centre"), (("--flip", 0.5), "--flip")):
        refused = train(*common, "--reuse-features", *wrong, "-o", tmp_path / "wrong")
        assert refused.returncode == 2 and words in refused.stderr
    moving = train("--from", small, "--data", products, "--crop", "centre", "--reuse-features", "--batch", 20, "--steps", 1,
                   "-o", tmp_path / "moving")  # fmt: skip
    assert moving.returncode == 1 and "--freeze visual" in moving.stderr


def test_a_run_goes_on_with_the_same_bits_and_may_get_other_threads(products, small, tmp_path):
    common = ("--from", small, "--data", products, "--evaluate", "--batch", 16, "--sentences")
    whole = train(*common, "--steps", 6, "--threads", 1, "-o", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    # A run that was stopped after its third step, as a copy of one that saved then.
    half = train(*common, "--steps", 6, "--threads", 1, "--save-every", 3, "-o", tmp_path / "half")
    assert half.returncode == 0, half.stderr
    with swiftclip.Trainer.resume(tmp_path / "half" / "checkpoint.bin") as ended:
        assert ended.steps_done == 6
    stopped = tmp_path / "stopped"
    begun = train(*common, "--steps", 3, "--warmup", 0, "--threads", 1, "-o", stopped)
    assert begun.returncode == 0, begun.stderr
    more = train("--resume", "--data", products, "--steps", 6, "--threads", 2, "--save-every", 2, "-o", stopped)
    assert more.returncode == 0, more.stderr
    assert json.loads((stopped / "run.json").read_text())["options"]["steps"] == 6
    assert [line["step"] for line in log(stopped)] == list(range(1, 7))
    # Its first three steps followed the shorter schedule, so that it is another model; the rate is that of the new one.
    assert log(stopped)[3]["learning_rate"] == log(tmp_path / "whole")[3]["learning_rate"]
    assert files(stopped) != files(tmp_path / "whole") == files(tmp_path / "half")
    assert evaluate.Tuning.read(stopped / "evaluation.json").before == evaluate.Tuning.read(tmp_path / "whole" / "evaluation.json").before


def test_lines_of_steps_that_are_made_again_go(tmp_path):
    told = tmp_path / "log.jsonl"
    told.write_text("".join(f'{{"step": {step}, "position": {step + 5}}}\n' for step in (1, 2, 3)) + '{"step": 4, "posi')
    assert _cut(told, 2) == 7 and told.read_text().count("\n") == 2
    with pytest.raises(swiftclip.SwiftCLIPError, match="all 3 steps"):
        _cut(told, 3)


def test_what_cannot_be_held_out(products, small, tmp_path):
    shutil.copy(products / "captions.tsv", tmp_path / "a.tsv")
    for data, words in (
        ([products / "red-0.png"], "one table"),
        ([products / "captions.tsv", tmp_path / "a.tsv"], "one table"),
        ([tmp_path / "a.tsv"], "cannot be used"),  # its pictures are not beside it: none can be read
    ):
        done = train("--from", small, "--data", *data, "--evaluate", "--batch", 8, "--steps", 1, "-o", tmp_path / "out")
        assert done.returncode == 1 and words in done.stderr, done.stderr
    few = tmp_path / "few"
    few.mkdir()
    (few / "c.tsv").write_text("a.png\ta\nb.png\tb\n")
    done = train("--from", small, "--data", few, "--evaluate", "-o", tmp_path / "out")
    assert done.returncode == 1 and "Two at least" in done.stderr


def test_tables_in_every_form(tmp_path):
    (tmp_path / "a.csv").write_text('image,n,text\na.png,1,"one, two"\nb.png,2,"he said ""no"""\nc.png,3\n')
    skipped: List[str] = []
    found = evaluate.open_captions(tmp_path / "a.csv", skipped)
    assert found.captions == ("one, two", 'he said "no"') and len(skipped) == 1 and "line 4" in skipped[0]
    (tmp_path / "b.jsonl").write_text('{"path": "a.png", "caption": ["x", "y"]}\n\n{"file": "b.png", "title": "z"}\n{"path": 1}\n[]\n')
    skipped.clear()
    found = evaluate.open_captions(tmp_path / "b.jsonl", skipped)
    assert found.pairs == ((0, 0), (0, 1), (1, 2)) and [told.count("line") for told in skipped] == [1, 1]
    with pytest.raises(swiftclip.InvalidDataError, match="line 4"):
        evaluate.open_captions(tmp_path / "b.jsonl")
    (tmp_path / "c.tsv").write_text('x.png\t"a quoted one"\ny.png\ta "word"\n')
    assert evaluate.open_captions(tmp_path / "c.tsv").captions == ("a quoted one", 'a "word"')


def test_a_table_of_some_pairs_reads_as_it_was_written(tmp_path):
    pairs = evaluate.Captioned("t", ("/a", "/b", "/c", "/d"), ("p", "q", "r\ts"), ((0, 0), (0, 2), (1, 1), (2, 0), (3, 2)))
    kept, held = pairs.hold_out(0.5, seed=3)
    assert sorted(kept.pictures + held.pictures) == list(pairs.pictures) and len(held.pictures) == 2
    assert (kept, held) == pairs.hold_out(0.5, seed=3) != pairs.hold_out(0.5, seed=4)
    for part in (pairs, kept, held):
        part.write(tmp_path / "t.jsonl")
        told = evaluate.open_captions(tmp_path / "t.jsonl")
        assert [(told.pictures[a], told.captions[b]) for a, b in told.pairs] == [
            (part.pictures[a], part.captions[b]) for a, b in part.pairs
        ]
    with pytest.raises(swiftclip.InvalidArgumentError, match="Two at least"):
        pairs.hold_out(0.25)
