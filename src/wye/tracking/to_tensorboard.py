"""Event files in the run folder: `tensorboard --logdir runs` shows every run under its path."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from wye.tracking.writer import Tracked, Values

FOLDER = "tensorboard"


class TensorBoard:
    """See `wye.tracking.writer.Writer`."""

    known = FOLDER

    def __init__(self, tracked: Tracked) -> None:
        self._writer = SummaryWriter(str(tracked.run.path / FOLDER))
        self._settings = tracked.settings
        if not tracked.known:
            self._writer.add_text("recipe", f"```yaml\n{tracked.recipe}```")

    def epoch(self, epoch: int, values: Values) -> None:
        """See `Writer`."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, epoch)
        self._writer.flush()

    def end(self, epoch: int, values: Values, pictures: Mapping[str, Path]) -> None:
        """See `Writer`."""
        # `add_hparams` would put them into a run of their own, below this one.
        for summary in hparams(self._settings, dict(values)):
            assert self._writer.file_writer is not None
            self._writer.file_writer.add_summary(summary)
        self.epoch(epoch, values)
        for name, path in pictures.items():
            pixels = np.asarray(Image.open(path).convert("RGB"))
            self._writer.add_image(name, pixels, epoch, dataformats="HWC")

    def close(self, done: bool) -> None:
        """See `Writer`."""
        self._writer.close()
