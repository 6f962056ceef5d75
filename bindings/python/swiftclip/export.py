"""Official weights to ONNX files: from an installed open_clip or OpenAI clip package, or a local archive
(`swiftclip.archive`), checked against PyTorch and onnxruntime.

Needs PyTorch, which nothing else in swiftclip does. The files have the official
form: visual.onnx, textual.onnx, the vocabulary as the package ships it, and config.json.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import shutil
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy as np

from ._errors import Status, SwiftCLIPError, error_for
from .loading import load
from .options import Preprocess

OPSET = 17
TOLERANCE = 1e-5
"""The largest relative L2 error of an embedding that counts as agreement: accumulated rounding is a tenth of it."""

VOCABULARY = "bpe_simple_vocab_16e6.txt.gz"

_OFFICIAL: Dict[str, Tuple[str, Tuple[Any, ...]]] = {
    # official name: open_clip's name, and the arguments of clip.model.CLIP up to the image encoder's patch size,
    # then text width, heads and layers
    "RN50": ("RN50", (1024, 224, (3, 4, 6, 3), 64, None, 512, 8, 12)),
    "RN101": ("RN101", (512, 224, (3, 4, 23, 3), 64, None, 512, 8, 12)),
    "RN50x4": ("RN50x4", (640, 288, (4, 6, 10, 6), 80, None, 640, 10, 12)),
    "RN50x16": ("RN50x16", (768, 384, (6, 8, 18, 8), 96, None, 768, 12, 12)),
    "RN50x64": ("RN50x64", (1024, 448, (3, 15, 36, 10), 128, None, 1024, 16, 12)),
    "ViT-B/32": ("ViT-B-32", (512, 224, 12, 768, 32, 512, 8, 12)),
    "ViT-B/16": ("ViT-B-16", (512, 224, 12, 768, 16, 512, 8, 12)),
    "ViT-L/14": ("ViT-L-14", (768, 224, 24, 1024, 14, 768, 12, 12)),
    "ViT-L/14@336px": ("ViT-L-14-336", (768, 336, 24, 1024, 14, 768, 12, 12)),
}

_CAPTIONS = (
    "a photo of a cat.",
    "a diagram",
    "two dogs playing in the snow, 1984 &amp; later",
    "ein Fahrrad lehnt an einer Mauer – naïve café",
    "猫の写真 🐈",
    "a very long caption that goes on about a lighthouse on a cliff above the sea at dawn with gulls around it",
)


@dataclass
class Source:
    """A PyTorch model that can be exported. Made by `named` and `swiftclip.archive.archive`. Since 1.0."""

    title: str
    """What it is called in messages and in the files."""
    package: str
    """"open_clip" or "clip": whose tokenizer belongs to it; "" if neither is installed."""
    make: Callable[[], Any] = field(repr=False)
    """Makes the PyTorch model."""
    config: Dict[str, Any] = field(repr=False)
    """Goes into config.json, in open_clip's terms."""
    vocabulary: Path = field(repr=False)
    """The package's own merges."""
    _made: Any = field(default=None, repr=False)

    def model(self) -> Any:
        """The PyTorch model in float32 and in eval mode, made once. Raises SwiftCLIPError."""
        if self._made is None:
            try:
                self._made = self.make().float().eval()
            except SwiftCLIPError:
                raise
            except Exception as error:  # whatever the package raises: no network, no such tag, no memory
                raise error_for(
                    Status.IO_ERROR, f"{self.package} could not make {self.title}: {type(error).__name__}: {error}"
                ) from error
        return self._made


def named(
    name: str, pretrained: Optional[str] = None, *, package: str = "auto", random_seed: Optional[int] = None
) -> Source:
    """Finds a model by name. Since 1.0.

    name         as in the official clip ("ViT-B/32", "RN50", ...), or as in open_clip ("ViT-B-32")
    pretrained   open_clip's tag of the weights; None: "openai" for an official name
    package      "open_clip", "clip", or "auto": open_clip if it is installed, else clip
    random_seed  a seed for random weights in place of the trained ones, for tests

    Raises SwiftCLIPError (UnsupportedError) where no package is installed or none knows the name.
    """
    if importlib.util.find_spec("torch") is None:
        raise error_for(Status.UNSUPPORTED, "Exporting needs PyTorch: pip install torch open_clip_torch.")
    if package == "auto":
        package = "open_clip" if importlib.util.find_spec("open_clip") or not _has_clip() else "clip"
    if package == "open_clip":
        return _from_open_clip(name, pretrained, random_seed)
    return _from_clip(name, pretrained, random_seed)


def _has_clip() -> bool:
    return importlib.util.find_spec("clip") is not None


