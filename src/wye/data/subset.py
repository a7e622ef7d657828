"""Which images of a data set a run uses: classes, a subset, and a part held out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from wye.data.images import DataSet, Images
from wye.data.storage import taken
from wye.errors import UsageError
from wye.registry import suggest


def class_names(known: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[str, ...]:
    """The classes of a run, of those of the data set: `data.classes`, or all where it is empty.

    Raises:
        UsageError: a class that isn't there, or is named twice.
    """
    for place, name in enumerate(wanted):
        if name not in known:
            raise UsageError(f"data.classes: no class {name!r}; {suggest(name, known)}")
        if name in wanted[:place]:
            raise UsageError(f"data.classes: {name!r} is named twice")
    return wanted or known


def of_classes(dataset: DataSet, wanted: tuple[str, ...]) -> DataSet:
    """The images of the classes `wanted` alone, labels counting these from 0; all if it is empty.

    Raises:
        UsageError: a class that isn't there, or is named twice.
    """
    if not wanted:
        return dataset
    names = class_names(dataset.classes, wanted)
    places = torch.full((len(dataset.classes),), -1)
    places[[dataset.classes.index(name) for name in names]] = torch.arange(len(names))

    def kept(images: Images) -> Images:
        labels = places[images.labels]
        chosen = (labels >= 0).nonzero().flatten()
        return Images(taken(images.pixels, chosen), labels[chosen])

    return replace(
        dataset,
        classes=names,
        train=kept(dataset.train),
        test=kept(dataset.test),
        validation=None if dataset.validation is None else kept(dataset.validation),
    )


def most_of_each(
    classes: tuple[str, ...], per_class: int | None, limit: Mapping[str, int]
) -> list[int | None]:
    """How many training images of each class are kept; None for all of them.

    Raises:
        UsageError: `limit` names a class that isn't there.
    """
    if unknown := sorted(set(limit) - set(classes)):
        raise UsageError(f"data.limit: no class {unknown[0]!r}; {suggest(unknown[0], classes)}")
    return [limit.get(name, per_class) for name in classes]


def long_tail(most: int, ratio: float, classes: int) -> list[int | None]:
    """Images of each class, from `most` of the first down to `most / ratio` of the last.

    They fall in a geometric row, `most * ratio ** (-c / (classes - 1))` rounded down (Cui et al.
    2019); a class keeps at least one.
    """
    last = max(classes - 1, 1)
    return [max(int(most * ratio ** (-place / last)), 1) for place in range(classes)]


def subset(labels: Tensor, most: Sequence[int | None], generator: torch.Generator) -> Tensor:
    """Indices, in order, of up to `most[c]` images of class c, drawn without replacement."""
    chosen = []
    for label, members in members_by_class(labels):
        order = torch.randperm(len(members), generator=generator)
        chosen.append(members[order[: most[label]]])
    return torch.cat(chosen).sort().values


def split(images: Images, share: float, generator: torch.Generator) -> tuple[Images, Images | None]:
    """The images without, and those of, a stratified random part of `share` of them.

    The part has ceil(share * N) images, divided among the classes by their sizes and the largest
    remainders, equal ones drawn: the counts of scikit-learn's StratifiedShuffleSplit (study S1).
    A class keeps at least one image. The part is None where it would hold half an image a class,
    or less.
    """
    members = [indices for _, indices in members_by_class(images.labels)]
    if share * len(images) <= len(members) / 2:
        return images, None
    orders = [torch.randperm(len(indices), generator=generator) for indices in members]
    sizes = [len(indices) for indices in members]
    counts = _apportioned(sizes, math.ceil(share * len(images)), generator)
    parts = zip(members, orders, counts, strict=True)
    held = torch.cat([indices[order[:count]] for indices, order, count in parts]).sort().values
    if len(held) == 0:
        return images, None
    rest = torch.ones(len(images), dtype=torch.bool)
    rest[held] = False
    return images.take(rest.nonzero().flatten()), images.take(held)


def members_by_class(labels: Tensor) -> list[tuple[int, Tensor]]:
    """Each class that occurs, with the indices of its images in order."""
    return [(int(label), (labels == label).nonzero().flatten()) for label in labels.unique()]


def _apportioned(sizes: list[int], total: int, generator: torch.Generator) -> list[int]:
    """`total` divided in proportion to `sizes`, by largest remainders, each below its size."""
    whole = sum(sizes)
    counts = [size * total // whole for size in sizes]
    lots = torch.randperm(len(sizes), generator=generator).tolist()
    room = [place for place, size in enumerate(sizes) if counts[place] + 1 < size]
    room.sort(key=lambda place: (-(sizes[place] * total % whole), lots[place]))
    for place in room[: total - sum(counts)]:
        counts[place] += 1
    return counts
