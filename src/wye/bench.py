"""What this machine reaches: its peak, and how long rows take on it."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from wye.data.batches import steps_per_epoch
from wye.data.catalog import DATASETS
from wye.recipe import resolve
from wye.recipe.schema import Recipe
from wye.runs.setup import set_up
from wye.training.loop import Trainer
from wye.training.precision import channels_last, choose_precision, multiplying_in

ROWS = ("wye/quick", "joint/v4-l2", "fashion5/classifier")
"""A network of convolutions in large batches, one in small batches, and one of linear layers."""
WARM_UP, STEPS = 3, 20
SIDE, CHANNELS, IMAGES = 2048, 64, 128


@dataclass(frozen=True)
class Peak:
    """Billions of floating-point operations a second in one precision, the best of several tries.

    Attributes:
        products: of matrices of 2048 x 2048.
        convolutions: 3 x 3 on 64 channels, 128 images of 32 x 32.
    """

    precision: str
    products: float
    convolutions: float


@dataclass(frozen=True)
class Pace:
    """How quickly a row trains here, on generated images of its own shape.

    Attributes:
        step_seconds: median over the steps.
        seconds: that the whole row would take, without its data and its evaluation; None where the
            size of its data set isn't known.
    """

    row: str
    precision: str
    batch_size: int
    step_seconds: float
    images_per_second: float
    seconds: float | None


def peak(device: torch.device, precision: str, seconds: float = 0.5) -> Peak:
    """What the device reaches in `fp32` or `bf16`."""
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(device)

    first, second = drawn(SIDE, SIDE), drawn(SIDE, SIDE)
    layer = channels_last(nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False).to(device))
    images = drawn(IMAGES, CHANNELS, 32, 32).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode(), multiplying_in(precision, device):
        products = _rate(lambda: first @ second, 2 * SIDE**3, device, seconds)
        work = 2 * IMAGES * 32 * 32 * 9 * CHANNELS**2
        convolutions = _rate(lambda: layer(images), work, device, seconds)
    return Peak(precision, products / 1e9, convolutions / 1e9)


def _rate(run: Callable[[], Tensor], work: int, device: torch.device, seconds: float) -> float:
    """The best rate of several tries within some seconds."""
    run()
    best, end = math.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        run()
        _wait(device)
        best = min(best, time.perf_counter() - start)
    return work / best


def pace(row: str, device: torch.device, steps: int = STEPS) -> Pace:
    """Time some training steps of a row's last phase, on images of the data set `shapes`.

    Raises:
        UsageError: there is no such row, or its network cannot be built here.
    """
    published = resolve(row)
    phase = published.resolved_phases()[-1]
    settings = {"data": _like(published), "weights": "random", "transfer": "none"}
    recipe = resolve(row, {**settings, "evaluation": {"judge": "none"}})
    made = set_up(recipe)
    network = channels_last(made.network.to(device))
    precision = choose_precision(recipe.train.precision, network, device)
    trainer = Trainer(recipe, network, made.data.to(device), made.streams, precision)
    batches = trainer.begin_epoch(1)
    times = []
    for batch in (next(batches, None) for _ in range(WARM_UP + steps)):
        if batch is None:  # a small data set: its epoch is over
            break
        start = time.perf_counter()
        trainer.step(batch, phase.train.lr * 1e-3)
        _wait(device)
        times.append(time.perf_counter() - start)
    step = statistics.median(times[min(WARM_UP, len(times) - 1) :])
    size = trainer.phase.train.batch_size
    whole = _steps(published)
    return Pace(row, precision, size, step, size / step, None if whole is None else whole * step)


def _like(recipe: Recipe) -> dict[str, Any]:
    """Generated images of the size and the channels that the recipe's data set has."""
    source = DATASETS.get(recipe.data.name)
    if source is None or source.shape == DATASETS["shapes"].shape:
        return {"name": "shapes"}
    channels, side, _ = source.shape
    size = [f"resize({side})", *filter(None, [recipe.data.prepare])]
    return {
        "name": "shapes",
        "channels": recipe.data.channels or channels,
        "prepare": " > ".join(size),
    }


def _steps(recipe: Recipe) -> int | None:
    """Optimiser steps of a whole training, of classes of equal size."""
    source, data = DATASETS.get(recipe.data.name), recipe.data
    if source is None:
        return None
    each = source.sizes[0] // len(source.classes)
    classes = data.classes or source.classes
    kept = (min(each, data.per_class or each, data.limit.get(name, each)) for name in classes)
    images = round(sum(kept) * (1 - data.validation)) * max(1, len(data.copies))
    return sum(
        phase.train.epochs * (phase.train.steps or steps_per_epoch(images, phase.train.batch_size))
        for phase in recipe.resolved_phases()
    )


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
