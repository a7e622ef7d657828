"""A page a study, from its file: what it asked, its faults, its rows and what was measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import gains_page
import yaml
from markup import cell, code, table
from measured_tables import measured_section
from published_table import counts, published_section

from wye.evidence.collect import by_row
from wye.evidence.findings import Finding
from wye.network.weights import needs_weights
from wye.recipe import Recipe, recipe_from_row
from wye.runs.records import Record
from wye.studies import Study, studies
from wye.studies.load import OWN_KEYS, PARTS

FAULTS = Path(__file__).parent / "faults.yaml"
BREAK = "<br>"


def index(runs: Sequence[Record], found: Sequence[Finding]) -> str:
    """The page that leads to the others.

    Args:
        runs: the records of all studies.
        found: of all claims.
    """
    entries = []
    full = three = short = systems = 0
    for name, study in sorted(studies().items(), key=lambda item: _source(item[1])):
        own = sum("source" in row for row in study.rows.values())
        rows = {run.row for run in runs if run.row.startswith(f"{name}/")}
        each = counts(name, by_row(runs))
        full, three, short = full + each[0], three + each[1], short + each[2]
        systems += own
        entries.append(
            (
                f"[{name}]({name}.md)",
                _source(study) if study.source else "",
                cell(study.title),
                *((str(own), *map(str, each)) if study.source else ("", "", "", "")),
                str(len(study.rows) - own),
                str(len(rows)),
            )
        )
    headings = ("study", "source", "about", "systems", "measured as published", "three seeds")
    headings += ("short alone", "rows of our own", "rows measured")
    verdicts = Counter(one.verdict for one in found)
    decided = verdicts["supported"] + verdicts["refuted"]
    return f"""# The studies

**{full} of {systems} systems are measured as published**, {three} of them with three seeds or more,
and {short} more with the fewer epochs of the protocol `short` alone. Of {len(found)}
[claims](../claims.md) {decided} are decided: {verdicts["supported"]} supported,
{verdicts["refuted"]} refuted.

Five published studies, a page each: what it asked, what was published and what was measured, its
faults and where they are. Rows of our own are the corrected form of a row, a control that its study
lacks, or stand in no study.

{table(headings, entries)}

These pages are written by `make docs` from the study files in `src/wye/studies`, the faults in
`docs/_generate/faults.yaml` and the records of runs that come with the package.
"""


def _source(study: Study) -> str:
    """The id of what a study file was made from; those made from nothing come last."""
    return study.source.id if study.source else "none"


def study_page(name: str, runs: Sequence[Record], found: Sequence[Finding]) -> str:
    """The page of one study.

    Args:
        runs: the records of all studies.
        found: of all claims.
    """
    study = studies()[name]
    recipes = {row: recipe_from_row(f"{name}/{row}") for row in study.rows}
    source = f"Study {study.source.id}, `{study.source.where}`. " if study.source else ""
    parts = [
        f"# {name}: {study.title}",
        f"{source}{cell(study.about)}",
        "This page is written by `make docs`; [the studies](README.md) lists the others,"
        " [the notation](../notation.md) and [every setting](../recipes.md) say how to read the"
        " rows.",
    ]
    if study.source:
        parts += ["## Published and measured", published_section(name, by_row(runs), found)]
    if study.notes:
        parts.append("## What holds for all rows")
        parts.append("\n".join(f"- {cell(note)}" for note in study.notes))
    if faults := _faults(name, study):
        parts += ["## Faults of the study", faults]
    written = [row for row, recipe in recipes.items() if not recipe.factors]
    if written:
        parts += ["## Rows", _rows(study, {row: recipes[row] for row in written})]
    parts += _grids(name, study)
    controls = [row for row, recipe in recipes.items() if recipe.control_of]
    if controls:
        parts += ["## Corrected rows, controls and variants", _controls(study, controls)]
    if notes := _notes(study):
        parts += ["## Notes on rows", notes]
    measured = gains_page.section(name, runs) if study.grids else measured_section(name, runs)
    if study.withdrawn:
        measured = f"**Withdrawn.** {cell(study.withdrawn)}\n\n{measured}"
    parts += ["## Measured", measured]
    parts += ["## To run them", _running(recipes)]
    parts += ["## What the rows share", f"```yaml\n{_yaml(study.shared)}```"]
    if study.short:
        parts.append(
            "Under the protocol `short` (`--protocol short`) every row has these settings instead,"
            " and schedule and phases are fitted to them:"
        )
        parts.append(f"```yaml\n{_yaml(study.short)}```")
    return "\n\n".join(parts) + "\n"


def _faults(name: str, study: Study) -> str:
    """The table of a study's faults; empty where none is on record.

    Raises:
        ValueError: a fault names a row that is not there.
    """
    entries = []
    for fault in faults().get(name, []):
        kept, beside = fault.get("kept", []), fault.get("beside", [])
        if unknown := sorted({*kept, *beside} - set(study.rows)):
            raise ValueError(f"faults.yaml: {name} has no row {unknown[0]!r}")
        entries.append(
            (
                cell(fault["fault"]),
                BREAK.join(map(code, kept)),
                BREAK.join(map(code, beside)),
                cell(fault.get("handled", "")),
            )
        )
    headings = ("fault", "kept in", "corrected or controlled by", "how it is handled")
    return table(headings, entries) if entries else ""


@cache
def faults() -> dict[str, list[dict[str, Any]]]:
    """The faults on record, by study."""
    content: dict[str, list[dict[str, Any]]] = yaml.safe_load(FAULTS.read_text())
    return content


def _rows(study: Study, recipes: Mapping[str, Recipe]) -> str:
    entries = []
    for row, recipe in recipes.items():
        if recipe.control_of is None:
            what = [cell(recipe.title)] if recipe.title else []
            what += _differences(study.rows[row]) or ["nothing beside what all rows share"]
            entries.append((code(recipe.row), recipe.source or "", BREAK.join(what)))
    return table(("row", "source", "what it is"), entries)


def _grids(name: str, study: Study) -> list[str]:
    """What each factor of a study's grids sets at each level; the rows are too many to list."""
    parts = []
    for grid in study.grids:
        rows = list(grid.rows())
        entries = [
            (
                cell(factor) if place == 0 else "",
                code(level),
                BREAK.join(_differences(settings)) or "nothing beside what all rows share",
            )
            for factor, levels in grid.factors.items()
            for place, (level, settings) in enumerate(levels.items())
        ]
        form = "-".join(f"({factor})" for factor in grid.factors)
        parts += [
            f"## {len(rows)} rows by {', '.join(grid.factors)}",
            f"A row for each combination of levels, called {code(f'{name}/{form}')}: "
            f"{code(f'{name}/{rows[0]}')} is the first, {code(f'{name}/{rows[-1]}')} the last.",
            table(("factor", "level", "what it sets"), entries),
        ]
    return parts


