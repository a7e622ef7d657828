"""How a tree of image files is to be read, by its names alone: classes, parts, or a refusal."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

from wye.errors import UsageError

TRAIN, VALIDATION, TEST, UNLABELLED = PARTS = ("train", "validation", "test", "unlabelled")
WORDS = {
    **dict.fromkeys(("train", "training", "trn", "trainval"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "validating", "dev"), VALIDATION),
    **dict.fromkeys(("eval", "evaluation"), VALIDATION),
    **dict.fromkeys(("test", "tests", "testing", "tst", "heldout", "holdout"), TEST),
    **dict.fromkeys(("unlabelled", "unlabeled", "unlabel", "unlabels", "unsup"), UNLABELLED),
    **dict.fromkeys(("nolabel", "nolabels", "notlabelled", "notlabeled"), UNLABELLED),
    **dict.fromkeys(("withoutlabel", "withoutlabels", "unsupervised"), UNLABELLED),
}
FILLERS = (
    *("dataset", "data", "sets", "set", "images", "image", "imgs", "img", "split", "part"),
    *("folder", "pictures", "photos", "samples", "files", "examples"),
)
MASKS = (
    *("mask", "masks", "annotation", "annotations", "segmentation", "segmentations", "labels"),
    *("groundtruth", "ground_truth", "gt", "thumbs", "thumbnails", "previews", "overlays"),
)
PLAIN = (*FILLERS, "pics", "jpg", "jpeg", "jpegs", "png", "pngs", "raw", "all", "input", "inputs")

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


def normal(name: str) -> str:
    """A class's name in one form: a letter with its accent is one sign or two on some systems."""
    return unicodedata.normalize("NFC", name)


def part_of(name: str) -> str | None:
    """The part that a folder's name stands for: `Training_set` is `train`; None for another."""
    text = re.sub(r"^\d+[\s._-]+", "", normal(name).casefold().strip())
    text = re.sub(r"[\s._-]*\d{2,4}$", "", text)
    if re.search(r"\d", text):
        return None
    words = [word for word in re.split(r"[\W_]+", text) if word]
    ends = [re.sub(f"(?<=.)({'|'.join(FILLERS)})$", "", word) for word in words]
    for found in (words, ends):
        if part := WORDS.get("".join(word for word in found if word not in FILLERS)):
            return part
    return None


def recognise(tree: Tree, root: str) -> Layout:
    """The classes and parts of a tree.

    Args:
        root: the folder's path, for messages.

    Raises:
        UsageError: it holds no images by class, or can be read in more than one way; the message
            says what would be right.
    """
    wanted = f"wanted: {root}/<class>/<image>, or the same in {root}/train and {root}/test"
    if not tree.full:
        loose = f" ({_images(len(tree.files))} in no class's folder)" if tree.files else ""
        raise UsageError(f"{root} holds no images by class; {wanted}{loose}")
    named = {name: part_of(name) for name in tree.full}
    parts = [name for name, part in named.items() if part not in (None, UNLABELLED)]
    divided = {name for name in parts if tree.full[name].full}
    others = [name for name, part in named.items() if part is None]
    _check_one_of_each({name: named[name] for name in parts if name in divided}, root)
    if any(named[name] == TRAIN for name in divided):
        layout = _parts(tree, root, named, divided)
    elif divided and not others:
        raise UsageError(
            f"{root} holds {_and(sorted(divided))} and no train; the training images belong into"
            f" {root}/train/<class>"
        )
    else:
        flat = [name for name in parts if name not in divided]
        if flat and not others:
            raise UsageError(
                f"the images in {_and(flat)} lie in no folder of a class; wanted:"
                f" {root}/{flat[0]}/<class>/<image>, or a table of path and label"
                " (wye train labels.csv)"
            )
        layout = _classes(tree, root, named, divided)
    if tree.files:
        layout.unused["beside the folders, so of no class"] = [(name,) for name in tree.files]
    for name, empty in tree.folders.items():
        if not empty.count:
            layout.notes.append(f"{name} holds no images, so it is no class")
    _check_classes(layout, root)
    return layout


