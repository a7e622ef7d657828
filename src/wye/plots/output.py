"""A figure as a file: SVG, PDF or PNG, the same bytes each time."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.dom import minidom

from wye.errors import UsageError
from wye.files import save_bytes
from wye.plots.style import GROUND, dark_colours, drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

logger = logging.getLogger("wye")

FORMATS = (".svg", ".pdf", ".png")
_METADATA = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}


def check_format(path: Path) -> None:
    """Raise UsageError if the name of a plot ends in none of the formats."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(
            f"{path}: a plot is written as {', '.join(FORMATS[:-1])} or {FORMATS[-1]},"
            " which the end of its name tells"
        )


def save(figure: Figure, path: Path) -> None:
    """Write a figure in the format that the file's name ends in; its folder is made.

    SVG follows the reader's light or dark screen, on a ground of its own, so that it can be read
    on a page that follows another; PDF and PNG are light.

    Raises:
        UsageError: another format, or matplotlib is not installed.
        MachineError: the file cannot be written.
    """
    check_format(path)
    kind = path.suffix.lower()[1:]
    if kind == "svg":
        save_bytes(path, svg(figure).encode())
        return
    content, absent = _rendered(figure, kind)
    if absent:
        logger.warning("%s: its font lacks some characters; as SVG it would have them", path)
    save_bytes(path, content)


def svg(figure: Figure) -> str:
    """The text of an SVG file, see `save`."""
    document = _document(figure)
    root = document.documentElement
    assert root is not None
    style = document.createElement("style")
    style.appendChild(document.createTextNode(dark_colours(root.toxml())))
    root.insertBefore(style, root.firstChild)
    return f"{root.toxml()}\n"


def inline_svg(figure: Figure) -> str:
    """A figure for a page to hold: no ids, no ground; its colours are changed by `dark_colours`.

    The figure's label (`figure.get_label()`) is what a reader is told who cannot see it.
    """
    document = _document(figure)
    root = document.documentElement
    assert root is not None
    # The figure's own rectangle is the first thing drawn.
    ground = root.getElementsByTagName("path")[0]
    assert f"fill: {GROUND}" in ground.getAttribute("style")
    _remove([ground])
    return str(root.toxml())


def _rendered(figure: Figure, kind: str) -> tuple[bytes, bool]:
    """The file's content, and whether some text has characters that the font lacks."""
    buffer = io.BytesIO()
    with drawing(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for artist in figure.findobj():
            # Nothing goes beyond its axes by more than a mark's half, which should be whole.
            artist.set_clip_on(False)
        figure.savefig(buffer, format=kind, metadata=_METADATA[kind])
    absent = False
    for each in caught:
        if "missing from" in str(each.message):
            absent = True
        else:
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    return buffer.getvalue(), absent


def _document(figure: Figure) -> minidom.Document:
    """The figure as SVG without what its readers have no use for."""
    document = minidom.parseString(_rendered(figure, "svg")[0])
    root = document.documentElement
    assert root is not None
    for name in ("metadata", "style"):
        _remove(root.getElementsByTagName(name))
    _put_in_place_of_uses(root)
    for element in [root, *root.getElementsByTagName("*")]:
        _tidy(element)
    _unwrap_groups(root)
    root.setAttribute("role", "img")
    root.setAttribute("aria-label", str(figure.get_label()))
    # matplotlib sets this for all elements by a style sheet, which would reach beyond the picture.
    root.setAttribute("stroke-linejoin", "round")
    return document


def _remove(elements: Iterable[Any]) -> None:
    for element in list(elements):
        element.parentNode.removeChild(element)


def _put_in_place_of_uses(root: minidom.Element) -> None:
    """Put what each `use` refers to in its place: ids would clash where a page has many plots."""
    shapes = {e.getAttribute("id"): e for e in root.getElementsByTagName("path")}
    for use in list(root.getElementsByTagName("use")):
        shape = shapes[use.getAttribute("xlink:href").removeprefix("#")].cloneNode(False)
        assert isinstance(shape, minidom.Element) and use.parentNode is not None
        shape.removeAttribute("id")
        x, y = (use.getAttribute(name) or "0" for name in "xy")
        shape.setAttribute("transform", f"translate({x} {y})")
        # What the shape itself says comes last, since it would win over what a `use` hands down.
        shape.setAttribute("style", f"{use.getAttribute('style')}; {shape.getAttribute('style')}")
        use.parentNode.replaceChild(shape, use)
    _remove(root.getElementsByTagName("defs"))


def _tidy(element: minidom.Element) -> None:
    if element.hasAttribute("id"):
        element.removeAttribute("id")
    if (style := element.getAttribute("style")) and "font-family" in style:
        style = style.replace("'DejaVu Sans', sans-serif", "system-ui, sans-serif")
        element.setAttribute("style", style)
    if element.hasAttribute("d"):
        element.setAttribute("d", " ".join(element.getAttribute("d").split()))
    if (link := element.getAttribute("xlink:href")).startswith("data:"):
        element.setAttribute("xlink:href", "".join(link.split()))
    if element.getAttribute("transform").startswith("rotate(-0 "):
        element.removeAttribute("transform")
    written = element.tagName in ("text", "tspan")
    _remove(
        child
        for child in element.childNodes
        if isinstance(child, minidom.Comment)
        or (isinstance(child, minidom.Text) and not written and not child.data.strip())
    )


def _unwrap_groups(root: minidom.Element) -> None:
    """Put the content of groups that say nothing in their place."""
    for group in reversed(root.getElementsByTagName("g")):
        parent = group.parentNode
        assert parent is not None
        if group.attributes is None or not len(group.attributes):
            for child in group.getElementsByTagName("*"):
                if child.parentNode is group:
                    parent.insertBefore(child, group)
            parent.removeChild(group)
