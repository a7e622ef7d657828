"""A folder as a tree of the names of its images, and what is made of these."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from wye.data.folder_names import TRAIN

Place = tuple[str, ...]


@dataclass
class Tree:
    """A folder: the names of its image files, and the folders in it."""

    files: list[str] = field(default_factory=list)
    folders: dict[str, Tree] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Images at any depth."""
        return len(self.files) + sum(tree.count for tree in self.folders.values())

    @property
    def full(self) -> dict[str, Tree]:
        """The folders that hold images at any depth."""
        return {name: tree for name, tree in self.folders.items() if tree.count}

    def at(self, place: Place) -> Tree:
        """The folder at a place below; an empty one if there is none."""
        tree = self
        for name in place:
            tree = tree.folders.get(name, Tree())
        return tree

    def paths(self, place: Place = ()) -> Iterator[Place]:
        """Every image, in order, as the names that lead to it."""
        yield from ((*place, name) for name in self.files)
        for name, tree in self.folders.items():
            yield from tree.paths((*place, name))


@dataclass
class Layout:
    """What the names of a tree say.

    Attributes:
        about: the kind of layout, in a few words.
        placed: each image that is used, with its part and its class; '' where a class is missing.
        unused: why images are not used, and which ones.
        notes: what was understood or is doubtful, a sentence each.
        divided: whether there is a test part.
    """

    about: str
    placed: dict[Place, tuple[str, str]] = field(default_factory=dict)
    unused: dict[str, list[Place]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the training part in order."""
        return tuple(sorted({label for part, label in self.placed.values() if part == TRAIN}))


def images(count: int) -> str:
    """So many images, in words."""
    return "1 image" if count == 1 else f"{count:,} images"


def and_(names: list[str]) -> str:
    """Names in a row: a, b and c."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
