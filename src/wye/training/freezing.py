"""Holding parts or layers of a network while the rest learns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from torch import nn

from wye.network.build import Network
from wye.network.choose import layers_of

Norm = nn.modules.batchnorm._BatchNorm


def freeze(network: Network, targets: Iterable[str], norms: str = "all") -> list[nn.Module]:
    """Let exactly the layers that `targets` name keep their weights; all others learn.

    Args:
        network: its parameters' `requires_grad` is set.
        targets: what `wye.network.choose.layers_of` understands.
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
