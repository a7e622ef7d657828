"""What one would use instead: the same network by the ways that other packages' manuals show.

Each trains v4 (row S0-25) on the same images, flipped at random and normalised, with the same
losses, optimiser and batches. Measured alone and beside other programs: half of the machines that
people have are busy.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from benchmarks import speed
from benchmarks.reference import (
    BATCHES,
    DEVIATION,
    GAMMA,
    LR,
    MEAN,
    MOMENTUM,
    ROW,
    V4,
    WEIGHT_DECAY,
    loss_of,
    train_reference,
    workers,
)
from benchmarks.result import Finding, Goal, Repeats, Result, Table, shown
from benchmarks.settings import Benchmark, Found, LeftOutError, Settings, Task
from wye.data.sources import load
from wye.errors import MachineError
from wye.machine import cores

WYE = "Wye"
ALONE, BUSY = "alone", "busy"
PLACES = [(ALONE, batch) for batch in BATCHES] + [(BUSY, BATCHES[0])]


class Watch:
    """The pace of the steps after the first ones, told at the end of each step."""

    def __init__(self, batch_size: int, steps: int, warm_up: int) -> None:
        self.batch_size, self.steps, self.warm_up = batch_size, steps, warm_up
        self.done = 0
        self.begun = self.ended = time.perf_counter()

    def step(self) -> bool:
        """Whether that was the last one."""
        self.done += 1
        now = time.perf_counter()
        if self.done == self.warm_up:
            self.begun = now
        self.ended = now
        return self.done >= self.warm_up + self.steps

    @property
    def found(self) -> Found:
        """`images_per_second`."""
        images = self.batch_size * (self.done - self.warm_up)
        return {"images_per_second": images / (self.ended - self.begun)}


def images_of(data: str) -> tuple[Tensor, Tensor]:
    """Training images, normalised, `(N, C, H, W)`, and classes, `(N,)`."""
    train = load(data).train
    mean, deviation = (torch.tensor(each).view(-1, 1, 1) for each in (MEAN, DEVIATION))
    return train.pixels[:].float().div_(255).sub_(mean).div_(deviation), train.labels


def flipped(images: Tensor) -> Tensor:
    """A batch, half of it mirrored at random."""
    return torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, images.flip(3), images)


def train_tensors(data: str, batch_size: int, steps: int, warm_up: int) -> Found:
    """Plain PyTorch: all images are one tensor in memory, and a batch is a selection of it."""
    torch.manual_seed(0)
    images, labels = images_of(data)
    network = V4().train()
    optimizer = torch.optim.SGD(
        network.parameters(), LR, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
    )
    watch = Watch(batch_size, steps, warm_up)
    while True:
        for chosen in torch.randperm(len(images)).split(batch_size)[: len(images) // batch_size]:
            optimizer.zero_grad()
            loss_of(network, flipped(images[chosen]), labels[chosen]).backward()
            optimizer.step()
            if watch.step():
                return watch.found


def train_lightning(data: str, batch_size: int, steps: int, warm_up: int) -> Found:
    """Lightning: a module, a DataLoader over a TensorDataset, a Trainer."""
    from lightning import LightningModule, Trainer  # type: ignore[import-not-found,unused-ignore]

    watch = Watch(batch_size, steps, warm_up)

    class Module(LightningModule):  # type: ignore[misc,unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.network = V4()

        def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
            images, labels = batch
            return loss_of(self.network, flipped(images), labels)

        def on_train_batch_end(self, *_: object) -> None:
            watch.step()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(
                self.parameters(), LR, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
            )

    loader = DataLoader(
        TensorDataset(*images_of(data)),
        batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=workers(),
        persistent_workers=True,
    )
    Trainer(
        accelerator="cpu",
        max_steps=warm_up + steps,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    ).fit(Module(), loader)
    return watch.found


def train_keras(data: str, batch_size: int, steps: int, warm_up: int) -> Found:
    """Keras 3 with TensorFlow: a functional model, a pipeline of tf.data, `fit`."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras  # type: ignore[import-not-found,unused-ignore]
    import tensorflow as tf  # type: ignore[import-not-found,import-untyped,unused-ignore]

    keras.utils.set_random_seed(0)
    images, labels = images_of(data)
    pixels = np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy())  # (N, H, W, C)
    layers, decay = keras.layers, keras.regularizers.L2(GAMMA / 2)

    def block(kind: Any, *arguments: Any, **options: Any) -> Any:
        options = {"activation": "relu", "padding": "same", **options}
        if kind is layers.Dense:
            del options["padding"]
        return kind(*arguments, kernel_regularizer=decay, bias_regularizer=decay, **options)

    image = keras.Input(pixels.shape[1:])
    code = block(layers.Conv2D, 32, 3)(image)
    code = layers.MaxPooling2D()(block(layers.Conv2D, 32, 3)(code))
    rebuilt = block(layers.Conv2DTranspose, 32, 2, strides=2)(code)
    rebuilt = block(layers.Conv2DTranspose, 3, 1, activation=None, name="rebuilt")(rebuilt)
    named = block(layers.Conv2D, 64, 3)(block(layers.Conv2D, 32, 3)(code))
    named = block(layers.Conv2D, 64, 3)(layers.MaxPooling2D()(named))
    named = layers.Flatten()(layers.MaxPooling2D()(named))
    for width in (512, 128):
        named = layers.Dropout(0.3)(block(layers.Dense, width)(named))
    named = block(layers.Dense, 10, activation=None, name="named")(named)
    model = keras.Model(image, {"named": named, "rebuilt": rebuilt})
    if model.count_params() != sum(weight.numel() for weight in V4().parameters()):
        raise MachineError("the network in Keras isn't v4")
    named_loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        keras.optimizers.SGD(LR, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY),
        {"named": named_loss, "rebuilt": "mse"},
    )
    watch = Watch(batch_size, steps, warm_up)

    def targets(image: Any, label: Any) -> Any:
        image = tf.image.random_flip_left_right(image)
        return image, {"named": label, "rebuilt": image}

    pipeline = tf.data.Dataset.from_tensor_slices((pixels, labels.numpy())).shuffle(10_000)
    pipeline = pipeline.map(targets, tf.data.AUTOTUNE).batch(batch_size, drop_remainder=True)
    model.fit(
        pipeline.repeat().prefetch(tf.data.AUTOTUNE),
        steps_per_epoch=warm_up + steps,
        verbose=0,
        callbacks=[
            keras.callbacks.LambdaCallback(on_train_batch_end=lambda *_, **__: watch.step())
        ],
    )
    return watch.found


