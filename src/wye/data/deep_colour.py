"""Colour of 16 bits, of which Pillow itself reads the upper 8."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
from PIL import Image

from wye.data.opening import LARGE

ORIENTATION = 0x0112
_OTHER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}


def is_deep(image: Image.Image) -> bool:
    """Whether an opened image, not yet decoded, is RGB of 16 bits (and not large)."""
    kinds = [_kind(tile) for tile in getattr(image, "tile", ())]
    deep = bool(kinds) and all(kind.startswith("RGB;16") for kind in kinds)
    return deep and image.mode == "RGB" and image.width * image.height <= LARGE


def planes(image: Image.Image) -> tuple[Image.Image, ...]:
    """Red, green and blue of a deep image, of mode `I;16` each, with the orientation of its EXIF.

    It is decoded twice: as the file has it, and with the two bytes of a value taken for each other,
    so that what Pillow keeps is the lower one.

    Raises:
        OSError, ValueError, ...: what Pillow raises of a damaged image.
    """
    file = getattr(image, "fp")  # noqa: B009  (Pillow's annotations do not know it)
    file.seek(0)
    content = file.read()
    halves = []
    for swapped in (False, True):
        with Image.open(io.BytesIO(content), formats=(image.format or "",)) as again:
            if swapped:
                again.tile = [_swapped(tile) for tile in again.tile]
            halves.append(np.asarray(again).astype(np.uint16))
    values = 256 * halves[0] + halves[1]
    found = tuple(Image.fromarray(np.ascontiguousarray(values[..., at])) for at in range(3))
    exif = Image.Exif()
    exif[ORIENTATION] = image.getexif().get(ORIENTATION, 1)
    for plane in found:
        plane.info["exif"] = exif.tobytes()
    return found


def _kind(tile: Any) -> str:
    return str(tile.args[0] if isinstance(tile.args, tuple) else tile.args)


def _swapped(tile: Any) -> Any:
    kind = _kind(tile)
    other = kind[:-1] + _OTHER[kind[-1]]
    return tile._replace(args=(other, *tile.args[1:]) if isinstance(tile.args, tuple) else other)
