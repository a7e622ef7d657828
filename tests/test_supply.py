"""The releases that the project is built and tested with: pinned, and each file's hash known."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

HERE = Path(__file__).parents[1]
RELEASE = re.compile(r"^([\w.-]+)==([\w.+]+)", re.M)


def releases(file: str) -> dict[str, str]:
    found = RELEASE.findall((HERE / file).read_text())
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


def test_every_pinned_release_has_hashes() -> None:
    locked = {name: of.removesuffix("+cpu") for name, of in releases("locked.txt").items()}
    assert locked == releases("constraints.txt") != {}
    for entry in re.split(r"\n(?=[\w#])", (HERE / "locked.txt").read_text())[1:]:
        hashes = re.findall(r"--hash=sha256:([0-9a-f]{64})\b", entry)
        assert len(set(hashes)) == len(hashes) == entry.count("--hash") > 0, entry[:60]


def test_everything_asked_for_is_pinned() -> None:
    project = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    [ours, *asked] = extras["dev"]
    parts = re.findall(r"\w+", ours.removeprefix("wye"))
    asked += [*project["dependencies"], *(of for part in parts for of in extras[part])]
    names = {re.sub(r"[-_.]+", "-", re.split(r"[\[<>=]", of)[0]).lower() for of in asked}
    assert names <= set(releases("constraints.txt"))
