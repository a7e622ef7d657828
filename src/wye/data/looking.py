"""What one image says of itself, and, where no other image has a say in them, its pixels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from wye.data.deep_colour import is_deep, planes
from wye.data.listing import Entry
from wye.data.opening import shrunk
from wye.data.reading import (
    READ_ERRORS,
    REDUCED,
    Reading,
    as_tensor,
    drafted,
    finite_range,
    high_valued,
    nearly_constant,
    on_ground,
    values_of,
    why,
)


@dataclass(frozen=True)
class Facts:
    """What one image says of itself.

    Attributes:
        low, high: of its values, of 255 where it has 8 bits.
        several: whether the file holds further pictures, as an animation does.
        pixels: uint8 `(3, size, size)`, if they were asked for and do not depend on other images,
            as the values of more than 8 bits and what shows through transparent places do.
    """

    content: str
    size: tuple[int, int]
    mode: str
    low: float
    high: float
    grey: bool
    whole: bool = True
    many_bits: bool = False
    not_finite: bool = False
    coloured16: bool = False
    light: float | None = None
    constant: bool = False
    several: bool = False
    pixels: Tensor | None = None


def facts_of(entry: Entry, reading: Reading | None = None) -> Facts | str:
    """What is to be known of an image, or why it cannot be read.

    Args:
        reading: keep the pixels too, as it makes them, where decoding once serves both.
    """
    try:
        with entry.open() as image:
            found = _facts(image, reading)
            return replace(found, several=_holds_several(image))
    except READ_ERRORS as error:
        return why(error)


def _facts(image: Image.Image, reading: Reading | None) -> Facts:
    size, mode = image.size, image.mode
    tile = str(getattr(image, "tile", ""))
    if is_deep(image):
        upright = [ImageOps.exif_transpose(plane) for plane in planes(image)]
        return _of_values(np.stack([*map(np.asarray, upright)], 2), upright[0].size, mode)
    alone = reading is not None and not drafted(image, reading)
    side = 1024 if size[0] * size[1] > REDUCED else max(size)
    with shrunk(image, side) as decoded:
        turned = ImageOps.exif_transpose(decoded)
        if (size[0] > size[1]) != (turned.width > turned.height):
            size = size[::-1]
        found = _looked_at(turned, size, mode, tile)
        if reading is None or not alone or found.many_bits or found.light is not None:
            return found
        return replace(found, pixels=as_tensor(turned, reading))


def header_of(entry: Entry) -> Facts | str:
    """What an image's header says: its size and mode."""
    try:
        with entry.open() as image:
            several = _holds_several(image)
            return Facts("", image.size, image.mode, 0, 255, True, several=several)
    except READ_ERRORS as error:
        return why(error)


def _holds_several(image: Image.Image) -> bool:
    """Whether a file holds further pictures that are its own and not previews of the first."""
    if image.format == "MPO":  # a photograph of a camera that adds small ones
        return False
    try:
        return bool(getattr(image, "is_animated", False))
    except READ_ERRORS:  # of what follows the first picture, which can be read
        return False


def content_of(entry: Entry) -> str:
    """The hash of an image's pixels; '' of a file that cannot be read."""
    facts = facts_of(entry)
    return facts.content if isinstance(facts, Facts) else ""


def _looked_at(image: Image.Image, size: tuple[int, int], mode: str, tile: str) -> Facts:
    if high_valued(image):
        return _of_values(values_of(image), size, mode)
    coloured16 = "RGB;16" in tile or "RGBA;16" in tile
    light = None
    if image.has_transparency_data:
        shown = image.convert("RGBA")
        alpha = np.asarray(shown.getchannel("A"), dtype=np.float32)
        if alpha.min() == 255:
            shown = shown.convert("RGB")
        else:
            luma = np.asarray(shown.convert("RGB").convert("L"), dtype=np.float32)
            light = float((luma * alpha).sum() / alpha.sum() / 255) if alpha.sum() else 0.0
    else:
        shown = image.convert("RGB")
    content = _hash(image.size, shown.tobytes())
    plain = [shown] if light is None else [on_ground(shown, c) for c in ("white", "black")]
    constant = all(map(nearly_constant, plain))
    extrema = [pair for each in plain for pair in each.getextrema()]
    low, high = (float(f(v)) for f, v in zip((min, max), zip(*extrema, strict=True), strict=True))
    grey = mode in ("1", "L", "LA", "La") or _is_grey(shown)
    return Facts(
        *(content, size, mode, low, high, grey),
        coloured16=coloured16,
        light=light,
        constant=constant,
    )


def _of_values(values: NDArray[Any], size: tuple[int, int], mode: str) -> Facts:
    """What more than 8 bits say, `(H, W)` or `(H, W, 3)`."""
    low, high = finite_range(values)
    whole = not np.issubdtype(values.dtype, np.floating)
    kept = np.ascontiguousarray(values.astype(np.float32))
    content = _hash((values.shape[1], values.shape[0]), kept.tobytes())
    infinite = not whole and not bool(np.isfinite(values).all())
    grey = values.ndim == 2 or bool((values[..., :1] == values).all())
    return Facts(content, size, mode, low, high, grey, whole, True, infinite)


def _is_grey(image: Image.Image) -> bool:
    red, green, blue = image.convert("RGB").split()
    return red.tobytes() == green.tobytes() == blue.tobytes()


def _hash(size: tuple[int, int], pixels: bytes) -> str:
    digest = hashlib.blake2b(f"{size[0]}x{size[1]}:".encode(), digest_size=16)
    digest.update(pixels)
    return digest.hexdigest()
