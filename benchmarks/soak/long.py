"""Many short runs in one process, some of them interrupted: what grows?"""

from __future__ import annotations

import gc
import json
import os
import random
import shutil
import signal
import statistics
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import wye
from benchmarks.borders import small_recipe
from benchmarks.soak.commands import Command
from wye.evidence.collect import by_row
from wye.report import write_report
from wye.runs.records import Record
from wye.runs.run import Run


@dataclass(frozen=True)
class Growth:
    """A number of one process over its runs: the median of the early ones and of the late ones."""

    what: str
    early: float
    late: float
    most: float

    @property
    def flat(self) -> bool:
        """Whether it grew by no more than it may."""
        return self.late - self.early <= self.most


MEASURES: dict[str, tuple[Callable[[], float], float]] = {
    "memory in MB": (lambda: _memory() / 1e6, 30.0),
    "open handles": (lambda: len(os.listdir("/proc/self/fd")), 0.0),
    "threads": (lambda: len(os.listdir("/proc/self/task")), 0.0),
    "temporary files": (lambda: len(os.listdir(tempfile.gettempdir())), 0.0),
    "files of the cache": (lambda: sum(1 for _ in Path(os.environ["WYE_CACHE"]).rglob("*")), 0.0),
}


def _memory() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def many_runs(count: int, place: Path, seed: int) -> tuple[list[Growth], int]:
    """Do `count` runs in one process; what of it grew, and how often a run was interrupted.

    Raises:
        AssertionError: a run did not end as it should.
    """
    place.mkdir()
    (place / "tmp").mkdir()
    log, answers = place / "log", place / "answers.json"
    environment = {"TMPDIR": str(place / "tmp"), "WYE_CACHE": str(place / "cache")}
    command = Command.calling(
        lambda: answers.write_text(json.dumps(_runs(count, place, random.Random(seed)))),
        log=log,
        environment=environment,
    )
    assert command.wait(3600) == 0, log.read_text()[-2000:]
    found = json.loads(answers.read_text())
    rows, interrupted = found["rows"], found["interrupted"]
    tenth = max(len(rows) // 10, 1)
    grown = []
    for number, (what, (_, most)) in enumerate(MEASURES.items()):
        values = [row[number] for row in rows]
        early, late = values[2 * tenth : 3 * tenth], values[-tenth:]
        grown.append(Growth(what, statistics.median(early), statistics.median(late), most))
    return grown, interrupted


def _runs(count: int, place: Path, draw: random.Random) -> dict[str, object]:
    tempfile.tempdir = None  # look at TMPDIR again
    (place / "cache").mkdir()
    rows, interrupted, recipe = [], 0, small_recipe()
    kept = wye.train(recipe, out=place / "first")
    weights = (kept.path / "model.safetensors").read_bytes()
    for number in range(count):
        folder = place / "run"
        blow = threading.Timer(draw.uniform(0, 0.5), os.kill, (os.getpid(), signal.SIGINT))
        try:
            if draw.random() < 0.4:
                blow.start()
            wye.train(recipe, out=folder, resume=True)
            blow.cancel()
        except KeyboardInterrupt:
            interrupted += 1
        finally:
            while blow.is_alive():  # late: it falls on nothing
                try:
                    blow.join()
                except KeyboardInterrupt:
                    continue
        run = wye.train(recipe, out=folder, resume=True)
        assert (run.path / "model.safetensors").read_bytes() == weights
        wye.load(run)
        if number % 20 == 0:
            by_row([Record.of(kept)])
            write_report([Run(kept.path)], place / "site")
        shutil.rmtree(folder)
        gc.collect()
        rows.append([measure() for measure, _ in MEASURES.values()])
    return {"rows": rows, "interrupted": interrupted}
