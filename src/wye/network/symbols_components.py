"""Symbols for the principal components of the training images."""

from __future__ import annotations

from torch import nn

from wye.network.components import Components, ImageOfComponents
from wye.network.symbols import SYMBOLS, Count, Shape
from wye.network.symbols_layout import Sizes


@SYMBOLS.register("PC")
def components(inputs: Shape, n: Count) -> nn.Module:
    """The training images' first n principal components, kept for the next J; the image passes."""
    return Components(inputs, n)


@SYMBOLS.register("PC'")
def image_of_components(inputs: Shape, n: Count, shape: Sizes) -> nn.Module:
    """The image that the last n values give as principal components; a linear layer adds the rest.

    Written `PC'(n, image)` at the head of a decoder, behind an encoder `PC(n) > ... > J`.
    """
    if len(inputs) != 1:
        raise ValueError("it needs flat values; F flattens an image")
    return ImageOfComponents(inputs[0], n, shape)
