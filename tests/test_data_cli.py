"""`wye data`: tables for people, one JSON document for programs, errors for both."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from data_forms import idx_gz, isolate, pretend, tiny
from PIL import Image
from typer.testing import CliRunner, Result

from wye.cli.data import app
from wye.data import cache
from wye.data.catalog import DATASETS, Parts, Way
from wye.data.download import UnavailableError
from wye.errors import MachineError, UsageError


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate(monkeypatch, tmp_path)


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Parts:
    """Let MNIST be tiny and at hand, and the two others out of reach."""
    parts = tiny("mnist")
    pretend(monkeypatch, "mnist", parts, Way("a way", lambda folder: idx_gz(parts, folder / "f")))

    def closed(folder: Path) -> Path:
        raise UnavailableError("no answer")

    for name in ("cifar10", "fashion-mnist"):
        pretend(monkeypatch, name, tiny(name), Way("a closed way", closed))
    return parts


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_list_names_every_data_set_and_whether_it_is_here(parts: Parts) -> None:
    before = {row["name"]: row for row in json.loads(_run("list", "--json").stdout)}
    assert list(before) == list(DATASETS)
    assert before["mnist"]["state"] == "absent"
    assert before["shapes"]["state"] == "generated"
    assert before["cifar10"]["shape"] == [3, 32, 32]
    assert len(before["cifar10"]["classes"]) == 10
    _run("fetch", "mnist")
    after = {row["name"]: row for row in json.loads(_run("list", "--json").stdout)}
    assert after["mnist"]["state"] == "good"
    assert after["mnist"]["detail"] == "a way"
    assert Path(after["mnist"]["path"]).is_file()
    table = _run("list")
    assert table.exit_code == 0
    for name in DATASETS:
        assert name in table.stdout


def test_fetch_reports_the_way(parts: Parts, tmp_path: Path) -> None:
    [first] = json.loads(_run("fetch", "mnist", "--json").stdout)
    [second] = json.loads(_run("fetch", "mnist", "--json").stdout)
    copy = idx_gz(parts, tmp_path / "copy")
    [third] = json.loads(_run("fetch", "mnist", "--from", copy, "--json").stdout)
    assert [row["way"] for row in (first, second, third)] == ["a way", "cache", str(copy)]
    assert "a way" in _run("fetch", "mnist", "--force").stdout


def test_one_failure_does_not_keep_the_others_away(parts: Parts) -> None:
    result = _run("fetch", "--json")
    assert isinstance(result.exception, MachineError)
    assert "cifar10 could not be obtained" in str(result.exception)
    assert "a closed way: no answer" in str(result.exception)
    rows = {row["name"]: row["state"] for row in json.loads(result.stdout)}
    assert rows == {
        "cifar10": "failed",
        "mnist": "good",
        "fashion-mnist": "failed",
        "shapes": "good",
    }


def test_fetch_from_nowhere_is_a_mistake_of_usage(parts: Parts, tmp_path: Path) -> None:
    result = _run("fetch", "mnist", "--from", tmp_path / "absent")
    assert isinstance(result.exception, UsageError)
    result = _run("fetch", "mnist", "mnits")
    assert isinstance(result.exception, UsageError)
    assert "did you mean 'mnist'" in str(result.exception)
    assert not (tmp_path / "cache").exists()


def test_check_tells_good_absent_and_damaged(parts: Parts) -> None:
    _run("fetch", "mnist")
    good = _run("check", "--json")
    assert good.exit_code == 0
    states = {row["name"]: row["state"] for row in json.loads(good.stdout)}
    assert states == {
        "cifar10": "absent",
        "mnist": "good",
        "fashion-mnist": "absent",
        "shapes": "generated",
    }
    missing = _run("check", "cifar10")
    assert isinstance(missing.exception, MachineError)
    assert "wye data fetch cifar10" in str(missing.exception)
    path = cache.path_of(DATASETS["mnist"])
    data = bytearray(path.read_bytes())
    data[-1] ^= 255
    path.write_bytes(data)
    damaged = _run("check", "mnist", "--json")
    assert isinstance(damaged.exception, MachineError)
    assert json.loads(damaged.stdout)[0]["state"] == "damaged"


def test_show_draws_each_class_enlarged_without_blur(parts: Parts, tmp_path: Path) -> None:
    out = tmp_path / "new" / "page.png"
    result = _run("show", "mnist", "--out", out, "--per-class", 2, "--split", "test")
    assert result.stdout.strip() == str(out)
    with Image.open(out) as page:
        grey = page.convert("L")
    first = (parts[1].labels == parts[1].labels.min()).nonzero()[0, 0]
    tile = Image.fromarray(parts[1].pixels[first, 0].numpy())
    tile = tile.resize((84, 84), Image.Resampling.NEAREST)
    assert _contains(grey, tile)


def _contains(page: Image.Image, tile: Image.Image) -> bool:
    width, height = tile.size
    wanted = tile.tobytes()
    return any(
        page.crop((x, y, x + width, y + height)).tobytes() == wanted
        for x in range(40, 120)
        for y in range(page.height - height)
        if page.getpixel((x, y)) == tile.getpixel((0, 0))
    )


def test_show_of_a_folder_says_what_is_in_it_and_draws_on_request(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(5):
            image = Image.new("RGB", (8, 8), (number, 2, 3))
            image.save(tmp_path / "pets" / name / f"{number}.png")
    assert "cat                  " in _run("show", tmp_path / "pets").stdout
    assert not list(Path().glob("*.png"))
    assert _run("show", tmp_path / "pets", "--out", "pets.png").stdout.endswith("\npets.png\n")
    assert Path("pets.png").is_file()


def test_show_of_nothing_is_a_mistake_of_usage() -> None:
    assert isinstance(_run("show", "nonesuch").exception, UsageError)
    assert _run("show", "shapes", "--split", "validation").exit_code == 2
    assert _run("show", "shapes", "--per-class", "0").exit_code == 2


def test_help_imports_nothing_heavy() -> None:
    script = "import sys, wye.cli.data; print([m for m in ('torch', 'numpy', 'PIL', 'rich.table') "
    script += "if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
