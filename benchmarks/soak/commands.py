"""Commands of Wye in forked processes that are killed, and what they leave."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from wye.cli import main

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "fcntl.flock"}
LONGEST = 300.0
"""Seconds after which a command hangs."""
TIMES = {"seconds", "images_per_second", "time"}
"""Keys of what differs between two runs of one recipe."""
OWN = {"environment.json", "journal.jsonl", "last.ckpt", "board.json"}
"""Files that hold times or process ids all over."""


@dataclass(frozen=True)
class Command:
    """A process of its own group that runs Python code or the command line of Wye."""

    pid: int

    @classmethod
    def of(
        cls,
        *words: object,
        log: Path,
        struck_at: int = 0,
        environment: Mapping[str, str] | None = None,
    ) -> Command:
        """Start `wye` with these words.

        Args:
            log: what it prints goes to the end of this file.
            struck_at: number of the change to the file system before which it kills itself; 0 for
                none.
            environment: what else its environment holds.
        """

        def run() -> None:
            sys.argv = ["wye", *map(str, words)]
            main()

        return cls.calling(run, log=log, struck_at=struck_at, environment=environment)

    @classmethod
    def calling(
        cls,
        run: Callable[[], Any],
        *,
        log: Path,
        struck_at: int = 0,
        environment: Mapping[str, str] | None = None,
    ) -> Command:
        """Start a function; see `of`."""
        sys.stdout.flush()
        pid = os.fork()
        # A group of its own, which both make: neither knows whether the other has.
        with suppress(OSError):
            os.setpgid(pid, pid)
        if pid:
            return cls(pid)
        status = 1
        try:
            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            for stream in (1, 2):
                os.dup2(out, stream)
            os.environ.update(environment or {})
            torch.set_num_threads(1)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            count = _count_changes(struck_at)
            run()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            if not struck_at:
                Path(f"{log}.changes").write_text(str(count()))
            os._exit(status)

    def wait(self, seconds: float = LONGEST) -> int | None:
        """Its exit status, minus the signal's number if one ended it; None if it goes on."""
        end = time.monotonic() + seconds
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > end:
                return None
            time.sleep(0.002)

    def kill(self, number: int = signal.SIGKILL) -> int:
        """Send a signal to it and to what it started; its exit status."""
        os.killpg(self.pid, number)
        status = self.wait()
        assert status is not None, "it outlives a signal"
        return status


def _count_changes(struck_at: int) -> Callable[[], int]:
    """Count what this process changes in the file system, and end at such a change."""
    count = 0

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if event in CHANGES or (event == "open" and arguments[2] & WRITING):
            count += 1
            if count == struck_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)
    return lambda: count


def done(*words: object, log: Path, environment: Mapping[str, str] | None = None) -> float:
    """Seconds of a command that ends with status 0.

    Raises:
        AssertionError: it doesn't, with what it printed.
    """
    start = time.perf_counter()
    status = Command.of(*words, log=log, environment=environment).wait()
    assert status == 0, f"wye {' '.join(map(str, words))}: {status}: {log.read_text()[-2000:]}"
    return time.perf_counter() - start


@dataclass
class Undisturbed:
    """How long a command takes that nothing hits, and how often it changes the file system."""

    seconds: float
    changes: int

    @classmethod
    def of(cls, *words: object, log: Path, environment: Mapping[str, str]) -> Undisturbed:
        """Measure one."""
        seconds = done(*words, log=log, environment=environment)
        return cls(seconds, int(Path(f"{log}.changes").read_text()))

    def strike(
        self, draw: random.Random, *words: object, log: Path, environment: Mapping[str, str]
    ) -> bool:
        """Kill a command at a random time or change; False if it ended before."""
        if draw.random() < 0.5:
            at = draw.randint(1, self.changes)
            command = Command.of(*words, log=log, struck_at=at, environment=environment)
            return command.wait() == -signal.SIGKILL
        command = Command.of(*words, log=log, environment=environment)
        if command.wait(draw.uniform(0, self.seconds)) is None:
            return command.kill() == -signal.SIGKILL
        return False


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, times taken out: what two runs of one recipe must share."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found[str(path.relative_to(folder))] = _content(path)
    return found


def _content(path: Path) -> bytes:
    if path.name in OWN:
        return b""
    if path.suffix in (".json", ".jsonl"):
        lines = [path.read_text()] if path.suffix == ".json" else path.read_text().splitlines()
        return json.dumps([_timeless(json.loads(line)) for line in lines]).encode()
    if path.suffix == ".pt":  # beside it TorchScript keeps the lines of Python that called it
        with zipfile.ZipFile(path) as file:
            names = [
                n for n in file.namelist() if not n.endswith(("debug_pkl", "serialization_id"))
            ]
            return b"".join(file.read(name) for name in names)
    return path.read_bytes()


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(entry) for key, entry in value.items() if key not in TIMES}
    return [_timeless(entry) for entry in value] if isinstance(value, list) else value


def differences(found: dict[str, bytes], wanted: dict[str, bytes]) -> list[str]:
    """The names of files that are missing, different or too many."""
    names = {*found, *wanted}
    return sorted(name for name in names if found.get(name) != wanted.get(name))
