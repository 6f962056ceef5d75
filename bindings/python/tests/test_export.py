"""Exporting: what can be tested without PyTorch here; with PyTorch and open_clip, the whole way."""

import importlib.util
import json

import numpy as np
import pytest
from conftest import POCKET, run_python

import swiftclip
from swiftclip import export

NEEDED = ("torch", "torchvision", "open_clip")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]


def test_metadata_appended_to_a_file_is_read(model, tmp_path):
    # Whatever comes last wins in protobuf, so the same file with another scale is the same model with it.
    for name in ("visual.onnx", "textual.onnx"):
        data = (POCKET / name).read_bytes()
        (tmp_path / name).write_bytes(data + export.metadata({"logit_scale": "50.5", "note": "x" * 300}))
    with swiftclip.load(tmp_path) as other:
        assert other.logit_scale == 50.5
        assert (other.encode_text(model.tokenize("a pear")) == model.encode_text("a pear")).all()


def test_metadata_in_the_wire_format():
    assert export.metadata({"a": "bc"}) == b"\x72\x07\x0a\x01a\x12\x02bc"
    long = export.metadata({"k": "v" * 200})
    assert long == b"\x72\xce\x01" + b"\x0a\x01k" + b"\x12\xc8\x01" + b"v" * 200


def test_comparison():
    good = export.Comparison(np.array([1e-7]), np.array([2e-6]), True)
    assert good.passed and "2.00e-06" in " ".join(good.lines())
    assert not export.Comparison(np.array([1e-7, 2e-5]), np.array([0.0]), True).passed
    assert not export.Comparison(np.array([np.nan]), np.array([0.0]), True).passed
    assert not export.Comparison(np.array([0.0]), np.array([0.0]), False).passed
    assert "DIFFERENT" in " ".join(export.Comparison(np.array([0.0]), np.array([0.0]), False).lines())
    alone = export.Comparison(np.array([0.0]), np.array([0.0]), None)
    assert alone.passed and "not compared" in " ".join(alone.lines())


@pytest.mark.skipif("torch" not in MISSING, reason="PyTorch is installed")
def test_without_pytorch_the_command_says_so(tmp_path):
    ran = run_python("-m", "swiftclip", "export", "ViT-B/32", "-o", str(tmp_path))
    assert ran.returncode == 1 and "PyTorch" in ran.stderr and "Traceback" not in ran.stderr


@pytest.mark.skipif("torch" not in MISSING, reason="PyTorch is installed")
def test_without_pytorch_an_archive_is_not_read(tmp_path):
    (tmp_path / "RN50.pt").write_bytes(b"anything")
    ran = run_python("-m", "swiftclip", "export", str(tmp_path / "RN50.pt"), "-o", str(tmp_path))
    assert ran.returncode == 1 and "needs PyTorch" in ran.stderr and "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("RN50.pt", "--pretrained", "openai"),
        ("RN50.pt", "--random-weights"),
        ("RN50.pt", "--package", "clip"),
        ("RN50", "--activation", "gelu"),
        ("RN50", "--vocabulary", "merges.txt"),
    ],
    ids=" ".join,
)
def test_arguments_of_names_and_of_files(tmp_path, arguments):
    ran = run_python("-m", "swiftclip", "export", *arguments, "-o", str(tmp_path))
    assert ran.returncode == 2 and "was given" in ran.stderr


needs_open_clip = pytest.mark.skipif(bool(MISSING), reason=f"the second tier: {', '.join(MISSING)} not installed")


@needs_open_clip
def test_export_with_random_weights(tmp_path):
    ran = run_python(
        "-m", "swiftclip", "export", "ViT-B/32", "-o", str(tmp_path / "made"), "--random-weights", "--seed", "3"
    )
    assert ran.returncode == 0, ran.stderr
    assert "relative error" in ran.stdout and "agrees with PyTorch" in ran.stdout
    if importlib.util.find_spec("onnxruntime") is not None:
        assert "swiftclip agrees with onnxruntime (limit 2e-05)" in ran.stdout
    found = swiftclip.inspect(tmp_path / "made")
    assert found.architecture == "ViT-B/32" and found.image.dialect == "swiftclip"
    assert (found.image.parameters, found.text.parameters) == (87849216, 63428096)
    config = json.loads((tmp_path / "made" / "config.json").read_text())
    with swiftclip.load(tmp_path / "made") as model:
        assert model.embed_dim == 512 and model.image_size == 224 and model.context_length == 77
        assert model.logit_scale == pytest.approx(config["logit_scale"], rel=1e-6)
        assert model.vocabulary_size == 49408
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == [
        "bpe_simple_vocab_16e6.txt.gz",
        "config.json",
        "textual.onnx",
        "visual.onnx",
    ]


@needs_open_clip
@pytest.mark.parametrize(
    "arguments, word",
    [
        (("ViT-Z/99",), "ViT-B/32"),
        (("ViT-B-32",), "laion2b"),
        (("xlm-roberta-base-ViT-B-32", "--random-weights"), "tokenizer"),
    ],
    ids=str,
)
def test_names_that_cannot_be_exported(tmp_path, arguments, word):
    ran = run_python("-m", "swiftclip", "export", *arguments, "-o", str(tmp_path))
    assert ran.returncode == 1 and word in ran.stderr and "Traceback" not in ran.stderr
