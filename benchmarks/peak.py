"""The most that this machine can do: matrix products and convolutions, in each precision."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from benchmarks.result import Finding, Repeats, Result, Table
from benchmarks.settings import Benchmark, Settings
from wye.bench import convolutions, products
from wye.machine import keep_freed_memory

MATRICES = {"cpu": (1024, 2048), "cuda": (4096, 8192)}
CONVOLUTIONS = ((48, 32), (64, 16), (128, 16), (128, 8), (256, 8))
"""Channels in and out, and the side of the image in px."""
BATCH = {"cpu": 128, "cuda": 1024}


def measure(precision: str, device: str, seconds: float, backward: bool = True) -> dict[str, Any]:
    """Products and convolutions, each repeated for so many seconds.

    Args:
        backward: convolutions with both of their gradients, too.

    Returns:
        GFLOP/s by the name of what was computed.
    """
    keep_freed_memory()
    where = torch.device(device)
    product = partial(products, precision=precision, device=where, seconds=seconds)
    convolution = partial(
        convolutions,
        batch=BATCH.get(where.type, BATCH["cpu"]),
        precision=precision,
        device=where,
        seconds=seconds,
    )
    found: dict[str, float] = {}
    for size in MATRICES.get(where.type, MATRICES["cpu"]):
        found[f"matrix product, {size} x {size}"] = product(size)
    for channels, side in CONVOLUTIONS:
        name = f"convolution, {channels} channels at {side} px"
        found[name] = convolution(channels, side)
        if backward:
            found[f"{name}, with gradients"] = convolution(channels, side, backward=True)
    return found


class Rate(Finding):
    """GFLOP/s of one computation, by precision."""

    what: str
    gflops: dict[str, Repeats]


class Peak(Result):
    """What `peak` found.

    Attributes:
        training: the precision that training takes for convolutions.
        peak: GFLOP/s of the quickest of them without gradients, by precision.
    """

    training: str
    peak: dict[str, float]
    rates: tuple[Rate, ...]

    def remarks(self) -> list[str]:
        """Which precision training takes."""
        return [f"Training takes {self.training} here."]

    def tables(self) -> list[Table]:
        """A line for each computation."""
        names = list(self.peak)
        return [
            Table(
                ("GFLOP/s", *names),
                [(rate.what, *(str(rate.gflops[name]) for name in names)) for rate in self.rates],
            )
        ]


def peak_of(rates: dict[str, Repeats]) -> float:
    """GFLOP/s of the quickest computation without gradients."""
    return max(each.median for what, each in rates.items() if "gradients" not in what)


def repeated(found: list[dict[str, float]]) -> dict[str, Repeats]:
    """The rates by what was computed, of several measurements."""
    return {what: Repeats.of(each[what] for each in found) for what in found[0]}


def run(settings: Settings) -> Peak:
    """The precisions that training takes: a processor may need minutes for a product in another."""
    arguments = {"device": settings.device, "seconds": settings.scale.seconds}
    found = settings.alternately(
        {
            name: partial(settings.carry_out, measure, {"precision": name, **arguments})
            for name in settings.precisions
        }
    )
    rates = {name: repeated(each) for name, each in found.items()}
    return Peak(
        training=settings.precisions[-1],
        peak={name: peak_of(each) for name, each in rates.items()},
        rates=tuple(
            Rate(what=what, gflops={name: rates[name][what] for name in rates})
            for what in rates["fp32"]
        ),
        missing=settings.without_bf16,
    )


BENCHMARK = Benchmark(
    "The machine's peak",
    f"Matrix products, and 3x3 convolutions of {BATCH['cpu']} images ({BATCH['cuda']:,} on a GPU)"
    " in channels_last order, with all operands in one precision. With gradients: the convolution"
    " and the gradients of its input and its filters together.",
    run,
)
