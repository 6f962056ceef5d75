"""The structs and functions of swiftclip.h, as ctypes sees them. Same order as the header."""

from __future__ import annotations

import ctypes
from ctypes import (
    POINTER,
    c_char_p,
    c_double,
    c_float,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_uint8,
    c_uint32,
    c_uint64,
    c_void_p,
)
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
STORED_WEIGHTS = {"float32": 0, "float16": 1}
PRECISIONS = {"float32": 0, "bfloat16": 1, "int8": 2}
CROPS = {"centre": 0, "random": 1}
BACKGROUNDS = {"preprocess": 0, "white": 1, "random": 2}
LONG_CAPTIONS = {"truncate": 0, "skip": 1, "refuse": 2}


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


class Architecture(ctypes.Structure):
    """swiftclip_architecture"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("embed_dim", c_int32),
        ("image_size", c_int32),
        ("vision_layers", c_int32 * 4),
        ("vision_width", c_int32),
        ("vision_patch_size", c_int32),
        ("vision_heads", c_int32),
        ("context_length", c_int32),
        ("vocabulary_size", c_int32),
        ("text_width", c_int32),
        ("text_heads", c_int32),
        ("text_layers", c_int32),
        ("exact_gelu", c_int32),
    ]


class TrainerOptions(ctypes.Structure):
    """swiftclip_trainer_options"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("learning_rate", c_double),
        ("weight_decay", c_double),
        ("beta1", c_double),
        ("beta2", c_double),
        ("epsilon", c_double),
        ("clip_norm", c_double),
        ("warmup", c_int64),
        ("steps", c_int64),
        ("accumulate", c_int32),
        ("precision", c_int32),
        ("threads", c_int32),
        ("instructions", c_int32),
        ("seed", c_uint64),
        ("freeze", POINTER(c_char_p)),
        ("freeze_count", c_size_t),
    ]


class Tensor(ctypes.Structure):
    """swiftclip_tensor"""

    _fields_ = [
        ("name", c_char_p),
        ("values", POINTER(c_float)),
        ("gradient", POINTER(c_float)),
        ("count", c_size_t),
        ("rank", c_size_t),
        ("shape", c_size_t * 4),
        ("trained", c_int32),
        ("reserved", c_int32),
    ]


class DatasetOptions(ctypes.Structure):
    """swiftclip_dataset_options"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("model", c_void_p),
        ("preprocess", POINTER(PreprocessOptions)),
        ("vocabulary", c_char_p),
        ("context_length", c_int32),
        ("batch_size", c_int32),
        ("seed", c_uint64),
        ("shuffle", c_int32),
        ("shuffle_buffer", c_int32),
        ("buffer_bytes", c_uint64),
        ("keep_last", c_int32),
        ("endless", c_int32),
        ("threads", c_int32),
        ("ahead", c_int32),
        ("crop", c_int32),
        ("background", c_int32),
        ("scale_min", c_float),
        ("scale_max", c_float),
        ("flip", c_float),
        ("brightness", c_float),
        ("contrast", c_float),
        ("saturation", c_float),
        ("sentences", c_int32),
        ("long_captions", c_int32),
        ("allow_outside", c_int32),
        ("named", c_int32),
        ("path_column", c_char_p),
        ("caption_column", c_char_p),
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
    "swiftclip_trainer_options_init": (_STATUS, (POINTER(TrainerOptions), c_size_t)),
    "swiftclip_trainer_create": (
        _STATUS,
        (POINTER(Architecture), c_char_p, POINTER(TrainerOptions), _OUT_HANDLE),
    ),
    "swiftclip_trainer_open": (
        _STATUS,
        (c_char_p, c_char_p, c_char_p, POINTER(TrainerOptions), _OUT_HANDLE),
    ),
    "swiftclip_trainer_resume": (_STATUS, (c_char_p, POINTER(TrainerOptions), _OUT_HANDLE)),
    "swiftclip_trainer_free": (None, (_HANDLE,)),
    "swiftclip_trainer_embed_dim": (c_size_t, (_HANDLE,)),
    "swiftclip_trainer_image_size": (c_size_t, (_HANDLE,)),
    "swiftclip_trainer_context_length": (c_size_t, (_HANDLE,)),
    "swiftclip_trainer_vocabulary_size": (c_size_t, (_HANDLE,)),
    "swiftclip_trainer_steps_done": (c_uint64, (_HANDLE,)),
    "swiftclip_trainer_learning_rate": (c_double, (_HANDLE,)),
    "swiftclip_trainer_logit_scale": (c_double, (_HANDLE,)),
    "swiftclip_trainer_step": (_STATUS, (_HANDLE, _NUMBERS, _NUMBERS, c_size_t, POINTER(c_double))),
    "swiftclip_trainer_evaluate": (_STATUS, (_HANDLE, _NUMBERS, _NUMBERS, c_size_t, POINTER(c_double))),
    "swiftclip_trainer_encode": (
        _STATUS,
        (_HANDLE, _NUMBERS, _NUMBERS, c_size_t, _NUMBERS, _NUMBERS, c_size_t),
    ),
    "swiftclip_trainer_backward": (
        _STATUS,
        (_HANDLE, _NUMBERS, _NUMBERS, c_size_t, c_size_t, POINTER(c_double)),
    ),
    "swiftclip_trainer_backpropagate": (_STATUS, (_HANDLE, _NUMBERS, _NUMBERS, c_size_t)),
    "swiftclip_trainer_gradients": (_STATUS, (_HANDLE, POINTER(POINTER(c_float)), POINTER(c_size_t))),
    "swiftclip_trainer_update": (_STATUS, (_HANDLE,)),
    "swiftclip_trainer_tensor_count": (c_size_t, (_HANDLE,)),
    "swiftclip_trainer_tensor": (_STATUS, (_HANDLE, c_size_t, POINTER(Tensor))),
    "swiftclip_trainer_save": (_STATUS, (_HANDLE, c_char_p)),
    "swiftclip_trainer_export": (_STATUS, (_HANDLE, c_char_p, c_int32)),
    "swiftclip_learn_merges": (
        _STATUS,
        (_TEXTS, c_size_t, c_uint32, c_size_t, c_char_p, Progress, c_void_p, POINTER(c_size_t)),
    ),
    "swiftclip_dataset_options_init": (_STATUS, (POINTER(DatasetOptions), c_size_t)),
    "swiftclip_dataset_open": (_STATUS, (POINTER(c_char_p), c_size_t, POINTER(DatasetOptions), _OUT_HANDLE)),
    "swiftclip_dataset_free": (None, (_HANDLE,)),
    "swiftclip_dataset_next": (_STATUS, (_HANDLE, _NUMBERS, c_size_t, _NUMBERS, c_size_t, POINTER(c_size_t))),
    "swiftclip_dataset_seek": (_STATUS, (_HANDLE, c_uint64)),
    "swiftclip_dataset_position": (c_uint64, (_HANDLE,)),
    "swiftclip_dataset_batches": (c_size_t, (_HANDLE,)),
    "swiftclip_dataset_report": (_STATUS, (_HANDLE, c_char_p, c_size_t, POINTER(c_size_t))),
}
