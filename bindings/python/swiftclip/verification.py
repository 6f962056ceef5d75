"""The original graph, run by onnxruntime, against what swiftclip made of it."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from ._errors import Status, SwiftCLIPError, bad_argument, error_for
from .inspection import Inspection, Tower, inspect
from .loading import Path, load
from .model import Model

LIMITS = {"float32": 2e-5, "half": 2e-2, "int8": 1e-1}
"""The largest relative error that counts as agreement, by the weights of the files: float32 throughout, float16 or
bfloat16 among them, 8-bit integers among them. The last two are the rounding of the graph's own activations, which
swiftclip computes in float32."""

_SAMPLES = 4


@dataclass(frozen=True)
class Agreement:
    """How far swiftclip's answers of one tower are from onnxruntime's. Made by `verify`. Since 1.1."""

    tower: str
    """"image", "text", or "logits" for a file that gives no embeddings."""
    output: str
    """The graph's output that was compared."""
    errors: Tuple[float, ...]
    """Relative L2 error of each embedding; of logits the largest difference of a row, divided by the logit scale."""
    cosines: Tuple[float, ...]
    """Of each embedding, or row of logits, with onnxruntime's."""

    @property
    def error(self) -> float:
        """The largest error; NaN if one is."""
        return float(np.max(self.errors))

    @property
    def cosine(self) -> float:
        """The smallest cosine; NaN if one is."""
        return float(np.min(self.cosines))


@dataclass(frozen=True)
class Verification:
    """Whether swiftclip computes what the files say. Made by `verify`; str() is for people. Since 1.1."""

    towers: Tuple[Agreement, ...]
    limit: float

    @property
    def passed(self) -> bool:
        """Whether no error is above the limit (a NaN is)."""
        return bool(self.towers) and all(tower.error <= self.limit for tower in self.towers)

    def __str__(self) -> str:
        lines = [
            f"{tower.tower + ':':7} relative error {tower.error:.2e}, cosine {tower.cosine:.9f} "
            f"({len(tower.errors)} inputs, output {tower.output!r})"
            for tower in self.towers
        ]
        verdict = "agrees" if self.passed else "DISAGREES"
        return "\n".join([*lines, f"swiftclip {verdict} with onnxruntime (limit {self.limit:g})"])


def verify(
    path: Optional[Path] = None, textual: Optional[Path] = None, *, limit: Optional[float] = None, seed: int = 0,
    threads: int = 0,
) -> Verification:  # fmt: skip
    """Runs the original graph with onnxruntime and the opened model on the same seeded inputs. Since 1.1.

    path, textual  as for `load`
    limit          the largest relative error that counts as agreement; None: one of `LIMITS`, by the files' weights
    seed           of pixels and tokens
    threads        of each of the two; 0: all allowed cores

    Needs onnxruntime: `pip install onnxruntime`. Raises SwiftCLIPError: what `load` raises, and UnsupportedError
    where onnxruntime is not installed or cannot run the files.
    """
    if limit is not None and not limit >= 0:
        raise bad_argument(f"limit is {limit!r}, and must be a number of at least 0.")
    if importlib.util.find_spec("onnxruntime") is None:
        raise error_for(
            Status.UNSUPPORTED, "Verifying runs the files with onnxruntime too, and it is not installed: "
            "pip install onnxruntime."
        )  # fmt: skip
    found = inspect(path, textual)
    limit = _limit(found) if limit is None else limit
    samples = _Samples(found, seed)
    agreements: List[Agreement] = []
    with load(path, textual, threads=threads) as model:
        for file in dict.fromkeys(tower.file for tower in (found.image, found.text) if tower is not None):
            agreements += _compared(file, found, samples, model, limit)
    return Verification(tuple(agreements), limit)


def _limit(found: Inspection) -> float:
    types = {name for tower in (found.image, found.text) if tower is not None for name in tower.weight_types}
    if types & {"int8", "uint8"}:
        return LIMITS["int8"]
    return LIMITS["half" if types & {"float16", "bfloat16"} else "float32"]


