"""What a model's files hold, without opening the model."""

from __future__ import annotations

import ctypes
import json
from dataclasses import dataclass, fields
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

from ._library import check, library
from ._places import default_model
from .loading import Path, _file

_CAPACITY = 65536  # holds any answer to paths of sensible length; longer ones are asked for twice


@dataclass(frozen=True)
class Tower:
    """What was recognised of one encoder. Made by `inspect`. Since 1.1."""

    kind: str
    """"VisionTransformer", "ModifiedResNet" or "TextTransformer"."""
    width: int
    layers: Union[int, Tuple[int, ...]]
    """A tuple in a ResNet: bottlenecks of each stage."""
    heads: Optional[int]
    head_width: Optional[int]
    activation: Optional[str]
    """"quick_gelu", "gelu" or "relu"."""
    mask: Optional[str]
    """"causal" or "none"."""
    pooling: str
    """"class token", "attention pool", "largest id", "first of an id" (`pooling_id`) or "last position"."""
    normalised: bool
    """Whether the graph itself divides embeddings by their length."""
    parameters: int
    """Numbers that the tower computes with."""
    digest: str
    """16 hexadecimal digits that stand for what the tower computes: the same for the same numbers in the same
    structure, whichever exporter wrote them, in float32 or float16. Not proof against forgery."""
    weight_types: Mapping[str, int]
    """Numbers of each element type in the matrices of the tower's file."""
    exactly_float16: Optional[bool]
    """Whether all its float32 matrices hold numbers that float16 can hold, as official ones do; None: it has none."""
    file: str
    dialect: str
    """Whose way of writing a CLIP the file follows, as far as names tell, or "unknown". It decides nothing."""
    exporter: Optional[str]
    """The program that wrote the file, with its version, if the file says so."""
    opset: int
    image_size: Optional[int] = None
    patch_size: Optional[int] = None
    context_length: Optional[int] = None
    vocabulary_size: Optional[int] = None
    pooling_id: Optional[int] = None

    def lines(self) -> List[str]:
        """The findings in words."""
        if self.image_size is not None:
            patches = "" if self.patch_size is None else f" in patches of {self.patch_size}"
            reads = f"pictures of {self.image_size} px{patches}"
        else:
            reads = f"texts of {self.context_length} tokens out of {self.vocabulary_size:,}"
        layers = "+".join(map(str, self.layers)) if isinstance(self.layers, tuple) else self.layers
        pooling = self.pooling if self.pooling_id is None else f"first token with the id {self.pooling_id}"
        weights = ", ".join(f"{name} ({count:,})" for name, count in self.weight_types.items()) or "no matrices"
        exact = {None: "", True: "; every float32 is exactly a float16", False: "; float32 in full precision"}
        return [
            f"{self.kind}, reads {reads}",
            f"width {self.width}, layers {layers}, heads {self.heads} of {self.head_width}, {self.activation}, "
            f"mask {self.mask}",
            f"pooled at: {pooling}; output {'normalised' if self.normalised else 'not normalised'}",
            f"{self.parameters:,} parameters, digest {self.digest}",
            f"weights: {weights}{exact[self.exactly_float16]}",
            f"{self.file}: opset {self.opset}, written by {self.exporter or 'an unnamed exporter'}, "
            f"dialect {self.dialect}",
        ]


@dataclass(frozen=True)
class Inspection:
    """What a model's files hold. Made by `inspect`; str() is for people, `as_dict` for programs. Since 1.1."""

    architecture: Optional[str]
    """One of the official nine, such as "ViT-B/32"; None: another model, or a text encoder alone."""
    embed_dim: int
    logit_scale: Optional[float]
    """None: the files do not say, and 100 is used."""
    image: Optional[Tower]
    text: Optional[Tower]

    def as_dict(self) -> Dict[str, Any]:
        """The findings as JSON has them."""

        def plain(tower: Optional[Tower]) -> Optional[Dict[str, Any]]:
            if tower is None:
                return None
            found = {entry.name: getattr(tower, entry.name) for entry in fields(tower)}
            return {**found, "layers": list(found["layers"]) if isinstance(found["layers"], tuple) else found["layers"],
                    "weight_types": dict(tower.weight_types)}  # fmt: skip

        return dict(
            architecture=self.architecture,
            embed_dim=self.embed_dim,
            logit_scale=self.logit_scale,
            image=plain(self.image),
            text=plain(self.text),
        )

    def __str__(self) -> str:
        scale = "not stated (100 is used)" if self.logit_scale is None else f"{self.logit_scale:g}"
        lines = [
            f"{self.architecture or 'not one of the nine official models'}: embeddings of {self.embed_dim}, "
            f"logit scale {scale}"
        ]
        for name, tower in (("image", self.image), ("text", self.text)):
            told = ["not in these files"] if tower is None else tower.lines()
            lines += [f"{name + ':' if not i else '':7}{line}" for i, line in enumerate(told)]
        return "\n".join(lines)


def inspect(path: Optional[Path] = None, textual: Optional[Path] = None) -> Inspection:
    """Looks into a model's files without opening it: they are mapped and read once. Since 1.1.

    path     an ONNX file or a folder, as for `load`; None: the default model, or with `textual` no image encoder
    textual  the file of the text encoder, `path` being that of the image encoder

    Raises SwiftCLIPError: what `load` would raise for the same files, with the same words, but for the vocabulary,
    which is not looked at.
    """
    names = (
        _file(default_model() if path is None and textual is None else path, "path"),
        _file(textual, "textual"),
    )
    length = ctypes.c_size_t()
    text = ctypes.create_string_buffer(_CAPACITY)
    status = library().swiftclip_inspect(*names, text, len(text), ctypes.byref(length))
    if length.value >= len(text):
        text = ctypes.create_string_buffer(length.value + 1)
        status = library().swiftclip_inspect(*names, text, len(text), ctypes.byref(length))
    check(status)
    found: Dict[str, Any] = json.loads(text.value.decode("utf-8"))
    return Inspection(
        architecture=found["architecture"],
        embed_dim=found["embed_dim"],
        logit_scale=found["logit_scale"],
        image=_tower(found["image"]),
        text=_tower(found["text"]),
    )


def _tower(found: Optional[Dict[str, Any]]) -> Optional[Tower]:
    if found is None:
        return None
    known = {entry.name for entry in fields(Tower)}  # a later library may tell more
    layers = found["layers"]
    taken = {name: value for name, value in found.items() if name in known}
    return Tower(**{**taken, "layers": tuple(layers) if isinstance(layers, list) else layers})
