"""`wye` commands in processes of their own that can be killed, without the start of one.

Each is forked from a process that has torch and matplotlib loaded and has computed nothing.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["wye.cli.training", "wye.api", "torch._dynamo", "matplotlib.backends.backend_svg"]
)


def command(*arguments: str, log: Path) -> ForkServerProcess:
    """Start `wye` with `arguments`; what it prints goes to the end of `log`."""
    process = _FORKS.Process(target=_main, args=(arguments, str(log)))
    process.start()
    return process


def kill(process: ForkServerProcess) -> None:
    """SIGKILL, and wait for the end."""
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def _main(arguments: tuple[str, ...], log: str) -> None:
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(out, 1)
    os.dup2(out, 2)
    import torch

    from wye.cli import main

    torch.set_num_threads(1)
    sys.argv = ["wye", *arguments]
    main()
