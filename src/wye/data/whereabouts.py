"""Where the images of a table lie: below which folder, and from which part of their path on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from wye.data.folder_names import MASKS
from wye.data.reading import suffixes
from wye.errors import UsageError

SEARCHED = 2_000
"""Folders that are looked into."""
TRIED = 200
"""Paths that decide where all are."""


@dataclass
class Whereabouts:
    """The folders that a table's paths count from.

    Attributes:
        folders: the one with most images first.
        dropped: how many leading folders of each path are another machine's.
        notes: what was found out, in words.
    """

    folders: list[Path]
    dropped: int = 0
    notes: list[str] = field(default_factory=list)

    def find(self, file: str) -> Path | None:
        """The file of a path."""
        file = _without(file, self.dropped)
        return next((path for each in self.folders if (path := resolved(each, file))), None)


def resolved(base: Path, file: str) -> Path | None:
    """The file of a path, with a suffix where the table leaves that out."""
    try:
        path = base / file
        if path.is_file():
            return path
        if path.suffix.lower() not in suffixes():
            named = (path.with_name(path.name + suffix) for suffix in suffixes())
            return next((each for each in named if each.is_file()), None)
    except (OSError, ValueError):
        pass
    return None


def whereabouts(table: Path, files: Sequence[str]) -> Whereabouts:
    """Where the images are: beside the table, in a folder below it, or in several.

    Paths that begin with folders of another machine are read from the first part that is here.

    Raises:
        UsageError: two folders have them all.
    """
    some = files[:: max(len(files) // TRIED, 1)]
    if all(resolved(table.parent, file) for file in some):
        return Whereabouts([table.parent])
    folders = [table.parent, *below(table.parent)]
    depth = max((len(PurePosixPath(file).parts) for file in some), default=1)
    for dropped in range(depth):
        names = [_without(file, dropped) for file in some]
        if len(set(names)) < len(set(some)):  # two images would be taken for one
            break
        counts = {each: sum(resolved(each, name) is not None for name in names) for each in folders}
        having = [each for each in folders if counts[each]]
        having = [each for each in having if each.name.casefold() not in MASKS] or having
        if having:
            return _chosen(table, having, counts, names, dropped)
    return Whereabouts([table.parent])


def _chosen(
    table: Path, having: list[Path], counts: dict[Path, int], names: list[str], dropped: int
) -> Whereabouts:
    having.sort(key=lambda each: -counts[each])
    complete = [each for each in having if counts[each] == len(names)]
    if len(complete) == 1:
        having = complete
    for name in names:
        if len(places := [each for each in having if resolved(each, name)]) > 1:
            one, other = (str(each.relative_to(table.parent)) for each in places[:2])
            raise UsageError(
                f"{table}: both {one} and {other} hold {name}; write the folder into the paths, as"
                f" in {other}/{name}"
            )
    shown = [str(each.relative_to(table.parent)) for each in having]
    found = Whereabouts(having, dropped)
    if having != [table.parent]:
        more = f" and {len(shown) - 4} more folders" if len(shown) > 4 else ""
        found.notes.append(f"the images lie in {', '.join(shown[:4])}{more}")
    if dropped:
        found.notes.append(f"paths are read without their first {dropped} folders: {names[0]}")
    return found


def _without(file: str, dropped: int) -> str:
    parts = PurePosixPath(file).parts
    return "/".join(parts[min(dropped, len(parts) - 1) :]) if dropped and parts else file


def below(root: Path) -> list[Path]:
    """The folders in a folder and in those, but for hidden ones."""

    def inside(folder: Path) -> list[Path]:
        try:
            return [p for p in sorted(folder.iterdir()) if p.is_dir() and p.name[0] != "."]
        except OSError:
            return []

    found = inside(root)
    found += [each for folder in found for each in inside(folder)]
    return found[:SEARCHED]
