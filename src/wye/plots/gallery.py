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
    gap = -(-_GAP // scale)
    across = min(count, ACROSS)
    blocks = [range(at, min(at + ACROSS, count)) for at in range(0, count, ACROSS)]
    left = round(max(width_of(name) for name in images) * _DPI) + 10
    head = _HEAD if names else 0
    block_height = (len(images) * (high + gap) - gap) * scale
    width = left + (across * (wide + gap) - gap) * scale + 4
    height = len(blocks) * (head + block_height + _SPACE) - _SPACE + 8
    with drawing():
        from matplotlib.figure import Figure

        figure = Figure((width / _DPI, height / _DPI), dpi=_DPI)
        for place, block in enumerate(blocks):
            top = 4 + place * (head + block_height + _SPACE)
            pixels = _tiled([row[block.start : block.stop] for row in images.values()], gap)
            wide_block, bottom = pixels.shape[1] * scale, top + head + block_height
            box = (left / width, 1 - bottom / height, wide_block / width, block_height / height)
            axes = figure.add_axes(box)
            axes.imshow(pixels, interpolation="none", aspect="auto")
            axes.set_axis_off()
            for column, index in enumerate(block if names else ()):
                text = fitted(names[index], (wide + gap) * scale / _DPI - 0.1, SMALL)
                x = left + column * (wide + gap) * scale
                figure.text(x / width, 1 - (top + head / 2) / height, text, size=SMALL,
                            va="center", color=QUIET)  # fmt: skip
            for line, name in enumerate(images):
                middle = top + head + (line * (high + gap) + high / 2) * scale
                figure.text(4 / width, 1 - middle / height, name, size=SIZE, va="center", color=INK)
        named = f": {', '.join(names)}" if names else ""
        figure.set_label(f"{count} images{named}; from top to bottom: {', '.join(images)}.")
    return figure


def _tiled(rows: Sequence[Images], gap: int) -> Images:
    """Rows of images as one, RGBA `(H, W, 4)`, with `gap` clear pixels between its images."""
    import numpy as np

    count, _, high, wide = rows[0].shape
    shape = (len(rows) * (high + gap) - gap, count * (wide + gap) - gap, 4)
    tiled = np.zeros(shape, np.uint8)
    for line, row in enumerate(rows):
        for column, image in enumerate(row):
            y, x = line * (high + gap), column * (wide + gap)
            tiled[y : y + high, x : x + wide, :3] = image.transpose(1, 2, 0)
            tiled[y : y + high, x : x + wide, 3] = 255
    return tiled
