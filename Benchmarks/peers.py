"""The contestants, each behind the same two calls: an image batch or a token batch to embeddings.

A peer that is not installed is left out with a sentence. All compute in float32 with the number of threads
given, from the same ONNX files (PyTorch from the model that they were exported from).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Callable, Dict

import numpy as np

Encode = Callable[[np.ndarray], np.ndarray]


def swiftclip_peer(folder: Path, threads: int, instructions: str = "auto") -> Dict[str, Encode]:
    import swiftclip

    model = swiftclip.load(folder, threads=threads, instructions=instructions)
    return {"image": model.encode_image, "text": model.encode_text}


def onnxruntime_peer(folder: Path, threads: int) -> Dict[str, Encode]:
    import onnxruntime

    def session(name: str) -> Encode:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        made = onnxruntime.InferenceSession(
            str(folder / f"{name}.onnx"), options, providers=["CPUExecutionProvider"]
        )
        given = made.get_inputs()[0].name
        return lambda batch: made.run(None, {given: batch})[0]

    image, text = session("visual"), session("textual")
    return {"image": image, "text": lambda tokens: text(tokens.astype(np.int64))}


def openvino_peer(folder: Path, threads: int) -> Dict[str, Encode]:
    import openvino

    core = openvino.Core()

    def compiled(name: str) -> Encode:
        model = core.compile_model(
            str(folder / f"{name}.onnx"),
            "CPU",
            {
                "INFERENCE_NUM_THREADS": threads,
                "INFERENCE_PRECISION_HINT": "f32",
                "PERFORMANCE_HINT": "LATENCY",
                "NUM_STREAMS": 1,
            },
        )
        request = model.create_infer_request()
        return lambda batch: next(iter(request.infer([batch]).values())).copy()

    image, text = compiled("visual"), compiled("textual")
    return {"image": image, "text": lambda tokens: text(tokens.astype(np.int64))}


def pytorch_peer(folder: Path, threads: int) -> Dict[str, Encode]:
    import torch

    from models import pytorch_model

    model = pytorch_model(folder.name)

    def encode(method: Callable, batch: np.ndarray) -> np.ndarray:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            return method(torch.from_numpy(batch)).numpy()

    return {
        "image": lambda batch: encode(model.encode_image, batch),
        "text": lambda tokens: encode(model.encode_text, tokens.astype(np.int64)),
    }


PEERS = {
    "onnxruntime": ("onnxruntime", onnxruntime_peer),
    "OpenVINO": ("openvino", openvino_peer),
    "PyTorch": ("open_clip", pytorch_peer),
}


def installed() -> Dict[str, Callable[[Path, int], Dict[str, Encode]]]:
    """The peers that can be measured here, by name."""
    return {name: make for name, (module, make) in PEERS.items() if importlib.util.find_spec(module)}
