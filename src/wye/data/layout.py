"""How a tree of image files is to be read, by its names alone: classes, parts, or a refusal."""

from __future__ import annotations

from wye.data.folder_names import (
    PARTS,
    TEST,
    TRAIN,
    UNLABELLED,
    VALIDATION,
    normal,
    part_of,
)
from wye.data.layout_checks import (
    check_classes,
    check_not_parts_alone,
    check_not_wrapped,
    check_one_class_and_masks,
    check_one_of_each,
    check_train_is_a_part,
)
from wye.data.masks import Masks, without_mask_files, without_mask_folders
from wye.data.tree import Layout, Place, Tree, and_, images
from wye.errors import UsageError


def recognise(tree: Tree, root: str) -> Layout:
    """The classes and parts of a tree.

    Args:
        root: the folder's path, for messages.

    Raises:
        UsageError: it holds no images by class, or can be read in more than one way; the message
            says what would be right.
    """
    masks = Masks()
    tree = without_mask_folders(without_mask_files(tree, masks), masks)
    try:
        layout = _read(tree, root, masks)
    except UsageError as error:
        rest = [f"; left out: {len(places)} {why}" for why, places in masks.unused.items()]
        raise UsageError("".join([str(error), *rest])) from None
    layout.unused.update(masks.unused)
    layout.notes.extend(masks.notes)
    check_classes(layout, root)
    return layout


def _read(tree: Tree, root: str, masks: Masks) -> Layout:
    """The layout of a tree without masks, its classes not yet compared."""
    wanted = f"wanted: {root}/<class>/<image>, or the same in {root}/train and {root}/test"
    if not tree.full:
        loose = f" ({images(len(tree.files))} in no class's folder)" if tree.files else ""
        raise UsageError(f"{root} holds no images by class; {wanted}{loose}")
    named = {name: part_of(name) for name in tree.full}
    parts = [name for name, part in named.items() if part not in (None, UNLABELLED)]
    divided = {name for name in parts if tree.full[name].full}
    others = [name for name, part in named.items() if part is None]
    check_one_of_each({name: named[name] for name in parts if name in divided}, root)
    flat = sorted(
        (name for name in parts if name not in divided),
        key=lambda n: PARTS.index(named[n] or TRAIN),
    )
    alone = not others or {TRAIN} < {named[name] for name in flat}
    if train := [name for name in divided if named[name] == TRAIN]:
        check_train_is_a_part(tree, train[0], others, parts, root)
        layout = _parts(tree, root, named, divided, masks)
    elif divided and not others:
        raise UsageError(
            f"{root} holds {and_(sorted(divided))} and no train; the training images belong into"
            f" {root}/train/<class>"
        )
    else:
        if flat and alone:
            raise UsageError(
                f"the images in {and_(flat)} lie in no folder of a class; wanted:"
                f" {root}/{flat[0]}/<class>/<image>, or a table of path and label"
                " (wye train labels.csv)"
            )
        layout = _classes(tree, root, named, divided, masks)
    if tree.files:
        layout.unused["beside the folders, so of no class"] = [(name,) for name in tree.files]
    for name, empty in tree.folders.items():
        if not empty.count:
            layout.notes.append(f"{name} holds no images, so it is no class")
    return layout


def _parts(
    tree: Tree, root: str, named: dict[str, str | None], divided: set[str], masks: Masks
) -> Layout:
    """train, validation and test at the top, classes in each."""
    layout = Layout("")
    spelt = [name for name in tree.full if name in divided]
    for name in spelt:
        part = named[name]
        assert part is not None
        if part != name:
            layout.notes.append(f"{name} is taken as the {part} part")
        _add(layout, tree.full[name], (name,), part, f"{root}/{name}", masks)
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
            _leave_flat(layout, inner, name, root)
    layout.about = f"{and_(spelt)}, a folder per class in each"
    return layout