class _Samples:
    """Seeded pixels and tokens that the towers can read."""

    def __init__(self, found: Inspection, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self.image, self.text = found.image, found.text

    def pixels(self, count: int) -> np.ndarray:
        assert self.image is not None and self.image.image_size is not None
        size = self.image.image_size
        return self._random.standard_normal((count, 3, size, size)).astype(np.float32)

    def tokens(self, count: int) -> np.ndarray:
        """Texts of several lengths, the first of which fills the context, with zeros behind the end of the text."""
        assert self.text is not None and self.text.context_length and self.text.vocabulary_size
        context, vocabulary = self.text.context_length, self.text.vocabulary_size
        end = vocabulary - 1 if self.text.pooling_id is None else self.text.pooling_id
        tokens = np.zeros((count, context), np.int64)
        for row in range(count):
            last = context - 1 if row == 0 else int(self._random.integers(min(2, context - 1), context))
            words = self._random.integers(1, max(2, vocabulary - 2), last)
            words[words == end] = (end + 1) % vocabulary
            tokens[row, :last] = words
            tokens[row, last] = end
        return tokens


class _Graph:
    """A file in onnxruntime, with what its inputs are for: as swiftclip's importer takes them, by type and rank."""

    def __init__(self, file: str, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        # The graph as it is: an optimiser's rewriting is nothing to compare with, and has crashed on float16 graphs.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = threads
        self.file = file
        with _told(file):
            self.session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        self.inputs = self.session.get_inputs()
        self.outputs = [output.name for output in self.session.get_outputs()]
        self.pictures = [i for i in self.inputs if len(i.shape) == 4]
        ids = [i for i in self.inputs if len(i.shape) == 2 and i.type in ("tensor(int64)", "tensor(int32)")]
        # Which of several is the tokens is not to be seen from outside; names only say what to try first.
        self.tokens = sorted(ids, key=lambda i: "mask" in i.name.lower())

    def batch(self, given: List[Any]) -> int:
        return given[0].shape[0] if given and isinstance(given[0].shape[0], int) else _SAMPLES

    def feeds(self, pixels: Optional[np.ndarray], ids: Optional[np.ndarray], tokens: Any, end: int) -> Dict[str, Any]:
        result = {}
        for given in self.inputs:
            if given in self.pictures:
                value = pixels
            elif given is tokens:
                value = ids
            else:  # an attention mask: ones up to the end of the text
                assert ids is not None
                ends = (ids == end).argmax(axis=1)
                value = np.arange(ids.shape[1])[None, :] <= ends[:, None]
            result[given.name] = np.asarray(value).astype(_dtype(given.type, self.file))
        return result

    def run(self, feeds: Dict[str, Any]) -> Dict[str, np.ndarray]:
        with _told(self.file):
            return dict(zip(self.outputs, self.session.run(None, feeds)))


class _told:
    """What onnxruntime raises, as one of ours."""

    def __init__(self, file: str) -> None:
        self._file = file

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, Exception):
            told = f"{type(error).__name__}: {error}".split("\n")[0]
            raise error_for(Status.UNSUPPORTED, f"{self._file}: onnxruntime cannot run it: {told}") from error


def _dtype(name: str, file: str) -> Any:
    known = {
        "tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64,
        "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(bool)": np.bool_,
    }  # fmt: skip
    if name not in known:
        raise error_for(Status.UNSUPPORTED, f"{file}: numpy cannot make its input of type {name}.")
    return known[name]


def _compared(file: str, found: Inspection, samples: _Samples, model: Model, limit: float) -> List[Agreement]:
    """The towers of one file. Of several inputs that could be the tokens, the first with which all agree, or else the
    one with which most does."""
    graph = _Graph(file, model.threads)
    best: List[Agreement] = []
    refusal: Optional[SwiftCLIPError] = None
    for tokens in graph.tokens or [None]:
        try:
            agreements = _answers(graph, tokens, found, samples, model, file)
        except SwiftCLIPError as error:
            refusal = refusal or error
            continue
        if not best or _worst(agreements) < _worst(best):
            best = agreements
        if _worst(best) <= limit:
            break
    if not best and refusal is not None:
        raise refusal
    return best


def _worst(agreements: List[Agreement]) -> float:
    errors = [agreement.error for agreement in agreements]
    return float("inf") if not errors or np.isnan(errors).any() else max(errors)


def _answers(
    graph: _Graph, tokens: Any, found: Inspection, samples: _Samples, model: Model, file: str
) -> List[Agreement]:
    """The towers of one file, with `tokens` as the input that takes them."""
    wanted = {
        name: tower
        for name, tower in (("image", found.image), ("text", found.text))
        if tower is not None and tower.file == file
    }
    end = _end(found.text)
    collected: Dict[str, List[Tuple[np.ndarray, np.ndarray]]] = {}
    rounds = _SAMPLES if 1 in (graph.batch(graph.pictures), graph.batch(graph.tokens)) else 1
    roles: Dict[str, str] = {}
    for _ in range(rounds):
        # A tower that is not asked about may still be fed: a file with both reads both.
        pixels = samples.pixels(graph.batch(graph.pictures)) if graph.pictures else None
        if pixels is not None:
            pixels = pixels.astype(_dtype(graph.pictures[0].type, file)).astype(np.float32)
        ids = samples.tokens(graph.batch(graph.tokens)) if tokens is not None else None
        theirs = graph.run(graph.feeds(pixels, ids, tokens, end))
        if not roles:
            roles = _roles(graph, theirs, pixels, ids, tokens, end, samples)
        ours = {}
        if "image" in wanted and pixels is not None:
            ours["image"] = model.encode_image(pixels)
        if "text" in wanted and ids is not None:
            ours["text"] = model.encode_text(ids)
        for output, role in roles.items():
            made = np.asarray(theirs[output], np.float32)
            if role in ours and made.shape == ours[role].shape:
                collected.setdefault(f"{role} {output}", []).append((ours[role], made))
            elif role == "both" and len(ours) == 2:
                logits = model.logit_scale * _unit(ours["image"]) @ _unit(ours["text"]).T
                # One row for each picture or for each text; where there are as many of both, what is nearer.
                fitting = [each for each in (logits, logits.T) if each.shape == made.shape]
                if fitting:
                    nearest = min(fitting, key=lambda each: float(np.abs(made - each).sum()))
                    collected.setdefault(f"logits {output}", []).append((nearest, made))
    return _chosen(collected, wanted, model.logit_scale, file)


def _chosen(
    collected: Dict[str, List[Tuple[np.ndarray, np.ndarray]]], wanted: Dict[str, Tower], scale: float, file: str
) -> List[Agreement]:
    """Of several outputs that could be a tower's embedding the nearest; logits only where a tower has none."""
    agreements: Dict[str, Agreement] = {}
    for key, pairs in collected.items():
        role, _, output = key.partition(" ")
        ours, theirs = (np.concatenate(part) for part in zip(*pairs))
        agreement = _agreement(role, output, ours, theirs, scale)
        if role not in agreements or not agreements[role].error <= agreement.error:
            agreements[role] = agreement
    found = [agreements[role] for role in wanted if role in agreements]
    if len(found) == len(wanted):
        return found
    if "logits" in agreements:
        return [*found, agreements["logits"]]
    missing = " or ".join(role for role in wanted if role not in agreements)
    raise error_for(
        Status.UNSUPPORTED, f"{file}: none of its outputs has the shape of the {missing} embeddings or of logits."
    )


def _agreement(role: str, output: str, ours: np.ndarray, theirs: np.ndarray, scale: float) -> Agreement:
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    lengths = np.linalg.norm(b, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        if role == "logits":
            errors = np.abs(a - b).max(axis=1) / scale
        else:
            errors = np.linalg.norm(a - b, axis=1) / lengths
        cosines = (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * lengths)
    return Agreement(role, output, tuple(errors.tolist()), tuple(cosines.tolist()))


def _roles(
    graph: _Graph, first: Dict[str, np.ndarray], pixels: Any, ids: Any, tokens: Any, end: int, samples: _Samples
) -> Dict[str, str]:
    """What each float matrix among the outputs depends on ("image", "text", "both"): seen by changing one input."""
    changed: Dict[str, set[str]] = {output: set() for output in graph.outputs}
    for role in ("image", "text"):
        if (pixels if role == "image" else ids) is None:
            continue
        other_pixels = samples.pixels(len(pixels)) if role == "image" else pixels
        other_ids = samples.tokens(len(ids))[::-1] if role == "text" else ids
        second = graph.run(graph.feeds(other_pixels, other_ids, tokens, end))
        for output in graph.outputs:
            if not np.array_equal(first[output], second[output]):
                changed[output].add(role)
    return {
        output: "both" if len(roles) == 2 else next(iter(roles))
        for output, roles in changed.items()
        if roles and np.ndim(first[output]) == 2 and np.asarray(first[output]).dtype.kind == "f"
    }


def _end(text: Optional[Tower]) -> int:
    if text is None or text.vocabulary_size is None:
        return -1
    return text.vocabulary_size - 1 if text.pooling_id is None else text.pooling_id


def _unit(x: np.ndarray) -> np.ndarray:
    unit: np.ndarray = x / np.linalg.norm(x, axis=1, keepdims=True)
    return unit
