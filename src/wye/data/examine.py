"""Look at every image of a listing: its content, size and values; then draw the parts it lacks."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from wye.data.deep_colour import is_deep, planes
from wye.data.inspection import File, Inspection, Unreadable, Values
from wye.data.layout import PARTS, TEST, TRAIN, VALIDATION
from wye.data.listing import Entry, Listing
from wye.data.opening import shrunk
from wye.data.reading import (
    CONSTANT,
    READ_ERRORS,
    REDUCED,
    finite_range,
    high_valued,
    nearly_constant,
    on_ground,
    range_of,
    values_of,
    why,
)
from wye.errors import UsageError

HELD_OUT = 0.2
WIDE = 1.5
DARK = 16
"""Level of 255 below which everything looks black."""


@dataclass(frozen=True)
class _Facts:
    """What one image says of itself; `low` and `high` of its values, of 255 where it has 8 bits."""

    content: str
    size: tuple[int, int]
    mode: str
    low: float
    high: float
    grey: bool
    whole: bool = True
    many_bits: bool = False
    not_finite: bool = False
    coloured16: bool = False
    light: float | None = None
    constant: bool = False


def examine(listing: Listing) -> Inspection:
    """Read every image of a listing once and gather what there is to say.

    Raises:
        UsageError: none of them can be read, or none of the training part.
    """
    # Pillow decodes without Python's lock, so threads are enough.
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(_facts_of, listing.entries))
    seen = [(entry, f) for entry, f in zip(listing.entries, found, strict=True) if _is_facts(f)]
    unreadable = tuple(
        Unreadable(path=entry.path, why=fault)
        for entry, fault in zip(listing.entries, found, strict=True)
        if isinstance(fault, str)
    )
    if not any(entry.part == TRAIN for entry, _ in seen):
        first = f"{unreadable[0].path}: {unreadable[0].why}" if unreadable else "there are none"
        raise UsageError(
            f"{listing.root}: none of the {len(unreadable)} training images can be read ({first})"
        )
    facts = [f for _, f in seen if isinstance(f, _Facts)]
    values = _values(facts)
    low, high = values.low or 0.0, values.high_end or 1.0
    span = (high - low) / 255

    def level(fact: _Facts, value: float) -> float:
        return (value - low) / span if fact.many_bits else value

    def is_constant(fact: _Facts) -> bool:
        flat = level(fact, fact.high) - level(fact, fact.low) <= CONSTANT
        return flat if fact.many_bits else fact.constant

    sizes = sorted((f.size for f in facts), key=lambda size: (size[0] * size[1], size))
    notes = list(listing.notes)
    trained = {entry.label for entry, _ in seen if entry.part == TRAIN}
    for label in sorted({e.label for e in listing.entries if e.part == TRAIN} - trained):
        notes.append(f"{label}: none of its training images can be read, so it is no class")
    return Inspection(
        root=str(listing.root),
        about=listing.about,
        files=tuple(
            File.model_validate(
                {"path": e.path, "part": e.part, "label": e.label, "content": f.content}
            )
            for e, f in _ordered(seen)
            if not e.label or e.label in trained
        ),
        unreadable=unreadable,
        left_out=tuple(listing.left_out),
        notes=tuple(notes),
        smallest=sizes[0],
        median=sizes[len(sizes) // 2],
        largest=sizes[-1],
        wide=sum(max(f.size) > WIDE * min(f.size) for f in facts),
        modes=dict(Counter(f.mode for f in facts)),
        grey=all(f.grey for f in facts),
        values=values,
        constant=tuple(e.path for e, f in seen if isinstance(f, _Facts) and is_constant(f)),
        dark=max(level(f, f.high) for f in facts) < DARK,
        bright=min(level(f, f.low) for f in facts) > 255 - DARK,
        drawn=False,
        size=listing.size,
    )


def _is_facts(found: _Facts | str) -> bool:
    return isinstance(found, _Facts)


def _ordered(seen: list[tuple[Entry, _Facts | str]]) -> Iterable[tuple[Entry, _Facts]]:
    """By part, then class, then path."""
    pairs = [(entry, fact) for entry, fact in seen if isinstance(fact, _Facts)]
    return sorted(pairs, key=lambda p: (PARTS.index(p[0].part), p[0].label, p[0].path))


def _facts_of(entry: Entry) -> _Facts | str:
    """What is to be known of an image, or why it cannot be read."""
    try:
        with entry.open() as image:
            size, mode = image.size, image.mode
            tile = str(getattr(image, "tile", ""))
            if is_deep(image):
                upright = [ImageOps.exif_transpose(plane) for plane in planes(image)]
                return _of_values(np.stack([*map(np.asarray, upright)], 2), upright[0].size, mode)
            side = 1024 if size[0] * size[1] > REDUCED else max(size)
            with shrunk(image, side) as decoded:
                turned = ImageOps.exif_transpose(decoded)
                if (size[0] > size[1]) != (turned.width > turned.height):
                    size = size[::-1]
                return _looked_at(turned, size, mode, tile)
    except READ_ERRORS as error:
        return why(error)


def content_of(entry: Entry) -> str:
    """The hash of an image's pixels; '' of a file that cannot be read."""
    facts = _facts_of(entry)
    return facts.content if isinstance(facts, _Facts) else ""


