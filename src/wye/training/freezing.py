"""Holding parts or layers of a network while the rest learns."""

from __future__ import annotations

import re
from collections.abc import Iterable

from torch import nn

from wye.errors import UsageError
from wye.network.build import Network

_TARGET = re.compile(r"(?P<part>\w+)(\[(?P<first>\d*)(?P<to>:(?P<last>\d*))?\])?")


def freeze(network: Network, targets: Iterable[str]) -> list[nn.Module]:
    """Let exactly the layers that `targets` name keep their weights; all others learn.

    Args:
        network: its parameters' `requires_grad` is set.
        targets: `encoder`, `encoder[3]`, `encoder[0:3]`, `classifier[2:]`; layers are counted as
            the line has them, from 0, the last not included.

    Returns:
        The frozen layers. Their batch normalisation must stay in inference mode in training, see
        `hold_statistics`; dropout stays active (as Keras has it, study S1).

    Raises:
        UsageError: a part or layer that the network doesn't have.
    """
    network.requires_grad_(True)
    frozen = [layer for target in targets for layer in _find(network, target)]
    for layer in frozen:
        layer.requires_grad_(False)
    return frozen


def hold_statistics(frozen: Iterable[nn.Module]) -> None:
    """Put the batch normalisation of frozen layers into inference mode."""
    for layer in frozen:
        for module in layer.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.eval()


def _find(network: Network, target: str) -> list[nn.Module]:
    match = _TARGET.fullmatch(target.replace(" ", ""))
    if match is None or match["part"] not in network.parts:
        raise UsageError(
            f"freeze: {target!r} is not a part of this network; parts: {', '.join(network.parts)},"
            " layers of one: encoder[0:3]"
        )
    layers = list(network.parts[match["part"]].layers)
    if match["first"] is None:
        return layers
    if match["to"]:
        first, last = int(match["first"] or 0), int(match["last"] or len(layers))
        chosen = layers[first:last]
    elif match["first"]:
        chosen = layers[int(match["first"]) :][:1]
    else:
        chosen = []
    if not chosen or (match["last"] and int(match["last"]) > len(layers)):
        raise UsageError(
            f"freeze: {target!r} names no layer; {match['part']} has layers 0 to {len(layers) - 1}"
        )
    return chosen
