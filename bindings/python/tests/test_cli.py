"""The command line, as a process: what it prints, where, and its exit status."""

import json
import shutil

import numpy as np
import pytest
from conftest import PICTURES, ROOT, run_python

import swiftclip


def cli(*arguments, **options):
    return run_python("-m", "swiftclip", *map(str, arguments), **options)


LABELS = ROOT / "examples" / "labels.txt"
TEMPLATES = ROOT / "examples" / "templates.txt"


def test_classify_prints_labels_with_percentages(model, penguin, golden):
    ran = cli("classify", penguin, "--labels-file", LABELS, "--templates-file", TEMPLATES, "--top", 3)
    assert ran.returncode == 0 and ran.stderr == ""
    lines = ran.stdout.splitlines()
    assert lines[0] == penguin and lines[1] == "   99.0 %  a penguin" and len(lines) == 4


def test_templates_and_default_top(penguin):
    ran = cli(
        "classify",
        penguin,
        "--labels",
        "a bee, a pear,a duck,the moon,a star,a flag",
        "--template",
        "{}",
        "--template",
        "a drawing of {}",
    )
    assert ran.returncode == 0 and len(ran.stdout.splitlines()) == 6


def test_classify_json(model, penguin):
    bee = str(PICTURES / "bee.png")
    ran = cli("classify", penguin, bee, "--labels", "a penguin,a bee,ü", "--json", "--top", 0)
    found = json.loads(ran.stdout)
    expected = model.classify([penguin, bee], ["a penguin", "a bee", "ü"])
    assert ran.returncode == 0 and [entry["picture"] for entry in found] == [penguin, bee]
    for entry, row in zip(found, expected):
        given = {label["label"]: label["probability"] for label in entry["labels"]}
        assert list(given.values()) == sorted(given.values(), reverse=True)
        assert [given["a penguin"], given["a bee"], given["ü"]] == pytest.approx(row.tolist())


def test_cosines(model, penguin):
    ran = cli("classify", penguin, "--labels", "a penguin,a bee", "--cosine", "--json")
    expected = model.classifier(["a penguin", "a bee"]).cosines(model.encode_image(penguin))[0]
    given = {label["label"]: label["cosine"] for label in json.loads(ran.stdout)[0]["labels"]}
    assert [given["a penguin"], given["a bee"]] == pytest.approx(expected.tolist())
    plain = cli("classify", penguin, "--labels", "a penguin,a bee", "--cosine")
    assert "%" not in plain.stdout and f"{max(expected):.4f}" in plain.stdout


def test_a_broken_picture_among_many(tmp_path, penguin):
    broken, missing = tmp_path / "broken.png", tmp_path / "missing.png"
    broken.write_bytes(b"not a picture")
    good = [str(path) for path in sorted(PICTURES.glob("*.png"))[:10]]
    ran = cli("classify", *good[:4], broken, *good[4:], missing, "--labels", "a,b", "--json")
    found = json.loads(ran.stdout)
    assert ran.returncode == 1
    assert str(broken) in ran.stderr and str(missing) in ran.stderr and len(ran.stderr.splitlines()) == 2
    assert [("error" in entry) for entry in found] == [False] * 4 + [True] + [False] * 6 + [True]
    alone = json.loads(cli("classify", *good, "--labels", "a,b", "--json").stdout)
    assert [entry for entry in found if "error" not in entry] == alone


def test_folders_and_patterns(tmp_path, penguin):
    nested = tmp_path / "a" / "b"
    nested.mkdir(parents=True)
    for name in ("a/two.PNG", "a/b/one.png", "three.png", "notes.txt"):
        shutil.copy(penguin, tmp_path / name)
    ran = cli("classify", tmp_path, "--labels", "a,b", "--json")
    assert [entry["picture"] for entry in json.loads(ran.stdout)] == [
        str(tmp_path / name) for name in ("a/b/one.png", "a/two.PNG", "three.png")
    ]
    ran = cli("classify", str(tmp_path / "*.png"), "--labels", "a,b", "--json")
    assert [entry["picture"] for entry in json.loads(ran.stdout)] == [str(tmp_path / "three.png")]
    empty = tmp_path / "empty"
    empty.mkdir()
    ran = cli("classify", empty, "--labels", "a,b")
    assert ran.returncode == 1 and str(empty) in ran.stderr
    ran = cli("classify", str(tmp_path / "*.gif"), "--labels", "a,b")
    assert ran.returncode == 1 and "*.gif" in ran.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("unknown",),
        ("classify",),
        ("classify", "x.png"),
        ("classify", "x.png", "--labels", " , "),
        ("classify", "x.png", "--labels", "a", "--labels-file", "b"),
        ("classify", "--labels", "a"),
        ("classify", "x.png", "--labels", "a", "--template", "no place"),
        ("classify", "x.png", "--labels", "a", "--top", "-1"),
        ("classify", "x.png", "--labels", "a", "--threads", "-2"),
        ("embed",),
        ("embed", "x.png", "-o", "x.csv"),
        ("export", "ViT-B/32"),
        ("export", "-o", "x"),
    ],
    ids=str,
)
def test_usage_errors(arguments):
    ran = cli(*arguments)
    assert ran.returncode == 2 and ran.stdout == "" and "usage" in ran.stderr


