"""Texts on their way into the library."""

from __future__ import annotations

from typing import Any, Iterable, List, Optional, Sequence, Union

import numpy as np

from ._declarations import TEXT_REPLACE_INVALID, TEXT_TRUNCATE
from ._errors import bad_argument, bad_type

TextLike = Union[str, bytes]
"""A text: a str, or its UTF-8 as bytes."""

Texts = Union[TextLike, Sequence[TextLike]]
"""One text or many."""

_LAYOUT = np.dtype([("data", np.uintp), ("length", np.uintp)])


class TextArray:
    """An array of swiftclip_text, with the bytes that it points to.

    `pointer` is None where there are no texts. Valid while this object lives.
    """

    def __init__(self, texts: Iterable[TextLike]) -> None:
        encoded = [_utf8(text, index) for index, text in enumerate(texts)]
        self.count: int = len(encoded)
        lengths = np.fromiter(map(len, encoded), np.uintp, self.count)
        self._bytes = np.frombuffer(b"".join(encoded) + b"\0", np.uint8)
        self._array = np.zeros(self.count, _LAYOUT)
        self._array["data"] = np.cumsum(lengths, dtype=np.uintp) - lengths + np.uintp(self._bytes.ctypes.data)
        self._array["length"] = lengths

    @property
    def pointer(self) -> Optional[int]:
        """Where the array lies, for a C call."""
        return self._array.ctypes.data if self.count else None


def _utf8(text: Any, index: int) -> bytes:
    # A lone surrogate becomes bytes that are not UTF-8, so that the library's rule for those applies.
    if isinstance(text, str):
        return text.encode("utf-8", "surrogatepass")
    if isinstance(text, bytes):
        return text
    raise bad_type(f"Text {index} is of type {type(text).__name__}, and must be str or bytes.")


def as_texts(texts: Any) -> List[TextLike]:
    """One text or an iterable of texts, as a list."""
    if isinstance(texts, (str, bytes)):
        return [texts]
    try:
        return list(texts)
    except TypeError:
        raise bad_type(f"A text or a list of texts was expected, not {type(texts).__name__}.") from None


def as_labels(labels: Any) -> List[TextLike]:
    """Labels as a list. A single str is refused: alone it would always get 100 %."""
    if isinstance(labels, (str, bytes)):
        raise bad_argument(f"labels is one text, {labels!r}, and must be a list of them: [{labels!r}, ...].")
    return as_texts(labels)


def text_flags(truncate: bool, errors: str) -> int:
    """The flags of the functions that take text."""
    if errors not in ("strict", "replace"):
        raise bad_argument(f'errors is {errors!r}, and must be "strict" or "replace".')
    return (TEXT_TRUNCATE if truncate else 0) | (TEXT_REPLACE_INVALID if errors == "replace" else 0)


def as_tokens(texts: Any) -> Optional[np.ndarray]:
    """`texts` as int32 (N, context_length) where it holds token ids; None where it is text."""
    if isinstance(texts, (str, bytes)):
        return None
    if isinstance(texts, (list, tuple)):
        if not texts or isinstance(texts[0], (str, bytes)):
            return None
    elif not hasattr(texts, "__array__"):
        return None
    try:
        tokens = np.asarray(texts)
    except ValueError as error:
        raise bad_argument(f"The rows of the tokens differ in length: {error}.") from None
    if tokens.dtype.kind in "USO":
        return None
    if tokens.dtype.kind not in "iu":
        raise bad_type(f"Tokens must be whole numbers, not {tokens.dtype}.")
    if tokens.ndim == 1:
        tokens = tokens[None]
    if tokens.ndim != 2:
        raise bad_argument(f"Tokens have the shape {tokens.shape}, and must be (N, context_length).")
    if tokens.dtype != np.int32 and tokens.size:
        low, high = int(tokens.min()), int(tokens.max())
        if low < -(2**31) or high >= 2**31:
            raise bad_argument(f"A token id, {low if low < 0 else high}, does not fit 32 bits.")
    return np.require(tokens, np.int32, ["C", "A"])
