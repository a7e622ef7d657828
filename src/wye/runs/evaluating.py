"""A finished run measured again: on its own test images, or on others that have a class."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wye.data.folder_names import TEST, TRAIN
from wye.data.images import Images
from wye.data.inspection import Unreadable
from wye.data.listing import Entry
from wye.data.looking import content_of
from wye.data.prepare import Prepared
from wye.data.storage import memory_share, stored
from wye.data.transforms import TRANSFORMS, Transform, pipeline
from wye.data.transforms_geometry import MOVING
from wye.errors import UsageError
from wye.evaluation.calibration import calibration_error, with_temperature
from wye.evaluation.measure import Measurement, measure
from wye.metrics import METRICS
from wye.recipe.measured import INDEPENDENT
from wye.recipe.schema import Recipe
from wye.registry import suggest
from wye.runs.dependencies import Others, dependencies
from wye.runs.folder import RunFolder
from wye.runs.given import batches, folders_of, given, say_faults
from wye.runs.mistakes import wrong
from wye.runs.model import Model
from wye.runs.pictures import class_name
from wye.runs.results import measured_part, views_of
from wye.runs.run import Run
from wye.runs.setup import set_up
from wye.runs.trained import NoNumbersError
from wye.streams import Streams

log = logging.getLogger("wye")


@dataclass(frozen=True)
class Evaluation:
    """What labelled images say of a run.

    Attributes:
        name: of the images.
        figures: as in `result.json`; with a classifier also `calibration`: the expected calibration
            error `ece`; the `temperature` fitted on the validation part, and `ece_scaled`, the
            error with it, where there is one.
        mistakes: `path`, `true`, `predicted` and `probability` of each wrong image, the most
            probable first.
        corrupted: for each line of `corrupt` the figures of the same images under it.
    """

    name: str
    figures: dict[str, Any]
    mistakes: list[dict[str, Any]]
    corrupted: dict[str, dict[str, Any]]


Part = tuple[Prepared, Callable[[Prepared], Measurement], list[str]]
"""Images, what measures a network on them or on the same under a corruption, and their names."""


def evaluate_run(
    run: Run,
    model: Model,
    data: Sequence[str] = (),
    source: Path | None = None,
    corrupt: Sequence[str] = (),
) -> Evaluation:
    """Measure a run on its test images, or on others.

    Args:
        model: the run's.
        data: the other images, see `given`; those with a class are measured, and of them the test
            part alone where there is one.
        source: where the run's own images are now, if they were moved.
        corrupt: lines of transformations. Under each the images are measured once more, with draws
            of the run's stream `noise`; reconstructions are compared with the clean images, unless
            a line moves pixels.

    Raises:
        UsageError: no image has a class, a class is none of the run's, no file can be read, or a
            transformation changes the size of images.
        NotationError: a line cannot be read, or doesn't suit the images.
    """
    steps = {line: pipeline(line, "--corrupt") for line in corrupt}
    own = run.inspection.root if run.inspection is not None else None
    if not data or (
        len(data) == 1 and (data[0] == run.recipe.data.name or os.path.realpath(data[0]) == own)
    ):
        images, measured, names = _its_test_images(run, model, source)
    else:
        images, measured, names = _others(run, model, data)
    for line, transform in steps.items():
        _check_size(line, transform, images)
    found = measured(images)
    if any(isinstance(v, float) and math.isnan(v) for v in found.figures.values()):
        raise NoNumbersError
    return Evaluation(
        images.name,
        _calibrated(found, model),
        _mistakes(found, names, model.classes),
        {line: _under(line, steps[line], images, measured, model) for line in steps},
    )


def _check_size(line: str, transform: Transform, images: Prepared) -> None:
    """Refuse a corruption after which the network's images have another size."""
    probe = torch.zeros((1, *images.shape), dtype=torch.uint8)
    made = transform(probe, torch.Generator()).shape[1:]
    if tuple(made) != images.shape:
        size, wanted = ("x".join(map(str, shape)) for shape in (made, images.shape))
        raise UsageError(
            f"--corrupt {line}: it makes images of {size} of those of {wanted} that the network"
            " knows; a corruption should keep their size"
        )


def _under(
    line: str,
    transform: Transform,
    images: Prepared,
    measured: Callable[[Prepared], Measurement],
    model: Model,
) -> dict[str, Any]:
    """What is measured of images under a corruption."""
    found = measured(replace(images, corrupt=transform, corrupt_in="everywhere"))
    left_out = set(INDEPENDENT)
    if MOVING & {call.symbol.name for call in TRANSFORMS.read(line)}:
        left_out |= {name for name in METRICS if "decoder" in METRICS[name].needs}
        if left_out & found.figures.keys() - set(INDEPENDENT):
            log.info(
                "%s moves pixels, so reconstructions under it are not compared with the images",
                line,
            )
    figures = _calibrated(found, model)
    return {name: value for name, value in figures.items() if name not in left_out}