def train_one_by_one(data: str, batch_size: int, steps: int, warm_up: int) -> Found:
    """The studies' own way, see `benchmarks.reference`."""
    found = train_reference(data, "cpu", batch_size, steps, warm_up)
    return {"images_per_second": found["images"] / found["seconds"]}


def train_wye(data: str, batch_size: int, steps: int, warm_up: int) -> Found:
    """The row through the package's own loop."""
    settings = speed.plain(data, {"train": {"batch_size": batch_size}})
    return speed.measure(ROW, settings, "fp32", "cpu", steps, warm_up)


WAYS: dict[str, tuple[Task, tuple[str, ...]]] = {
    WYE: (train_wye, ()),
    "PyTorch, images one by one in a DataLoader": (train_one_by_one, ()),
    "PyTorch, one tensor of images": (train_tensors, ()),
    "Lightning": (train_lightning, ("lightning",)),
    "Keras 3 on TensorFlow": (train_keras, ("keras", "tensorflow")),
}
"""How each trains, and the packages that it needs."""


@contextlib.contextmanager
def beside(programs: int) -> Iterator[None]:
    """So many other programs that compute all the time."""
    command = [sys.executable, "-S", "-c", "while True: pass"]
    others = [subprocess.Popen(command) for _ in range(programs)]
    try:
        yield
    finally:
        for each in others:
            each.kill()
            each.wait()


