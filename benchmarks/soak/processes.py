"""Kills of runs in several processes: ranks, studies with their workers, a Dask cluster."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from benchmarks.soak.commands import LONGEST, Command, content, differences, done
from benchmarks.soak.writers import PHASES, Kills, readable, recipe_file
from wye.machine import cores
from wye.runs.journal import Journal

EPOCHS = 40
LONG = {"train": {"epochs": EPOCHS, "batch_size": 10}, "data": {"per_class": 10}}


def kill_ranks(count: int, place: Path, seed: int) -> Kills:
    """Kill one of two processes that train one run together, as torchrun starts them."""
    started, draw = time.perf_counter(), random.Random(seed)
    kills, log = Kills("`torchrun … wye train`: one of two processes"), place / "log"
    place.mkdir()
    recipe = recipe_file(place / "recipe.yaml", phases=PHASES, train={"epochs": 4})
    reference, folder = place / "reference", place / "killed"

    def start(out: Path) -> list[Command]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        words = ["train", recipe, "--resume", "--out", out]
        shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_PORT": port}
        shared |= {"MASTER_ADDR": "127.0.0.1"}
        return [
            Command.of(*words, log=log, environment={**shared, "RANK": rank, "LOCAL_RANK": rank})
            for rank in "01"
        ]

    def through(out: Path) -> None:
        for command in start(out):
            status = command.wait()
            assert status == 0, f"{status}: {log.read_text()[-2000:]}"

    clock = time.perf_counter()
    through(reference)
    usual, wanted = time.perf_counter() - clock, content(reference)
    while kills.kills < count and kills.ended < 10 * count:
        both = start(folder)
        hit = draw.randrange(2)
        if both[hit].wait(draw.uniform(0, usual)) is None:
            kills.kills += both[hit].kill() == -signal.SIGKILL
            other = both[1 - hit]
            if other.wait(1.0) is None:  # torchrun ends the others
                other.kill(signal.SIGTERM)
        else:
            kills.ended += 1
            both[1 - hit].wait()
        try:
            readable(folder)
            through(folder)
            kills.lost += differences(content(folder), wanted)
        except Exception as error:
            kills.lost.append(f"{type(error).__name__}: {error}")
        shutil.rmtree(folder, ignore_errors=True)
    kills.seconds = time.perf_counter() - started
    return kills


def kill_studies(count: int, place: Path, seed: int) -> list[Kills]:
    """Kill workers of studies, studies alone, and studies with all their workers."""
    draw, log = random.Random(seed), place / "log"
    place.mkdir()
    recipe = recipe_file(place / "a.yaml", **LONG)
    words = ["study", recipe, "--seeds", "6", "--workers", "2", "--runs"]
    reference, folder = place / "reference", place / "killed"
    done(*words, reference, log=log)
    wanted = content(reference)
    blows = {
        "worker": Kills("`wye study`: a worker"),
        "command": Kills("`wye study`: the command, its workers end themselves"),
        "all": Kills("`wye study`: the command and its workers"),
    }
    while sum(kills.kills for kills in blows.values()) < count:
        finished = False
        while not finished:
            clock, blow = time.perf_counter(), draw.choice(list(blows))
            kills = blows[blow]
            command = Command.of(*words, folder, log=log)
            if blow == "worker":
                left = draw.randint(1, 3)
                while command.wait(draw.uniform(0.5, 5)) is None:
                    if left and (children := _children(command.pid)):
                        with suppress(ProcessLookupError):
                            os.kill(draw.choice(children), signal.SIGKILL)
                            kills.kills, left = kills.kills + 1, left - 1
                finished = True  # a run whose workers died thrice is left to the next study
            elif command.wait(draw.uniform(0.5, 8)) is None:
                if blow == "all":
                    kills.kills += command.kill() == -signal.SIGKILL
                else:
                    children = _children(command.pid)
                    os.kill(command.pid, signal.SIGKILL)
                    kills.kills += command.wait() == -signal.SIGKILL
                    kills.lost += _gone(children)
            else:
                finished = True
            kills.seconds += time.perf_counter() - clock
        lost = _as_wanted(words, folder, wanted, log)
        for kills in blows.values():
            kills.lost += lost
        shutil.rmtree(folder)
    return list(blows.values())


def _children(pid: int) -> list[int]:
    try:
        return [*map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    except OSError:
        return []


def _gone(processes: list[int], seconds: float = 30.0) -> list[str]:
    """What is still there after a while."""
    end = time.monotonic() + seconds
    while (left := [pid for pid in processes if Path(f"/proc/{pid}").exists()]) and (
        time.monotonic() < end
    ):
        time.sleep(0.05)
    return [f"process {pid} outlives its study" for pid in left]


def _as_wanted(words: list[object], folder: Path, wanted: dict[str, bytes], log: Path) -> list[str]:
    """What is not as in a study that nothing hit, after it was called once more."""
    try:
        done(*words, folder, log=log)
    except AssertionError as error:
        return [str(error)]
    lost = differences(content(folder), wanted)
    for path in folder.rglob("journal.jsonl"):
        said = [line["event"] for line in Journal(path).events()]
        epochs = Counter(
            line["epoch"] for line in Journal(path).events() if line["event"] == "epoch"
        )
        if said.count("finished") != 1 or any(n != 1 for n in epochs.values()):
            lost.append(f"{path.parent.name} was done twice")
    return lost


class _Cluster:
    """A Dask scheduler and two workers."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self.workers: list[subprocess.Popen[bytes]] = []
        self._start_scheduler()

    def _start_scheduler(self) -> None:
        self._about = self._place / "about.json"
        self._about.unlink(missing_ok=True)
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", self._about
        )
        end = time.monotonic() + LONGEST
        self.address = ""
        while not self.address and time.monotonic() < end:
            with suppress(OSError, ValueError):
                self.address = json.loads(self._about.read_text())["address"]
            time.sleep(0.05)

    def fill(self) -> None:
        """Have a scheduler and two workers again."""
        if self.scheduler.poll() is not None:
            self.close()
            self._start_scheduler()
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        while len(self.workers) < 2:
            # As many tasks as cores: each run computes with one thread, as in the reference.
            options: list[object] = [
                "--scheduler-file",
                self._about,
                "--nthreads",
                cores(),
                "--no-nanny",
            ]
            self.workers.append(self._start("worker", *options))

    def close(self) -> None:
        """End all of it."""
        for process in (self.scheduler, *self.workers):
            process.kill()
            process.wait()

    def _start(self, kind: str, *options: object) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--no-dashboard"]
        with (self._place / "dask.log").open("ab") as log:
            return subprocess.Popen(
                [*command, *map(str, options)], cwd=self._place, stdout=log, stderr=log
            )


