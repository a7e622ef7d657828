"""How quick a row trains here, through the one training loop, and where a step's time goes."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from itertools import chain, count
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, record_function
from torch.utils.flop_counter import FlopCounterMode

from wye.apart import peak_memory
from wye.bench import ENDLESS, phase_alone
from wye.errors import MachineError
from wye.machine import keep_freed_memory
from wye.recipe.resolve import resolve
from wye.runs.setup import set_up
from wye.training.loop import Trainer
from wye.training.precision import channels_last
from wye.training.records import RunningMeans

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


class Stopwatch:
    """An observer of the training that takes the time of some steps after others.

    Attributes:
        seconds: that the steps took.
        images: that they were of.
    """

    def __init__(self, warm_up: int, steps: int, device: torch.device) -> None:
        self.begin, self.end = warm_up, warm_up + steps
        self.device = device
        self.seconds = 0.0
        self.images = 0
        self._start = 0.0
        self._done = self._seen = 0

    def step(self, epoch: int, step: int, steps: int, means: RunningMeans) -> None:
        """Count, and look at the clock where the steps begin and end."""
        self._done += 1
        if self.begin < self._done <= self.end:
            self.images += means.images - (self._seen if step > 1 else 0)
        self._seen = means.images
        if self._done in (self.begin, self.end):
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            now = time.perf_counter()
            self._start, self.seconds = now, now - self._start


def plain(data: str, settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Overrides that leave nothing but training: all images of `data`, no validation, no test."""
    given = dict(settings or {})
    return {
        **given,
        "data": {"name": data, "validation": 0.0, **given.get("data", {})},
        "evaluation": {"watch_test": False},
    }


def trainer_of(
    target: str,
    overrides: dict[str, Any],
    phase: int,
    precision: str,
    device: str,
    max_steps: int | None = None,
    observer: Stopwatch | None = None,
) -> Trainer:
    """What trains a phase of a row, a recipe file or a folder, as `wye train` would set it up.

    Args:
        phase: counted from 0; negative ones from the end.
    """
    keep_freed_memory()
    where = torch.device(device)
    recipe = resolve(target, overrides)
    setup = set_up(phase_alone(recipe, phase))
    return Trainer(
        setup.recipe,
        channels_last(setup.network.to(where)),
        setup.data.to(where),
        setup.streams,
        precision,
        max_steps,
        observer,
        features=setup.features,
    )


def measure(
    target: str,
    overrides: dict[str, Any],
    precision: str,
    device: str,
    steps: int,
    warm_up: int,
    phase: int = -1,
    threads: int | None = None,
    meeting: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Train some steps of a phase and take the time.

    Args:
        threads: to compute with; as many as usual if not given.
        meeting: what `meet` takes, where others begin at the same time.

    Returns:
        `images_per_second`; `step_seconds`; `multiply_adds` of the convolutions and matrix products
        of one step, forward, backward and in the optimiser; `setup_seconds`, mostly of reading the
        data; `peak_mb`.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    begin = time.perf_counter()
    watch = Stopwatch(warm_up, steps, torch.device(device))
    trainer = trainer_of(target, overrides, phase, precision, device, warm_up + steps, watch)
    ready = time.perf_counter()
    if meeting is not None:
        meet(**meeting)
    for _ in trainer.epochs():
        pass
    peak = peak_memory()
    return {
        "images_per_second": watch.images / watch.seconds,
        "step_seconds": watch.seconds / steps,
        "multiply_adds": multiply_adds(trainer),
        "setup_seconds": ready - begin,
        "peak_mb": peak,
    }


def meet(folder: str, count: int, patience: float = 600) -> None:
    """Return once `count` processes have called this with the same, at first empty, folder.

    Raises:
        MachineError: the others didn't come in time, in seconds.
    """
    place, end = Path(folder), time.monotonic() + patience
    (place / uuid.uuid4().hex).touch()
    while sum(1 for _ in place.iterdir()) < count:
        if time.monotonic() > end:
            raise MachineError(f"fewer than {count} processes came to begin together")
        time.sleep(0.01)


def multiply_adds(trainer: Trainer) -> int:
    """Those of one step more, counted by torch as it is carried out."""
    batch = next(trainer.begin_epoch(ENDLESS))
    with FlopCounterMode(display=False) as counter:
        trainer.step(batch, 0.0)
    return int(counter.get_total_flops()) // 2


def profiled(
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