def _its_test_images(run: Run, model: Model, source: Path | None) -> Part:
    alone = run.recipe.model_copy(update={"transfer": None})
    judge = dependencies(alone, Others(_not_here, cut=True)).judge
    setup = set_up(run.recipe, weighted=False, source=source, before=run.inspection)
    setup.network.load_state_dict(model.network.state_dict())
    precision = str(run.environment.get("precision", "fp32"))

    def measured(images: Prepared) -> Measurement:
        # `evaluation.corrupt` is measured beside the clean images alone.
        of = setup if images is setup.data else replace(setup, corrupt=None)
        return measured_part(of, setup.network, images, "test", precision, judge)

    if (now := setup.data.inspection) is not None:
        log.info(
            "the run's own images: its test part is measured, %d of %d",
            *(len(now.of(TEST)), len(now.files)),
        )
        root = Path(now.root) if Path(now.root).is_dir() else Path()
        names = [str(root / file.path) for file in now.of(TEST)]
    else:
        names = [f"{setup.data.name}/test/{at}" for at in range(len(setup.data.test))]
    return setup.data, measured, names


def _not_here(recipe: Recipe, folder: RunFolder) -> Run:
    raise UsageError(f"{folder.path} holds no finished run of {recipe.row}")


def _others(run: Run, model: Model, data: Sequence[str]) -> Part:
    name = " ".join(data)
    entries = _labelled(given(data, model.classes), name, run, model)
    faults: list[Unreadable] = []
    kept: list[Entry] = []

    def read() -> Iterator[Tensor]:
        for some, pixels in batches(entries, model, faults):
            kept.extend(some)
            yield pixels

    large = len(entries) * math.prod(model.pixels) > memory_share()
    pixels = (
        stored(read()) if large else torch.cat([*read(), torch.zeros((0, *model.pixels)).byte()])
    )
    say_faults(faults, entries)
    _say_known(run, kept)
    labels = torch.tensor([model.classes.index(entry.label) for entry in kept])
    images, recipe = Images(pixels, labels), run.recipe
    prepared = Prepared(
        name=name,
        classes=model.classes,
        train=images,
        validation=images,
        test=images,
        published_train=pixels,
        published_size=pixels.shape[2],
        inputs=model.inputs,
        targets=model.targets,
        augment=None,
        corrupt=None,
        view=model.view if recipe.data.view else None,
    )
    precision = str(run.environment.get("precision", "fp32"))
    streams = Streams(recipe.seed, recipe.seeds)
    views = views_of(recipe)

    def measured(images: Prepared) -> Measurement:
        # As a validation part, for which no linear yardstick of the training images is asked.
        return measure(model.network, images, "validation", streams, precision, views)

    return prepared, measured, [entry.path for entry in kept]


def _labelled(entries: list[Entry], name: str, run: Run, model: Model) -> list[Entry]:
    """The images that are measured."""
    known = ", ".join(model.classes[:10])
    found = [entry for entry in entries if entry.label]
    less = [entry for entry in entries if not entry.label]
    others = [folder for folder in folders_of(less) if folder]
    spelled = {each.casefold(): each for each in model.classes}
    if alike := [folder for folder in others if folder.casefold() in spelled]:
        raise UsageError(
            f"{name}: the folder {alike[0]} is spelled otherwise than the run's class"
            f" {spelled[alike[0].casefold()]}; call it that"
        )
    if not found:
        raise UsageError(
            f"no image of {name} has a class; wanted: folders called as the run's classes"
            f" ({known}), or a table of path and label"
        )
    if len(tests := [entry for entry in found if entry.part == TEST]) not in (0, len(found)):
        log.info("%s: its test part is measured, %d of %d images", name, len(tests), len(found))
        found = tests
    if less:
        log.warning(
            "%s: %d images have no class of the run and are left out%s",
            *(name, len(less), f" (in {', '.join(others[:5])})" if others else ""),
        )
    unknown = sorted({entry.label for entry in found} - set(model.classes))
    if unknown and run.recipe.data.classes is not None and name == run.recipe.data.name:
        return [entry for entry in found if entry.label in model.classes]
    if unknown:
        raise UsageError(
            f"{name} has classes that the run does not know: {', '.join(unknown[:5])};"
            f" {suggest(unknown[0], model.classes)}"
        )
    return found


def _say_known(run: Run, entries: list[Entry]) -> None:
    """Say how many of the images the run was trained on."""
    if run.inspection is None:
        return
    trained = {file.content for file in run.inspection.of(TRAIN)}
    with ThreadPoolExecutor() as pool:
        seen = sum(content in trained for content in pool.map(content_of, entries))
    if seen:
        log.warning(
            "%d of these %d images are among the run's training images: what is measured on them is"
            " too good",
            *(seen, len(entries)),
        )


def _calibrated(found: Measurement, model: Model) -> dict[str, Any]:
    if found.probabilities is None or found.labels is None:
        return found.figures
    probabilities, labels = found.probabilities.numpy(), found.labels.numpy()
    said: dict[str, Any] = {"ece": calibration_error(probabilities, labels)}
    if (temperature := (model.reference or {}).get("temperature")) is not None:
        scaled = with_temperature(probabilities, temperature)
        said |= {"temperature": temperature, "ece_scaled": calibration_error(scaled, labels)}
    return {**found.figures, "calibration": said}


def _mistakes(
    found: Measurement, names: Sequence[str], classes: Sequence[str]
) -> list[dict[str, Any]]:
    if found.labels is None or found.predicted is None:
        return []
    places, given_to = wrong(found)
    return [
        {
            "path": names[at],
            "true": classes[int(found.labels[at])],
            "predicted": class_name(int(found.predicted[at]), classes),
            "probability": probability,
        }
        for at, probability in zip(places.tolist(), given_to.tolist(), strict=True)
    ]
