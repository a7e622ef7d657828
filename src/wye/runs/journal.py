"""The journal of a run: who worked on it and when."""

from __future__ import annotations

import datetime
import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wye.files import open_own
from wye.runs.schema import Event, checked, from_json, read_text


@dataclass(frozen=True)
class Journal:
    """Events of one run, a line of JSON each, which are only ever added; for who holds the folder.

    Every line has `time` (UTC), `event`, `host` and `pid`. The events:

    - `claimed`: a process took the run.
    - `resumed`: it goes on after `epoch`.
    - `epoch`: number `epoch` is done and kept.
    - `finished`: the run is measured; `status` as in `result.json`.

    A run that was killed has several claims; one that was done twice would have more than one
    `finished` with the status complete.
    """

    path: Path

    def note(self, event: str, **details: Any) -> None:
        """Add an event.

        Raises:
            OSError: it cannot be written.
        """
        line = {
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
            "event": event,
            **details,
            "host": platform.node(),
            "pid": os.getpid(),
        }
        handle = open_own(self.path, os.O_WRONLY | os.O_APPEND)
        with open(handle, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def events(self) -> list[dict[str, Any]]:
        """Every event, the first one first; none without a file.

        Raises:
            MachineError: the file is damaged.
        """
        if not self.path.exists():
            return []
        lines = read_text(self.path, lambda text: [from_json(line) for line in text.splitlines()])
        return [checked(line, Event, self.path) for line in lines]
