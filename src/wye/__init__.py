"""Wye: image models with one encoder and two branches, a decoder and a classifier."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from wye._version import __version__
from wye.machine import wait_passively

__all__ = [
    "Model",
    "Recipe",
    "Run",
    "SupervisedAutoencoder",
    "__version__",
    "data",
    "load",
    "results",
    "rows",
    "train",
]

if TYPE_CHECKING:
    from wye import data
    from wye.api import load, results, rows, train
    from wye.estimator import SupervisedAutoencoder
    from wye.recipe.schema import Recipe
    from wye.runs.model import Model
    from wye.runs.run import Run

_PLACES = {
    "Model": "wye.runs.model",
    "Recipe": "wye.recipe.schema",
    "Run": "wye.runs.run",
    "SupervisedAutoencoder": "wye.estimator",
    "load": "wye.api",
    "results": "wye.api",
    "rows": "wye.api",
    "train": "wye.api",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is first asked for: `wye --help` must not wait for torch."""
    if name == "data" or name in _PLACES:
        wait_passively()
    if name == "data":
        return import_module("wye.data")
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'wye' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