def _parts(tree: Tree, root: str, named: dict[str, str | None], divided: set[str]) -> Layout:
    """train, validation and test at the top, classes in each."""
    layout = Layout("")
    spelt = [name for name in tree.full if name in divided]
    for name in spelt:
        part = named[name]
        assert part is not None
        if part != name:
            layout.notes.append(f"{name} is taken as the {part} part")
        _add(layout, tree.full[name], (name,), part, f"{root}/{name}")
        if loose := tree.full[name].files:
            layout.unused[f"beside the classes in {name}"] = [(name, file) for file in loose]
    for name, inner in tree.full.items():
        if name in divided:
            continue
        if named[name] == UNLABELLED:
            _add_unlabelled(layout, inner, (name,))
        elif named[name] is None:
            layout.unused[f"in {name}, which is beside train"] = list(inner.paths((name,)))
        else:
            why = f"in {name} without a folder per class (wye predict RUN {root}/{name} names them)"
            layout.unused[why] = list(inner.paths((name,)))
    layout.about = f"{_and(spelt)}, a folder per class in each"
    return layout


def _classes(tree: Tree, root: str, named: dict[str, str | None], divided: set[str]) -> Layout:
    """Classes at the top, perhaps beside the test part, or with the parts inside each."""
    layout = Layout("a folder per class")
    at_top = [n for n in tree.full if n not in divided and named[n] != UNLABELLED]
    inside = [n for n in at_top if any(part_of(k) in PARTS[:3] for k in tree.full[n].full)]
    if deep := [n for n in inside if any(inner.full for inner in tree.full[n].full.values())]:
        _check_not_wrapped({name: tree.full[name] for name in at_top}, root)
        raise UsageError(
            f"{root}: {_and(deep)} hold train and test with folders in them, as data sets of their"
            f" own; give one of them, {root}/{deep[0]}, or put their classes together"
        )
    whole = [n for n in inside if not tree.full[n].files and all(map(part_of, tree.full[n].full))]
    if inside and whole != at_top:
        other = next((name for name in at_top if name not in whole), inside[0])
        raise UsageError(
            f"{root}: {inside[0]} holds {_and(list(tree.full[inside[0]].full))}, and {other} is"
            f" not divided so; wanted: train and test in each class, or {root}/train/<class> and"
            f" {root}/test/<class>"
        )
    if inside:
        layout.about = "a folder per class, train and test in each"
        layout.notes.append(f"the parts lie in each class, as {inside[0]}/train")
        for name in at_top:
            own = {key: part_of(key) for key in tree.full[name].full}
            _check_one_of_each(own, f"{root}/{name}")
            for key, part in own.items():
                assert part is not None
                label = "" if part == UNLABELLED else normal(name)
                places = tree.full[name].full[key].paths((name, key))
                layout.placed.update((place, (part, label)) for place in places)
    else:
        rest = Tree([], {name: tree.folders[name] for name in at_top})
        _add(layout, rest, (), TRAIN, root)
        for name in at_top:
            if named[name]:
                layout.notes.append(
                    f"{name} is taken as a class, for it holds images and no folders of classes"
                )
    for name in divided:
        part = named[name]
        assert part is not None
        _add(layout, tree.full[name], (name,), part, f"{root}/{name}")
        layout.about = f"a folder per class, and {name} beside them"
        layout.notes.append(f"{name} is taken as the {part} part of the classes beside it")
    for name in tree.full:
        if named[name] == UNLABELLED:
            _add_unlabelled(layout, tree.full[name], (name,))
    return layout


