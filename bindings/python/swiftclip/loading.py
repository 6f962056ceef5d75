"""Opening models."""

from __future__ import annotations

import ctypes
import os
from typing import Any, Callable, Dict, Optional, Tuple, Union

import numpy as np

from ._declarations import BACKENDS, INSTRUCTIONS, PRECISIONS, ModelOptions
from ._errors import bad_argument, bad_type
from ._library import address, check, library
from ._places import default_model
from .model import Model
from .options import Limits, Preprocess, chosen, whole

Path = Union[str, "os.PathLike[str]"]
Buffer = Union[bytes, bytearray, memoryview]


def load(
    path: Optional[Path] = None,
    textual: Optional[Path] = None,
    vocabulary: Optional[Path] = None,
    threads: int = 0,
    precision: str = "float32",
    *,
    instructions: str = "auto",
    backend: str = "own",
    exact_order: bool = False,
    preprocess: Optional[Preprocess] = None,
    limits: Optional[Limits] = None,
    read_into_memory: bool = False,
) -> Model:
    """Opens a model. Since 1.0.

    path          one ONNX file that holds one tower or both, or a folder in a common layout: visual.onnx +
                  textual.onnx; onnx/vision_model.onnx + onnx/text_model.onnx or onnx/model.onnx; or
                  visual/model.onnx + textual/model.onnx. None: the small default model
    textual       the file of the text encoder, `path` being that of the image encoder; with `path` None a
                  model that answers for texts only
    vocabulary    merges.txt or bpe_simple_vocab_16e6.txt[.gz]; None: looked for beside the model and in it
    threads       1...1024 for one call; 0: the cores allowed to the process by affinity and cgroup
    precision     of the large products in the Transformers' blocks. "float32": exact; "bfloat16": weights rounded to
                  half the memory; "int8": weights rounded to 8 bits, inputs too, with a scale for each output
                  and each token: a quarter of the memory, and faster. Others than "float32" since 1.1
    instructions  "auto": the best that the processor has; "portable", "avx2", "avx2_vnni", "avx512" or
                  "avx512_vnni" force one
    backend       "own", or "openblas" (libopenblas.so.0), for comparison
    exact_order   True: every sum is added in ascending order, which makes a ResNet's convolutions slower and
                  halves their error, which is far below 1e-5 either way. Since 1.1
    preprocess    how pictures become pixels; None: the official way
    limits        how much the model may be asked for; None: anything. Since 1.1
    read_into_memory
                  True: files are read into memory instead of mapped, for files that others may change or cut while
                  they are opened: cutting a mapped file ends the process. Since 1.1

    Files are not needed once this returns. May be called from any thread.

    Raises SwiftCLIPError: FileError, InvalidDataError (a damaged file), UnsupportedError (a graph that is
    not understood, with the first operator that did not fit; an instruction set that the processor
    lacks), LimitExceededError, InvalidArgumentError, OutOfMemoryError, LibraryError.
    """
    opened: Optional[Path] = default_model() if path is None and textual is None else path
    arguments = dict(
        path=_absolute(path, "path"),
        textual=_absolute(textual, "textual"),
        vocabulary=_absolute(vocabulary, "vocabulary"),
        threads=threads,
        precision=precision,
        instructions=instructions,
        backend=backend,
        exact_order=exact_order,
        preprocess=preprocess,
        limits=limits,
        read_into_memory=read_into_memory,
    )
    options, kept = _options(
        vocabulary, threads, precision, instructions, backend, exact_order, preprocess, limits, read_into_memory
    )
    handle = ctypes.c_void_p()
    if textual is None:
        status = library().swiftclip_model_open(_file(opened, "path"), ctypes.byref(options), ctypes.byref(handle))
    else:
        status = library().swiftclip_model_open_files(
            _file(path, "path"), _file(textual, "textual"), ctypes.byref(options), ctypes.byref(handle)
        )
    check(status)
    name = " + ".join(str(part) for part in (opened, textual) if part is not None)
    return _model(handle, name, kept, (load, arguments))


