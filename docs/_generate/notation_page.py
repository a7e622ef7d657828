"""The page of the notation: every symbol of networks and of image transformations."""

from __future__ import annotations

from typing import Any

from markup import cell, code, table

from wye.data.transforms import TRANSFORMS
from wye.network.stack import SYMBOLS
from wye.notation import Alphabet


def notation() -> str:
    """The page of the notation."""
    return f"""# The notation

A network is three lines of text, and so is a chain of image transformations: symbols joined by
`>`, each with values in parentheses, first those without a name, then `name=value`.

    C'(32) > C(32, k=5, bn=before) > L(512)

A mistake is answered with the line, a caret and what was expected. `wye show ROW` prints the layers
of a row with their shapes, parameters and multiply-adds.

This page is written by `make docs` from the registered symbols.

## Networks

A prime leaves out the symbol's last step: `C` is convolution, activation and pooling, `C'` has no
pooling; `L` is linear with an activation, `L'` is linear. `L` flattens an image by itself.
`decoder: mirror` derives the decoder from the encoder: linear layers are mirrored, a convolution
that shrinks the image by f becomes a transposed convolution of kernel and stride f, and the last
layer has no activation. A backbone is mirrored stage by stage, VGG layer by layer. `decoder: none`
leaves it out. In a classifier, the word `classes` stands for the number of classes; in a decoder,
`image` for the image's shape and `values` for the number of its values.

Backbones are symbols by their names, with the first weights that `weights` names. `Y` and `J` are
the two ends of a side path: `Y` keeps features, `J` joins them to those further on.

{_alphabet(SYMBOLS)}

Activations (`act=`): none, relu, leaky, elu, gelu, silu, tanh, sigmoid, clamp. Batch normalisation
(`bn=`): no, before or after the activation. Pooling (`pool=`): max or avg.

## Image transformations

For `data.prepare` (every image, once), `data.prepare_test` (test images, once), `data.copies`
(training images, once), `data.augment` (training batches, input and target alike), `data.view`
(validation and test batches) and `data.corrupt` (the input alone).

{_alphabet(TRANSFORMS)}
"""


def _alphabet(symbols: Alphabet[Any]) -> str:
    """A table of symbols: how each is written, with its defaults, and what it is."""
    rows = [(code(symbol.usage), cell(symbol.summary)) for symbol in symbols.symbols.values()]
    return table(("symbol and its defaults", "what it does"), rows)
