"""How far the settings that a small folder gets by itself are from the best of a small search."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

import wye
from wye.data.sources import load

TESTED = 2_000
"""Images that accuracy is measured on: far more than a user has, so that a point is a point."""
FRESH = (1, 2)
"""The seeds of the comparison: the variant was chosen by another, so that luck chooses nothing."""
VARIANTS: dict[str, tuple[float, float, float]] = {
    "batch / 2": (0.5, 1, 1),
    "batch x 2": (2, 1, 1),
    "epochs / 2": (1, 0.5, 1),
    "epochs x 2": (1, 2, 1),
    "rate / 2": (1, 1, 0.5),
    "rate x 2": (1, 1, 2),
}
"""By what batch, epochs and rate are multiplied."""
CORNERS = {"triangle": 3, "square": 4, "pentagon": 5, "star": 10, "ring": 40, "bar": 4}
COUNTS = {"triangle": 90, "square": 70, "pentagon": 55, "star": 40, "ring": 30, "bar": 15}
"""The drawings of each class, 300 in all."""


class Line(NamedTuple):
    """One training: what was set, and what came of it."""

    folder: str
    variant: str
    seed: int
    batch_size: int
    epochs: int
    rate: float
    accuracy: float
    seconds: float


@dataclass(frozen=True)
class Folder:
    """A folder of own images with a large test part."""

    title: str
    fill: Callable[[Path], None]


def drawing(kind: str, number: int) -> Image.Image:
    """The outline of a figure in a colour, of random size, place and turn, on white."""
    random = np.random.default_rng([number, *kind.encode()])
    side = int(random.integers(32, 60))
    radius = side * random.uniform(0.2, 0.42)
    middle = random.uniform(radius, side - radius, 2)
    turn = random.uniform(0, 2 * math.pi)
    count = CORNERS[kind]
    flat = random.uniform(0.15, 0.4) if kind == "bar" else 1.0
    corners = []
    for place in range(count):
        angle = 2 * math.pi * place / count + math.pi / 4
        length = radius * (0.45 if kind == "star" and place % 2 else 1)
        x, y = length * math.cos(angle), flat * length * math.sin(angle)
        corners.append(
            (
                middle[0] + x * math.cos(turn) - y * math.sin(turn) + random.normal(0, 0.7),
                middle[1] + x * math.sin(turn) + y * math.cos(turn) + random.normal(0, 0.7),
            )
        )
    picture = Image.new("RGB", (side, side), "white")
    colour = tuple(int(value) for value in random.integers(0, 200, 3))
    lines = [*corners, corners[0], corners[1]]
    ImageDraw.Draw(picture).line(lines, colour, int(random.integers(1, 4)), "curve")
    return picture


def drawings(root: Path) -> None:
    """300 drawings in six unequal classes, and as many test images of each class."""
    for kind, count in COUNTS.items():
        tested = TESTED // len(COUNTS)
        for part, numbers in (("train", range(count)), ("test", range(1_000, 1_000 + tested))):
            place = root / part / kind
            place.mkdir(parents=True, exist_ok=True)
            for number in numbers:
                drawing(kind, number).save(place / f"{number}.png")


def cut(name: str, count: int) -> Callable[[Path], None]:
    """Images of a data set by name as files: `count` to train with, of all classes as many."""

    def fill(root: Path) -> None:
        parts = load(name)
        for part, images, each in (
            ("train", parts.train, count // len(parts.classes)),
            ("test", parts.test, TESTED // len(parts.classes)),
        ):
            for label, kind in enumerate(parts.classes):
                place = root / part / kind.replace("/", " or ")
                place.mkdir(parents=True, exist_ok=True)
                chosen = (images.labels == label).nonzero().view(-1)[:each]
                for number, pixels in zip(chosen.tolist(), images.pixels[chosen], strict=True):
                    array = pixels.permute(1, 2, 0).squeeze(2).numpy()
                    Image.fromarray(array).save(place / f"{number}.png")

    return fill


FOLDERS = (
    Folder("300 drawings, 6 unequal classes", drawings),
    Folder("500 of Fashion-MNIST, 10 classes", cut("fashion-mnist", 500)),
    Folder("1,000 of CIFAR-10, 10 classes", cut("cifar10", 1_000)),
)


def searched(folder: Folder, images: Path, runs: Path, **further: Any) -> list[Line]:
    """Train once with every variant, then again, by other seeds, with the defaults and the best.

    A run that is finished in `runs` is not trained again.

    Args:
        images: where the folder is made, if it is not there.
        further: settings of every run, to make it shorter.
    """
    if not images.exists():
        folder.fill(images)

    def trained(variant: str, seed: int, train: Mapping[str, Any]) -> Line:
        name = variant.replace(" ", "").replace("/", "-")
        run = wye.train(
            str(images),
            seed=seed,
            out=runs / images.name / name / f"seed-{seed}",
            resume=True,
            progress=False,
            train=train,
            **further,
        )
        result = run.result
        assert result is not None  # it has just ended
        used, accuracy = run.recipe.train, run.figures["accuracy"]
        seconds = result["seconds"]["total"]
        chosen = used.batch_size, used.epochs, used.lr
        return Line(folder.title, variant, seed, *chosen, accuracy, seconds)

    first = trained("defaults", 0, {})
    settings: dict[str, dict[str, Any]] = {"defaults": {}}
    for variant, (batch, epochs, rate) in VARIANTS.items():
        settings[variant] = {
            "batch_size": round(first.batch_size * batch),
            "epochs": round(first.epochs * epochs),
            "lr": first.rate * rate,
        }
    lines = [first, *(trained(variant, 0, settings[variant]) for variant in VARIANTS)]
    best = max(lines[1:], key=lambda line: line.accuracy).variant
    for variant in ("defaults", best):
        lines += [trained(variant, seed, settings[variant]) for seed in FRESH]
    return lines


def table(lines: Iterable[Line]) -> str:
    """All trainings of a folder, a line per variant."""
    of: dict[str, list[Line]] = {}
    for line in lines:
        of.setdefault(line.variant, []).append(line)
    text = "| settings | batch | epochs | rate | accuracy, % | with other seeds | seconds |\n"
    text += "|---|---:|---:|---:|---:|---:|---:|\n"
    for variant, (first, *others) in of.items():
        again = ", ".join(f"{100 * line.accuracy:.1f}" for line in others)
        text += (
            f"| {variant} | {first.batch_size} | {first.epochs} | {first.rate:.3g} |"
            f" {100 * first.accuracy:.1f} | {again} | {first.seconds:.0f} |\n"
        )
    return text


def verdict(lines: Sequence[Line]) -> str:
    """How far the defaults are from the best variant, on the seeds that did not choose it."""
    means = {
        variant: statistics.fmean(each.accuracy for each in again)
        for variant in {line.variant for line in lines}
        if (again := [line for line in lines if line.variant == variant and line.seed in FRESH])
    }
    ours = means.pop("defaults")
    [(best, theirs)] = means.items()
    gap = 100 * (theirs - ours)
    side = "below" if gap > 0 else "above"
    return (
        f"The best besides the defaults is *{best}*; with other seeds the defaults are"
        f" {abs(gap):.1f} points {side} it."
    )
