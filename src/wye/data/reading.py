"""An image of any kind as 8-bit RGB of one size, by one rule for all images of a folder."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from wye.data.deep_colour import is_deep, planes
from wye.data.opening import LARGE, most_pixels, open_bounded, shrunk
from wye.errors import UsageError
from wye.recipe.parts import PICTURES
from wye.wording import plain

READ_ERRORS = (
    *(OSError, ValueError, SyntaxError, OverflowError, MemoryError, EOFError, KeyError, IndexError),
    Image.DecompressionBombError,
)

Fit = Literal["crop", "pad", "stretch"]
LEVELS = (255, 1023, 4095, 16383, 65535)
"""Largest values of 8, 10, 12, 14 and 16 bits."""
REDUCED = 4_000_000
"""Pixels above which a photograph is decoded at a fraction of its size to be looked at."""
CONSTANT = 8
"""Levels of 255 within which a nearly constant picture keeps."""


@dataclass(frozen=True)
class Reading:
    """How images become uint8 RGB of one size.

    Attributes:
        size: height and width in pixels.
        fit: `crop` keeps the middle square, `pad` the whole picture with a border in the colour of
            its rim, `stretch` the whole picture in other proportions.
        low, high: values of images of more than 8 bits that become black and white; those of the
            image itself if not given.
        ground: what shows through transparent places, `white` or `black`.
    """

    size: int = 32
    fit: Fit = "crop"
    low: float | None = None
    high: float | None = None
    ground: str = "white"


@cache
def suffixes() -> tuple[str, ...]:
    """The suffixes of images that can be read on this machine, in lower case."""
    try:
        import pillow_heif  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        pass
    else:
        pillow_heif.register_heif_opener()
    known = Image.registered_extensions()
    return tuple(suffix for suffix in PICTURES if known.get(suffix) in Image.OPEN)


@cache
def formats() -> tuple[str, ...]:
    """Pillow's names of the formats of `suffixes`; others may start programs, as EPS does."""
    known = Image.registered_extensions()
    return tuple(sorted({known[suffix] for suffix in suffixes()}))


def open_image(path: str | Path) -> Image.Image:
    """An image file, its header read and its pixels not.

    Raises:
        OSError, ValueError, ...: one of `READ_ERRORS`.
    """
    return open_bounded(Path(path), formats())


def looks_like_an_image(path: Path) -> bool:
    """Whether a file without a suffix that says so begins as an image."""
    try:
        with open_image(path):
            return True
    except Image.DecompressionBombError:
        return True
    except READ_ERRORS:
        return False


def why(error: Exception) -> str:
    """A fault of reading in a few words."""
    if isinstance(error, UnidentifiedImageError):
        return "it is no image that Pillow knows"
    if isinstance(error, Image.DecompressionBombError):  # Pillow's own or that of `open_bounded`
        most = most_pixels() // 10**6
        return (
            f"it has more pixels than are decoded ({most} million); WYE_MOST_PIXELS=200MP, say,"
            " allows more"
        )
    if isinstance(error, MemoryError):
        return "there is no memory for its pixels"
    return " ".join(plain(str(error)).split())[:100] or type(error).__name__


def high_valued(image: Image.Image) -> bool:
    """Whether an image holds whole numbers of more than 8 bits, or floats."""
    return image.mode.startswith(("I", "F"))


def range_of(low: float, high: float, whole: bool) -> tuple[float, float]:
    """What becomes black and white, of values between `low` and `high`.

    Whole numbers from 0 go by the bits that hold the largest; floats by the nearest of 0..1, -1..1,
    0..255 and 0..65535; others, and values that fill only a small part of that, by their own range.
    """
    if not (math.isfinite(low) and math.isfinite(high)) or low >= high:
        low, high = (min(low, 0.0), max(high, 1.0)) if math.isfinite(low + high) else (0.0, 1.0)
    if low < 0:
        return (-1.0, 1.0) if not whole and low >= -1.001 and high <= 1.001 else (low, high)
    if whole:
        if high <= 1:
            return 0.0, 1.0
        level = next((level for level in LEVELS if high <= level), None)
        return (0.0, float(level)) if level else (low, high)
    for end, least in ((1.0, 0.0), (255.0, 16.0), (65535.0, 4096.0)):
        if least <= high <= end * 1.001:
            return 0.0, end
    return 0.0, high


def values_of(image: Image.Image) -> NDArray[Any]:
    """The values of an image of more than 8 bits, NaN and infinite ones as they are."""
    return np.asarray(image)


