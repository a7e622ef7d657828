"""Real `wye study` commands for tests, tiny recipes for them, and what their journals say."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from wye.runs.journal import Journal

DEADLINE = 240.0
"""Seconds after which something that should happen never will, on however busy a machine."""
EPOCHS = 30


def recipe_file(folder: Path, name: str, **train: Any) -> str:
    """A recipe of many short epochs, so that a blow falls in the middle of it."""
    settings = {
        "data": {"name": "shapes", "channels": 1, "per_class": 10},
        "network": {"encoder": "C(4) > C(6)", "decoder": "none", "classifier": "L'(classes)"},
        "loss": {"beta": 0},
        "train": {"epochs": EPOCHS, "batch_size": 16, "lr": 0.05, "precision": "fp32", **train},
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(settings))
    return f"{name}.yaml"


@contextmanager
def started(*arguments: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A command of wye in a process group of its own, which is killed at the end."""
    command = [sys.executable, "-m", "wye", *arguments]
    # Tests started in the background of a shell ignore Ctrl-C, and what they start would too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Threads that wait for each other on a busy machine take several times as long.
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:
        try:
            yield process
        finally:
            kill_group(process)


def kill_group(process: subprocess.Popen[str]) -> None:
    """SIGKILL for a command and all of its workers."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Status, standard output and standard error of a command, once it has ended."""
    out, err = process.communicate(timeout=DEADLINE)
    return process.returncode, out, err


def carried_out(*arguments: str, folder: Path, status: int = 0) -> tuple[dict[str, Any], str]:
    """The JSON document of a study that ends with `status`, and its standard error."""
    with started("study", *arguments, "--json", folder=folder) as process:
        found, out, err = ended(process)
    assert found == status, err
    return json.loads(out), err


def until(happens: Callable[[], Any], what: str) -> Any:
    """Wait for something, and return it."""
    limit = time.monotonic() + DEADLINE
    while time.monotonic() < limit:
        if found := happens():
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what}: not in {DEADLINE:.0f} s")


def events(run: Path) -> list[dict[str, Any]]:
    """The journal of a run folder; none while it is not there."""
    return Journal(run / "journal.jsonl").events()


def in_the_middle(runs: Path, past: int = 0) -> tuple[Path, int] | None:
    """A run under way that has done more than `past` epochs, and the process that is at it."""
    for journal in runs.glob("**/journal.jsonl"):
        lines = events(journal.parent)
        last = lines[-1] if lines else {"event": ""}
        if last["event"] == "epoch" and past < last["epoch"] < EPOCHS - 10:
            return journal.parent, last["pid"]
    return None


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def assert_each_done_once(runs: Path, count: int, epochs: int = EPOCHS, lost: int = 1) -> None:
    """By the journals: `count` runs, each finished once, no kept epoch trained again.

    A blow between keeping an epoch and noting it takes its line away; at most `lost` lines each.
    """
    folders = [journal.parent for journal in runs.glob("**/journal.jsonl")]
    assert len(folders) == count
    for folder in folders:
        said = Counter(line["event"] for line in events(folder))
        done = Counter(line["epoch"] for line in events(folder) if line["event"] == "epoch")
        assert said["finished"] == 1, folder
        assert set(done.values()) == {1}, folder
        assert epochs - lost * said["resumed"] <= len(done) <= epochs, folder
        assert events(folder)[-1]["event"] == "finished"
        assert json.loads((folder / "result.json").read_text())["status"] == "complete"
        assert len((folder / "metrics.jsonl").read_text().splitlines()) == epochs
