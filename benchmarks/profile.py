"""Where the time of a training step goes: the profiler's operators in a few groups."""

from __future__ import annotations

import time
from itertools import chain, count
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from benchmarks.apart import TASKS
from benchmarks.speed import trainer_of

DATA, OPTIMIZER = "wye: data", "Optimizer.step#"
GROUPS = {
    "convolutions": ("conv",),
    "matrix products": ("aten::mm", "aten::addmm", "aten::bmm", "aten::matmul", "aten::linear"),
    "batch norm": ("batch_norm",),
    "pooling": ("pool", "aten::amax"),
    "copies and casts": ("aten::copy_", "aten::cat", "aten::clone", "aten::index"),
    "element-wise": (
        *("relu", "aten::clamp", "aten::threshold", "aten::hardtanh", "aten::gelu", "aten::elu"),
        *("aten::add", "aten::sub", "aten::mul", "aten::div", "aten::pow", "aten::square"),
        *("aten::mse_loss", "softmax", "aten::nll_loss", "aten::where", "aten::bernoulli"),
        *("aten::fill_", "aten::zero", "aten::sum", "aten::mean", "aten::norm", "aten::sqrt"),
    ),
}
"""Group to parts of the operators' names; the first group that knows a name has it."""
DATA_GROUP, OPTIMIZER_GROUP, OTHER = "data and augmentation", "optimiser", "other"
ORDER = (*GROUPS, OPTIMIZER_GROUP, DATA_GROUP, OTHER)


@TASKS.register("profile")
def measure(
    target: str,
    overrides: dict[str, Any],
    precision: str,
    device: str,
    steps: int,
    warm_up: int,
    phase: int = -1,
) -> dict[str, float]:
    """Train some steps of a phase under the profiler.

    Returns:
        The share of each group in the time that the steps took. `other` is what no operator
        accounts for, Python's own time among it; on a GPU, the time in which it waits.
    """
    where = torch.device(device)
    trainer = trainer_of(target, overrides, phase, precision, device)
    on_gpu = where.type == "cuda"
    batches = chain.from_iterable(map(trainer.begin_epoch, count(1)))
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    rate = trainer.phase.train.lr
    for _ in range(warm_up):
        trainer.step(next(batches), rate)
    with profile(activities=activities) as profiler:
        start = time.perf_counter()
        for _ in range(steps):
            with record_function(DATA):
                batch = next(batches)
            trainer.step(batch, rate)
        if on_gpu:
            torch.cuda.synchronize(where)
        seconds = time.perf_counter() - start
    events = profiler.events()
    return shares(events if events is not None else [], seconds, on_gpu)


def shares(events: Any, seconds: float, on_gpu: bool) -> dict[str, float]:
    """The profiler's events as shares of the time that they were recorded in.

    An operator counts with its own time, without that of those that it calls.
    """
    taken = dict.fromkeys(ORDER, 0.0)
    for event in events:
        own = event.self_device_time_total if on_gpu else event.self_cpu_time_total
        taken[_group(event)] += own / 1e6 / seconds
    known = sum(share for name, share in taken.items() if name != OTHER)
    # The profiler's clocks may find a little more than the whole.
    return {
        **{name: share / max(known, 1.0) for name, share in taken.items()},
        OTHER: max(1 - known, 0.0),
    }


def _group(event: Any) -> str:
    above = event
    while above is not None:
        if above.name == DATA:
            return DATA_GROUP
        if above.name.startswith(OPTIMIZER):
            return OPTIMIZER_GROUP
        above = above.cpu_parent
    for group, parts in GROUPS.items():
        if any(part in event.name for part in parts):
            return group
    return OTHER