def to_levels(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Values as uint8: `low` and NaN become 0, `high` 255."""
    bits = math.log2(high + 1) if low == 0 and high > 1 else 0.5
    if bits.is_integer() and not np.issubdtype(values.dtype, np.floating):
        scaled = np.floor(values.astype(np.float64) * (256 / 2**bits))
    else:
        scaled = np.round((values.astype(np.float64) - low) * (255 / (high - low)))
    return np.nan_to_num(scaled, nan=0.0, posinf=255, neginf=0).clip(0, 255).astype(np.uint8)


def finite_range(values: NDArray[Any]) -> tuple[float, float]:
    """Least and largest finite value; infinities where there is none."""
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (math.inf, -math.inf)


def to_rgb(image: Image.Image, reading: Reading) -> Image.Image:
    """An image as 8-bit RGB, see `Reading`."""
    if high_valued(image):
        values = values_of(image)
        if (low := reading.low) is None or (high := reading.high) is None:
            whole = not np.issubdtype(values.dtype, np.floating)
            low, high = range_of(*finite_range(values), whole)
        return Image.fromarray(to_levels(values, low, high)).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        shown = on_ground(rgba, reading.ground)
        if nearly_constant(shown):
            other = on_ground(rgba, "black" if reading.ground == "white" else "white")
            return shown if nearly_constant(other) else other
        return shown
    return image.convert("RGB")


def on_ground(rgba: Image.Image, ground: str) -> Image.Image:
    """An image with transparent places on a ground of one colour."""
    return Image.alpha_composite(Image.new("RGBA", rgba.size, ground), rgba).convert("RGB")


def nearly_constant(rgb: Image.Image) -> bool:
    """Whether all pixels of an 8-bit image lie within a few levels, seen from afar."""
    small = rgb.reduce(max(1, min(rgb.size) // 64)) if min(rgb.size) > 128 else rgb
    extrema = np.array(small.getextrema()).reshape(-1, 2)
    return bool((extrema[:, 1] - extrema[:, 0]).max() <= CONSTANT)


def fitted(rgb: Image.Image, reading: Reading) -> Image.Image:
    """An image brought to `reading.size`."""
    size, fit = reading.size, reading.fit
    shorter = min(rgb.size)
    method = Image.Resampling.LANCZOS if shorter > size else Image.Resampling.BICUBIC
    if fit == "stretch":
        return rgb.resize((size, size), method)
    if fit == "pad":
        longer = max(rgb.size)
        width, height = (max(1, round(length / longer * size)) for length in rgb.size)
        small = rgb.resize((width, height), method)
        pixels = np.asarray(small)
        rim = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        page = Image.new("RGB", (size, size), tuple(int(v) for v in np.median(rim, axis=0)))
        page.paste(small, ((size - small.width) // 2, (size - small.height) // 2))
        return page
    left, top = (rgb.width - shorter) / 2, (rgb.height - shorter) / 2
    return rgb.resize((size, size), method, box=(left, top, left + shorter, top + shorter))


def as_pixels(image: Image.Image, reading: Reading) -> Tensor:
    """An opened image as uint8 `(3, size, size)`; an animation's first frame, turned upright.

    Raises:
        OSError, ValueError, ...: one of `READ_ERRORS`.
    """
    if is_deep(image):
        colours = planes(image)
        if reading.low is None or reading.high is None:
            ranges = [finite_range(values_of(plane)) for plane in colours]
            low, high = range_of(min(r[0] for r in ranges), max(r[1] for r in ranges), True)
            reading = replace(reading, low=low, high=high)
        return torch.cat([as_pixels(plane, reading)[:1] for plane in colours])
    with shrunk(image, 4 * reading.size) as decoded:
        return as_tensor(ImageOps.exif_transpose(decoded), reading)


def as_tensor(upright: Image.Image, reading: Reading) -> Tensor:
    """A decoded image as uint8 `(3, size, size)`."""
    small = fitted(to_rgb(upright, reading), reading)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1)


def drafted(image: Image.Image, reading: Reading) -> bool:
    """Whether `as_pixels` decodes an image of this kind and size at a fraction of its size."""
    reduced = image.format in ("JPEG", "MPO") and min(image.size) >= 8 * reading.size
    return reduced or image.width * image.height > min(REDUCED, LARGE)


def read_image(path: str | Path, size: int = 32, reading: Reading | None = None) -> Tensor:
    """An image file as uint8 `(3, size, size)`.

    Args:
        size: height and width, where `reading` is not given.
        reading: how; by default the longer side is cropped evenly at both ends.

    Raises:
        UsageError: the file cannot be read as an image.
    """
    try:
        with open_image(path) as image:
            return as_pixels(image, reading or Reading(size))
    except READ_ERRORS as error:
        raise UsageError(f"{path} cannot be read as an image: {why(error)}") from error