def _from_open_clip(name: str, pretrained: Optional[str], random_seed: Optional[int]) -> Source:
    try:
        import open_clip
    except ImportError as error:
        raise error_for(
            Status.UNSUPPORTED, f"open_clip cannot be imported ({error}): pip install open_clip_torch."
        ) from error
    known = name
    if name in _OFFICIAL:
        pretrained = pretrained or "openai"
        known = _OFFICIAL[name][0] + ("-quickgelu" if pretrained == "openai" else "")
    config = open_clip.get_model_config(known)
    if config is None:
        names = ", ".join(_OFFICIAL)
        raise error_for(
            Status.UNSUPPORTED,
            f"{name!r} is neither an official name ({names}) nor one of open_clip.list_models().",
        )
    if pretrained is None and random_seed is None:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(known)) or "none"
        raise error_for(Status.UNSUPPORTED, f"{name!r} needs --pretrained; open_clip has the tags: {tags}.")
    text = config.get("text_cfg", {})
    if text.get("hf_tokenizer_name") or text.get("hf_model_name"):
        raise error_for(
            Status.UNSUPPORTED, f"{name!r} has a tokenizer of Hugging Face's, and swiftclip has only the official one."
        )

    def make() -> Any:
        if random_seed is not None:
            import torch

            torch.manual_seed(random_seed)
        return open_clip.create_model(known, pretrained=None if random_seed is not None else pretrained)

    weights = f"random weights, seed {random_seed}" if random_seed is not None else pretrained
    return Source(
        title=f"{name} ({weights})",
        package="open_clip",
        make=make,
        config=dict(config),
        vocabulary=Path(open_clip.__file__).parent / VOCABULARY,
    )


def _from_clip(name: str, pretrained: Optional[str], random_seed: Optional[int]) -> Source:
    try:
        import clip
    except ImportError as error:
        raise error_for(
            Status.UNSUPPORTED, f"OpenAI's clip cannot be imported ({error}); open_clip_torch does as well."
        ) from error
    if name not in _OFFICIAL or pretrained not in (None, "openai"):
        raise error_for(Status.UNSUPPORTED, f"The clip package has the official models only: {', '.join(_OFFICIAL)}.")
    embed_dim, image_size, layers, width, patch, text_width, heads, text_layers = _OFFICIAL[name][1]

    def make() -> Any:
        if random_seed is None:
            return clip.load(name, device="cpu", jit=False)[0]
        import torch
        from clip.model import CLIP

        torch.manual_seed(random_seed)
        return CLIP(embed_dim, image_size, layers, width, patch, 77, 49408, text_width, heads, text_layers)

    vision = dict(image_size=image_size, layers=layers, width=width)
    if patch:
        vision["patch_size"] = patch
    config = dict(
        embed_dim=embed_dim,
        quick_gelu=True,
        vision_cfg=vision,
        text_cfg=dict(context_length=77, vocab_size=49408, width=text_width, heads=heads, layers=text_layers),
    )
    weights = f"random weights, seed {random_seed}" if random_seed is not None else "openai"
    return Source(
        title=f"{name} ({weights})",
        package="clip",
        make=make,
        config=config,
        vocabulary=Path(clip.__file__).parent / VOCABULARY,
    )


def export(source: Source, directory: Any, *, say: Callable[[str], None] = lambda message: None) -> None:
    """Writes visual.onnx, textual.onnx, the vocabulary and config.json. Since 1.0.

    directory  made if it is not there; files of these names are replaced
    say        called with a line before each step that takes long

    Raises SwiftCLIPError, OSError, and what PyTorch's exporter raises.
    """
    import torch

    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    model = source.model()
    size, context = _shape(model)

    class ImageEncoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.clip = model

        def forward(self, image: Any) -> Any:
            return self.clip.encode_image(image)

    class TextEncoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.clip = model

        def forward(self, text: Any) -> Any:
            return self.clip.encode_text(text)

    scale = float(model.logit_scale.detach().exp())
    tokens = torch.zeros(2, context, dtype=torch.int64)
    tokens[:, 0], tokens[:, 1] = 49406, 49407
    towers = (
        ("visual", ImageEncoder(), torch.zeros(2, 3, size, size), "image", "image_features"),
        ("textual", TextEncoder(), tokens, "text", "text_features"),
    )
    for name, tower, sample, given, made in towers:
        say(f"writing {folder / name}.onnx")
        path = folder / f"{name}.onnx"
        partial = folder / f"{name}.onnx.part"
        # The exporter restores the mode that it found, so the wrapper itself has to be in eval mode.
        _write_onnx(tower.eval(), sample, given, made, partial)
        with partial.open("ab") as file:
            file.write(metadata({"logit_scale": repr(scale), "model": source.title}))
        os.replace(partial, path)
    name = source.vocabulary.name
    plain = name in ("merges.txt", "bpe_simple_vocab_16e6.txt")
    shutil.copyfile(source.vocabulary, folder / (name if plain else VOCABULARY))
    (folder / "config.json").write_text(
        json.dumps({**source.config, "logit_scale": scale, **_pictures(model)}, indent=1) + "\n", encoding="utf-8"
    )
    for warning in _preprocessing_warnings(model):
        say(warning)


