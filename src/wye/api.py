"""The Python interface: `wye.train` and `wye.load`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from wye.errors import TrainingError, UsageError
from wye.machine import here, keep_freed_memory
from wye.plots.runs import draw_run
from wye.plots.style import available
from wye.recipe.overrides import nest
from wye.recipe.resolve import resolve, with_overrides
from wye.recipe.schema import Recipe
from wye.runs.carry_out import Observe, carry_out
from wye.runs.folder import RUNS, Run, RunFolder, default_folder
from wye.runs.model import Model
from wye.runs.together import follow
from wye.studies.merging import merge
from wye.training.ranks import join

log = logging.getLogger("wye")


def train(
    recipe_or_row: Recipe | str,
    *,
    out: Path | str | None = None,
    device: str = "auto",
    resume: bool = False,
    max_steps: int | None = None,
    **overrides: Any,
) -> Run:
    """Train and measure one run.

    Args:
        recipe_or_row: a row such as `joint/v4-l2`, a recipe file, a folder of images, or a recipe.
        out: the run folder; `runs/<study>/<row>/seed-<n>` if not given.
        device: `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.
        resume: go on with the run that is in the folder.
        max_steps: end training after this many optimiser steps.
        overrides: changed settings, `seed=1, train={"epochs": 2}` or `**{"train.epochs": 2}`.

    Under torchrun its processes train together: each must make the same call, and each gets the
    run. Process 0 writes it.

    Returns:
        The run; its `result` holds the figures.

    Raises:
        WyeError: the recipe cannot be carried out.
    """
    settings: dict[str, Any] = {}
    for key, value in overrides.items():
        settings = merge(settings, nest(key, value))
    if isinstance(recipe_or_row, Recipe):
        recipe = with_overrides(recipe_or_row.model_dump(), settings)
    else:
        recipe = resolve(recipe_or_row, settings)
    place = Path(out) if out is not None else None
    return train_recipe(recipe, out=place, device=device, resume=resume, max_steps=max_steps)


def load(run: Path | str | Run, weights: str | None = None) -> Model:
    """The trained model of a run folder.

    Args:
        weights: of the `last` epoch or of the `best` one on validation; those that were measured
            (`evaluation.selection`) if not given.

    Raises:
        UsageError: the folder holds no finished run, or no such weights.
    """
    return Model.of(run if isinstance(run, Run) else Run(run), weights)


def train_recipe(
    recipe: Recipe,
    *,
    out: Path | None = None,
    device: str = "auto",
    resume: bool = False,
    max_steps: int | None = None,
    observe: Observe | None = None,
    command: str = "",
    root: Path = RUNS,
    changed: Mapping[str, Any] | None = None,
) -> Run:
    """Carry out a recipe and draw the run's figures. See `train` and `carry_out`.

    The processes that torchrun started do so together, and all get the run.
    """
    keep_freed_memory()
    folder = RunFolder(out or default_folder(recipe, root))
    where = choose_device(device)
    ranks = join(where)
    if not ranks.leads:
        return follow(ranks)
    try:
        run = carry_out(
            recipe,
            folder,
            device=where,
            resume=resume,
            max_steps=max_steps,
            observe=observe,
            command=command,
            root=root,
            changed=changed,
            ranks=ranks,
        )
    except (UsageError, TrainingError) as error:
        # The other processes wait then. After another error they may be anywhere, and notice when
        # this one ends.
        ranks.give_up(error)
        raise
    if not available():
        log.info("no plots are drawn without matplotlib: pip install 'wye[plots]'")
    elif not drawn(run):
        draw_run(run)
    ranks.tell(run)
    return run


def drawn(run: Run) -> bool:
    """Whether every plot of a finished run is there; a killed process may have left some.

    Without matplotlib there are none to wait for.
    """
    if not available():
        return True
    test = run.result["test"] if run.result else {}
    wanted = {
        "curves.svg": True,
        "confusion.svg": "confusion" in test,
        "gallery.png": run.folder.has_examples,
    }
    return all((run.folder.figures / name).exists() for name, due in wanted.items() if due)


def choose_device(name: str) -> torch.device:
    """The device called `name`; `auto` is the best there is.

    Under torchrun each process has a CUDA device of its own, in the order of their numbers.

    Raises:
        UsageError: there is no such device here, or not one for each process.
    """
    if here().ranks > 1:
        return _device_of_process(name)
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda", "mps"):
        raise UsageError(f"--device {name!r}: it should be auto, cpu, cuda, cuda:1 or mps")
    counts = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": torch.mps.device_count()}
    if (device.index or 0) >= counts[device.type]:
        raise UsageError(f"--device {name}: this machine has {counts[device.type]} of them")
    return torch.device(device.type) if device.type == "cpu" else device


def _device_of_process(name: str) -> torch.device:
    place, devices = here(), torch.cuda.device_count()
    if name not in ("auto", "cpu", "cuda"):
        raise UsageError(
            f"--device {name}: under torchrun each process has a device of its own; it should be"
            " auto, cpu or cuda"
        )
    if name == "cpu" or (name == "auto" and not devices):
        return torch.device("cpu")
    if place.local_ranks > devices:
        raise UsageError(
            f"torchrun started {place.local_ranks} processes here, and this machine has {devices}"
            f" CUDA devices; --device cpu trains without, --nproc-per-node {max(devices, 1)} on"
            " those there are"
        )
    return torch.device("cuda", place.local_rank)
