"""Original, reconstruction and error of a few test images, in one picture."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wye.report.files import write_atomically

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image
    from torch import Tensor

AMPLIFICATION = 4
"""Factor of the error line: the same in every gallery, so that darker is closer in all of them."""
LINES = ("original", "reconstruction", f"absolute error × {AMPLIFICATION}")
_GAP = 8
_CAPTION = 26
_SIDE = 128
_KEY = "wye-gallery"


def draw_gallery(originals: Tensor, reconstructions: Tensor, path: Path) -> None:
    """Write the gallery as a PNG: three captioned lines on a transparent ground.

    Small images are enlarged four times, each pixel a square. The layout is noted inside the file,
    so that `columns` can take the pixels out again.

    Args:
        originals: uint8 `(N, C, H, W)`, C of 1 or 3.
        reconstructions: the same shape and type.
        path: the PNG; its folder is made.

    Raises:
        ValueError: the shapes differ, or there is no image.
    """
    import numpy as np
    from PIL import Image, ImageDraw
    from PIL.PngImagePlugin import PngInfo

    if originals.shape != reconstructions.shape or originals.ndim != 4 or not len(originals):
        raise ValueError("originals and reconstructions must be of one shape (N, C, H, W), N > 0")
    real, rebuilt = _pixels(originals), _pixels(reconstructions)
    distance = np.abs(real.astype(np.int16) - rebuilt.astype(np.int16)) * AMPLIFICATION
    error = np.minimum(distance, 255).astype(np.uint8)

    count, height, width, _ = real.shape
    scale = max(1, min(4, _SIDE // max(height, width)))
    step, line = width * scale + _GAP, _CAPTION + height * scale + _GAP
    canvas = Image.new("RGBA", (count * step - _GAP, len(LINES) * line - _GAP), (0, 0, 0, 0))
    pen, font = ImageDraw.Draw(canvas), _font()
    for row, (caption, images) in enumerate(zip(LINES, (real, rebuilt, error), strict=True)):
        # A grey of the same contrast to a light and to a dark ground.
        pen.text((0, row * line + 4), caption, fill=(118, 118, 118, 255), font=font)
        for column, pixels in enumerate(images):
            tile = Image.fromarray(pixels).resize(
                (width * scale, height * scale), Image.Resampling.NEAREST
            )
            canvas.paste(tile, (column * step, row * line + _CAPTION))
    layout = {"count": count, "width": width, "height": height, "scale": scale}
    info = PngInfo()
    info.add_itxt(_KEY, json.dumps({**layout, "amplification": AMPLIFICATION}))
    buffer = io.BytesIO()
    canvas.save(buffer, "PNG", pnginfo=info, optimize=True)
    write_atomically(path, buffer.getvalue())


def columns(path: Path) -> list[str]:
    """The gallery as one picture for each image, in native pixels, as data URIs.

    Each holds original, reconstruction and error from top to bottom, without gap, so that a page
    can arrange the images to its width and enlarge them crisply. A PNG that `draw_gallery` did
    not write gives one URI: that of the whole picture. A file that isn't a picture gives none.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            picture.load()
            layout = json.loads(getattr(picture, "text", {}).get(_KEY, "null"))
            if layout is None:
                return [_uri(picture)]
            return [_uri(_column(picture, layout, index)) for index in range(layout["count"])]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _column(picture: Image, layout: dict[str, Any], index: int) -> Image:
    from PIL import Image

    width, height, scale = layout["width"], layout["height"], layout["scale"]
    step, line = width * scale + _GAP, _CAPTION + height * scale + _GAP
    column = Image.new("RGB", (width, height * len(LINES)))
    for row in range(len(LINES)):
        left, top = index * step, row * line + _CAPTION
        box = (left, top, left + width * scale, top + height * scale)
        tile = picture.crop(box).resize((width, height), Image.Resampling.NEAREST)
        column.paste(tile.convert("RGB"), (0, row * height))
    return column


def _pixels(images: Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """`(N, C, H, W)` uint8 as `(N, H, W, 3)`."""
    import numpy as np

    array = images.detach().cpu().numpy().astype(np.uint8).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(np.repeat(array, 3, axis=3) if array.shape[3] == 1 else array)


def _font() -> Any:
    from PIL import ImageFont

    try:
        return ImageFont.load_default(size=15)
    except (TypeError, ImportError):  # Pillow before 10.1, or built without FreeType
        return ImageFont.load_default()


def _uri(picture: Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
