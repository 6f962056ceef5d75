"""The official tokenizer, without a model."""

from __future__ import annotations

import ctypes
import os
from typing import Any, Iterable, Optional, Tuple, Union

import numpy as np

from ._errors import bad_argument
from ._handle import Handle
from ._library import address, check, library
from ._progress import ProgressFunction, watching
from .options import whole
from .texts import TextArray, TextLike, Texts, as_texts, text_flags


class Tokenizer:
    """A byte-level BPE vocabulary. Since 1.0.

    path            merges.txt or bpe_simple_vocab_16e6.txt, plain or gzip
    context_length  tokens in a row of the result, start and end included, 2...4096

    Immutable; may be used from many threads at once. It is freed by `close`, at the end of a `with`
    block, or with the last reference.

    Raises FileError, InvalidDataError (with the line), InvalidArgumentError.
    """

    def __init__(self, path: Union[str, "os.PathLike[str]"], context_length: int = 77) -> None:
        self._arguments = (os.path.abspath(os.fspath(path)), whole("context_length", context_length, 2, 4096))
        encoded = os.fsencode(os.fspath(path))
        if b"\0" in encoded:
            raise bad_argument(f"The path of the vocabulary holds a NUL byte: {path!r}.")
        handle = ctypes.c_void_p()
        check(library().swiftclip_tokenizer_open(encoded, self._arguments[1], ctypes.byref(handle)))
        assert handle.value is not None
        self._handle = Handle(self, handle.value, library().swiftclip_tokenizer_free, "tokenizer")

    @property
    def context_length(self) -> int:
        """Tokens in a row of the result."""
        return self._arguments[1]

    @property
    def vocabulary_size(self) -> int:
        """Number of token ids, special ones included; officially 49,408."""
        return int(library().swiftclip_tokenizer_vocabulary_size(self._handle.value))

    def encode(self, texts: Texts, truncate: bool = False, *, errors: str = "strict") -> np.ndarray:
        """Texts to tokens: start token, byte pairs, end token, zeros.

        texts     one text or a list of them, str or UTF-8 bytes
        truncate  cut a text that is too long, end token last; otherwise it is a TextTooLongError
        errors    "replace" reads invalid UTF-8 (or a lone surrogate) as U+FFFD; "strict" makes it an
                  InvalidDataError

        Returns a new int32 array (N, context_length); N is 1 for one text.
        """
        array = TextArray(as_texts(texts))
        tokens = np.empty((array.count, self.context_length), np.int32)
        check(
            library().swiftclip_tokenizer_encode(
                self._handle.value,
                array.pointer,
                array.count,
                text_flags(truncate, errors),
                address(tokens),
                tokens.size,
            )
        )
        return tokens

    def close(self) -> None:
        """Frees the vocabulary. Later calls raise InvalidArgumentError; closing again does nothing."""
        self._handle.close()

    def __enter__(self) -> "Tokenizer":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __reduce__(self) -> Tuple[Any, ...]:
        return (Tokenizer, self._arguments)

    def __repr__(self) -> str:
        path, context = self._arguments
        return f"<swiftclip.Tokenizer {path}, context {context}{', closed' if self._handle.closed else ''}>"


def learn_merges(
    captions: Iterable[TextLike],
    vocabulary_size: int,
    path: Union[str, "os.PathLike[str]"],
    *,
    errors: str = "strict",
    progress: Optional[ProgressFunction] = None,
) -> int:
    """Learns a byte-level BPE vocabulary from captions and writes it as a merges file, which `Tokenizer`, `load`
    and the official code read. Since 1.1.

    captions         texts, str or UTF-8 bytes
    vocabulary_size  token ids to aim for, 515...49408: 512 for bytes, one for each merge, 2 for start and end
    path             where to write; the file appears whole or not at all
    errors           "replace" reads invalid UTF-8 as U+FFFD; "strict" makes it an InvalidDataError
    progress         called with captions read and merges learned, of both; an exception stops the work

    Each merge is the pair of symbols that occurs most often in the words as they are tokenized with the merges
    before it; of equals, the pair whose left symbol came about first, then whose right one did. Pairs that occur
    once are not merged. The same captions give the same file.

    Returns the number of token ids, fewer than asked for where no pair was left. Raises InvalidArgumentError,
    InvalidDataError (nothing to learn), TextTooLongError (above 16 MB), FileError.
    """
    array = TextArray(as_texts(captions))
    size = whole("vocabulary_size", vocabulary_size, 0, 2**31)
    encoded = os.fsencode(os.fspath(path))
    if b"\0" in encoded:
        raise bad_argument(f"The path of the vocabulary holds a NUL byte: {path!r}.")
    learned = ctypes.c_size_t()
    with watching(progress) as watch:
        check(
            library().swiftclip_learn_merges(
                array.pointer,
                array.count,
                text_flags(False, errors),
                size,
                encoded,
                watch.callback,
                None,
                ctypes.byref(learned),
            )
        )
    return int(learned.value)
