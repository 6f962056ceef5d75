"""What a model's files hold, and whether it is computed as onnxruntime computes it."""

from __future__ import annotations

import json
import shutil
from typing import Any, List

import numpy as np
import pytest
from conftest import POCKET, ROOT, run_python

import swiftclip
from swiftclip import _places
from swiftclip.verification import LIMITS

FIXTURES = ROOT / "Tests" / "fixtures" / "onnx"


def test_the_default_model():
    found = swiftclip.inspect()
    assert found == swiftclip.inspect(_places.default_model()) and found.architecture is None and found.embed_dim == 256
    assert found.logit_scale == pytest.approx(23.073202)
    image, text = found.image, found.text
    assert (image.kind, image.image_size, image.patch_size) == ("VisionTransformer", 64, 8)
    assert (image.width, image.layers, image.heads, image.head_width) == (192, 6, 3, 64)
    assert (image.activation, image.mask, image.pooling) == ("quick_gelu", "none", "class token")
    assert (text.context_length, text.vocabulary_size, text.layers) == (32, 4096, 4)
    assert (text.mask, text.pooling, text.pooling_id, text.normalised) == ("causal", "largest id", None, False)
    assert text.file.endswith("textual.onnx") and text.exporter == "pytorch 2.15.0" and text.opset == 17
    assert image.weight_types == {"float16": 2752896} and image.exactly_float16 is None
    assert image.dialect == "swiftclip"
    with pytest.raises(AttributeError):
        found.embed_dim = 5


def test_it_prints_nicely():
    lines = str(swiftclip.inspect(POCKET)).splitlines()
    assert lines[0] == "not one of the nine official models: embeddings of 256, logit scale 23.0732"
    assert lines[1] == "image: VisionTransformer, reads pictures of 64 px in patches of 8" and len(lines) == 13
    alone = str(swiftclip.inspect(POCKET / "visual.onnx"))
    assert alone.endswith("text:  not in these files")


def test_one_tower_and_two_files():
    both = swiftclip.inspect(POCKET)
    assert swiftclip.inspect(POCKET / "visual.onnx").text is None
    assert swiftclip.inspect(textual=POCKET / "textual.onnx").image is None
    pair = swiftclip.inspect(POCKET / "visual.onnx", POCKET / "textual.onnx")
    assert (pair.image.digest, pair.text.digest) == (both.image.digest, both.text.digest)


def test_a_resnet():
    tower = swiftclip.inspect(FIXTURES / "openai-resnet.17.image.onnx").image
    assert (tower.kind, tower.layers, tower.patch_size) == ("ModifiedResNet", (2, 1, 1, 1), None)
    assert (tower.activation, tower.pooling, tower.image_size) == ("relu", "attention pool", 64)
    assert swiftclip.inspect(FIXTURES / "openai-resnet.17.image.onnx").as_dict()["image"]["layers"] == [2, 1, 1, 1]


def test_a_text_read_at_an_id():
    tower = swiftclip.inspect(FIXTURES / "hf-eager.17.text.onnx").text
    assert (tower.pooling, tower.pooling_id) == ("first of an id", 39)
    assert swiftclip.inspect(FIXTURES / "hf-gelu-eos2.17.both.onnx").text.activation == "gelu"


def test_names_tell_the_dialect():
    assert swiftclip.inspect(FIXTURES / "hf-eager.dynamo.image.onnx").image.dialect == "Hugging Face"
    assert swiftclip.inspect(FIXTURES / "openai.dynamo.image.onnx").image.dialect == "openai/CLIP or open_clip"
    assert swiftclip.inspect(FIXTURES / "openai.17.image.onnx").image.dialect == "unknown"  # its names were taken


@pytest.mark.parametrize("path", ["no/such.onnx", str(POCKET / "merges.txt"), str(FIXTURES), "/dev/null", ""])
def test_refusals_are_those_of_load(path):
    with pytest.raises(swiftclip.SwiftCLIPError) as opening:
        swiftclip.load(path)
    with pytest.raises(type(opening.value)) as inspecting:
        swiftclip.inspect(path)
    assert str(inspecting.value) == str(opening.value)


def test_towers_that_do_not_belong_together_and_swapped_ones():
    for pair in ((POCKET / "visual.onnx", FIXTURES / "openai.17.text.onnx"), (POCKET / "textual.onnx",) * 2):
        with pytest.raises(swiftclip.SwiftCLIPError) as opening:
            swiftclip.load(*pair)
        with pytest.raises(type(opening.value)) as inspecting:
            swiftclip.inspect(*pair)
        assert str(inspecting.value) == str(opening.value)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("tower", ["visual", "textual"])
