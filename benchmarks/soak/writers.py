"""Kills of whatever writes: each is repeated, and must end as one that nothing hit."""

from __future__ import annotations

import dataclasses
import http.server
import json
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from benchmarks.borders import SMALL
from benchmarks.soak.commands import Command, Undisturbed, content, differences, done
from wye.data.catalog import DATASETS, Generated, Published, Way, content_hash
from wye.data.download import https
from wye.data.images import Images
from wye.evidence.results import read
from wye.runs.folder import RunFolder
from wye.runs.run import Run


@dataclass
class Kills:
    """What became of one kind of command.

    Attributes:
        kills: how often it was killed.
        ended: how often it was through before the blow fell.
        lost: what was not as in the command that nothing hit; should be empty.
    """

    what: str
    kills: int = 0
    ended: int = 0
    lost: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Writer:
    """A command that writes below a folder.

    Attributes:
        words: of the command, given the folder.
        ready: makes the folder as it is before the command.
        whole: raises if what a kill left cannot be read.
        again: how often it may be hit before it is let through.
        in_cache: the folder is the cache.
    """

    what: str
    words: Callable[[Path], list[object]]
    ready: Callable[[Path], Any] = Path.mkdir
    whole: Callable[[Path], Any] = content
    again: int = 1
    in_cache: bool = False

    def environment(self, folder: Path) -> dict[str, str]:
        """What the environment holds besides: a cache of its own, for what writes there."""
        return {"WYE_CACHE": str(folder)} if self.in_cache else {}


def kill(writer: Writer, count: int, place: Path, seed: int) -> Kills:
    """Kill a writer `count` times, let it through each time, and compare."""
    started = time.perf_counter()
    draw, kills, log = random.Random(seed), Kills(writer.what), place / "log"
    place.mkdir()
    reference, folder = place / "reference", place / "killed"
    writer.ready(reference)
    where = writer.environment(reference)
    undisturbed = Undisturbed.of(*writer.words(reference), log=log, environment=where)
    wanted = content(reference)
    while kills.kills < count and kills.ended < 10 * count:
        writer.ready(folder)
        where = writer.environment(folder)
        for _ in range(draw.randint(1, writer.again)):
            hit = undisturbed.strike(draw, *writer.words(folder), log=log, environment=where)
            kills.kills += hit
            kills.ended += not hit
            try:
                writer.whole(folder)
            except Exception as error:
                kills.lost.append(f"{type(error).__name__}: {error}")
        try:
            done(*writer.words(folder), log=log, environment=where)
            kills.lost += differences(content(folder), wanted)
        except AssertionError as error:
            kills.lost.append(str(error))
        shutil.rmtree(folder)
    kills.seconds = time.perf_counter() - started
    return kills


def readable(folder: Path) -> None:
    """Whether what is left of a run can be read, and no kept epoch was trained twice."""
    if not RunFolder(folder).holds_run:
        return
    run = Run(folder)
    _ = run.recipe, run.result
    events = run.folder.journal.events()
    epochs = Counter(event["epoch"] for event in events if event["event"] == "epoch")
    assert all(count == 1 for count in epochs.values()), f"epochs trained twice: {epochs}"
    assert len(run.metrics) >= len(epochs), "epochs are gone"


PHASES = [
    {"epochs": 2, "loss": {"alpha": 0}},
    {"epochs": 2, "loss": {"beta": 0}, "freeze": ["encoder[0]"], "schedule": "one-cycle"},
]
RECIPES: dict[str, dict[str, Any]] = {
    "training in two phases": {"phases": PHASES, "train": {"epochs": 4}},
    "training that keeps the best epoch": {
        "train": {"epochs": 4, "optimizer": "sgd", "momentum": 0.9},
        "evaluation": {"selection": "best", "watch_test": True},
    },
}


def recipe_file(path: Path, **changes: Any) -> Path:
    """The small recipe with some of its parts added to or replaced, in a file."""
    document: dict[str, Any] = {key: part for key, part in SMALL.items() if key != "row"}
    for key, part in changes.items():
        document[key] = {**document.get(key, {}), **part} if isinstance(part, dict) else part
    path.write_text(yaml.safe_dump(document))
    return path