@contextlib.contextmanager
def waiting(policy: str | None) -> Iterator[None]:
    """Processes that are started are told how threads wait; as usual for None."""
    before = os.environ.pop("OMP_WAIT_POLICY", None)
    try:
        if policy is not None:
            os.environ["OMP_WAIT_POLICY"] = policy
        yield
    finally:
        os.environ.pop("OMP_WAIT_POLICY", None)
        if before is not None:
            os.environ["OMP_WAIT_POLICY"] = before


class WayPace(Finding):
    """Images/s of a way, alone or busy, at a batch size."""

    way: str
    place: str
    batch_size: int
    pace: Repeats


class Alternatives(Result):
    """What `alternatives` found."""

    others: int
    versions: dict[str, str]
    paces: tuple[WayPace, ...]

    def _median(self, way: str, place: str, batch: int) -> float | None:
        found = [p for p in self.paces if (p.way, p.place, p.batch_size) == (way, place, batch)]
        return found[0].pace.median if found else None

    def goals(self) -> list[Goal]:
        """No other way is quicker."""
        goals = []
        for place, batch in PLACES:
            others = [self._median(way, place, batch) or 0.0 for way in WAYS if way != WYE]
            own, best = self._median(WYE, place, batch), max(others)
            if own and best:
                what = f"{ROW} at batch {batch}, {place}, times the quickest other way"
                goals.append(Goal(what=what, measured=own / best, wanted=1.0))
        return goals

    def remarks(self) -> list[str]:
        """What busy is, and the versions."""
        known = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        return [
            f"Busy: beside {self.others} other programs that compute all the time."
            + (f" With {known}." if known else "")
        ]

    def tables(self) -> list[Table]:
        """A line for each way; in brackets after the pace, how many times that Wye's is."""
        headings = [f"batch {batch}, {place}" for place, batch in PLACES]
        lines = []
        for way in WAYS:
            paces = [self._median(way, *each) for each in PLACES]
            if all(pace is None for pace in paces):
                continue
            cells = []
            for each, pace in zip(PLACES, paces, strict=True):
                own = self._median(WYE, *each)
                times = f" ({shown(own / pace)})" if own and pace and way != WYE else ""
                cells.append("" if pace is None else f"{shown(pace)}{times}")
            lines.append((way, *cells))
        return [Table(("images/s (Wye's pace over it)", *headings), lines)]


def run(settings: Settings) -> Alternatives:
    """All ways in turn, each in a process of its own."""
    if not settings.on_cpu:
        raise LeftOutError("it is about processors that other programs use too")
    missing, ways = [], {}
    for way, (task, packages) in WAYS.items():
        absent = [name for name in packages if find_spec(name) is None]
        if absent:
            missing.append(f"{way}: {' and '.join(absent)} is not installed here")
        else:
            ways[way] = task
    programs = 2 * cores()
    measures: dict[tuple[str, str, int], Callable[[], Found]] = {}
    for place, batch in PLACES:
        for way, task in ways.items():
            arguments = {
                "data": settings.data,
                "batch_size": batch,
                "steps": settings.scale.steps_of(batch),
                "warm_up": settings.scale.warm_up,
            }
            # As the command `wye` tells its own threads to wait; the others have what is usual.
            policy = "PASSIVE" if way == WYE else None
            measure = partial(_measure, settings, task, arguments, policy)
            measures[way, place, batch] = partial(measure, programs if place == BUSY else 0)
    found = settings.alternately(measures)
    return Alternatives(
        others=programs,
        versions={name: version(name) for way in ways for name in WAYS[way][1]},
        paces=tuple(
            WayPace(
                way=way,
                place=place,
                batch_size=batch,
                pace=Repeats.of(each["images_per_second"] for each in repeats),
            )
            for (way, place, batch), repeats in found.items()
        ),
        missing=tuple(missing),
    )


def _measure(
    settings: Settings, task: Task, arguments: dict[str, Any], policy: str | None, programs: int
) -> Found:
    with waiting(policy), beside(programs):
        return settings.carry_out(task, arguments)


BENCHMARK = Benchmark(
    "What one would use instead",
    f"The network, losses and optimiser of `{ROW}`, trained on the same images by other packages"
    " as their manuals show it, and by Wye; in fp32, with all cores.",
    run,
)
