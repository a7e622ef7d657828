"""Which pages the site has, and what the index and the page of a study say."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from wye.metrics import METRICS, headlines, metric, number, spread
from wye.report.grouping import study_names
from wye.report.machine import where
from wye.report.rows import CHANGED, OWN, PAPER, SHORT, Row
from wye.report.view import duration, row_section, throughput
from wye.studies import Study, studies

OWN_PAGE = "own.html"
CAPTIONS = {
    SHORT: "Short: fewer epochs, the same for all rows",
    CHANGED: "With changed settings",
    OWN: "Own images and recipes",
}
MOST_CLASSES = 40
"""Classes of own images that are counted one by one."""
MOST_PICTURED = 24
"""A grid of more rows than these is shown without their pictures, which its runs' folders keep."""


def page_of(row: Row) -> str:
    """File name of the page that has the section of `row`."""
    return f"{row.study}.html" if row.study else OWN_PAGE


def by_page(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Page to its rows, in the order of the rows."""
    return {page: list(members) for page, members in groupby(rows, key=page_of)}


def contents(rows: Sequence[Row]) -> dict[str, Any]:
    """How much some rows are, and where and when it was measured."""
    runs = [run for row in rows for run in row.runs]
    finished = sum(len(row.finished) for row in rows)
    return {
        "rows": len(rows),
        "runs": len(runs),
        "unfinished": len(runs) - finished,
        "where": where(runs),
    }


def cards(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """A card for each study; beside own images or recipes, for those with runs only."""
    found = []
    pages = by_page(rows)
    for name in study_names():
        study = studies()[name]
        members = pages.get(f"{name}.html", [])
        if not members and OWN_PAGE in pages:
            continue
        run = {row.recipe.row for row in members if row.standing != CHANGED and row.finished}
        found.append(
            {
                "name": name,
                "kicker": f"study {study.source.id}" if study.source else "our own",
                "title": study.title,
                "page": f"{name}.html" if members else "",
                "rows": len(study.rows),
                "run": len(run),
                "runs": sum(len(row.runs) for row in members),
                "standings": standings(members),
            }
        )
    return found


def own_cards(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """A card for each source of own images, and for each recipe on a data set by name."""
    own = by_page(rows).get(OWN_PAGE, [])
    by_name: dict[str, list[Row]] = {}
    for row in own:
        by_name.setdefault(row.data if row.images else row.recipe.row, []).append(row)
    return [
        {
            "name": name,
            "about": members[0].images.summary() if members[0].images else members[0].recipe.title,
            "href": f"{OWN_PAGE}#{members[0].anchor}",
            "rows": len(members),
            "runs": sum(len(row.runs) for row in members),
        }
        for name, members in by_name.items()
    ]


def standings(rows: Iterable[Row]) -> list[tuple[str, int]]:
    """How many runs there are of each way of being a row, where not all are as published."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.standing] = counts.get(row.standing, 0) + len(row.runs)
    names = {PAPER: "as published", SHORT: "short", CHANGED: "with changed settings"}
    if set(counts) <= {PAPER}:
        return []
    return [(names[standing], counts[standing]) for standing in names if standing in counts]


def study_page(rows: Sequence[Row]) -> dict[str, Any]:
    """The page of one study, or of the rows of none."""
    study = studies().get(rows[0].study)
    named = {name for row in rows for name in row.metric_names}
    pictures = sum(bool(row.recipe.factors) for row in rows) <= MOST_PICTURED
    return {
        "study": study,
        "name": rows[0].study,
        "heading": heading(rows),
        "sources": sources(rows),
        "contents": contents(rows),
        "tables": [table(list(alike)) for _, alike in groupby(rows, key=lambda r: r.standing)],
        "corrected": any(name in row.corrected for row in rows for name in headlines(named)),
        "sections": [(row, row_section(row, pictures)) for row in rows],
        "pictures": pictures,
        "not_run": not_run(rows[0].study, study, rows) if study else [],
        "glossary": [metric for metric in METRICS.values() if metric.name in named],
    }


def heading(rows: Sequence[Row]) -> str:
    """What a page is called: the study's title, or the name of the images."""
    if (study := studies().get(rows[0].study)) is not None:
        return study.title
    names = {row.data for row in rows if row.images is not None}
    if not names:
        return "Own recipes"
    alone = len(names) == 1 and all(row.images is not None for row in rows)
    return names.pop() if alone else "Own images and recipes"


def sources(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The own images that rows were trained on: counts of each class and part, and doubts."""
    found = {row.images.root: row.images for row in rows if row.images is not None}
    return [
        {
            "name": images.name,
            "root": root,
            "about": images.summary(),
            "parts": list(images.counts),
            "classes": [
                (label, [of.get(label, 0) for of in images.counts.values()])
                for label in images.classes
            ]
            if len(images.classes) <= MOST_CLASSES
            else [],
            "totals": [sum(of.values()) for of in images.counts.values()],
            "warnings": list(images.warnings()),
        }
        for root, images in found.items()
    ]


def table(rows: Sequence[Row]) -> dict[str, Any]:
    """The table of rows that were run in one way: the columns they have something to say in."""
    named = {name for row in rows for name in row.metric_names}
    shown = list(headlines(named))
    known = [name for name in shown if any(r.reference(name) is not None for r in rows)]
    protocols = list(dict.fromkeys(row.protocol for row in rows))
    caption = CAPTIONS.get(rows[0].standing) or ("As published" if known else "As in its study")
    if rows[0].standing == SHORT and len(protocols) == 1:
        caption = protocols[0].capitalize()
    return {
        "caption": caption,
        "standing": rows[0].standing,
        "rows": rows,
        "shown": shown,
        "published": known,
        "compared": known if rows[0].standing in (PAPER, OWN) else [],
        "several": any(len(row.finished) > 1 for row in rows),
        "reach": reach(rows),
    }


def not_run(name: str, study: Study, rows: Iterable[Row]) -> list[tuple[str, str, str]]:
    """Row, source and title of each row of a study that has no run of its own settings."""
    known = {row.recipe.row for row in rows if row.standing != CHANGED}
    return [
        (f"{name}/{row}", str(of.get("source") or ""), str(of.get("title") or ""))
        for row, of in study.rows.items()
        if f"{name}/{row}" not in known
    ]


def differences(row: Row) -> list[float]:
    """Accuracy of each seed less the published one, in points; empty where not comparable."""
    published = row.reference("accuracy")
    if published is None or not row.comparable or row.truncated:
        return []
    each = [100 * (value - published) for value in row.figures("accuracy")]
    return [value for value in each if math.isfinite(value)]


def reach(rows: Iterable[Row]) -> int:
    """Half-width in whole points of the strips of differences; 0 where there is none."""
    largest = max((abs(d) for row in rows for d in differences(row)), default=0.0)
    return math.ceil(largest)


FILTERS = {
    "duration": duration,
    "metric": metric,
    "number": number,
    "differences": differences,
    "throughput": throughput,
    "spread": spread,
    "page_of": page_of,
}
