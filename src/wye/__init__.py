"""Wye: image models with one encoder and two branches, a decoder and a classifier."""

from typing import TYPE_CHECKING, Any

from wye._version import __version__

__all__ = ["__version__", "load", "results", "train"]

if TYPE_CHECKING:
    from wye.api import load, results, train


def __getattr__(name: str) -> Any:
    """Import the interface when it is first used: `wye --help` must not wait for torch."""
    if name in ("load", "results", "train"):
        from wye import api

        return getattr(api, name)
    raise AttributeError(f"module 'wye' has no attribute {name!r}")
