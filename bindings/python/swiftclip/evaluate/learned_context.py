"""Learned context vectors in front of class names, trained through the frozen text encoder.

CoOp: Zhou, Yang, Loy, Liu, "Learning to Prompt for Vision-Language Models" (IJCV 2022). The same vectors for every
picture. CoCoOp: the same authors, "Conditional Prompt Learning for Vision-Language Models" (CVPR 2022). A small network
adds to them what it makes of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np

from .._errors import bad_argument
from ..model import Model
from ..trainer import Trainer
from .encoder import Encoded, unit

_FROZEN = ("visual", "transformer", "ln_final", "text_projection", "positional_embedding", "logit_scale")
"""All but token_embedding, of which the rows that stand for context are what learns."""


class PromptTower:
    """The frozen text encoder, fed with vectors in place of the words around class names.

    The vectors are lent rows of the token table whose ids no class name uses, so that the way back leaves their
    gradient in those rows.

    model     a `swiftclip.Model` that was opened from files which `swiftclip.Trainer` opens
    classes   names
    template  its words before {} give the vectors their first values where `length` is None
    length    number of vectors; None: as many as the template has tokens before {}
    copies    contexts that one pass may hold, each with all classes
    """

    def __init__(
        self, model: Model, classes: Sequence[str], template: str, length: Optional[int], copies: int, seed: int = 0
    ) -> None:
        files = model.files()
        if files["path"] is None:
            raise bad_argument("Learning prompts needs both towers, and the model was opened without an image encoder.")
        self._trainer = Trainer(model if files["textual"] else files["path"], freeze=_FROZEN)
        self.scale = model.logit_scale
        self.classes = len(classes)
        table = self._trainer.parameters()["token_embedding.weight"]
        self._gradient = self._trainer.parameter_gradients()["token_embedding.weight"]
        self._table = table
        names, ends = _words(model, [template.replace("{}", name) for name in classes])
        before, _ = _words(model, [template.split("{}")[0]])
        self.length = len(before[0]) if length is None else length
        if self.length < 1:
            raise bad_argument('There is no context to learn: give a length, or a template with words before "{}".')
        skip = _common(names, len(before[0]))
        texts = [name[skip:] for name in names]
        used = {token for text in texts for token in text}
        start, end = ends
        free = [token for token in range(min(start, end)) if token not in used]
        if len(free) < copies * self.length:
            raise bad_argument(f"The vocabulary has no {copies * self.length} ids to spare for context vectors.")
        self._ids = np.array(free[-copies * self.length :], np.int64).reshape(copies, self.length)
        self._tokens = self._laid_out(texts, start, end, model.context_length)
        if length is None:
            self.first = table[np.array(before[0])].copy()
        else:
            random = np.random.default_rng(seed)
            self.first = random.normal(0, 0.02, (length, table.shape[1])).astype(np.float32)

    def _laid_out(self, texts: Sequence[List[int]], start: int, end: int, context_length: int) -> np.ndarray:
        """(copies, classes, context_length): start, context, the class's words, end."""
        longest = 2 + self.length + max(len(text) for text in texts)
        if longest > context_length:
            raise bad_argument(f"Context and class name take {longest} tokens, but the model reads {context_length}.")
        tokens = np.zeros((len(self._ids), len(texts), context_length), np.int32)
        for copy, ids in enumerate(self._ids):
            for row, text in zip(tokens[copy], texts):
                line = [start, *ids.tolist(), *text, end]
                row[: len(line)] = line
        return tokens

    @property
    def width(self) -> int:
        """Numbers in a context vector."""
        return int(self._table.shape[1])

    def encode(self, contexts: np.ndarray) -> np.ndarray:
        """Embeddings (B, classes, D), not normalised, of all class names behind each of the contexts
        (B, length, width)."""
        self._table[self._ids[: len(contexts)]] = contexts
        tokens = self._tokens[: len(contexts)]
        embeddings = self._trainer.encode_texts(tokens.reshape(-1, tokens.shape[-1]))
        return np.asarray(embeddings.reshape(len(contexts), self.classes, -1))

    def pull(self, gradients: np.ndarray) -> np.ndarray:
        """Gradients with respect to the contexts, from those with respect to what `encode` gave last."""
        self._trainer.backpropagate(texts=gradients.reshape(-1, gradients.shape[-1]))
        return np.array(self._gradient[self._ids[: len(gradients)]])

    def close(self) -> None:
        """Frees the trainer."""
        self._trainer.close()


