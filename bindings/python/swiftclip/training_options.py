"""How a CLIP is trained, as the C library takes it."""

from __future__ import annotations

import ctypes
import inspect
import math
import os
from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Tuple, Union

from ._declarations import Architecture, TrainerOptions
from ._errors import bad_argument
from ._library import check, library
from .options import chosen, real, whole

TRAINING_PRECISIONS = {"float32": 0}


def architecture(config: Mapping[str, Any]) -> Architecture:
    """The sizes of a model from a configuration in open_clip's terms.

        {"embed_dim": 512, "quick_gelu": True,
         "vision_cfg": {"image_size": 224, "layers": 12, "width": 768, "patch_size": 32},
         "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8, "layers": 12}}

    `layers` of a Modified ResNet is a list of four. `head_width` is 64 where it is missing. Raises
    InvalidArgumentError for what is missing, and for keys of variants that the paper does not have.
    """
    known = {
        "": {"embed_dim", "quick_gelu", "vision_cfg", "text_cfg", "logit_scale"},
        "vision_cfg": {"image_size", "layers", "width", "patch_size", "head_width"},
        "text_cfg": {"context_length", "vocab_size", "width", "heads", "layers"},
    }
    parts = {"": config, "vision_cfg": config.get("vision_cfg", {}), "text_cfg": config.get("text_cfg", {})}
    for part, values in parts.items():
        for key in values:
            if key not in known[part]:
                raise bad_argument(f"The configuration has {part}{'.' if part else ''}{key}, which is not of the paper's models.")

    def size(part: str, key: str, default: Optional[int] = None) -> int:
        value = parts[part].get(key, default)
        if value is None:
            raise bad_argument(f"The configuration lacks {part}{'.' if part else ''}{key}.")
        return whole(key, value, 0, 2**31 - 1)

    sizes = Architecture(struct_size=ctypes.sizeof(Architecture))
    sizes.embed_dim = size("", "embed_dim")
    sizes.image_size = size("vision_cfg", "image_size")
    width, head = size("vision_cfg", "width"), size("vision_cfg", "head_width", 64)
    layers = parts["vision_cfg"].get("layers")
    if isinstance(layers, Sequence):
        if len(layers) != 4:
            raise bad_argument(f"vision_cfg.layers has {len(layers)} stages, and a Modified ResNet has 4.")
        for stage, count in enumerate(layers):
            sizes.vision_layers[stage] = whole("layers", count, 1, 256)
        sizes.vision_heads = max(1, 32 * width // head) if head else 0
    else:
        sizes.vision_layers[0] = size("vision_cfg", "layers")
        sizes.vision_patch_size = size("vision_cfg", "patch_size")
        sizes.vision_heads = max(1, width // head) if head else 0
    sizes.vision_width = width
    sizes.context_length = size("text_cfg", "context_length")
    sizes.vocabulary_size = size("text_cfg", "vocab_size")
    sizes.text_width = size("text_cfg", "width")
    sizes.text_heads = size("text_cfg", "heads")
    sizes.text_layers = size("text_cfg", "layers")
    sizes.exact_gelu = 0 if config.get("quick_gelu", True) else 1
    return sizes


def trainer_defaults(trainer: Callable[..., Any]) -> Dict[str, Any]:
    """The arguments of `trainer_options` with the defaults that they have in the signature of `Trainer`."""
    defaults = {name: told.default for name, told in inspect.signature(trainer).parameters.items()}
    return {name: defaults[name] for name in inspect.signature(trainer_options).parameters}


def trainer_options(
    learning_rate: float,
    weight_decay: float,
    betas: Tuple[float, float],
    eps: float,
    warmup: int,
    steps: Optional[int],
    clip_norm: Optional[float],
    accumulate: int,
    precision: str,
    freeze: Union[str, Sequence[str]],
    threads: int,
    seed: int,
    max_bytes: Optional[int],
) -> TrainerOptions:
    """The struct of the C library. Raises InvalidArgumentError for values that it cannot hold."""
    options = TrainerOptions()
    check(library().swiftclip_trainer_options_init(ctypes.byref(options), ctypes.sizeof(options)))
    options.learning_rate = real("learning_rate", learning_rate)
    options.weight_decay = real("weight_decay", weight_decay)
    if len(tuple(betas)) != 2:
        raise bad_argument(f"betas is {betas!r}, and must be two numbers.")
    options.beta1, options.beta2 = (real("betas", beta) for beta in betas)
    options.epsilon = real("eps", eps)
    options.clip_norm = 0.0 if clip_norm is None else real("clip_norm", clip_norm)
    if clip_norm is not None and not (math.isfinite(options.clip_norm) and options.clip_norm > 0):
        raise bad_argument(f"clip_norm is {clip_norm!r}, and must be above 0, or None.")
    options.warmup = whole("warmup", warmup, 0, 2**62)
    options.steps = 0 if steps is None else whole("steps", steps, 1, 2**62)
    options.accumulate = whole("accumulate", accumulate, 1, 2**31 - 1)
    options.precision = chosen("precision", precision, TRAINING_PRECISIONS)
    options.threads = whole("threads", threads, 0, 1024)
    options.seed = whole("seed", seed, 0, 2**64 - 1)
    options.max_bytes = 0 if max_bytes is None else whole("max_bytes", max_bytes, 1, 2**64 - 1)
    names = [freeze] if isinstance(freeze, str) else list(freeze)
    if names:
        options.freeze = (ctypes.c_char_p * len(names))(*[os.fsencode(name) for name in names])
        options.freeze_count = len(names)
    return options
