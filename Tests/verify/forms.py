"""The same small CLIP written in many ways: a PyTorch module whose parts can each be said differently.

`FORMS` lists, part by part, the ways that are known from conversion projects. dialects.py exports the plain model with
one part at a time said otherwise. All forms of a part compute the same function.
"""

from __future__ import annotations

import math
from typing import Dict

import torch
from torch import nn

FORMS: Dict[str, tuple] = {
    "qkv": ("linear", "fused-chunk", "fused-split", "fused-slice", "fused-select", "fused-unbind", "einsum", "matrix",
            "transposed", "heads-last", "bmm", "folded-heads"),
    "scale": ("scores", "query", "key", "both-roots", "weights", "divide"),
    "norm": ("layer", "nine", "var", "rsqrt"),
    "activation": ("sigmoid-mul", "mul-sigmoid", "silu", "function"),
    "gelu": ("op", "erf", "erf-half-first", "erf-divide"),
    "mask": ("buffer", "triu", "where", "full-triu", "bool-fill", "float-min", "tril", "comparison", "additive-10000"),
    "eot": ("argmax", "flat", "gather", "equal", "select-index", "take-along", "int32", "mod"),
    "class": ("expand", "repeat", "zeros-add", "broadcast", "ones-multiply", "copies"),
    "positions": ("add", "embedding", "embedding-arange", "slice", "index", "unsqueezed"),
    "projection": ("matrix", "linear", "einsum", "conv-like", "before-pool"),
    "patches": ("conv", "conv-bias", "unfold", "flatten-first"),
    "pooling": ("first-norm", "norm-first", "select", "split", "narrow"),
    "length": ("none", "norm", "normalize", "pow-sum-sqrt", "clamp", "plus-epsilon", "rsqrt", "square-sum", "linalg"),
    "layout": ("batch-first", "sequence-first", "flattened"),
}


def exact(x: torch.Tensor, form: str) -> torch.Tensor:
    if form == "op":
        return nn.functional.gelu(x)
    if form == "erf":
        return x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0)))
    if form == "erf-half-first":
        return 0.5 * x * (torch.erf(x * 0.7071067811865476) + 1)
    return x * (torch.erf(x / 1.4142135623730951) + 1) / 2


def quick(x: torch.Tensor, form: str) -> torch.Tensor:
    if form == "mul-sigmoid":
        return torch.sigmoid(x * 1.702) * x
    if form == "silu":
        return nn.functional.silu(1.702 * x) / 1.702
    if form == "function":
        return x / (1 + torch.exp(-1.702 * x))
    return x * torch.sigmoid(1.702 * x)


class Norm(nn.LayerNorm):
    def __init__(self, width: int, form: str):
        super().__init__(width)
        self.form = form

    def forward(self, x):
        if self.form == "layer":
            return super().forward(x)
        mean = x.mean(-1, keepdim=True)
        if self.form == "var":
            variance = x.var(-1, keepdim=True, unbiased=False)
            return (x - mean) / torch.sqrt(variance + self.eps) * self.weight + self.bias
        variance = ((x - mean) * (x - mean)).mean(-1, keepdim=True)
        if self.form == "rsqrt":
            return (x - mean) * torch.rsqrt(variance + self.eps) * self.weight + self.bias
        variance = (x - mean).pow(2).mean(-1, keepdim=True)
        return self.weight * ((x - mean) / (variance + self.eps).sqrt()) + self.bias


