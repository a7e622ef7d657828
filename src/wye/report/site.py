"""The report as a site of self-contained pages."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from wye.errors import UsageError
from wye.evidence.gains import STUDY
from wye.files import save_bytes
from wye.plots.style import dark_colours
from wye.report import claims_page, pages, when_page
from wye.report.grouping import group
from wye.report.rows import Row
from wye.runs.run import Run
from wye.studies import studies

if TYPE_CHECKING:
    from wye.evidence.findings import Finding

logger = logging.getLogger("wye")

INDEX = "index.html"
STYLES = (
    "tokens.css",
    "style.css",
    "row.css",
    "site.css",
    "answers.css",
    "narrow.css",
    "print.css",
)
_GENERATOR = b'<meta name="generator" content="wye report">'


def write_report(
    runs: Sequence[Run], out: Path, findings: Mapping[str, Sequence[Finding]] | None = None
) -> Path:
    """Write `out/index.html` and the pages it leads to: what was published, what was measured.

    A page per study, one for own images and recipes, one for the claims. The runs of a single row,
    and own ones alone, are told on the index itself. A page loads nothing from elsewhere and needs
    no script; it holds its pictures. Pages of an earlier report that this one doesn't have are
    removed.

    Args:
        runs: run folders, finished or not, in any order; seeds of one recipe are put together.
        out: folder of the site; made if it isn't there.
        findings: protocol to what the runs say of the claims.

    Returns:
        The path of the index.

    Raises:
        UsageError: there is no run.
        MachineError: a page cannot be written.
    """
    if not runs:
        raise UsageError("there is no run to report; make one, for instance: wye train wye/quick")
    site = render(runs, findings or {})
    for name in sorted(site, key=lambda name: name == INDEX):  # the index leads nowhere else first
        save_bytes(Path(out) / name, site[name].encode())
    _remove_others(Path(out), set(site))
    return Path(out) / INDEX


def render(
    runs: Sequence[Run], findings: Mapping[str, Sequence[Finding]] | None = None
) -> dict[str, str]:
    """File name to HTML of every page."""
    rows = group(runs)
    layout = _Layout()
    own = pages.own_cards(rows)
    if len(rows) == 1 or not any(row.study for row in rows):
        return {INDEX: layout.page("study.html", INDEX, [], single=True, **pages.study_page(rows))}
    by_page = pages.by_page(rows)
    links = [(INDEX, "Report")]
    links += [(page, members[0].study or "own") for page, members in by_page.items()]
    headline = claims_page.headline(findings) if findings else []
    if own and not any(of["tested"] for of in headline):
        findings, headline = {}, []
    if findings:
        links.append((claims_page.PAGE, "claims"))
    site = {page: _study(layout, page, links, members) for page, members in by_page.items()}
    if findings:
        content = claims_page.claims_page(findings, rows)
        site[claims_page.PAGE] = layout.page("claims.html", claims_page.PAGE, links, **content)
    site[INDEX] = layout.page(
        "index.html",
        INDEX,
        links,
        contents=pages.contents(rows),
        own=own,
        cards=pages.cards(rows),
        headline=headline,
    )
    return site


def _study(
    layout: _Layout, page: str, links: Sequence[tuple[str, str]], rows: Sequence[Row]
) -> str:
    content = {**pages.study_page(rows), "single": False}
    if rows[0].study != STUDY:
        return layout.page("study.html", page, links, **content)
    return layout.page("when.html", page, links, answers=when_page.answers(rows), **content)


def environment(package: str = "wye.report") -> jinja2.Environment:
    """The templates of a folder, which escape what they are given."""
    here = resources.files(package)
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: here.joinpath(name).read_text("utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


class _Layout:
    """The templates, and what is the same on every page."""

    def __init__(self) -> None:
        here = resources.files("wye.report")
        styles = [here.joinpath(name).read_text("utf-8") for name in STYLES]
        self.style = "\n".join([*styles, dark_colours()])
        self.environment = environment()
        self.environment.filters.update({**pages.FILTERS, **when_page.FILTERS})

    def page(
        self, template: str, page: str, links: Sequence[tuple[str, str]], **content: Any
    ) -> str:
        """One page as HTML, with links to the others."""
        return self.environment.get_template(template).render(
            style=self.style, links=links, here=page, **content
        )


def _remove_others(out: Path, written: set[str]) -> None:
    """Remove pages that an earlier report left and this one has not: nothing leads to them now."""
    names = {*(f"{study}.html" for study in studies()), pages.OWN_PAGE, claims_page.PAGE}
    for name in names - written:
        path = out / name
        try:
            if path.is_file() and _GENERATOR in path.read_bytes():
                path.unlink()
        except OSError as error:
            logger.warning("cannot remove %s of an earlier report: %s", path, error.strerror)
