"""The contestants, each behind the same two calls: an image batch or a token batch to embeddings.

A peer that is not installed is left out with a sentence. All compute in float32 with the number of threads
given, from the same ONNX files (PyTorch from the model that they were exported from).
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Callable, Dict, List, Sequence

import numpy as np

Encode = Callable[[np.ndarray], np.ndarray]
Encoders = Dict[str, Encode]

FILES = {"image": "visual.onnx", "text": "textual.onnx"}
BOTH = tuple(FILES)


def swiftclip_peer(folder: Path, threads: int, towers: Sequence[str] = BOTH, instructions: str = "auto") -> Encoders:
    import swiftclip

    path = folder if len(towers) == len(FILES) else folder / FILES[towers[0]]
    model = swiftclip.load(path, threads=threads, instructions=instructions)
    encoders = {"image": model.encode_image, "text": model.encode_text}
    return {tower: encoders[tower] for tower in towers}


def _as_64_bit_ids(encoders: Encoders) -> Encoders:
    """The exported text encoders read int64, and swiftclip's tokens are int32."""
    if "text" in encoders:
        text = encoders["text"]
        encoders["text"] = lambda tokens: text(tokens.astype(np.int64))
    return encoders


def onnxruntime_peer(folder: Path, threads: int, towers: Sequence[str] = BOTH) -> Encoders:
    import onnxruntime

    def session(name: str) -> Encode:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        made = onnxruntime.InferenceSession(str(folder / name), options, providers=["CPUExecutionProvider"])
        given = made.get_inputs()[0].name
        return lambda batch: made.run(None, {given: batch})[0]

    return _as_64_bit_ids({tower: session(FILES[tower]) for tower in towers})


def openvino_peer(folder: Path, threads: int, towers: Sequence[str] = BOTH) -> Encoders:
    import openvino

    core = openvino.Core()

    def compiled(name: str) -> Encode:
        model = core.compile_model(
            str(folder / name),
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

    return _as_64_bit_ids({tower: compiled(FILES[tower]) for tower in towers})


def pytorch_peer(folder: Path, threads: int, towers: Sequence[str] = BOTH, mapped: bool = False) -> Encoders:
    """`mapped`: weights stay in the file, which is the quickest start; in memory of their own they are faster."""
    import torch

    from models import pytorch_model

    torch.set_num_threads(threads)
    model = pytorch_model(folder, mapped)

    def encode(method: Callable, batch: np.ndarray) -> np.ndarray:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            return method(torch.from_numpy(batch)).numpy()

    encoders: Encoders = {
        "image": lambda batch: encode(model.encode_image, batch),
        "text": lambda tokens: encode(model.encode_text, tokens),
    }
    return _as_64_bit_ids({tower: encoders[tower] for tower in towers})


PEERS = {
    "onnxruntime": ("onnxruntime", onnxruntime_peer),
    "OpenVINO": ("openvino", openvino_peer),
    "PyTorch": ("open_clip", pytorch_peer),
}

OTHERS = {
    "hf-processors-rs": "hf_processors_rs",
    "instant-clip-tokenizer": "instant_clip_tokenizer",
    "torchvision": "torchvision",
    "open_clip": "open_clip",
}
"""What preprocessing, tokenizing and folders are compared with, beside PEERS: the module of each."""

_said: List[str] = []


def say(sentence: str) -> None:
    """Tells on stderr, once, what is left out and why; reports repeat it."""
    if sentence not in _said:
        _said.append(sentence)
        print(sentence, file=sys.stderr, flush=True)


def said() -> List[str]:
    return list(_said)


def has(name: str) -> bool:
    """Whether a peer is installed; says so if not."""
    module = PEERS[name][0] if name in PEERS else OTHERS[name]
    if importlib.util.find_spec(module):
        return True
    say(f"{name} is not measured: the Python package {module} is not installed in this environment.")
    return False


def opened(names: Sequence[str], folder: Path, threads: int, towers: Sequence[str] = BOTH) -> Dict[str, Encoders]:
    """Those peers among `names` that can be measured here, with the model opened."""
    found: Dict[str, Encoders] = {}
    for name in names:
        if not has(name):
            continue
        try:
            found[name] = PEERS[name][1](folder, threads, towers)
        except Exception as error:  # whatever a peer raises is no reason to measure nobody
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            say(f"{name} is not measured with {folder.name}: {reason}")
    return found
