"""The images of a run, found again in a folder that may have changed since."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from wye.data.inspection import File, Inspection
from wye.errors import UsageError

log = logging.getLogger("wye")


def as_in_run(found: Inspection, before: Inspection) -> Inspection:
    """The images of a folder that a run had, in the parts and order that they had there.

    Images are known by their content: a file that was renamed or moved is the same image. What is
    new, gone or has another class now is said; new images are left out.

    Raises:
        UsageError: the classes are other ones, or no image of the training or the test part is
            left.
    """
    if found.classes != before.classes:
        raise UsageError(
            f"the classes of {found.root} are no longer those that the run was trained on:"
            f" {_difference(found.classes, before.classes)}; a new run would learn them"
        )
    here: dict[str, list[File]] = {}
    for file in found.files:
        here.setdefault(file.content, []).append(file)
    kept: list[File] = []
    relabelled: list[File] = []
    gone = 0
    for file in before.files:
        candidates = here.get(file.content, [])
        same = next((f for f in candidates if f.path == file.path), None)
        same = same or next((f for f in candidates if f.label == file.label), None)
        if same is None and candidates:
            same = candidates[0]
        if same is None:
            gone += 1
            continue
        candidates.remove(same)
        if same.label != file.label and file.label:
            relabelled.append(same)
        kept.append(same.model_copy(update={"part": file.part}))
    new = sum(map(len, here.values()))
    for part in ("train", "test"):
        if not any(file.part == part for file in kept):
            raise UsageError(
                f"{found.root} holds none of the {part} images of the run; --data PATH says where"
                " they are"
            )
    said = list(_said(new, gone, relabelled))
    if said:
        log.warning("%s has changed since the run: %s", found.name, "; ".join(said))
    return found.changed(files=tuple(kept), drawn=before.drawn, values=before.values)


def _said(new: int, gone: int, relabelled: list[File]) -> Iterator[str]:
    if new:
        yield f"{new} new images are left out"
    if gone:
        yield f"{gone} are gone"
    if relabelled:
        first = ", ".join(f"{file.path} is {file.label or 'unlabelled'}" for file in relabelled[:3])
        yield f"{len(relabelled)} have another class now ({first})"


def _difference(now: tuple[str, ...], then: tuple[str, ...]) -> str:
    new, lost = sorted(set(now) - set(then)), sorted(set(then) - set(now))
    parts = [f"{', '.join(new)} new"] if new else []
    parts += [f"{', '.join(lost)} gone"] if lost else []
    return "; ".join(parts)
