"""Optimisers by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from wye.recipe.schema import TrainSettings
from wye.registry import Registry

Groups = list[dict[str, Any]]
OPTIMIZERS: Registry[Callable[[Groups, TrainSettings], torch.optim.Optimizer]] = Registry(
    "optimiser"
)


def build_optimizer(
    parameters: Iterable[nn.Parameter], settings: TrainSettings
) -> torch.optim.Optimizer:
    """The optimiser of a phase over the parameters that it may change."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    groups = [{"params": trained, "weight_decay": settings.weight_decay}]
    if not settings.decay_norms:
        groups = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": settings.weight_decay},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
    return OPTIMIZERS.find(settings.optimizer)([g for g in groups if g["params"]], settings)


@OPTIMIZERS.register("sgd")
def _sgd(groups: Groups, settings: TrainSettings) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        groups,
        lr=settings.lr,
        momentum=settings.momentum,
        nesterov=settings.nesterov,
        fused=True,
    )


@OPTIMIZERS.register("adam")
def _adam(groups: Groups, settings: TrainSettings) -> torch.optim.Optimizer:
    return torch.optim.Adam(groups, lr=settings.lr, fused=True)


@OPTIMIZERS.register("adamw")
def _adamw(groups: Groups, settings: TrainSettings) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, lr=settings.lr, fused=True)


@OPTIMIZERS.register("adagrad")
def _adagrad(groups: Groups, settings: TrainSettings) -> torch.optim.Optimizer:
    # Fused Adagrad exists on the CPU only.
    on_cpu = groups[0]["params"][0].device.type == "cpu"
    return torch.optim.Adagrad(groups, lr=settings.lr, fused=on_cpu)


@OPTIMIZERS.register("rmsprop")
def _rmsprop(groups: Groups, settings: TrainSettings) -> torch.optim.Optimizer:
    return torch.optim.RMSprop(groups, lr=settings.lr, momentum=settings.momentum)
