"""Ten drawn shapes: a data set that needs no download, for first steps, tests and teaching.

Each image shows one shape, antialiased, of random place, size, turn and colour, on a background
that fades between two colours, under noise. Everything is computed in float64 from the raw bits of
PCG64, which numpy keeps stable, and rounded once at the end: the content is the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from wye.data.catalog import DATASETS, Generated, Parts
from wye.data.images import Images

SIDE = 32
SIZES = (6_000, 1_200)
CHUNK = 60
SEED = 20_240

Array = NDArray[np.float64]
Distance = Callable[[Array, Array], Array]
"""From coordinates, in units of the shape's radius, to the signed distance from its edge (< 0
inside); exact or nearly so close to the edge, which is where it is looked at."""


def _circle(x: Array, y: Array) -> Array:
    return np.hypot(x, y) - 0.9


def _ring(x: Array, y: Array) -> Array:
    distance: Array = np.abs(np.hypot(x, y) - 0.72) - 0.2
    return distance


def _box(x: Array, y: Array, width: float, height: float) -> Array:
    across, along = np.abs(x) - width, np.abs(y) - height
    outside: Array = np.hypot(across.clip(min=0), along.clip(min=0))
    inside: Array = np.maximum(across, along).clip(max=0)
    return outside + inside


def _square(x: Array, y: Array) -> Array:
    return _box(x, y, 0.76, 0.76)


def _frame(x: Array, y: Array) -> Array:
    return np.abs(_box(x, y, 0.62, 0.62)) - 0.16


def _bar(x: Array, y: Array) -> Array:
    return _box(x, y, 0.3, 1.0)


def _cross(x: Array, y: Array) -> Array:
    return np.minimum(_box(x, y, 0.27, 0.95), _box(x, y, 0.95, 0.27))


def _triangle(x: Array, y: Array) -> Array:
    half = math.sqrt(3) / 2
    return np.maximum(half * np.abs(x) + 0.5 * (y - 0.1), 0.1 - y) - 0.5


def _crescent(x: Array, y: Array) -> Array:
    return np.maximum(np.hypot(x, y) - 0.95, 0.75 - np.hypot(x - 0.48, y))


def _heart(x: Array, y: Array) -> Array:
    x, y = np.abs(x), y + 0.12
    lobe = np.hypot(x - 0.42, y + 0.25) - 0.5
    # Below the lobes' centres the sides run straight to the tip, touching the lobes.
    sides = 0.79 * x + 0.613 * y - 0.68
    return np.minimum(lobe, np.maximum(sides, -0.25 - y))


def _star(x: Array, y: Array) -> Array:
    # Fold the plane into one tenth of the star, where the edge is one straight line.
    radius, turn = np.hypot(x, y), np.arctan2(x, -y)
    sector = 2 * math.pi / 5
    turn = np.abs(np.remainder(turn + sector / 2, sector) - sector / 2)
    tip, notch = (0.0, 1.05), (0.42 * math.sin(sector / 2), 0.42 * math.cos(sector / 2))
    across, along = notch[1] - tip[1], tip[0] - notch[0]
    length = math.hypot(across, along)
    edge = (radius * np.sin(turn) - tip[0]) * -across
    edge = edge - (radius * np.cos(turn) - tip[1]) * along
    return edge / length


SHAPES: dict[str, Distance] = {
    "bar": _bar,
    "circle": _circle,
    "crescent": _crescent,
    "cross": _cross,
    "frame": _frame,
    "heart": _heart,
    "ring": _ring,
    "square": _square,
    "star": _star,
    "triangle": _triangle,
}


class _Draws:
    """Uniform numbers made from raw bits, whose order numpy guarantees."""

    def __init__(self, seed: int) -> None:
        self.bits = np.random.PCG64(seed)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Array:
        """float64 of `shape` in [low, high)."""
        raw = self.bits.random_raw(math.prod(shape)) >> np.uint64(11)
        return raw.astype(np.float64).reshape(shape) * (2.0**-53 * (high - low)) + low

    def noise(self, *shape: int) -> NDArray[np.int16]:
        """int16 of `shape`, the sum of two bytes less its mean: a triangle from -255 to 255."""
        count = math.prod(shape)
        octets = self.bits.random_raw(-(-2 * count // 8)).astype("<u8").view(np.uint8)[: 2 * count]
        pair = octets.reshape(2, count)
        total: NDArray[np.int16] = pair[0].astype(np.int16) + pair[1] - 255
        return total.reshape(shape)


def _draw(distance: Distance, count: int, draws: _Draws) -> NDArray[np.uint8]:
    """`count` images of one shape: uint8 `(N, 3, H, W)`."""
    line = np.arange(SIDE, dtype=np.float64) - (SIDE - 1) / 2
    radius = draws.uniform(count, 1, 1, low=6.0, high=12.0)
    # The shape may touch the border; only the smallest part of it may leave the image.
    reach = SIDE / 2 - 0.85 * radius
    x = line[None, None, :] - reach * draws.uniform(count, 1, 1, low=-1.0)
    y = line[None, :, None] - reach * draws.uniform(count, 1, 1, low=-1.0)
    turn = draws.uniform(count, 1, 1, high=2 * math.pi)
    cos, sin = np.cos(turn), np.sin(turn)
    edge = distance((cos * x + sin * y) / radius, (cos * y - sin * x) / radius) * radius
    cover = (0.5 - edge).clip(0, 1)[:, None]  # antialiased over one pixel

    turn = draws.uniform(count, 1, 1, high=2 * math.pi)
    fade = (np.cos(turn) * line[None, None, :] + np.sin(turn) * line[None, :, None]) / SIDE
    ground = draws.uniform(count, 3, 1, 1, low=20, high=150)
    slope = draws.uniform(count, 3, 1, 1, low=-70, high=70)
    # Lighter than the ground in every channel, as a drawing in chalk: one pass finds the edges.
    paint = ground + draws.uniform(count, 3, 1, 1, low=40, high=105)
    image = ground + slope * fade[:, None]
    image += cover * (paint - image)
    image += draws.noise(count, 3, SIDE, SIDE) * draws.uniform(count, 1, 1, 1, low=0.02, high=0.14)
    return image.round(out=image).clip(0, 255, out=image).astype(np.uint8)


def generate() -> Parts:
    """The training and the test part, as many images of each class, in mixed order."""
    parts = []
    for part, size in enumerate(SIZES):
        draws = _Draws(SEED + part)
        each = size // len(SHAPES)
        # Few at a time, so that the work stays in the processor's cache: ten times the speed.
        chunks = [
            _draw(distance, CHUNK, draws)
            for distance in SHAPES.values()
            for _ in range(each // CHUNK)
        ]
        pixels = np.concatenate(chunks)
        labels = np.repeat(np.arange(len(SHAPES), dtype=np.int64), each)
        order = draws.uniform(size).argsort(kind="stable")
        parts.append(Images(torch.from_numpy(pixels[order]), torch.from_numpy(labels[order])))
    return parts[0], parts[1]


DATASETS.register("shapes")(
    Generated(
        name="shapes",
        about="drawn shapes, generated",
        classes=tuple(SHAPES),
        shape=(3, SIDE, SIDE),
        sizes=SIZES,
        content="fe080331e535becc0697c21588d9656d6a4bcb6c656a6cb3cff950852f845ab3",
        generate=generate,
    )
)
