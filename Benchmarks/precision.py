"""What lower precision costs and gives: accuracy beside float32, and speed, ours and the peers', in one process.

    python Benchmarks/precision.py [--models pocket ViT-B/32] [--pictures FOLDER] [--threads 1] [--batches 1 8 32]

The contestants are swiftclip in each precision, onnxruntime in float32 and with dynamic int8 (per channel, MatMul
and Gemm), and OpenVINO in float32 and, where the processor has it, bfloat16. For each tower: the cosine of an
embedding to that of swiftclip's float32, mean and least. For both together: how often the best label of a picture
is float32's. FOLDER holds a folder of pictures for each class; without it the pictures of the examples are used, and
for full-size models with random weights noise and captions. A benchmark, not a test: it never fails.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

import inputs
from models import ROOT, exported
from timing import interleaved, processor, summary

Encode = Callable[[np.ndarray], np.ndarray]
Towers = Dict[str, Encode]
EXACT = "swiftclip float32"


class Task(NamedTuple):
    """What is encoded and compared."""

    title: str
    pixels: np.ndarray
    tokens: np.ndarray
    templates: int
    """Texts of one label, which follow each other."""
    truth: Optional[np.ndarray]


def own(folder: Path, threads: int) -> Dict[str, Towers]:
    import swiftclip

    made = {}
    for precision in ("float32", "bfloat16", "int8"):
        model = swiftclip.load(folder, threads=threads, precision=precision)
        print(f"  {precision}: {model.describe()['weight_storage']}")
        made[f"swiftclip {precision}"] = {"image": model.encode_image, "text": model.encode_text}
    return made


def onnxruntime_towers(folder: Path, threads: int, room: Path) -> Dict[str, Towers]:
    import onnxruntime
    from onnxruntime.quantization import QuantType, quantize_dynamic

    def options() -> Any:
        made = onnxruntime.SessionOptions()
        made.intra_op_num_threads, made.inter_op_num_threads, made.log_severity_level = threads, 1, 3
        return made

    def session(path: Path) -> Encode:
        made = onnxruntime.InferenceSession(str(path), options(), providers=["CPUExecutionProvider"])
        given = made.get_inputs()[0]
        kind = np.int64 if "int64" in given.type else np.int32 if "int32" in given.type else np.float32
        return lambda batch: made.run(None, {given.name: batch.astype(kind, copy=False)})[0]

    def quantised(path: Path) -> Path:
        # Weights behind a Cast are found only when it is folded.
        folded = options()
        folded.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        folded.optimized_model_filepath = str(room / f"folded-{path.name}")
        onnxruntime.InferenceSession(str(path), folded, providers=["CPUExecutionProvider"])
        target = room / f"int8-{path.name}"
        quantize_dynamic(
            folded.optimized_model_filepath, target, op_types_to_quantize=["MatMul", "Gemm"], per_channel=True,
            weight_type=QuantType.QInt8,
        )
        return target

    files = {"image": folder / "visual.onnx", "text": folder / "textual.onnx"}
    return {
        "onnxruntime float32": {tower: session(path) for tower, path in files.items()},
        "onnxruntime int8": {tower: session(quantised(path)) for tower, path in files.items()},
    }


def openvino_towers(folder: Path, threads: int) -> Dict[str, Towers]:
    import openvino

    core = openvino.Core()
    hints = {"float32": "f32"}
    if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        hints["bfloat16"] = "bf16"

    def compiled(path: Path, hint: str) -> Encode:
        settings = {
            "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
        }
        request = core.compile_model(str(path), "CPU", settings).create_infer_request()
        return lambda batch: next(iter(request.infer([batch]).values())).copy()

    made = {}
    for name, hint in hints.items():
        image, text = compiled(folder / "visual.onnx", hint), compiled(folder / "textual.onnx", hint)
        made[f"OpenVINO {name}"] = {"image": image, "text": lambda tokens, text=text: text(tokens.astype(np.int64))}
    return made


def in_passes(encode: Encode, given: np.ndarray) -> np.ndarray:
    """Embeddings in float64, of length 1."""
    parts = [np.asarray(encode(given[first : first + 32]), np.float64) for first in range(0, len(given), 32)]
    rows = np.concatenate(parts)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def task(model: Any, folder: Optional[Path], each: int, is_random: bool) -> Task:
    templates = (ROOT / "examples" / "templates.txt").read_text(encoding="utf-8").split("\n")
    templates = [template for template in templates if template.strip()]
    if is_random:
        return Task(
            "noise and captions", inputs.pixels(64, model.image_size), model.tokenize(inputs.captions(64)), 1, None
        )
    if folder is not None:
        classes = sorted(path for path in folder.iterdir() if path.is_dir())
        labels = [path.name for path in classes]
        pictures = [picture for path in classes for picture in sorted(path.iterdir())[:each]]
        truth = np.array([labels.index(picture.parent.name) for picture in pictures])
        title = f"{len(pictures)} pictures of {folder.name}, {len(labels)} classes"
    else:
        labels = (ROOT / "examples" / "labels.txt").read_text(encoding="utf-8").split("\n")
        labels = [label for label in labels if label.strip()]
        places = (ROOT / "examples" / "pictures").iterdir()
        pictures = sorted(path for path in places if path.suffix in (".png", ".jpg"))
        truth, title = None, f"{len(pictures)} pictures of the examples, {len(labels)} labels"
    texts = [template.format(label) for label in labels for template in templates]
    return Task(title, model.preprocess(pictures), model.tokenize(texts), len(templates), truth)


def accuracy(contestants: Dict[str, Towers], job: Task) -> None:
    """Prints a row for each contestant."""
    print(f"\n{job.title}\n\n| | cosine of images, mean / least | of texts | best label as float32 | right |")
    print("|---|---|---|---|---|")
    exact: Dict[str, np.ndarray] = {}
    for name, towers in contestants.items():
        found = {"image": in_passes(towers["image"], job.pixels), "text": in_passes(towers["text"], job.tokens)}
        labels = found["text"].reshape(-1, job.templates, found["text"].shape[1]).mean(1)
        best = (found["image"] @ (labels / np.linalg.norm(labels, axis=1, keepdims=True)).T).argmax(1)
        if name == EXACT:
            exact = dict(found, best=best)
        cosines = {tower: (found[tower] * exact[tower]).sum(1) for tower in ("image", "text")}
        cells = [f"{values.mean():.6f} / {values.min():.6f}" for values in cosines.values()]
        right = "" if job.truth is None else f"{(best == job.truth).mean():.2%}"
        print(f"| {name} | {cells[0]} | {cells[1]} | {(best == exact['best']).mean():.2%} | {right} |")


def speed(contestants: Dict[str, Towers], model: Any, batches: List[int], rounds: int, seconds: float) -> None:
    """Prints a row for each batch: milliseconds per item, and float32's over them."""
    names = list(contestants)
    print("\n| ms per item | " + " | ".join(names) + " | int8 against float32, ours | int8, onnxruntime's / ours |")
    print("|---" * (len(names) + 3) + "|")
    pieces: List[Tuple[str, str, np.ndarray]] = []
    for batch in batches:
        pieces.append((f"image, batch {batch}", "image", inputs.pixels(batch, model.image_size)))
    pieces.append(("captions, batch 32", "text", model.tokenize(inputs.captions(32))))
    for title, tower, given in pieces:
        calls = {name: (lambda encode=towers[tower]: encode(given)) for name, towers in contestants.items()}
        times = interleaved(calls, rounds, seconds)
        medians = {name: summary(values)["median_ms"] / len(given) for name, values in times.items()}
        ratios = [medians[EXACT] / medians["swiftclip int8"]]
        if "onnxruntime int8" in medians:
            ratios.append(medians["onnxruntime int8"] / medians["swiftclip int8"])
        cells = [f"{medians[name]:.2f}" for name in names] + [f"{ratio:.2f}" for ratio in ratios]
        print(f"| {title} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    import swiftclip

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["pocket", "ViT-B/32"])
    parser.add_argument("--pictures", type=Path, help="a folder of pictures for each class")
    parser.add_argument("--each", type=int, default=100, help="pictures of each class")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batches", nargs="*", type=int, default=[1, 8, 32])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=20, help="at most, for each piece of work")
    arguments = parser.parse_args()

    print(f"Processor: {processor()}. {arguments.threads} threads.")
    for name in arguments.models:
        is_random = name != "pocket"
        folder = exported(name) if is_random else ROOT / "models" / "pocket"
        print(f"\n{name}")
        with tempfile.TemporaryDirectory() as room:
            contestants = own(folder, arguments.threads)
            if importlib.util.find_spec("onnxruntime") and importlib.util.find_spec("onnx"):
                contestants.update(onnxruntime_towers(folder, arguments.threads, Path(room)))
            if importlib.util.find_spec("openvino"):
                contestants.update(openvino_towers(folder, arguments.threads))
            with swiftclip.load(folder, threads=arguments.threads) as model:
                accuracy(contestants, task(model, arguments.pictures, arguments.each, is_random))
                if arguments.batches:
                    speed(contestants, model, arguments.batches, arguments.rounds, arguments.seconds)


if __name__ == "__main__":
    main()
