"""The Python interface: `wye.train`, `wye.load`, `wye.results` and `wye.rows`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from wye.errors import TrainingError, UsageError
from wye.evidence.results import Only, records, table
from wye.machine import keep_freed_memory
from wye.plots.runs import draw_run
from wye.plots.style import available
from wye.progress import Progress, visible
from wye.recipe.overrides import nest
from wye.recipe.resolve import with_overrides
from wye.recipe.schema import Recipe
from wye.registry import suggest
from wye.runs.folder import folder_of
from wye.runs.launch import Launch, launch
from wye.runs.model import Model
from wye.runs.own import resolve_own
from wye.runs.run import Run
from wye.runs.together import follow
from wye.studies.load import merge, row_names, studies
from wye.tracking import Tracking
from wye.training.ranks import choose_device, join

log = logging.getLogger("wye")


def train(
    recipe_or_row: Recipe | str,
    *,
    out: Path | str | None = None,
    device: str = "auto",
    resume: bool = False,
    max_steps: int | None = None,
    protocol: str = "paper",
    progress: bool | None = None,
    track: str | Sequence[str] = (),
    **overrides: Any,
) -> Run:
    """Train and measure one run.

    Args:
        recipe_or_row: a row such as `joint/v4-l2`, a recipe file, a folder of images, or a recipe.
        out: the run folder; `runs/<study>/<row>/seed-<n>` if not given.
        device: `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.
        resume: go on with the run that is in the folder.
        max_steps: end training after this many optimiser steps.
        protocol: of a row: `paper` as published, or `short`, its study's fewer epochs.
        progress: show epochs and a bar on standard error; on a terminal and in a notebook if None.
        track: hand the run on to `tensorboard`, `wandb` or `mlflow`, or to several.
        overrides: changed settings, `seed=1, train={"epochs": 2}` or `**{"train.epochs": 2}`.

    Under torchrun its processes train together: each must make the same call, and each gets the
    run. Process 0 writes it.

    Returns:
        The run; its `result` holds the figures.

    Raises:
        WyeError: the recipe cannot be run.

    Examples:
        >>> import wye
        >>> run = wye.train("joint/v1", data="shapes", max_steps=2, out="runs/v1", resume=True)
        >>> sorted(run.result["seconds"])
        ['data', 'evaluate', 'total', 'train']
    """
    settings: dict[str, Any] = {}
    for key, value in overrides.items():
        settings = merge(settings, nest(key, value))
    if isinstance(recipe_or_row, Recipe):
        if protocol != "paper":
            raise UsageError(f"protocol={protocol!r} is for a row's name; this recipe has its own")
        recipe = with_overrides(recipe_or_row.model_dump(), settings)
    else:
        begun = partial(folder_of, out=Path(out) if out is not None else None)
        recipe = resolve_own(recipe_or_row, settings, protocol, begun if resume else None)
    shown = visible() if progress is None else progress
    return run(
        Launch(
            recipe=recipe,
            out=Path(out) if out is not None else None,
            device=device,
            resume=resume,
            max_steps=max_steps,
            observe=Progress if shown else None,
            track=(track,) if isinstance(track, str) else tuple(track),
        )
    )


def load(run: Path | str | Run, weights: str | None = None, trainable: bool = False) -> Model:
    """The trained model of a run folder.

    Args:
        weights: of the `last` epoch or of the `best` one on validation; those that were measured
            (`evaluation.selection`) if not given.
        trainable: in training mode, with parameters that learn, for a loop of one's own.

    Raises:
        UsageError: the folder holds no finished run, or no such weights.

    Examples:
        >>> import wye, torch
        >>> run = wye.train("joint/v1", data="shapes", max_steps=2, out="runs/v1", resume=True)
        >>> model = wye.load(run, trainable=True)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        >>> images = wye.data.load("shapes").train
        >>> logits, reconstruction, latent = model(images.pixels[:8])
        >>> loss = torch.nn.functional.cross_entropy(logits, images.labels[:8])
        >>> loss.backward()
        >>> optimizer.step()
    """
    return Model.of(run if isinstance(run, Run) else Run(run), weights, trainable)


def rows(study: str | None = None) -> list[str]:
    """The rows that can be trained by name, of one study or of all.

    Raises:
        UsageError: no such study.

    Examples:
        >>> import wye
        >>> wye.rows("joint")[:2]
        ['joint/v1', 'joint/v1.1']
    """
    if study is not None and study not in studies():
        raise UsageError(f"there is no study {study!r}; {suggest(study, studies())}")
    return [name for name in row_names() if study is None or name.startswith(f"{study}/")]


def run(launched: Launch) -> Run:
    """Train and measure a run and draw its plots; see `Launch`.

    The processes that torchrun started do so together, and all get the run.

    Raises:
        WyeError: the recipe cannot be run.
    """
    keep_freed_memory()
    ranks = join(choose_device(launched.device))
    if not ranks.is_main:
        return follow(ranks)
    try:
        with Tracking(launched) if launched.track else nullcontext() as tracking:
            of = replace(launched, observe=tracking.observe) if tracking else launched
            done = launch(of, ranks)
            if not launched.measure_test:
                pass  # a trial of many: nobody looks at its plots
            elif not available():
                log.info("no plots are drawn without matplotlib: pip install 'wye[plots]'")
            elif not drawn(done):
                draw_run(done)
            if tracking:
                tracking.end(done)
    except (UsageError, TrainingError) as error:
        # The other processes wait then. After another error they may be anywhere, and notice when
        # this one ends.
        ranks.give_up(error)
        raise
    ranks.broadcast(done)
    return done


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


def results(runs: Path | str = "runs", only: Only | None = None) -> Any:
    """The table of results: a line for each finished run, of those here and those shipped.

    Columns: row, protocol, changed settings, seed, metrics, seconds, device, precision, versions,
    commit, command, the recipe's digest, and where the record is from.

    Args:
        runs: where the runs are.
        only: those of runs `here`, or the `shipped` ones.

    Returns:
        A pandas DataFrame where pandas is installed, else a list of dictionaries.
    """
    found = table(records(Path(runs), only))
    try:
        import pandas  # type: ignore[import-untyped]
    except ImportError:
        return found
    return pandas.DataFrame(found)
