"""The report as one self-contained page."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import jinja2

from wye.errors import UsageError
from wye.report import gallery, view
from wye.report.files import save
from wye.report.rows import RunLike, group


def write_report(runs: Sequence[RunLike], out: Path) -> Path:
    """Write `out/index.html`: what was published beside what `runs` measured.

    The page loads nothing from elsewhere and needs no script; it holds its pictures.

    Args:
        runs: run folders, finished or not, in any order; seeds of one recipe are put together.
        out: folder of the page; made if it isn't there.

    Raises:
        UsageError: there is no run.
        MachineError: the page cannot be written.
    """
    if not runs:
        raise UsageError("there is no run to report; make one, for instance: wye train wye/quick")
    path = Path(out) / "index.html"
    save(path, render(runs).encode())
    return path


def render(runs: Sequence[RunLike]) -> str:
    """The page as HTML."""
    here = resources.files("wye.report")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(view.FILTERS)
    template = environment.from_string(here.joinpath("page.html").read_text("utf-8"))
    return template.render(
        **view.page(group(runs)),
        style=here.joinpath("style.css").read_text("utf-8"),
        lines=gallery.LINES,
    )
