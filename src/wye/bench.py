"""What this machine reaches: its peak, and how long rows take on it."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, count
from typing import Any

import torch
import torch.nn.functional as F

from wye.apart import peak_memory
from wye.data.batches import steps_per_epoch
from wye.data.catalog import DATASETS
from wye.machine import keep_freed_memory
from wye.recipe import resolve
from wye.recipe.schema import Phase, Recipe
from wye.runs.setup import set_up
from wye.training.loop import Trainer
from wye.training.precision import channels_last, choose_precision

ROWS = ("wye/quick", "joint/v4-l2", "fashion5/classifier")
"""A network of convolutions in large batches, one in small batches, and one of linear layers."""
WARM_UP, FEWEST, STEPS, SECONDS = 2, 5, 50, 5.0
"""Steps of a phase before the timed ones; timed ones at least and at most, and their seconds."""
ENDLESS = 1_000_000
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def products(size: int, precision: str, device: torch.device, seconds: float) -> float:
    """GFLOP/s of the product of two square matrices, repeated for some seconds.

    Args:
        size: of the matrices, a side.
        precision: of both, `fp32` or `bf16`.
    """
    a, b = (torch.randn(size, size, device=device, dtype=DTYPES[precision]) for _ in range(2))
    return _rate(lambda: torch.mm(a, b), 2 * size**3, device, seconds)


def convolutions(
    channels: int,
    side: int,
    batch: int,
    precision: str,
    device: torch.device,
    seconds: float,
    backward: bool = False,
) -> float:
    """GFLOP/s of a 3x3 convolution in channels_last order, repeated for some seconds.

    Args:
        channels: in and out.
        side: of the images, in px.
        batch: images at a time.
        precision: of images and filters, `fp32` or `bf16`.
        backward: with the gradients of its input and its filters.
    """

    def drawn(*shape: int) -> torch.Tensor:
        values = torch.randn(shape, device=device, dtype=DTYPES[precision])
        return values.contiguous(memory_format=torch.channels_last).requires_grad_(backward)

    images, filters = drawn(batch, channels, side, side), drawn(channels, channels, 3, 3)

    def compute() -> object:
        made = F.conv2d(images, filters, padding=1)
        if not backward:
            return made
        return torch.autograd.grad(made, (images, filters), torch.ones_like(made))

    work = 2 * batch * side**2 * channels**2 * 9
    return _rate(compute, (3 if backward else 1) * work, device, seconds)


def _rate(compute: Callable[[], object], flops: int, device: torch.device, seconds: float) -> float:
    """GFLOP/s; computed once before, and at least once."""
    compute()
    _wait(device)
    start = time.perf_counter()
    done, taken = 0, 0.0
    while taken < seconds or not done:
        compute()
        _wait(device)
        done, taken = done + 1, time.perf_counter() - start
    return done * flops / taken / 1e9


@dataclass(frozen=True)
class Peak:
    """GFLOP/s in one precision.

    Attributes:
        products: of matrices of 2048 x 2048; of 8192 x 8192 on a GPU.
        convolutions: 3x3 on 64 channels of 32 px, 128 images at a time; 1,024 on a GPU.
    """

    precision: str
    products: float
    convolutions: float


def peak(precision: str, device: str, seconds: float = 1.0) -> Peak:
    """What the device reaches in `fp32` or `bf16`, each measured for some seconds."""
    where, on_gpu = torch.device(device), device != "cpu"
    keep_freed_memory()
    return Peak(
        precision,
        products(8192 if on_gpu else 2048, precision, where, seconds),
        convolutions(64, 32, 1024 if on_gpu else 128, precision, where, seconds),
    )


@dataclass(frozen=True)
class Pace:
    """How quickly a row trains here, on generated images of its own shape.

    Where the row has several phases, steps and images per second are those of all of its steps.

    Attributes:
        steps: of the whole training.
        seconds: that all of them would take, with the batches but without reading the data,
            validation and evaluation.
        start_seconds: from the start of the process until the first step is done.
        memory_mb: the most that was held, of the GPU's memory where there is one, in MB.
    """

    row: str
    precision: str
    steps: int
    seconds: float
    steps_per_second: float
    images_per_second: float
    start_seconds: float
    memory_mb: float


def pace(row: str, device: str, started: float | None = None) -> Pace:
    """Time some training steps of each phase of a row, a recipe file or a folder.

    Images are those of the folder, and generated ones for a data set that may have to be fetched.

    Args:
        started: when the process was asked for, `time.time()`; now if not given.

    Raises:
        UsageError: there is no such row, or its network cannot be trained here.
    """
    begun, where = time.time() if started is None else started, torch.device(device)
    keep_freed_memory()
    asked = resolve(row)
    recipe = resolve(row, {**_generated(asked), "evaluation": {"judge": "none"}})
    made = set_up(recipe)
    network, data = channels_last(made.network.to(where)), made.data.to(where)
    precision = choose_precision(recipe.train.precision, network, where)
    images = _images(asked) or len(data.train)
    start, steps, seconds, seen = None, 0, 0.0, 0
    for index, phase in enumerate(asked.resolved_phases()):
        alone = phase_alone(recipe, index)
        trainer = Trainer(alone, network, data, made.streams, precision, features=made.features)
        batches = chain.from_iterable(map(trainer.begin_epoch, count(1)))
        times: list[float] = []
        while len(times) < WARM_UP + FEWEST or (
            len(times) < WARM_UP + STEPS and sum(times) < SECONDS
        ):
            before = time.perf_counter()
            trainer.step(next(batches), phase.train.lr * 1e-3)  # the network changes little
            _wait(where)
            times.append(time.perf_counter() - before)
            start = time.time() - begun if start is None else start
        train = phase.train
        epoch = train.steps or steps_per_epoch(images, train.batch_size, train.drop_last)
        planned = train.epochs * epoch
        steps += planned
        seconds += planned * statistics.median(times[WARM_UP:])
        seen += planned * train.batch_size
    on_gpu = where.type == "cuda"
    memory = torch.cuda.max_memory_allocated(where) / 1e6 if on_gpu else peak_memory()
    rates = (steps / seconds, seen / seconds)
    return Pace(row, precision, steps, seconds, *rates, start or 0.0, memory)


def phase_alone(recipe: Recipe, index: int) -> Recipe:
    """A recipe of one of the phases alone, which never ends.

    Args:
        index: of the phase, from 0; negative ones from the end.
    """
    phase = recipe.resolved_phases()[index]
    alone = Phase(name=phase.name, epochs=ENDLESS, image_size=phase.image_size, freeze=phase.freeze)
    train = phase.train.model_copy(update={"epochs": ENDLESS})
    return recipe.model_copy(update={"loss": phase.loss, "train": train, "phases": (alone,)})


def _generated(recipe: Recipe) -> dict[str, Any]:
    """Settings that need nothing fetched: generated images of the same size and channels."""
    none = {"weights": "random", "transfer": "none"}
    source = DATASETS.get(recipe.data.name)
    if source is None:
        return none
    data: dict[str, Any] = {"name": "shapes"}
    if source.shape != DATASETS["shapes"].shape:
        channels, side, _ = source.shape
        size = " > ".join(filter(None, [f"resize({side})", recipe.data.prepare]))
        data |= {"channels": recipe.data.channels or channels, "prepare": size}
    return {**none, "data": data}


def _images(recipe: Recipe) -> int | None:
    """Training images of a data set with classes of equal size; None for a folder."""
    source, data = DATASETS.get(recipe.data.name), recipe.data
    if source is None:
        return None
    each = source.sizes[0] // len(source.classes)
    kept = (
        min(each, data.per_class or each, data.limit.get(name, each))
        for name in data.classes or source.classes
    )
    return math.ceil(sum(kept) * (1 - data.validation)) * max(1, len(data.copies))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
