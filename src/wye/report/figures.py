"""The pictures that a run folder keeps: curves and confusion matrix as SVG, gallery as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from wye.report import curves
from wye.report.files import save
from wye.report.gallery import draw_gallery
from wye.report.rows import RunLike, section

if TYPE_CHECKING:
    from torch import Tensor

_CONFUSION_STYLE = """
.right { fill: var(--validation) } .wrong { fill: var(--test) }
"""
_CELL = 38


def draw_curves(metrics: curves.History, path: Path) -> None:
    """Write the curves of one run as an SVG, a panel for each term; nothing without an epoch.

    Args:
        metrics: the lines of `metrics.jsonl`.
        path: the SVG; its folder is made.
    """
    panels = [curves.panel(term, [metrics]) for term in curves.terms_of([metrics])]
    if not panels:
        return
    across = min(3, len(panels))
    down = -(-len(panels) // across)
    width, height = across * curves.WIDTH, down * curves.HEIGHT + 24
    body = [
        drawn.replace(
            "<svg ",
            f'<svg x="{index % across * curves.WIDTH}" y="{index // across * curves.HEIGHT}"'
            f' width="{curves.WIDTH}" height="{curves.HEIGHT}" ',
            1,
        )
        for index, drawn in enumerate(panels)
    ]
    for index, part in enumerate(curves.parts_of([metrics])):
        x, y = 46 + index * 120, height - 12
        body.append(f'<path class="curve {part}" d="M{x} {y}h22"/>')
        body.append(f'<text x="{x + 28}" y="{y + 4}">{curves.LABELS[part]}</text>')
    save(path, _file("".join(body), width, height, curves.STYLE))


def draw_confusion(confusion: Sequence[Sequence[int]], classes: Sequence[str], path: Path) -> None:
    """Write a confusion matrix as an SVG: a line is a true class, a column a predicted one.

    Args:
        confusion: counts, `(K, K)`.
        classes: the K names.
        path: the SVG; its folder is made.
    """
    left = 24 + 6.5 * max(map(len, classes), default=0)
    size = len(classes) * _CELL
    body = [f'<text class="title" x="{left:.0f}" y="16">predicted</text>']
    for row, (name, counts) in enumerate(zip(classes, confusion, strict=True)):
        y = 44 + row * _CELL
        body.append(
            f'<text x="{left - 8:.0f}" y="{y + _CELL / 2 + 4:.0f}" text-anchor="end">'
            f"{escape(name)}</text>"
        )
        body.append(
            f'<text x="{left + (row + 0.5) * _CELL:.0f}" y="36" text-anchor="middle">'
            f"{escape(name if len(name) < 7 else name[:5] + '…')}</text>"
        )
        for column, count in enumerate(counts):
            shade, x = heat(count, sum(counts)), left + column * _CELL
            kind = "right" if row == column else "wrong"
            body.append(
                f'<rect class="{kind}" x="{x:.0f}" y="{y}" width="{_CELL - 2}"'
                f' height="{_CELL - 2}" rx="2" fill-opacity="{shade:.3f}"/>'
                f'<text x="{x + _CELL / 2 - 1:.0f}"'
                f' y="{y + _CELL / 2 + 3:.0f}" text-anchor="middle">{count}</text>'
            )
    style = curves.STYLE + _CONFUSION_STYLE
    save(path, _file("".join(body), left + size + 12, size + 56, style))


def heat(count: float, total: float) -> float:
    """Shade of a cell: the root of its share, so that rare errors are seen.

    It ends at 0.6, where the text of the page, light or dark, can still be read on it.
    """
    return 0.6 * float((count / total) ** 0.5) if total > 0 else 0.0


def draw_run_figures(
    run: RunLike, originals: Tensor | None = None, reconstructions: Tensor | None = None
) -> list[Path]:
    """Draw whatever `run` has the data for into its `figures/`.

    Args:
        run: a run folder, finished or not.
        originals: uint8 `(N, C, H, W)`; left out where there is no decoder.
        reconstructions: the same shape.

    Returns:
        The files written.
    """
    folder = run.path / "figures"
    written: list[Path] = []
    if curves.terms_of([run.metrics]):
        draw_curves(run.metrics, folder / "curves.svg")
        written.append(folder / "curves.svg")
    test = section(run, "test")
    if test.get("confusion"):
        names = list(test.get("per_class") or range(len(test["confusion"])))
        draw_confusion(test["confusion"], [str(n) for n in names], folder / "confusion.svg")
        written.append(folder / "confusion.svg")
    if originals is not None and reconstructions is not None and len(originals):
        draw_gallery(originals, reconstructions, folder / "gallery.png")
        written.append(folder / "gallery.png")
    return written


def _file(body: str, width: float, height: float, style: str) -> bytes:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}"'
        f' width="{width:.0f}" height="{height:.0f}"><style>{style}</style>'
        f'<rect class="ground" width="100%" height="100%"/>{body}</svg>\n'
    ).encode()
