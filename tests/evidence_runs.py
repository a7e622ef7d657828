"""Run folders with planted figures, and seeds' figures with planted effects."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from wye.cli import main
from wye.recipe import Recipe, recipe_from_row, resolve
from wye.runs.folder import RunFolder, default_folder


def plant(
    root: Path,
    recipe: Recipe | str,
    seed: int,
    place: str | None = None,
    status: str = "complete",
    steps: int | None = 100,
    right: torch.Tensor | None = None,
    images: int | None = 10_000,
    **figures: float,
) -> Path:
    """Write a run folder by the package's own writers.

    Args:
        recipe: a recipe, or a row as its study has it.
        place: folder under `root`, the usual one if not given.
        right: whether each of the test images, all of class 1, was correctly classified, `(N,)`.
        images: the test images, all of class 1; None for a run that does not say.
        figures: of the test part.
    """
    if isinstance(recipe, str):
        recipe = recipe_from_row(recipe)
    train = recipe.train.model_copy(update={"precision": "bf16"})  # chosen by the machine
    recipe = recipe.model_copy(update={"seed": seed, "train": train})
    path = root / (place or default_folder(recipe).relative_to("runs"))
    path.mkdir(parents=True)
    folder = RunFolder(path)
    folder.write_recipe(recipe)
    test: dict[str, Any] = dict(figures)
    if images is not None and "accuracy" in figures:
        correct = round(images * figures["accuracy"])
        test["confusion"] = [[0, 0], [images - correct, correct]]
    seconds = {"train": 60.0, "total": 70.0}
    result = {"row": recipe.row, "status": status, "seconds": seconds, "test": test}
    folder.write_json("result.json", {**result, **({"steps": steps} if steps else {})})
    if right is not None:
        folder.write_predictions(torch.ones(len(right), dtype=torch.int64), right.long())
    return path


def plant_seeds(
    root: Path, row: str, accuracies: Sequence[float] | Mapping[int, float], protocol: str = "paper"
) -> None:
    """A run for each accuracy, with the seeds 0, 1 and so on."""
    recipe = recipe_from_row(row, protocol)
    each = accuracies if isinstance(accuracies, Mapping) else dict(enumerate(accuracies))
    for seed, accuracy in each.items():
        plant(root, recipe, seed, accuracy=accuracy)


def changed(row: str, **overrides: Any) -> Recipe:
    """A row's recipe with other settings."""
    return resolve(row, overrides)


class Answer(NamedTuple):
    status: int
    out: str
    err: str


class Command:
    """The command line, run in this process."""

    def __init__(
        self,
        capture: pytest.CaptureFixture[str],
        log: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        # The command lets the program's messages through; other tests must not inherit that.
        logger = logging.getLogger("wye")
        monkeypatch.setattr(logger, "level", logger.level)
        self._capture, self._log, self._monkeypatch = capture, log, monkeypatch

    def __call__(self, *arguments: object) -> Answer:
        self._monkeypatch.setattr(sys, "argv", ["wye", *map(str, arguments)])
        self._capture.readouterr()
        self._log.clear()
        status = 0
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        out, err = self._capture.readouterr()
        # pytest takes the messages that would go to standard error.
        return Answer(status, out, err + "".join(f"{said}\n" for said in self._log.messages))
