"""Which model it is, for files that belong to one: stored features and indexes of folders."""

from __future__ import annotations

import hashlib
from typing import NamedTuple, Optional

from .inspection import Tower, inspect
from .model import Model


class Identity(NamedTuple):
    """What stands for a model. Made by `identity`. Since 1.1."""

    image: str
    """Digest of the image encoder with the precision and the treatment of pictures; "" without one. Embeddings of
    pictures made under the same one may be compared."""
    text: str
    """The same of the text encoder."""
    name: str
    """For people: the architecture, the digests, the precision."""
    exact: str
    """Both, and the instruction set: the same string means the same bits."""


def identity(model: Model) -> Identity:
    """Tells which model this is, by the digests of its files (`swiftclip.inspect`). Since 1.1.

    A model that was opened from memory has no files; it is known by what it makes of a fixed picture and a fixed
    text, which differs between instruction sets by rounding. Raises SwiftCLIPError.
    """
    described = model.describe()
    image, text, architecture = _digests(model)
    precision, options = described.get("precision", "float32"), model._preprocess
    treatment = hashlib.sha256(repr(options).encode()).hexdigest()[:8]
    image_key = f"{image} {precision} {treatment}" if image else ""
    text_key = f"{text} {precision}" if text else ""
    name = f"{architecture} ({' + '.join(part for part in (image, text) if part)}, {precision})"
    exact = f"{image_key}|{text_key}|{described.get('instructions')}|{described.get('backend')}"
    return Identity(image_key, text_key, name, exact)


def _digests(model: Model) -> "tuple[str, str, str]":
    described = model.describe()
    kinds = [part["architecture"] for part in (described.get("image"), described.get("text")) if part]
    if model._reopen is not None:
        _, arguments = model._reopen
        found = inspect(arguments["path"], arguments["textual"])
        return _digest(found.image), _digest(found.text), found.architecture or (kinds[0] if kinds else "CLIP")
    from numpy import arange, uint8

    image = text = ""
    if described.get("image"):
        pixels = (arange(64 * 64 * 3) * 37 % 256).astype(uint8).reshape(64, 64, 3)
        image = hashlib.sha256(model.encode_image(pixels).tobytes()).hexdigest()[:16]
    if described.get("text") and described.get("vocabulary"):
        text = hashlib.sha256(model.encode_text("a photo of a cat").tobytes()).hexdigest()[:16]
    return image, text, kinds[0] if kinds else "CLIP"


def _digest(tower: Optional[Tower]) -> str:
    return "" if tower is None else tower.digest
