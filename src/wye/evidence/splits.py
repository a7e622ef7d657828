"""Several random splits of one row: the mean, the spread, and the best, labelled as such."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wye.metrics import best, metrics_of, ordered, spread
from wye.runs.run import Run


def summary(runs: Sequence[Run]) -> dict[str, dict[str, Any]]:
    """Metric to `{"mean", "sd", "n", "best": {"value", "seed"}}` over the runs of the splits.

    `sd` is the sample standard deviation, None for a single run. The best split is chosen by the
    test set, so its value is optimistic; study S1 printed it. Splits of one set of images overlap,
    so their standard deviation is not that of independent samples (Nadeau and Bengio 2003). The
    correction for that is conservative where the test set is fixed, see
    `wye.evidence.paired.overlap`.
    """
    measured = [(run.recipe.seed, metrics_of(run.result)) for run in runs if run.result]
    found: dict[str, dict[str, Any]] = {}
    for name in ordered(name for _, of in measured for name in of):
        each = {seed: of[name] for seed, of in measured if name in of}
        seed = best(each, name)
        found[name] = {
            **vars(spread(each.values())),
            "best": {"value": each[seed], "seed": seed},
        }
    return found