def kill_cluster(count: int, place: Path, seed: int) -> list[Kills]:
    """Kill Dask workers, the processes that compute for them, and the scheduler."""
    draw, log = random.Random(seed), place / "log"
    place.mkdir()
    recipe = recipe_file(place / "a.yaml", **LONG)
    words: list[object] = ["study", recipe, "--seeds", "4", "--workers", "2", "--runs"]
    reference, folder = place / "reference", place / "killed"
    done(*words, reference, log=log)
    wanted = content(reference)
    blows = {
        "worker": Kills("Dask: a worker"),
        "process": Kills("Dask: the process that trains for a worker"),
        "scheduler": Kills("Dask: the scheduler"),
    }
    cluster = _Cluster(place)
    try:
        while sum(kills.kills for kills in blows.values()) < count:
            for blow, kills in blows.items():
                clock = time.perf_counter()
                cluster.fill()
                across = [*words[:4], "--cluster", cluster.address, "--runs", folder]
                command = Command.of(*across, log=log)
                if command.wait(draw.uniform(5, 10)) is None:
                    worker = draw.choice(cluster.workers)
                    if blow == "process" and (children := _children(worker.pid)):
                        os.kill(children[0], signal.SIGKILL)
                    else:
                        (cluster.scheduler if blow == "scheduler" else worker).kill()
                    kills.kills += 1
                    if blow == "worker":
                        worker.wait()
                        cluster.fill()
                    status = command.wait(LONGEST)
                    if status is None:
                        command.kill()
                    if status is None or (status and blow != "scheduler"):
                        kills.lost.append(f"{blow}: status {status}: {log.read_text()[-1000:]}")
                kills.lost += _as_wanted(words, folder, wanted, log)
                shutil.rmtree(folder)
                kills.seconds += time.perf_counter() - clock
    finally:
        cluster.close()
    return list(blows.values())
