"""Small CLIPs in every dialect of ONNX: opened by swiftclip and compared with PyTorch.

    python Tests/verify/dialects.py make [--folder build/dialects] [--only TEXT]
    python Tests/verify/dialects.py check [--folder build/dialects]

`make` writes one file for each combination of source, exporter and tool, with PyTorch's answers in golden.json (seed
4, see Tests/fixtures/make_onnx.py, whose models these are). `check` opens each with swiftclip and prints the relative
L2 error of the worst embedding; it fails where an answer is wrong, or where more than 2 % of the files are refused.
Combinations that an exporter or tool cannot write are skipped, with a line that says so.

Needs what Tests/verify/requirements.txt lists, and onnxslim, onnxsim, onnxconverter-common (each is skipped if absent)
and openai/CLIP's classes (`pip install --no-deps clip-anytorch`). make takes about ten minutes.
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import faulthandler
import os
import random
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests" / "fixtures"))
sys.path.insert(0, str(ROOT / "bindings" / "python"))

FLOAT, HALF, INTEGER = 2e-5, 2e-2, 1e-1
"""Largest relative error of an embedding: float32, half precision or bfloat16, int8."""


# ---- Sources and exporters ------------------------------------------------------------------------------------------


def bases(m):
    """(source, exporter, part) -> how to make the model, the wrapper and its inputs."""
    sources = {
        "openai": m.openai_clip, "openclip": lambda: m.open_clip_model(True),
        "openclip-gelu": lambda: m.open_clip_model(False), "hf-eager": lambda: m.hugging_face("eager"),
        "hf-sdpa": lambda: m.hugging_face("sdpa"), "hf-gelu-eos2": lambda: m.hugging_face("eager", "gelu", 2),
        "openclip-wide80": lambda: wide(m, 80), "openclip-wide88": lambda: wide(m, 88),
        "openclip-eos": lambda: open_clip_text(m, pool_type="eos", eos_id=m.EOT),
        "openclip-linear": lambda: open_clip_text(m, proj_bias=True), "hf-no-head": lambda: m.hugging_face("sdpa"),
        "openai-resnet": lambda: m.openai_resnet(4), "openclip-resnet": lambda: m.open_clip_resnet(4),
    }
    script = ["9", "11", "12", "13", "14", "16", "17", "18"]
    dynamo = ["dynamo18", "dynamo20", "dynamo21", "dynamo23", "dynamo18-plain", "dynamo23-plain"]
    for source, make in sources.items():
        resnet = "resnet" in source
        parts = ["image"] if resnet else ["image", "text", "both"]
        if source in ("openclip-wide80", "openclip-wide88", "openclip-eos", "openclip-linear"):
            for exporter in ("13", "14", "17", "dynamo18", "dynamo23-plain"):
                for part in parts if "wide" in source else ["text", "both"]:
                    yield source, exporter, part, make
            continue
        if source == "hf-no-head":
            for exporter in ("14", "17", "dynamo18"):
                for part in ("hidden-image", "hidden-text"):
                    yield source, exporter, part, make
            continue
        for exporter in script + dynamo:
            for part in parts:
                if part != "both" or exporter in ("11", "14", "17", "dynamo18", "dynamo23"):
                    yield source, exporter, part, make
        for part in parts:
            yield source, "17-static", part, make
            yield source, "14-unfolded", part, make
            yield source, "17-half", part, make
        if source.startswith("hf"):
            for exporter in ("14", "17", "dynamo20", "14-open", "17-open"):
                yield source, exporter, "masked", make
        if not resnet:
            yield source, "17-int32", "text", make
            yield source, "17-one", "normalised-image", make
            yield source, "17-int32", "normalised-text", make
            yield source, "17-one-int32", "normalised-text", make


def wide(m, head_width):
    """The structure of ViT-H/14 and ViT-g/14: heads of 80 and 88, exact GELU, a perceptron of another width."""
    from open_clip.model import CLIP

    return m.randomise_wide(CLIP(
        m.EMBED,
        dict(image_size=m.IMAGE, layers=1, width=2 * head_width, head_width=head_width, patch_size=m.PATCH,
             mlp_ratio=4.3637 if head_width == 88 else 4.0),
        dict(context_length=m.CONTEXT, vocab_size=m.VOCABULARY, width=128, heads=2, layers=1), quick_gelu=False))


def open_clip_text(m, **text):
    """An open_clip whose text encoder is told to do something otherwise."""
    from open_clip.model import CLIP

    return m.randomise(CLIP(
        m.EMBED,
        dict(image_size=m.IMAGE, layers=m.LAYERS, width=m.WIDTH, head_width=m.WIDTH // m.HEADS, patch_size=m.PATCH),
        dict(context_length=m.CONTEXT, vocab_size=m.VOCABULARY, width=m.TEXT_WIDTH, heads=m.TEXT_HEADS,
             layers=m.LAYERS, **text), quick_gelu=True))


class Hidden:
    """A tower with all that Hugging Face's answers hold: the last tokens, the pooled one and the embedding."""

    def __new__(cls, model, text):
        import torch

        class Wrapper(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.model = model

            def forward(self, x):
                if text:
                    out = self.model.text_model(input_ids=x)
                    return self.model.text_projection(out.pooler_output), out.last_hidden_state, out.pooler_output
                out = self.model.vision_model(pixel_values=x)
                return self.model.visual_projection(out.pooler_output), out.last_hidden_state, out.pooler_output

        return Wrapper().eval()


def foreign(m):
    """Name -> (model of another kind, its inputs): each must be refused by the name of an operator."""
    import torch

    picture, tokens = torch.from_numpy(m.image()), torch.tensor(m.TOKENS)
    vision = dict(image_size=m.IMAGE, layers=2, width=16, head_width=8, patch_size=m.PATCH)
    words = dict(context_length=m.CONTEXT, vocab_size=m.VOCABULARY, width=16, heads=2, layers=2)

    def siglip():
        from transformers import SiglipConfig, SiglipModel

        shared = dict(hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2)
        return SiglipModel(SiglipConfig(
            text_config=dict(vocab_size=m.VOCABULARY, max_position_embeddings=m.CONTEXT, **shared),
            vision_config=dict(image_size=m.IMAGE, patch_size=m.PATCH, **shared), attn_implementation="eager"))

    def coca():
        from open_clip.coca_model import CoCa

        tail = dict(mlp_ratio=2, ls_init_value=None)
        return CoCa(
            m.EMBED, {**words, **tail}, {**words, **tail, "context_length": m.CONTEXT - 1, "embed_cls": True},
            {**vision, "attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True})

    def eva():
        import timm

        return timm.models.eva.Eva(
            img_size=m.IMAGE, patch_size=m.PATCH, num_classes=m.EMBED, embed_dim=16, depth=2, num_heads=2,
            use_rot_pos_emb=True, use_abs_pos_emb=True, ref_feat_shape=(3, 3))

    def plain_vit():
        import timm

        return timm.models.vision_transformer.VisionTransformer(
            img_size=m.IMAGE, patch_size=m.PATCH, num_classes=m.EMBED, embed_dim=16, depth=2, num_heads=2,
            global_pool="avg")

    def plain_resnet():
        import torchvision

        return torchvision.models.resnet18(num_classes=m.EMBED)

    return {
        "siglip-image": (lambda: siglip().vision_model, lambda y: y.pooler_output, picture),
        "siglip-text": (lambda: siglip().text_model, lambda y: y.pooler_output, tokens),
        "coca-image": (lambda: coca().visual, lambda y: y[0] if isinstance(y, tuple) else y, picture),
        "coca-text": (lambda: coca().text, lambda y: y[0] if isinstance(y, tuple) else y, tokens[:, :m.CONTEXT - 1]),
        "eva-image": (eva, lambda y: y, picture), "timm-vit": (plain_vit, lambda y: y, picture),
        "resnet18": (plain_resnet, lambda y: y, torch.from_numpy(m.image(64))),
    }


def exported_foreign(m, maker, take, given):
    import onnx
    import torch

    class Wrapper(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = maker()

        def forward(self, x):
            return take(self.model(x))

    torch.backends.mha.set_fastpath_enabled(False)
    torch.manual_seed(4)
    with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        torch.onnx.export(Wrapper().eval(), (given,), path, dynamo=False, opset_version=17, input_names=["input"],
                          output_names=["output"], dynamic_axes={"input": {0: "batch"}})
        return onnx.load(path)


class Normalised:
    """A tower whose output is divided by its length in one of the ways that exports have."""

    ways = ("norm", "normalize", "manual", "clamped")

    def __new__(cls, tower, way):
        import torch

        class Wrapper(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.tower = tower

            def forward(self, x):
                y = self.tower(x)
                if way == "norm":
                    return y / y.norm(dim=-1, keepdim=True)
                if way == "normalize":
                    return torch.nn.functional.normalize(y, dim=-1)
                if way == "manual":
                    return y / torch.sqrt(torch.sum(torch.pow(y, 2), dim=1, keepdim=True))
                return y / y.norm(p=2, dim=-1, keepdim=True).clamp(min=1e-12)

        return Wrapper().eval()


def forms_of_each_part():
    """(source, exporter, part) of each way to write a part of the model, see forms.py."""
    import forms

    for part, ways in forms.FORMS.items():
        for way in ways:
            for tower, wanted in zip(("image", "text"), forms.concerns(part)):
                if wanted:
                    maker = lambda part=part, way=way, tower=tower: forms.tower(part, way, tower == "text")
                    yield f"form-{part}-{way}", "17", tower, maker
                    yield f"form-{part}-{way}", "dynamo18", tower, maker
                    if part in ("qkv", "mask", "eot", "class"):
                        yield f"form-{part}-{way}", "11", tower, maker


def exported(m, source, exporter, part, make):
    """The ONNX model of one combination, its golden entry and the inputs it takes."""
    import torch
    import onnx

    torch.backends.mha.set_fastpath_enabled(False)
    model = make()
    size = m.RESNET_IMAGE if "resnet" in source else m.IMAGE
    wrapper, names = {
        "image": (m.Visual(model), ["image"]), "text": (m.Textual(model), ["text"]),
        "both": (m.Both(model), ["image", "text"]),
        "masked": (m.Both(model, True), ["image", "text", "attention_mask"]),
        "normalised-image": (m.Visual(model), ["image"]), "normalised-text": (m.Textual(model), ["text"]),
        "hidden-image": (Hidden(model, False), ["image"]), "hidden-text": (Hidden(model, True), ["text"]),
    }[part]
    form = source.split("-")[1:] if source.startswith("form-") else [""]
    normalised = part.startswith("normalised") or (form[0] == "length" and form[1] != "none")
    if form[0]:
        wrapper = model
    elif normalised:
        ways = Normalised.ways
        wrapper = Normalised(wrapper, ways[sum(map(ord, source + part)) % len(ways)])
    feeds = m.feeds(names, size)
    if "int32" in exporter:
        feeds = {k: v.astype(np.int32) if v.dtype == np.int64 else v for k, v in feeds.items()}
    if "half" in exporter:
        wrapper = copy.deepcopy(wrapper).half()
        feeds = {k: v.astype(np.float16) if v.dtype == np.float32 else v for k, v in feeds.items()}
    one = "one" in exporter
    inputs = tuple(torch.from_numpy(a[:1] if one else a) for a in feeds.values())
    version, _, how = exporter.partition("-")
    wrapper = wrapper.eval()
    with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        outputs = wrapper(*inputs)
        count = len(outputs) if isinstance(outputs, tuple) else 1
        out = [f"out_{i}" for i in range(count)]
        if version.startswith("dynamo"):
            batch = torch.export.Dim("batch", min=2)
            shapes = None if how == "static" or one else tuple({0: batch} for _ in inputs)
            program = torch.onnx.export(
                wrapper, inputs, dynamo=True, input_names=names, output_names=out, dynamic_shapes=shapes,
                opset_version=int(version[6:]), optimize=how != "plain", external_data=False, verbose=False)
            result = program.model_proto
        else:
            axes = None if how == "static" or one else {n: {0: "batch"} for n in names}
            if how == "open":  # as Optimum writes them: every size is a symbol
                axes = {"image": {0: "images", 1: "channels", 2: "height", 3: "width"},
                        **{n: {0: "texts", 1: "length"} for n in ("text", "attention_mask")}}
            torch.onnx.export(
                wrapper, inputs, path, dynamo=False, opset_version=int(version), input_names=names, output_names=out,
                dynamic_axes=axes, do_constant_folding=how != "unfolded")
            result = onnx.load(path)
        m.strip(result)
        pictures, texts = torch.from_numpy(m.image(size)), torch.tensor(m.TOKENS)
        visual, textual = (model, model) if form[0] else (m.Visual(model), m.Textual(model))
        golden = {
            "image": visual(pictures).tolist() if "text" not in part else None,
            "text": textual(texts).tolist() if "image" not in part else None,
            "normalised": normalised or (part in ("both", "masked") and source.startswith("hf")),
            "logitScale": float(np.exp(2.5)) if part in ("both", "masked") else None,
            "activation": "gelu" if "gelu" in source or "wide" in source else "quickGELU", "tolerance": HALF if "half" in exporter else FLOAT,
            "tensors": {},
        }
    return result, golden, feeds


# ---- Tools ----------------------------------------------------------------------------------------------------------


def tools(m):
    """Name -> (change of a model that returns one, tolerance)."""
    import onnx

    def saved(model, folder):
        path = os.path.join(folder, "in.onnx")
        onnx.save(model, path)
        return path, os.path.join(folder, "out.onnx")

    def optimised(level):
        def change(model, feeds):
            import onnxruntime

            with tempfile.TemporaryDirectory() as folder:
                path, out = saved(model, folder)
                options = onnxruntime.SessionOptions()
                options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
                options.optimized_model_filepath = out
                options.log_severity_level = 4
                onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
                return onnx.load(out)
        return change

    def transformer_optimised(model, feeds):
        from onnxruntime.transformers import optimizer
        from onnxruntime.transformers.fusion_options import FusionOptions

        logging.disable(logging.WARNING)
        with tempfile.TemporaryDirectory() as folder:
            path, out = saved(model, folder)
            done = optimizer.optimize_model(path, model_type="clip", num_heads=0, hidden_size=0,
                                            optimization_options=FusionOptions("clip"), opt_level=1)
            done.save_model_to_file(out)
            return onnx.load(out)

    def simplified(model, feeds):
        import onnxsim

        return onnxsim.simplify(model)[0]

    def slimmed(model, feeds):
        import onnxslim

        return onnxslim.slim(copy.deepcopy(model))

    def half(keep, islands=()):
        def change(model, feeds):
            from onnxconverter_common import float16

            return float16.convert_float_to_float16(
                copy.deepcopy(model), keep_io_types=keep, op_block_list=list(islands) or None, disable_shape_infer=False)
        return change

    def brain(model, feeds):
        model = copy.deepcopy(model)
        for tensor in model.graph.initializer:  # to the nearest, ties to even
            array = onnx.numpy_helper.to_array(tensor)
            if array.dtype == np.float32 and array.ndim >= 2:
                bits = np.ascontiguousarray(array).view(np.uint32)
                rounded = (bits + 0x7FFF + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)
                tensor.CopyFrom(onnx.numpy_helper.from_array(rounded.astype(np.uint32).view(np.float32), tensor.name))
        m.stored_as(model, "bfloat16")
        return model

    def dynamic(per_channel, weight_type="QInt8", reduce_range=False):
        def change(model, feeds):
            from onnxruntime.quantization import QuantType, quantize_dynamic

            logging.disable(logging.WARNING)
            with tempfile.TemporaryDirectory() as folder:
                path, out = saved(model, folder)
                quantize_dynamic(path, out, per_channel=per_channel, weight_type=getattr(QuantType, weight_type),
                                 reduce_range=reduce_range)
                return onnx.load(out)
        return change

    def static(per_channel, activations="QUInt8"):
        def change(model, feeds):
            from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

            logging.disable(logging.WARNING)
            names = {v.name for v in model.graph.input}

            class Reader(CalibrationDataReader):
                def __init__(self):
                    self.rest = iter([{k: v for k, v in feeds.items() if k in names}])

                def get_next(self):
                    return next(self.rest, None)

            with tempfile.TemporaryDirectory() as folder:
                path, out = saved(model, folder)
                quantize_static(path, out, Reader(), quant_format=QuantFormat.QDQ, per_channel=per_channel,
                                activation_type=getattr(QuantType, activations), weight_type=QuantType.QInt8)
                return onnx.load(out)
        return change

    def named_at_random(model, feeds):
        model = copy.deepcopy(model)
        m.random_names(model)
        return model

    def cluttered(model, feeds):
        model = copy.deepcopy(model)
        generator = random.Random(4)
        model.doc_string = model.graph.doc_string = "a dog is no cat " * 50
        model.metadata_props.add(key="author", value="nobody")
        for node in model.graph.node:
            node.doc_string = "note"
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones((3, 5), np.float32), "nobody reads this"))
        # Outputs on the way: the inputs of some products.
        inner = [n.output[0] for n in model.graph.node if n.op_type in ("MatMul", "Gemm", "Conv") and n.output]
        for name in generator.sample(inner, min(3, len(inner))):
            model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
        return model

    def shuffled(model, feeds):
        model = copy.deepcopy(model)
        tensors = list(model.graph.initializer)
        random.Random(4).shuffle(tensors)
        m.rebuild(model, list(model.graph.node), tensors)
        return model

    def dequantised(model, feeds):
        model = copy.deepcopy(model)
        m.stored_as(model, "int8")
        return model

    def external(many):
        def change(model, feeds):
            model = copy.deepcopy(model)
            model.metadata_props.add(key="external", value="many" if many else "one")
            return model
        return change

    unchanged = lambda change, limit=FLOAT: (change, limit)
    return {
        "ort-basic": unchanged(optimised("ORT_ENABLE_BASIC")), "ort-extended": unchanged(optimised("ORT_ENABLE_EXTENDED")),
        "ort-transformers": unchanged(transformer_optimised), "simplified": unchanged(simplified),
        "slim": unchanged(slimmed), "float16": (half(False), HALF), "float16-io": (half(True), HALF),
        "float16-islands": (half(True, ["Softmax", "LayerNormalization", "ReduceMean", "Pow", "Sqrt"]), HALF),
        "bfloat16": (brain, HALF), "int8": (dynamic(False), INTEGER), "int8-channels": (dynamic(True), INTEGER),
        "uint8": (dynamic(False, "QUInt8"), INTEGER), "qdq": (static(False), INTEGER),
        "qdq-channels": (static(True, "QInt8"), INTEGER), "dequantised": (dequantised, INTEGER),
        "renamed": unchanged(named_at_random), "cluttered": unchanged(cluttered), "shuffled": unchanged(shuffled),
        "external": unchanged(external(False)), "external-many": unchanged(external(True)),
    }


HALF_BASES = [
    ("openai", "14", "both"), ("openclip", "17", "image"), ("openclip-gelu", "17", "both"), ("hf-eager", "17", "image"),
    ("hf-eager", "17", "text"), ("hf-sdpa", "14", "both"), ("openclip-wide80", "17", "both"),
    ("openclip-resnet", "17", "image"), ("openai-resnet", "14", "image"), ("hf-sdpa", "dynamo18", "image"),
]
"""What only the conversions to half precision and bfloat16 are tried on besides."""


TOOL_BASES = [
    ("openai", "17", "image"), ("openclip", "17", "text"), ("openclip", "14", "both"), ("hf-eager", "14", "both"),
    ("hf-sdpa", "17", "image"), ("hf-sdpa", "dynamo20", "masked"), ("hf-gelu-eos2", "17", "both"),
    ("openclip-gelu", "dynamo18", "image"), ("openai-resnet", "17", "image"), ("openclip-resnet", "dynamo18", "image"),
]
"""What the tools are tried on: each source once, image, text and both."""


def make(folder: Path, only: str) -> None:
    import make_onnx as m
    import onnx

    warnings.filterwarnings("ignore")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "golden.json"
    golden = json.loads(path.read_text()) if only and path.exists() else {}
    skipped = []

    def write(name, model, entry):
        target = folder / (name + ".onnx")
        form = next((p.value for p in model.metadata_props if p.key == "external"), "")
        if form:
            onnx.save(model, target, save_as_external_data=True, all_tensors_to_one_file=form == "one",
                      location=name + ".data" if form == "one" else None, size_threshold=0)
        else:
            onnx.save(model, target)
        golden[name] = entry
        print(name, file=sys.stderr, flush=True)

    for source, exporter, part, maker in sorted([*bases(m), *forms_of_each_part()], key=lambda base: (base[:3] not in TOOL_BASES, "dynamo" in base[1])):
        name = f"{source}.{exporter}.{part}"
        base = (source, exporter, part)
        tried = {
            tool: how for tool, how in tools(m).items()
            if base in TOOL_BASES or (base in HALF_BASES and "float16" in tool)
        }
        names = [name] + [f"{name}.{tool}" for tool in tried]
        if not any(only in n for n in names):
            continue
        try:
            model, entry, feeds = quietly(exported, m, source, exporter, part, maker)
        except Exception as problem:
            skipped.append(f"{name}: {brief(problem)}")
            continue
        if only in name:
            try:
                check_by_onnxruntime(m, model, entry, feeds)
            except Exception as problem:
                skipped.append(f"{name}: {brief(problem)}")
                continue
            write(name, model, entry)
        for tool, (change, tolerance) in tried.items():
            if only not in f"{name}.{tool}":
                continue
            try:
                changed, noted = quietly(change, model, feeds), {**entry, "tolerance": tolerance}
                check_by_onnxruntime(m, changed, noted, feeds)
                write(f"{name}.{tool}", changed, noted)
            except Exception as problem:
                skipped.append(f"{name}.{tool}: {brief(problem)}")
        path.write_text(json.dumps(golden, sort_keys=True))
    for name, (maker, take, given) in foreign(m).items():
        if only in f"foreign-{name}":
            try:
                write(f"foreign-{name}", quietly(exported_foreign, m, maker, take, given), {"refused": True})
            except Exception as problem:
                skipped.append(f"foreign-{name}: {brief(problem)}")
    path.write_text(json.dumps(golden, sort_keys=True))
    print(f"{len(golden)} samples in {folder}")
    print("not written:", *skipped, sep="\n  ")


def check_by_onnxruntime(m, model, entry, feeds):
    """Raises where onnxruntime cannot run the file, or a tool's result is not the model any more."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # Its optimiser crashes on some half-precision graphs.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    names = [v.name for v in session.get_inputs()]
    kinds = {"tensor(float16)": np.float16, "tensor(int32)": np.int32, "tensor(int64)": np.int64}
    given = dict(zip(names, feeds.values())) if set(names) != set(feeds) else {n: feeds[n] for n in names}
    rows = [[s if isinstance(s, int) else None for s in v.shape] for v in session.get_inputs()][0][0] or 3
    given = {v.name: given[v.name][:rows].astype(kinds.get(v.type, given[v.name].dtype)) for v in session.get_inputs()}
    answers = [a.astype(np.float64) for a in session.run(None, given)]
    if not all(np.isfinite(a).all() for a in answers):
        raise ValueError("onnxruntime's answers are not finite")
    known = {key: np.array(entry[key])[:rows] for key in ("image", "text") if entry[key] is not None}
    units = {key: value / np.linalg.norm(value, axis=1, keepdims=True) for key, value in known.items()}
    wanted = [[known[key], units[key]] for key in known]
    if entry["logitScale"]:
        logits = entry["logitScale"] * units["image"] @ units["text"].T
        wanted.append([logits, logits.T])
    for forms in wanted:
        close = [np.linalg.norm(a - e) / np.linalg.norm(e) for e in forms for a in answers if a.shape == e.shape]
        if close and not min(close) < 3 * entry["tolerance"]:
            raise ValueError(f"onnxruntime itself is {min(close):.1e} away from PyTorch")


def brief(problem: Exception) -> str:
    return f"{type(problem).__name__}: {(str(problem).splitlines() or [''])[0][:120]}"


def quietly(function, *arguments):
    """Exporters print whole graphs when they fail."""
    sys.stdout.flush()
    saved = os.dup(1), os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 1)
        os.dup2(null, 2)
        return function(*arguments)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, copied in zip((1, 2), saved):
            os.dup2(copied, number)
            os.close(copied)
        os.close(null)


# ---- Check ----------------------------------------------------------------------------------------------------------


def check_foreign(folder: Path, golden) -> list:
    """What is wrong with the files that must be refused, which are taken out of `golden`."""
    import swiftclip

    wrong = []
    for name in sorted(name for name, entry in golden.items() if entry.get("refused")):
        del golden[name]
        try:
            swiftclip.load(folder / (name + ".onnx"), threads=1)
            wrong.append(f"{name}: was opened")
        except swiftclip.SwiftCLIPError as problem:
            print(f"  refused as it must be: {name}: {str(problem)[-160:]}")
            if "node " not in str(problem):
                wrong.append(f"{name}: is refused without the name of an operator")
    return wrong


def check(folder: Path) -> int:
    import make_onnx as m
    import swiftclip

    golden = json.loads((folder / "golden.json").read_text())
    refused, wrong = [], check_foreign(folder, golden)
    for name, entry in sorted(golden.items()):
        try:
            with swiftclip.load(folder / (name + ".onnx"), threads=1) as model:
                errors = []
                size = m.RESNET_IMAGE if "resnet" in name else m.IMAGE
                for key, encode, data in (("image", model.encode_image if entry["image"] else None, m.image(size)),
                                          ("text", model.encode_text if entry["text"] else None,
                                           np.array(m.TOKENS, np.int32))):
                    if encode is None:
                        continue
                    expected = np.array(entry[key])
                    if entry["normalised"]:
                        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
                    got = encode(data)
                    errors.append(float((np.linalg.norm(got - expected, axis=1) / np.linalg.norm(expected, axis=1)).max()))
                if entry["logitScale"] and "text" not in name:
                    errors.append(abs(model.logit_scale / entry["logitScale"] - 1))
        except swiftclip.SwiftCLIPError as problem:
            refused.append(f"{name}: {problem}")
            continue
        worst = max(errors)
        if not worst < entry["tolerance"]:
            wrong.append(f"{name}: {worst:.1e} where {entry['tolerance']:.0e} is allowed")
    agree = len(golden) - len(refused) - len(wrong)
    print(f"{len(golden)} samples, {agree} open and agree, {len(refused)} refused, {len(wrong)} wrong")
    for line in wrong + refused:
        print(" ", line)
    unnamed = [line for line in refused if "node " not in line and "tensor " not in line]
    return 1 if wrong or unnamed or agree < 0.98 * len(golden) or len(golden) < 150 else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["make", "check"])
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "dialects")
    parser.add_argument("--only", default="", help="make: names that contain this; the others stay")
    arguments = parser.parse_args()
    if arguments.action == "make":
        make(arguments.folder, arguments.only)
        return 0
    return check(arguments.folder)


if __name__ == "__main__":
    sys.exit(main())
