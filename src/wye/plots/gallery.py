"""Test images and what a network makes of them, in one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wye.plots.style import INK, QUIET, SIZE, SMALL, drawing, fitted, width_of

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    Images = np.ndarray[Any, np.dtype[np.uint8]]

AMPLIFICATION = 4
"""Factor of the row of errors: the same in every gallery, so that darker is closer in all."""
ACROSS = 10
_DPI = 100
_SIDE = 128
_GAP = 6
_HEAD = 18
"""Pixels for the images' names above a block of rows."""
_SPACE = 14


def compared(
    originals: ArrayLike, reconstructions: ArrayLike, inputs: ArrayLike | None = None
) -> dict[str, Images]:
    """The rows of a gallery: what it is called and its images, uint8 `(N, C, H, W)`.

    Original, reconstruction and amplified error; where the input was corrupted, noisy input,
    reconstruction and the clean image that the decoder should have given.

    Args:
        originals: uint8 `(N, C, H, W)`.
        reconstructions: of the same shape.
        inputs: what the network saw, of the same shape, where it saw other than the originals.

    Raises:
        ValueError: the shapes differ.
    """
    import numpy as np

    real, made = np.asarray(originals, np.uint8), np.asarray(reconstructions, np.uint8)
    seen = None if inputs is None else np.asarray(inputs, np.uint8)
    if real.shape != made.shape or (seen is not None and seen.shape != real.shape):
        raise ValueError("originals, reconstructions and inputs must be of one shape")
    if seen is not None:
        return {"noisy input": seen, "reconstruction": made, "clean": real}
    error = np.abs(real.astype(np.int16) - made.astype(np.int16)) * AMPLIFICATION
    name = f"absolute error × {AMPLIFICATION}"
    return {
        "original": real,
        "reconstruction": made,
        name: np.minimum(error, 255).astype(np.uint8),
    }


def gallery_figure(rows: Mapping[str, ArrayLike], names: Sequence[str] = ()) -> Figure:
    """Rows of images above each other, ten across, each row with its name at the left.

    As PNG each pixel of a small image is a square of whole pixels.

    Args:
        rows: what a row is called, and its images: uint8 `(N, C, H, W)`, C of 1 or 3, the same
            shape in every row.
        names: of the N images: files, or places in the test set; none are written if empty.

    Raises:
        ValueError: no image, unequal shapes, or not as many names as images.
        UsageError: matplotlib is not installed.
    """
    import numpy as np

    images = {name: np.asarray(row, np.uint8) for name, row in rows.items()}
    shapes = {row.shape for row in images.values()}
    if len(shapes) != 1 or len(shape := next(iter(shapes))) != 4 or not shape[0]:
        raise ValueError("the rows of a gallery must be of one shape (N, C, H, W), N > 0")
    count, _, high, wide = shape
    if names and len(names) != count:
        raise ValueError(f"{count} images have {len(names)} names")
    scale = max(1, min(4, _SIDE // max(high, wide)))
    tile_width, tile_height = wide * scale, high * scale
    head = _HEAD if names else 0
    left = round(max(width_of(name) for name in images) * _DPI) + 10
    block = head + len(images) * (tile_height + _GAP) - _GAP
    blocks = -(-count // ACROSS)
    width = left + min(count, ACROSS) * (tile_width + _GAP) - _GAP + 4
    height = blocks * (block + _SPACE) - _SPACE + 8
    with drawing():
        from matplotlib.figure import Figure

        figure = Figure((width / _DPI, height / _DPI), dpi=_DPI)
        for index in range(count):
            x = left + index % ACROSS * (tile_width + _GAP)
            top = 4 + index // ACROSS * (block + _SPACE)
            if names:
                text = fitted(names[index], (tile_width + _GAP - 4) / _DPI, SMALL)
                figure.text(x / width, 1 - (top + head / 2) / height, text, size=SMALL,
                            va="center", color=QUIET)  # fmt: skip
            for place, (name, row) in enumerate(images.items()):
                y = top + head + place * (tile_height + _GAP)
                box = (x / width, 1 - (y + tile_height) / height)
                axes = figure.add_axes((*box, tile_width / width, tile_height / height))
                pixels = row[index].transpose(1, 2, 0)
                axes.imshow(np.broadcast_to(pixels, (high, wide, 3)), interpolation="none")
                axes.set_axis_off()
                if index % ACROSS == 0:
                    middle = 1 - (y + tile_height / 2) / height
                    figure.text(4 / width, middle, name, size=SIZE, va="center", color=INK)
        named = f": {', '.join(names)}" if names else ""
        figure.set_label(f"{count} images{named}; from top to bottom: {', '.join(images)}.")
    return figure
