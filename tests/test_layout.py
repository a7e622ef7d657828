"""The stages know the earlier ones and never the later: the order of the flow."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from imports import circle

import wye

PACKAGE = Path(wye.__file__).parent

# notation > terms > study file > recipe > data > network > training > evaluation > runs > jobs >
# evidence > plots > report, on common ground, under the Python interface and the command line.
STAGES = [
    {"__init__", "_version", "wording", "errors", "machine"},
    {"apart", "files", "yaml_text"},
    {"registry", "streams", "batch"},
    {"metrics"},
    {"cards"},
    {"notation"},
    {"objective"},
    {"studies"},
    {"recipe"},
    {"data"},
    {"network"},
    {"training"},
    {"evaluation"},
    {"export"},
    {"runs"},
    {"jobs"},
    {"tune"},
    {"evidence"},
    {"plots"},
    {"report"},
    {"progress", "tracking"},
    {"demo"},
    {"estimator"},
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
    assert list(backwards(stage, file.read_text())) == []


def backwards(stage: str, source: str) -> Iterator[str]:
    """What a file of a stage imports from later ones."""
    for name in imported(ast.parse(source)):
        other = stage_of(tuple(name.split(".")))
        if RANK.get(other, -1) > RANK[stage]:
            yield name


def modules() -> dict[str, Path]:
    """The modules of the package by name."""
    found = {}
    for file in FILES:
        parts = ("wye", *file.relative_to(PACKAGE).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def graph(sources: dict[str, str]) -> dict[str, set[str]]:
    """Which modules each module imports, but for those that it hands out when first asked for."""

    def module_of(name: str) -> str:
        return name if name in sources else name.rpartition(".")[0]

    found = {}
    for name, source in sources.items():
        named = {module_of(other) for other in imported(ast.parse(source))}
        found[name] = {other for other in named if other in sources and other != name}
    return {**found, "wye": set()}


def test_no_file_is_in_a_circle_of_imports() -> None:
    """Neither between folders nor within one, imports in functions included."""
    assert circle(graph({name: file.read_text() for name, file in modules().items()})) == []


def test_a_planted_circle_is_found() -> None:
    sources = {name: file.read_text() for name, file in modules().items()}
    assert "from wye.metrics.metric import" in sources["wye.metrics.standard"]
    sources["wye.metrics.metric"] += "\ndef late():\n    from wye.metrics import standard\n"
    assert set(circle(graph(sources))) == {"wye.metrics.metric", "wye.metrics.standard"}
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == ["a", "b", "c"]


def test_a_planted_step_back_is_found() -> None:
    for line in (
        "from wye.report import site",
        "import wye.runs.folder",
        "def f():\n import wye.cli",
    ):
        assert list(backwards("data", line)), line
    assert not list(backwards("report", "from wye.runs.folder import Run"))


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


@pytest.mark.parametrize(
    ("own", "then"),
    [
        ({}, ["PASSIVE", None]),
        ({"OMP_WAIT_POLICY": "active"}, ["active", None]),
        ({"GOMP_SPINCOUNT": "9"}, [None, "9"]),
    ],
)
def test_waiting_threads_sleep_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, own: dict[str, str], then: list[str | None]
) -> None:
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    script = "import json, os, wye; wye.rows; print(json.dumps(list(map(os.environ.get, {}))))"
    done = subprocess.run(
        [sys.executable, "-c", script.format(names)], capture_output=True, text=True
    )
    assert json.loads(done.stdout) == then, done.stderr


def test_no_test_module_imports_another() -> None:
    """What several share lies in `conftest.py` or in a module that is named for it."""
    for file in sorted(Path(__file__).parent.glob("*.py")):
        words = [line.split()[:2] for line in file.read_text().splitlines()]
        assert not [w for w in words if w[:1] in (["from"], ["import"]) and w[1][:5] == "test_"]
