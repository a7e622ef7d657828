"""How a run, a model and a recipe show themselves: as text in a shell, as a card in a notebook."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from wye.metrics import METRICS, ordered

if TYPE_CHECKING:
    from torch import Tensor

ZOOM = 64
"""Pixels that a picture's side is shown with."""


def shown_metrics(values: Mapping[str, Any]) -> dict[str, str]:
    """The metrics among the values, by label, as people read them."""
    known = [name for name in ordered(values) if values[name] is not None]
    return {
        METRICS[name].label: f"{METRICS[name].show(values[name])} {METRICS[name].unit}".rstrip()
        for name in known
    }


def as_text(kind: str, title: str, facts: Mapping[str, str]) -> str:
    """`<kind title: fact value, ...>` on one line."""
    shown = ", ".join(f"{name} {value}" for name, value in facts.items())
    return f"<{kind} {title}{': ' if shown else ''}{shown}>"


def as_html(kind: str, title: str, facts: Mapping[str, str], pictures: str = "") -> str:
    """The same as a small table, with pictures below it.

    Args:
        pictures: HTML, see `strip`; all else is text and escaped.
    """
    rows = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th>"
        f"<td style='text-align:left'>{escape(value)}</td></tr>"
        for name, value in facts.items()
    )
    head = f"<b>{escape(kind)}</b> <code>{escape(title)}</code>"
    return f"<div>{head}<table>{rows}</table>{pictures}</div>"


def strip(rows: Mapping[str, Tensor]) -> str:
    """Rows of pictures as one image in the page.

    Args:
        rows: uint8 `(N, C, H, W)` of one shape, by what they are.
    """
    import torch
    from PIL import Image

    lines = [row.expand(-1, 3, -1, -1).permute(2, 0, 3, 1).flatten(1, 2) for row in rows.values()]
    buffer = io.BytesIO()
    Image.fromarray(torch.cat(lines).numpy()).save(buffer, "PNG")
    content = base64.b64encode(buffer.getvalue()).decode()
    count = max(map(len, rows.values()))
    label = escape("; ".join(rows), quote=True)
    return (
        f"<img alt='{label}' title='{label}' src='data:image/png;base64,{content}'"
        f" style='width:{count * ZOOM}px;image-rendering:pixelated'>"
    )
