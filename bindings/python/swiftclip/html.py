"""The report: one self-contained HTML page of pictures with their labels as bars."""

from __future__ import annotations

import base64
import html
import io
import os
from dataclasses import dataclass
from typing import Any, Mapping, Optional, Sequence, Tuple

from ._places import page_style

_THUMBNAIL = 480
_SMALL = 96 * 1024

_SIGNATURES = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"))


@dataclass(frozen=True)
class Entry:
    """One picture of the report. Since 1.0."""

    path: str
    """Its file, which is read when the page is made."""
    labels: Sequence[Tuple[str, float]]
    """Labels with their scores, best first."""
    error: Optional[str] = None
    """What was wrong with it, if it could not be classified."""


def report(
    entries: Sequence[Entry],
    *,
    labels: Sequence[str],
    templates: Sequence[str],
    model: str,
    description: Mapping[str, Any],
    logit_scale: float,
    cosines: bool = False,
    title: str = "Which label fits?",
) -> str:
    """The page as text: valid HTML5 that needs nothing but itself, light or dark as the reader has it. Since 1.0.

    entries       the pictures
    labels, templates, model, description, logit_scale
                  what was asked of which model (`Model.describe`), for the head and the foot of the page
    cosines       whether the scores are cosines; otherwise they are probabilities
    """
    top = max((score for entry in entries for _, score in entry.labels), default=1.0)
    full = max(top, 1e-6) if cosines else 1.0
    cards = "\n".join(_card(entry, cosines, full) for entry in entries)
    count = f"{len(entries)} picture{'' if len(entries) == 1 else 's'}"
    return _PAGE.format(
        title=_text(title),
        style=page_style(),
        summary=_text(f"{count}, {len(labels)} label{'' if len(labels) == 1 else 's'}, by {model}"),
        cards=cards,
        scores=(
            "The numbers are cosines between picture and label, each independent of the other labels; "
            "the longest bar is the largest of the page."
            if cosines
            else f"The numbers are probabilities over the labels given: the softmax of {logit_scale:.4g} × cosine."
        ),
        labels=_text(", ".join(labels)),
        templates=_text(" · ".join(templates)),
        facts=_text(_facts(description)),
    )


def _facts(description: Mapping[str, Any]) -> str:
    facts = [f"{description.get('embed_dim')} dimensions"]
    instructions = description.get("instructions")
    if instructions:
        facts.append(f"instruction set {instructions}")
    threads = description.get("threads")
    if threads:
        facts.append(f"{threads} thread{'' if threads == 1 else 's'}")
    return ", ".join(facts)


def _card(entry: Entry, cosines: bool, full: float) -> str:
    name = _text(os.path.basename(entry.path))
    source = _data_uri(entry.path)
    picture = f'<img src="{source}" alt="{name}">' if source else '<div class="missing">no picture</div>'
    if entry.error is not None:
        body = f'<p class="error">{_text(entry.error)}</p>'
    else:
        rows = "\n".join(_row(label, score, cosines, full, rank) for rank, (label, score) in enumerate(entry.labels))
        body = f"<ol>\n{rows}\n</ol>"
    caption = f'<figcaption title="{_text(entry.path)}">{name}</figcaption>'
    return f'<figure>\n<div class="picture">{picture}</div>\n{caption}\n{body}\n</figure>'


def _row(label: str, score: float, cosines: bool, full: float, rank: int) -> str:
    number = f"{score:.3f}" if cosines else f"{100 * score:.1f} %"
    width = 100 * min(max(score / full, 0.0), 1.0)
    first = ' class="first"' if rank == 0 else ""
    return (
        f'<li{first}><span class="label">{_text(label)}</span><span class="score">{number}</span>'
        f'<span class="track"><span class="bar" style="width:{width:.2f}%"></span></span></li>'
    )


def _data_uri(path: str) -> Optional[str]:
    """The picture inside the page: as it is if it is small or Pillow is missing, else a thumbnail.

    None if it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except (OSError, ValueError):  # ValueError: no such name can exist
        return None
    kind = _kind(data)
    if kind is None or len(data) > _SMALL:
        thumbnail = _thumbnail(data)
        if thumbnail is not None:
            kind, data = thumbnail
    if kind is None:
        return None
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _kind(data: bytes) -> Optional[str]:
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            return kind
    return "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


def _thumbnail(data: bytes) -> Optional[Tuple[str, bytes]]:
    try:
        from PIL import Image, ImageOps
    except ImportError:
        return None
    try:
        with Image.open(io.BytesIO(data)) as opened:
            opened.draft("RGB", (_THUMBNAIL, _THUMBNAIL))
            image = ImageOps.exif_transpose(opened)
            transparent = image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info
            image = image.convert("RGBA" if transparent else "RGB")
            image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    except Exception:  # Pillow raises many kinds on damaged files; the page is worth more than one picture
        return None
    small = io.BytesIO()
    if transparent:
        image.save(small, "PNG", optimize=True)
        return "image/png", small.getvalue()
    image.save(small, "JPEG", quality=85)
    return "image/jpeg", small.getvalue()


def _text(text: str) -> str:
    """Text that stands in an element or an attribute, escaped; a lone surrogate becomes a question mark."""
    shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    shown = shown.encode("utf-8", "replace").decode("utf-8")
    return html.escape("".join(c if c.isprintable() or c == " " else "\ufffd" for c in shown), quote=True)


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p>{summary}</p>
</header>
<main>
{cards}
</main>
<footer>
<p>{scores}</p>
<dl>
<dt>Labels</dt><dd>{labels}</dd>
<dt>Templates</dt><dd>{templates}</dd>
<dt>Model</dt><dd>{facts}</dd>
</dl>
<p>Made by swiftclip.</p>
</footer>
</body>
</html>
"""
