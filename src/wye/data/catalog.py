"""What is known of each data set before any of it is here: its names, sizes and content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wye.data.images import Images
from wye.registry import Registry

Parts = tuple[Images, Images]
"""The training part and the test part."""


class MalformedError(Exception):
    """A file claims to hold a data set and does not; the message is one line that says why."""


def content_hash(parts: Parts) -> str:
    """The SHA-256, in hexadecimal, that identifies a data set however it was obtained.

    Hashed are, for the training part and then the test part, the uint8 pixels in the order
    `(N, C, H, W)` followed by the labels as little-endian int64.
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.pixels[:].contiguous().numpy().data)
        digest.update(part.labels.contiguous().numpy().astype("<i8", copy=False).data)
    return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set that Wye knows by name.

    Attributes:
        about: what the images show, in a few words.
        shape: `(C, H, W)` of one image.
        sizes: the number of training and of test images.
        content: the `content_hash` of the data set.
    """

    name: str
    about: str
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    sizes: tuple[int, int]
    content: str

    def fault(self, parts: Parts) -> str | None:
        """Why `parts` are not this data set, in a few words; None if they are."""
        expected = tuple((size, *self.shape) for size in self.sizes)
        found = tuple(tuple(part.pixels.shape) for part in parts)
        if found != expected:
            return f"its images are of shape {found[0]} and {found[1]}, not {expected}"
        if (content := content_hash(parts)) != self.content:
            return f"its content is not {self.name}'s (sha256 {content[:12]}…)"
        return None


@dataclass(frozen=True, kw_only=True)
class Generated(Source):
    """A data set that is computed wherever it is needed."""

    generate: Callable[[], Parts]


@dataclass(frozen=True)
class Way:
    """One way to a published data set.

    Attributes:
        label: the name of the way in messages.
        obtain: downloads into an empty folder and returns the path that the data set's `read`
            understands; raises `wye.data.download.UnavailableError`.
    """

    label: str
    obtain: Callable[[Path], Path]


@dataclass(frozen=True, kw_only=True)
class Published(Source):
    """A data set that somebody else published.

    Attributes:
        forms: the forms that `read` understands, for messages.
        read: the data set in a file or folder, None if that holds none of the forms; raises
            `MalformedError`, or whatever the reading of a damaged file raises
            (`wye.data.archives.reading`).
        places: where copies usually lie below a folder of data sets.
        ways: how to download it, best first.
    """

    forms: str
    read: Callable[[Path], Parts | None]
    places: tuple[str, ...]
    ways: tuple[Way, ...]


DATASETS: Registry[Source] = Registry("data set")
"""Filled by the modules of the data sets, all of which `wye.data` imports."""
