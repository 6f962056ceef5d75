"""Local archives of the official release (`ViT-B-32.pt`, `RN50.pt`, ...) as sources of an export.

An archive is a TorchScript zip or a saved state dict. Neither is trusted: a state dict is read as tensors only, and of
a TorchScript archive nothing is run, its tensors are taken. Needs PyTorch.
"""

from __future__ import annotations

import importlib.util
import os
import zipfile
from pathlib import Path
from typing import Any, Dict, Optional, Set, Tuple

from ._errors import Status, bad_argument, error_for
from .export import VOCABULARY, Source

_TOLD = ("input_resolution", "context_length", "vocab_size")
"""Entries of official archives that are no weights."""


def archive(path: Any, *, vocabulary: Optional[Any] = None, activation: Optional[str] = None) -> Source:
    """Reads an archive of the official release, or a state dict with the same names. Since 1.1.

    path        the .pt file: TorchScript or a state dict, in float16 or float32; also one inside {"state_dict": ...},
                with or without "module." before every name
    vocabulary  bpe_simple_vocab_16e6.txt[.gz] or merges.txt; None: that of the installed open_clip or clip package
    activation  "quick_gelu" (the official models'), or "gelu"; None: "quick_gelu". Files do not say which

    Raises SwiftCLIPError: FileError, InvalidDataError (no archive, or not a CLIP's tensors), UnsupportedError.
    """
    if importlib.util.find_spec("torch") is None:
        raise error_for(Status.UNSUPPORTED, "Reading a .pt archive needs PyTorch: pip install torch.")
    if activation not in (None, "quick_gelu", "gelu"):
        raise bad_argument(f'activation is {activation!r}, and must be "quick_gelu" or "gelu".')
    state = _state_dict(os.fspath(path))
    sizes = _Sizes(state, os.fspath(path))
    merges, package = _vocabulary(vocabulary)

    def make() -> Any:
        from ._torch_clip import CLIP

        model = CLIP(sizes.vision, sizes.text, quick_gelu=activation != "gelu")
        weights = {name: value for name, value in state.items() if name not in _TOLD}
        try:
            model.load_state_dict(weights, strict=True)
        except RuntimeError as error:
            told = " ".join(str(error).split("\n", 1)[-1].split())
            raise _refused(os.fspath(path), told.rstrip(".")[:400]) from None
        return model

    return Source(
        title=f"{Path(path).name}{'' if activation is None else f' ({activation})'}",
        package=package,
        make=make,
        config=dict(
            embed_dim=sizes.vision["embed_dim"],
            quick_gelu=activation != "gelu",
            vision_cfg={name: value for name, value in sizes.vision.items() if name != "embed_dim"},
            text_cfg={name: value for name, value in sizes.text.items() if name != "embed_dim"},
        ),
        vocabulary=merges,
    )


def _state_dict(path: str) -> Dict[str, Any]:
    """The tensors by name, in float32."""
    import pickle

    import torch

    try:
        if _is_torchscript(path):
            held: Any = torch.jit.load(path, map_location="cpu").state_dict()
        else:
            held = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise error_for(Status.IO_ERROR, f"{path} cannot be read: {error.strerror or error}.") from error
    except pickle.UnpicklingError:
        # PyTorch's own message tells how to read such files all the same, which is no good advice.
        raise error_for(
            Status.INVALID_DATA,
            f"{path} is damaged or holds other things than tensors, which could run any code, and is not opened. "
            "Save its state_dict() alone.",
        ) from None
    except Exception as error:  # torch raises whatever its zip reader, its pickle reader or the file's bytes make it
        told = str(error).splitlines()[0][:200] if str(error) else ""
        raise error_for(
            Status.INVALID_DATA, f"{path} is no archive that PyTorch can read: {type(error).__name__}: {told}"
        ) from error
    if isinstance(held, dict) and isinstance(held.get("state_dict"), dict):
        held = held["state_dict"]
    if not isinstance(held, dict) or not held:
        raise _refused(path, f"it holds a {type(held).__name__} in place of tensors by name")
    state = {}
    for name, value in held.items():
        if not isinstance(name, str) or not isinstance(value, (torch.Tensor, int)):
            raise _refused(path, f"{name!r} is a {type(value).__name__}")
        name = name[len("module.") :] if name.startswith("module.") else name
        state[name] = value.float() if isinstance(value, torch.Tensor) and value.is_floating_point() else value
    return state