def writers(place: Path) -> list[Writer]:
    """Every writer that is one command, its needs made below `place`."""
    log, seeds = place / "log", range(3)
    found = []
    for number, (what, changes) in enumerate(RECIPES.items()):
        recipe = recipe_file(place / f"recipe{number}.yaml", **changes)
        words = partial(_train, recipe)
        found.append(Writer(f"`wye train`: {what}", words, _none, readable, again=3))
    runs = [place / "runs" / f"seed-{seed}" for seed in seeds]
    for seed, run in zip(seeds, runs, strict=True):
        done(*ROW, "--seed", seed, "--out", run, log=log)
    one = runs[0]
    add = Writer(
        "`wye results add`",
        lambda folder: ["results", "add", *runs, "--to", folder],
        partial(_with_record, runs[0], log),
        lambda folder: list(read(folder)),
    )
    report = Writer("`wye report`", lambda out: ["report", place / "runs", "--out", out])
    fetch = Writer(
        "`wye data fetch` from a server", lambda _: ["data", "fetch", "mnist"], in_cache=True
    )
    exports = [
        Writer(
            f"`wye export --format {form}`",
            lambda out, form=form, name=name: [  # type: ignore[misc]
                *("export", one, "--format", form, "--out", out / name)
            ],
        )
        for form, name in {"torchscript": "model.pt", "onnx": "model.onnx"}.items()
    ]
    embed = Writer("`wye embed`", lambda out: ["embed", one, "shapes", "--out", out / "a.npz"])
    plot = Writer("`wye plot`", lambda out: ["plot", one, "--what", "all", "--out", out / "plots"])
    return [*found, add, report, fetch, *exports, embed, plot]


ROW = ["train", "joint/v1", "data=shapes", "data.per_class=4", "train.epochs=1"]
ROW += ["train.precision=fp32"]


def _train(recipe: Path, folder: Path) -> list[object]:
    return ["train", recipe, "--resume", "--out", folder]


def _none(folder: Path) -> None:
    """The command makes its folder."""


def _with_record(run: Path, log: Path, folder: Path) -> None:
    done("results", "add", run, "--to", folder, log=log)


def draw_shapes_once() -> None:
    """Generate `shapes` now, for every process that is forked from this one."""
    source = DATASETS["shapes"]
    assert isinstance(source, Generated)
    drawn = cache(source.generate)
    drawn()
    DATASETS._entries["shapes"] = dataclasses.replace(source, generate=drawn)


class Server:
    """A web server of this machine with a small data set that is called MNIST meanwhile."""

    def __init__(self, place: Path) -> None:
        self.requests = place / "requests"
        parts = _small_set(place / "files")
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), partial(_Slow, self.requests, directory=str(place / "files"))
        )
        self.process = Command.calling(server.serve_forever, log=place / "log")
        server.server_close()
        way = Way("server", https(f"http://127.0.0.1:{server.server_port}/mnist.npz"))
        source = DATASETS["mnist"]
        assert isinstance(source, Published)
        DATASETS._entries["mnist"] = dataclasses.replace(
            source, content=content_hash(parts), sizes=(200, 50), ways=(way,)
        )


def _small_set(folder: Path) -> tuple[Images, Images]:
    """Random images in the form of MNIST, and in a file."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(0)
    parts: list[Images] = []
    arrays: dict[str, Any] = {}
    for part, count in (("train", 200), ("test", 50)):
        pixels = draw.integers(0, 256, (count, 28, 28), np.uint8)
        labels = draw.integers(0, 10, count, np.uint8)
        arrays |= {f"x_{part}": pixels, f"y_{part}": labels}
        images = torch.from_numpy(pixels).unsqueeze(1)
        parts.append(Images(images, torch.from_numpy(labels).long()))
    np.savez(folder / "mnist.npz", **arrays)
    return parts[0], parts[1]


class _Slow(http.server.SimpleHTTPRequestHandler):
    """Sends a file in pieces, so that a kill falls between two of them."""

    def __init__(self, requests: Path, *arguments: Any, **settings: Any) -> None:
        self.requests = requests
        super().__init__(*arguments, **settings)

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """See `SimpleHTTPRequestHandler`."""
        with self.requests.open("a") as file:
            file.write(json.dumps(self.path) + "\n")
        while piece := source.read(1 << 14):
            outputfile.write(piece)
            time.sleep(0.01)

    def log_message(self, *arguments: Any) -> None:
        """Nothing."""
