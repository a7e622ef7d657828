"""The documentation says what the program does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from wye.recipe.schedules import KINDS
from wye.recipe.schema import (
    DataSettings,
    FeatureSettings,
    LossSettings,
    Phase,
    Recipe,
    TrainSettings,
    TransferSettings,
)
from wye.studies import row_settings, studies

ROOT = Path(__file__).parent.parent
PAGES = sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md"))


def test_generated_pages_are_current() -> None:
    command = [sys.executable, str(ROOT / "docs" / "_generate" / "build.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "-d", str(tmp_path)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    elsewhere = re.compile(r"<(?:link|script|img)[^>]*(?:href|src)=[\"']?https?://[^>]*>")
    for page in tmp_path.rglob("*.html"):
        assert not elsewhere.findall(page.read_text()), page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_files_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_extra_is_said_where_one_installs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    page = (ROOT / "docs" / "start.md").read_text()
    table = page.partition("| extra | for |")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    named = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert named == {*project["optional-dependencies"]} - {"dev", "docs"}


def test_the_page_of_recipes_has_every_setting_and_its_bounds() -> None:
    page = (ROOT / "docs" / "recipes.md").read_text()
    for name in (*Recipe.model_fields, *TrainSettings.model_fields, *Phase.model_fields):
        assert f"| `{name}` |" in page
    for part in (DataSettings, LossSettings, FeatureSettings, TransferSettings):
        for name in part.model_fields:
            assert f"| `{name}` |" in page
    for kind in KINDS:
        assert re.search(rf"\| `{kind}` \| .* \| .+ \|", page)
    assert "| `batch_size` | whole number, above 0 and at most 1,000,000 | `128` |" in page
    assert "| `validation` | number, at least 0 and at most 0.5 | `0.05` |" in page
    assert "| `layers` | list of whole numbers, above 0" in page
    assert "| `class_weights` | `none`, `balanced` or name to number, above 0 | `none` |" in page
    assert "| `momentum` | list of 2 numbers, at least 0 and below 1 |" in page
    assert "WYE_CACHE" in page and "WYE_DATA" in page


@pytest.mark.parametrize("name", studies())
def test_the_page_of_a_study_has_every_row_with_its_published_figures(name: str) -> None:
    lines = (ROOT / "docs" / "studies" / f"{name}.md").read_text().splitlines()
    for row in studies()[name].rows:
        settings = row_settings(f"{name}/{row}")
        if corrects := settings.get("control_of"):
            assert any(line.startswith(f"| `{row}` | `{corrects}` |") for line in lines), row
            continue
        if "factors" in settings:
            continue  # the test below has these
        line = next(line for line in lines if line.startswith(f"| `{name}/{row}` |"))
        assert f"| {settings.get('source', '')} |" in line
        if (accuracy := settings.get("published", {}).get("accuracy")) is not None:
            published = f"| {settings['source']} | `{name}/{row}` | Accuracy | {accuracy:.2%}"
            assert any(each.startswith(published.replace("%", " %")) for each in lines)
        for note in settings["notes"]:
            assert any(" ".join(note.split()) in line for line in lines), note


def test_the_page_of_a_grid_says_what_each_level_sets() -> None:
    lines = (ROOT / "docs" / "studies" / "when.md").read_text().splitlines()
    assert "## 240 rows by arm, labels, corruption, balance" in lines
    assert "| arm | `classifier` | `loss.beta=0` |" in lines
    assert "|  | `joint` | nothing beside what all rows share |" in lines
    for grid in studies()["when"].grids:
        for level in (name for levels in grid.factors.values() for name in levels):
            assert any(f" `{level}` |" in line for line in lines), level


def test_wrong_and_missing_figures_stand_beside_the_corrected_ones() -> None:
    page = (ROOT / "docs" / "studies" / "practices.md").read_text()
    for figure in (
        *("MAE | (corrected: 0.010200)", "MSE | 0.011058 (corrected: 0.001169)"),
        "MAE | 0.075097 (corrected: 0.011859)",
    ):
        assert f"| {figure} |" in page


def test_every_study_has_its_faults_on_record() -> None:
    sourced = {name for name, study in studies().items() if study.source}
    found = yaml.safe_load((ROOT / "docs" / "_generate" / "faults.yaml").read_text())
    assert set(found) == sourced
    for name, faults in found.items():
        page = (ROOT / "docs" / "studies" / f"{name}.md").read_text()
        for fault in faults:
            assert fault.get("beside") or fault.get("handled"), fault["fault"]
            assert f"| {fault['fault']} |" in page
            assert {*fault.get("kept", []), *fault.get("beside", [])} <= set(studies()[name].rows)
