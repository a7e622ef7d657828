"""Files taken by name out of a folder, a tar or a zip file; nothing is ever unpacked to disk."""

from __future__ import annotations

import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from wye.data.catalog import MalformedError

READ_ERRORS = (
    MalformedError,
    OSError,
    EOFError,
    ValueError,
    SyntaxError,  # Pillow's for some broken PNG files
    KeyError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    pickle.UnpicklingError,
)
"""What the reading of somebody else's file may raise."""


def contents(path: Path, names: Collection[str]) -> dict[str, bytes]:
    """The files called `names`, wherever they lie inside an archive.

    Args:
        path: a folder (its own files only), a tar or zip file, or a file that is one of `names`.
        names: file names without folders.

    Returns:
        Name to content, of those that are there.
    """
    if path.is_dir():
        return {name: (path / name).read_bytes() for name in names if (path / name).is_file()}
    found: dict[str, bytes] = {}
    if tarfile.is_tarfile(path):
        with tarfile.open(path) as tar:
            # In the order of the archive: going back in a compressed one decompresses it again.
            for member in tar:
                name = PurePosixPath(member.name).name
                if member.isfile() and name in names and (file := tar.extractfile(member)):
                    found.setdefault(name, file.read())
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for item in archive.infolist():
                if (name := PurePosixPath(item.filename).name) in names:
                    found.setdefault(name, archive.read(item))
    elif path.name in names:
        found[path.name] = path.read_bytes()
    return found
