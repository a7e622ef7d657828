"""What is no layout, or may be two: refused, with what would be right."""

from __future__ import annotations

import difflib

from wye.data.folder_names import PARTS, PLAIN, TEST, TRAIN, VALIDATION, part_of
from wye.data.tree import Layout, Tree, and_, images
from wye.errors import UsageError


def check_one_of_each(named: dict[str, str | None], root: str) -> None:
    """Refuse two folders for one part."""
    for part in PARTS[:3]:
        if len(names := [name for name, of in named.items() if of == part]) > 1:
            raise UsageError(
                f"{root}: {and_(names)} both read as the {part} part; join them, or rename one"
            )


def check_not_wrapped(classes: dict[str, Tree], root: str) -> None:
    """Refuse one folder too many around the classes, and one that only says 'images'."""
    if len(classes) != 1:
        return
    [(name, inner)] = classes.items()
    path = root
    while not inner.files and inner.full:
        path = f"{path}/{name}"
        if len(inner.full) > 1:
            raise UsageError(
                f"{root} holds one folder, {name}, with {and_(list(inner.full)[:4])} in it:"
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


def check_train_is_a_part(
    tree: Tree, train: str, others: list[str], parts: list[str], root: str
) -> None:
    """Refuse a `train` with folders in it among other folders of images, if it is the only part.

    Args:
        others: the folders beside it that are called as no part.
        parts: those that are, itself among them.
    """
    counts = sorted(inner.count for inner in tree.full[train].full.values())
    usual = counts[len(counts) // 2]
    rivals = [
        name
        for name in others
        if name.casefold() not in PLAIN and 2 * tree.full[name].count >= usual
    ]
    if rivals and not any(part_of(name) in (TEST, VALIDATION) for name in parts):
        found = and_([f"{name} ({images(tree.full[name].count)})" for name in rivals[:4]])
        inner = and_(list(tree.full[train].full)[:3])
        raise UsageError(
            f"{root} can be read in two ways, for {found} {'is' if len(rivals) == 1 else 'are'}"
            f" beside {train}, which holds {inner}. If {train} is the training part, move what is"
            f" beside it into {root}/{train} or out of {root}; if {train} is a class, call it"
            f" otherwise ({train}s, say)"
        )


def check_not_parts_alone(classes: dict[str, Tree], inside: list[str], root: str) -> None:
    """Refuse `images/train` and `images/val` without a folder of a class anywhere.

    Args:
        inside: the folders that hold parts.
    """
    plain = all(name.casefold() in PLAIN for name in classes)
    if inside and (plain or len(classes) == 1):
        held = and_(list(classes[inside[0]].full)[:4])
        raise UsageError(
            f"{root} holds {and_(list(classes)[:4])}, with {held} in it and no folder of a class;"
            f" wanted: {root}/{TRAIN}/<class>/<image>, or a table of path and label"
            " (wye train labels.csv)"
        )


def check_one_class_and_masks(classes: dict[str, Tree], doubted: str | None, root: str) -> None:
    """Refuse two folders of which one may be a class, or masks of the other."""
    if doubted is not None and len(classes) == 1:
        [name] = classes
        raise UsageError(
            f"{root} holds {name} and {doubted}, and most files in {doubted} are named as those in"
            f" {name}: if they are masks of these, move {doubted} out; if it is a class, call it"
            f" otherwise (with {doubted}, say)"
        )


def check_classes(layout: Layout, root: str) -> None:
    """Compare the parts' classes by name."""
    classes = layout.classes
    if not classes:
        rest = "; ".join(f"{len(places)} {why}" for why, places in layout.unused.items())
        raise UsageError(
            f"{root} holds no images with a class; wanted: {root}/<class>/<image>"
            + (f" (left out: {rest})" if rest else "")
        )
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
