"""Data sets: the official archives in all four layouts, folders, captions, prompts; and files that mean harm."""

import io
import json
import os
import pickle
import tarfile

import numpy as np
import pytest

import swiftclip
from swiftclip import evaluate
from swiftclip.evaluate.prompts import named_by
from swiftclip.evaluate.unpickle import unpickled

RANDOM = np.random.default_rng(7)
CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
CIFAR100 = [f"class_{index:02d}" for index in range(100)]
COARSE = [f"group_{index:02d}" for index in range(20)]


def pictures(count, classes):
    """Pixels as the archives have them, uint8 (N, 3072), with a class for each."""
    return RANDOM.integers(0, 256, (count, 3072), np.uint8), (np.arange(count) * 3 % classes).tolist()


def as_seen(rows):
    return rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def python10(folder):
    """CIFAR-10's Python version: six pickles of Python 2 and one with the names."""
    held = {}
    for name in [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]:
        rows, labels = pictures(4, 10)
        held[name] = rows, labels
        batch = {b"batch_label": b"a batch", b"labels": labels, b"data": rows, b"filenames": [b"x.png"] * 4}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    meta = {b"num_cases_per_batch": 10000, b"label_names": [name.encode() for name in CIFAR10], b"num_vis": 3072}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol=2))
    return held


def binary10(folder):
    held = {}
    for name in [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]:
        rows, labels = pictures(4, 10)
        held[name] = rows, labels
        (folder / f"{name}.bin").write_bytes(np.column_stack([np.uint8(labels), rows]).tobytes())
    (folder / "batches.meta.txt").write_text("\n".join(CIFAR10) + "\n\n")
    return held


def python100(folder):
    held = {}
    for name in ("train", "test"):
        rows, labels = pictures(6, 100)
        held[name] = rows, labels
        batch = {"fine_labels": labels, "coarse_labels": [0] * 6, "data": rows, "filenames": ["x"] * 6}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": CIFAR100, "coarse_label_names": COARSE}, 2))
    return held


def binary100(folder):
    held = {}
    for name in ("train", "test"):
        rows, labels = pictures(6, 100)
        held[name] = rows, labels
        (folder / f"{name}.bin").write_bytes(np.column_stack([np.uint8([9] * 6), np.uint8(labels), rows]).tobytes())
    (folder / "fine_label_names.txt").write_text("\n".join(CIFAR100) + "\n")
    (folder / "coarse_label_names.txt").write_text("\n".join(COARSE) + "\n")
    return held


LAYOUTS = {
    "cifar-10-batches-py": python10,
    "cifar-10-batches-bin": binary10,
    "cifar-100-python": python100,
    "cifar-100-binary": binary100,
}