class Attention(nn.Module):
    def __init__(self, width: int, heads: int, forms: Dict[str, str], tokens: int):
        super().__init__()
        self.width, self.heads, self.forms, self.tokens = width, heads, forms, tokens
        self.weight = nn.Parameter(torch.empty(3 * width, width))
        self.bias = nn.Parameter(torch.empty(3 * width))
        self.out = nn.Linear(width, width)

    def heads_of(self, x):
        batch, heads, each, width = x.shape[0], self.heads, self.width // self.heads, self.width
        form = self.forms["qkv"]
        weights, biases = self.weight.chunk(3), self.bias.chunk(3)
        if form == "matrix":
            parts = [x @ w.t() + b for w, b in zip(weights, biases)]
        elif form == "transposed":
            parts = [(w @ x.transpose(1, 2)).transpose(1, 2) + b for w, b in zip(weights, biases)]
        elif form == "einsum":
            shaped = [(torch.einsum("btc,hdc->bhtd", x, w.reshape(heads, each, width))
                       + b.reshape(1, heads, 1, each)) for w, b in zip(weights, biases)]
            return shaped
        elif form.startswith("fused"):
            both = nn.functional.linear(x, self.weight, self.bias)
            if form == "fused-split":
                parts = both.split(width, dim=-1)
            elif form == "fused-slice":
                parts = [both[..., i * width:(i + 1) * width] for i in range(3)]
            elif form == "fused-select":
                stacked = both.reshape(batch, -1, 3, heads, each).permute(2, 0, 3, 1, 4)
                return [stacked[0], stacked[1], stacked[2]]
            elif form == "fused-unbind":
                return both.reshape(batch, -1, 3, heads, each).permute(2, 0, 3, 1, 4).unbind(0)
            else:
                parts = both.chunk(3, dim=-1)
        else:
            parts = [nn.functional.linear(x, w, b) for w, b in zip(weights, biases)]
        if form == "heads-last":
            return [p.view(batch, -1, heads, each).permute(0, 2, 1, 3) for p in parts]
        if form == "folded-heads":
            return [p.reshape(batch, -1, heads, each).transpose(1, 2).reshape(batch * heads, -1, each)
                    .reshape(batch, heads, -1, each) for p in parts]
        return [p.reshape(batch, -1, heads, each).transpose(1, 2) for p in parts]

    def mask(self, scores):
        form, n = self.forms["mask"], self.tokens
        if form == "bool-fill":
            return scores.masked_fill(torch.ones(n, n, dtype=torch.bool).triu(1), float("-inf"))
        if form == "where":
            return torch.where(torch.tril(torch.ones(n, n)) > 0, scores, torch.tensor(-1e9))
        if form == "comparison":
            i = torch.arange(n)
            return scores + torch.where(i[None, :] > i[:, None], torch.finfo(torch.float32).min, 0.0)
        if form == "tril":
            return scores + (1 - torch.tril(torch.ones(n, n))) * -1e5
        if form == "additive-10000":
            return scores + torch.triu(torch.ones(n, n), 1) * -10000.0
        if form == "float-min":
            return scores + torch.triu(torch.full((n, n), torch.finfo(torch.float32).min), 1)[None, None]
        if form == "full-triu":
            return scores + torch.full((n, n), float("-inf")).triu(1)
        if form == "triu":
            mask = torch.empty(n, n)
            mask.fill_(float("-inf"))
            return scores + mask.triu_(1).expand(scores.shape[0], 1, n, n)
        return scores + self.fixed

    def forward(self, x, causal: bool):
        q, k, v = self.heads_of(x)
        factor = (self.width // self.heads) ** -0.5
        form = self.forms["scale"]
        if form == "query":
            q = q * factor
        elif form == "key":
            k = k * factor
        elif form == "both-roots":
            q, k = q * math.sqrt(factor), k * math.sqrt(factor)
        if self.forms["qkv"] == "bmm":
            b, h = q.shape[0], self.heads
            flat = [t.reshape(b * h, self.tokens, -1) for t in (q, k)]
            scores = torch.bmm(flat[0], flat[1].transpose(1, 2)).view(b, h, self.tokens, self.tokens)
        elif self.forms["qkv"] == "einsum":
            scores = torch.einsum("bhid,bhjd->bhij", q, k)
        else:
            scores = q @ k.transpose(-2, -1)
        if form in ("scores", "weights"):
            scores = factor * scores
        elif form == "divide":
            scores = scores / math.sqrt(self.width // self.heads)
        if causal:
            scores = self.mask(scores)
        y = scores.softmax(-1) @ v
        return self.out(y.transpose(1, 2).reshape(x.shape[0], -1, self.width))


class Block(nn.Module):
    def __init__(self, width, heads, forms, tokens, causal):
        super().__init__()
        self.forms, self.causal = forms, causal
        self.ln_1, self.ln_2 = Norm(width, forms["norm"]), Norm(width, forms["norm"])
        self.attention = Attention(width, heads, forms, tokens)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        if causal:
            self.attention.register_buffer("fixed", torch.full((tokens, tokens), float("-inf")).triu(1))

    def forward(self, x):
        form = self.forms["layout"]
        if form == "sequence-first":
            x = x + self.attention(self.ln_1(x).permute(1, 0, 2), self.causal).permute(1, 0, 2)
        else:
            x = x + self.attention(self.ln_1(x), self.causal)
        y = self.ln_2(x)
        shape = y.shape
        if form == "flattened":
            y = y.reshape(-1, shape[-1])
        y = self.up(y)
        y = exact(y, self.forms["gelu"]) if self.forms["kind"] == "gelu" else quick(y, self.forms["activation"])
        return x + self.down(y).reshape(shape)


def unit(y: torch.Tensor, form: str) -> torch.Tensor:
    if form == "norm":
        return y / y.norm(dim=-1, keepdim=True)
    if form == "normalize":
        return nn.functional.normalize(y, p=2.0, dim=1)
    if form == "pow-sum-sqrt":
        return y / torch.pow(y, 2).sum(dim=-1, keepdim=True).sqrt()
    if form == "clamp":
        return y / y.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    if form == "plus-epsilon":
        return y / (y.norm(dim=-1, keepdim=True) + 1e-8)
    if form == "rsqrt":
        return y * torch.rsqrt((y * y).sum(-1, keepdim=True))
    if form == "square-sum":
        return y / torch.sqrt(torch.sum(torch.square(y), 1, keepdim=True))
    if form == "linalg":
        return y / torch.linalg.vector_norm(y, dim=-1, keepdim=True)
    return y


class Tower(nn.Module):
    """An image or a text encoder; `forms` says how each part is put, "kind" which activation there is."""

    def __init__(self, forms: Dict[str, str], text: bool, size=12, patch=4, width=8, heads=2, layers=2, embed=6,
                 vocabulary=40, context=7, text_width=12, text_heads=3):
        super().__init__()
        self.forms, self.text, self.patch = forms, text, patch
        self.width = width = text_width if text else width
        self.heads = heads = text_heads if text else heads
        self.tokens = context if text else (size // patch) ** 2 + 1
        if text:
            self.table = nn.Embedding(vocabulary, width)
        else:
            self.conv = nn.Conv2d(3, width, patch, patch, bias=forms["patches"] == "conv-bias")
            self.class_token = nn.Parameter(torch.empty(width))
            self.ln_pre = Norm(width, forms["norm"])
        self.positions = nn.Embedding(self.tokens, width)
        self.register_buffer("ids", torch.arange(self.tokens)[None])
        self.blocks = nn.ModuleList(Block(width, heads, forms, self.tokens, text) for _ in range(layers))
        self.ln_post = Norm(width, forms["norm"])
        self.projection = nn.Linear(width, embed, bias=False)

    def embedded(self, image):
        form = self.forms["patches"]
        if form == "unfold":
            b, c, h, w = image.shape
            p = self.patch
            cut = image.reshape(b, c, h // p, p, w // p, p).permute(0, 2, 4, 1, 3, 5).reshape(b, -1, c * p * p)
            x = cut @ self.conv.weight.reshape(self.width, -1).t()
        else:
            x = self.conv(image)
            x = x.flatten(2).permute(0, 2, 1) if form == "conv" else x.permute(0, 2, 3, 1).reshape(
                image.shape[0], -1, self.width)
        form, batch = self.forms["class"], image.shape[0]
        if form == "repeat":
            token = self.class_token.reshape(1, 1, -1).repeat(batch, 1, 1)
        elif form == "zeros-add":
            token = self.class_token + torch.zeros(batch, 1, self.width)
        elif form == "broadcast":
            token = torch.broadcast_to(self.class_token, (batch, 1, self.width))
        elif form == "ones-multiply":
            token = torch.ones(batch, 1, 1) * self.class_token
        elif form == "copies":
            token = self.class_token[None, None].expand_as(x[:, :1])
        else:
            token = self.class_token.expand(batch, 1, -1)
        return torch.cat([token, x], dim=1)

    def positioned(self, x):
        form, table = self.forms["positions"], self.positions.weight
        if form == "embedding":
            return x + self.positions(self.ids)
        if form == "embedding-arange":
            return x + self.positions(torch.arange(x.shape[1]))
        if form == "slice":
            return x + table[:x.shape[1]]
        if form == "index":
            return x + self.positions(self.ids[:, :x.shape[1]])
        if form == "unsqueezed":
            return table[None] + x
        return x + table

    def place_of_end(self, x, tokens):
        form, batch = self.forms["eot"], tokens.shape[0]
        if form == "equal":
            place = (tokens == 39).int().argmax(dim=-1)
        elif form == "int32":
            place = tokens.to(torch.int32).argmax(dim=-1)
        else:
            place = tokens.argmax(dim=-1)
        if form == "flat":
            return x.reshape(-1, self.width)[torch.arange(batch) * self.tokens + place]
        if form == "gather":
            return x.gather(1, place[:, None, None].expand(-1, 1, self.width)).squeeze(1)
        if form == "take-along":
            return torch.take_along_dim(x, place.reshape(-1, 1, 1), dim=1)[:, 0]
        if form == "select-index":
            return torch.index_select(x.reshape(-1, self.width), 0, place + self.tokens * torch.arange(batch))
        if form == "mod":
            return x[torch.arange(batch), place % self.tokens]
        return x[torch.arange(batch), place]

    def projected(self, x):
        form = self.forms["projection"]
        if form == "linear":
            return self.projection(x)
        if form == "einsum":
            return torch.einsum("...c,dc->...d", x, self.projection.weight)
        if form == "conv-like":
            return nn.functional.linear(x[..., None, :], self.projection.weight).squeeze(-2)
        return x @ self.projection.weight.t()

    def forward(self, x):
        tokens = x
        x = self.table(x) if self.text else self.embedded(x)
        x = self.positioned(x)
        if not self.text:
            x = self.ln_pre(x)
        form = self.forms["layout"]
        if form == "sequence-first":
            x = x.permute(1, 0, 2)
        for block in self.blocks:
            x = block(x)
        if form == "sequence-first":
            x = x.permute(1, 0, 2)
        form = self.forms["pooling"]
        before = self.forms["projection"] == "before-pool"
        if form == "norm-first" or self.text or before:
            x = self.ln_post(x)
        if before:
            x = self.projected(x)
            return unit(x[:, 0] if not self.text else x[torch.arange(x.shape[0]), tokens.argmax(-1)],
                        self.forms["length"])
        if self.text:
            x = self.place_of_end(x, tokens)
        elif form == "select":
            x = x.select(1, 0)
        elif form == "split":
            x = x.split([1, self.tokens - 1], dim=1)[0].squeeze(1)
        elif form == "narrow":
            x = x.narrow(1, 0, 1).reshape(-1, self.width)
        else:
            x = x[:, 0, :]
        if form != "norm-first" and not self.text:
            x = self.ln_post(x)
        return unit(self.projected(x), self.forms["length"])


def plain() -> Dict[str, str]:
    return {part: ways[0] for part, ways in FORMS.items()} | {"kind": "quick"}


def tower(part: str, way: str, text: bool, layers: int = 2) -> Tower:
    forms = plain() | {part: way}
    if part == "gelu":
        forms["kind"] = "gelu"
    torch.manual_seed(4)
    made = Tower(forms, text, layers=layers)
    for name, p in made.named_parameters():
        gain = "ln_" in name and name.endswith("weight")
        p.data = 1 + 0.2 * torch.randn(p.shape) if gain else torch.randn(p.shape) * (0.3 if p.dim() == 1 else 0.25)
    return made.eval()


def concerns(part: str) -> tuple:
    """Which towers have a part: (image, text)."""
    return {"mask": (False, True), "eot": (False, True), "class": (True, False), "patches": (True, False),
            "pooling": (True, False)}.get(part, (True, True))
