"""The documentation says what the program does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from wye.cli.app import app
from wye.recipe import resolve
from wye.recipe.overrides import parse_overrides
from wye.recipe.schedules import SETTINGS
from wye.recipe.schema import Phase, Recipe, TrainSettings

ROOT = Path(__file__).parent.parent
COMMANDS = sorted(
    {
        line.strip()
        for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docs" / "recipes.md")
        for line in page.read_text().splitlines()
        if re.match(r"    wye ", line)
    }
)


def test_generated_pages_are_current() -> None:
    command = [sys.executable, str(ROOT / "docs" / "build.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_shown_exists(line: str) -> None:
    """The verb, its options, and for rows the row and the overrides."""
    import shlex

    words = shlex.split(line.partition("#")[0])[1:]
    commands = get_command(app).commands  # type: ignore[attr-defined]
    command = commands[words[0]]
    if words[0] == "data":
        command, words = command.commands[words[1]], words[1:]
    known = {option for parameter in command.params for option in parameter.opts}
    for word in words[1:]:
        if word.startswith("--"):
            assert word in known, f"{word} is no option of {words[0]}"
    if words[0] in ("train", "show") and "/" in words[1] and not words[1].startswith("path/"):
        resolve(words[1], parse_overrides(word for word in words[2:] if "=" in word))


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/*.md")))
def test_links_to_files_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_page_of_recipes_has_every_setting_and_its_bounds() -> None:
    page = (ROOT / "docs" / "recipes.md").read_text()
    for name in (*Recipe.model_fields, *TrainSettings.model_fields, *Phase.model_fields):
        assert f"| `{name}` |" in page
    for kind in SETTINGS:
        assert re.search(rf"\| `{kind}` \| .* \| .+ \|", page)
    assert "| `batch_size` | whole number, above 0 and at most 1,000,000 | `128` |" in page
    assert "| `validation` | number, at least 0 and at most 0.5 | `0.05` |" in page
    assert "WYE_CACHE" in page and "WYE_DATA" in page