def _looked_at(image: Image.Image, size: tuple[int, int], mode: str, tile: str) -> _Facts:
    if high_valued(image):
        return _of_values(values_of(image), size, mode)
    coloured16 = "RGB;16" in tile or "RGBA;16" in tile
    light = None
    if image.has_transparency_data:
        shown = image.convert("RGBA")
        alpha = np.asarray(shown.getchannel("A"), dtype=np.float32)
        if alpha.min() == 255:
            shown = shown.convert("RGB")
        else:
            luma = np.asarray(shown.convert("RGB").convert("L"), dtype=np.float32)
            light = float((luma * alpha).sum() / alpha.sum() / 255) if alpha.sum() else 0.0
    else:
        shown = image.convert("RGB")
    content = _hash(image.size, shown.tobytes())
    plain = [shown] if light is None else [on_ground(shown, c) for c in ("white", "black")]
    constant = all(map(nearly_constant, plain))
    extrema = [pair for each in plain for pair in each.getextrema()]
    low, high = (float(f(v)) for f, v in zip((min, max), zip(*extrema, strict=True), strict=True))
    grey = mode in ("1", "L", "LA", "La") or _is_grey(shown)
    return _Facts(
        *(content, size, mode, low, high, grey),
        coloured16=coloured16,
        light=light,
        constant=constant,
    )


def _of_values(values: NDArray[Any], size: tuple[int, int], mode: str) -> _Facts:
    """What more than 8 bits say, `(H, W)` or `(H, W, 3)`."""
    low, high = finite_range(values)
    whole = not np.issubdtype(values.dtype, np.floating)
    kept = np.ascontiguousarray(values.astype(np.float32))
    content = _hash((values.shape[1], values.shape[0]), kept.tobytes())
    infinite = not whole and not bool(np.isfinite(values).all())
    grey = values.ndim == 2 or bool((values[..., :1] == values).all())
    return _Facts(content, size, mode, low, high, grey, whole, True, infinite)


def _is_grey(image: Image.Image) -> bool:
    red, green, blue = image.convert("RGB").split()
    return red.tobytes() == green.tobytes() == blue.tobytes()


def _hash(size: tuple[int, int], pixels: bytes) -> str:
    digest = hashlib.blake2b(f"{size[0]}x{size[1]}:".encode(), digest_size=16)
    digest.update(pixels)
    return digest.hexdigest()


