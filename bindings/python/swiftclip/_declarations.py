"""The structs and functions of swiftclip.h, as ctypes sees them. Same order as the header."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_float, c_int, c_int32, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p
from typing import Any, Dict, Tuple

TEXT_TRUNCATE = 1
TEXT_REPLACE_INVALID = 2

FORMAT_ENCODED, FORMAT_GRAY, FORMAT_GRAY_ALPHA, FORMAT_RGB, FORMAT_RGBA = range(5)

INTERPOLATIONS = {"bicubic": 0, "bilinear": 1, "nearest": 2}
ALPHAS = {"drop": 0, "composite": 1}
ORIENTATIONS = {"ignore": 0, "apply": 1}
CONVERTS = {"last": 0, "first": 1}
JPEG_DECODINGS = {"full": 0, "scaled": 1}
INSTRUCTIONS = {"auto": 0, "portable": 1, "avx2": 2, "avx512": 3, "avx2_vnni": 4, "avx512_vnni": 5}
BACKENDS = {"own": 0, "openblas": 1}
PRECISIONS = {"float32": 0, "bfloat16": 1, "int8": 2}


class Text(ctypes.Structure):
    """swiftclip_text"""

    _fields_ = [("data", c_void_p), ("length", c_size_t)]


class Picture(ctypes.Structure):
    """swiftclip_picture"""

    _fields_ = [
        ("path", c_char_p),
        ("data", c_void_p),
        ("size", c_size_t),
        ("format", c_int32),
        ("width", c_int32),
        ("height", c_int32),
        ("stride", c_size_t),
        ("reserved", c_uint64),
    ]


class EmbeddedBatch(ctypes.Structure):
    """swiftclip_embedded_batch"""

    _fields_ = [
        ("first", c_size_t),
        ("count", c_size_t),
        ("total", c_size_t),
        ("embeddings", POINTER(c_float)),
        ("statuses", POINTER(c_int)),
        ("messages", POINTER(c_char_p)),
    ]


class PreprocessOptions(ctypes.Structure):
    """swiftclip_preprocess_options"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("image_size", c_int32),
        ("interpolation", c_int32),
        ("alpha", c_int32),
        ("orientation", c_int32),
        ("convert", c_int32),
        ("background", c_uint8 * 4),
        ("mean", c_float * 3),
        ("std", c_float * 3),
        ("max_pixels", c_uint64),
        ("max_bytes", c_uint64),
        ("jpeg_decoding", c_int32),
        ("reserved", c_int32),
    ]


