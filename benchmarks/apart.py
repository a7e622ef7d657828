"""Measuring in a process of its own: nothing that ran before counts, and peak memory is known."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import wye
from wye.errors import MachineError
from wye.registry import Registry

Task = Callable[..., dict[str, Any]]

TASKS: Registry[Task] = Registry("task")
"""What can be measured apart: functions of JSON's kinds of values to a dictionary of them."""


def carry_out_apart(task: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Carry out a task in a process of its own.

    Raises:
        MachineError: it failed; the message is its last line.
    """
    done = subprocess.run(
        # -P: a file in the working folder mustn't take a module's place.
        [sys.executable, "-P", "-m", "benchmarks.task", task],
        input=json.dumps(dict(arguments)),
        capture_output=True,
        text=True,
        env=environment(),
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        how = lines[-1] if lines else f"it ended with status {done.returncode}"
        raise MachineError(f"measuring {task!r} failed: {how}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def carry_out_here(task: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The same in this process, without its guarantees."""
    return TASKS.find(task)(**arguments)


def environment() -> dict[str, str]:
    """The variables of a process that imports this very package, and these benchmarks."""
    sources = [str(Path(wye.__file__).parents[1]), str(Path(__file__).parents[1])]
    paths = [*sources, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def meet(folder: str, count: int, patience: float = 600) -> None:
    """Return once `count` processes have called this with the same, at first empty, folder.

    Raises:
        MachineError: the others didn't come in time, in seconds.
    """
    place, end = Path(folder), time.monotonic() + patience
    (place / uuid.uuid4().hex).touch()
    while sum(1 for _ in place.iterdir()) < count:
        if time.monotonic() > end:
            raise MachineError(f"fewer than {count} processes came to begin together")
        time.sleep(0.01)


def peak_memory() -> float:
    """The most memory that this process has held so far, in MB (10^6 bytes).

    Linux tells it of the program that runs now. What `getrusage` tells there includes the process
    that started this one, and is used elsewhere.
    """
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
