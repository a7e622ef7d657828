"""Two systems side by side: what makes them unlike, and the statistics of their pairs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from wye.errors import UsageError, WyeError
from wye.evidence.collect import matched
from wye.evidence.floor import floor_of
from wye.evidence.mcnemar import McNemar, clustered_mcnemar, mcnemar
from wye.evidence.paired import NO_FLOOR, Paired, overlap, paired
from wye.evidence.systems import System
from wye.metrics import METRICS, ordered
from wye.recipe import Recipe
from wye.recipe.identity import repeats
from wye.recipe.measured import caveat
from wye.registry import suggest
from wye.runs.records import Record, Right
from wye.studies import row_names
from wye.wording import shown

SAME_TEST = ("channels", "image_size", "prepare", "prepare_test", "view")
"""Settings of the data that change what the test images look like."""


@dataclass(frozen=True)
class Comparison:
    """What the runs of two systems say of the difference between them.

    Attributes:
        seeds: those that both were run with.
        records: seed to the record of each.
        warnings: what else the two differ in that a reader must know of.
        notes: what the statistics do not say, and why.
        metrics: metric to its statistics.
        by_seed: McNemar's test of each pair whose answers were kept.
        together: the same test of all these pairs at once; None of fewer than two, and where their
            test images aren't the same.
    """

    first: System
    second: System
    records: dict[int, tuple[Record, ...]]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    metrics: dict[str, Paired]
    by_seed: dict[int, McNemar] = field(default_factory=dict)
    together: McNemar | None = None

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(self.records)

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
    warnings: list[str] = []
    pairs = matched(first.runs, second.runs) or _across(first, second, warnings)
    if not pairs:
        one, other = (", ".join(map(str, system.runs)) for system in (first, second))
        raise UsageError(
            f"no seed is common: {first.name} was run with {one}, {second.name} with {other};"
            " comparisons are paired by seed"
        )
    widened = overlap(first.recipe, second.recipe)
    found: dict[str, Paired] = {}
    unknown: list[str] = []
    for name in METRICS if metric is None else (metric,):
        of = {s: pair for s, pair in pairs.items() if all(name in r.metrics for r in pair)}
        values = [{seed: pair[at].metrics[name] for seed, pair in of.items()} for at in (0, 1)]
        floor = floor_of(name, *zip(*of.values(), strict=True))
        if pair := paired(values[0], values[1], widened, floor or NO_FLOOR):
            found[name] = pair
            if floor is None:
                unknown.append(name)
    if metric is not None and not found:
        both = [record.metrics.keys() for pair in pairs.values() for record in pair]
        known = [name for name in METRICS if all(name in each for each in both)]
        raise UsageError(f"--metric {metric}: not measured in both; {suggest(metric, known)}")
    warnings += _unlike(first, second, pairs)
    by_seed: dict[int, McNemar] = {}
    together = None
    if "accuracy" in found:
        answers = dict(_answers(pairs, warnings))
        by_seed = {seed: mcnemar(one, other) for seed, (_, one, other) in answers.items()}
        labels = {labels for labels, _, _ in answers.values()}
        if len(answers) > 1 and len(labels) == 1 and _official(first.recipe):
            together = clustered_mcnemar([(one, other) for _, one, other in answers.values()])
    return Comparison(
        *(first, second, pairs, tuple(warnings)),
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
        tests = [_own_test_images(system.runs[seed][0]) for system in (first, second)]
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


def _across(first: System, second: System, warnings: list[str]) -> dict[int, tuple[Record, ...]]:
    """Pairs of different origins, where there are no others; a warning says so."""
    pairs: dict[int, tuple[Record, ...]] = {
        seed: (of[0], second.runs[seed][0])
        for seed, of in first.runs.items()
        if seed in second.runs
    }
    for pair in list(pairs.values())[:1]:
        a, b = (", ".join(str(part) for part in record.origin if part) for record in pair)
        warnings.append(f"A and B were made on unlike machines or judged unlike: {a}; {b}")
    return pairs


def _source(name: str) -> str:
    """A data set's name; own images by their absolute path."""
    from wye.data import DATASETS

    return name if name in DATASETS else os.path.realpath(name)


def _own_test_images(record: Record) -> set[tuple[str, str]] | None:
    """Content and class of a run's own test images; None of a data set by name."""
    found = record.run.inspection if record.run else None
    return None if found is None else {(file.content, file.label) for file in found.of("test")}


def _unlike(first: System, second: System, pairs: dict[int, tuple[Record, ...]]) -> Iterator[str]:
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
    for seed, pair in pairs.items():
        steps = [record.steps for record in pair]
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
    pairs: dict[int, tuple[Record, ...]], warnings: list[str]
) -> Iterator[tuple[int, tuple[str, Right, Right]]]:
    """Seed to the labels' digest, and which images each system classified correctly."""
    missing: list[int] = []
    for seed, pair in pairs.items():
        try:
            (labels, right), (others, right_too) = (record.answered() for record in pair)
        except UsageError:
            missing.append(seed)
            continue
        except (WyeError, ValueError) as error:
            warnings.append(f"no McNemar test for seed {seed}: {error}")
            continue
        if labels != others:
            warnings.append(f"no McNemar test for seed {seed}: the test images differ")
            continue
        yield seed, (labels, right, right_too)
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
