"""Images of other images among them: masks and thumbnails, which are never a class's own."""

from __future__ import annotations

from dataclasses import dataclass, field

from wye.data.folder_names import DOUBTFUL, SURE, image_of, mask_word, normal
from wye.data.tree import Place, Tree


@dataclass
class Masks:
    """What is left out of a tree as masks or thumbnails.

    Attributes:
        unused: why, and which files.
        doubted: folders whose names may be a class's too, by the place that they lie in.
        notes: about folders that are called so and hold something else.
    """

    unused: dict[str, list[Place]] = field(default_factory=dict)
    doubted: dict[Place, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def leave_out(self, why: str, places: list[Place]) -> None:
        """Enter files that are left out."""
        self.unused.setdefault(why, []).extend(places)


def without_mask_files(tree: Tree, masks: Masks, place: Place = ()) -> Tree:
    """A tree without the files that are named after an image beside them, as `1_mask.png`."""
    stems = {stem(name) for name in tree.files}
    kept = Tree()
    for name in tree.files:
        named = image_of(name)
        if named is not None and named[0] in stems:
            why = f"called {named[1].strip()} after the image beside them"
            masks.leave_out(why, [(*place, name)])
        else:
            kept.files.append(name)
    for name, inner in tree.folders.items():
        kept.folders[name] = without_mask_files(inner, masks, (*place, name))
    return kept


def without_mask_folders(tree: Tree, masks: Masks, place: Place = ()) -> Tree:
    """A tree without the folders that are called as masks and thumbnails are.

    A word that may be a class's name too, as `mask` beside `no mask`, counts where most files in
    the folder are named as images beside it.
    """
    words = {name: mask_word(name) for name in tree.full}
    others = [name for name, word in words.items() if word not in (*SURE, *DOUBTFUL)]
    beside = {stem(name) for name in tree.files}
    beside |= {stem(path[-1]) for name in others for path in tree.full[name].paths()}
    kept = Tree(list(tree.files))
    for name, inner in tree.folders.items():
        word, paths = words.get(name, ""), list(inner.paths((*place, name)))
        doubtful = word in DOUBTFUL
        if doubtful and any(word in "".join(normal(o).casefold().split()) for o in others):
            doubtful = False
        elif doubtful and not _alike(beside, paths):
            shown = "/".join((*place, name))
            masks.notes.append(
                f"{shown} holds files that are not named as those beside it, so it is not taken as"
                " masks or the like"
            )
            doubtful = False
        if doubtful or (word in SURE):
            masks.leave_out(f"in sub-folders called {name}, as masks and thumbnails are", paths)
            if doubtful:
                masks.doubted[place] = name
        else:
            kept.folders[name] = without_mask_folders(inner, masks, (*place, name))
    return kept


def stem(name: str) -> str:
    """A file's name without its suffix."""
    return name.rpartition(".")[0] or name


def _alike(beside: set[str], paths: list[Place]) -> bool:
    """Whether most of some files are named after an image beside them."""
    same = 0
    for path in paths:
        named = image_of(path[-1])
        same += stem(path[-1]) in beside or (named is not None and named[0] in beside)
    return same > len(paths) / 2