def _classes(
    tree: Tree, root: str, named: dict[str, str | None], divided: set[str], masks: Masks
) -> Layout:
    """Classes at the top, perhaps beside the test part, or with the parts inside each."""
    layout = Layout("a folder per class")
    flat = [n for n in tree.full if n not in divided and named[n] in (VALIDATION, TEST)]
    for name in flat:
        _leave_flat(layout, tree.full[name], name, root)
    at_top = [n for n in tree.full if n not in divided and n not in flat and named[n] != UNLABELLED]
    inside = [n for n in at_top if any(part_of(k) in PARTS[:3] for k in tree.full[n].full)]
    if deep := [n for n in inside if any(inner.full for inner in tree.full[n].full.values())]:
        check_not_wrapped({name: tree.full[name] for name in at_top}, root)
        raise UsageError(
            f"{root}: {and_(deep)} hold train and test with folders in them, as data sets of their"
            f" own; give one of them, {root}/{deep[0]}, or put their classes together"
        )
    check_not_parts_alone({name: tree.full[name] for name in at_top}, inside, root)
    whole = [n for n in inside if not tree.full[n].files and all(map(part_of, tree.full[n].full))]
    if inside and whole != at_top:
        other = next((name for name in at_top if name not in whole), inside[0])
        raise UsageError(
            f"{root}: {inside[0]} holds {and_(list(tree.full[inside[0]].full))}, and {other} is"
            f" not divided so; wanted: train and test in each class, or {root}/train/<class> and"
            f" {root}/test/<class>"
        )
    if inside:
        layout.about = "a folder per class, train and test in each"
        layout.notes.append(f"the parts lie in each class, as {inside[0]}/train")
        for name in at_top:
            own = {key: part_of(key) for key in tree.full[name].full}
            check_one_of_each(own, f"{root}/{name}")
            for key, part in own.items():
                assert part is not None
                label = "" if part == UNLABELLED else normal(name)
                places = tree.full[name].full[key].paths((name, key))
                layout.placed.update((place, (part, label)) for place in places)
    else:
        rest = Tree([], {name: tree.folders[name] for name in at_top})
        _add(layout, rest, (), TRAIN, root, masks)
        for name in at_top:
            if named[name]:
                layout.notes.append(
                    f"{name} is taken as a class, for it holds images and no folders of classes"
                )
    for name in divided:
        part = named[name]
        assert part is not None
        _add(layout, tree.full[name], (name,), part, f"{root}/{name}", masks)
        layout.about = f"a folder per class, and {name} beside them"
        layout.notes.append(f"{name} is taken as the {part} part of the classes beside it")
    for name in tree.full:
        if named[name] == UNLABELLED:
            _add_unlabelled(layout, tree.full[name], (name,))
    return layout


def _add(layout: Layout, tree: Tree, place: Place, part: str, root: str, masks: Masks) -> None:
    """Enter the classes of one part."""
    classes = {name: inner for name, inner in tree.full.items() if part_of(name) != UNLABELLED}
    check_not_wrapped(classes, root)
    check_one_class_and_masks(classes, masks.doubted.get(place), root)
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
        layout.placed.update(((*place, name, file), (part, label)) for file in inner.files)
        for key, deeper in inner.full.items():
            paths = list(deeper.paths((*place, name, key)))
            if part == TRAIN and part_of(key) == UNLABELLED:
                _add_unlabelled(layout, deeper, (*place, name, key))
            else:
                layout.placed.update((path, (part, label)) for path in paths)
                layout.notes.append(
                    f"{'/'.join((*place, name, key))}: its {images(len(paths))} count as {label}"
                )
    if classes and not shallow and any(len(inner.full) > 1 for inner in classes.values()):
        deep = next(name for name, inner in classes.items() if len(inner.full) > 1)
        layout.notes.append(
            f"no class of {root} holds images itself: if the classes are"
            f" {and_(list(classes[deep].full)[:3])}, put them side by side in one folder"
        )


def _add_unlabelled(layout: Layout, tree: Tree, place: Place) -> None:
    layout.placed.update((path, (UNLABELLED, "")) for path in tree.paths(place))


def _leave_flat(layout: Layout, tree: Tree, name: str, root: str) -> None:
    """Leave out a part without classes."""
    why = (
        f"in {name} without a folder per class (wye predict RUN {root}/{name} names them; if"
        f" {name} is a class, call it otherwise)"
    )
    layout.unused[why] = list(tree.paths((name,)))