def _controls(study: Study, names: Sequence[str]) -> str:
    entries = [
        (code(name), code(str(study.rows[name]["control_of"])), BREAK.join(_differences(row)))
        for name in names
        if (row := study.rows[name])
    ]
    return table(("row", "stands beside", "what it is"), entries)


def _differences(row: Mapping[str, Any]) -> list[str]:
    """What a row sets beside what it takes over, each in a line of its own."""
    lines = [f"like {code(row['like'])}"] if "like" in row else []
    for key, value in row.items():
        if key == "phases":
            lines += _phases(value)
        elif key in PARTS:
            lines.append(f"{key}: {code(value)}")
        elif key not in OWN_KEYS:
            lines += [code(f"{path}={_short(entry)}") for path, entry in _flat(key, value)]
    return lines


def _phases(phases: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for phase in phases:
        settings = [
            f"{path}={_short(entry)}"
            for key, value in phase.items()
            if key not in ("name", "epochs")
            for path, entry in _flat(key, value)
        ]
        epochs = f"{phase['epochs']} epoch{'' if phase['epochs'] == 1 else 's'}"
        lines.append(f"phase '{phase['name']}', {', '.join([epochs, *map(code, settings)])}")
    return lines or ["one phase"]


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """`("loss", {"beta": 0})` as `("loss.beta", 0)`."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _flat(f"{path}.{key}", entry)
    else:
        yield path, value


def _short(value: Any) -> str:
    """A value as it would be written behind `=`."""
    if isinstance(value, list):
        return f"[{', '.join(_short(entry) for entry in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else str(value) or '""'


def _notes(study: Study) -> str:
    return "\n".join(
        f"- {code(row)}: {cell(' '.join(settings['notes']))}"
        for row, settings in study.rows.items()
        if settings.get("notes")
    )


def _running(recipes: Mapping[str, Recipe]) -> str:
    """Commands of the first row, and what some rows of the study need."""
    first = next(iter(recipes.values()))
    name = first.row
    lines = [f"wye list {first.study}", f"wye show {name}", f"wye train {name}"]
    epochs = max(2, len(first.phases))
    lines.append(f"wye train {name} train.epochs={epochs} --seed 1 --out runs/short")
    if several := [r for r in recipes.values() if r.evaluation.splits > 1]:
        lines.append(f"wye train {several[0].row} --splits --resume")
    parts = ["\n".join(f"    {line}" for line in lines)]
    if several:
        count = several[0].evaluation.splits
        parts.append(f"`--splits` runs all {count} random splits of a row, one a seed.")
    if any(recipe.transfer for recipe in recipes.values()):
        parts.append(
            "A row that takes weights over from another trains that one first where no run of it"
            " is found under `runs`, for the same images and seed."
        )
    judges = {recipe.evaluation.judge for recipe in recipes.values()} - {"none", "self"}
    if judges:
        parts.append(
            "Reconstructions are judged by a classifier trained apart, which is trained first"
            " where no run of it is found; `evaluation.judge=wye/quick` takes another,"
            " `evaluation.judge=none` does without."
        )
    if any(needs_weights(recipe) for recipe in recipes.values()):
        parts.append(
            "Backbones, and the feature loss, begin with ImageNet's weights, which are fetched;"
            " `weights=PATH` takes a file or a folder of files instead, `weights=random` none. All"
            " but EfficientNet-Lite0 need torchvision: `pip install '.[backbones]'`."
        )
    return "\n\n".join(parts)


def _yaml(settings: Mapping[str, Any]) -> str:
    """Settings as a study file has them, short mappings in one line."""

    def dumped(key: str, inline: bool | None) -> str:
        one = {key: settings[key]}
        return str(yaml.safe_dump(one, default_flow_style=inline, sort_keys=False, width=10_000))

    parts = []
    for key, value in settings.items():
        text = dumped(key, None if isinstance(value, Mapping | list) else False)
        long = max(map(len, text.splitlines())) > 100
        parts.append(dumped(key, False) if long else text)
    return "".join(parts)
