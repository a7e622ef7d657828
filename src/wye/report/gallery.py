"""The images of a gallery as the parts of a page, which arranges them to its width."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def columns(rows: Mapping[str, np.ndarray[Any, np.dtype[np.uint8]]]) -> list[str]:
    """One picture for each image, in native pixels, as data URIs.

    Each holds the image of every row from top to bottom, without gap, so that a page can enlarge
    them crisply.

    Args:
        rows: uint8 `(N, C, H, W)` each, C of 1 or 3, all of one shape.
    """
    import numpy as np

    stacked = np.concatenate(list(rows.values()), axis=2).transpose(0, 2, 3, 1)
    return [_uri(np.broadcast_to(column, (*column.shape[:2], 3))) for column in stacked]


def _uri(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> str:
    import numpy as np
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