def load_bytes(
    visual: Optional[Buffer] = None,
    textual: Optional[Buffer] = None,
    vocabulary: Optional[Buffer] = None,
    threads: int = 0,
    precision: str = "float32",
    *,
    instructions: str = "auto",
    backend: str = "own",
    exact_order: bool = False,
    preprocess: Optional[Preprocess] = None,
    limits: Optional[Limits] = None,
) -> Model:
    """Opens a model from memory. Since 1.0.

    visual, textual  the bytes of one ONNX file for each tower, or of one that holds both, as either; one
                     may be missing
    vocabulary       the bytes of a vocabulary file, plain or gzip

    Nothing is kept of the buffers, so such a model cannot be pickled. External data cannot be used.
    Otherwise as `load`.
    """
    given = dict(visual=visual, textual=textual, vocabulary=vocabulary)
    parts = [part for name, value in given.items() for part in _buffer(value, name)]
    options, kept = _options(
        None, threads, precision, instructions, backend, exact_order, preprocess, limits, False
    )
    handle = ctypes.c_void_p()
    check(
        library().swiftclip_model_open_memory(
            *(address(part) if isinstance(part, np.ndarray) else part for part in parts),
            ctypes.byref(options),
            ctypes.byref(handle),
        )
    )
    return _model(handle, "(from memory)", kept, None)


def _options(
    vocabulary: Optional[Path],
    threads: int,
    precision: str,
    instructions: str,
    backend: str,
    exact_order: bool,
    preprocess: Optional[Preprocess],
    limits: Optional[Limits],
    read_into_memory: bool,
) -> Tuple[ModelOptions, Preprocess]:
    """The struct of the C library, and the `Preprocess` that it holds. ctypes keeps what it points to."""
    if preprocess is not None and not isinstance(preprocess, Preprocess):
        raise bad_type(f"preprocess is of type {type(preprocess).__name__}, and must be a swiftclip.Preprocess.")
    if limits is not None and not isinstance(limits, Limits):
        raise bad_type(f"limits is of type {type(limits).__name__}, and must be a swiftclip.Limits.")
    chosen_preprocess = Preprocess() if preprocess is None else preprocess
    options = ModelOptions()
    check(library().swiftclip_model_options_init(ctypes.byref(options), ctypes.sizeof(options)))
    options.threads = whole("threads", threads, 0, 1024)
    options.precision = chosen("precision", precision, PRECISIONS)
    options.instructions = chosen("instructions", instructions, INSTRUCTIONS)
    options.backend = chosen("backend", backend, BACKENDS)
    options.exact_order = bool(exact_order)
    options.read_into_memory = bool(read_into_memory)
    (limits or Limits()).to_c(options)
    options.vocabulary = _file(vocabulary, "vocabulary")
    options.preprocess = ctypes.pointer(chosen_preprocess.to_c())
    return options, chosen_preprocess


def _file(path: Optional[Path], name: str) -> Optional[bytes]:
    if path is None:
        return None
    try:
        encoded = os.fsencode(os.fspath(path))
    except TypeError:
        raise bad_type(f"{name} is of type {type(path).__name__}, and must be a path.") from None
    if b"\0" in encoded:
        raise bad_argument(f"{name} holds a NUL byte: {path!r}.")
    return encoded


def _absolute(path: Optional[Path], name: str) -> Optional[str]:
    encoded = _file(path, name)
    return None if encoded is None else os.path.abspath(os.fsdecode(encoded))


def _buffer(value: Optional[Buffer], name: str) -> Tuple[Optional[np.ndarray], int]:
    if value is None:
        return None, 0
    try:
        view = np.frombuffer(value, np.uint8)
    except (TypeError, ValueError, BufferError):
        if isinstance(value, (bytes, bytearray, memoryview)) and not len(value):
            return np.zeros(1, np.uint8), 0
        raise bad_type(f"{name} is of type {type(value).__name__}, and must be bytes.") from None
    return view, view.size


def _model(
    handle: ctypes.c_void_p,
    name: str,
    preprocess: Preprocess,
    reopen: Optional[Tuple[Callable[..., Model], Dict[str, Any]]],
) -> Model:
    assert handle.value is not None
    return Model(handle.value, name, preprocess, reopen)
