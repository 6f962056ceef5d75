"""A CLIP: an image encoder, a text encoder, or both, with the vocabulary."""

from __future__ import annotations

import ctypes
import json
from typing import Any, Callable, Dict, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from ._declarations import EmbeddedBatch
from ._handle import Handle
from ._errors import SwiftCLIPError, bad_argument, error_for
from ._library import address, check, library
from ._places import default_model
from ._progress import ProgressFunction, watching
from .classifier import DEFAULT_TEMPLATES, Classifier
from .options import Preprocess
from .pictures import Images, PictureArray, _empty, as_list, as_pixels, is_one, pieces
from .texts import TextArray, TextLike, Texts, as_texts, as_tokens, text_flags

_ROWS = 256
"""Preprocessed pixels and tokens go to the library this many rows at a time, so that Ctrl-C is heard."""


class Embedded(NamedTuple):
    """What `Model.embed_images` returns. Since 1.1."""

    embeddings: np.ndarray
    """float32 (N, D), not normalised unless the graph does so itself; NaN in the rows of `failures`."""
    failures: Dict[int, SwiftCLIPError]
    """What was wrong with each picture that could not be read, by its index, in rising order."""


class Model:
    """A CLIP, opened by `swiftclip.load` or `swiftclip.load_bytes`. Since 1.0.

    Immutable: any number of threads may use it at the same time, and a child made by fork() may too.
    Pickling stores how it was opened (not from memory), and unpickling opens it again. It is freed by
    `close`, at the end of a `with` block, or with the last reference.

    The same input gives the same bits, whatever else is in the list, at which position it stands and how
    many threads compute it. Every result is a new array that belongs to the caller.

    Every method raises SwiftCLIPError: InvalidArgumentError once the model is closed, MissingPartError
    where it lacks the tower or the vocabulary, OutOfMemoryError, and what is named at the method.
    """

    def __init__(
        self,
        handle: int,
        name: str,
        preprocess: Preprocess,
        reopen: Optional[Tuple[Callable[..., "Model"], Dict[str, Any]]],
    ) -> None:
        self._handle = Handle(self, handle, library().swiftclip_model_free, "model")
        self._name = name
        self._preprocess = preprocess
        self._reopen = reopen
        self._last: Optional[Tuple[Any, Classifier]] = None

    # -- What it is

    @property
    def embed_dim(self) -> int:
        """Length of an embedding, D below."""
        return int(library().swiftclip_model_embed_dim(self._handle.value))

    @property
    def image_size(self) -> int:
        """Side of the square picture that the image encoder reads, in pixels, S below; 0 without one."""
        return int(library().swiftclip_model_image_size(self._handle.value))

    @property
    def context_length(self) -> int:
        """Tokens in a text, start and end included (officially 77); 0 without a text encoder."""
        return int(library().swiftclip_model_context_length(self._handle.value))

    @property
    def vocabulary_size(self) -> int:
        """Number of token ids, special ones included; 0 without a text encoder."""
        return int(library().swiftclip_model_vocabulary_size(self._handle.value))

    @property
    def logit_scale(self) -> float:
        """The multiplier of cosines before the softmax, such as 100.0."""
        return float(library().swiftclip_model_logit_scale(self._handle.value))

    @property
    def threads(self) -> int:
        """Threads that one call uses."""
        return int(library().swiftclip_model_threads(self._handle.value))

    def describe(self) -> Dict[str, Any]:
        """What was recognised: "instructions", "backend", "threads", "embed_dim", "logit_scale", "image"
        (a dict or None), "text" (a dict or None), "vocabulary" and, since 1.1, "precision" and
        "weight_storage" ({"float16": n, "float32": n, "bfloat16": n, "int8": n}: how many parameters are held in
        which way)."""
        length = ctypes.c_size_t()
        library().swiftclip_model_describe(self._handle.value, None, 0, ctypes.byref(length))
        text = ctypes.create_string_buffer(length.value + 1)
        check(library().swiftclip_model_describe(self._handle.value, text, len(text), None))
        described: Dict[str, Any] = json.loads(text.value.decode("utf-8"))
        return described

    # -- Into the encoders

    def preprocess(self, images: Images) -> np.ndarray:
        """Pictures to the pixels that the image encoder reads.

        images  a PIL.Image, a path, the bytes of a JPEG, PNG or WebP file, a uint8 array (H, W, 3), (H, W),
                (H, W, 1), (H, W, 2) or (H, W, 4), or a list of these

        Returns float32 (3, S, S) for one picture and (N, 3, S, S) for a list. Raises FileError,
        InvalidDataError, UnsupportedError, LimitExceededError, InvalidArgumentError.
        """
        items = as_list(images)
        size = self.image_size
        pixels = _empty((len(items), 3, size, size))
        for start, piece in pieces(items):
            pictures = PictureArray(piece, self._preprocess, size or 224, start)
            part = pixels[start : start + pictures.count]
            check(
                library().swiftclip_model_preprocess(
                    self._handle.value, pictures.array, pictures.count, address(part), part.size
                ),
                start,
            )
        return pixels[0] if is_one(images) else pixels

    def tokenize(self, texts: Texts, truncate: bool = False, *, errors: str = "strict") -> np.ndarray:
        """Texts to tokens, with the ids of the official tokenizer: start token, byte pairs, end, zeros.

        texts     one text or a list of them, str or UTF-8 bytes
        truncate  cut a text that is too long, end token last; otherwise it is a TextTooLongError
        errors    "replace" reads invalid UTF-8 (or a lone surrogate) as U+FFFD; "strict" makes it an
                  InvalidDataError

        Returns int32 (N, context_length); N is 1 for one text.
        """
        array = TextArray(as_texts(texts))
        tokens = np.empty((array.count, self.context_length), np.int32)
        check(
            library().swiftclip_model_tokenize(
                self._handle.value,
                array.pointer,
                array.count,
                text_flags(truncate, errors),
                address(tokens),
                tokens.size,
            )
        )
        return tokens

    # -- Embeddings

    def encode_image(
        self, images: Union[Images, np.ndarray], *, progress: Optional[ProgressFunction] = None
    ) -> np.ndarray:
        """Pictures to image embeddings.

        images    what `preprocess` takes, or its result: float32 (N, 3, S, S), finite
        progress  called as progress(done, total) between batches; an exception from it stops the work,
                  as Ctrl-C does

        Returns float32 (N, D), N being 1 for one picture; not normalised, unless the graph does so
        itself. Raises what `preprocess` raises, for the first picture that fails; `embed_images` goes on.
        """
        pixels = as_pixels(images, self.image_size)
        if pixels is not None:
            return self._encode_rows(library().swiftclip_encode_pixels, pixels, progress)
        items = as_list(images)
        embeddings = _empty((len(items), self.embed_dim))
        for start, piece in pieces(items):
            pictures = PictureArray(piece, self._preprocess, self.image_size or 224, start)
            part = embeddings[start : start + pictures.count]
            with watching(progress, start, len(items)) as watch:
                status = library().swiftclip_encode_pictures(
                    self._handle.value,
                    pictures.array,
                    pictures.count,
                    address(part),
                    part.size,
                    watch.callback,
                    None,
                )
            check(status, start)
        return embeddings

    def embed_images(self, images: Images, *, progress: Optional[ProgressFunction] = None) -> Embedded:
        """Many pictures to image embeddings, where one that cannot be read does not stop the others. Since 1.1.

        images    what `preprocess` takes: paths and bytes are read, decoded and resized on all threads while
                  the pictures before them are encoded
        progress  as in `encode_image`

        Returns the embeddings, with the same bits as those of `encode_image`, and the failures. Memory beside
        the result does not grow with the number of pictures; where the result would be too large, call this
        with a thousand at a time, which costs nothing. Something that is no picture at all raises
        ArgumentTypeError.
        """
        items = as_list(images)
        embeddings = _empty((len(items), self.embed_dim))
        failures: Dict[int, SwiftCLIPError] = {}
        for start, piece in pieces(items):
            pictures = PictureArray(piece, self._preprocess, self.image_size or 224, start, failures)
            part = embeddings[start : start + pictures.count]

            def take(batch: EmbeddedBatch, start: int = start) -> None:
                for index in range(batch.count):
                    if batch.statuses[index]:
                        message = batch.messages[index].decode("utf-8", "replace")
                        failures.setdefault(start + batch.first + index, error_for(batch.statuses[index], message))

            with watching(progress, start, len(items)) as watch:
                status = library().swiftclip_embed_pictures(
                    self._handle.value,
                    pictures.array,
                    pictures.count,
                    address(part),
                    part.size,
                    watch.batches(take),
                    None,
                )
            check(status, start)
        return Embedded(embeddings, dict(sorted(failures.items())))

    def encode_text(
        self,
        texts: Union[Texts, np.ndarray],
        truncate: bool = False,
        *,
        errors: str = "strict",
        progress: Optional[ProgressFunction] = None,
    ) -> np.ndarray:
        """Texts, or their tokens, to text embeddings.

        texts     what `tokenize` takes, or its result: whole numbers (N, context_length)
        truncate, errors
                  as in `tokenize`
        progress  as in `encode_image`

        Returns float32 (N, D), N being 1 for one text; not normalised, unless the graph does so itself.
        Raises what `tokenize` raises; InvalidArgumentError for a token id out of range.
        """
        flags = text_flags(truncate, errors)
        tokens = as_tokens(texts)
        if tokens is not None:
            if tokens.shape[1] != self.context_length and self.context_length:
                raise bad_argument(
                    f"Tokens have the shape {tokens.shape}, and must be (N, {self.context_length}), as tokenize() "
                    "makes them."
                )
            return self._encode_rows(library().swiftclip_encode_tokens, tokens, progress)
        array = TextArray(as_texts(texts))
        embeddings = _empty((array.count, self.embed_dim))
        with watching(progress) as watch:
            status = library().swiftclip_encode_texts(
                self._handle.value,
                array.pointer,
                array.count,
                flags,
                address(embeddings),
                embeddings.size,
                watch.callback,
                None,
            )
        check(status)
        return embeddings

    def _encode_rows(
        self, function: Callable[..., int], rows: np.ndarray, progress: Optional[ProgressFunction]
    ) -> np.ndarray:
        embeddings = _empty((len(rows), self.embed_dim))
        for start in range(0, max(len(rows), 1), _ROWS):
            part, out = rows[start : start + _ROWS], embeddings[start : start + _ROWS]
            check(function(self._handle.value, address(part), len(part), address(out), out.size), start)
            if progress is not None:
                progress(start + len(part), len(rows))
        return embeddings

    # -- Zero-shot classification

    def classifier(
        self,
        labels: Sequence[TextLike],
        templates: Sequence[TextLike] = DEFAULT_TEMPLATES,
        *,
        progress: Optional[ProgressFunction] = None,
    ) -> Classifier:
        """Turns labels into a `Classifier` that can be used again and again.

        labels     one text for each class
        templates  prompts with exactly one "{}" each, in whose place the label goes; the official 80 of
                   ImageNet are given the same way
        progress   called as progress(done, total) with prompts

        Raises InvalidArgumentError for a template without its "{}" or with two, and what `encode_text`
        raises.
        """
        return Classifier(self, labels, templates, progress)

    def classify(
        self,
        images: Union[Images, np.ndarray],
        labels: Sequence[TextLike],
        templates: Sequence[TextLike] = DEFAULT_TEMPLATES,
        *,
        progress: Optional[ProgressFunction] = None,
    ) -> np.ndarray:
        """How well each label fits each picture.

        images             as in `encode_image`
        labels, templates  as in `classifier`; the classifier of the last call is kept, so that the same
                           labels again cost nothing

        Returns float32 (N, len(labels)): probabilities, softmax of `logit_scale` times cosine. For cosines
        use `classifier(...).cosines(encode_image(...))`.
        """
        classifier = self._kept_classifier(labels, templates)
        return classifier.probabilities(self.encode_image(images, progress=progress))

    def _kept_classifier(self, labels: Any, templates: Any) -> Classifier:
        self._handle.value  # a closed model refuses, with or without a classifier kept
        key = (labels if isinstance(labels, (str, bytes)) else tuple(labels), tuple(as_texts(templates)))
        last = self._last
        if last is not None and last[0] == key:
            return last[1]
        made = self.classifier(labels, templates)
        self._last = (key, made)
        return made

    # -- The end

    def close(self) -> None:
        """Frees the model and its threads. Later calls raise InvalidArgumentError; closing again does
        nothing. A call that another thread is in finishes first; classifiers stay valid."""
        self._last = None
        self._handle.close()

    def __enter__(self) -> "Model":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def files(self) -> Dict[str, Optional[str]]:
        """The files that the model was opened from: "path", "textual" and "vocabulary" as they were given to `load`, for
        who opens them in another way. Raises InvalidArgumentError for a model from memory. Since 1.1."""
        if self._reopen is None:
            raise bad_argument("The model was opened from memory. Open it from files.")
        arguments = self._reopen[1]
        files = {name: arguments[name] for name in ("path", "textual", "vocabulary")}
        if files["path"] is None and files["textual"] is None:
            files["path"] = str(default_model())
        return files

    def __reduce__(self) -> Tuple[Any, ...]:
        if self._reopen is None:
            raise TypeError("A model that was opened from memory cannot be pickled; open it from files.")
        function, arguments = self._reopen
        return (_opened_again, (function, arguments))

    def __repr__(self) -> str:
        if self._handle.closed:
            return f"<swiftclip.Model {self._name}, closed>"
        parts = [f"{self.embed_dim} dimensions"]
        parts += [f"pictures of {self.image_size} pixels"] if self.image_size else []
        parts += [f"{self.context_length} tokens"] if self.context_length else []
        return f"<swiftclip.Model {self._name}: {', '.join(parts)}>"


def _opened_again(function: Callable[..., Model], arguments: Dict[str, Any]) -> Model:
    return function(**arguments)
