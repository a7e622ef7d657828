"""Runs that a run builds on: found where they were carried out, else carried out first."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from wye.errors import UsageError, WyeError
from wye.network.build import Network
from wye.network.choose import layers_of
from wye.recipe.overrides import validated
from wye.recipe.resolve import protocols, recipe_from_row
from wye.recipe.schema import SETTINGS, Recipe
from wye.registry import suggest
from wye.runs.folder import Run, RunFolder, default_folder
from wye.runs.model import Model
from wye.studies import row_names
from wye.wording import shown

logger = logging.getLogger("wye")

SELF = "self"
"""A network that is its own judge."""

IMAGES = ("name", "classes", "channels", "image_size")
SUBSET = ("per_class", "limit", "imbalance")
"""Settings of `data` that the run which is needed takes over: which images there are, and, for
weights that are taken over, which of them are trained on."""

CarryOut = Callable[[Recipe, RunFolder], Run]


@dataclass(frozen=True)
class Needs:
    """What a run needs of others.

    Attributes:
        start: the run whose weights it begins with.
        judge: the model whose classifier names its reconstructions.
    """

    start: Run | None = None
    judge: Model | None = None


def needs(recipe: Recipe, carry_out: CarryOut, cut: bool) -> Needs:
    """Find what a recipe needs, carrying out what isn't there yet.

    Args:
        recipe: of the run that needs something.
        carry_out: carries out a recipe in a folder, or goes on with it there.
        cut: whether training is cut short by a number of steps, and that of the others too.

    Raises:
        WyeError: another run cannot be carried out; the message says what it is needed for.
    """
    start = judge = None
    if recipe.transfer is not None:
        settings = (*IMAGES, *SUBSET)
        start = _run("transfer.row", recipe.transfer.row, recipe, settings, carry_out, cut)
    if (name := recipe.evaluation.judge) not in ("none", SELF):
        try:
            judge = Model.of(_run("evaluation.judge", name, recipe, IMAGES, carry_out, cut))
            if judge.network.classifier is None:
                raise UsageError(f"evaluation.judge: {name} has no classifier")
        except WyeError as error:
            raise type(error)(
                f"{error}\n{name} is the judge of {recipe.row}; evaluation.judge=wye/quick, say,"
                " takes another, evaluation.judge=none does without"
            ) from None
    return Needs(start, judge)


def _run(
    setting: str,
    name: str,
    recipe: Recipe,
    settings: tuple[str, ...],
    carry_out: CarryOut,
    cut: bool,
) -> Run:
    """The run of the row, or in the folder, that `setting` names."""
    if name not in row_names():
        if (Path(name) / "recipe.yaml").is_file():
            return Run(name)
        raise UsageError(
            f"{setting}={shown(name)} is neither a run folder nor a row;"
            f" {suggest(name, row_names())} (`wye list` shows every row)"
        )
    wanted = _needed(name, recipe, settings)
    place = _place(wanted, cut)
    if (found := _finished(place, cut)) is not None:
        logger.info("%s: taking the run in %s", name, place)
        return found
    logger.info("%s needs %s, which is trained first, in %s", recipe.row, name, place)
    return carry_out(wanted, RunFolder(place))


def _needed(name: str, recipe: Recipe, settings: tuple[str, ...]) -> Recipe:
    """The row's recipe, for the images, the seed and the weights of the run that needs it."""
    row = recipe_from_row(name, recipe.protocol if recipe.protocol in protocols(name) else "paper")
    changed = {key: getattr(recipe.data, key) for key in settings}
    if changed["channels"] is None:
        del changed["channels"]
    judging = settings == IMAGES
    # One judge for all seeds, so that they are measured alike.
    seeds = {} if judging else {"seed": recipe.seed, "seeds": recipe.seeds}
    data = {**row.data.model_dump(), **changed}
    weights = row.weights if row.weights == "random" else recipe.weights
    return validated({**row.model_dump(), **seeds, "data": data, "weights": weights})


def _place(wanted: Recipe, cut: bool) -> Path:
    """The folder of a run of this recipe: the usual one, or one beside it if that is another's."""
    usual = default_folder(wanted)
    text = json.dumps(wanted.model_dump(mode="json"), sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    for place in (usual, usual.with_name(f"{usual.name}-{digest}")):
        if not (place / "recipe.yaml").exists() or same(Run(place).recipe, wanted):
            return place
    raise UsageError(f"{usual} and its neighbours hold other runs than {wanted.row} needs")


def same(stored: Recipe, wanted: Recipe) -> bool:
    """Whether two recipes do the same, whatever is said about them.

    A precision left to the machine is the one that the stored run was made in.
    """
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


def take_over(network: Network, start: Run, targets: tuple[str, ...]) -> None:
    """Copy the weights of the layers that `targets` name from a run's network.

    Raises:
        UsageError: the run lacks such layers, or they have other shapes.
        MachineError: the run's weights cannot be read.
    """
    source = Model.of(start).network
    for target in targets:
        for own, other in zip(
            layers_of(network, target, "transfer.layers"),
            layers_of(source, target, f"transfer.layers, in {start.path}"),
            strict=True,
        ):
            _copy(own, other, target, start)


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
