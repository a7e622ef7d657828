"""One measurement in a process of its own: `python -m benchmarks.task NAME`, for `apart`."""

from __future__ import annotations

import json
import os
import sys

import benchmarks.benchmarks  # noqa: F401 (enters the tasks)
from benchmarks.apart import carry_out_here
from wye.errors import WyeError, message_of


def main() -> None:
    """Carry out the task that the command line names; arguments and answer are JSON."""
    answer = os.dup(1)
    os.dup2(2, 1)  # whatever prints while it is measured doesn't disturb the answer
    try:
        found = carry_out_here(sys.argv[1], json.load(sys.stdin))
    except (WyeError, OSError, MemoryError) as error:
        sys.exit(message_of(error))
    with os.fdopen(answer, "w") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main()
