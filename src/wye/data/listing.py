"""What lies in a folder: its images with their parts and classes, and all that is left out."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from PIL import Image

from wye.data.inspection import LeftOut
from wye.data.layout import recognise
from wye.data.masks import Masks, without_mask_files
from wye.data.reading import looks_like_an_image, open_image, suffixes
from wye.data.tree import Layout, Place, Tree
from wye.errors import UsageError
from wye.recipe.parts import OWN_FILES, PICTURES
from wye.wording import legible

SYSTEM = (
    *("__macosx", "@eadir", "#recycle", "#snapshot", "$recycle.bin", "@recycle", "@tmp"),
    *("system volume information", "lost+found", "__pycache__", "network trash folder"),
    *("temporary items", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
)
TABLES, ARRAYS = OWN_FILES[:4], OWN_FILES[4:]
HIDDEN = "hidden files, and folders of the system"
RUN = "in run folders of wye"
BEGUN = ("recipe.yaml", "journal.jsonl")
"""Of these a run folder has one at least, the second from its first moment."""


@dataclass(frozen=True)
class Entry:
    """An image that is used.

    Attributes:
        path: its name below the root, with slashes; what is no UTF-8 in it and in the label is
            written as escapes, as these are shown and kept.
        part: one of `layout.PARTS`.
        label: its class; '' where it has none.
        open: opens it, pixels not yet read.
        file: where it lies, if `path` is what a table calls it.
    """

    path: str
    part: str
    label: str
    open: Callable[[], Image.Image]
    file: Path | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", legible(self.path))
        object.__setattr__(self, "label", legible(self.label))


@dataclass
class Listing:
    """A source of images before any of them is read.

    Attributes:
        root: the folder or file, absolute.
        about: its layout in a few words.
        size: the side of all images, where the source fixes one.
    """

    root: Path
    about: str
    entries: list[Entry]
    left_out: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    size: int | None = None


class _Scan:
    """One walk through a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.real = os.path.realpath(root)
        self.left_out: dict[str, list[str]] = defaultdict(list)
        self.led_out: list[str] = []
        self.led_across: dict[Place, Place] = {}
        self.tree = self._tree(root, (), (self.real,))

    def _tree(self, folder: Path, place: Place, above: tuple[str, ...]) -> Tree:
        """A folder and all below it; `above` are the real paths that lead to it."""
        tree = Tree()
        try:
            found = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            self.left_out["folders that may not be read"].append("/".join(place))
            return tree
        for entry in found:
            name = "/".join((*place, entry.name))
            if entry.name.startswith(".") or entry.name.casefold() in SYSTEM:
                self.left_out[HIDDEN].append(name)
                continue
            real = os.path.realpath(entry.path) if entry.is_symlink() else None
            place_of = real or os.path.join(above[-1], entry.name)
            if entry.is_dir():
                if real is not None and (real in above or self._leads_up(real)):
                    self.left_out["links that lead back to a folder above"].append(name)
                    continue
                if any(os.path.isfile(os.path.join(entry.path, name)) for name in BEGUN):
                    self.left_out[RUN].append(name)
                    continue
                inner = self._tree(Path(entry.path), (*place, entry.name), (*above, place_of))
                tree.folders[entry.name] = inner
                self._note_link(real, (*place, entry.name), inner.count, folder=True)
            elif not entry.is_file():
                broken = (
                    "links that lead nowhere"
                    if entry.is_symlink()
                    else "pipes, sockets and the like"
                )
                self.left_out[broken].append(name)
            elif self._is_image(Path(entry.path), name):
                tree.files.append(entry.name)
                self._note_link(real, (*place, entry.name), 1, folder=False)
        return tree

    def _leads_up(self, real: str) -> bool:
        return (self.real + os.sep).startswith(real.rstrip(os.sep) + os.sep)

    def _note_link(self, real: str | None, place: Place, count: int, folder: bool) -> None:
        if real is None or not count:
            return
        if not (real + os.sep).startswith(self.real + os.sep):
            self.led_out.append("/".join(place))
        elif folder:
            self.led_across[place] = Path(real).relative_to(self.real).parts

    def without_doubles(self, layout: Layout) -> bool:
        """Take out links to folders whose images are in the same part where they are.

        Returns:
            Whether there were any.
        """

        def part_at(place: Place) -> str | None:
            return layout.placed.get(place, (None,))[0]

        doubles = []
        for place, target in self.led_across.items():
            paths = self.tree.at(place).paths()
            pairs = ((part_at((*place, *path)), part_at((*target, *path))) for path in paths)
            if any(here is not None and here == there for here, there in pairs):
                doubles.append(place)
        for place in doubles:
            self.left_out["links to folders that are used where they are"].append("/".join(place))
            self.tree.at(place[:-1]).folders.pop(place[-1], None)
            del self.led_across[place]
        return bool(doubles)

    def _is_image(self, path: Path, name: str) -> bool:
        suffix = path.suffix.lower()
        if suffix in suffixes():
            return True
        if suffix in PICTURES:
            self.left_out[f"{suffix} files, which Pillow cannot read here"].append(name)
            return False
        odd = not suffix or len(suffix) > 6 or suffix[1:].isdigit() or " " in suffix
        if odd and looks_like_an_image(path):
            return True
        self.left_out[f"{suffix} files" if suffix else "files without a suffix"].append(name)
        return False


def list_folder(root: Path) -> Listing:
    """The images of a folder by its layout, see `layout.recognise`.

    Raises:
        UsageError: it holds no images by class, or can be read in more than one way.
    """
    scan = _Scan(root)
    try:
        layout = recognise(scan.tree, str(root))
        if scan.without_doubles(layout):
            layout = recognise(scan.tree, str(root))
    except UsageError as error:
        hints = [f"{len(names)} {why}" for why, names in sorted(scan.left_out.items())]
        hints = [hint for hint in hints if not hint.endswith(HIDDEN)]
        extra = f"; left out: {', '.join(hints)}" if hints else ""
        if hints and not scan.tree.count:
            extra += f"; read are {', '.join(suffixes())}"
        raise UsageError(f"{error}{extra}") from None
    left_out = [_left_out(why, names) for why, names in sorted(scan.left_out.items())]
    left_out += [
        _left_out(why, ["/".join(place) for place in places])
        for why, places in layout.unused.items()
    ]
    notes = list(layout.notes)
    if scan.led_out:
        notes.append(
            f"{len(scan.led_out)} links lead out of the folder and are followed,"
            f" as {scan.led_out[0]}"
        )
    if scan.led_across:
        notes.append(
            f"{len(scan.led_across)} links lead to another place in the folder and are followed, as"
            f" {'/'.join(next(iter(scan.led_across)))}"
        )
    entries = [
        Entry("/".join(place), part, label, partial(open_image, root.joinpath(*place)))
        for place, (part, label) in layout.placed.items()
    ]
    return Listing(root, layout.about, entries, left_out, notes)


def every_image(root: Path) -> tuple[list[Place], list[LeftOut]]:
    """Every image at or below a folder, as the names that lead to it, and what is left out."""
    scan = _Scan(root)
    masks = Masks()
    tree = without_mask_files(scan.tree, masks)
    for why, places in masks.unused.items():
        scan.left_out[why].extend("/".join(place) for place in places)
    return list(tree.paths()), [
        _left_out(why, names) for why, names in sorted(scan.left_out.items())
    ]


def _left_out(why: str, names: list[str]) -> LeftOut:
    return LeftOut(why=why, count=len(names), examples=tuple(map(legible, names[:5])))
