"""Draws a record's picture as 80x80 RGBA: fitted and centred on a transparent square."""

import functools
import io
import os
import subprocess
import zipfile
from pathlib import Path
from typing import Dict, Optional

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from qt_resource import files_inside
from records import Record

SIDE = 80
# Vector drawings are drawn at twice the size and reduced, as raster pictures are.
VECTOR_SIDE = 160
# Sources whose transparent margin says nothing; icons keep theirs, which is part of their style.
CROPPED = {
    "openclipart", "stamps", "emoji", "twemoji", "openmoji", "emojione", "symbola", "gcompris", "furniture", "scratch",
    "wesnoth",
}  # fmt: skip
FULL_SQUARE = {"art4apps"}


def draw(work: Path, record: Record) -> Optional[np.ndarray]:
    """The picture, or None where the file is broken or shows nothing."""
    try:
        picture = opened(work, record).convert("RGBA")
    except Exception:  # Files of twenty packages: what cannot be read is left out and counted.
        return None
    alpha = picture.getchannel("A")
    if alpha.getextrema()[1] == 0:
        return None
    if record.source in CROPPED:
        box = alpha.point(lambda value: 255 * (value > 8)).getbbox()
        if box is None:
            return None
        picture = picture.crop(box)
    ground = (255, 255, 255, 255) if record.source in FULL_SQUARE else (0, 0, 0, 0)
    return np.asarray(fitted(picture, ground))


def fitted(picture: Image.Image, ground: tuple) -> Image.Image:
    scale = SIDE / max(picture.size)
    size = tuple(max(1, round(length * scale)) for length in picture.size)
    # Premultiplied, so that hidden colours of transparent pixels don't leak into the edges.
    small = picture.convert("RGBa").resize(size, Image.BICUBIC).convert("RGBA")
    square = Image.new("RGBA", (SIDE, SIDE), ground)
    square.paste(small, ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
    return square


def opened(work: Path, record: Record) -> Image.Image:
    path = work / record.file
    if record.character:
        return character(str(path), record.character)
    if not record.member:
        return from_svg(path.read_bytes()) if record.file.endswith(".svg") else Image.open(path)
    data = member(str(path), record.member)
    return from_svg(data) if record.member.endswith(".svg") else Image.open(io.BytesIO(data))


def from_svg(data: bytes) -> Image.Image:
    side = str(VECTOR_SIDE)
    command = ["rsvg-convert", "-w", side, "-h", side, "-a"]
    drawn = subprocess.run(command, input=data, capture_output=True, timeout=20, check=True)
    return Image.open(io.BytesIO(drawn.stdout))


@functools.lru_cache(maxsize=2)
def font(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)


def character(path: str, text: str) -> Image.Image:
    """Noto's bitmaps exist at one size, 109; other fonts take the same."""
    picture = Image.new("RGBA", (160, 160), (0, 0, 0, 0))
    ImageDraw.Draw(picture).text((8, 8), text, font=font(path, 109), fill=(0, 0, 0, 255), embedded_color=True)
    return picture


@functools.lru_cache(maxsize=4)
def resources(path: str) -> Dict[str, bytes]:
    return files_inside(Path(path))


@functools.lru_cache(maxsize=8)
def archive(path: str, process: int) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


def member(path: str, name: str) -> bytes:
    """One file of an archive; each process opens its own."""
    return resources(path)[name] if path.endswith(".rcc") else archive(path, os.getpid()).read(name)
