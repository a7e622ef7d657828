"""Eight processes at once on one cache, run, study, file of results and report."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from benchmarks.soak.commands import Command, content, differences, done
from benchmarks.soak.writers import ROW, Kills, Server, recipe_file
from wye.evidence.results import read
from wye.runs.journal import Journal

MANY = 8


def share(place: Path, server: Server) -> list[Kills]:
    """Let eight processes do the same at once, and compare with one that did it alone."""
    place.mkdir()
    log = place / "log"
    runs = [place / "runs" / f"seed-{seed}" for seed in range(MANY)]
    for seed, run in enumerate(runs):
        done(*ROW, "--seed", seed, "--out", run, log=log)

    def at_once(words: Iterable[list[object]], allowed: tuple[int, ...] = (0,)) -> list[str]:
        commands = [Command.of(*each, log=log) for each in words]
        ended = [command.wait() for command in commands]
        return [f"status {status}" for status in ended if status not in allowed]

    def check(what: str, lost: list[str], clock: float) -> Kills:
        return Kills(what, lost=lost, seconds=time.perf_counter() - clock)

    found = []
    clock, before = time.perf_counter(), os.environ["WYE_CACHE"]
    os.environ["WYE_CACHE"] = str(place / "cache")
    server.requests.unlink(missing_ok=True)
    lost = at_once([["data", "fetch", "mnist"]] * MANY)
    asked = len(server.requests.read_text().splitlines())
    lost += [f"downloaded {asked} times"] * (asked != 1)
    os.environ["WYE_CACHE"] = before
    found.append(check("one cache: downloaded once", lost, clock))

    clock, recipe = time.perf_counter(), recipe_file(place / "one.yaml")
    train: list[object] = ["train", recipe, "--resume", "--out"]
    done(*train, place / "alone", log=log)
    lost = at_once([[*train, place / "shared"]] * MANY, (0, 2))
    lost += differences(content(place / "shared"), content(place / "alone"))
    lost += _done_once(place / "shared")
    found.append(check("one run: trained by one, the others are told", lost, clock))

    clock = time.perf_counter()
    study: list[object] = ["study", recipe, "--seeds", "4", "--workers", "1", "--runs"]
    done(*study, place / "study-alone", log=log)
    lost = at_once([[*study, place / "study-shared"]] * MANY)
    lost += differences(content(place / "study-shared"), content(place / "study-alone"))
    lost += _done_once(place / "study-shared")
    found.append(check("one study: each run done once", lost, clock))

    clock = time.perf_counter()
    lost = at_once([["results", "add", run, "--to", place / "records"] for run in runs])
    kept = len(list(read(place / "records")))
    lost += [f"{kept} records of {MANY}"] * (kept != MANY)
    found.append(check("one file of results: every record is there", lost, clock))

    clock = time.perf_counter()
    report: list[object] = ["report", place / "runs", "--out"]
    done(*report, place / "report-alone", log=log)
    lost = at_once([[*report, place / "report-shared"]] * MANY)
    lost += differences(content(place / "report-shared"), content(place / "report-alone"))
    found.append(check("one report: whole pages", lost, clock))
    return found


def _done_once(folder: Path) -> list[str]:
    lost = []
    for path in folder.rglob("journal.jsonl"):
        events = [line["event"] for line in Journal(path).events()]
        if events.count("finished") != 1:
            lost.append(f"{path.parent.name}: done {events.count('finished')} times")
    return lost
