"""From a data set to what a run trains on: channels, subset, split, preparation, normalisation."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from wye.data.images import DataSet, Images
from wye.data.transforms import Transform, pipeline
from wye.errors import UsageError
from wye.notation import NotationError
from wye.recipe.schema import DataSettings
from wye.registry import suggest
from wye.streams import Streams

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Normalization:
    """`(x - mean) / deviation` a channel, of pixels in [0, 1]; both `(C, 1, 1)`."""

    mean: Tensor
    deviation: Tensor

    def apply(self, pixels: Tensor) -> Tensor:
        """Normalise uint8 or [0, 1] pixels `(N, C, H, W)` in one pass."""
        unit = 255.0 if pixels.dtype == torch.uint8 else 1.0
        factor = (1.0 / (unit * self.deviation)).to(pixels.device)
        offset = (-self.mean / self.deviation).to(pixels.device)
        return torch.addcmul(offset, pixels.float(), factor)

    def undo(self, values: Tensor) -> Tensor:
        """Back to [0, 1], clamped: what a screen can show of a reconstruction."""
        restored = values.float() * self.deviation.to(values.device)
        return (restored + self.mean.to(values.device)).clamp_(0, 1)

    @property
    def range(self) -> tuple[float, float]:
        """The least and the greatest value that a normalised pixel can take."""
        low = ((0 - self.mean) / self.deviation).min().item()
        high = ((1 - self.mean) / self.deviation).max().item()
        return low, high


@dataclass(frozen=True)
class Prepared:
    """The images of a run and what is done to a batch of them.

    Attributes:
        train, validation, test: the parts; validation is None where nothing is held out.
        published_train: the training pixels before subset and split, on the CPU: what figures that
            refer to the data set rather than to the run are taken from.
        published_size: height of the images before preparation.
        inputs: normalisation of what the encoder sees.
        targets: normalisation of what the decoder should give.
        augment: on training batches, input and target alike.
        corrupt: on the input alone, in training and evaluation.
    """

    name: str
    classes: tuple[str, ...]
    train: Images
    validation: Images | None
    test: Images
    published_train: Tensor
    published_size: int
    inputs: Normalization
    targets: Normalization
    augment: Transform | None
    corrupt: Transform | None

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(C, H, W)` of one image."""
        channels, height, width = self.train.pixels.shape[1:]
        return channels, height, width

    def to(self, device: torch.device) -> Prepared:
        """The same with all pixels and labels on `device`."""

        def moved(images: Images) -> Images:
            return Images(images.pixels.to(device), images.labels.to(device))

        validation = moved(self.validation) if self.validation else None
        return replace(self, train=moved(self.train), validation=validation, test=moved(self.test))


def prepare(dataset: DataSet, settings: DataSettings, streams: Streams) -> Prepared:
    """The parts and transformations of a run.

    The subset (`per_class`, `limit`) is drawn from stream `subset`, the validation part from stream
    `split`, both by class, so that parts keep the proportions of the classes.

    Raises:
        NotationError: a line of transformations cannot be read.
        UsageError: `limit` names a class that isn't there.
    """
    lines = {name: getattr(settings, name) for name in ("prepare", "augment", "corrupt")}
    steps = {name: _pipeline(name, text) for name, text in lines.items()}
    train, test = dataset.train, dataset.test
    if settings.channels is not None:
        train, test = (with_channels(part, settings.channels) for part in (train, test))
    if (static := steps["prepare"]) is not None:
        train, test = (
            transformed(part, static, streams.generator("noise", "prepare", name))
            for name, part in (("train", train), ("test", test))
        )
    published_train = train.pixels
    if settings.per_class is not None or settings.limit:
        most = _most_of_each(dataset.classes, settings)
        train = train.take(_subset(train.labels, most, streams.generator("subset")))
    validation = None
    if settings.validation > 0:
        train, validation = _split(train, settings.validation, streams.generator("split"))
    if settings.balance == "oversample":
        train = train.take(_oversampled(train.labels, streams.generator("subset", "oversample")))
    normalization = _normalization(settings.normalize, train.pixels)
    unit = _normalization("none", train.pixels)
    return Prepared(
        name=dataset.name,
        classes=dataset.classes,
        train=train,
        validation=validation,
        test=test,
        published_train=published_train,
        published_size=dataset.shape[1],
        inputs=normalization,
        targets=normalization if settings.target == "normalized" else unit,
        augment=steps["augment"],
        corrupt=steps["corrupt"],
    )


