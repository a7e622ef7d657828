"""A run of MLflow: on the server that MLFLOW_TRACKING_URI names, else in the folder of runs."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException

from wye.tracking.writer import Tracked, Values

EXPERIMENT = "wye"
MOST = 100
"""Settings that MLflow takes at once."""
LONGEST = 6000
"""Letters of a setting that it takes."""


class MLflow:
    """See `wye.tracking.writer.Writer`."""

    def __init__(self, tracked: Tracked) -> None:
        root = tracked.root.absolute()
        uri, files = os.environ.get("MLFLOW_TRACKING_URI"), None
        if uri is None:
            root.mkdir(parents=True, exist_ok=True)
            # Its store of files is no longer kept up; SQLite's is a file as well.
            uri, files = f"sqlite:///{root / 'mlflow.db'}", (root / "mlflow-files").as_uri()
        # The workers of a study would make the tables, and the experiment, at the same time.
        with FileLock(root / ".mlflow.lock"):
            self._client = MlflowClient(uri)
            name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
            experiment = self._client.get_experiment_by_name(name)
            number = (
                experiment.experiment_id
                if experiment is not None
                else self._client.create_experiment(name, artifact_location=files)
            )
        self.known = tracked.known if self._reopened(tracked.known) else ""
        if not self.known:
            tags = {"row": tracked.group, "folder": str(tracked.run.path.absolute())}
            made = self._client.create_run(number, run_name=tracked.name, tags=tags)
            self.known = made.info.run_id
            settings = [Param(k, str(v)[:LONGEST]) for k, v in tracked.settings.items()]
            for first in range(0, len(settings), MOST):
                self._client.log_batch(self.known, params=settings[first : first + MOST])
            self._client.log_text(self.known, tracked.recipe, "recipe.yaml")

    def _reopened(self, known: str) -> bool:
        """Whether the store has the run that was handed on before; another one may not."""
        if not known:
            return False
        try:
            self._client.update_run(known, status="RUNNING")
        except MlflowException:
            return False
        return True

    def epoch(self, epoch: int, values: Values) -> None:
        """See `Writer`."""
        now = int(1000 * time.time())
        metrics = [Metric(name, value, now, epoch) for name, value in values.items()]
        self._client.log_batch(self.known, metrics=metrics)

    def end(self, epoch: int, values: Values, pictures: Mapping[str, Path]) -> None:
        """See `Writer`."""
        self.epoch(epoch, values)
        for path in pictures.values():
            self._client.log_artifact(self.known, str(path), "figures")

    def close(self, done: bool) -> None:
        """See `Writer`."""
        self._client.set_terminated(self.known, "FINISHED" if done else "KILLED")
