"""`wye study` on a Dask cluster of real processes, whose workers and whose study are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from study_processes import (
    alive,
    assert_each_done_once,
    carried_out,
    ended,
    events,
    in_the_middle,
    recipe_file,
    started,
    until,
)

from wye.errors import MachineError, UsageError
from wye.jobs import cluster

DASK = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "60s",
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "10 minutes",
}


@contextmanager
def process(*arguments: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process that is killed at the end; its output is in `log` in the folder."""
    folder.mkdir(exist_ok=True)
    with (
        (folder / "log").open("ab") as log,
        subprocess.Popen(
            [sys.executable, "-m", *arguments], cwd=folder, stdout=log, stderr=log, env=DASK
        ) as running,
    ):
        try:
            yield running
        finally:
            running.kill()


class Cluster:
    """A scheduler and workers with one thread each, in folders of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.workers: list[subprocess.Popen[bytes]] = []
        self._stack = ExitStack()

    def __enter__(self) -> Cluster:
        about = self._folder / "scheduler" / "about.json"
        arguments = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        self._start("scheduler", "dask_scheduler", *arguments, "--scheduler-file", str(about))
        self._about = str(until(lambda: about if about.exists() else None, "a scheduler"))
        self.address = until(self._address, "the scheduler's address")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add_worker(self) -> None:
        name = f"worker-{len(self.workers)}"
        options = ["--scheduler-file", self._about, "--nthreads", "1", "--no-nanny"]
        options += ["--no-dashboard", "--name", name]
        self.workers.append(self._start(name, "dask_worker", *options))

    def _start(self, name: str, command: str, *arguments: str) -> subprocess.Popen[bytes]:
        module = f"distributed.cli.{command}"
        return self._stack.enter_context(process(module, *arguments, folder=self._folder / name))

    def _address(self) -> str | None:
        try:
            return str(json.loads(Path(self._about).read_text())["address"])
        except ValueError:  # half written
            return None


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two workers, of which a test may kill one if it adds another."""
    with Cluster(tmp_path_factory.mktemp("cluster")) as started_cluster:
        for _ in range(2):
            started_cluster.add_worker()
        yield started_cluster


@pytest.mark.parametrize("shared", ["--shared", "--no-shared"])
def test_a_cluster_loses_a_worker_or_a_study_and_does_every_run_once(
    dask: Cluster, tmp_path: Path, shared: str
) -> None:
    home, place = tmp_path / "home", tmp_path / "home" / "runs"
    home.mkdir()
    word = recipe_file(home, "a")
    command = [word, "--seeds", "2", shared, "--cluster", dask.address]
    if shared == "--no-shared":
        with started("study", *command, folder=home) as study:
            _, child = until(lambda: in_the_middle(place), "a run in the middle")
            study.kill()
            study.wait()
            until(lambda: not alive(child), "the end of a run whose study was killed")
    with started("study", *command, "--json", folder=home) as study:
        run, child = until(lambda: in_the_middle(place, past=2), "a run in the middle")
        kept = events(run)[-1]["epoch"]
        killed = next(worker for worker in dask.workers if worker.pid == parent_of(child))
        killed.send_signal(signal.SIGKILL)
        until(lambda: not alive(child), "the end of a run whose worker was killed")
        dask.add_worker()
        status, _, err = ended(study)
        assert status == 0, err
    resumed = [line["epoch"] for line in events(run) if line["event"] == "resumed"]
    assert kept <= resumed[-1]
    # Files that are sent are read while the run goes on; its journal may be some epochs behind.
    assert_each_done_once(place, 2, lost=1 if shared == "--shared" else 5)
    assert {path.name for path in place.iterdir()} == {"a"}
    for folder in place.glob("a/seed-*"):
        assert {path.name for path in (folder / "figures").iterdir()} >= {"curves.svg"}
        assert not (folder / ".lock").exists()


def test_the_run_that_another_needs_comes_over_the_cluster_and_so_does_a_failure(
    dask: Cluster, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    words = [recipe_file(home, "bad", lr=1e12), "fashion5/classifier-transfer"]
    changed = ["data=shapes", "data.per_class=8", "train.epochs=1"]
    options = ["--no-shared", "--cluster", dask.address]
    document, err = carried_out(*words, *changed, *options, folder=home, status=1)
    assert (document["done"], document["failed"]) == (2, 1)
    assert "bad seed 0 failed: training diverged in epoch 1" in err
    assert_each_done_once(home / "runs", 2, epochs=1)
    assert {path.name for path in (home / "runs").iterdir()} == {"fashion5"}


def test_a_search_chooses_as_many_trials_as_a_cluster_has_workers(
    dask: Cluster, tmp_path: Path
) -> None:
    pytest.importorskip("optuna")
    from optuna import load_study

    words = [recipe_file(tmp_path, "a"), "data.validation=0.5", "train.lr=0.01..0.1:log"]
    words += ["train.epochs=2", "--trials", "3", "--no-shared", "--cluster", dask.address]
    with started("tune", *words, "--json", folder=tmp_path) as search:
        status, out, err = ended(search)
    assert status == 0, err
    found = json.loads(out)
    assert [trial["number"] for trial in found["trials"]] == [0, 1, 2]
    assert {trial["state"] for trial in found["trials"]} == {"complete"}
    assert_each_done_once(tmp_path / "tune" / "a", 3, epochs=2)
    study = load_study(study_name="wye", storage=f"sqlite:///{tmp_path / 'tune/a/trials.db'}")
    begun = [trial.datetime_start for trial in study.trials]
    ends = sorted(trial.datetime_complete for trial in study.trials)
    assert begun[2] >= ends[0]


def test_an_address_where_nothing_answers_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "CONNECT_TIMEOUT", 0.5)
    nothing = cast(Any, None)
    with pytest.raises(MachineError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9 "):
        cluster.run_on_cluster(nothing, "tcp://127.0.0.1:9", tmp_path / "runs", nothing)
    assert list(tmp_path.iterdir()) == []


def test_without_dask_its_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    nothing = cast(Any, None)
    with pytest.raises(UsageError, match=r"wye\[cluster\]"):
        cluster.run_on_cluster(nothing, "tcp://127.0.0.1:9", tmp_path / "runs", nothing)
