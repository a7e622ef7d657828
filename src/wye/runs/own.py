"""A recipe for own images: looked at first, then trained by settings that suit them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wye.data.defaults import defaults, pays_to_pretrain
from wye.data.folder import Own, glance_at, is_own, seed_from
from wye.data.folder_names import TRAIN, UNLABELLED, VALIDATION
from wye.data.inspection import Inspection
from wye.network.weight_files import at_hand
from wye.recipe.resolve import resolve, with_overrides
from wye.recipe.schema import Recipe
from wye.runs.expected import expected_time, updates_of
from wye.runs.folder import RunFolder
from wye.runs.remarks import FEW_UPDATES
from wye.runs.run import Run
from wye.streams import Streams
from wye.studies import row_names

logger = logging.getLogger("wye")

PRETRAINED = "efficientnet_lite0"
"""The encoder of wye/transfer."""


def resolve_own(
    target: str,
    overrides: dict[str, Any] | None = None,
    protocol: str = "paper",
    begun: Callable[[Recipe], RunFolder] | None = None,
) -> Recipe:
    """The recipe of a target, see `resolve`; that of own images with defaults that suit them.

    The defaults are said in one line; overrides win.

    Args:
        begun: the folder of a run that is gone on with: if it is of these images its own settings
            hold, as those that images of today would be given may be others.

    Raises:
        UsageError: nothing is called so, the settings are no recipe, or the images are none.
    """
    own = target not in row_names() and is_own(target)
    # A run folder on own images stands for its own recipe, settings and all.
    if not own or protocol != "paper" or (Path(target) / "recipe.yaml").is_file():
        return resolve(target, overrides, protocol)
    plain = resolve(target, {"phases": []})
    overrides = overrides or {}
    recipe = with_overrides(plain.model_dump(), overrides)
    if recipe.data.name != plain.data.name:
        return recipe
    if begun is not None and (folder := begun(recipe)).holds_run:
        stored = Run(folder.path).recipe
        if stored.data.name == recipe.data.name:
            return with_overrides(stored.model_dump(), overrides) if overrides else stored
    asked = {**_asked(overrides, recipe, "data"), **_asked(overrides, recipe, "train")}
    found = _glance(recipe, asked.get("validation", 0))
    settings, line = defaults(found, asked)
    chosen = with_overrides(plain.model_dump(), settings)
    recipe = with_overrides(chosen.model_dump(), overrides) if overrides else chosen
    count = len(found.of(TRAIN))
    if not found.of(VALIDATION):
        count -= round(recipe.data.validation * count)
    updates = updates_of(recipe, count)
    taken = expected_time(recipe, updates, 3, len(found.classes))
    line += f"; {taken} here" if taken else ""
    logger.info("chosen for these images (KEY=VALUE changes it): %s", line)
    if updates < FEW_UPDATES:
        logger.warning(
            "these settings make %d updates, and fewer than %d hardly teach a network: more"
            " train.epochs or a smaller train.batch_size make more",
            *(updates, FEW_UPDATES),
        )
    if pays_to_pretrain(found) and at_hand(PRETRAINED):
        logger.info(
            "photographs as few as these are often told apart better by a pretrained encoder:"
            " wye train wye/transfer data=%s",
            target,
        )
    return recipe


def has_unlabelled(recipe: Recipe) -> bool:
    """Whether a recipe's data has training images whose label is not used."""
    data = recipe.data
    if data.labels_per_class is not None or not is_own(data.name):
        return data.labels_per_class is not None
    return bool(_glance(recipe, data.validation).of(UNLABELLED))


def _asked(overrides: dict[str, Any], recipe: Recipe, part: str) -> dict[str, Any]:
    """The settings of a part that are overridden, as the recipe has them."""
    settings = overrides.get(part)
    names = settings if isinstance(settings, dict) else {}
    return {name: value for name, value in getattr(recipe, part) if name in names}


def _glance(recipe: Recipe, validation: float) -> Inspection:
    data = recipe.data
    return glance_at(
        data.name,
        Own(
            seed=seed_from(Streams(recipe.seed, recipe.seeds).generator("split", "test")),
            validation=validation,
            duplicates=data.duplicates,
        ),
    )
