"""Image files from anywhere: how many pixels of one are decoded, and how many at a time."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from wye.errors import UsageError
from wye.wording import shown

MOST_PIXELS = 80_000_000
"""Of an image that is decoded whole: Pillow takes four bytes for each, and a copy or two."""
LARGE = 8_000_000
"""Images of more pixels than these are decoded one at a time and shrunk at once, however many
threads read."""

_ONE_AT_A_TIME = threading.Lock()


def most_pixels() -> int:
    """Pixels of the largest image that is decoded whole; `WYE_MOST_PIXELS` allows more: `200MP`.

    Raises:
        UsageError: it says something else.
    """
    text = os.environ.get("WYE_MOST_PIXELS")
    if not text:
        return MOST_PIXELS
    found = re.fullmatch(r"(\d{1,6})\s*mp", text.strip().lower())
    if found is None:
        raise UsageError(f"WYE_MOST_PIXELS is {shown(text)}; it should be like 200MP")
    return int(found[1]) * 10**6


def open_bounded(source: Path | BinaryIO, formats: tuple[str, ...]) -> Image.Image:
    """An image, its header read and its pixels not, which can be decoded in bounded memory.

    A JPEG file may have more pixels than are decoded whole, if it is not progressive: those are
    decoded at a fraction of their size.

    Args:
        source: a file, or its content.
        formats: the kinds that are recognised; Pillow would start another program for some.

    Raises:
        DecompressionBombError: it has more than `most_pixels`.
        OSError, ValueError, ...: what Pillow raises of no image, or a damaged one.
    """
    most = most_pixels()
    if most > MOST_PIXELS and (Image.MAX_IMAGE_PIXELS or most) < most:
        Image.MAX_IMAGE_PIXELS = most  # a bound of Pillow's own, which holds for the process
    try:
        image = Image.open(source, formats=formats)
    except UnidentifiedImageError:  # whose words hold the address of the content
        raise UnidentifiedImageError("it is no image that Pillow knows") from None
    in_part = image.format == "JPEG" and not image.info.get("progressive")
    if image.width * image.height > most and not in_part:
        image.close()
        raise Image.DecompressionBombError(
            f"it has {image.width} x {image.height} pixels, and no more than"
            f" {most // 10**6} million are decoded; WYE_MOST_PIXELS=200MP, say, allows more"
        )
    return image


@contextlib.contextmanager
def shrunk(image: Image.Image, side: int) -> Iterator[Image.Image]:
    """An image to be decoded, smaller where it is large; its shorter side keeps at least `side`.

    A JPEG file is decoded at a fraction of its size: much faster for photographs. An image of
    another kind, if it is large, is divided by a whole number; while the block lasts no other large
    one is decoded.
    """
    image.draft(None, (side, side))
    if image.width * image.height <= LARGE:
        yield image
        return
    with _ONE_AT_A_TIME:
        yield _divided(image, min(image.size) // side)


def _divided(image: Image.Image, factor: int) -> Image.Image:
    if factor < 2:
        return image
    if image.mode in ("1", "P", "PA"):  # numbers of colours have no mean
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode.startswith("I;"):
        image = image.convert("I")
    return image.reduce(factor)
