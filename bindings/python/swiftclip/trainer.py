"""Training a CLIP: the other half of the paper."""

from __future__ import annotations

import ctypes
import os
from functools import cached_property
from typing import Any, Dict, Iterator, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from ._declarations import STORED_WEIGHTS, Tensor
from ._errors import bad_argument
from ._handle import Handle
from ._library import address, check, library
from .model import Model
from .options import chosen
from .texts import Texts
from .tokenizer import Tokenizer
from .training_options import architecture, trainer_defaults, trainer_options

Path = Union[str, "os.PathLike[str]"]


class Trainer:
    """A CLIP that learns from pairs of pictures and captions. Since 1.1.

    model_or_config  a configuration in open_clip's terms (`training_options.architecture` shows one): a new model
                   with the official initial values. Or the path of a model, or a Model opened from one: it is trained
                   further
    learning_rate  at its peak; `warmup` steps lead up to it, and with `steps` half a cosine leads down to 0 after
                   them; steps=None keeps it
    weight_decay   of AdamW, decoupled, on tensors of two or more dimensions only
    betas, eps     of AdamW; the paper takes (0.9, 0.98) and 1e-6 for Vision Transformers, (0.9, 0.999) and 1e-8
                   for ResNets
    clip_norm      longest gradient, or None
    accumulate     pieces of a batch: memory holds the activations of one. The loss contrasts the whole batch
    freeze         prefixes of official parameter names that do not learn: "visual" is locked image tuning
    threads        0: all cores allowed to the process
    seed           of the initial values
    vocabulary     merges.txt or bpe_simple_vocab_16e6.txt[.gz]: lets `step` take str, and goes with the export
    max_bytes      most memory that it may take, else LimitExceededError; None: what the machine has, or the process's
                   control group allows, else OutOfMemoryError

    Deterministic: the same seed and batches give the same bits on any number of threads. Not for several threads
    at once: a call during another is an InvalidArgumentError. Freed by `close`, at the end of a `with` block, or
    with the last reference.

    Raises InvalidArgumentError, FileError, InvalidDataError.
    """

    def __init__(
        self,
        model_or_config: Union[Mapping[str, Any], Path, Model],
        learning_rate: float = 5e-4,
        weight_decay: float = 0.2,
        betas: Tuple[float, float] = (0.9, 0.98),
        eps: float = 1e-6,
        warmup: int = 0,
        steps: Optional[int] = None,
        clip_norm: Optional[float] = None,
        accumulate: int = 1,
        precision: str = "float32",
        freeze: Union[str, Sequence[str]] = (),
        threads: int = 0,
        seed: int = 0,
        *,
        vocabulary: Optional[Path] = None,
        max_bytes: Optional[int] = None,
    ) -> None:
        options = trainer_options(
            learning_rate, weight_decay, betas, eps, warmup, steps, clip_norm, accumulate, precision, freeze, threads,
            seed, max_bytes,
        )
        handle = ctypes.c_void_p()
        if isinstance(model_or_config, Mapping):
            sizes, merges = architecture(model_or_config), None if vocabulary is None else os.fsencode(vocabulary)
            check(
                library().swiftclip_trainer_create(
                    ctypes.byref(sizes), merges, ctypes.byref(options), ctypes.byref(handle)
                )
            )
        else:
            files = _files(model_or_config, vocabulary)
            check(library().swiftclip_trainer_open(*files, ctypes.byref(options), ctypes.byref(handle)))
        self._own(handle, vocabulary)

    def _own(self, handle: ctypes.c_void_p, vocabulary: Optional[Path]) -> None:
        assert handle.value is not None
        self._handle = Handle(self, handle.value, library().swiftclip_trainer_free, "trainer")
        self._tokenizer = None if vocabulary is None else Tokenizer(vocabulary, self.context_length)

    @classmethod
    def resume(
        cls, path: Path, *, vocabulary: Optional[Path] = None, options: Optional[Mapping[str, Any]] = None
    ) -> "Trainer":
        """Opens a checkpoint, to go on with the bits that training would have had without the stop.

        options  keyword arguments of `Trainer`, from learning_rate to seed, that replace those of the checkpoint: all of
                 them, so that those not named have their defaults. With other `threads` the bits stay the same; with
                 other `steps` or `warmup` the rate goes on as if it had been so from the first step

        Raises FileError, InvalidDataError (damaged).
        """
        trainer = cls.__new__(cls)
        handle = ctypes.c_void_p()
        given = None if options is None else ctypes.byref(trainer_options(**{**trainer_defaults(cls), **options}))
        check(library().swiftclip_trainer_resume(os.fsencode(os.fspath(path)), given, ctypes.byref(handle)))
        trainer._own(handle, vocabulary)
        return trainer

    @property
    def embed_dim(self) -> int:
        """Numbers in an embedding."""
        return int(library().swiftclip_trainer_embed_dim(self._handle.value))

    @property
    def image_size(self) -> int:
        """Side of the pictures in pixels."""
        return int(library().swiftclip_trainer_image_size(self._handle.value))

    @property
    def context_length(self) -> int:
        """Tokens in a text."""
        return int(library().swiftclip_trainer_context_length(self._handle.value))

    @property
    def steps_done(self) -> int:
        """Updates made so far."""
        return int(library().swiftclip_trainer_steps_done(self._handle.value))

    @property
    def learning_rate(self) -> float:
        """Of the next update."""
        return float(library().swiftclip_trainer_learning_rate(self._handle.value))

    @property
    def logit_scale(self) -> float:
        """The multiplier of cosines, 1...100."""
        return float(library().swiftclip_trainer_logit_scale(self._handle.value))

    def step(self, images: Any, texts: Union[Texts, np.ndarray]) -> float:
        """One update by a batch of pairs, text i belonging to picture i alone.

        images  float32 (N, 3, S, S), preprocessed
        texts   a list of N str (then the trainer needs a vocabulary; too long is cut), or int32 (N, context_length)

        In the place of either, float32 (N, D) are its embeddings by a tower that is `frozen` as a whole, as `encode_images`
        or `encode_texts` gave them once for all steps. The tower then has no work, and the bits are the same.

        Returns the loss before the update. Raises InvalidArgumentError; InvalidDataError if the loss or the gradient
        is not finite: then nothing was updated.
        """
        known = (_embeddings(images), _embeddings(texts))
        if known[0] is not None or known[1] is not None:
            return self._step_with(known, images, texts)
        pixels, tokens = self._batch(images, texts)
        loss = ctypes.c_double()
        check(
            library().swiftclip_trainer_step(
                self._handle.value, address(pixels), address(tokens), len(pixels), ctypes.byref(loss)
            )
        )
        return loss.value

    def _step_with(
        self, known: Tuple[Optional[np.ndarray], Optional[np.ndarray]], images: Any, texts: Union[Texts, np.ndarray]
    ) -> float:
        for name, embeddings, frozen in zip(("images", "texts"), known, self.frozen):
            if embeddings is not None and not frozen:
                raise bad_argument(f"The {name} are embeddings, but their tower learns. Freeze all of it, or give the {name}.")
        if known[0] is not None and known[1] is not None:
            raise bad_argument("Both images and texts are embeddings: there is nothing to encode.")
        if known[0] is not None:
            loss = self.backward(known[0], self.encode_texts(texts))
        else:
            loss = self.backward(self.encode_images(images), np.asarray(known[1]))
        self.update()
        return loss

    def evaluate(self, images: Any, texts: Union[Texts, np.ndarray]) -> float:
        """The loss of a batch as the exported model has it (BatchNorm by running statistics), without an update."""
        pixels, tokens = self._batch(images, texts)
        loss = ctypes.c_double()
        check(
            library().swiftclip_trainer_evaluate(
                self._handle.value, address(pixels), address(tokens), len(pixels), ctypes.byref(loss)
            )
        )
        return loss.value

    def encode(self, images: Any, texts: Union[Texts, np.ndarray]) -> Tuple[np.ndarray, np.ndarray]:
        """The first half of a step that is spread over processes: embeddings float32 (N, D) of pictures and of texts,
        not normalised, to be gathered from all. `backward` takes the second half."""
        pixels, tokens = self._batch(images, texts)
        results = [np.empty((len(pixels), self.embed_dim), np.float32) for _ in range(2)]
        check(
            library().swiftclip_trainer_encode(
                self._handle.value,
                address(pixels),
                address(tokens),
                len(pixels),
                address(results[0]),
                address(results[1]),
                results[0].size,
            )
        )
        self._encoded: Tuple[Optional[np.ndarray], ...] = (pixels, tokens)  # read again on the way back
        return results[0], results[1]

    def encode_images(self, images: Any) -> np.ndarray:
        """The same for pictures alone: their embeddings, float32 (N, D), not normalised. The way back changes no
        gradient of the text tower then, whose embeddings may have been computed once and for all."""
        return self._encode_one(self._pixels(images), None)

    def encode_texts(self, texts: Union[Texts, np.ndarray]) -> np.ndarray:
        """The same for texts alone."""
        return self._encode_one(None, self._tokens(texts))

    def _encode_one(self, pixels: Optional[np.ndarray], tokens: Optional[np.ndarray]) -> np.ndarray:
        count = len(pixels if pixels is not None else tokens if tokens is not None else ())
        result = np.empty((count, self.embed_dim), np.float32)
        images, texts = (None if array is None else address(result) for array in (pixels, tokens))
        inputs = [None if array is None else address(array) for array in (pixels, tokens)]
        check(library().swiftclip_trainer_encode(self._handle.value, *inputs, count, images, texts, result.size))
        self._encoded = (pixels, tokens)  # read again on the way back
        return result

    def backward(self, images: np.ndarray, texts: np.ndarray, first: int = 0) -> float:
        """The second half: from the embeddings float32 (total, D) of all processes, of which this one's begin at row
        `first`, the loss over all pairs, and this process's share of its gradient in `gradients`."""
        arrays = [np.ascontiguousarray(array, np.float32) for array in (images, texts)]
        if arrays[0].shape != arrays[1].shape or arrays[0].ndim != 2 or arrays[0].shape[1] != self.embed_dim:
            raise bad_argument(f"images and texts must both be (total, {self.embed_dim}).")
        loss = ctypes.c_double()
        check(
            library().swiftclip_trainer_backward(
                self._handle.value,
                address(arrays[0]),
                address(arrays[1]),
                len(arrays[0]),
                first,
                ctypes.byref(loss),
            )
        )
        return loss.value

    def backpropagate(self, images: Optional[np.ndarray] = None, texts: Optional[np.ndarray] = None) -> None:
        """The second half with a loss of your own: from its gradients float32 (N, D) with respect to the embeddings
        that `encode`, `encode_images` or `encode_texts` gave, those of the parameters in `gradients`. None: of that
        tower none. The temperature gets none."""
        given = [None if array is None else np.ascontiguousarray(array, np.float32) for array in (images, texts)]
        shapes = {array.shape for array in given if array is not None}
        if len(shapes) != 1 or len(shape := shapes.pop()) != 2 or shape[1] != self.embed_dim:
            raise bad_argument(f"Give gradients of images, of texts or both, each (N, {self.embed_dim}).")
        addresses = [None if array is None else address(array) for array in given]
        check(library().swiftclip_trainer_backpropagate(self._handle.value, *addresses, shape[0]))

    def update(self) -> None:
        """One update of the optimiser with what lies in `gradients`."""
        check(library().swiftclip_trainer_update(self._handle.value))

    @property
    def gradients(self) -> np.ndarray:
        """Gradients of all parameters, one float32 array over the trainer's own memory: to be added up over
        processes in place. Valid while the trainer is open."""
        pointer, count = ctypes.POINTER(ctypes.c_float)(), ctypes.c_size_t()
        check(
            library().swiftclip_trainer_gradients(self._handle.value, ctypes.byref(pointer), ctypes.byref(count))
        )
        return np.ctypeslib.as_array(pointer, (count.value,))

    def parameters(self) -> Dict[str, np.ndarray]:
        """Parameters and running statistics by their official names, float32 arrays over the trainer's own memory:
        they may be read and assigned to between calls. Valid while the trainer is open."""
        return {name: values for name, values, _, _ in self._tensors()}

    def parameter_gradients(self) -> Dict[str, np.ndarray]:
        """The same for gradients, of what has one."""
        return {name: gradient for name, _, gradient, _ in self._tensors() if gradient is not None}

    @cached_property
    def frozen(self) -> Tuple[bool, bool]:
        """Whether the image tower, and whether the text tower, is frozen as a whole."""
        learning = [name for name, _, _, learns in self._tensors() if learns and name != "logit_scale"]
        of_images = [name.startswith("visual.") for name in learning]
        return not any(of_images), all(of_images)

    def _tensors(self) -> Iterator[Tuple[str, np.ndarray, Optional[np.ndarray], bool]]:
        for index in range(library().swiftclip_trainer_tensor_count(self._handle.value)):
            tensor = Tensor()
            check(library().swiftclip_trainer_tensor(self._handle.value, index, ctypes.byref(tensor)))
            shape = tuple(tensor.shape[: tensor.rank])
            gradient = np.ctypeslib.as_array(tensor.gradient, shape) if tensor.gradient else None
            yield tensor.name.decode(), np.ctypeslib.as_array(tensor.values, shape), gradient, bool(tensor.trained)

    def save(self, path: Path) -> None:
        """Writes a checkpoint, whole or not at all. Raises FileError."""
        check(library().swiftclip_trainer_save(self._handle.value, os.fsencode(os.fspath(path))))

    def export(self, directory: Path, weights: str = "float16") -> None:
        """Writes visual.onnx, textual.onnx and merges.txt into a directory, made if need be: what `load` and any ONNX
        runtime open. Each file appears whole or not at all.

        weights  "float16" rounds matrices to half precision, in half the space; "float32" keeps every bit

        Raises FileError, LimitExceededError (above 2 GB a file).
        """
        stored = chosen("weights", weights, STORED_WEIGHTS)
        check(library().swiftclip_trainer_export(self._handle.value, os.fsencode(os.fspath(directory)), stored))

    def _batch(self, images: Any, texts: Union[Texts, np.ndarray]) -> Tuple[np.ndarray, np.ndarray]:
        pixels, tokens = self._pixels(images), self._tokens(texts)
        if len(pixels) != len(tokens):
            raise bad_argument(f"There are {len(pixels)} images and {len(tokens)} texts. Give pairs.")
        return pixels, tokens

    def _pixels(self, images: Any) -> np.ndarray:
        size = self.image_size
        pixels = np.ascontiguousarray(images, np.float32)
        if pixels.ndim != 4 or pixels.shape[1:] != (3, size, size):
            raise bad_argument(f"images has the shape {pixels.shape}, and must be (N, 3, {size}, {size}).")
        return pixels

    def _tokens(self, texts: Union[Texts, np.ndarray]) -> np.ndarray:
        if isinstance(texts, np.ndarray):
            tokens = np.ascontiguousarray(texts, np.int32)
        elif self._tokenizer is None:
            raise bad_argument("The trainer has no vocabulary, so texts must be tokens. Give it `vocabulary`.")
        else:
            tokens = self._tokenizer.encode(texts, truncate=True)
        if tokens.ndim != 2 or tokens.shape[1] != self.context_length:
            raise bad_argument(f"texts has the shape {tokens.shape}, and must be (N, {self.context_length}).")
        return tokens

    def close(self) -> None:
        """Frees the trainer. Later calls raise InvalidArgumentError; closing again does nothing."""
        self._handle.close()

    def __enter__(self) -> "Trainer":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _embeddings(side: Any) -> Optional[np.ndarray]:
    """Embeddings in the place of pictures or texts; None for these themselves."""
    if isinstance(side, np.ndarray) and side.ndim == 2 and side.dtype.kind == "f":
        return np.ascontiguousarray(side, np.float32)
    return None


def _files(model: Union[Path, Model], vocabulary: Optional[Path]) -> Tuple[bytes, Optional[bytes], Optional[bytes]]:
    """What a model was opened from: its path, or one for each tower, and its vocabulary. The latter may be replaced."""
    files: Dict[str, Optional[Path]] = {"path": None if isinstance(model, Model) else model}
    if isinstance(model, Model):
        files.update(model.files())
    if vocabulary is not None:
        files["vocabulary"] = vocabulary
    encoded = {name: None if path is None else os.fsencode(os.fspath(path)) for name, path in files.items()}
    path = encoded["path"]
    if path is None:
        raise bad_argument("Training needs both towers, and the model was opened without an image encoder.")
    return path, encoded.get("textual"), encoded.get("vocabulary")
