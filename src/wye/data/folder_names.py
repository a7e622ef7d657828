"""What the names of folders and files say: a part, a class, masks, nothing at all."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from wye.wording import legible

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
SURE = (
    *("masks", "annotations", "segmentations", "groundtruth", "groundtruths", "bitmasks"),
    *("thumb", "thumbs", "thumbnail", "thumbnails", "previews", "overlays", "gtmasks"),
    *("segmentationclass", "segmentationobject", "segmentationmasks", "segmasks"),
)
"""Words for images of images; a class is hardly called so."""
DOUBTFUL = (
    *("mask", "annotation", "segmentation", "seg", "labels", "label", "gt", "gts", "preview"),
    *("overlay", "bitmask", "segmentationmask", "segmask", "gtmask", "labelmask", "labelmasks"),
)
"""Words for the same that a class may have: `mask` beside `no mask`."""
OF_IMAGE = re.compile(
    r"(?P<stem>.+?)(?P<end>[ ._-]+(?:masks?|seg|segmentation|labels?|groundtruth|ground_truth|gt"
    r"|annotation|annotated|overlay|thumb|thumbnail|preview))(?:[ ._-]*\(?\d+\)?)?",
    re.IGNORECASE,
)
PLAIN = (*FILLERS, "pics", "jpg", "jpeg", "jpegs", "png", "pngs", "raw", "all", "input", "inputs")


def normal(name: str) -> str:
    """A class's name in one form: a letter with its accent is one sign or two on some systems."""
    return unicodedata.normalize("NFC", legible(name))


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


def mask_word(name: str) -> str:
    """A folder's name without what it shares with folders of images, in one word."""
    found = [word for word in re.split(r"[\W_]+", normal(name).casefold()) if word]
    kept = [word for word in found if word not in FILLERS and word not in WORDS]
    return "".join(word for word in kept if not word.isdigit())


def image_of(name: str) -> tuple[str, str] | None:
    """The stem of the image that a file is named after as its mask, and what it adds to that.

    `benign (1)_mask_2.png` is `benign (1)` and `_mask`.
    """
    found = OF_IMAGE.fullmatch(name.rpartition(".")[0] or name)
    return (found["stem"], found["end"].casefold()) if found else None


def spelling_notes(classes: Iterable[str]) -> list[str]:
    """Pairs of classes that differ in spelling alone, or are one number, a sentence each."""
    notes: list[str] = []
    seen: dict[str, str] = {}
    for label in sorted(classes):
        other = seen.setdefault(_spelt(label), label)
        if other != label:
            notes.append(f"{other!r} and {label!r} are two classes, by their spelling")
    return notes


def _spelt(label: str) -> str:
    """A class's name without its case, its spaces and what stands for spaces."""
    text = " ".join(unicodedata.normalize("NFKC", label).casefold().split())
    if re.fullmatch(r"[+-]?\d{1,15}(\.\d{0,15})?", text):
        return repr(float(text))
    return re.sub(r"(?<=\w)[\s_-]+(?=[^\W_])", " ", text)
