"""A user's own images: a folder with one folder a class."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from wye.data.images import DataSet, Images
from wye.data.storage import (
    Pixels,
    gathered,
    in_gb,
    in_memory,
    in_parts,
    memory_share,
    part_size,
    stored,
    taken,
)
from wye.errors import UsageError

PHOTOGRAPHS = (".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")
PORTABLE = (".ppm", ".pgm", ".pbm", ".pnm")
SUFFIXES = (*PHOTOGRAPHS, *PORTABLE)
HELD_OUT = 0.2
UNLABELLED = "unlabelled"

log = logging.getLogger("wye")


def load_folder(
    path: str | Path, size: int = 32, *, generator: torch.Generator | None = None
) -> DataSet:
    """The images in `path/<class>/…`, or in `path/train/<class>/…` and `path/test/<class>/…`.

    Classes are the folders' names in order. Without a `test` folder a fifth of each class is held
    out. A folder called `unlabelled` is no class: its images join the training ones without a
    label. Images are brought to `size` x `size` by `read_image`; if all are grey, one channel is
    kept. Pixels that take more than the share of memory set for them stay in a file.

    Args:
        generator: draws the images that are held out; by default one with seed 0.

    Raises:
        UsageError: no images, too few to hold any out, an unreadable file, or a class that only
            the test part has.
        MachineError: there is neither the memory for the pixels nor a place for a file of them.
    """
    path = Path(path).expanduser()
    if not path.is_dir():
        raise UsageError(f"no folder is called {str(path)!r}")
    if size < 1:
        raise UsageError(f"images cannot be brought to {size} x {size} pixels")
    divided = any(_folders(path / "train"))
    files = _files(path / "train" if divided else path)
    classes = tuple(files)
    if divided and any(_folders(path / "test")):
        test_files = _files(path / "test")
        if unknown := sorted(set(test_files) - set(classes)):
            raise UsageError(f"{path / 'test'} has classes that train lacks: {', '.join(unknown)}")
        parts = (_labelled(files, classes), _labelled(test_files, classes))
    else:
        known = ("train", UNLABELLED)
        if divided and (others := [f.name for f in _folders(path) if f.name not in known]):
            log.warning("%s: only train is used, not %s", path, ", ".join(others))
        parts = _split(files, generator or torch.Generator().manual_seed(0))
        if not parts[1]:
            raise UsageError(
                f"{path} has too few images to hold any out: add some, or a test folder"
            )
    without = [(file, -1) for file in _images_in(path / UNLABELLED)]
    name = path.resolve().name
    read = _images([part for part in (*parts, without) if part], size, name)
    return DataSet(name, classes, *read)


def read_image(path: str | Path, size: int = 32) -> Tensor:
    """An image file as uint8 `(3, size, size)`, its longer side cropped evenly at both ends.

    Transparency becomes white, 16-bit grey keeps its upper 8 bits, an animation its first frame,
    and a photograph is turned the way its camera was held.

    Raises:
        UsageError: the file cannot be read as an image.
    """
    try:
        with Image.open(path) as image:
            # JPEG files can be decoded at a fraction of their size: much faster for photographs.
            image.draft(None, (4 * size, 4 * size))
            rgb = _to_rgb(ImageOps.exif_transpose(image))
            shorter = min(rgb.size)
            left, top = (rgb.width - shorter) / 2, (rgb.height - shorter) / 2
            small = rgb.resize(
                (size, size),
                Image.Resampling.LANCZOS if shorter > size else Image.Resampling.BICUBIC,
                box=(left, top, left + shorter, top + shorter),
            )
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UsageError(f"{path} cannot be read as an image: {error}") from error
    return torch.from_numpy(np.array(small)).permute(2, 0, 1)


def is_image(file: Path) -> bool:
    """Whether a path is a file that is named like an image and not hidden."""
    named = file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
    return named and file.is_file()


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image) // 256).clip(0, 255).astype(np.uint8)).convert(
            "RGB"
        )
    if image.mode == "F":
        values = np.asarray(image)
        values = values * 255 if values.max() <= 1 else values
        return Image.fromarray(values.round().clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")


def _folders(path: Path) -> list[Path]:
    """The folders in `path` by name, without hidden ones; none if `path` is no folder."""
    if not path.is_dir():
        return []
    return sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))


def _files(path: Path) -> dict[str, list[Path]]:
    """Class to image files, both in order."""
    found: dict[str, list[Path]] = {}
    for folder in _folders(path):
        if folder.name == UNLABELLED:
            continue
        if files := _images_in(folder):
            found[folder.name] = files
        else:
            log.warning("%s: no images, so no class", folder)
    if not found:
        raise UsageError(
            f"{path} holds no images by class; wanted: {path}/<class>/<image>{_strays(path)}"
        )
    return found


def _images_in(folder: Path) -> list[Path]:
    """The images under a folder in order; none if there is no such folder."""
    return sorted(file for file in folder.rglob("*") if is_image(file))


def _strays(path: Path) -> str:
    """A hint for images that lie where the classes should."""
    loose = sum(file.suffix.lower() in SUFFIXES for file in path.iterdir())
    subject = "1 image lies" if loose == 1 else f"{loose} images lie"
    return f" ({subject} in no class's folder)" if loose else ""


Labelled = list[tuple[Path, int]]


def _labelled(files: dict[str, list[Path]], classes: tuple[str, ...]) -> Labelled:
    return [(file, classes.index(name)) for name, group in files.items() for file in group]


def _split(files: dict[str, list[Path]], generator: torch.Generator) -> tuple[Labelled, Labelled]:
    """A fifth of each class, and at least one where there are two, held out for the test."""
    train: Labelled = []
    test: Labelled = []
    for label, group in enumerate(files.values()):
        count = max(round(HELD_OUT * len(group)), 1) if len(group) > 1 else 0
        held = set(torch.randperm(len(group), generator=generator)[:count].tolist())
        for position, file in enumerate(group):
            (test if position in held else train).append((file, label))
    return train, test


def _images(parts: list[Labelled], size: int, name: str) -> list[Images]:
    """The images of each part, all in memory or all in one file."""
    files = [file for part in parts for file, _ in part]
    needed = len(files) * 3 * size**2
    grey = True

    def read() -> Iterator[Tensor]:
        nonlocal grey
        at_once = part_size((3, size, size))
        # Pillow decodes and resizes without Python's lock, so threads are enough.
        with ThreadPoolExecutor() as pool:
            for start in range(0, len(files), at_once):
                some = files[start : start + at_once]
                pixels = torch.stack(list(pool.map(lambda file: read_image(file, size), some)))
                grey = grey and _is_grey(pixels)
                yield pixels

    pixels: Pixels
    if needed <= memory_share():
        pixels = in_memory(read(), len(files))
    else:
        log.info(
            "%s: %s of pixels stay in a file, because that is more than the %s of memory set for"
            " them (WYE_MEMORY)",
            name,
            in_gb(needed),
            in_gb(memory_share()),
        )
        pixels = stored(read())
    if grey:
        one = (part[:, :1] for part in in_parts(pixels))
        pixels = gathered(one, len(files), like=pixels)
    labels = torch.tensor([label for part in parts for _, label in part])
    ends = [0, *itertools.accumulate(map(len, parts))]
    places = [slice(*pair) for pair in itertools.pairwise(ends)]
    return [Images(taken(pixels, where), labels[where]) for where in places]


def _is_grey(pixels: Tensor) -> bool:
    return bool((pixels[:, :1] == pixels).all())
