"""Pictures as the model sees them in training: on a random ground, cropped, turned, mirrored, recoloured."""

from dataclasses import dataclass
from typing import Any, List, Sequence

import numpy as np
from PIL import Image

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
GREY = np.array([0.299, 0.587, 0.114], np.float32)
# Noise is drawn once; each picture that gets some takes it from a random place.
NOISE = np.random.default_rng(0).standard_normal(1 << 20, np.float32)


@dataclass
class Augmentation:
    """How much pictures vary. Lengths are parts of the picture's side, angles are in radians."""

    zoom: tuple = (0.75, 1.12)  # part of the picture's side that is seen: below 1 a crop, above 1 with a margin
    stretch: float = 0.12  # logarithm of the aspect ratio's greatest change
    turn: float = 0.18
    turned: float = 0.5  # share of pictures that are turned
    shift: float = 0.08
    mirrored: float = 0.4  # of those that may be
    brightness: tuple = (0.75, 1.25)
    saturation: tuple = (0.4, 1.5)
    grey: float = 0.05  # share of pictures without colour
    softened: float = 0.4  # share of drawings made as soft as the photographs, which come from 32 pixels
    sharpened: float = 0.6  # share of photographs made sharper and noisier
    sharpness: tuple = (0.4, 2.5)
    noise: float = 0.05

    def batch(
        self,
        pictures: Any,
        rows: Sequence[int],
        photos: Sequence[bool],
        mirrorable: Sequence[bool],
        random: np.random.Generator,
        side: int = 64,
    ) -> np.ndarray:
        """float32 (N, 3, side, side), normalised with the official mean and standard deviation.

        `pictures` is the uint8 (N, S, S, 4) array, `rows` say which of them, `photos` which are photographs
        and `mirrorable` which may be mirrored.
        """
        count = len(rows)
        result = np.empty((count, side, side, 3), np.uint8)
        grounds = self.grounds(count, random)
        numbers = random.random((count, 10))
        for i, row in enumerate(rows):
            picture = self.moved(pictures[row], grounds[i], numbers[i], mirrorable[i], side)
            result[i] = self.evened(picture, photos[i], numbers[i, 7], numbers[i, 8], random)
        return self.coloured(result, random)

    def grounds(self, count: int, random: np.random.Generator) -> List[tuple]:
        """Half white, a fifth black, the others any plain colour."""
        kind, colours = random.random(count), random.integers(0, 256, (count, 3))
        colours[kind < 0.7] = 0
        colours[kind < 0.5] = 255
        return [tuple(map(int, colour)) for colour in colours]

    def moved(self, pixels: np.ndarray, ground: tuple, n: np.ndarray, mirrorable: bool, side: int) -> Image.Image:
        """The picture on its ground, seen through a slightly different window."""
        drawing = Image.fromarray(np.ascontiguousarray(pixels), "RGBA")
        flat = Image.new("RGB", drawing.size, ground)
        flat.paste(drawing, mask=drawing.getchannel("A"))
        whole = flat.size[0]
        zoom = (self.zoom[0] + n[0] * (self.zoom[1] - self.zoom[0])) * whole / side
        stretch = np.exp((2 * n[1] - 1) * self.stretch)
        angle = (2 * n[2] - 1) * self.turn if n[3] < self.turned else 0.0
        mirror = -1 if mirrorable and n[4] < self.mirrored else 1
        cos, sin = np.cos(angle) * zoom, np.sin(angle) * zoom
        a, b, d, e = cos * stretch * mirror, -sin, sin * mirror, cos / stretch
        half = side / 2
        c = whole / 2 + (2 * n[5] - 1) * self.shift * whole - a * half - b * half
        f = whole / 2 + (2 * n[6] - 1) * self.shift * whole - d * half - e * half
        return flat.transform((side, side), Image.AFFINE, (a, b, c, d, e, f), Image.BILINEAR, fillcolor=ground)

    def evened(
        self, picture: Image.Image, photo: bool, chance: float, amount: float, random: np.random.Generator
    ) -> np.ndarray:
        """Sharpness must not tell photographs, which were enlarged, from drawings."""
        if chance >= (self.sharpened if photo else self.softened):
            return np.asarray(picture)
        size = picture.size
        soft = picture.resize((size[0] // 2, size[1] // 2), Image.BOX).resize(size, Image.BILINEAR)
        if not photo:
            return np.asarray(soft)
        strength = self.sharpness[0] + amount * (self.sharpness[1] - self.sharpness[0])
        sharp = np.asarray(Image.blend(soft, picture, 1 + strength), np.float32)
        start = int(random.integers(0, NOISE.size - sharp.size))
        level = np.float32(random.random() * self.noise * 255)
        return np.clip(sharp + NOISE[start : start + sharp.size].reshape(sharp.shape) * level, 0, 255)

    def coloured(self, pixels: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Brightness and saturation as one 3x3 matrix a picture, in the normalised scale."""
        count, side = pixels.shape[:2]
        low, high = self.saturation
        saturation = random.uniform(low, high, count) * (random.random(count) >= self.grey)
        brightness = random.uniform(*self.brightness, count)
        mix = saturation[:, None, None] * np.eye(3) + (1 - saturation[:, None, None]) * GREY
        mix = (mix * brightness[:, None, None] / (255 * STD[:, None])).astype(np.float32)
        planes = np.empty((count, 3, side * side), np.float32)
        planes[...] = pixels.reshape(count, side * side, 3).transpose(0, 2, 1)
        mixed = mix @ planes
        mixed -= (MEAN / STD)[:, None]
        for channel in range(3):
            bounds = (0 - MEAN[channel]) / STD[channel], (1 - MEAN[channel]) / STD[channel]
            np.clip(mixed[:, channel], *bounds, out=mixed[:, channel])
        return mixed.reshape(count, 3, side, side)
