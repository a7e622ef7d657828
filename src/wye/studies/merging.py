"""Laying settings over settings."""

from __future__ import annotations

from typing import Any


def merge(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid on `under`, key by key where both hold mappings.

    A mapping that names another kind (of schedule) replaces the one below it whole.
    """
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(value, dict) and isinstance(below, dict) and "kind" not in value:
            merged[key] = merge(below, value)
        else:
            merged[key] = value
    return merged