@pytest.mark.parametrize("packed", [False, True], ids=["unpacked", "tar.gz"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_official_layouts(tmp_path, name, packed):
    folder = tmp_path / name
    folder.mkdir()
    held = LAYOUTS[name](folder)
    place = folder
    if packed:
        place = tmp_path / f"{name}.tar.gz"
        with tarfile.open(place, "w:gz") as archive:
            archive.add(folder, name)
    parts = list(held.values())
    for split, chosen in (("train", parts[:-1]), ("test", parts[-1:])):
        for source in (place, tmp_path) if not packed else (place,):
            found = evaluate.open_cifar(source, split)
            assert (found.pictures == as_seen(np.concatenate([rows for rows, _ in chosen]))).all()
            assert found.labels.tolist() == sum((labels for _, labels in chosen), [])
            assert found.classes == tuple(CIFAR10 if "10-" in name else CIFAR100)
    opened = evaluate.open_data(f"mine={place}", "test")
    assert opened.name == "mine" and opened.classes[1] == ("automobile" if "10-" in name else "class 01")
    assert evaluate.open_split(str(place), "validation") is None


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_every_protocol(protocol):
    rows = np.asfortranarray(RANDOM.integers(0, 256, (3, 5), np.uint8)) if protocol == 3 else np.arange(6, dtype=np.int64)
    given = {"data": rows, "labels": [1, 2, 3], "names": ["ä", "b"], "more": {"x": (1, None, True)}}
    found = unpickled(pickle.dumps(given, protocol), "here") if protocol < 5 else None
    if protocol == 5:  # numpy writes arrays of protocol 5 another way, which no archive has
        with pytest.raises(swiftclip.InvalidDataError):
            unpickled(pickle.dumps(given, protocol), "here")
        return
    assert (found["data"] == rows).all() and found["labels"] == [1, 2, 3] and found["more"] == {"x": (1, None, True)}


class Harm:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def hostile(marker):
    """Pickles that would run code, take all memory or never end, in an ordinary reader."""
    call = pickle.dumps({"data": Harm(os.system, f"touch {marker}")}, 2)
    nested = b"\x80\x02}" + b"(" + b"K\x01K\x01\x86" + b"".join(b"q\x01h\x01h\x01\x86" for _ in range(60)) + b"K\x01u."
    array = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85c_codecs\nencode\nX\x01\x00\x00\x00bX\x06\x00\x00\x00latin1\x86R\x87R"
    kind = b"cnumpy\ndtype\nX\x02\x00\x00\x00%sK\x00K\x01\x87R"
    return {
        "os.system": call,
        "eval": pickle.dumps({"data": Harm(eval, "1+1")}, 4),
        "getattr": pickle.dumps({"data": Harm(getattr, "x", "upper")}, 2),
        "an object's state": b"\x80\x02}X\x01\x00\x00\x00xcnumpy\nndarray\n}X\x08\x00\x00\x00__code__K\x01sbs.",
        "huge memory index": b"\x80\x02}r\xff\xff\xff\x7fK\x01.",
        "huge bytes": b"\x80\x04\x96\xff\xff\xff\xff\xff\xff\xff\x7f.",
        "nested keys": nested,
        "objects": b"\x80\x02}X\x01\x00\x00\x00x" + array + b"(K\x01K\x01\x85" + kind % b"O8" + b"\x89]tbs.",
        "short array": b"\x80\x02}X\x01\x00\x00\x00x" + array + b"(K\x01J\xff\xff\xff\x7f\x85" + kind % b"u1" + b"\x89U\x01xtbs.",
        "no dict": pickle.dumps([1, 2]),
        "empty": b"",
        "text": b"hello",
        "persistent": b"\x80\x02}X\x01\x00\x00\x00xPid\ns.",
        "extension": b"\x80\x02}X\x01\x00\x00\x00x\x82\x01s.",
    }


@pytest.mark.parametrize("kind", hostile("x"))
def test_hostile_pickles_are_refused(tmp_path, kind):
    marker = tmp_path / "harm"
    with pytest.raises(swiftclip.InvalidDataError, match="here"):
        unpickled(hostile(marker)[kind], "here")
    assert not marker.exists()


def test_mutated_pickles_only_raise_our_error():
    good = pickle.dumps({"labels": [1, 2], "data": np.arange(12, dtype=np.uint8).reshape(3, 4), "names": ["a", "b"]}, 2)
    refused = 0
    for seed in range(3000):
        random = np.random.default_rng(seed)
        content = bytearray(good)
        for _ in range(random.integers(1, 4)):
            content[random.integers(len(content))] = random.integers(256)
        try:
            assert isinstance(unpickled(bytes(content[: random.integers(1, len(content) + 1)]), "x"), dict)
        except swiftclip.InvalidDataError:
            refused += 1
    assert refused > 1000


@pytest.mark.parametrize("damage", ["short", "labels", "shape", "names", "missing"])
def test_damaged_archives(tmp_path, damage):
    python100(tmp_path)
    if damage == "short":
        (tmp_path / "test").write_bytes((tmp_path / "test").read_bytes()[:-9000])
    elif damage == "missing":
        (tmp_path / "test").unlink()
    elif damage == "names":
        (tmp_path / "meta").write_bytes(pickle.dumps({"fine_label_names": 3}, 2))
    else:
        rows, labels = pictures(3, 100)
        batch = {"labels": dict(data=rows, fine_labels=labels[:2]), "shape": dict(data=rows[:, :9], fine_labels=labels)}
        (tmp_path / "test").write_bytes(pickle.dumps(batch[damage], 2))
    with pytest.raises(swiftclip.InvalidDataError):
        evaluate.open_data(str(tmp_path), "test")


def test_a_class_that_has_no_name(tmp_path):
    binary100(tmp_path)
    (tmp_path / "fine_label_names.txt").write_text("one\ntwo\n")
    with pytest.raises(swiftclip.InvalidDataError, match="2 classes"):
        evaluate.open_data(str(tmp_path), "test")


def test_a_cut_archive(tmp_path):
    python100(tmp_path)
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as archive:
        for name in ("meta", "train", "test"):
            archive.add(tmp_path / name, f"cifar-100-python/{name}")
    cut = tmp_path / "cut.tar.gz"
    for size in (0, 10, 500, len(whole.getvalue()) - 3000):
        cut.write_bytes(whole.getvalue()[:size])
        with pytest.raises(swiftclip.SwiftCLIPError, match="cut.tar.gz"):
            evaluate.open_data(str(cut), "test")


def test_folders(tmp_path, paths):
    for place in ("train/a_cat", "train/bee", "val/a_cat", "val/bee/deep"):
        (tmp_path / place).mkdir(parents=True)
        os.symlink(paths[0], tmp_path / place / "x.png")
    (tmp_path / "train" / "bee" / "notes.txt").write_text("no picture")
    test, train = evaluate.open_data(str(tmp_path), "test"), evaluate.open_data(str(tmp_path), "train")
    assert test.classes == train.classes == ("a cat", "bee") and test.labels.tolist() == [0, 1]
    assert test.pictures[1] == str(tmp_path / "val" / "bee" / "deep" / "x.png") and len(train) == 2
    assert evaluate.open_split(str(tmp_path), "validation") is None  # val/ is the test data here
    (tmp_path / "test").symlink_to(tmp_path / "val")
    assert len(evaluate.open_split(str(tmp_path), "validation")) == 2
    alone = evaluate.open_data(str(tmp_path / "train"))
    assert alone.name == "train" and len(alone) == 2
    with pytest.raises(swiftclip.UnsupportedError, match="no train"):
        evaluate.open_data(str(tmp_path / "train"), "train")
    for wrong in (tmp_path / "no", tmp_path / "train" / "bee", tmp_path / "train" / "bee" / "notes.txt"):
        with pytest.raises(swiftclip.SwiftCLIPError, match=str(wrong)):
            evaluate.open_data(str(wrong))


def test_samples_keep_the_shares():
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    data = evaluate.DataSet("x", np.zeros((100, 2, 2, 3), np.uint8), labels, ("a", "b", "c"))
    assert np.bincount(data.sample(20).labels).tolist() == [12, 6, 2]
    assert data.sample(1000) is data and data.sample(20).fingerprint() == data.sample(20).fingerprint()
    assert data.named(["x", "y", "z"]).classes == ("x", "y", "z")
    with pytest.raises(swiftclip.InvalidArgumentError, match="2 class names"):
        data.named(["x", "y"])


def test_captions(tmp_path):
    table = tmp_path / "table.tsv"
    table.write_text("path\tcaption\na.png\ta cat\r\na.png\tan animal\n\nb.png\tan animal\n", encoding="utf-8")
    found = evaluate.open_captions(table)
    assert found.pictures == (str(tmp_path / "a.png"), str(tmp_path / "b.png"))
    assert found.captions == ("a cat", "an animal") and found.pairs == ((0, 0), (0, 1), (1, 1))
    for content in (b"a.png a cat\n", b"\ta cat\n", b"a.png\t \n", b"", b"\xff\xfe\n"):
        table.write_bytes(content)
        with pytest.raises(swiftclip.InvalidDataError, match="table.tsv"):
            evaluate.open_captions(table)


def test_names_and_templates_from_files(tmp_path):
    (tmp_path / "a.txt").write_text("a cat\n\na dog\n")
    (tmp_path / "a.json").write_text(json.dumps({"classes": {"cat_1": "a cat"}, "templates": ["{}", "a {}."]}))
    assert evaluate.read_classes(str(tmp_path / "a.txt")) == ["a cat", "a dog"]
    assert named_by(evaluate.read_classes(str(tmp_path / "a.json")), ("cat 1",), "x") == ["a cat"]
    assert evaluate.read_templates(str(tmp_path / "a.json")) == ("{}", "a {}.")
    with pytest.raises(swiftclip.InvalidArgumentError, match="dog"):
        named_by({"cat": "x"}, ("cat", "dog"), "x")
    with pytest.raises(swiftclip.InvalidArgumentError, match="exactly once"):
        evaluate.read_templates(str(tmp_path / "a.txt"))
    (tmp_path / "a.json").write_text("[" * 100000)
    for read in (evaluate.read_classes, evaluate.read_templates):
        for source in (str(tmp_path / "a.json"), str(tmp_path / "no.txt"), "open_clip:no", "clip_benchmark:no"):
            with pytest.raises(swiftclip.SwiftCLIPError):
                read(source)


def test_official_lists_of_packages(tmp_path, monkeypatch):
    """Packages in the form of open_clip's and clip_benchmark's, which are not imported: that would fail."""
    (tmp_path / "open_clip").mkdir()
    (tmp_path / "clip_benchmark" / "datasets").mkdir(parents=True)
    for package in ("open_clip", "clip_benchmark"):
        (tmp_path / package / "__init__.py").write_text("raise RuntimeError('imported')")
    (tmp_path / "open_clip" / "zero_shot_metadata.py").write_text(
        "OPENAI_IMAGENET_TEMPLATES = (lambda c: f'a bad photo of a {c}.', lambda c: f'{c}')\nIMAGENET_CLASSNAMES = ['tench']\n"
    )
    held = tmp_path / "clip_benchmark" / "datasets"
    (held / "en_classnames.json").write_text('{"pets": ["a cat", "a dog"]}')
    (held / "en_zeroshot_classification_templates.json").write_text('{"pets": ["a photo of a {c}, a pet."]}')
    monkeypatch.syspath_prepend(str(tmp_path))
    assert evaluate.read_templates("open_clip:imagenet") == ("a bad photo of a {}.", "{}")
    assert evaluate.read_classes("open_clip:imagenet") == ["tench"]
    assert evaluate.read_classes("clip_benchmark:pets") == ["a cat", "a dog"]
    assert evaluate.read_templates("clip_benchmark:pets") == ("a photo of a {}, a pet.",)