def _words(model: Model, texts: Sequence[str]) -> Tuple[List[List[int]], Tuple[int, int]]:
    """Tokens of texts without start and end, and those two."""
    rows = model.tokenize(list(texts))
    end = int(rows.max())
    words = [row[1 : int(np.argmax(row))].tolist() for row in rows]
    return words, (int(rows[0][0]), end)


def _common(texts: Sequence[List[int]], most: int) -> int:
    """How many tokens all texts begin with alike, `most` at most."""
    return next((at for at in range(most) if len({tuple(text[: at + 1]) for text in texts}) > 1), most)


@dataclass
class Sgd:
    """Stochastic gradient descent with momentum and half a cosine, its first epoch at a constant small rate, as both
    papers train."""

    steps: int
    warmup: int
    rate: float = 2e-3
    momentum: float = 0.9
    decay: float = 5e-4

    def __post_init__(self) -> None:
        self._done = 0
        self._velocity: Dict[int, np.ndarray] = {}

    def update(self, parameters: Sequence[np.ndarray], gradients: Sequence[np.ndarray]) -> None:
        """One step, in place."""
        progress = (self._done - self.warmup) / max(1, self.steps - self.warmup)
        rate = min(1e-5, self.rate) if self._done < self.warmup else self.rate * (1 + np.cos(np.pi * progress)) / 2
        for index, (value, gradient) in enumerate(zip(parameters, gradients)):
            step = gradient + self.decay * value
            self._velocity[index] = step + self.momentum * self._velocity.get(index, np.zeros_like(value))
            value -= np.float32(rate) * self._velocity[index]
        self._done += 1


