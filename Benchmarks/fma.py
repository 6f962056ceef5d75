"""The limit of the arithmetic: a bare loop of multiply-adds (fma.c), compiled by the system's compiler.

It runs as one more contestant in the rounds of the encoders, so that its clock is theirs. What a model has to
multiply on paper is counted here too: nothing saved, all tokens, whole last block.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Tuple

from models import ROOT

SOURCE = Path(__file__).with_name("fma.c")
SECONDS = 0.03
"""Of one run: long beside the starting of threads, short beside a round."""

VECTORS = {"portable": 16, "avx2": 32, "avx512": 64}


class Limit:
    """Loops of one vector width on some threads."""

    def __init__(self, library: ctypes.CDLL, vector: int, threads: int) -> None:
        self._run = lambda rounds: library.fma_run(vector, threads, rounds)
        rounds, taken = 1 << 16, 0.0
        while taken < SECONDS / 4:
            rounds *= 2
            start = time.perf_counter()
            self.operations = self._run(rounds)
            taken = time.perf_counter() - start
        self._rounds = int(rounds * SECONDS / taken)

    def __call__(self) -> None:
        self.operations = self._run(self._rounds)


def compiled() -> Tuple[Optional[ctypes.CDLL], str]:
    """The library, or None and why not."""
    text = SOURCE.read_bytes()
    path = ROOT / "build" / "bench" / f"fma-{hashlib.sha256(text).hexdigest()[:12]}.so"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        compiler = os.environ.get("CC", "cc")
        command = [compiler, "-O2", "-ffp-contract=fast", "-shared", "-fPIC", "-pthread", str(SOURCE), "-o", str(path)]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except OSError as error:
            return None, f"The FMA limit is not measured: the compiler {compiler} could not be run ({error.strerror})."
        if done.returncode:
            return None, f"The FMA limit is not measured: {compiler} could not compile fma.c: {done.stderr.strip()}"
    library = ctypes.CDLL(str(path))
    library.fma_run.restype = ctypes.c_double
    library.fma_run.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_long)
    return library, ""


def limit(library: ctypes.CDLL, instructions: str, threads: int) -> Limit:
    """Of an instruction set of swiftclip, or of the widest ("auto")."""
    widest = library.fma_widest()
    return Limit(library, min(VECTORS.get(instructions, widest), widest), threads)


def has_avx512(library: Optional[ctypes.CDLL]) -> bool:
    return library is not None and library.fma_widest() == 64


# ---- Operations on paper ----


def _transformer(tokens: int, width: int, layers: int) -> int:
    return layers * (12 * tokens * width * width + 2 * tokens * tokens * width)


def _vision_transformer(vision: Dict[str, Any], embed_dim: int) -> int:
    patches = (vision["image_size"] // vision["patch_size"]) ** 2
    width = vision["width"]
    embedding = patches * 3 * vision["patch_size"] ** 2 * width
    return embedding + _transformer(patches + 1, width, vision["layers"]) + width * embed_dim


def _modified_resnet(vision: Dict[str, Any], embed_dim: int) -> int:
    """The pool at its end has one query, as in the official code; open_clip computes 50 and reads one."""
    width, side = vision["width"], vision["image_size"] // 2
    half = width // 2
    total = side * side * 9 * (3 * half + half * half + half * width)
    side, inputs = side // 2, width
    for stage, blocks in enumerate(vision["layers"]):
        planes = width << stage
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            total += side * side * (inputs * planes + 9 * planes * planes)
            side //= stride
            total += side * side * planes * 4 * planes
            if block == 0:
                total += side * side * inputs * 4 * planes
            inputs = 4 * planes
    tokens = side * side + 1
    return total + 2 * tokens * inputs * inputs + inputs * inputs + 2 * tokens * inputs + inputs * embed_dim


def operations(config: Dict[str, Any], tower: str) -> int:
    """Of one picture or one text of full length; a multiply-add is two."""
    if tower == "text":
        text = config["text_cfg"]
        sums = _transformer(text["context_length"], text["width"], text["layers"]) + text["width"] * config["embed_dim"]
    else:
        vision = config["vision_cfg"]
        count: Callable[[Dict[str, Any], int], int] = (
            _modified_resnet if isinstance(vision["layers"], list) else _vision_transformer
        )
        sums = count(vision, config["embed_dim"])
    return 2 * sums
