"""Transformations that move pixels, or cover them.

All but `resize` and `affine`, which interpolate, keep the type of the images and their values.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from wye.data.transforms_alphabet import (
    TRANSFORMS,
    Fraction,
    Probability,
    Size,
    as_float,
    happens,
    interleaved,
    offsets,
)

Padding = Annotated[int, Field(ge=0, le=4096)]
Degrees = Annotated[float, Field(ge=0, le=180)]
Fill = Literal["nearest", "zero", "reflect"]

MOVING = frozenset({"flip", "vflip", "transpose", "crop", "randomcrop", "centre", "affine"})
"""The symbols after which a pixel is no longer where it was."""

_PADDING_MODES = {"nearest": "border", "zero": "zeros", "reflect": "reflection"}


@TRANSFORMS.register("flip")
def flip(images: Tensor, generator: torch.Generator, p: Probability = 0.5) -> Tensor:
    """Left and right exchanged, for each image with probability `p`."""
    return choose(happens(images, generator, p), images.flip(3), images)


@TRANSFORMS.register("vflip")
def vflip(images: Tensor, generator: torch.Generator, p: Probability = 0.5) -> Tensor:
    """Top and bottom exchanged, for each image with probability `p`."""
    return choose(happens(images, generator, p), images.flip(2), images)


@TRANSFORMS.register("transpose")
def transpose(images: Tensor, generator: torch.Generator, p: Probability = 0.5) -> Tensor:
    """Rows and columns exchanged, for each image with probability `p`; square images only.

    `flip > vflip > transpose` draws one of the eight symmetries of the square (study S4).
    """
    height, width = images.shape[2:]
    if height != width:
        raise ValueError(f"it needs square images, these are {height}x{width}")
    return choose(happens(images, generator, p), images.transpose(2, 3), images)


@TRANSFORMS.register("crop")
def crop(
    images: Tensor,
    generator: torch.Generator,
    pad: Padding = 4,
    mode: Literal["reflect", "zero", "edge"] = "reflect",
) -> Tensor:
    """A window of the images' own size, at a random place of the image padded by `pad` pixels.

    `reflect` mirrors at the outermost pixel without repeating it and needs `pad` to be smaller
    than the image, `edge` repeats the outermost pixel, `zero` is black. The vertical offsets
    0 ... 2*pad of the batch are drawn first, then the horizontal ones.
    """
    height, width = images.shape[2:]
    if mode == "reflect" and pad >= min(height, width):
        raise ValueError(f"{pad} pixels cannot be mirrored in images of {height}x{width}")
    top = offsets(images, generator, 2 * pad + 1)
    left = offsets(images, generator, 2 * pad + 1)
    return windows(_padded(images, pad, mode), top, left, height, width)


@TRANSFORMS.register("randomcrop")
def randomcrop(images: Tensor, generator: torch.Generator, size: Size) -> Tensor:
    """A window of `size` x `size` at a random place of each image: `(N, C, size, size)`."""
    height, width = _at_least(images, size)
    top = offsets(images, generator, height - size + 1)
    left = offsets(images, generator, width - size + 1)
    return windows(images, top, left, size, size)


@TRANSFORMS.register("centre")
def centre(images: Tensor, generator: torch.Generator, size: Size) -> Tensor:
    """The window of `size` x `size` in the middle, an odd pixel over going right and down."""
    height, width = _at_least(images, size)
    top, left = (height - size) // 2, (width - size) // 2
    return images[:, :, top : top + size, left : left + size]


@TRANSFORMS.register("resize")
def resize(images: Tensor, generator: torch.Generator, size: Size) -> Tensor:
    """The image at `size` x `size`, bilinear, with antialiasing where it shrinks: float32.

    Images that have the size already are handed on untouched.
    """
    if images.shape[2:] == (size, size):
        return images
    return F.interpolate(as_float(images), (size, size), mode="bilinear", antialias=True)


@TRANSFORMS.register("cutout")
def cutout(
    images: Tensor,
    generator: torch.Generator,
    size: Annotated[int, Field(ge=0, le=4096)],
    value: Fraction = 0.0,
) -> Tensor:
    """A square of `size` x `size` pixels of each image set to `value` of the range.

    The centre falls on any pixel, so that a square may lie partly outside (DeVries and Taylor,
    2017, arXiv 1708.04552). The vertical places of the batch are drawn first.
    """
    height, width = images.shape[2:]
    inside = []
    for length in (height, width):
        first = offsets(images, generator, length).view(-1, 1) - size // 2
        places = torch.arange(length, device=images.device)
        inside.append((places >= first) & (places < first + size))
    square = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return images.masked_fill(square, round(value * 255) if images.dtype == torch.uint8 else value)


@TRANSFORMS.register("affine")
def affine(
    images: Tensor,
    generator: torch.Generator,
    rotate: Degrees = 0.0,
    shift: Fraction = 0.0,
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.0,
    shear: Annotated[float, Field(ge=0, lt=90)] = 0.0,
    fill: Fill = "nearest",
    aspect: Literal["keep", "free"] = "keep",
) -> Tensor:
    """Rotation, shift, shear and zoom in one bilinear interpolation: float32.

    Each image draws its angle from ±`rotate` degrees (positive turns the picture clockwise), its
    shifts from ±`shift` of the height and of the width, its shear from ±`shear` degrees and its
    zoom from 1±`scale`; `aspect=free` gives rows and columns a zoom of their own. A zoom above 1
    shows more of the plane, so that the picture shrinks. `matrices` has the composition. Outside
    the image, `nearest` repeats the outermost pixel, `zero` is black and `reflect` mirrors at
    the border.

    It is the transformation of Keras' ImageDataGenerator, which study S1 uses:
    `flip > affine(rotate=40, shift=0.2, shear=0.2, scale=0.2, aspect=free)`.
    """
    height, width = images.shape[2:]
    draws = torch.rand((6, len(images)), generator=generator, device=images.device) * 2 - 1
    zoom = 1 + scale * draws[4:]
    matrix = matrices(
        rotate=torch.deg2rad(rotate * draws[0]),
        shear=torch.deg2rad(shear * draws[3]),
        zoom_rows=zoom[0],
        zoom_columns=zoom[1 if aspect == "free" else 0],
    )
    sides = torch.tensor([height, width], device=images.device)
    moved = shift * draws[1:3].T * sides
    return warp(images, matrix, _rotation(rotate * draws[0]) @ moved.unsqueeze(2), fill)


def matrices(rotate: Tensor, shear: Tensor, zoom_rows: Tensor, zoom_columns: Tensor) -> Tensor:
    """Where a pixel of the result comes from: `source = matrix @ pixel`, `(N, 2, 2)`.

    Places are (row, column), measured in pixels from the centre of the image. The matrix is
    rotation @ shear @ zoom, as in Keras: [[cos r, -sin r], [sin r, cos r]],
    [[1, -sin s], [0, cos s]] and [[z_rows, 0], [0, z_columns]].

    Args:
        rotate: angles in radians `(N,)`.
        shear: angles in radians `(N,)`.
        zoom_rows: factors `(N,)`, and `zoom_columns` likewise.
    """
    cos, sin = rotate.cos(), rotate.sin()
    columns_to_rows = -cos * shear.sin() - sin * shear.cos()
    columns_to_columns = -sin * shear.sin() + cos * shear.cos()
    first = torch.stack([cos * zoom_rows, columns_to_rows * zoom_columns], 1)
    second = torch.stack([sin * zoom_rows, columns_to_columns * zoom_columns], 1)
    return torch.stack([first, second], 1)


def warp(images: Tensor, matrix: Tensor, shift: Tensor, fill: Fill) -> Tensor:
    """Each image read at `matrix @ pixel + shift`, bilinear, float32.

    Args:
        images: `(N, C, H, W)`.
        matrix: `(N, 2, 2)`, as `matrices` makes it.
        shift: (rows, columns) in pixels `(N, 2, 1)`; positive moves the picture up and left.
        fill: what lies outside the image.
    """
    height, width = images.shape[2:]
    # In grid_sample's coordinates the image spans [-1, 1], and x comes before y.
    rows = (torch.arange(height, device=images.device) - (height - 1) / 2).view(-1, 1)
    columns = torch.arange(width, device=images.device) - (width - 1) / 2
    grid = torch.empty((len(images), height, width, 2), device=images.device)
    for axis, side in ((0, height), (1, width)):
        parts = (torch.cat([matrix[:, axis], shift[:, axis]], 1) * (2 / side))[..., None, None]
        torch.add(parts[:, 0] * rows + parts[:, 2], parts[:, 1] * columns, out=grid[..., 1 - axis])
    return F.grid_sample(
        as_float(images), grid, padding_mode=_PADDING_MODES[fill], align_corners=False
    )


def choose(mask: Tensor, changed: Tensor, images: Tensor) -> Tensor:
    """`changed[i]` where `mask[i]`, else `images[i]`.

    Whole images are copied, which takes a fifth of the time of `torch.where` on uint8.
    """
    both = torch.cat([images, changed])
    picks = torch.arange(len(images), device=images.device) + len(images) * mask
    if interleaved(both):
        return both.permute(0, 2, 3, 1).index_select(0, picks).permute(0, 3, 1, 2)
    return both.index_select(0, picks)


def windows(images: Tensor, top: Tensor, left: Tensor, height: int, width: int) -> Tensor:
    """`images[i, :, top[i] : top[i] + height, left[i] : left[i] + width]` for every i.

    A row of a window is one stretch of memory, so the batch is a selection among all stretches
    of that length: a fifth of the time of a gather by pixel.

    Args:
        images: `(N, C, H, W)`.
        top: first rows, int64 `(N,)`.
        left: first columns, int64 `(N,)`.
        height: rows of a window.
        width: columns of a window.
    """
    if not len(images):
        return images[:, :, :height, :width]
    count, channels = images.shape[:2]
    step = channels if interleaved(images) else 1  # elements from a pixel to its neighbour
    planes = images.permute(0, 2, 3, 1).flatten(2).unsqueeze(1) if step > 1 else images
    _, depth, rows, line = planes.shape

    def span(length: int) -> Tensor:
        return torch.arange(length, device=images.device)

    first = (span(count) * depth * rows + top) * line + left * step
    starts = first.view(-1, 1, 1) + (span(depth).view(-1, 1) * rows + span(height)) * line
    cut = planes.flatten().unfold(0, width * step, 1).index_select(0, starts.flatten())
    if step > 1:
        return cut.view(count, height, width, channels).permute(0, 3, 1, 2)
    return cut.view(count, channels, height, width)


def _padded(images: Tensor, pad: int, mode: str) -> Tensor:
    if mode == "zero" or not pad:
        return F.pad(images, (pad,) * 4)
    # F.pad mirrors uint8 only in some releases and on some devices.
    for axis in (3, 2):
        length = images.shape[axis]
        if mode == "reflect":
            before = images.narrow(axis, 1, pad).flip(axis)
            after = images.narrow(axis, length - 1 - pad, pad).flip(axis)
        else:
            shape = [pad if dim == axis else side for dim, side in enumerate(images.shape)]
            before = images.narrow(axis, 0, 1).expand(shape)
            after = images.narrow(axis, length - 1, 1).expand(shape)
        images = torch.cat([before, images, after], axis)
    return images


def _at_least(images: Tensor, size: int) -> tuple[int, int]:
    height, width = images.shape[2:]
    if size > min(height, width):
        raise ValueError(f"images of {height}x{width} have no window of {size}x{size}")
    return height, width


def _rotation(degrees: Tensor) -> Tensor:
    turn = torch.deg2rad(degrees)
    still, one = torch.zeros_like(turn), torch.ones_like(turn)
    return matrices(turn, still, one, one)
