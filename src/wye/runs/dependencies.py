"""Runs that a run depends on: found where they are, else launched first."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from wye.errors import UsageError, WyeError
from wye.network.build import Network
from wye.network.fitting import fitting
from wye.network.freezing import layers_of
from wye.network.weights import takes_weights
from wye.recipe.overrides import validated
from wye.recipe.parts import FITTING
from wye.recipe.resolve import protocols, recipe_from_row, resolve
from wye.recipe.schema import SETTINGS, Recipe
from wye.registry import suggest
from wye.runs.folder import RUNS, RunFolder, default_folder
from wye.runs.model import Model
from wye.runs.run import Run
from wye.studies import row_names
from wye.wording import shown

logger = logging.getLogger("wye")

SELF = "self"
"""A network that is its own judge."""

IMAGES = ("name", "classes", "channels", "image_size")
SUBSET = ("per_class", "limit", "imbalance")
"""Settings of `data` that the run which is needed takes over: which images there are, and, for
weights that are taken over, which of them are trained on."""

LaunchOther = Callable[[Recipe, RunFolder], Run]


@dataclass(frozen=True)
class Dependencies:
    """The runs that a run depends on.

    Attributes:
        start: the run whose weights it begins with.
        judge: the model whose classifier names its reconstructions.
    """

    start: Run | None = None
    judge: Model | None = None


def recipes_before(recipe: Recipe, changed: Mapping[str, Any]) -> list[Recipe]:
    """The recipes that must be run before this one can be; not the run folders it names.

    Args:
        recipe: of the run that needs something.
        changed: nested settings that were changed in this recipe and in those it needs.

    Raises:
        UsageError: what it needs is no recipe for its images.
    """
    asked: list[tuple[str, tuple[str, ...]]] = []
    if recipe.transfer is not None:
        asked.append((recipe.transfer.row, (*IMAGES, *SUBSET)))
    if recipe.evaluation.judge not in ("none", SELF):
        asked.append((recipe.evaluation.judge, IMAGES))
    rows = row_names()
    return [_needed(name, recipe, settings, changed) for name, settings in asked if name in rows]


@dataclass(frozen=True)
class Others:
    """How other runs are had that a run depends on.

    Attributes:
        launch: runs a recipe in a folder, or goes on with it there.
        cut: whether training is cut short by a number of steps, and that of the others too.
        root: the folder of runs where they are looked for.
        changed: nested settings that were changed in the recipe and shall be in theirs.
    """

    launch: LaunchOther
    cut: bool
    root: Path = RUNS
    changed: Mapping[str, Any] = field(default_factory=dict)


def dependencies(recipe: Recipe, others: Others) -> Dependencies:
    """Find the runs that a recipe depends on, launching those that aren't there yet.

    Raises:
        WyeError: another run cannot be had; the message says what it is needed for.
    """

    def run(setting: str, name: str, settings: tuple[str, ...]) -> Run:
        return _run(setting, name, recipe, settings, others)

    start = judge = None
    if recipe.transfer is not None:
        start = run("transfer.row", recipe.transfer.row, (*IMAGES, *SUBSET))
    if (name := recipe.evaluation.judge) not in ("none", SELF):
        try:
            judge = Model.of(run("evaluation.judge", name, IMAGES))
            if judge.network.classifier is None:
                raise UsageError(f"evaluation.judge: {name} has no classifier")
        except WyeError as error:
            raise type(error)(
                f"{error}\n{name} is the judge of {recipe.row}; evaluation.judge=wye/quick, say,"
                " takes another, evaluation.judge=none does without"
            ) from None
    return Dependencies(start, judge)


def _run(setting: str, name: str, recipe: Recipe, settings: tuple[str, ...], others: Others) -> Run:
    """The run of the row, or in the folder, that `setting` names."""
    if name not in row_names():
        if (Path(name) / "recipe.yaml").is_file():
            return Run(name)
        raise UsageError(
            f"{setting}={shown(name)} is neither a run folder nor a row;"
            f" {suggest(name, row_names())} (`wye list` shows every row)"
        )
    wanted = _needed(name, recipe, settings, others.changed)
    place = place_of(wanted, others.root)
    if (found := _finished(place, others.cut)) is not None:
        logger.info("%s: taking the run in %s", name, place)
        return found
    logger.info("%s needs %s, which is trained first, in %s", recipe.row, name, place)
    return others.launch(wanted, RunFolder(place))


def _needed(
    name: str, recipe: Recipe, settings: tuple[str, ...], changed: Mapping[str, Any]
) -> Recipe:
    """The row's recipe, for the images, the seed and the weights of the run that needs it."""
    protocol = recipe.protocol if recipe.protocol in protocols(name) else "paper"
    row = resolve(name, dict(changed), protocol) if changed else recipe_from_row(name, protocol)
    images = {key: getattr(recipe.data, key) for key in settings}
    if images["channels"] is None:
        del images["channels"]
    judging = settings == IMAGES
    # One judge for all seeds, so that they are measured alike.
    seeds = {} if judging else {"seed": recipe.seed, "seeds": recipe.seeds}
    data = {**row.data.model_dump(), **images}
    weights = recipe.weights if row.weights != "random" and takes_weights(row) else row.weights
    return validated({**row.model_dump(), **seeds, "data": data, "weights": weights})


