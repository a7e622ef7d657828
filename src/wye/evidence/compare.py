"""Two systems side by side: what makes them unlike, and the statistics of their pairs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wye.errors import UsageError, WyeError
from wye.evidence.collect import repeats
from wye.evidence.floor import floor_of
from wye.evidence.mcnemar import McNemar, clustered_mcnemar, mcnemar
from wye.evidence.paired import NO_FLOOR, Paired, overlap, paired
from wye.evidence.systems import System
from wye.metrics import METRICS, ordered
from wye.recipe import Recipe
from wye.recipe.measured import caveat
from wye.registry import suggest
from wye.studies import row_names
from wye.wording import shown

if TYPE_CHECKING:
    from wye.evidence.mcnemar import Right

SAME_TEST = ("channels", "image_size", "prepare", "prepare_test", "view")
"""Settings of the data that change what the test images look like."""


@dataclass(frozen=True)
class Comparison:
    """What the runs of two systems say of the difference between them.

    Attributes:
        seeds: those that both were run with.
        warnings: what else the two differ in that a reader must know of.
        notes: what the statistics do not say, and why.
        metrics: metric to its statistics.
        by_seed: McNemar's test of each pair whose answers were kept.
        together: the same test of all these pairs at once; None of fewer than two, and where their
            test images aren't the same.
    """

    first: System
    second: System
    seeds: tuple[int, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    metrics: dict[str, Paired]
    by_seed: dict[int, McNemar] = field(default_factory=dict)
    together: McNemar | None = None

    def left_out(self, system: System) -> list[int]:
        """Seeds that the other one wasn't run with."""
        return [seed for seed in system.runs if seed not in self.seeds]


def compare(first: System, second: System, metric: str | None = None) -> Comparison:
    """Compare two systems by the seeds that both were run with.

    Args:
        metric: this one alone; all that both measured if not given.

    Raises:
        UsageError: they were measured on other data or under other protocols, no seed is common to
            both, or the metric is not.
    """
    _check_comparable(first, second)
    seeds = [seed for seed in first.runs if seed in second.runs]
    if not seeds:
        one, other = (", ".join(map(str, system.runs)) for system in (first, second))
        raise UsageError(
            f"no seed is common: {first.name} was run with {one}, {second.name} with {other};"
            " comparisons are paired by seed"
        )
    widened = overlap(first.recipe, second.recipe)
    found: dict[str, Paired] = {}
    unknown: list[str] = []
    for name in METRICS if metric is None else (metric,):
        values = first.figures(name), second.figures(name)
        both = [[s.runs[seed] for seed in values[0] if seed in values[1]] for s in (first, second)]
        floor = floor_of(name, *both)
        if pair := paired(*values, widened, floor or NO_FLOOR):
            found[name] = pair
            if floor is None:
                unknown.append(name)
    if metric is not None and not found:
        known = [name for name in METRICS if first.figures(name) and second.figures(name)]
        raise UsageError(f"--metric {metric}: not measured in both; {suggest(metric, known)}")
    warnings = [*_unlike(first, second, seeds)]
    by_seed: dict[int, McNemar] = {}
    together = None
    if "accuracy" in found:
        answers = dict(_answers(first, second, seeds, warnings))
        by_seed = {seed: mcnemar(one, other) for seed, (_, one, other) in answers.items()}
        labels = {labels for labels, _, _ in answers.values()}
        if len(answers) > 1 and len(labels) == 1 and _official(first.recipe):
            together = clustered_mcnemar([(one, other) for _, one, other in answers.values()])
    return Comparison(
        *(first, second, tuple(seeds), tuple(warnings)),
        tuple(_notes(first, second, found, unknown)),
        *({name: found[name] for name in ordered(found)}, by_seed, together),
    )


def _notes(
    first: System, second: System, found: dict[str, Paired], unknown: list[str]
) -> Iterator[str]:
    """What a reader must know of the metrics, and of the spread behind intervals and p."""
    for letter, system in (("A", first), ("B", second)):
        of = {name: caveat(system.recipe, name) for name in ordered(found)}
        for why in dict.fromkeys(filter(None, of.values())):
            names = ", ".join(name for name in of if of[name] == why)
            yield f"{names} of {letter}: {why}"
    if repeats(first.recipe, second.recipe):
        yield "A and B are one recipe: differences that are 0 are so for certain"
    elif tied := ", ".join(name for name in ordered(found) if found[name].ties):
        yield (
            f"{tied}: all seeds differ by the same, which tells nothing of the spread: no interval,"
            " and p is 1"
        )
    if tested := ", ".join(name for name in ordered(unknown) if len(found[name].seeds) > 1):
        yield f"{tested}: runs do not say of how many test images: the spread has no floor"
    if any(pair.overlap for pair in found.values()):
        yield (
            "the seeds are overlapping splits: t with Nadeau and Bengio's correction, which is"
            " conservative here, where the test set is fixed"
        )