def test_damaged_weights_are_told_as_load_tells_them(tower, value, tmp_path):
    onnx = pytest.importorskip("onnx")
    graph = onnx.load(str(POCKET / f"{tower}.onnx"))
    floats = [t for t in graph.graph.initializer if t.data_type in (1, 10) and np.prod(t.dims) > 1]
    for tensor in floats[:: max(1, len(floats) // 12)]:
        kept = onnx.TensorProto()
        kept.CopyFrom(tensor)
        values = onnx.numpy_helper.to_array(tensor).copy()
        values.reshape(-1)[values.size // 2] = value
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        path = tmp_path / "damaged.onnx"
        path.write_bytes(graph.SerializeToString())
        tensor.CopyFrom(kept)
        messages: List[str] = []
        for call in (swiftclip.load, swiftclip.inspect):
            with pytest.raises(swiftclip.InvalidDataError) as error:
                call(textual=path) if tower == "textual" else call(path)
            messages.append(str(error.value))
        assert messages[0] == messages[1] and "NaN or infinite" in messages[0]


def test_strings_of_a_file_are_escaped(tmp_path):
    onnx = pytest.importorskip("onnx")
    graph = onnx.load(str(POCKET / "visual.onnx"))
    graph.producer_name = 'say "\\\n\x01é'
    path = tmp_path / 'a "quoted" name.onnx'
    path.write_bytes(graph.SerializeToString())
    tower = swiftclip.inspect(path).image
    assert tower.exporter == 'say "\\\n\x01é 2.15.0' and tower.file == str(path)


def test_wrong_types_and_nul_bytes():
    for wrong in (5, ["a"]):
        with pytest.raises(swiftclip.ArgumentTypeError):
            swiftclip.inspect(wrong)
    with pytest.raises(swiftclip.InvalidArgumentError):
        swiftclip.inspect("a\0b")


def test_the_command(tmp_path):
    ran = run_python("-m", "swiftclip", "inspect", str(POCKET))
    assert ran.returncode == 0 and ran.stdout == f"{swiftclip.inspect(POCKET)}\n" and ran.stderr == ""
    ran = run_python("-m", "swiftclip", "inspect", str(POCKET), "--json")
    assert json.loads(ran.stdout) == swiftclip.inspect(POCKET).as_dict()
    ran = run_python("-m", "swiftclip", "inspect", str(tmp_path / "absent.onnx"))
    assert ran.returncode == 1 and "absent.onnx cannot be opened" in ran.stderr and "Traceback" not in ran.stderr


# -- verify


def agreeing(path: Any, **options: Any) -> swiftclip.Verification:
    pytest.importorskip("onnxruntime")
    verification = swiftclip.verify(path, **options)
    assert verification.passed, str(verification)
    return verification


def test_the_default_model_is_verified():
    verification = agreeing(POCKET, limit=1e-5)
    assert [tower.tower for tower in verification.towers] == ["image", "text"]
    assert all(tower.error < 3e-6 and tower.cosine > 1 - 1e-9 for tower in verification.towers)
    assert verification == agreeing(POCKET, limit=1e-5) != agreeing(POCKET, limit=1e-5, seed=1)
    assert agreeing(POCKET).limit == LIMITS["half"]
    assert "agrees with onnxruntime" in str(verification)


@pytest.mark.parametrize(
    "name",
    ["hf-eager.17.masked", "hf-sdpa.dynamo.masked", "openai.14.both", "openai-resnet.17.image", "hf-gelu-eos2.17.both"],
)
def test_layouts_are_verified(name):
    assert agreeing(FIXTURES / f"{name}.onnx").limit == LIMITS["float32"]


def changed(name: str, change: Any, path: Any) -> Any:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(str(FIXTURES / name))
    change(onnx, model)
    onnx.save(model, str(path))
    return path


def test_logits_without_embeddings(tmp_path):
    def change(onnx, model):
        del model.graph.output[2:]
        for value, named in zip(model.graph.input, ("IMAGE", "TEXT")):
            for node in model.graph.node:
                node.input[:] = [named if each == value.name else each for each in node.input]
            value.name = named
        for value, named in zip(list(model.graph.output), ("LOGITS_PER_IMAGE", "LOGITS_PER_TEXT")):
            for node in model.graph.node:
                for names in (node.output, node.input):
                    names[:] = [named if each == value.name else each for each in names]
            value.name = named

    path = changed("hf-eager.17.both.onnx", change, tmp_path / "logits.onnx")
    assert swiftclip.inspect(path).image.dialect == "IMAGE and TEXT to LOGITS_PER_*"
    verification = agreeing(path)
    assert [tower.tower for tower in verification.towers] == ["logits"]


def test_static_batch_int32_and_more_outputs(tmp_path):
    def change(onnx, model):
        given = model.graph.input[0]
        given.type.tensor_type.elem_type = onnx.TensorProto.INT32
        given.type.tensor_type.shape.dim[0].dim_value = 1
        cast = onnx.helper.make_node("Cast", [given.name], ["wide"], to=onnx.TensorProto.INT64)
        for node in model.graph.node:
            node.input[:] = ["wide" if each == given.name else each for each in node.input]
        model.graph.node.insert(0, cast)
        inner = [node.output[0] for node in model.graph.node if node.op_type == "MatMul"]
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(inner[0]))

    verification = agreeing(changed("openai.17.text.onnx", change, tmp_path / "narrow.onnx"))
    assert len(verification.towers[0].errors) == 4


def test_float16_input(tmp_path):
    def change(onnx, model):
        given = model.graph.input[0]
        given.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
        cast = onnx.helper.make_node("Cast", [given.name], ["wide"], to=onnx.TensorProto.FLOAT)
        for node in model.graph.node:
            node.input[:] = ["wide" if each == given.name else each for each in node.input]
        model.graph.node.insert(0, cast)

    agreeing(changed("openai.17.image.onnx", change, tmp_path / "half.onnx"))


def test_a_disagreement_is_told(monkeypatch):
    pytest.importorskip("onnxruntime")
    answer = swiftclip.Model.encode_text
    monkeypatch.setattr(swiftclip.Model, "encode_text", lambda *given: answer(*given) * np.float32(1.05))
    verification = swiftclip.verify(POCKET)
    assert not verification.passed and "DISAGREES" in str(verification)
    image, text = verification.towers
    assert image.error < 1e-5 and text.error == pytest.approx(0.05, rel=1e-3) and text.cosine > 1 - 1e-6
    monkeypatch.setattr(swiftclip.Model, "encode_text", lambda *given: answer(*given) * np.float32(np.nan))
    assert not swiftclip.verify(POCKET).passed


def test_without_onnxruntime_it_says_so(monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(swiftclip.UnsupportedError, match="pip install onnxruntime"):
        swiftclip.verify(POCKET)


def test_a_limit_that_is_none():
    with pytest.raises(swiftclip.InvalidArgumentError):
        swiftclip.verify(POCKET, limit=float("nan"))


def test_the_verify_command(tmp_path):
    pytest.importorskip("onnxruntime")
    ran = run_python("-m", "swiftclip", "verify", str(POCKET))
    assert ran.returncode == 0 and "relative error" in ran.stdout and ran.stderr == ""
    ran = run_python("-m", "swiftclip", "verify", str(POCKET), "--limit", "1e-12")
    assert ran.returncode == 1 and "DISAGREES" in ran.stdout and "do not use" in ran.stderr
    ran = run_python("-m", "swiftclip", "verify", str(tmp_path))
    assert ran.returncode == 1 and "holds no model" in ran.stderr


# -- errors are counted from the call


def test_a_text_without_its_end_is_counted_from_the_call(model, tmp_path):
    """Texts go through in passes of 256; the model reads at a token that one text, in the second pass, lacks."""
    onnx = pytest.importorskip("onnx")
    graph = onnx.load(str(POCKET / "textual.onnx"))
    index = next(i for i, node in enumerate(graph.graph.node) if node.op_type == "ArgMax")
    place = graph.graph.node[index]
    pear = int(model.tokenize("a pear")[0, 2])
    number = onnx.numpy_helper.from_array(np.array(pear, np.int64), "pear")
    graph.graph.initializer.append(number)
    equal = onnx.helper.make_node("Equal", [place.input[0], "pear"], ["is_pear"])
    cast = onnx.helper.make_node("Cast", ["is_pear"], ["is_pear_int"], to=onnx.TensorProto.INT32)
    place.input[0] = "is_pear_int"
    graph.graph.node.insert(index, equal)
    graph.graph.node.insert(index + 1, cast)
    (tmp_path / "textual.onnx").write_bytes(graph.SerializeToString())
    shutil.copyfile(POCKET / "merges.txt", tmp_path / "merges.txt")
    with swiftclip.load(textual=tmp_path / "textual.onnx") as other:
        assert swiftclip.inspect(textual=tmp_path / "textual.onnx").text.pooling_id == pear
        texts = ["a pear"] * 400
        assert other.encode_text(texts).shape == (400, 256)
        texts[300] = "a house"
        with pytest.raises(swiftclip.InvalidArgumentError, match=r"^Text 300: There is no EOT"):
            other.encode_text(texts)
