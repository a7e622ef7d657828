"""What was found in a folder of images, what of it is used, and what is not and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from wye.data.folder_names import PARTS, TEST, TRAIN, UNLABELLED, VALIDATION
from wye.data.lines import by, columns, cut, files_are, folded, some, some_files
from wye.errors import MachineError
from wye.files import opened

Part = Literal["train", "validation", "test", "unlabelled"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class File(_Record):
    """An image that is used.

    Attributes:
        path: below the folder, with slashes.
        label: its class; '' where it has none.
        content: hash of its pixels: the same picture in another file has the same.
    """

    path: str
    part: Part
    label: str
    content: str


class LeftOut(_Record):
    """Files that are not used, why not, and the first of them."""

    why: str
    count: int
    examples: tuple[str, ...] = ()


class Unreadable(_Record):
    """A file that should be an image and is not."""

    path: str
    why: str


class Values(_Record):
    """The values of the images and what becomes of them.

    Attributes:
        high: images of more than 8 bits, whole numbers or floats.
        least, most: the range of their values; None where there are none.
        low, high_end: the values that become black and white.
        not_finite: images with NaN or infinite values, which become black.
        coloured: files of 16-bit colour with transparency, or large ones, of which the upper 8 bits
            are read.
        transparent: images with transparent places.
        ground: what shows through those.
    """

    high: int = 0
    least: float | None = None
    most: float | None = None
    low: float | None = None
    high_end: float | None = None
    not_finite: int = 0
    coloured: int = 0
    transparent: int = 0
    ground: str = "white"


class Inspection(_Record):
    """What was found in a source of images; kept in the run folder as `data.json`.

    Attributes:
        root: the folder or file, absolute.
        about: its layout.
        files: the images that are used, in their order.
        unreadable: files that cannot be read as images.
        left_out: what else is not used.
        notes: what was understood from names, or is doubtful.
        smallest, median, largest: width and height, by area.
        wide: images whose longer side is over one and a half times the shorter.
        modes: how many images have each of Pillow's modes.
        grey: whether all images are grey.
        constant: images of (nearly) one colour.
        dark, bright: whether all images are nearly black, or nearly white.
        drawn: whether the test part was drawn from the images and is not the folder's own.
        size: the side that the source itself fixes.
    """

    format: Literal[1] = 1
    root: str
    about: str
    files: tuple[File, ...]
    unreadable: tuple[Unreadable, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    smallest: tuple[int, int] = (0, 0)
    median: tuple[int, int] = (0, 0)
    largest: tuple[int, int] = (0, 0)
    wide: int = 0
    modes: dict[str, int] = {}
    grey: bool = False
    values: Values = Values()
    constant: tuple[str, ...] = ()
    dark: bool = False
    bright: bool = False
    drawn: bool = False
    size: int | None = None

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The classes of the training images in order."""
        return tuple(sorted({file.label for file in self.of(TRAIN)}))

    @property
    def name(self) -> str:
        """The folder's, or the file's without its suffix."""
        path = Path(self.root)
        return path.stem if path.is_file() else path.name

    def changed(self, **fields: object) -> Inspection:
        """The same with other values of some fields."""
        kept = {name: getattr(self, name) for name in type(self).model_fields}
        return Inspection.model_validate({**kept, **fields})

    def of(self, part: str) -> list[File]:
        """The images of a part in order."""
        return [file for file in self.files if file.part == part]

    @cached_property
    def counts(self) -> dict[str, dict[str, int]]:
        """Part to class to number of images, of the parts that there are."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for file in self.files:
            found[file.part][file.label] += 1
        names = (*self.classes, "")
        return {
            part: {label: found[part][label] for label in names if label or found[part][label]}
            if part != UNLABELLED
            else {"": found[part][""]}
            for part in PARTS
            if part in found
        }

    @cached_property
    def _by_content(self) -> dict[str, list[File]]:
        found: dict[str, list[File]] = defaultdict(list)
        for file in self.files:
            found[file.content].append(file)
        return {content: files for content, files in found.items() if len(files) > 1}

    @property
    def copies(self) -> list[list[File]]:
        """The groups of files that hold one picture."""
        return list(self._by_content.values())

    @property
    def conflicts(self) -> list[list[File]]:
        """Groups of copies that have different classes."""
        return [g for g in self.copies if len({file.label for file in g if file.label}) > 1]

    def shared(self, part: str) -> list[list[File]]:
        """Groups of copies of which some are in a part, and some in the training part."""
        return [g for g in self.copies if {part, TRAIN} <= {file.part for file in g}]

    def membership(self) -> dict[str, File]:
        """Content to the first file that holds it."""
        return {file.content: file for file in reversed(self.files)}

    def document(self) -> dict[str, object]:
        """What `data.json` and `wye data show --json` hold."""
        return {
            **self.model_dump(mode="json"),
            "classes": list(self.classes),
            "counts": self.counts,
            "copies": [[file.path for file in group] for group in self.copies],
            "conflicts": [[file.path for file in group] for group in self.conflicts],
            "warnings": list(self.warnings()),
        }

    @classmethod
    def read(cls, path: Path) -> Inspection:
        """The inspection that `document` was written of.

        Raises:
            MachineError: the file is damaged.
        """
        import json

        try:
            with opened(path) as file:
                content = json.loads(file.read())
            kept = {key: value for key, value in content.items() if key in cls.model_fields}
            return cls.model_validate_json(json.dumps(kept))
        except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
            reason = " ".join(str(error).split())[:80]
            raise MachineError(f"{path} is damaged: {reason}") from None

    def warnings(self) -> Iterator[str]:
        """What a person should know before trusting a result, a sentence each."""
        if self.unreadable:
            first = ", ".join(f.path for f in self.unreadable[:5])
            more = f" and {len(self.unreadable) - 5} more" if len(self.unreadable) > 5 else ""
            yield f"{some_files(len(self.unreadable))} cannot be read and left out: {first}{more}"
        yield from self.notes
        yield from self._about_copies()
        yield from self._about_values()
        if self.constant:
            yield (
                f"{files_are(len(self.constant))} of nearly one colour, as"
                f" {', '.join(self.constant[:3])}"
            )
        if 10 * self.wide > len(self.files):
            yield (
                f"{files_are(self.wide)} over 1.5 times as wide as high, or the reverse: the ends"
                " are cut off; data.fit=pad or data.fit=stretch keeps them"
            )
        yield from self._about_classes()

    def _about_copies(self) -> Iterator[str]:
        way = "data.duplicates=drop leaves them out"
        for part in (TEST, VALIDATION):
            if groups := self.shared(part):
                count = sum(file.part == part for group in groups for file in group)
                yield (
                    f"{count} of {len(self.of(part))} {part} images are in train too, so what is"
                    f" measured on them is too good: {_pairs(groups)}; {way}"
                )
        if groups := self.conflicts:
            yield f"{some(len(groups))} with two classes or more: {_pairs(groups)}; {way}"
        if extra := sum(len(group) - 1 for group in self.copies):
            kept = "; all copies of a picture are in one part" if self.drawn else ""
            yield f"{files_are(extra)} copies of another: {_pairs(self.copies)}{kept}; {way}"

    def _about_values(self) -> Iterator[str]:
        values = self.values
        if values.high:
            yield (
                f"{files_are(values.high)} of more than 8 bits, with values of {values.least:g} to"
                f" {values.most:g}: {values.low:g} is black and {values.high_end:g} white for all"
            )
        if values.not_finite:
            yield f"{some_files(values.not_finite)} with NaN or infinite values: those become black"
        if values.coloured:
            yield f"{files_are(values.coloured)} of 16-bit colour: the upper 8 bits are read"
        if self.dark or self.bright:
            how = "black" if self.dark else "white"
            yield f"all images are nearly {how}: are their values in another range?"

    def _about_classes(self) -> Iterator[str]:
        train = self.counts.get(TRAIN, {})
        test = self.counts.get(TEST, {})
        if self.drawn:
            for label, count in train.items():
                if label and not test.get(label):
                    yield f"{label} has {some(count, 'image')} and no test image"
        usual = sorted(train.values())[len(train) // 2] if train else 0
        few = [name for name, n in train.items() if 4 * n <= usual and n < 20]
        for label in few:
            yield (
                f"{label} has {some(train[label], 'training image')}, other classes {usual};"
                " if it is no class, move it out"
            )
        if len(train) > max(20, sum(train.values()) / 2):
            yield f"{len(train)} classes for {sum(train.values())} images: are they classes?"

    def lines(self) -> Iterator[str]:
        """The findings for people, in lines of up to 80 columns."""
        yield from folded(f"{self.root}: {self.about}", "")
        parts = list(self.counts)
        labels = [*self.classes] or [""]
        width = min(max(map(columns, (*labels, "all images"))), max(10, 78 - 12 * len(parts)))
        yield "class".ljust(width) + "".join(f"{part:>12}" for part in parts)
        for label in labels:
            cells = [None if part == UNLABELLED else self.counts[part][label] for part in parts]
            row = "".join(f"{'' if cell is None else format(cell, ','):>12}" for cell in cells)
            yield cut(label, width) + row
        sums = [sum(self.counts[part].values()) for part in parts]
        yield "all images".ljust(width) + "".join(f"{total:>12,}" for total in sums)
        how = ", ".join(f"{count:,} {mode}" for mode, count in sorted(self.modes.items()))
        yield from folded(
            f"sizes: {by(self.smallest)} to {by(self.largest)}, median {by(self.median)};"
            f" {'grey' if self.grey else 'colour'} ({how})"
        )
        if self.drawn:
            held, all_of = (
                len([f for f in self.files if f.part in parts and f.label])
                for parts in ((TEST,), PARTS)
            )
            yield from folded(f"test: {held:,} of {all_of:,} images, drawn by their content")
        for left in self.left_out:
            first = ", ".join(left.examples)
            yield from folded(f"left out: {left.count:,} {left.why} ({first})")
        for warning in self.warnings():
            yield from folded(f"note: {warning}")
        for file in self.unreadable:
            yield from folded(f"unreadable: {file.path}: {file.why}")

    def summary(self) -> str:
        """One line: images per part, classes, sizes."""
        parts = ", ".join(f"{sum(by.values()):,} {part}" for part, by in self.counts.items())
        return (
            f"{self.name}: {self.about}; {parts}; {len(self.classes)} classes; median"
            f" {by(self.median)}, {'grey' if self.grey else 'colour'}"
        )


def _pairs(groups: Sequence[Iterable[File]]) -> str:
    shown = [" = ".join(file.path for file in list(group)[:2]) for group in groups[:3]]
    return ", ".join(shown) + (f" and {len(groups) - 3} more" if len(groups) > 3 else "")
