"""Transformations that change values: the result is float32, in [0, 1] unless stated."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import AfterValidator, Field
from torch import Tensor

from wye.data.transforms_alphabet import (
    TRANSFORMS,
    Fraction,
    Probability,
    as_float,
    happens,
    uniform,
)

Deviation = Annotated[float, Field(ge=0, le=100)]
Mean = Annotated[float, Field(ge=-100, le=100)]
Space = Literal["linear", "logit"]

_LUMA = (0.2989, 0.587, 0.114)
# Standard deviations and directions (one a column) of the colours of ImageNet in [0, 1].
_COLOUR_DEVIATIONS = (0.2175, 0.0188, 0.0045)
_COLOUR_DIRECTIONS = (
    (-0.5675, 0.7192, 0.4009),
    (-0.5808, -0.0045, -0.8140),
    (-0.5836, -0.6948, 0.4203),
)


def _odd(size: int) -> int:
    if size % 2 == 0:
        raise ValueError("it should be odd, so that the kernel has a middle")
    return size


Kernel = Annotated[int, Field(gt=0, le=1023), AfterValidator(_odd)]


@TRANSFORMS.register("noise")
def noise(
    images: Tensor,
    generator: torch.Generator,
    sd: Deviation,
    clip: bool = False,
    kind: Literal["normal", "uniform"] = "normal",
    mean: Mean = 0.0,
    p: Probability = 1.0,
) -> Tensor:
    """Independent noise of the given mean and standard deviation `sd` added to every value.

    Each image gets it with probability `p`. `kind=uniform` is uniform in mean ± sd*sqrt(3), so that
    the uniform noise in [0, 1) of study S2's text is `noise(0.2887, kind=uniform, mean=0.5)`.
    Without `clip` the result leaves [0, 1], as in the studies S2 and S3.
    """
    pixels = as_float(images)
    if kind == "normal":
        draws = torch.randn(images.shape, generator=generator, device=images.device)
    else:
        draws = torch.rand(images.shape, generator=generator, device=images.device)
        draws.sub_(0.5).mul_(math.sqrt(12))
    noisy = draws.mul_(sd).add_(mean).add_(pixels)
    if clip:
        noisy.clamp_(0, 1)
    # No draw where it would decide nothing: what follows in a line without `p` keeps its own.
    return noisy if p == 1 else _where(happens(images, generator, p), noisy, pixels)


@TRANSFORMS.register("blur")
def blur(
    images: Tensor,
    generator: torch.Generator,
    sigma: Annotated[float, Field(gt=0, le=100)],
    k: Kernel | None = None,
) -> Tensor:
    """Gaussian blur of standard deviation `sigma` pixels, the same for every image.

    The kernel has `k` x `k` pixels, by default 4 sigma to either side. The border mirrors at
    the outermost pixel without repeating it (mode 'mirror' of SciPy, the default of OpenCV).
    Both directions are matrix products, on a CPU 30 times quicker than depthwise convolution.
    """
    radius = int(4 * sigma + 0.5) if k is None else k // 2
    pixels = as_float(images)
    down, across = (
        _blur_matrix(side, sigma, radius).to(images.device) for side in images.shape[2:]
    )
    return down @ (pixels @ across.T)


@TRANSFORMS.register("brightness")
def brightness(
    images: Tensor,
    generator: torch.Generator,
    amount: Fraction,
    p: Probability = 1.0,
    space: Space = "linear",
) -> Tensor:
    """Values times a factor from 1±`amount`, cut to [0, 1], for each image with probability `p`.

    As in torchvision's ColorJitter (study S0). `space=logit` is that of fastai v1 (study S4): the
    logit of a change from 0.5*(1±`amount`) is added to the logits of the values.
    """
    if space == "linear":
        return as_float(images).mul(_factor(images, generator, amount, p)).clamp_(0, 1)
    change = torch.logit(uniform(images, generator, 0.5 - _open(amount) / 2, 0.5 + amount / 2))
    pixels = as_float(images)
    brighter = _logits(pixels).add_(change).sigmoid_()
    return _where(happens(images, generator, p), brighter, pixels)


@TRANSFORMS.register("contrast")
def contrast(
    images: Tensor,
    generator: torch.Generator,
    amount: Fraction,
    p: Probability = 1.0,
    space: Space = "linear",
) -> Tensor:
    """Distances from the image's mean grey times a factor from 1±`amount`, cut to [0, 1].

    For each image with probability `p`; as in torchvision's ColorJitter (study S0). `space=logit`
    is that of fastai v1 (study S4): the logits of the values times a factor from 1-`amount` to
    1/(1-`amount`), uniform in its logarithm.
    """
    pixels = as_float(images)
    if space == "linear":
        mean = _luma(pixels).mean((2, 3), keepdim=True)
        return mean.lerp(pixels, _factor(images, generator, amount, p)).clamp_(0, 1)
    most = -math.log1p(-_open(amount))
    scale = uniform(images, generator, -most, most).exp_()
    changed = _logits(pixels).mul_(scale).sigmoid_()
    return _where(happens(images, generator, p), changed, pixels)


@TRANSFORMS.register("saturation")
def saturation(
    images: Tensor, generator: torch.Generator, amount: Fraction, p: Probability = 1.0
) -> Tensor:
    """Distances from the pixel's grey times a factor from 1±`amount`, cut to [0, 1].

    For each image with probability `p`; images of one channel stay. As in torchvision's
    ColorJitter (study S0).
    """
    pixels = as_float(images)
    return _luma(pixels).lerp(pixels, _factor(images, generator, amount, p)).clamp_(0, 1)


@TRANSFORMS.register("hue")
def hue(
    images: Tensor,
    generator: torch.Generator,
    amount: Annotated[float, Field(ge=0, le=0.5)],
) -> Tensor:
    """Hue (of HSV) moved by a part of the circle from ±`amount`; images of one channel stay.

    As in torchvision's ColorJitter (study S0).
    """
    pixels = as_float(images)
    turn = uniform(images, generator, -amount, amount)
    if images.shape[1] != 3:
        return pixels
    red, green, blue = pixels.tensor_split(3, 1)
    value = pixels.amax(1, keepdim=True)
    chroma = value - pixels.amin(1, keepdim=True)
    unit = chroma.clamp_min(1e-9)
    sixths = torch.where(
        value == red,
        (green - blue) / unit,
        torch.where(value == green, 2 + (blue - red) / unit, 4 + (red - green) / unit),
    )
    towards = torch.tensor([5.0, 3.0, 1.0], device=images.device).view(3, 1, 1)
    position = (towards + sixths + 6 * turn) % 6
    lacking: Tensor = torch.minimum(position, 4 - position).clamp_(0, 1)
    return value - chroma * lacking


@TRANSFORMS.register("lighting")
def lighting(images: Tensor, generator: torch.Generator, sd: Deviation) -> Tensor:
    """One colour added to each whole image, along the main directions of natural colours.

    The directions of ImageNet, each weighed by its own deviation times a draw of standard
    deviation `sd` (Krizhevsky et al., 2012), cut to [0, 1]. Needs three channels (study S0).
    """
    if images.shape[1] != 3:
        raise ValueError(f"it needs images of 3 channels, these have {images.shape[1]}")
    draws = torch.randn((len(images), 3), generator=generator, device=images.device) * sd
    deviations = torch.tensor(_COLOUR_DEVIATIONS, device=images.device)
    directions = torch.tensor(_COLOUR_DIRECTIONS, device=images.device)
    colours = (draws * deviations) @ directions.T
    return (as_float(images) + colours[..., None, None]).clamp_(0, 1)


@TRANSFORMS.register("grey")
def grey(images: Tensor, generator: torch.Generator) -> Tensor:
    """Every channel replaced by the grey value 0.2989 R + 0.587 G + 0.114 B."""
    pixels = as_float(images)
    return _luma(pixels).expand_as(pixels).contiguous()


def _luma(pixels: Tensor) -> Tensor:
    """The grey value `(N, 1, H, W)`; of images that are not RGB, the mean of the channels."""
    if pixels.shape[1] != 3:
        return pixels.mean(1, keepdim=True)
    red, green, blue = pixels.tensor_split(3, 1)
    return _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue


def _where(chosen: Tensor, changed: Tensor, pixels: Tensor) -> Tensor:
    """`changed[i]` where `chosen[i]`, else `pixels[i]`; both float."""
    return torch.where(chosen.view(-1, 1, 1, 1), changed, pixels)


def _open(amount: float) -> float:
    if amount == 1:
        raise ValueError("in logit space the amount must be below 1")
    return amount


def _logits(pixels: Tensor) -> Tensor:
    """Finite logits, cut where fastai v1 cuts them."""
    return torch.logit(pixels, eps=1e-7)


def _factor(images: Tensor, generator: torch.Generator, amount: float, p: float) -> Tensor:
    factor = uniform(images, generator, 1 - amount, 1 + amount)
    return _where(happens(images, generator, p), factor, torch.ones_like(factor))


def _blur_matrix(side: int, sigma: float, radius: int) -> Tensor:
    """`(side, side)`: row i holds the weights of all pixels in the blurred pixel i."""
    places = torch.arange(-radius, radius + 1)
    weights = torch.exp(-0.5 * (places / sigma).double() ** 2)
    period = max(2 * (side - 1), 1)
    source = (torch.arange(side).view(-1, 1) + places).abs() % period
    source = torch.minimum(source, period - source).clamp_max(side - 1)
    matrix = torch.zeros((side, side), dtype=torch.float64)
    return matrix.scatter_add_(1, source, (weights / weights.sum()).expand_as(source)).float()
