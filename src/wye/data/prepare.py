"""From a data set to what a run trains on: classes, subset, split, preparation, normalisation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from wye.data.balance import balanced
from wye.data.images import DataSet, Images
from wye.data.inspection import Inspection
from wye.data.normalization import Normalization, normalization
from wye.data.reading import Reading
from wye.data.storage import Pixels, gathered, in_parts, joined, part_size
from wye.data.subset import long_tail, most_of_each, of_classes, split, subset
from wye.data.transforms import Transform, as_float, pipeline
from wye.errors import UsageError
from wye.recipe.schema import DataSettings
from wye.streams import Streams

__all__ = [
    "Normalization",
    "Prepared",
    "copied",
    "prepare",
    "transformed",
    "with_channels",
]

_HALF_A_LEVEL = 0.5 / 255
_RARE = 0.75
"""A class with a smaller fraction of the largest class's training images is a rare one."""


@dataclass(frozen=True)
class Prepared:
    """The images of a run and what is done to a batch of them.

    Attributes:
        train, validation, test: the parts; validation is None where nothing is held out. Training
            pixels are float32 where copies of them leave [0, 1], else all are uint8.
        published_train: the training pixels of these classes before subset and split, on the CPU:
            what figures that refer to the data set rather than to the run are taken from.
        published_size: height of the images before preparation.
        inputs: normalisation of what the encoder sees.
        targets: normalisation of what the decoder should give.
        augment: on training batches, input and target alike.
        corrupt: on the input alone.
        view: on evaluation batches, which the stored images are too large or too small for.
        alternate_flip: training images are mirrored in every other epoch, before `augment`.
        augmented_target: False: the target is the image as it was before `augment`.
        corrupt_in: `everywhere`, or `training` batches alone, or the `decoder`'s branch in those.
        weighted: an epoch draws its images with replacement, every class as often.
        pool: `(N, C, H, W)`, the pixels that images without a label are drawn from: those of the
            whole training part, before it loses labels, is balanced or copied, and of the images
            that never had one.
        inspection, reading: what was found in a person's own images, and how they were read.
        rare: the classes with fewer than three quarters of the training images of the largest one,
            before they are balanced.
    """

    name: str
    classes: tuple[str, ...]
    train: Images
    validation: Images | None
    test: Images
    published_train: Pixels
    published_size: int
    inputs: Normalization
    targets: Normalization
    augment: Transform | None
    corrupt: Transform | None
    view: Transform | None = None
    augmented_target: bool = True
    alternate_flip: bool = False
    corrupt_in: str = "everywhere"
    weighted: bool = False
    pool: Pixels | None = None
    inspection: Inspection | None = None
    reading: Reading | None = None
    rare: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(C, H, W)` of an image in evaluation, and in training too unless there is a `view`."""
        image = self.train.pixels[:1]
        if self.view is not None:
            image = self.view(image, torch.Generator(device=image.device))
        channels, height, width = image.shape[1:]
        return channels, height, width

    @property
    def target_range(self) -> tuple[float, float]:
        """The least and the greatest value that the decoder may be asked for.

        That of normalised [0, 1], and of the training images where noise takes them beyond it.
        """
        low, high = self.targets.range
        pixels = self.train.pixels
        if pixels.dtype != torch.uint8:
            ends = [(part.amin((0, 2, 3)), part.amax((0, 2, 3))) for part in in_parts(pixels)]
            lowest, highest = map(torch.stack, zip(*ends, strict=True))
            of_channels = torch.stack([lowest.amin(0), highest.amax(0)])
            reached = self.targets.apply(of_channels[..., None, None])
            low, high = min(low, reached.min().item()), max(high, reached.max().item())
        return low, high

    def to(self, device: torch.device) -> Prepared:
        """The same with all pixels and labels on `device`."""

        def moved(images: Images) -> Images:
            return Images(images.pixels.to(device), images.labels.to(device))

        validation = moved(self.validation) if self.validation else None
        train, pool = moved(self.train), self.pool
        if pool is not None:  # most often the training pixels themselves, which are moved once
            pool = train.pixels if pool is self.train.pixels else pool.to(device)
        return replace(self, train=train, validation=validation, test=moved(self.test), pool=pool)


def prepare(dataset: DataSet, settings: DataSettings, streams: Streams) -> Prepared:
    """The parts and transformations of a run.

    In this order: the classes are chosen; all images are prepared; the subset (`per_class`,
    `limit`, `imbalance`) is drawn from stream `subset` and the validation part from stream `split`,
    both by class, so that parts keep the proportions of the classes; of what is left for training
    some keep their labels (`labels_per_class`, stream `subset`); these are balanced (stream
    `subset`), then copied (stream `noise`).

    Raises:
        NotationError: a line of transformations cannot be read, or doesn't suit the images.
        UsageError: `classes` or `limit` names a class that isn't there, SMOTE cannot be had, or
            lines change the size of images where it must stay.
    """
    lines = ("prepare", "prepare_test", "augment", "corrupt", "view")
    steps = {name: _pipeline(f"data.{name}", getattr(settings, name)) for name in lines}
    dataset = of_classes(dataset, settings.classes)

    def prepared_part(name: str, part: Images) -> Images:
        if settings.channels is not None:
            part = with_channels(part, settings.channels)
        if (static := steps["prepare"]) is not None:
            part = transformed(part, static, streams.generator("noise", "prepare", name))
        return part

    train, test = (prepared_part(name, getattr(dataset, name)) for name in ("train", "test"))
    unlabelled = dataset.unlabelled
    if unlabelled is not None:
        unlabelled = prepared_part("unlabelled", unlabelled)
    published_train = train.pixels
    if (static := steps["prepare_test"]) is not None:
        test = transformed(test, static, streams.generator("noise", "prepare_test"))
        _check_size("data.prepare_test", test.pixels, published_train)
    train = _subset(train, dataset.classes, settings, streams)
    validation = dataset.validation
    if validation is not None:
        validation = prepared_part("validation", validation)
    elif settings.validation > 0:
        train, validation = split(train, settings.validation, streams.generator("split"))
    pool = train.pixels if unlabelled is None else joined(train.pixels, unlabelled.pixels)
    if (labels := settings.labels_per_class) is not None:
        most = long_tail(labels, settings.imbalance, len(dataset.classes))
        train = train.take(subset(train.labels, most, streams.generator("subset", "labels")))
    counts = torch.bincount(train.labels, minlength=len(dataset.classes))
    rare = tuple(
        name
        for name, count in zip(dataset.classes, counts.tolist(), strict=True)
        if count < _RARE * int(counts.max())
    )
    train = balanced(train, settings.balance, streams)
    if settings.copies:
        train = copied(train, settings.copies, streams)
    inputs = normalization(
        settings.normalize, train.pixels if settings.labels_per_class is None else pool
    )
    prepared = Prepared(
        name=dataset.name,
        classes=dataset.classes,
        train=train,
        validation=validation,
        test=test,
        published_train=published_train,
        published_size=dataset.shape[1],
        inputs=inputs,
        targets=inputs if settings.target == "normalized" else normalization("none", train.pixels),
        augment=steps["augment"],
        corrupt=steps["corrupt"],
        view=steps["view"],
        augmented_target=settings.augmented_target,
        alternate_flip=settings.alternate_flip,
        corrupt_in=settings.corrupt_in,
        weighted=settings.balance == "weighted",
        pool=pool,
        inspection=dataset.inspection,
        reading=dataset.reading,
        rare=rare,
    )
    if prepared.augment is not None and not prepared.augmented_target:
        seen = prepared.augment(train.pixels[:1], torch.Generator())
        if seen.shape[1:] != prepared.shape:
            raise UsageError(
                f"data.augmented_target=false: data.augment makes images of {_size(seen)}, and the"
                f" target without it is of {'x'.join(map(str, prepared.shape[1:]))}; give a"
                f" data.view that makes it {_size(seen)}, or leave the size alone"
            )
    return prepared


def _subset(
    train: Images, classes: tuple[str, ...], settings: DataSettings, streams: Streams
) -> Images:
    """The training images that `per_class`, `limit` and `imbalance` leave."""
    most = most_of_each(classes, settings.per_class, settings.limit)
    if settings.imbalance > 1 and settings.labels_per_class is None:
        first = settings.per_class or int(train.labels.bincount().max())
        tail = long_tail(first, settings.imbalance, len(classes))
        most = [min(filter(None, pair)) for pair in zip(most, tail, strict=True)]
    if all(number is None for number in most):
        return train
    return train.take(subset(train.labels, most, streams.generator("subset")))


def _pipeline(name: str, text: str) -> Transform | None:
    return pipeline(text, name) if text else None


def with_channels(images: Images, channels: int) -> Images:
    """Grey images as three equal channels, colour images as their luma; uint8."""
    have = images.pixels.shape[1]
    if have == channels:
        return images
    converted = map(_coloured if channels == 3 else _grey, in_parts(images.pixels))
    return Images(gathered(converted, len(images), like=images.pixels), images.labels)


def _coloured(grey: Tensor) -> Tensor:
    return grey.expand(-1, 3, -1, -1)


def _grey(colours: Tensor) -> Tensor:
    """Luma of ITU-R BT.601, as Pillow's conversion to grey has it."""
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    return (colours.float() * weights).sum(1, keepdim=True).round_().to(torch.uint8)


def transformed(images: Images, transform: Transform, generator: torch.Generator) -> Images:
    """Transform all images, some at a time, and keep them as uint8."""
    made = map(_rounded, _through(images.pixels, transform, generator))
    return Images(gathered(made, len(images), like=images.pixels), images.labels)


def _through(pixels: Pixels, transform: Transform, generator: torch.Generator) -> Iterator[Tensor]:
    """What the transform makes of all images, some at a time."""
    first = transform(pixels[:1], torch.Generator(pixels.device))
    size = part_size(pixels.shape[1:], first.shape[1:])
    return (transform(part, generator) for part in pixels.split(size))


def copied(images: Images, lines: tuple[str, ...], streams: Streams) -> Images:
    """The images once under each line, one copy after the other: S2's static augmentation.

    Each copy draws from a place of its own in stream `noise`, once: it is the same in every epoch.
    The result is uint8, or float32 where a line leaves [0, 1], as noise does that is not clipped.

    Raises:
        UsageError: a line changes the size of the images.
    """
    pixels = images.pixels

    def made() -> Iterator[Tensor]:
        for index, line in enumerate(lines):
            transform = pipeline(line, f"data.copies.{index}")
            generator = streams.generator("noise", "copies", index)
            for part in _through(pixels, transform, generator):
                _check_size(f"data.copies.{index}", part, pixels)
                yield part

    # Made twice, to know of all of them what they are kept as before the first is kept.
    keep = as_float if any(map(_leaves_the_unit, made())) else _rounded
    copies = gathered(map(keep, made()), len(lines) * len(images), like=pixels)
    return Images(copies, images.labels.repeat(len(lines)))


def _leaves_the_unit(pixels: Tensor) -> bool:
    """Whether rounding to the 256 levels would cut more off than it does elsewhere."""
    if pixels.dtype == torch.uint8:
        return False
    low, high = pixels.aminmax()
    return bool(low < -_HALF_A_LEVEL or high > 1 + _HALF_A_LEVEL)


def _rounded(pixels: Tensor) -> Tensor:
    if pixels.dtype == torch.uint8:
        return pixels
    return pixels.mul(255).round_().clamp_(0, 255).to(torch.uint8)


def _check_size(name: str, made: Pixels, wanted: Pixels) -> None:
    if made.shape[1:] != wanted.shape[1:]:
        raise UsageError(
            f"{name} makes images of {_size(made)}, and the others are of {_size(wanted)};"
            " data.prepare changes the size of all of them"
        )


def _size(pixels: Pixels) -> str:
    return "x".join(map(str, pixels.shape[2:]))
