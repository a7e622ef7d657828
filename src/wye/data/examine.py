"""Look at every image of a listing: its content, size and values; then draw the parts it lacks."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from torch import Tensor

from wye.data.folder_names import PARTS, TEST, TRAIN, VALIDATION, spelling_notes
from wye.data.inspection import File, Inspection, LeftOut, Unreadable, Values
from wye.data.listing import Entry, Listing
from wye.data.looking import Facts, facts_of, header_of
from wye.data.reading import CONSTANT, Reading, range_of
from wye.errors import UsageError
from wye.wording import legible

SAMPLE = 64
"""Images that are decoded for a glance."""
HELD_OUT = 0.2
WIDE = 1.5
DARK = 16
"""Level of 255 below which everything looks black."""


def examine(
    listing: Listing, reading: Reading | None = None
) -> tuple[Inspection, dict[str, Tensor]]:
    """Read every image of a listing once and gather what there is to say.

    Args:
        reading: of the pixels that shall be kept where an image alone decides them.

    Returns:
        The inspection, and pixels by path.

    Raises:
        UsageError: none of them can be read, or none of the training part.
    """
    # Pillow decodes without Python's lock, so threads are enough.
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(partial(facts_of, reading=reading), listing.entries))
    kept = {
        entry.path: facts.pixels
        for entry, facts in zip(listing.entries, found, strict=True)
        if isinstance(facts, Facts) and facts.pixels is not None
    }
    return gathered(listing, found), kept


def glance(listing: Listing) -> Inspection:
    """What the images' headers say, and of some images their pixels: enough to choose settings by.

    Each image counts as of a content of its own.

    Raises:
        UsageError: none of them can be read, or none of the training part.
    """
    step = -(-len(listing.entries) // SAMPLE)

    def look(place: int, entry: Entry) -> Facts | str:
        found = facts_of(entry) if place % step == 0 else header_of(entry)
        return replace(found, content=entry.path) if isinstance(found, Facts) else found

    with ThreadPoolExecutor() as pool:
        places = range(len(listing.entries))
        return gathered(listing, list(pool.map(look, places, listing.entries)))


def gathered(listing: Listing, found: Sequence[Facts | str]) -> Inspection:
    """What the facts of a listing's images, or why they cannot be read, say together.

    Raises:
        UsageError: none of them can be read, or none of the training part.
    """
    seen = [
        (entry, f) for entry, f in zip(listing.entries, found, strict=True) if isinstance(f, Facts)
    ]
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
    facts = [fact for _, fact in seen]
    values = _values(facts)
    low, high = values.low or 0.0, values.high_end or 1.0
    span = (high - low) / 255

    def level(fact: Facts, value: float) -> float:
        return (value - low) / span if fact.many_bits else value

    def is_constant(fact: Facts) -> bool:
        flat = level(fact, fact.high) - level(fact, fact.low) <= CONSTANT
        return flat if fact.many_bits else fact.constant

    sizes = sorted((f.size for f in facts), key=lambda size: (size[0] * size[1], size))
    notes = list(listing.notes)
    trained = {entry.label for entry, _ in seen if entry.part == TRAIN}
    for label in sorted({e.label for e in listing.entries if e.part == TRAIN} - trained):
        notes.append(f"{label}: none of its training images can be read, so it is no class")
    notes += spelling_notes(trained)
    if several := [e.path for e, f in seen if f.several]:
        notes.append(_of_several(several))
    return Inspection(
        root=legible(str(listing.root)),
        about=legible(listing.about),
        files=tuple(
            File.model_validate(
                {"path": e.path, "part": e.part, "label": e.label, "content": f.content}
            )
            for e, f in _ordered(seen)
            if not e.label or e.label in trained
        ),
        unreadable=unreadable,
        left_out=tuple(map(_legible, listing.left_out)),
        notes=tuple(map(legible, notes)),
        smallest=sizes[0],
        median=sizes[len(sizes) // 2],
        largest=sizes[-1],
        wide=sum(max(f.size) > WIDE * min(f.size) for f in facts),
        modes=dict(Counter(f.mode for f in facts)),
        grey=all(f.grey for f in facts),
        values=values,
        constant=tuple(e.path for e, f in seen if is_constant(f)),
        dark=max(level(f, f.high) for f in facts) < DARK,
        bright=min(level(f, f.low) for f in facts) > 255 - DARK,
        drawn=False,
        size=listing.size,
    )


def _legible(left: LeftOut) -> LeftOut:
    examples = tuple(map(legible, left.examples))
    return LeftOut(why=legible(left.why), count=left.count, examples=examples)


def _of_several(paths: list[str]) -> str:
    named = ", ".join(paths[:3])
    if len(paths) == 1:
        return f"1 file holds several pictures: the first is used ({named})"
    return f"{len(paths):,} files hold several pictures: the first of each is used ({named})"


def _ordered(seen: list[tuple[Entry, Facts]]) -> Iterable[tuple[Entry, Facts]]:
    """By part, then class, then path."""
    return sorted(seen, key=lambda p: (PARTS.index(p[0].part), p[0].label, p[0].path))


def _values(facts: list[Facts]) -> Values:
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
        raise UsageError(_none_to_hold_out(found))
    return _moved(found, held, TEST, drawn=True)


def _none_to_hold_out(found: Inspection) -> str:
    """Why no class has two different pictures, and what would be right."""
    files, classes = found.of(TRAIN), found.classes
    few = f"{found.root} has too few images to hold any out to test with"
    if len(files) > len(classes):
        alone = "all files are" if len(classes) == 1 else "all files of each class are"
        return (
            f"{few}: {alone} the same picture, as {files[0].path} is; each class needs two"
            " different pictures or more"
        )
    if len(classes) == 1:
        return f"{few}: it has one, {files[0].path}; add some, or a test folder"
    numbers = all(re.fullmatch(r"[+-]?\d+(\.\d*)?(e[+-]?\d+)?", name) for name in classes)
    hint = "; numbers to be predicted are no classes: put them into ranges" if numbers else ""
    return (
        f"{few}: {len(classes)} classes for {len(files)} images, one each"
        f" ({', '.join(classes[:3])}, …): are they classes? Each needs two images or more, or a"
        f" test folder{hint}"
    )


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
