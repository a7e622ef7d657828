"""One thread a test process (they run side by side) and a cache of the tests' own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

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


@pytest.fixture
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with nothing in it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def no_shipped_records(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Tests plant their own runs; what comes with the package would stand beside them."""
    import wye.evidence.results

    empty = tmp_path_factory.getbasetemp() / "no-records"
    monkeypatch.setattr(wye.evidence.results, "SHIPPED", empty)
