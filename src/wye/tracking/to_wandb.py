"""A run of Weights & Biases, which its own environment variables steer.

WANDB_MODE=offline writes files below the folder of runs, to be sent later by `wandb sync`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import wandb

from wye.tracking.writer import Tracked, Values

PROJECT = "wye"


class WandB:
    """See `wye.tracking.writer.Writer`."""

    def __init__(self, tracked: Tracked) -> None:
        tracked.root.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            id=tracked.known or None,
            resume="allow" if tracked.known else None,
            name=tracked.name,
            group=tracked.group,
            config=tracked.settings,
            dir=str(tracked.root),
            # What it would print, and read of standard output, is the command's own.
            settings=wandb.Settings(silent=True, console="off"),
        )
        self.known = str(self._run.id)

    def epoch(self, epoch: int, values: Values) -> None:
        """See `Writer`."""
        self._run.log(dict(values), step=epoch)

    def end(self, epoch: int, values: Values, pictures: Mapping[str, Path]) -> None:
        """See `Writer`."""
        shown = {name: wandb.Image(str(path)) for name, path in pictures.items()}
        self._run.log({**values, **shown}, step=epoch)
        self._run.summary.update(dict(values))

    def close(self, done: bool) -> None:
        """See `Writer`."""
        self._run.finish(exit_code=0 if done else 1)