def _is_torchscript(path: str) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as held:
            return any(name.split("/")[-1] == "constants.pkl" for name in held.namelist())
    except zipfile.BadZipFile:
        return False


def _refused(path: str, reason: str) -> Exception:
    return error_for(
        Status.INVALID_DATA,
        f"{path} is no CLIP of the official release: {reason}. Give an archive or a state dict with the official "
        "names.",
    )


class _Sizes:
    """The sizes that shapes tell, as openai/CLIP's own names and shapes have them."""

    vision: Dict[str, Any]
    text: Dict[str, Any]

    def __init__(self, state: Dict[str, Any], path: str) -> None:
        self._state, self._path = state, path
        context, text_width = self._shape("positional_embedding", 2)
        vocabulary, _ = self._shape("token_embedding.weight", 2)
        _, embed_dim = self._shape("text_projection", 2)
        self._shape("logit_scale", 0)
        self.text = dict(
            embed_dim=embed_dim,
            context_length=context,
            vocab_size=vocabulary,
            width=text_width,
            heads=self._heads(text_width),
            layers=len(self._numbers("transformer.resblocks.")),
        )
        self.vision = self._vit() if "visual.proj" in state else self._resnet()
        if self.vision["embed_dim"] != embed_dim:
            raise _refused(path, f"pictures become {self.vision['embed_dim']} numbers, and texts {embed_dim}")
        for name, size in zip(_TOLD, (self.vision["image_size"], context, vocabulary)):
            told = state.get(name, size)
            if int(told) != size:
                raise _refused(path, f"{name} is {int(told)}, and the shapes say {size}")

    def _vit(self) -> Dict[str, Any]:
        width, _, patch, other = self._shape("visual.conv1.weight", 4)
        places, _ = self._shape("visual.positional_embedding", 2)
        side = self._side(places, "visual.positional_embedding")
        if patch != other:
            raise _refused(self._path, f"its patches are {patch} × {other} pixels")
        return dict(
            embed_dim=self._shape("visual.proj", 2)[1],
            image_size=patch * side,
            layers=len(self._numbers("visual.transformer.resblocks.")),
            width=width,
            patch_size=patch,
            heads=self._heads(width),
        )

    def _resnet(self) -> Dict[str, Any]:
        width = self._shape("visual.layer1.0.conv1.weight", 4)[0]
        places, _ = self._shape("visual.attnpool.positional_embedding", 2)
        return dict(
            embed_dim=self._shape("visual.attnpool.c_proj.weight", 2)[0],
            image_size=32 * self._side(places, "visual.attnpool.positional_embedding"),
            layers=tuple(len(self._numbers(f"visual.layer{stage}.")) for stage in (1, 2, 3, 4)),
            width=width,
            heads=self._heads(32 * width),
        )

    def _shape(self, name: str, dimensions: int) -> Tuple[int, ...]:
        if name not in self._state:
            raise _refused(self._path, f"{name!r} is missing")
        shape = tuple(getattr(self._state[name], "shape", ()))
        if len(shape) != dimensions or 0 in shape:
            raise _refused(self._path, f"{name!r} has the shape {shape}")
        return shape

    def _heads(self, width: int) -> int:
        if width % 64:
            raise _refused(self._path, f"a width of {width} does not divide into the official heads of 64")
        return width // 64

    def _side(self, places: int, name: str) -> int:
        side = int((places - 1) ** 0.5)
        if side < 1 or side * side != places - 1:
            raise _refused(self._path, f"{name!r} has {places} rows, which are no square and one")
        return side

    def _numbers(self, prefix: str) -> Set[str]:
        return {name[len(prefix) :].split(".")[0] for name in self._state if name.startswith(prefix)}


def _vocabulary(path: Optional[Any]) -> Tuple[Path, str]:
    """The merges and the package whose tokenizer they are compared with, "" if none."""
    if path is not None:
        return Path(path), ""
    for package in ("open_clip", "clip"):
        found = importlib.util.find_spec(package)
        for folder in (found.submodule_search_locations or []) if found is not None else []:
            if (Path(folder) / VOCABULARY).is_file():
                return Path(folder) / VOCABULARY, package
    raise error_for(
        Status.UNSUPPORTED,
        f"An archive has no vocabulary, and no package is installed that does. Name {VOCABULARY} with --vocabulary, "
        "or: pip install open_clip_torch.",
    )
