"""Optimisers by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from wye.network.build import Network
from wye.recipe.schema import TrainSettings
from wye.registry import Registry
from wye.training.muon import MuonBesideAdamW


class Optimizer(Protocol):
    """What the loop asks of an optimiser; torch's own have it."""

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Groups with their rate `lr`, and `scale` where the scheduled rate is to be scaled."""

    def step(self) -> Any:
        """One update."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state."""


@dataclass(frozen=True)
class Trained:
    """The parameters that a phase may change.

    Attributes:
        filters: convolutions of the encoder and the classifier.
        others: the rest.
    """

    filters: list[nn.Parameter]
    others: list[nn.Parameter]

    def groups(self, settings: TrainSettings, without_filters: bool = False) -> Groups:
        """Parameter groups with their weight decay."""
        all_of_them = self.others if without_filters else [*self.filters, *self.others]
        decayed = all_of_them
        spared: list[nn.Parameter] = []
        if not settings.decay_norms:
            decayed = [parameter for parameter in all_of_them if parameter.ndim > 1]
            spared = [parameter for parameter in all_of_them if parameter.ndim <= 1]
        groups = [
            {"params": decayed, "weight_decay": settings.weight_decay},
            {"params": spared, "weight_decay": 0.0},
        ]
        return [group for group in groups if group["params"]]


Groups = list[dict[str, Any]]
OPTIMIZERS: Registry[Callable[[Trained, TrainSettings], Optimizer]] = Registry("optimiser")


def build_optimizer(network: Network, settings: TrainSettings) -> Optimizer:
    """The optimiser of a phase over the parameters of `network` that require a gradient."""
    filters: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            is_filter = parameter.ndim == 4 and not name.startswith("decoder.")
            (filters if is_filter else others).append(parameter)
    return OPTIMIZERS.find(settings.optimizer)(Trained(filters, others), settings)


@OPTIMIZERS.register("sgd")
def _sgd(trained: Trained, settings: TrainSettings) -> Optimizer:
    return torch.optim.SGD(
        trained.groups(settings),
        lr=settings.lr,
        momentum=settings.momentum,
        nesterov=settings.nesterov,
        fused=True,
    )


@OPTIMIZERS.register("adam")
def _adam(trained: Trained, settings: TrainSettings) -> Optimizer:
    return torch.optim.Adam(trained.groups(settings), lr=settings.lr, fused=True)


@OPTIMIZERS.register("adamw")
def _adamw(trained: Trained, settings: TrainSettings) -> Optimizer:
    return torch.optim.AdamW(trained.groups(settings), lr=settings.lr, fused=True)


@OPTIMIZERS.register("adagrad")
def _adagrad(trained: Trained, settings: TrainSettings) -> Optimizer:
    groups = trained.groups(settings)
    # Fused Adagrad exists on the CPU only.
    on_cpu = groups[0]["params"][0].device.type == "cpu"
    return torch.optim.Adagrad(groups, lr=settings.lr, fused=on_cpu)


@OPTIMIZERS.register("rmsprop")
def _rmsprop(trained: Trained, settings: TrainSettings) -> Optimizer:
    groups = trained.groups(settings)
    return torch.optim.RMSprop(groups, lr=settings.lr, momentum=settings.momentum)


@OPTIMIZERS.register("muon")
def _muon(trained: Trained, settings: TrainSettings) -> Optimizer:
    return MuonBesideAdamW(
        list(trained.filters),
        trained.groups(settings, without_filters=True),
        lr=settings.lr,
        momentum=settings.momentum,
        others_lr=settings.others_lr,
    )
