"""See the package."""

from __future__ import annotations

import argparse
import datetime
import json
import logging
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import matplotlib.backends.backend_svg  # noqa: F401  (loaded once, before the forks)
import torch
import torch._dynamo

import wye.api
import wye.cli.training  # noqa: F401
from benchmarks.borders import BORDERS, Borders, try_some
from benchmarks.soak.commands import Command
from benchmarks.soak.long import many_runs
from benchmarks.soak.page import Document, Inputs, page
from benchmarks.soak.processes import kill_cluster, kill_ranks, kill_studies
from benchmarks.soak.sharing import share
from benchmarks.soak.writers import Kills, Server, draw_shapes_once, kill, writers
from wye.runs.environment import environment

COUNTS = {"train": 100, "results": 60, "report": 40, "fetch": 80, "torchscript": 30, "onnx": 10}
COUNTS |= {"embed": 10, "plot": 40}
RANKS, STUDIES, CLUSTER, RUNS, INPUTS = 30, 24, 6, 200, 20_000
SLOW = {"checkpoint": 0.05, "report": 0.05}
SEED = 0


def main() -> None:
    """Do all of it, or a part of each, and write the page; status 1 if anything was lost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--out", type=Path, help="the page; printed if not given")
    parser.add_argument("--part", type=float, default=1.0, help="of the usual numbers")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory(prefix="wye-soak-") as folder:
        os.environ["WYE_CACHE"] = str(Path(folder) / "cache")
        document = _document(Path(folder), asked.part)
    text = page(document)
    if asked.out:
        asked.out.write_text(text)
    else:
        print(text)
    sys.exit(bool(document.lost))


def _document(place: Path, part: float) -> Document:
    start, begun = time.perf_counter(), datetime.datetime.now(datetime.UTC)
    draw_shapes_once()
    server = Server(place / "server")
    kills: list[Kills] = []

    def some(count: int) -> int:
        return max(round(count * part), 1)

    def add(found: list[Kills]) -> None:
        kills.extend(found)
        for each in found:
            print(f"{each.what}: {each.kills} kills, {len(each.lost)} lost", file=sys.stderr)

    try:
        for number, writer in enumerate(writers(place)):
            count = next(n for word, n in COUNTS.items() if word in writer.what)
            add([kill(writer, some(count), place / f"writer-{number}", SEED + number)])
        add([kill_ranks(some(RANKS), place / "ranks", SEED)])
        add(kill_studies(some(STUDIES), place / "studies", SEED))
        add(kill_cluster(some(CLUSTER), place / "cluster", SEED))
        shared = share(place / "shared", server)
    finally:
        server.process.kill()
    growth, interrupted = many_runs(some(RUNS), place / "long", SEED)
    inputs = [_inputs(border, some(INPUTS), place) for border in BORDERS]
    here = environment(torch.device("cpu"), "fp32", "")
    return Document(
        command=shlex.join(["python", "-m", "benchmarks.soak", *sys.argv[1:]]),
        begun=begun.isoformat(timespec="seconds"),
        seconds=time.perf_counter() - start,
        seed=SEED,
        environment=here,
        kills=kills,
        shared=shared,
        runs=some(RUNS),
        interrupted=interrupted,
        growth=growth,
        inputs=inputs,
    )


def _inputs(border: str, count: int, place: Path) -> Inputs:
    """Generated inputs at a border, tried in a process of its own."""
    folder, log = place / f"border-{border}", place / f"border-{border}.log"
    folder.mkdir()

    def attempt() -> None:
        logging.disable(logging.WARNING)
        found = try_some(
            Borders(folder), border, max(round(count * SLOW.get(border, 0.18)), 1), go_on=True
        )
        (folder / "found.json").write_text(
            json.dumps([found.inputs, found.accepted, found.refused, found.slowest, found.faults])
        )

    run: Callable[[], None] = attempt
    status = Command.calling(run, log=log).wait(3600)
    if status != 0:
        return Inputs(border, 0, 0, 0, 0.0, [f"status {status}: {log.read_text()[-500:]}"])
    return Inputs(border, *json.loads((folder / "found.json").read_text()))


if __name__ == "__main__":
    main()