class MetaNet:
    """CoCoOp's network from an image embedding of length 1 to what is added to every context vector: two linear
    layers, of which the first has a sixteenth of the embedding's width, with a ReLU between."""

    def __init__(self, inputs: int, outputs: int, seed: int) -> None:
        random = np.random.default_rng([seed, 1])
        hidden = max(1, inputs // 16)

        def layer(fan_in: int, fan_out: int) -> List[np.ndarray]:
            bound = 1 / np.sqrt(fan_in)
            return [
                random.uniform(-bound, bound, shape).astype(np.float32) for shape in ((fan_in, fan_out), (fan_out,))
            ]

        self.parameters = [*layer(inputs, hidden), *layer(hidden, outputs)]

    def forward(self, x: np.ndarray) -> np.ndarray:
        """(B, inputs) to (B, outputs)."""
        w1, b1, w2, b2 = self.parameters
        self._x, self._hidden = x, np.maximum(x @ w1 + b1, 0)
        return np.asarray(self._hidden @ w2 + b2)

    def backward(self, d: np.ndarray) -> List[np.ndarray]:
        """Gradients of the parameters, from those of what `forward` gave last."""
        d_hidden = (d @ self.parameters[2].T) * (self._hidden > 0)
        return [self._x.T @ d_hidden, d_hidden.sum(axis=0), self._hidden.T @ d, d.sum(axis=0)]


class LearnedContext:
    """Context vectors for a data set's class names. `train` learns them, `scores` uses them.

    conditional  CoCoOp; otherwise CoOp
    batch        pictures of a step; None: 32, or with `conditional` 1, as the papers have it
    """

    def __init__(
        self,
        model: Model,
        classes: Sequence[str],
        template: str,
        *,
        length: Optional[int] = None,
        conditional: bool = False,
        batch: Optional[int] = None,
        seed: int = 0,
    ) -> None:
        self.batch = batch or (1 if conditional else 32)
        self._together = 16 if conditional else 1
        copies = max(self.batch, self._together) if conditional else 1
        self._tower = PromptTower(model, classes, template, length, copies, seed)
        self.context = self._tower.first.copy()
        self._meta = MetaNet(model.embed_dim, self._tower.width, seed) if conditional else None
        self._seed = seed

    @property
    def parameters(self) -> List[np.ndarray]:
        """What learns: the context vectors and, conditional, the network's weights and biases."""
        return [self.context, *(self._meta.parameters if self._meta else ())]

    def train(self, data: Encoded, epochs: int, progress: Optional[Callable[[int, int], None]] = None) -> float:
        """Learns from features and labels; returns the mean loss of the last epoch."""
        random = np.random.default_rng(self._seed)
        per_epoch = -(-len(data.labels) // self.batch)
        optimiser = Sgd(epochs * per_epoch, per_epoch)
        features, losses = unit(data.features), [float("nan")]
        for epoch in range(epochs):
            order, losses = random.permutation(len(features)), []
            for start in range(0, len(order), self.batch):
                rows = order[start : start + self.batch]
                loss, gradients = self.gradients(features[rows], data.labels[rows])
                optimiser.update(self.parameters, gradients)
                losses.append(loss)
            if progress is not None:
                progress(epoch + 1, epochs)
        return float(np.mean(losses))

    def gradients(self, features: np.ndarray, labels: np.ndarray) -> Tuple[float, List[np.ndarray]]:
        """Cross-entropy over the classes, the mean of the pictures, and its gradients: of the context vectors and,
        conditional, of the network's parameters. `features` (B, D) have the length 1."""
        embeddings = self._tower.encode(self._contexts(features))
        lengths = np.linalg.norm(embeddings, axis=-1, keepdims=True)
        units = embeddings / lengths
        each = np.broadcast_to(units, (len(features), *units.shape[1:]))
        logits = self._tower.scale * np.einsum("bcd,bd->bc", each, features)
        chances = softmax(logits)
        loss = -float(np.log(np.maximum(chances[np.arange(len(labels)), labels], 1e-30)).mean())
        chances[np.arange(len(labels)), labels] -= 1
        d_logits = chances * np.float32(self._tower.scale / len(labels))
        if self._meta is None:
            d_units = (d_logits.T @ features)[None]
        else:
            d_units = d_logits[:, :, None] * features[:, None, :]
        inner = (d_units * units).sum(axis=-1, keepdims=True)
        d_contexts = self._tower.pull(np.ascontiguousarray((d_units - units * inner) / lengths, np.float32))
        gradients = [d_contexts.sum(axis=0)]
        if self._meta is not None:
            gradients += self._meta.backward(d_contexts.sum(axis=1))
        return loss, gradients

    def _contexts(self, features: np.ndarray) -> np.ndarray:
        if self._meta is None:
            return np.asarray(self.context[None])
        return np.asarray(self.context[None] + self._meta.forward(features)[:, None, :])

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Cosines of features (N, D) with the classes: (N, classes)."""
        features = unit(features)
        if self._meta is None:
            return np.asarray(features @ unit(self._tower.encode(self.context[None])[0]).T, np.float32)
        parts = []
        for start in range(0, len(features), self._together):
            part = features[start : start + self._together]
            parts.append(np.einsum("bcd,bd->bc", unit(self._tower.encode(self._contexts(part))), part))
        return np.asarray(np.concatenate(parts), np.float32)

    def close(self) -> None:
        """Frees what holds the text encoder."""
        self._tower.close()

    def __enter__(self) -> "LearnedContext":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def softmax(logits: np.ndarray) -> np.ndarray:
    """Of each row."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))
