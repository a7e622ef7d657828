"""The search behind the defaults, and the page of own images, on folders of a few images."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from benchmarks import anomalies, defaults
from benchmarks.own_images import kept, page


def line(variant: str, seed: int, accuracy: float) -> defaults.Line:
    return defaults.Line("a folder", variant, seed, 32, 10, 0.002, accuracy, 60.0)


def test_the_defaults_are_compared_by_seeds_that_chose_nothing() -> None:
    lines = [
        line("defaults", 0, 0.5),
        line("rate x 2", 0, 0.9),
        line("batch / 2", 0, 0.7),
        line("defaults", 1, 0.6),
        line("defaults", 2, 0.62),
        line("rate x 2", 1, 0.63),
        line("rate x 2", 2, 0.64),
    ]
    assert "best besides the defaults is *rate x 2*" in defaults.verdict(lines)
    assert "2.5 points below it" in defaults.verdict(lines)
    assert "| rate x 2 | 32 | 10 | 0.002 | 90.0 | 63.0, 64.0 | 60 |" in defaults.table(lines)
    better = [each._replace(accuracy=0.7) if each.variant == "defaults" else each for each in lines]
    assert "6.5 points above it" in defaults.verdict(better)


def test_the_search_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "VARIANTS", {"batch / 2": (0.5, 1, 1)})
    monkeypatch.setattr(defaults, "COUNTS", {"bar": 8, "star": 12})
    monkeypatch.setattr(defaults, "TESTED", 12)
    folder = defaults.FOLDERS[0]
    lines = defaults.searched(folder, tmp_path / "images", tmp_path / "runs", max_steps=1)
    assert [(each.variant, each.seed) for each in lines] == [
        ("defaults", 0),
        ("batch / 2", 0),
        *(("defaults", 1), ("defaults", 2), ("batch / 2", 1), ("batch / 2", 2)),
    ]
    assert lines[1].batch_size == lines[0].batch_size // 2
    again = defaults.searched(folder, tmp_path / "images", tmp_path / "runs", max_steps=1)
    assert again == lines


def test_drawings_of_a_class_differ_and_are_the_same_each_time() -> None:
    for kind in defaults.COUNTS:
        first, other = defaults.drawing(kind, 0), defaults.drawing(kind, 1)
        assert isinstance(first, Image.Image) and first.size != (0, 0)
        assert first.tobytes() == defaults.drawing(kind, 0).tobytes() != other.tobytes()


def test_what_was_found_is_kept(tmp_path: Path) -> None:
    found: list[int] = []

    def find() -> list[list[int]]:
        found.append(1)
        return [[1, 2]]

    assert (
        kept(tmp_path / "a" / "b.json", find) == [[1, 2]] == kept(tmp_path / "a" / "b.json", find)
    )
    assert found == [1]


def test_the_page() -> None:
    searched = [line("defaults", seed, 0.5) for seed in (0, 1)] + [
        line("epochs x 2", seed, 0.51) for seed in (0, 1)
    ]
    odd = anomalies.Line("cifar10", "narrow", 0.5, [0.25, 0.75], [1.0, 1.0])
    text = page([searched], [(1_000, 4.04, 470.2)], [odd])
    assert "### a folder" in text and "1.0 points below it" in text
    assert "| 1,000 | 4.04 | 470 |" in text and "0.50 (0.25 to 0.75)" in text