def _pipeline(name: str, text: str) -> Transform | None:
    try:
        return pipeline(text) if text else None
    except NotationError as error:
        raise error.at(f"data.{name}") from None


def with_channels(images: Images, channels: int) -> Images:
    """Grey images as three equal channels, colour images as their luma."""
    have = images.pixels.shape[1]
    if have == channels:
        return images
    if channels == 3:
        return Images(images.pixels.expand(-1, 3, -1, -1).contiguous(), images.labels)
    # Luma of ITU-R BT.601, as Pillow's conversion to grey has it.
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    grey = torch.cat(
        [(part.float() * weights).sum(1, keepdim=True) for part in images.pixels.split(4096)]
    )
    return Images(grey.round_().to(torch.uint8), images.labels)


def _most_of_each(classes: tuple[str, ...], settings: DataSettings) -> list[int | None]:
    """How many training images of each class are kept; None for all of them."""
    if unknown := sorted(set(settings.limit) - set(classes)):
        raise UsageError(f"data.limit: no class {unknown[0]!r}; {suggest(unknown[0], classes)}")
    return [settings.limit.get(name, settings.per_class) for name in classes]


def _subset(labels: Tensor, most: list[int | None], generator: torch.Generator) -> Tensor:
    """Indices, in order, of up to `most[c]` images of class c, drawn without replacement."""
    chosen = []
    for label in labels.unique():
        members = (labels == label).nonzero().flatten()
        order = torch.randperm(len(members), generator=generator)
        chosen.append(members[order[: most[int(label)]]])
    return torch.cat(chosen).sort().values


def _oversampled(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Indices that hold every image once and those of smaller classes as often as it takes.

    Whole copies first, then a draw without replacement: with half as many images as the largest
    class each is there twice, as in study S0.
    """
    largest = int(torch.bincount(labels).max())
    chosen = []
    for label in labels.unique():
        members = (labels == label).nonzero().flatten()
        copies, rest = divmod(largest, len(members))
        drawn = members[torch.randperm(len(members), generator=generator)[:rest]]
        chosen += [members.repeat(copies), drawn]
    return torch.cat(chosen).sort().values


def _split(
    images: Images, share: float, generator: torch.Generator
) -> tuple[Images, Images | None]:
    held_out = []
    for label in images.labels.unique():
        members = (images.labels == label).nonzero().flatten()
        count = round(len(members) * share)
        held_out.append(members[torch.randperm(len(members), generator=generator)[:count]])
    held = torch.cat(held_out).sort().values
    if len(held) == 0 or len(held) == len(images):
        return images, None
    rest = torch.ones(len(images), dtype=torch.bool)
    rest[held] = False
    return images.take(rest.nonzero().flatten()), images.take(held)


def transformed(images: Images, transform: Transform, generator: torch.Generator) -> Images:
    """Transform all images, some at a time, and keep them as uint8."""
    parts = []
    for part in images.pixels.split(2048):
        changed = transform(part, generator)
        if changed.dtype != torch.uint8:
            changed = changed.mul(255).round_().clamp_(0, 255).to(torch.uint8)
        parts.append(changed)
    return Images(torch.cat(parts), images.labels)


def _normalization(kind: str, pixels: Tensor) -> Normalization:
    channels = pixels.shape[1]
    if kind == "none":
        return Normalization(torch.zeros(channels, 1, 1), torch.ones(channels, 1, 1))
    if kind == "imagenet":
        mean, deviation = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_DEVIATION)
        if channels == 1:
            mean, deviation = mean.mean(0, keepdim=True), deviation.mean(0, keepdim=True)
        return Normalization(mean.view(-1, 1, 1), deviation.view(-1, 1, 1))
    return _measured(pixels)


def _measured(pixels: Tensor) -> Normalization:
    """Mean and deviation a channel over all pixels, exact from a histogram of the 256 values."""
    values = torch.arange(256, dtype=torch.float64) / 255
    means, deviations = [], []
    for channel in pixels.unbind(1):
        counts = torch.zeros(256, dtype=torch.float64)
        for part in channel.split(4096):
            counts += torch.bincount(part.flatten().to(torch.int32), minlength=256)
        shares = counts / counts.sum()
        mean = (shares * values).sum()
        means.append(mean)
        deviations.append((shares * (values - mean) ** 2).sum().sqrt().clamp_min(1e-3))
    shape = (-1, 1, 1)
    return Normalization(
        torch.stack(means).float().view(shape), torch.stack(deviations).float().view(shape)
    )
