"""Where pixels are kept: in memory, or in a file that is read a part at a time."""

from __future__ import annotations

import itertools
import math
import os
import re
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from io import BufferedRandom

import torch
from torch import Tensor

from wye.errors import MachineError, UsageError
from wye.files import cache_folder
from wye.machine import memory_bytes

SHARE = "25%"
"""Of the machine's memory: how much the pixels of a folder may take, unless WYE_MEMORY says."""
_PART, _PART_BYTES = 2048, 32 << 20

_UNITS = {"kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}


class PixelFile:
    """Images one after the other in a file that has no name and ends with this object.

    It is read and not mapped: a page of a large file that is touched can map megabytes around it.
    """

    def __init__(self, file: BufferedRandom, shape: Sequence[int], dtype: torch.dtype) -> None:
        self.shape, self.dtype = tuple(shape), dtype
        self._file, self._lock = file, threading.Lock()
        self._bytes = math.prod(shape) * dtype.itemsize

    def read(self, places: Tensor) -> Tensor:
        """The images at `places` `(n,)`, in that order; neighbours are read at once."""
        read = bytearray(len(places) * self._bytes)
        begins = ((places.diff() != 1).nonzero().flatten() + 1).tolist()
        with self._lock:
            for begin, end in itertools.pairwise([0, *begins, len(places)] if read else []):
                self._file.seek(int(places[begin]) * self._bytes)
                self._file.readinto(memoryview(read)[begin * self._bytes : end * self._bytes])
        shape = (len(places), *self.shape)
        return (
            torch.frombuffer(read, dtype=self.dtype).view(shape)
            if read
            else torch.empty(shape, dtype=self.dtype)
        )


class StoredPixels:
    """Pixels `(N, C, H, W)` in a file: what an index or a slice names is read into memory.

    It stands in for a tensor where images are drawn by index or gone through in parts. A selection
    of its images is one of positions, and costs no pixels.

    Attributes:
        device: where what is read is brought to.
    """

    ndim = 4

    def __init__(self, file: PixelFile, chosen: Tensor, device: torch.device) -> None:
        self._file, self._chosen, self.device = file, chosen, device

    @property
    def dtype(self) -> torch.dtype:
        """That of the pixels, uint8 or float32."""
        return self._file.dtype

    @property
    def shape(self) -> torch.Size:
        """`(N, C, H, W)`."""
        return torch.Size((len(self), *self._file.shape))

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, key: int | slice | Tensor) -> Tensor:
        places = self._chosen[key.cpu() if isinstance(key, Tensor) else key]
        read = self._file.read(places.view(-1)).to(self.device)
        return read if places.ndim else read[0]

    def split(self, size: int) -> Iterator[Tensor]:
        """All of them in order, `size` at a time, each part read when its turn comes."""
        return (self[start : start + size] for start in range(0, len(self), size))

    def take(self, indices: Tensor | slice) -> StoredPixels:
        """Those at `indices`, in that order; nothing is read."""
        chosen = self._chosen[indices.cpu() if isinstance(indices, Tensor) else indices]
        return StoredPixels(self._file, chosen, self.device)

    def to(self, device: torch.device | str) -> StoredPixels:
        """The same, whose parts are brought to `device` when they are read."""
        return StoredPixels(self._file, self._chosen, torch.device(device))


Pixels = Tensor | StoredPixels
"""`(N, C, H, W)`, in memory or in a file."""


def taken(pixels: Pixels, indices: Tensor | slice) -> Pixels:
    """The pixels at `indices`, in that order, in memory or as a selection of a file's."""
    return pixels.take(indices) if isinstance(pixels, StoredPixels) else pixels[indices]


def part_size(*shapes: Sequence[int]) -> int:
    """How many images are read, or made, at a time where all of them are gone through.

    Args:
        shapes: `(C, H, W)` of an image, and of what is made of it.
    """
    return max(1, min(_PART, *(_PART_BYTES // math.prod(shape) for shape in shapes)))


def in_parts(pixels: Pixels) -> Iterable[Tensor]:
    """All of them in order, some at a time."""
    return pixels.split(part_size(pixels.shape[1:]))


def joined(*pixels: Pixels) -> Pixels:
    """One after the other; in a file if any of them is in one."""
    where = next((each for each in pixels if isinstance(each, StoredPixels)), pixels[0])
    parts = itertools.chain.from_iterable(map(in_parts, pixels))
    return gathered(parts, sum(map(len, pixels)), like=where)


def gathered(parts: Iterable[Tensor], count: int, like: Pixels) -> Pixels:
    """Parts that hold `count` images together, kept in the way that `like` is, on its device."""
    if isinstance(like, StoredPixels):
        return stored(parts).to(like.device)
    return in_memory(parts, count)


def in_memory(parts: Iterable[Tensor], count: int) -> Tensor:
    """Parts that hold `count` images together as one tensor; they are never there twice."""
    whole: Tensor | None = None
    filled = 0
    for part in parts:
        if whole is None:
            whole = part.new_empty((count, *part.shape[1:]))
        whole[filled : filled + len(part)] = part
        filled += len(part)
    assert whole is not None and filled == count, f"{filled} images of {count}"
    return whole


def stored(parts: Iterable[Tensor]) -> StoredPixels:
    """Parts, of one type and image shape, in a file in the cache folder.

    The file is this process's alone and gone when it ends, however it ends.

    Raises:
        MachineError: the file cannot be written.
    """
    folder = cache_folder() / "data"
    shape, kind = torch.Size(()), torch.uint8
    count = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (read for as long as it is used)
        for part in parts:
            file.write(part.cpu().contiguous().numpy().data)
            shape, kind, count = part.shape[1:], part.dtype, count + len(part)
        file.flush()
    except OSError as error:
        raise MachineError(
            f"no place for pixels in {folder}: {error.strerror or error}; WYE_CACHE names another"
            " folder, and WYE_MEMORY how much may be held in memory instead"
        ) from error
    return StoredPixels(PixelFile(file, shape, kind), torch.arange(count), torch.device("cpu"))


def memory_share() -> float:
    """Bytes of memory that the pixels of a folder may take.

    `WYE_MEMORY` sets it: `40%` of the machine's memory, or `2GB`. A machine that doesn't tell its
    memory is taken to have enough.

    Raises:
        UsageError: it says something else.
    """
    text = os.environ.get("WYE_MEMORY") or SHARE
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(%|[kmgt]b)", text.strip().lower())
    if found is None:
        raise UsageError(f"WYE_MEMORY is {text!r}; it should be like 40% or 2GB")
    number, unit = float(found[1]), found[2]
    if unit != "%":
        return number * _UNITS[unit]
    whole = memory_bytes()
    return float("inf") if whole is None else number / 100 * whole


def in_gb(size: float) -> str:
    """Bytes in words, in GB (10^9 bytes)."""
    return f"{size / 1e9:.3g} GB"
