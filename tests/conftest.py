"""One thread a test process (they run side by side) and a cache of the tests' own."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import Answer, CommandLine

from wye.cli import main
from wye.data.catalog import DATASETS, Generated, Parts
from wye.data.images import Images

torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the tests away from the user's cache, and the choice of a precision out of them."""
    cache = tmp_path_factory.mktemp("cache")
    before = os.environ.get("WYE_CACHE")
    os.environ["WYE_CACHE"] = str(cache)
    yield
    if before is None:
        del os.environ["WYE_CACHE"]
    else:
        os.environ["WYE_CACHE"] = before


@pytest.fixture(autouse=True, scope="session")
def shapes_drawn_once() -> Iterator[None]:
    """Generate `shapes` once in each test process; who asks gets images of their own."""
    source = DATASETS["shapes"]
    assert isinstance(source, Generated)
    drawn = cache(source.generate)

    def copied() -> Parts:
        train, test = (Images(p.pixels[:].clone(), p.labels.clone()) for p in drawn())
        return train, test

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DATASETS._entries, "shapes", replace(source, generate=copied))
        yield


@pytest.fixture
def without_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train as where matplotlib is not installed: a run's plots take longer than a tiny run."""
    monkeypatch.setattr("wye.api.available", lambda: False)


@pytest.fixture
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with nothing in it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def as_wide_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are folded to COLUMNS, which a shell, or a library that a test loads, may have set."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(autouse=True)
def no_shipped_records(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Tests plant their own runs; what comes with the package would stand beside them."""
    import wye.evidence.results

    empty = tmp_path_factory.getbasetemp() / "no-records"
    monkeypatch.setattr(wye.evidence.results, "SHIPPED", empty)


@pytest.fixture
def command_line(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command `wye` within this process, from its words to its exit status."""
    # The command lets the program's messages through; the other tests must not inherit that.
    logger = logging.getLogger("wye")
    monkeypatch.setattr(logger, "level", logger.level)

    def call(*words: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["wye", *map(str, words)])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        return Answer(status, *capfd.readouterr())

    return call


CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium; skips where there is none."""
    missing = [str(path) for path in (CHROMIUM, DRIVER) if not path.exists()]
    if missing:
        pytest.skip(f"no browser here: {' and '.join(missing)} not installed")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    yield driver
    driver.quit()