@pytest.mark.parametrize(
    "arguments, word",
    [
        (("--model", "no/such"), "no/such"),
        (("--model", str(ROOT)), ""),
        (("--vocabulary", "no/such"), "no/such"),
        (("--templates-file", "no/such"), "no/such"),
    ],
    ids=str,
)
def test_failures(penguin, arguments, word):
    ran = cli("classify", penguin, "--labels", "a,b", *arguments)
    assert ran.returncode == 1 and ran.stdout == "" and word in ran.stderr
    assert "Traceback" not in ran.stderr and ran.stderr.startswith("swiftclip: ")


def test_help_and_version():
    for arguments in (("--help",), ("classify", "--help"), ("embed", "--help"), ("export", "--help")):
        ran = cli(*arguments)
        assert ran.returncode == 0 and "usage" in ran.stdout
    assert cli("--version").stdout == f"swiftclip {swiftclip.__version__}\n"


def test_labels_from_stdin(penguin):
    ran = cli("classify", penguin, "--labels-file", "-", "--json", input="a penguin\n\na bee\r\n")
    assert {label["label"] for label in json.loads(ran.stdout)[0]["labels"]} == {"a penguin", "a bee"}


def test_embed_npy(model, penguin, tmp_path):
    bee, output = str(PICTURES / "bee.png"), tmp_path / "out.npy"
    ran = cli("embed", penguin, "missing.png", bee, "--text", "a bee", "--text", "a pear", "-o", output)
    assert ran.returncode == 1 and "missing.png" in ran.stderr and ran.stdout == ""
    rows = np.load(output)
    assert rows.dtype == np.float32 and rows.shape == (5, 256) and np.isnan(rows[1]).all()
    assert (rows[[0, 2]] == model.encode_image([penguin, bee])).all()
    assert (rows[3:] == model.encode_text(["a bee", "a pear"])).all()


def test_embed_npz_and_lines(model, penguin, tmp_path):
    ran = cli("embed", penguin, "missing.png", "--text", "a bee", "-o", tmp_path / "out.npz", "--normalize")
    assert ran.returncode == 1
    with np.load(tmp_path / "out.npz") as file:
        assert file["inputs"].tolist() == [penguin, "a bee"] and file["embeddings"].shape == (2, 256)
        np.testing.assert_allclose(np.linalg.norm(file["embeddings"], axis=1), 1, rtol=1e-6)
    ran = cli("embed", penguin, "--text", "a bee")
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert ran.returncode == 0 and [line["kind"] for line in lines] == ["picture", "text"]
    assert (np.float32(lines[0]["embedding"]) == model.encode_image(penguin)[0]).all()
    assert cli("embed", penguin, "-o", tmp_path / "out.jsonl").returncode == 0
    assert json.loads((tmp_path / "out.jsonl").read_text())["input"] == penguin


def test_embed_texts_from_a_file(model, tmp_path):
    (tmp_path / "texts.txt").write_text("a bee\n\na pear\n", encoding="utf-8")
    ran = cli("embed", "--texts-file", tmp_path / "texts.txt", "-o", tmp_path / "o.npy")
    assert ran.returncode == 0
    assert (np.load(tmp_path / "o.npy") == model.encode_text(["a bee", "a pear"])).all()
    ran = cli("embed", "--text", "a bee " * 40)
    assert ran.returncode == 1 and "Traceback" not in ran.stderr
    assert cli("embed", "--text", "a bee " * 40, "--truncate").returncode == 0


def test_output_that_cannot_be_written(penguin, tmp_path):
    for output in (tmp_path / "no" / "o.npy", tmp_path / "no" / "o.npz", tmp_path / "no" / "o.jsonl"):
        ran = cli("embed", penguin, "-o", output)
        assert ran.returncode == 1 and "Traceback" not in ran.stderr and "no" in ran.stderr
    ran = cli("classify", penguin, "--labels", "a,b", "--html", tmp_path / "no" / "page.html")
    assert ran.returncode == 1 and "Traceback" not in ran.stderr


def test_options_reach_the_model(tmp_path):
    Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    clear = tmp_path / "clear.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (50, 50, 4), np.uint8)).save(clear)
    texts = [cli("embed", clear, *more).stdout for more in ((), ("--alpha", "composite"), ("--threads", 1))]
    assert texts[0] != texts[1] and texts[0] == texts[2]


def test_main_returns_the_status(penguin, capsys):
    from swiftclip.cli import main

    assert main(["classify", penguin, "--labels", "a,b"]) == 0
    assert main(["classify", "missing.png", "--labels", "a,b"]) == 1
    assert "missing.png" in capsys.readouterr().err


def test_the_example_prints_what_the_command_knows(penguin, model, golden):
    ran = run_python(str(ROOT / "examples" / "python" / "classify.py"), penguin)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[:2] == [penguin, "   99.0 %  a penguin"]
    ran = run_python(str(ROOT / "examples" / "python" / "classify.py"), "missing.png")
    assert ran.returncode == 1 and "missing.png" in ran.stderr and "Traceback" not in ran.stderr