def _values(facts: list[_Facts]) -> Values:
    """One rule for the values of all images."""
    high = [f for f in facts if f.many_bits]
    transparent = [f.light for f in facts if f.light is not None]
    lights = sorted(transparent)
    ground = "black" if lights and lights[len(lights) // 2] > 0.6 else "white"
    common = {
        "coloured": sum(f.coloured16 for f in facts),
        "transparent": len(transparent),
        "ground": ground,
    }
    if not high:
        return Values.model_validate(common)
    least, most = min(f.low for f in high), max(f.high for f in high)
    low, end = range_of(least, most, all(f.whole for f in high))
    return Values.model_validate(
        {
            **common,
            "high": len(high),
            "least": least if math.isfinite(least) else None,
            "most": most if math.isfinite(most) else None,
            "low": low,
            "high_end": end,
            "not_finite": sum(f.not_finite for f in high),
        }
    )


def without_copies(found: Inspection) -> Inspection:
    """Of each picture one file: the test's before validation's before train's.

    A picture that has two classes is left out altogether.
    """
    order = (TEST, VALIDATION, TRAIN)
    dropped = {file.path for group in found.conflicts for file in group}
    for group in found.copies:
        first = min(group, key=lambda f: order.index(f.part) if f.part in order else len(order))
        dropped |= {file.path for file in group if file is not first}
    files = tuple(file for file in found.files if file.path not in dropped)
    note = f"{len(dropped)} copies and pictures in two classes are left out"
    return found.changed(files=files, notes=(*found.notes, note)) if dropped else found


def with_test(found: Inspection, seed: int) -> Inspection:
    """The same with a test part: about a fifth of each class, if there is none.

    Whether an image is held out depends on its content, the seed and the rest of its class only
    where that would otherwise have none: images that are added, moved or renamed never bring an
    image from the training part into the test part.

    Raises:
        UsageError: there are too few images.
    """
    if any(file.part == TEST for file in found.files):
        return found
    held: set[str] = set()
    for group in _contents_by_class(found):
        order = sorted(group, key=lambda content: uniform(content, seed))
        under = [content for content in order if uniform(content, seed) < HELD_OUT]
        if len(order) > 1:
            held |= set(under[: len(order) - 1]) or {order[0]}
    if not held:
        raise UsageError(
            f"{found.root} has too few images to hold any out: add some, or a test folder"
        )
    return _moved(found, held, TEST, drawn=True)


def with_validation(found: Inspection, fraction: float, seed: int) -> Inspection:
    """The same with a part of each class's training images for validation, if there is none."""
    if fraction <= 0 or any(file.part == VALIDATION for file in found.files):
        return found
    groups = _contents_by_class(found)
    if fraction * len(found.of(TRAIN)) <= len(groups) / 2:
        return found
    held: set[str] = set()
    for group in groups:
        order = sorted(group, key=lambda content: uniform(content, seed + 1))
        count = min(max(round(fraction * len(order)), len(order) > 4), len(order) - 1)
        held |= set(order[:count])
    return _moved(found, held, VALIDATION) if held else found


def uniform(content: str, seed: int) -> float:
    """A number in [0, 1) that depends on a content and a seed alone."""
    digest = hashlib.blake2b(f"{seed}:{content}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _contents_by_class(found: Inspection) -> list[list[str]]:
    """The different pictures of each class's training images."""
    groups: dict[str, dict[str, None]] = defaultdict(dict)
    for file in found.of(TRAIN):
        groups[file.label][file.content] = None
    return [list(group) for group in groups.values()]


def _moved(found: Inspection, held: set[str], part: str, drawn: bool | None = None) -> Inspection:
    """The same, the training images of these contents in another part."""
    files = (
        file.model_copy(update={"part": part})
        if file.part == TRAIN and file.content in held
        else file
        for file in found.files
    )
    ordered = tuple(sorted(files, key=lambda f: (PARTS.index(f.part), f.label, f.path)))
    drawn = found.drawn if drawn is None else drawn
    return found.changed(files=ordered, drawn=drawn)