def _check_comparable(first: System, second: System) -> None:
    one, other = first.recipe.data, second.recipe.data
    for seed in (seed for seed in first.runs if seed in second.runs):
        tests = [_own_test_images(system, seed) for system in (first, second)]
        if None not in tests and tests[0] != tests[1]:
            raise UsageError(
                f"{first.name} and {second.name} were tested on other images of {one.name}"
                f" (seed {seed}); train one of them again"
            )
    if (_source(one.name), one.classes) != (_source(other.name), other.classes):
        a, b = (
            f"{d.name}{f' ({len(d.classes)} classes)' if d.classes else ''}" for d in (one, other)
        )
        raise UsageError(
            f"{first.name} was measured on {a}, {second.name} on {b}: only runs on the same test"
            " images can be compared"
        )
    under = set(first.protocols), set(second.protocols)
    if all(under) and not under[0] & under[1]:
        raise UsageError(
            f"{first.name} was run under the protocol {first.protocols[0]}, {second.name} under"
            f" {second.protocols[0]}: protocols are never mixed in one comparison"
        )


def _source(name: str) -> str:
    """A data set's name; own images by their absolute path."""
    from wye.data import DATASETS

    return name if name in DATASETS else os.path.realpath(name)


def _own_test_images(system: System, seed: int) -> set[tuple[str, str]] | None:
    """Content and class of a run's own test images; None of a data set by name."""
    from wye.runs.run import Run

    found = Run(system.runs[seed].path).inspection
    return None if found is None else {(file.content, file.label) for file in found.of("test")}


def _unlike(first: System, second: System, seeds: list[int]) -> Iterator[str]:
    """What the two differ in beside what is compared: test images, updates, changed settings."""
    one, other = first.recipe, second.recipe
    for name in SAME_TEST:
        a, b = getattr(one.data, name), getattr(other.data, name)
        if a != b:
            yield f"the test images differ: data.{name} is {shown(a)} in A and {shown(b)} in B"
    corrupted = [
        recipe.data.corrupt if recipe.data.corrupt_in == "everywhere" else ""
        for recipe in (one, other)
    ]
    if corrupted[0] != corrupted[1]:
        a, b = map(shown, corrupted)
        yield f"the test images differ: the input's corruption is {a} in A and {b} in B"
    for name in ("selection", "mirror_views", "shifted_views", "corrupt"):
        a, b = getattr(one.evaluation, name), getattr(other.evaluation, name)
        if a != b:
            yield f"they were measured differently: evaluation.{name} is {shown(a)} and {shown(b)}"
    for seed in seeds:
        steps = [(system.runs[seed].result or {}).get("steps") for system in (first, second)]
        if None in steps and not _as_long(one, other):
            yield "the numbers of updates may differ: a run of an earlier version doesn't tell"
            break
        if None not in steps and steps[0] != steps[1]:
            yield (
                f"the numbers of updates differ: {steps[0]:,} in A and {steps[1]:,} in B"
                f" (seed {seed})"
            )
            break
    for letter, system in (("A", first), ("B", second)):
        if not system.protocols and system.recipe.row in row_names():
            yield f"{letter} has other settings than its row {system.recipe.row} in the study"


def _as_long(one: Recipe, other: Recipe) -> bool:
    """Whether two recipes surely make as many updates."""
    return (one.train, one.phases, one.data) == (other.train, other.phases, other.data)


def _answers(
    first: System, second: System, seeds: list[int], warnings: list[str]
) -> Iterator[tuple[int, tuple[bytes, Right, Right]]]:
    """Seed to the labels, and which images each system classified correctly."""
    from wye.runs.run import Run

    missing: list[int] = []
    for seed in seeds:
        try:
            pair = [Run(system.runs[seed].path).predictions() for system in (first, second)]
        except UsageError:
            missing.append(seed)
            continue
        except WyeError as error:
            warnings.append(f"no McNemar test for seed {seed}: {error}")
            continue
        (labels, given), (others, given_others) = (
            (labels.numpy(), predicted.numpy()) for labels, predicted in pair
        )
        if labels.shape != others.shape or (labels != others).any():
            warnings.append(f"no McNemar test for seed {seed}: the test images differ")
            continue
        yield seed, (labels.tobytes(), given == labels, given_others == labels)
    if missing:
        numbers = ", ".join(map(str, missing))
        warnings.append(
            f"no McNemar test for seed {numbers}: runs of an earlier version keep no"
            " predictions.safetensors"
        )


def _official(recipe: Recipe) -> bool:
    """Whether all seeds have the same test images: a folder's are drawn by the seed."""
    from wye.data import DATASETS

    return recipe.data.name in DATASETS
