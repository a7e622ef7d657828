"""The metrics: one registry, in which a file of this folder enters what it declares."""

from importlib import import_module
from pkgutil import iter_modules

from wye.metrics.metric import (
    METRICS,
    Evaluated,
    Metric,
    Spread,
    best,
    headlines,
    metric,
    metrics_of,
    number,
    ordered,
    register,
    spread,
)

__all__ = [
    "METRICS",
    "Evaluated",
    "Metric",
    "Spread",
    "best",
    "headlines",
    "metric",
    "metrics_of",
    "number",
    "ordered",
    "register",
    "spread",
]

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
