"""Where the report's files go."""

from __future__ import annotations

from pathlib import Path

from wye.errors import MachineError
from wye.files import write_atomically


def save(path: Path, content: bytes) -> None:
    """Write `path` whole or not at all; its folder is made.

    Raises:
        MachineError: the machine refused.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as problem:
        raise MachineError(f"cannot write {path}: {problem.strerror or problem}") from problem
