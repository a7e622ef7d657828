"""The stages know the earlier ones and never the later: the order of the flow."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import wye

PACKAGE = Path(wye.__file__).parent

# notation > terms > study file > recipe > data > network > training > evaluation > runs > jobs >
# evidence > plots > report, on common ground, under the Python interface and the command line.
STAGES = [
    {"__init__", "wording", "errors", "machine"},
    {"files"},
    {"registry", "streams"},
    {"metrics"},
    {"notation"},
    {"objective"},
    {"studies"},
    {"recipe"},
    {"data"},
    {"network"},
    {"training"},
    {"evaluation"},
    {"runs"},
    {"jobs"},
    {"evidence"},
    {"plots"},
    {"report"},
    {"api"},
    {"bench"},
    {"cli"},
    {"__main__"},
]
RANK = {name: rank for rank, stage in enumerate(STAGES) for name in stage}
FILES = sorted(PACKAGE.rglob("*.py"))


def stage_of(parts: tuple[str, ...]) -> str:
    """`("wye", "data", "images")` belongs to stage `data`, `("wye",)` to `__init__`."""
    return parts[1] if len(parts) > 1 else "__init__"


def imported(tree: ast.AST) -> set[str]:
    """Modules of this package that a file imports anywhere, in functions too, but for types."""
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.split(".")[0] == "wye"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_no_import_runs_backwards(file: Path) -> None:
    own = file.relative_to(PACKAGE).with_suffix("").parts
    stage = stage_of(("wye", *own))
    assert stage in RANK, f"{stage} is not a stage of the flow"
    if stage == "__init__":
        return  # the front door hands out the interface when it is first asked for
    for name in imported(ast.parse(file.read_text())):
        other = stage_of(tuple(name.split(".")))
        if other not in RANK:  # `from wye import __version__`
            continue
        assert RANK[other] < RANK[stage] or other == stage, f"{stage} imports {name}"


def test_importing_does_no_work_and_needs_no_torch() -> None:
    """`wye --help` answers at once because nothing heavy is imported by it."""
    script = (
        "import sys, wye, wye.cli.app, wye.recipe, wye.studies\n"
        "heavy = {'torch', 'numpy', 'matplotlib', 'PIL'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_help_asks_for_no_more_than_the_command_line() -> None:
    script = (
        "import sys\n"
        "from wye.cli import main\n"
        "sys.argv = ['wye', '--help']\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    heavy = {'torch', 'numpy', 'pydantic', 'yaml', 'rich'} & set(sys.modules)\n"
        "    assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "Usage: wye" in done.stdout and done.returncode == 0, done.stderr
