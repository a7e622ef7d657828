"""Files taken by name out of a folder, a tar or a zip file; nothing is ever unpacked to disk."""

from __future__ import annotations

import contextlib
import gzip
import io
import tarfile
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from wye.data.catalog import MalformedError
from wye.errors import message_of
from wye.wording import plain

MOST = 256 << 20
"""Bytes, decompressed, of the files that a data set or a network's weights are in together: the
largest, MNIST as floating-point numbers, has 220 MB."""
PASSED = 1 << 30
"""Bytes of an archive, decompressed, in which they are looked for."""
MEMBERS = 100_000
"""Of an archive in which they are looked for."""

_STEP = 1 << 20
_GZIP = b"\x1f\x8b"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Those of all data sets; of others zipfile may decompress without end at once."""


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """Whatever the reading of somebody else's file raises, as one `MalformedError`."""
    try:
        yield
    except MalformedError:
        raise
    except MemoryError:
        raise MalformedError("there is no memory for what it holds") from None
    except Exception as error:  # there is no list of what a damaged file may lead to
        line = " ".join(plain(message_of(error)).split())
        raise MalformedError(line if len(line) <= 200 else f"{line[:200]}…") from error


def contents(path: Path, names: Collection[str]) -> dict[str, bytes]:
    """The files called `names`, wherever they lie inside an archive.

    Args:
        path: a folder (its own files only), a tar or zip file, or a file that is one of `names`.
        names: file names without folders.

    Returns:
        Name to content, of those that are there.

    Raises:
        MalformedError: a damaged archive, or one that holds more than `MOST` bytes under the names.
    """
    found: dict[str, bytes] = {}
    with reading():
        if not path.is_dir() and not path.is_file():
            raise MalformedError("neither a file nor a folder")
        for name, file in _members(path, names):
            found.setdefault(name, whole(file, MOST - sum(map(len, found.values()))))
    return found


def _members(path: Path, names: Collection[str]) -> Iterator[tuple[str, IO[bytes]]]:
    """The files called `names` in the order of the archive, each open until the next is asked for.

    Going back in a compressed archive decompresses it again.
    """
    if path.is_dir():
        for name in names:
            if (path / name).is_file():
                with (path / name).open("rb") as file:
                    yield name, file
    elif path.name in names:
        with path.open("rb") as file:
            yield path.name, file
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for item in archive.infolist():
                if (name := PurePosixPath(item.filename).name) not in names:
                    continue
                if item.compress_type not in _METHODS:
                    raise MalformedError(f"{name} is compressed in a way that data sets are not")
                with archive.open(item) as file:
                    yield name, file
    else:
        yield from _tar_members(path, names)


def _tar_members(path: Path, names: Collection[str]) -> Iterator[tuple[str, IO[bytes]]]:
    with path.open("rb") as file:
        compressed = file.read(2) == _GZIP
        file.seek(0)
        bounded = _Bounded(gzip.GzipFile(fileobj=file) if compressed else file)
        try:
            tar = tarfile.open(fileobj=bounded, mode="r:")  # noqa: SIM115 (below)
        except tarfile.ReadError:
            if compressed:
                raise MalformedError("a compressed file that holds no tar archive") from None
            return  # no archive
        with tar:
            for _ in range(MEMBERS):
                if (member := tar.next()) is None:
                    return
                tar.members.clear()  # type: ignore[attr-defined]  # it would keep all of them
                name = PurePosixPath(member.name).name
                if member.isfile() and name in names and (of := tar.extractfile(member)):
                    yield name, of
            raise MalformedError(f"it holds more than {MEMBERS:,} files")


class _Bounded(io.RawIOBase):
    """A file of which no more is read, at once or in all, than an archive can need."""

    def __init__(self, file: gzip.GzipFile | io.BufferedReader) -> None:
        self.file = file

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes; the members' are asked for in steps, so many at once are a header's."""
        if size is None or not 0 <= size <= _STEP:
            raise MalformedError(f"it has a header of more than {_in_mb(_STEP)}")
        read = b""
        while len(read) < size and (piece := self.file.read(size - len(read))):
            read += piece
        return read

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place counted from the beginning."""
        if offset > PASSED:
            raise MalformedError(f"it holds more than {_in_mb(PASSED)}")
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        """The place that is read next."""
        return self.file.tell()


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, at most so many."""


def whole(file: Readable, most: int = MOST) -> bytes:
    """All that a file holds, decompressed in steps.

    Raises:
        MalformedError: that is more than `most` bytes.
    """
    read = io.BytesIO()
    while piece := file.read(_STEP):
        if read.tell() + len(piece) > most:
            raise MalformedError(f"it holds more than {_in_mb(MOST)}, which no data set needs")
        read.write(piece)
    return read.getvalue()


def decompressed(data: bytes) -> bytes:
    """What a gzip file holds; the data itself if it is none.

    Raises:
        MalformedError: that is more than `MOST` bytes, or it is damaged.
    """
    if data[:2] != _GZIP:
        return data
    with reading():
        return whole(gzip.GzipFile(fileobj=io.BytesIO(data)))


def _in_mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB"
