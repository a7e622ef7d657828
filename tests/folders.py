"""Small folders of drawn images, as people have them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 8


def values(kind: str, number: int, width: int = SIDE, height: int = SIDE) -> NDArray[np.uint8]:
    """Values `(height, width, 3)`: a shade for each kind, other noise for each number."""
    generator = np.random.default_rng(zlib.crc32(f"{kind}{number}".encode()))
    pixels = generator.integers(0, 60, (height, width, 3), dtype=np.uint8)
    pixels[..., zlib.crc32(kind.encode()) % 3] += 150
    return pixels


def picture(kind: str, number: int, width: int = SIDE, height: int = SIDE) -> Image.Image:
    return Image.fromarray(values(kind, number, width, height))


def grey(kind: str, number: int) -> NDArray[np.float64]:
    """A picture's grey values in [0, 1]."""
    return np.asarray(picture(kind, number).convert("L")).astype(np.float64) / 255


def draw(
    root: Path,
    classes: tuple[str, ...] = ("cat", "dog"),
    count: int = 12,
    start: int = 0,
    suffix: str = ".png",
    size: tuple[int, int] = (SIDE, SIDE),
) -> Path:
    """`count` pictures of each class in a folder of its name."""
    for name in classes:
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(start, start + count):
            picture(name, number, *size).save(folder / f"{number:03}{suffix}", "PNG")
    return root


def divided(root: Path, **parts: str) -> Path:
    """Parts called as given, in order train, test, validation, each with classes."""
    for start, name in zip((0, 100, 50), parts.values(), strict=False):
        draw(root / name, count=12 if start == 0 else 5, start=start)
    return root


def flat(folder: Path, count: int, kind: str = "fox", start: int = 300) -> Path:
    """Pictures without a class."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(start, start + count):
        picture(kind, number).save(folder / f"{number}.png")
    return folder


def deep_png(path: Path, pixels: NDArray[np.uint16]) -> None:
    """A PNG file of 16-bit colour, which Pillow cannot write."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    height, width, _ = pixels.shape
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in pixels)
    head = chunk(b"IHDR", struct.pack(">2I5B", width, height, 16, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + body)


def raw(
    root: Path, kind: type[np.generic], scale: float, shift: float = 0, form: str = "tif"
) -> Path:
    """Grey pictures whose values in [0, 1] are scaled, shifted and kept in another type."""
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        for number in range(12):
            stored = (grey(name, number) * scale + shift).astype(kind)
            Image.fromarray(stored).save(root / name / f"{number}.{form}")
    return root
