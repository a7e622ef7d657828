"""What a benchmark is, what all of them are told, and how they measure apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from benchmarks.result import Result
from wye.apart import in_own_process
from wye.errors import MachineError, WyeError

Key = TypeVar("Key")
Found = dict[str, Any]
Task = Callable[..., Found]
"""A function of a module that measures: of plain values, to a dictionary of them."""
CarryOut = Callable[[Task, Mapping[str, Any]], Found]
"""Carries a task out with its arguments and returns what it found."""


class LeftOutError(WyeError):
    """A benchmark cannot be carried out here; the message says why in one line."""


def carry_out_apart(task: Task, arguments: Mapping[str, Any]) -> Found:
    """Carry out a task in a process of its own.

    Raises:
        MachineError: it failed, in whatever way.
    """
    try:
        return in_own_process(task, **arguments)
    except WyeError as error:
        where = f"{task.__module__}.{task.__qualname__}"
        raise MachineError(f"measuring with {where} failed: {error}") from error


def carry_out_here(task: Task, arguments: Mapping[str, Any]) -> Found:
    """The same in this process, without its guarantees."""
    return task(**arguments)


@dataclass(frozen=True)
class Scale:
    """How long the benchmarks take.

    Attributes:
        steps: that a speed is measured over at most.
        images: of 32 px that it is measured over; small batches reach `steps` before.
        warm_up: steps before that.
        seconds: that a single product or convolution is repeated for.
        cut: trainings from start to end, and epochs of the reference, end after so many steps.
        folder: images in the smallest generated folder.
        rows: of made-up studies.
        predicted: images that are named.
        profiled: steps under the profiler.
    """

    steps: int = 200
    images: int = 6_400
    warm_up: int = 3
    seconds: float = 0.3
    cut: int | None = None
    folder: int = 3_000
    rows: tuple[int, ...] = (10, 100, 1000)
    sides: tuple[int, ...] = (32, 64, 128)
    predicted: int = 10_000
    profiled: int = 10

    def steps_of(self, batch_size: int, side: int = 32) -> int:
        """Steps that the speed at a batch and an image size is measured over."""
        within = int(self.images * (32 / side) ** 2) // batch_size
        return max(min(self.steps, within), 1)


ON_A_GPU = Scale(images=25_600, warm_up=10)
"""More of what takes next to no time there, and choosing the ways to compute takes some steps."""

QUICK = Scale(
    steps=10,
    images=2_560,
    warm_up=2,
    seconds=0.05,
    cut=10,
    folder=200,
    rows=(10, 100),
    sides=(32, 64),
    predicted=1_000,
    profiled=3,
)


@dataclass(frozen=True)
class Settings:
    """What all benchmarks are told.

    Attributes:
        device: where networks compute.
        precisions: those that training takes there, fp32 first.
        data: the data set that is trained on.
        repeats: how often each figure is measured.
        seeds: of the trainings from start to end.
        carry_out: carries out a task, by default in a process of its own.
    """

    device: str
    precisions: tuple[str, ...]
    data: str
    repeats: int = 5
    seeds: int = 3
    scale: Scale = field(default_factory=Scale)
    carry_out: CarryOut = carry_out_apart

    @property
    def on_cpu(self) -> bool:
        """Whether networks compute on the processor."""
        return self.device == "cpu"

    @property
    def on_cuda(self) -> bool:
        """Whether networks compute on a CUDA GPU."""
        return self.device.startswith("cuda")

    @property
    def without_bf16(self) -> tuple[str, ...]:
        """One line where this device is not quick at bf16."""
        if "bf16" in self.precisions:
            return ()
        return ("bf16: this device is not quicker at it than at fp32, so training doesn't use it",)

    def alternately(
        self, measures: Mapping[Key, Callable[[], Found]], repeats: int | None = None
    ) -> dict[Key, list[Found]]:
        """Measure A, B, …, A, B, …: what disturbs the machine then disturbs all alike."""
        found: dict[Key, list[Found]] = {key: [] for key in measures}
        for _ in range(repeats or self.repeats):
            for key, measure in measures.items():
                found[key].append(measure())
        return found


@dataclass(frozen=True)
class Benchmark:
    """A benchmark.

    Attributes:
        title: of its section.
        about: what is measured and how, in a few sentences.
        measure: does it; raises `LeftOutError` where the machine or this version lacks what it
            takes.
    """

    title: str
    about: str
    measure: Callable[[Settings], Result]
