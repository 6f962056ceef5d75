"""Models with smaller weights: how far swiftclip is from the same graph run by onnxruntime, and both from float32.

    python Tests/verify/quantised.py [--folder build/quantised]

Converts both towers of the default model, whose weights are trained, with onnxruntime's tools and
our own, and prints a table: the size of the two files, and the largest relative L2 error of an embedding of the example
pictures and of as many captions. Fails where swiftclip is further from float32 than onnxruntime is and more than a
tenth of a percent away: it multiplies by the weights that the file means, and does not round activations.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests" / "fixtures"))
sys.path.insert(0, str(ROOT / "bindings" / "python"))

KINDS = {
    "float16": "float16 weights", "bfloat16": "bfloat16 weights",
    "int8": "dynamic int8, per tensor", "int8-channels": "dynamic int8, per channel", "uint8": "dynamic uint8",
    "qdq": "QDQ, per tensor", "qdq-channels": "QDQ, per channel",
}


def error(a: np.ndarray, b: np.ndarray) -> float:
    """The largest relative L2 error of a row."""
    return float((np.linalg.norm(a - b, axis=1) / np.linalg.norm(b, axis=1)).max())


def in_floats(model):
    """The model with its weights in float32, which the tools want; they are stored in half precision, behind casts."""
    import onnx

    halves = {t.name: t for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT16}
    casts = [n for n in model.graph.node if n.op_type == "Cast" and n.input[0] in halves]
    for node in casts:
        array = onnx.numpy_helper.to_array(halves[node.input[0]]).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, node.output[0]))
        model.graph.node.remove(node)
    for tensor in halves.values():
        if not any(tensor.name in n.input for n in model.graph.node):
            model.graph.initializer.remove(tensor)
    return model


def run(path: Path, batch: np.ndarray) -> np.ndarray:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    kind = {"tensor(float16)": np.float16, "tensor(int32)": np.int32, "tensor(int64)": np.int64}.get(given.type, np.float32)
    return session.run(None, {given.name: batch.astype(kind)})[0].astype(np.float32)


def main() -> None:
    import dialects
    import make_onnx
    import onnx
    import swiftclip

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "quantised")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    source = ROOT / "models" / "pocket"
    pictures = sorted((ROOT / "examples" / "pictures").glob("*.png")) + sorted((ROOT / "examples" / "pictures").glob("*.jpg"))
    with swiftclip.load(source) as model:
        pixels = np.stack([model.preprocess(path) for path in pictures])
        tokens = model.tokenize([f"a drawing of {path.stem.replace('-', ' ')}" for path in pictures])
    batches = {"visual": pixels, "textual": tokens}
    exact = {tower: run(source / f"{tower}.onnx", batch) for tower, batch in batches.items()}
    changes, failed = dialects.tools(make_onnx), 0
    # The converter of onnxconverter-common leaves types that do not fit in this model.
    changes["float16"] = (lambda model, feeds: make_onnx.stored_as(model, "float16") or model, 0)
    print("| weights | MB | tower | swiftclip to onnxruntime | swiftclip to float32 | onnxruntime to float32 |")
    print("|---|---|---|---|---|---|")
    for kind, title in KINDS.items():
        for tower, batch in batches.items():
            path = folder / f"{tower}.{kind}.onnx"
            original = onnx.load(source / f"{tower}.onnx")
            feeds = {original.graph.input[0].name: batch if tower == "visual" else batch.astype(np.int64)}
            try:
                onnx.save(dialects.quietly(changes[kind][0], in_floats(original), feeds), path)
                theirs = run(path, batch)
            except Exception as problem:
                print(f"| {title} | | {tower} | not written: {dialects.brief(problem)} | | |")
                continue
            other = error(theirs, exact[tower])
            try:
                with swiftclip.load(path) as model:
                    ours = model.encode_image(batch) if tower == "visual" else model.encode_text(batch)
            except swiftclip.SwiftCLIPError as problem:
                # Not a failure where the graph itself answers nonsense.
                failed += other < 0.5
                print(f"| {title} | | {tower} | refused: {str(problem)[-100:]} | | {other:.1e} |", flush=True)
                continue
            to_graph, own = error(ours, theirs), error(ours, exact[tower])
            failed += own > max(1.05 * other, 1e-3)
            print(
                f"| {title} | {path.stat().st_size / 1e6:.1f} | {'image' if tower == 'visual' else 'text'} "
                f"| {to_graph:.1e} | {own:.1e} | {other:.1e} |", flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
