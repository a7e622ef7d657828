"""Image files from anywhere: which kinds are read, and how many pixels of one are decoded."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from wye.errors import UsageError, message_of

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""What is recognised by content, whatever the file's name: Pillow would start another program for
some of the other kinds."""

MOST_PIXELS = 80_000_000
"""Of an image that is decoded: Pillow takes four bytes for each, and a copy or two."""

LARGE = 8_000_000
"""Images of more pixels than these are decoded one at a time and shrunk at once, however many
threads read."""

_ONE_AT_A_TIME = threading.Lock()


@contextlib.contextmanager
def opened(
    source: Path | BinaryIO, size: int | None = None, formats: tuple[str, ...] = FORMATS
) -> Iterator[Image.Image]:
    """An image that can be decoded in bounded memory; what goes wrong in the block is told of it.

    Args:
        source: a file, or its content.
        size: side that the image is brought to afterwards. A JPEG file is then decoded at a
            fraction of its size, and a large image of another kind is shrunk by a whole factor, so
            that its shorter side keeps at least four times as many pixels.
        formats: the kinds that may be in it.

    Raises:
        UsageError: no image that can be decoded, or one of more than `MOST_PIXELS`.
    """
    name = str(source) if isinstance(source, Path) else "the image"
    with contextlib.ExitStack() as held:
        try:
            image: Image.Image = held.enter_context(Image.open(source, formats=formats))
            pixels = image.width * image.height
            if size is not None:
                image.draft(None, (4 * size, 4 * size))
            if not image.info.get("progressive"):  # else all of it is held before it is reduced
                pixels = image.width * image.height
            if pixels > MOST_PIXELS:
                raise UsageError(
                    f"{name} has {pixels / 1e6:.0f} million pixels, and no more than"
                    f" {MOST_PIXELS / 1e6:.0f} million are decoded; make a smaller copy"
                )
            if pixels > LARGE:
                held.enter_context(_ONE_AT_A_TIME)
                if size is not None:
                    image = _shrunk(image, size)
            yield image
        except UsageError:
            raise
        except Exception as error:  # a damaged file can fail in any way
            raise UsageError(f"{name} cannot be read as an image: {_why(error, formats)}") from None


def _shrunk(image: Image.Image, size: int) -> Image.Image:
    """The image, its sides divided by a whole number where it is far larger than `size`."""
    factor = min(image.size) // (4 * size)
    if factor < 2:
        return image
    if image.mode in ("1", "P", "PA"):  # numbers of colours have no mean
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode.startswith("I;"):
        image = image.convert("I")
    return image.reduce(factor)


def _why(error: Exception, formats: tuple[str, ...]) -> str:
    match error:
        case UnidentifiedImageError():
            return f"it is no {' or '.join(formats)} file, or a damaged one"
        case Image.DecompressionBombError():
            return f"it has more than {MOST_PIXELS / 1e6:.0f} million pixels"
        case MemoryError():
            return "there is no memory for its pixels"
    return message_of(error)
