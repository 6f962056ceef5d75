"""Models with smaller weights: how far swiftclip is from the same graph run by onnxruntime, and both from float32.

    python Tests/verify/quantised.py [--folder build/quantised]

Converts both towers of the default model, whose weights are trained, with onnxruntime's and onnxconverter-common's
tools, and prints a table: the size of the two files, and the largest relative L2 error of an embedding of the example
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
    "float16": "float16, everything", "float16-io": "float16, float32 in and out", "bfloat16": "bfloat16 weights",
    "int8": "dynamic int8, per tensor", "int8-channels": "dynamic int8, per channel", "uint8": "dynamic uint8",
    "qdq": "QDQ, per tensor", "qdq-channels": "QDQ, per channel",
}


def error(a: np.ndarray, b: np.ndarray) -> float:
    """The largest relative L2 error of a row."""
    return float((np.linalg.norm(a - b, axis=1) / np.linalg.norm(b, axis=1)).max())


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
    print("| weights | MB | tower | swiftclip to onnxruntime | swiftclip to float32 | onnxruntime to float32 |")
    print("|---|---|---|---|---|---|")
    for kind, title in KINDS.items():
        for tower, batch in batches.items():
            path = folder / f"{tower}.{kind}.onnx"
            original = onnx.load(source / f"{tower}.onnx")
            feeds = {original.graph.input[0].name: batch if tower == "visual" else batch.astype(np.int64)}
            try:
                # The weights are stored in half precision, behind casts: the tools want floats.
                floats = dialects.quietly(changes["ort-basic"][0], original, feeds)
                onnx.save(dialects.quietly(changes[kind][0], floats, feeds), path)
                theirs = run(path, batch)
            except Exception as problem:
                print(f"| {title} | | {tower} | not written: {dialects.brief(problem)} | | |")
                continue
            with swiftclip.load(path) as model:
                ours = model.encode_image(batch) if tower == "visual" else model.encode_text(batch)
            to_graph, own, other = error(ours, theirs), error(ours, exact[tower]), error(theirs, exact[tower])
            failed += own > max(1.05 * other, 1e-3)
            print(
                f"| {title} | {path.stat().st_size / 1e6:.1f} | {'image' if tower == 'visual' else 'text'} "
                f"| {to_graph:.1e} | {own:.1e} | {other:.1e} |", flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
