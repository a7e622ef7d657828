"""`docs/performance.md`: the document as a page that is written by the command alone."""

from __future__ import annotations

from benchmarks.benchmarks import find
from benchmarks.document import Document
from benchmarks.result import Table, shown
from wye.metrics import number

GOALS = ("goal", "wanted", "measured", "")


def page(document: Document) -> str:
    """The page: machine, goals, a section a benchmark, what was left out. Markdown."""
    blocks = ["# Performance", *_head(document)]
    if goals := document.goals():
        blocks += ["## Goals", _told(document)]
        blocks.append(markdown(Table(GOALS, [goal.cells() for goal in goals])))
    for name, result in document.results.items():
        benchmark = find(name)
        blocks += [f"## {benchmark.title}", benchmark.about, *result.remarks()]
        for table in result.tables():
            blocks += [f"{table.title}:"] * bool(table.title)
            blocks.append(markdown(table))
    if document.left_out:
        lines = [f"- `{each.name}`: {each.reason}." for each in document.left_out]
        blocks += ["## Left out here", "\n".join(lines)]
    return "\n\n".join(blocks) + "\n"


def _head(document: Document) -> list[str]:
    machine, versions = document.machine, document.versions
    memory = machine["memory_gb"]
    place = f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads"
    place += f", {memory:g} GB" if memory else ""
    if machine["device"] != "cpu":
        place += f"; networks on {machine['device_name']} ({machine['device']})"
    known = [f"{name} {version}" for name, version in versions.items() if version]
    blocks = [
        "Written by this command, from one run of it; no figure is typed by hand:",
        f"    {' '.join(['python -m benchmarks', *document.names])} --out docs/performance.md",
        f"- Machine: {place}; {machine['platform']}.",
        f"- Versions: {', '.join(known)}.",
        f"- Begun {document.date}, done in {number(document.seconds / 60)} minutes."
        f"{_load(document)}",
    ]
    blocks[2:] = ["\n".join(blocks[2:])]
    if document.quick:
        blocks.append("**A quick trial: too short for its figures to mean anything.**")
    often = "once" if document.repeats == 1 else f"{document.repeats} times"
    blocks.append(
        f"What is compared was measured in turn (A, B, …, A, B, …), {often} where nothing else is"
        " said. A figure is the median, with the least and the greatest in brackets."
        f" Trained on {_data(document.data)}."
    )
    return blocks


def _data(name: str) -> str:
    if name == "cifar10":
        return "CIFAR-10"
    return f"the generated data set `{name}`, because CIFAR-10 is not at hand"


def _load(document: Document) -> str:
    start, end = document.load["start"], document.load["end"]
    if start is None or end is None:
        return ""
    return (
        f" Load average of the machine over the minute before: {shown(start[0])}; in the last"
        f" minute, with the benchmarks' own part: {shown(end[0])}."
    )


def _told(document: Document) -> str:
    goals = document.goals()
    missed = [goal.what for goal in goals if not goal.met]
    if not missed:
        return f"All {len(goals)} goals are met."
    return f"{len(goals) - len(missed)} of {len(goals)} goals are met. Missed: {'; '.join(missed)}."


def markdown(table: Table) -> str:
    """A table; all columns but the first are aligned to the right."""
    marks = ["---", *["---:"] * (len(table.headings) - 1)]
    lines = [table.headings, marks, *table.rows]
    return "\n".join("| " + " | ".join(cells).rstrip() + " |" for cells in lines)
