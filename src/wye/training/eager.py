"""Optimisers of torch without torch's compiler."""

from __future__ import annotations

from inspect import unwrap
from typing import TypeVar

import torch

Kind = TypeVar("Kind", bound=torch.optim.Optimizer)
WRAPPED = ("add_param_group", "load_state_dict", "state_dict", "step", "zero_grad")


def eager(kind: type[Kind]) -> type[Kind]:
    """An optimiser without the wrappers that keep its methods out of compiled graphs.

    At its first call each of them loads torch's compiler, 1.3 s of every start, whether or not
    anything is compiled; our steps are never part of a compiled graph. A release of torch without
    these wrappers gives the optimiser as it is.
    """
    methods = {name: unwrap(getattr(kind, name)) for name in WRAPPED}
    return type(kind.__name__, (kind,), {**methods, "step": torch.no_grad()(methods["step"])})