def _write_onnx(tower: Any, sample: Any, given: str, made: str, path: Path) -> None:
    import torch

    options: Dict[str, Any] = {}
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        options["dynamo"] = False
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # the fused operator has no counterpart in ONNX
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                tower,
                (sample,),
                str(path),
                input_names=[given],
                output_names=[made],
                dynamic_axes={given: {0: "batch"}, made: {0: "batch"}},
                opset_version=OPSET,
                **options,
            )
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def metadata(entries: Dict[str, str]) -> bytes:
    """Entries of ModelProto.metadata_props (field 14: key is field 1, value field 2) in protobuf's wire
    format. Bytes appended to a message are fields added to it, so a file is extended without reading it."""

    def delimited(number: int, content: bytes) -> bytes:
        length, prefix = len(content), bytearray([number << 3 | 2])
        while length >= 128:
            prefix.append(length & 127 | 128)
            length >>= 7
        prefix.append(length)
        return bytes(prefix) + content

    return b"".join(
        delimited(14, delimited(1, key.encode()) + delimited(2, value.encode())) for key, value in entries.items()
    )


def _shape(model: Any) -> Tuple[int, int]:
    """Side of the pictures and length of the texts that a PyTorch CLIP reads."""
    visual = model.visual
    size: Any = getattr(visual, "image_size", None) or visual.input_resolution
    return int(size[0] if isinstance(size, (tuple, list)) else size), int(model.context_length)


def _pictures(model: Any) -> Dict[str, Any]:
    """How the model wants its pictures, as far as the package says; officially where it does not."""
    wanted = getattr(model.visual, "preprocess_cfg", None) or {}
    official = Preprocess()
    return dict(
        mean=list(wanted.get("mean", official.mean)),
        std=list(wanted.get("std", official.std)),
        interpolation=wanted.get("interpolation", official.interpolation),
    )


def _preprocessing_warnings(model: Any) -> List[str]:
    official, wanted = Preprocess(), _pictures(model)
    differing = [
        f"{name}={tuple(value) if isinstance(value, list) else value!r}"
        for name, value in wanted.items()
        if (tuple(value) if isinstance(value, list) else value) != getattr(official, name)
    ]
    if not differing:
        return []
    return [
        "this model does not read pictures in the official way: open it with "
        f"swiftclip.load(..., preprocess=swiftclip.Preprocess({', '.join(differing)}))"
    ]


@dataclass
class Comparison:
    """How far swiftclip's results on exported files are from PyTorch's. Made by `compare`. Since 1.0."""

    image_errors: np.ndarray
    """Relative L2 error of each image embedding."""
    text_errors: np.ndarray
    """Relative L2 error of each text embedding."""
    tokens_equal: Optional[bool]
    """Whether the token ids of some captions equal those of the package's own tokenizer; None: no package is there."""

    @property
    def passed(self) -> bool:
        """Whether every embedding is within `TOLERANCE` (a NaN is not) and the tokens are equal."""
        errors = np.concatenate([self.image_errors, self.text_errors])
        return bool((errors <= TOLERANCE).all()) and self.tokens_equal is not False

    def lines(self) -> List[str]:
        """The comparison in words."""
        tokens = {None: "not compared", True: "equal", False: "DIFFERENT"}
        return [
            f"image embeddings: relative error {self.image_errors.max():.2e} ({len(self.image_errors)} inputs)",
            f"text embeddings:  relative error {self.text_errors.max():.2e} ({len(self.text_errors)} captions)",
            f"tokens:           {tokens[self.tokens_equal]}",
        ]


def compare(source: Source, directory: Any, *, seed: int = 0) -> Comparison:
    """Opens exported files with swiftclip and compares with the PyTorch model that they came from. Since 1.0.

    seed  of the random pixels

    Raises SwiftCLIPError where the files cannot be opened.
    """
    import torch

    torch_model = source.model()
    size, _ = _shape(torch_model)
    pixels = np.random.default_rng(seed).standard_normal((4, 3, size, size)).astype(np.float32)
    with load(directory) as model, torch.no_grad():
        ours = model.tokenize(_CAPTIONS)
        theirs, tokens_equal = torch.from_numpy(ours).long(), None
        if source.package:
            theirs = __import__(source.package).tokenize(list(_CAPTIONS), context_length=ours.shape[1]).long()
            tokens_equal = ours.shape == tuple(theirs.shape) and bool((ours == theirs.numpy()).all())
        return Comparison(
            relative_errors(model.encode_image(pixels), torch_model.encode_image(torch.from_numpy(pixels)).numpy()),
            relative_errors(model.encode_text(theirs.numpy()), torch_model.encode_text(theirs).numpy()),
            tokens_equal,
        )


def relative_errors(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """|ours - theirs| / |theirs| of each row, in float64."""
    reference = theirs.astype(np.float64)
    errors: np.ndarray = np.linalg.norm(ours - reference, axis=1) / np.linalg.norm(reference, axis=1)
    return errors
