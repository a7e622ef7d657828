"""A hook of mkdocs: pages that a long command writes are on the site once they are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

WRITTEN = ("performance.md", "reliability.md", "licences.md")
"""By `make bench`, `make soak` and `make supply`."""


def on_config(config: Any) -> Any:
    """Leave pages that are not written yet out of the navigation."""
    absent = [name for name in WRITTEN if not (Path(config["docs_dir"]) / name).exists()]
    config["nav"] = _without(config["nav"], absent)
    return config


def _without(entry: Any, absent: set[str]) -> Any:
    if isinstance(entry, list):
        return [_without(each, absent) for each in entry if each not in absent]
    if isinstance(entry, dict):
        return {title: _without(below, absent) for title, below in entry.items()}
    return entry
