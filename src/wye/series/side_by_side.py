"""How many runs train side by side on this machine where the user doesn't say."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from wye.data.shape import input_shape
from wye.errors import WyeError
from wye.machine import cores
from wye.network.build import build_network
from wye.network.describe import describe
from wye.recipe.schema import Recipe

MOST = 8
"""Runs beside each other on one GPU."""
FILLED = 50e9
"""Multiply-adds of a step that keep a GPU busy by themselves: what it does in the two or three
milliseconds that it takes to launch the kernels of a step. An estimate."""


def workers_for(recipes: Iterable[Recipe], device: str) -> int:
    """Processes for these runs: one on a processor; several on a GPU that one doesn't fill.

    Small networks leave a GPU waiting for their next kernel most of the time, and processes beside
    each other fill the gaps. Each gives the very weights that it would give alone.

    Args:
        recipes: of the runs that are left to do.
        device: as the user named it, `auto` for instance.
    """
    gpus = cuda_devices() if device in ("auto", "cuda") else int(device.startswith("cuda:"))
    wanted = list(recipes)
    if not gpus or not wanted:
        return 1
    different = {(repr(recipe.network), repr(recipe.data)): recipe for recipe in wanted}
    largest = max(map(_work_of_a_step, different.values()))
    beside = max(1, min(MOST, int(FILLED / largest))) if largest else 1
    return min(beside * gpus, len(wanted), max(gpus, cores()))


def cuda_devices() -> int:
    """The CUDA GPUs of this machine."""
    return torch.cuda.device_count()


def _work_of_a_step(recipe: Recipe) -> float:
    """Multiply-adds of a step, forward and backward; infinitely many where they aren't known."""
    try:
        shape, classes = input_shape(recipe.data)
        with torch.device("meta"):
            forward = describe(build_network(recipe.network, shape, classes)).multiply_adds
    except WyeError:
        return float("inf")  # the run itself says what is wrong
    images = max(
        phase.train.batch_size + phase.train.unlabelled for phase in recipe.resolved_phases()
    )
    return 3.0 * forward * images
