"""Layers of a network by what a recipe calls them, and holding them while the rest learns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from torch import nn

from wye.errors import UsageError
from wye.network.build import Network

Norm = nn.modules.batchnorm._BatchNorm

_TARGET = re.compile(r"(?P<part>\w+)(\[(?P<first>\d*)(?P<to>:(?P<last>\d*))?\])?")


def layers_of(network: Network, target: str, where: str) -> list[nn.Module]:
    """The layers that `target` names: of a whole part, or some of one, counted from 0.

    Args:
        target: `encoder`, `encoder[3]`, `encoder[0:3]`, `classifier[2:]`; layers are counted as the
            line has them, the last not included.
        where: the setting that holds it, for messages.

    Raises:
        UsageError: a part or layer that the network doesn't have.
    """
    match = _TARGET.fullmatch(target.replace(" ", ""))
    if match is None or match["part"] not in network.parts:
        raise UsageError(
            f"{where}: {target!r} is not a part of this network; parts: {', '.join(network.parts)},"
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
            f"{where}: {target!r} names no layer; {match['part']} has layers 0 to {len(layers) - 1}"
        )
    return chosen


def freeze(network: Network, targets: Iterable[str], norms: str = "all") -> list[nn.Module]:
    """Let exactly the layers that `targets` name keep their weights; all others learn.

    Args:
        targets: what `layers_of` understands.
        norms: what of their batch normalisation is frozen too, `train.freeze_norms`: with `none`
            its scale and shift learn.

    Returns:
        The frozen layers; dropout stays active in them (as Keras has it, study S1). Where `norms`
        is `all` their batch normalisation must stay in inference mode in training, see
        `hold_statistics`.

    Raises:
        UsageError: a part or layer that the network doesn't have.
    """
    network.requires_grad_(True)
    frozen = [layer for target in targets for layer in layers_of(network, target, "freeze")]
    for layer in frozen:
        layer.requires_grad_(False)
        if norms == "none":
            for norm in _norms(layer):
                norm.requires_grad_(True)
    return frozen


def hold_statistics(frozen: Iterable[nn.Module]) -> None:
    """Put the batch normalisation of frozen layers into inference mode."""
    for layer in frozen:
        for norm in _norms(layer):
            norm.eval()


def _norms(layer: nn.Module) -> Iterator[Norm]:
    return (module for module in layer.modules() if isinstance(module, Norm))
