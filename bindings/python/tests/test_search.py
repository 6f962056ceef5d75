"""Search of a folder: what is found, what is encoded again, and whose index it is."""

import json
import os
import shutil

import numpy as np
import pytest
from conftest import PICTURES, run_python

import swiftclip
from swiftclip.search import Index


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "pictures"
    (place / "deep").mkdir(parents=True)
    for name in ("penguin.png", "bee.png", "deep/pear.png"):
        shutil.copy(PICTURES / os.path.basename(name), place / name)
    (place / "notes.txt").write_text("no picture")
    return place


def test_best_is_the_largest_cosine(model, folder):
    index = Index.of_folder(model, folder)
    assert index.paths == ["bee.png", "deep/pear.png", "penguin.png"]
    queries = model.encode_text(["a penguin", "a pear"])
    cosines = swiftclip.similarity(queries, model.encode_image([str(folder / name) for name in index.paths]))
    for best, row in zip(index.best(queries, 2), cosines):
        order = np.argsort(-row)[:2]
        assert [path for path, _ in best] == [str(folder / index.paths[place]) for place in order]
        np.testing.assert_allclose([cosine for _, cosine in best], row[order], atol=1e-6)
    assert len(index.best(queries, 100)[0]) == 3


def test_only_what_changed_is_encoded(model, folder, tmp_path):
    path = tmp_path / "index.npz"
    assert Index.of_folder(model, folder, path).encoded == 3
    stamp = path.stat().st_mtime_ns
    assert Index.of_folder(model, folder, path).encoded == 0 and path.stat().st_mtime_ns == stamp
    shutil.copy(PICTURES / "moon.png", folder / "bee.png")
    (folder / "penguin.png").unlink()
    shutil.copy(PICTURES / "book.png", folder / "new.png")
    (folder / "broken.png").write_bytes(b"no picture")
    index = Index.of_folder(model, folder, path)
    assert index.encoded == 3 and index.paths == ["bee.png", "deep/pear.png", "new.png"] and list(index.news) == ["broken.png"]
    expected = model.encode_image([str(folder / name) for name in index.paths])
    np.testing.assert_allclose(index.embeddings, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)
    again = Index.of_folder(model, folder, path)
    assert again.encoded == 0 and again.news == {} and list(again.unreadable) == ["broken.png"]
    with np.load(path) as file:  # an ordinary file
        assert file["paths"].tolist() == index.paths and file["embeddings"].shape == (3, 256)


def test_an_index_belongs_to_its_model(model, folder, tmp_path):
    path = tmp_path / "index.npz"
    Index.of_folder(model, folder, path)
    others = [swiftclip.load(precision="int8"), swiftclip.load(preprocess=swiftclip.Preprocess(alpha="composite"))]
    for other in others:
        for read in (lambda: Index.load(path, other), lambda: Index.of_folder(other, folder, path)):
            with pytest.raises(swiftclip.InvalidArgumentError, match="another model"):
                read()
        other.close()
    with pytest.raises(swiftclip.InvalidArgumentError, match="the index of"):
        Index.of_folder(model, PICTURES, path)


def test_damaged_indexes(model, folder, tmp_path):
    path = tmp_path / "index.npz"
    Index.of_folder(model, folder, path)
    good = path.read_bytes()
    with np.load(path) as file:
        held = dict(file)
    damaged = [good[:100], b"", b"text", good[:-30]]
    for name, value in (
        ("about", np.array("{")), ("about", np.array("[]")), ("embeddings", held["embeddings"][:1]),
        ("embeddings", np.full((3, 256), np.nan)), ("stamps", np.zeros(3)), ("paths", np.array([{}, 1, 2], object)),
    ):  # fmt: skip
        np.savez(tmp_path / "made.npz", **{**held, name: value})
        damaged.append((tmp_path / "made.npz").read_bytes())
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(swiftclip.InvalidDataError, match="index.npz"):
            Index.load(path, model)
    with pytest.raises(swiftclip.FileError):
        Index.load(tmp_path / "no.npz", model)


@pytest.mark.parametrize("engine, module", [("usearch", "usearch.index"), ("faiss", "faiss")])
def test_engines(model, tmp_path, engine, module):
    pytest.importorskip(module, reason=f"{engine} is not installed")
    path = tmp_path / "index.npz"
    index = Index.of_folder(model, PICTURES, path)
    queries = model.encode_text(["a penguin", "a pear", "a clock"])
    expected = index.best(queries, 3)
    assert index.best(queries, 3, engine=engine) == expected
    index.save(path)
    kept = Index.load(path, model)
    assert engine in kept.engines and kept.best(queries, 3, engine=engine) == expected


def command(cache, *arguments):
    return run_python("-m", "swiftclip", "search", *map(str, arguments), env={"XDG_CACHE_HOME": str(cache)})


def test_the_command(model, folder, tmp_path):
    ran = command(tmp_path, folder, "--text", "a penguin", "--picture", folder / "bee.png", "-k", 2)
    assert ran.returncode == 0 and "encoded 3" in ran.stderr
    lines = ran.stdout.splitlines()
    assert lines[0] == "a penguin" and lines[1].endswith("penguin.png") and lines[4] == str(folder / "bee.png")
    assert lines[5] == f"   1.0000  {folder / 'bee.png'}" and len(lines) == 7
    (index,) = (tmp_path / "swiftclip" / "search").iterdir()
    again = command(tmp_path, index, "--text", "a penguin", "--json", "-k", 1)
    assert again.returncode == 0 and again.stderr == ""
    ((found,),) = [entry["results"] for entry in json.loads(again.stdout)]
    assert found["path"] == str(folder / "penguin.png") and f"{found['cosine']:.4f}" in lines[1]
    (folder / "broken.png").write_bytes(b"no picture")
    ran = command(tmp_path, folder, "--text", "a penguin", "--index", tmp_path / "mine.npz")
    assert ran.returncode == 1 and "broken.png" in ran.stderr and ran.stdout and (tmp_path / "mine.npz").exists()


@pytest.mark.parametrize(
    "arguments, status",
    [
        (("x",), 2),
        ((PICTURES, "--text", "a", "-k", 0), 2),
        (("x.npz", "--text", "a", "--index", "y.npz"), 2),
        ((PICTURES, "--text", "a", "--engine", "other"), 2),
        (("no/such.npz", "--text", "a"), 1),
        ((PICTURES / "bee.png", "--text", "a"), 1),
        ((PICTURES, "--picture", "no.png"), 1),
    ],
    ids=str,
)
def test_wrong_commands(tmp_path, arguments, status):
    ran = command(tmp_path, *arguments)
    assert ran.returncode == status and ran.stdout == "" and "Traceback" not in ran.stderr and ran.stderr
