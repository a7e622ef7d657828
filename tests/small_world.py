"""Wye with few images and short trainings, so that the commands of the documentation can be run.

A test that runs them as they are written would take days. Here, in one process,

- a data set that is published has 12 training and 4 test images of each class, drawn from noise,
  in the shape and under the names of the real one;
- a training ends after an epoch of two steps of at most eight images and counts as complete, so
  that later commands find it;
- of seeds and pairs there is one, of trials two, and minutes and hours are over at once (`fewer`);
- processes that train beside each other are one after the other in this process, which is not
  searched for garbage between them;
- the yardstick of PCA, the plots that a training leaves and the choice between fp32 and bf16 are
  left out.

Nothing of it is in the package: these are replacements that end with the test.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from folders import draw, flat

import wye.api
from wye.data.catalog import DATASETS, Parts, Published, Source, Way, content_hash
from wye.data.images import Images
from wye.jobs.worker import Inbox, _work
from wye.runs.launch import Launch
from wye.training.loop import Trainer

IMAGES = (12, 4)
"""Training and test images of each class."""
STEPS, BATCH = 2, 8
FEWER = {"--trials": "2", "--seeds": "1", "--minutes": "0.001", "--hours": "0.00001"}


def fewer(words: Sequence[str]) -> list[str]:
    """The words of a command with fewer trials, seeds and minutes."""
    return [FEWER.get(before, word) for before, word in zip(["", *words], words, strict=False)]


@pytest.fixture
def small_world(
    monkeypatch: pytest.MonkeyPatch, in_empty_folder: Path, without_plots: None
) -> Path:
    """The folder to work in, what takes long being replaced; see the head of this file."""
    draw(Path("photos"), count=14, size=(12, 8))
    flat(Path("photos/unlabelled"), 12, "cat")
    Path("path/to/copy").mkdir(parents=True)
    monkeypatch.setattr("wye.evidence.results.SHIPPED", in_empty_folder / "records")
    for name, source in list(DATASETS._entries.items()):
        monkeypatch.setitem(DATASETS._entries, name, _small(source))
    monkeypatch.setattr("wye.runs.launch.Trainer", _ShortTrainer)
    monkeypatch.setattr("wye.jobs.local.WorkerProcess", _Within)
    monkeypatch.setattr("wye.jobs.worker.gc", SimpleNamespace(collect=lambda: 0))
    monkeypatch.setattr("wye.training.find_lr.STEPS", 30)
    monkeypatch.setattr("wye.training.precision.bf16_pays", lambda *_, **__: False)
    gain = importlib.import_module("wye.evidence.gain")
    monkeypatch.setattr(gain, "measure", partial(gain.measure, pairs=1))
    measuring = importlib.import_module("wye.evaluation.measure")
    monkeypatch.setattr(measuring, "psnr_pca", lambda *_, **__: None)
    return in_empty_folder


def _small(source: Source) -> Source:
    parts = _drawn(source)
    small = replace(source, sizes=tuple(map(len, parts)), content=content_hash(parts))
    if isinstance(small, Published):
        way = Way("the test", lambda folder: folder)
        return replace(small, read=lambda _: parts, places=("",), ways=(way,))
    return replace(small, generate=lambda: parts)


def _drawn(source: Source) -> Parts:
    generator = torch.Generator().manual_seed(len(source.name))
    each_class = (len(source.classes), source.shape[0], 1, 1)
    shades = torch.randint(0, 150, each_class, generator=generator)
    parts = []
    for each in IMAGES:
        labels = torch.arange(len(source.classes)).repeat(each)
        noise = torch.randint(0, 100, (len(labels), *source.shape), generator=generator)
        parts.append(Images((noise + shades[labels]).to(torch.uint8), labels))
    return parts[0], parts[1]


class _ShortTrainer(Trainer):
    """Two steps, which are an epoch, and then it is done."""

    def __post_init__(self) -> None:
        self.max_steps = STEPS
        train = self.recipe.train
        small = {"batch_size": min(BATCH, train.batch_size), "steps": STEPS}
        self.recipe = self.recipe.model_copy(update={"train": train.model_copy(update=small)})
        super().__post_init__()

    @property
    def truncated(self) -> bool:
        return False


class _Within:
    """A worker that works in this process, see `wye.jobs.worker.WorkerProcess`."""

    def __init__(self, inbox: Inbox, threads: int, folder: Path | None = None) -> None:
        self._inbox: Any = inbox

    def start(self, launch: Launch) -> None:
        _work(launch, wye.api.run, self)  # type: ignore[arg-type]

    def send(self, event: str, **details: Any) -> None:
        self._inbox.put((self, {"event": event, **details}))

    def ask_to_end(self) -> None:
        pass

    def wait(self) -> None:
        pass
