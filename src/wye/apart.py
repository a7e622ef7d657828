"""Measuring in a process of its own: nothing that ran before counts, and peak memory is known."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar, cast

from wye.errors import MachineError, UsageError, WyeError, message_of

T = TypeVar("T")


def in_own_process(function: Callable[..., T], **arguments: Any) -> T:
    """Call a function of a module in a fresh process, which ends with the answer.

    Whatever it prints goes to standard error.

    Args:
        function: found again in the process by its module and name.
        arguments: of the function; they travel to the process, and the answer back.

    Raises:
        UsageError: the function raised one.
        MachineError: it failed in another way, or its process was ended.
    """
    # A forked process would begin with the memory and the threads of this one.
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, function, arguments))
    process.start()
    sender.close()
    try:
        found = receiver.recv()
    except EOFError:
        process.join()
        name = f"{function.__module__}.{function.__qualname__}"
        raise MachineError(
            f"the process of {name} ended with status {process.exitcode} and no answer"
        ) from None
    finally:
        process.kill()
        process.join()
        receiver.close()
    if isinstance(found, WyeError):
        raise found
    return cast(T, found)


def _answer(sender: Connection, function: Callable[..., Any], arguments: dict[str, Any]) -> None:
    """What the process does: call, and send the answer or what went wrong."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback of its own
    os.dup2(2, 1)
    try:
        found = function(**arguments)
        sys.stdout.flush()  # once the answer is there, the process may be killed
        sender.send(found)
    except UsageError as error:  # its subclasses cannot all be made of their message again
        sender.send(UsageError(str(error)))
    except (WyeError, OSError, MemoryError, RuntimeError) as error:
        sender.send(MachineError(message_of(error)))


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
