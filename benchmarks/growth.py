"""How time and memory grow: with the data, with the size of images, with the rows of a study."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks import speed
from benchmarks.result import Finding, Repeats, Result, Table, shown
from benchmarks.settings import Benchmark, Found, Settings
from wye.jobs.plan import plan
from wye.metrics import number
from wye.recipe.overrides import validated
from wye.studies.load import load_study, row_settings

TIMES = (1, 4, 16)
CLASSES = 10
SIDE = 64
"""Of the images in the folders, in px."""
BATCH = 128


class OfData(Finding):
    """Training on a folder of images.

    Attributes:
        images: in the folder, the fifth that is held out for the test included.
        pixels_mb: what their pixels take, in MB.
        load_seconds: until training begins.
    """

    images: int
    pixels_mb: float
    images_per_second: Repeats
    load_seconds: Repeats
    peak_mb: Repeats


class OfSize(Finding):
    """Training on images of one size."""

    side: int
    images_per_second: Repeats
    peak_mb: Repeats


class OfRows(Finding):
    """A study of so many rows: seconds to read and resolve all of them, and to plan their runs."""

    rows: int
    listing_seconds: Repeats
    planning_seconds: Repeats


class Growth(Result):
    """What `growth` found."""

    by_data: tuple[OfData, ...]
    by_size: tuple[OfSize, ...]
    by_rows: tuple[OfRows, ...]

    def remarks(self) -> list[str]:
        """How much more the most takes than the least."""
        first, last = self.by_data[0], self.by_data[-1]
        times = last.images / first.images
        few, many = self.by_rows[0], self.by_rows[-1]
        grown = many.listing_seconds.median / few.listing_seconds.median
        more = last.peak_mb.median - first.peak_mb.median
        pixels = last.pixels_mb - first.pixels_mb
        rate = last.images_per_second.median / first.images_per_second.median
        return [
            f"With {number(times)} times the images, training runs at {shown(rate)} times the speed"
            f" and needs {shown(more, 'MB')} more memory, for {shown(pixels, 'MB')} more pixels.",
            f"With {number(many.rows / few.rows)} times the rows, listing takes"
            f" {shown(grown)} times as long.",
        ]

    def tables(self) -> list[Table]:
        """By data, by image size, by rows."""
        return [
            Table(
                ("images", "pixels, MB", "images/s", "until training, s", "peak memory, MB"),
                [
                    (
                        f"{each.images:,}",
                        shown(each.pixels_mb),
                        str(each.images_per_second),
                        str(each.load_seconds),
                        str(each.peak_mb),
                    )
                    for each in self.by_data
                ],
                title=f"A folder of images of {SIDE} px, in batches of {BATCH}",
            ),
            Table(
                ("image size", "images/s", "peak memory, MB"),
                [
                    (f"{each.side} px", str(each.images_per_second), str(each.peak_mb))
                    for each in self.by_size
                ],
                title=f"Images of one folder at several sizes, in batches of {BATCH}",
            ),
            Table(
                ("rows of a study", "reading and resolving, s", "planning the runs, s"),
                [
                    (f"{each.rows:,}", str(each.listing_seconds), str(each.planning_seconds))
                    for each in self.by_rows
                ],
            ),
        ]


def run(settings: Settings) -> Growth:
    """The three, one after the other; the sizes of each in turn."""
    with tempfile.TemporaryDirectory() as place:
        return Growth(
            by_data=_by_data(settings, Path(place, "data")),
            by_size=_by_size(settings, Path(place, "size")),
            by_rows=_by_rows(settings, Path(place)),
        )


def _by_data(settings: Settings, place: Path) -> tuple[OfData, ...]:
    measures = {}
    for count in (times * settings.scale.folder for times in TIMES):
        folder = write_folder(place / str(count), count)
        measures[count] = _speed(settings, folder, SIDE)
    return tuple(
        OfData(
            images=count,
            pixels_mb=count * 3 * SIDE**2 / 1e6,
            images_per_second=_repeats(each, "images_per_second"),
            load_seconds=_repeats(each, "setup_seconds"),
            peak_mb=_repeats(each, "peak_mb"),
        )
        for count, each in settings.alternately(measures).items()
    )


def _by_size(settings: Settings, place: Path) -> tuple[OfSize, ...]:
    folder = write_folder(place, settings.scale.folder)
    measures = {side: _speed(settings, folder, side) for side in settings.scale.sides}
    return tuple(
        OfSize(
            side=side,
            images_per_second=_repeats(each, "images_per_second"),
            peak_mb=_repeats(each, "peak_mb"),
        )
        for side, each in settings.alternately(measures).items()
    )


def _speed(settings: Settings, folder: Path, side: int) -> Callable[[], Found]:
    scale = settings.scale
    changed = {"data": {"image_size": side, "validation": 0.0}, "train": {"batch_size": BATCH}}
    arguments = {
        "target": str(folder),
        "overrides": changed,
        "precision": settings.precisions[-1],
        "device": settings.device,
        "steps": scale.steps_of(BATCH, side),
        "warm_up": scale.warm_up,
    }
    return partial(settings.carry_out, speed.measure, arguments)


def _by_rows(settings: Settings, place: Path) -> tuple[OfRows, ...]:
    files = {
        count: write_study(place / f"made{count}.yaml", count) for count in settings.scale.rows
    }
    _study(next(iter(files.values())), place)  # what the first study of all waits for
    measures = {count: partial(_study, file, place) for count, file in files.items()}
    return tuple(
        OfRows(
            rows=count,
            listing_seconds=_repeats(each, "listing"),
            planning_seconds=_repeats(each, "planning"),
        )
        for count, each in settings.alternately(measures).items()
    )


def _study(file: Path, root: Path) -> Found:
    """Read a study, resolve its rows as `wye list` does, and plan a run of each."""
    start = time.perf_counter()
    among = {file.stem: load_study(file)}
    names = [f"{file.stem}/{row}" for row in among[file.stem].rows]
    recipes = [validated(row_settings(name, among)) for name in names]
    listed = time.perf_counter()
    plan(recipes, root)
    return {"listing": listed - start, "planning": time.perf_counter() - listed}


def _repeats(found: list[Found], name: str) -> Repeats:
    return Repeats.of(each[name] for each in found)


def write_folder(folder: Path, count: int) -> Path:
    """Images of noise in ten classes, as files that take no time to decode."""
    generator = np.random.default_rng(0)
    for label in range(CLASSES):
        (folder / f"class{label}").mkdir(parents=True)
    head = f"P6 {SIDE} {SIDE} 255\n".encode()
    for index in range(count):
        pixels = generator.integers(0, 256, SIDE * SIDE * 3, dtype=np.uint8)
        path = folder / f"class{index % CLASSES}" / f"{index}.ppm"
        path.write_bytes(head + pixels.tobytes())
    return folder


def write_study(path: Path, count: int) -> Path:
    """A study of made-up rows, half of them like the one before."""
    rows: dict[str, Any] = {}
    for index in range(count):
        rows[f"row{index}"] = {"train": {"lr": 0.001 * (index + 1)}}
        if index % 2:
            rows[f"row{index}"]["like"] = f"row{index - 1}"
    shared = {
        "data": {"name": "shapes"},
        "encoder": "C'(32) > C(32)",
        "classifier": "C(64) > L(128) > L'(classes)",
        "train": {"epochs": 10},
    }
    path.write_text(yaml.safe_dump({"title": "Made up", "shared": shared, "rows": rows}))
    return path


BENCHMARK = Benchmark(
    "Growth",
    "Speed and peak memory of training at 1, 4 and 16 times the data (a folder of generated"
    " images, as `wye train FOLDER` takes it), against the size of the images, and the time to"
    " list and to plan studies of made-up rows. Each training is in a process of its own.",
    run,
)