def _add(layout: Layout, tree: Tree, place: Place, part: str, root: str) -> None:
    """Enter the classes of one part."""
    classes = {name: inner for name, inner in tree.full.items() if part_of(name) != UNLABELLED}
    _check_not_wrapped(classes, root)
    shallow = [name for name, inner in classes.items() if inner.files]
    for name, inner in tree.full.items():
        if name not in classes:
            if part == TRAIN:
                _add_unlabelled(layout, inner, (*place, name))
            else:
                why = f"without a label in the {part} part"
                layout.unused[why] = list(inner.paths((*place, name)))
            continue
        label = normal(name)
        direct = {file.rpartition(".")[0] or file for file in inner.files}
        layout.placed.update(((*place, name, file), (part, label)) for file in inner.files)
        for key, deeper in inner.full.items():
            paths = list(deeper.paths((*place, name, key)))
            if part == TRAIN and part_of(key) == UNLABELLED:
                _add_unlabelled(layout, deeper, (*place, name, key))
            elif key.casefold() in MASKS and _alike(direct, paths):
                why = f"in sub-folders called {key}, named as the images beside them"
                layout.unused.setdefault(why, []).extend(paths)
            else:
                layout.placed.update((path, (part, label)) for path in paths)
                layout.notes.append(
                    f"{'/'.join((*place, name, key))}: its {_images(len(paths))} count as {label}"
                )
    if classes and not shallow and any(len(inner.full) > 1 for inner in classes.values()):
        deep = next(name for name, inner in classes.items() if len(inner.full) > 1)
        layout.notes.append(
            f"no class of {root} holds images itself: if the classes are"
            f" {_and(list(classes[deep].full)[:3])}, put them side by side in one folder"
        )


def _alike(direct: set[str], paths: list[Place]) -> bool:
    """Whether most files in a sub-folder are named after an image beside it."""
    stems = [path[-1].rpartition(".")[0] or path[-1] for path in paths]
    same = sum(stem in direct or re.sub(r"[_-][a-z]+$", "", stem) in direct for stem in stems)
    return same > len(stems) / 2


def _add_unlabelled(layout: Layout, tree: Tree, place: Place) -> None:
    layout.placed.update((path, (UNLABELLED, "")) for path in tree.paths(place))


def _check_one_of_each(named: dict[str, str | None], root: str) -> None:
    for part in PARTS[:3]:
        if len(names := [name for name, of in named.items() if of == part]) > 1:
            raise UsageError(
                f"{root}: {_and(names)} both read as the {part} part; join them, or rename one"
            )


def _check_not_wrapped(classes: dict[str, Tree], root: str) -> None:
    """Refuse one folder too many around the classes, and one that only says 'images'."""
    if len(classes) != 1:
        return
    [(name, inner)] = classes.items()
    path = root
    while not inner.files and inner.full:
        path = f"{path}/{name}"
        if len(inner.full) > 1:
            raise UsageError(
                f"{root} holds one folder, {name}, with {_and(list(inner.full)[:4])} in it:"
                f" did you mean {path}?"
            )
        [(name, inner)] = inner.full.items()
    if path != root:
        raise UsageError(
            f"{root} holds one folder within another and no images beside it: did you mean {path}?"
            f" (its one class would be {name})"
        )
    if name.casefold() in PLAIN:
        raise UsageError(
            f"{root} holds one folder, {name}, and no classes; wanted: {root}/<class>/<image>, or a"
            " table of path and label (wye train labels.csv)"
        )


def _check_classes(layout: Layout, root: str) -> None:
    """Compare the parts' classes by name."""
    classes = layout.classes
    if not classes:
        raise UsageError(f"{root} holds no images with a class; wanted: {root}/<class>/<image>")
    for part in (VALIDATION, TEST):
        found = sorted({label for own, label in layout.placed.values() if own == part})
        if unknown := [label for label in found if label not in classes]:
            near = difflib.get_close_matches(unknown[0].casefold(), [c.casefold() for c in classes])
            alike = [c for c in classes if near and c.casefold() == near[0]]
            hint = f"; {unknown[0]!r} and {alike[0]!r} may be one" if alike else ""
            raise UsageError(
                f"the {part} part of {root} has classes that train lacks:"
                f" {', '.join(unknown)}{hint}; name both alike, or leave them out"
            )
        for label in classes if found else ():
            if label not in found:
                layout.notes.append(f"{label} has no {part} image")
    folded: dict[str, str] = {}
    for label in classes:
        other = folded.setdefault(" ".join(label.casefold().split()), label)
        if other != label:
            layout.notes.append(f"{other!r} and {label!r} are two classes, by their spelling")


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count:,} images"


def _and(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