class ModelOptions(ctypes.Structure):
    """swiftclip_model_options"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("threads", c_int32),
        ("instructions", c_int32),
        ("backend", c_int32),
        ("exact_order", c_int32),
        ("vocabulary", c_char_p),
        ("preprocess", POINTER(PreprocessOptions)),
        ("precision", c_int32),
        ("reserved", c_int32),
    ]


Progress = ctypes.CFUNCTYPE(c_int, c_void_p, c_size_t, c_size_t)
BatchFunction = ctypes.CFUNCTYPE(c_int, c_void_p, POINTER(EmbeddedBatch))

_STATUS = c_int
_HANDLE = c_void_p
_OUT_HANDLE = POINTER(c_void_p)
_NUMBERS = c_void_p  # a numpy buffer, always passed with its capacity
_TEXTS = c_void_p
_PICTURES = POINTER(Picture)

FUNCTIONS: Dict[str, Tuple[Any, Tuple[Any, ...]]] = {
    "swiftclip_version": (c_uint32, ()),
    "swiftclip_status_name": (c_char_p, (_STATUS,)),
    "swiftclip_last_error": (c_char_p, ()),
    "swiftclip_preprocess_options_init": (_STATUS, (POINTER(PreprocessOptions), c_size_t)),
    "swiftclip_preprocess": (_STATUS, (POINTER(PreprocessOptions), _PICTURES, c_size_t, _NUMBERS, c_size_t)),
    "swiftclip_model_options_init": (_STATUS, (POINTER(ModelOptions), c_size_t)),
    "swiftclip_model_open": (_STATUS, (c_char_p, POINTER(ModelOptions), _OUT_HANDLE)),
    "swiftclip_model_open_files": (_STATUS, (c_char_p, c_char_p, POINTER(ModelOptions), _OUT_HANDLE)),
    "swiftclip_model_open_memory": (
        _STATUS,
        (c_void_p, c_size_t, c_void_p, c_size_t, c_void_p, c_size_t, POINTER(ModelOptions), _OUT_HANDLE),
    ),
    "swiftclip_model_free": (None, (_HANDLE,)),
    "swiftclip_model_embed_dim": (c_size_t, (_HANDLE,)),
    "swiftclip_model_image_size": (c_size_t, (_HANDLE,)),
    "swiftclip_model_context_length": (c_size_t, (_HANDLE,)),
    "swiftclip_model_vocabulary_size": (c_size_t, (_HANDLE,)),
    "swiftclip_model_logit_scale": (c_float, (_HANDLE,)),
    "swiftclip_model_threads": (c_size_t, (_HANDLE,)),
    "swiftclip_model_describe": (_STATUS, (_HANDLE, c_char_p, c_size_t, POINTER(c_size_t))),
    "swiftclip_inspect": (_STATUS, (c_char_p, c_char_p, c_char_p, c_size_t, POINTER(c_size_t))),
    "swiftclip_model_preprocess": (_STATUS, (_HANDLE, _PICTURES, c_size_t, _NUMBERS, c_size_t)),
    "swiftclip_model_tokenize": (_STATUS, (_HANDLE, _TEXTS, c_size_t, c_uint32, _NUMBERS, c_size_t)),
    "swiftclip_encode_pixels": (_STATUS, (_HANDLE, _NUMBERS, c_size_t, _NUMBERS, c_size_t)),
    "swiftclip_encode_pictures": (_STATUS, (_HANDLE, _PICTURES, c_size_t, _NUMBERS, c_size_t, Progress, c_void_p)),
    "swiftclip_embed_pictures": (
        _STATUS,
        (_HANDLE, _PICTURES, c_size_t, _NUMBERS, c_size_t, BatchFunction, c_void_p),
    ),
    "swiftclip_encode_tokens": (_STATUS, (_HANDLE, _NUMBERS, c_size_t, _NUMBERS, c_size_t)),
    "swiftclip_encode_texts": (
        _STATUS,
        (_HANDLE, _TEXTS, c_size_t, c_uint32, _NUMBERS, c_size_t, Progress, c_void_p),
    ),
    "swiftclip_similarity": (
        _STATUS,
        (_NUMBERS, c_size_t, _NUMBERS, c_size_t, c_size_t, _NUMBERS, c_size_t),
    ),
    "swiftclip_classifier_create": (
        _STATUS,
        (_HANDLE, _TEXTS, c_size_t, _TEXTS, c_size_t, Progress, c_void_p, _OUT_HANDLE),
    ),
    "swiftclip_classifier_free": (None, (_HANDLE,)),
    "swiftclip_classifier_label_count": (c_size_t, (_HANDLE,)),
    "swiftclip_classifier_weights": (_STATUS, (_HANDLE, _NUMBERS, c_size_t)),
    "swiftclip_classifier_probabilities": (_STATUS, (_HANDLE, _NUMBERS, c_size_t, _NUMBERS, c_size_t)),
    "swiftclip_classifier_cosines": (_STATUS, (_HANDLE, _NUMBERS, c_size_t, _NUMBERS, c_size_t)),
    "swiftclip_tokenizer_open": (_STATUS, (c_char_p, c_size_t, _OUT_HANDLE)),
    "swiftclip_tokenizer_free": (None, (_HANDLE,)),
    "swiftclip_tokenizer_vocabulary_size": (c_size_t, (_HANDLE,)),
    "swiftclip_tokenizer_encode": (_STATUS, (_HANDLE, _TEXTS, c_size_t, c_uint32, _NUMBERS, c_size_t)),
}