def place_of(wanted: Recipe, root: Path, planned: Mapping[Path, Recipe] | None = None) -> Path:
    """The folder of a run of this recipe: the usual one, or one beside it if that is another's.

    Args:
        wanted: the recipe.
        root: the folder of runs.
        planned: recipes by the folders that shall hold them.

    Raises:
        UsageError: other runs are in all of them.
    """
    usual = default_folder(wanted, root)
    text = json.dumps(wanted.model_dump(mode="json"), sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    holders: dict[Path, Recipe | None] = {}
    for place in (usual, usual.with_name(f"{usual.name}-{digest}")):
        holders[place] = (planned or {}).get(place)
        if holders[place] is None and (place / "recipe.yaml").exists():
            holders[place] = Run(place).recipe
    # One that is there comes before a free folder: that may be kept for another recipe.
    for place, held in holders.items():
        if held is not None and same(held, wanted):
            return place
    for place, held in holders.items():
        if held is None:
            return place
    raise UsageError(f"{usual} and its neighbours hold other runs than {wanted.row} needs")


def same(stored: Recipe, wanted: Recipe) -> bool:
    """Whether two recipes do the same, whatever is said about them.

    A precision left to the machine is the one that the stored run was made in, and layers that
    shall fit are those that did.
    """
    if wanted.transfer and stored.transfer and wanted.transfer.layers == (FITTING,):
        transfer = wanted.transfer.model_copy(update={"layers": stored.transfer.layers})
        wanted = wanted.model_copy(update={"transfer": transfer})
    if wanted.train.precision == "auto":
        train = wanted.train.model_copy(update={"precision": stored.train.precision})
        wanted = wanted.model_copy(update={"train": train})
    return all(getattr(stored, key) == getattr(wanted, key) for key in ("row", *SETTINGS))


def _finished(place: Path, cut: bool) -> Run | None:
    if not (place / "recipe.yaml").exists():
        return None
    run = Run(place)
    status = run.result["status"] if run.result else ""
    return run if status == "complete" or (cut and status == "truncated") else None


def take_over(
    network: Network, start: Run, targets: tuple[str, ...], classes: tuple[str, ...]
) -> tuple[str, ...]:
    """Copy the weights of the layers that `targets` name from a run's network.

    Args:
        classes: those that the network is for.

    Returns:
        The layers, where `targets` stands for all that fit.

    Raises:
        UsageError: the run lacks such layers, they have other shapes, or none fits.
        MachineError: the run's weights cannot be read.
    """
    model = Model.of(start)
    source = model.network
    if targets == (FITTING,):
        targets = fitting(network, source, classes == model.classes)
        if not targets:
            raise UsageError(
                f"{start.path} has no layer that fits the beginning of this network;"
                f" `wye train {start.path} data=...` trains that run's own network on other images"
            )
        logger.info("beginning with %s of %s", ", ".join(targets), start.path)
        if anew := sorted(set(network.parts) - set(targets)):
            logger.info("what else there is of %s begins anew", ", ".join(anew))
    for target in targets:
        for own, other in zip(
            layers_of(network, target, "transfer.layers"),
            layers_of(source, target, f"transfer.layers, in {start.path}"),
            strict=True,
        ):
            _copy(own, other, target, start)
    return targets


def _copy(own: nn.Module, other: nn.Module, target: str, start: Run) -> None:
    def shapes(state: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
        return {name: tuple(value.shape) for name, value in state.items()}

    state = other.state_dict()
    if shapes(own.state_dict()) != shapes(state):
        raise UsageError(
            f"transfer.layers: {target} of {start.recipe.row} ({start.path}) has other layers or"
            " sizes than this network"
        )
    own.load_state_dict(state)
