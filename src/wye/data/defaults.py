"""Settings that train own images well: chosen by their number, size, colour and classes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import PurePath
from types import MappingProxyType
from typing import Any

from wye.data.folder_names import TRAIN, VALIDATION
from wye.data.inspection import Inspection

UPDATES = 600
BATCHES = ((20_000, 512), (8_000, 256), (3_000, 128), (600, 64))
"""From how many training images on a batch has so many."""
LEAST_HELD_OUT, MOST_HELD_OUT = 0.05, 0.2
WATCHED = 36
"""Images that are held out for validation where that is no more than a fifth: a few more than the
30 that a temperature, and a quantile of errors, ask for."""
LEAST_EPOCHS = 7
LARGE = 2_000
"""Training images above which they are kept small."""
PHOTOGRAPHS = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".heic", ".heif", ".hif"})
"""Suffixes of what cameras write."""
SIDES = frozenset({"left", "right", "links", "rechts", "l", "r", "clockwise", "counterclockwise"})


def defaults(
    found: Inspection, asked: Mapping[str, Any] = MappingProxyType({})
) -> tuple[dict[str, Any], str]:
    """Nested settings for images that were looked at, and one line that says them and why.

    Args:
        asked: what a person chose of `validation`, `image_size`, `batch_size` and `epochs`.
    """
    count = len(found.of(TRAIN))
    validation = asked.get("validation", max(LEAST_HELD_OUT, min(WATCHED / count, MOST_HELD_OUT)))
    held = 0 if found.of(VALIDATION) else round(validation * count)
    count -= held
    batch = asked.get("batch_size") or next((size for least, size in BATCHES if count >= least), 32)
    steps = max(count // batch, 1)
    epochs = asked.get("epochs") or max(LEAST_EPOCHS, math.ceil(UPDATES / steps))
    size, why_size = _size(found, count)
    if asked.get("image_size"):
        size, why_size = asked["image_size"], "as you said"
    mirror, why_mirror = _mirror(found)
    crop = f"crop({max(size // 16, 1)})"
    settings = {
        "data": {
            "image_size": size,
            "augment": f"flip > {crop}" if mirror else crop,
            "validation": round(validation, 3),
        },
        "train": {"batch_size": batch, "epochs": epochs},
        "phases": [],
        "evaluation": {"mirror_views": mirror},
    }
    line = (
        f"image_size={size} ({why_size}); batch_size={batch}, epochs={epochs}: {steps * epochs:,}"
        f" updates for about {count:,} training images"
        f"{f', {held} more for validation' if held else ''}; {'' if mirror else 'no '}mirror images"
        f" ({why_mirror})"
    )
    return settings, line


def pays_to_pretrain(found: Inspection) -> bool:
    """Whether a pretrained encoder is worth a try: photographs, large enough, and few."""
    photographs = sum(PurePath(file.path).suffix.lower() in PHOTOGRAPHS for file in found.files)
    few = len(found.of(TRAIN)) < LARGE
    return few and not found.grey and min(found.median) >= 64 and 2 * photographs > len(found.files)


def _size(found: Inspection, count: int) -> tuple[int, str]:
    if found.size is not None:
        return found.size, "that of the arrays"
    shorter = min(found.median)
    if shorter < 48:
        return 32, f"the median shorter side is {shorter}"
    if count > LARGE:
        return 32, f"there are more than {LARGE:,} images"
    return (64 if shorter >= 64 else 48), f"the median shorter side is {shorter}"


def _mirror(found: Inspection) -> tuple[bool, str]:
    words = {word for name in found.classes for word in name.casefold().replace("_", " ").split()}
    if sides := sorted(words & SIDES):
        return False, f"a class is called {sides[0]}"
    if found.grey:
        return False, "they are grey, so perhaps signs"
    return True, "they are in colour"
