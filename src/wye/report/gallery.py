"""Original, reconstruction and error of a few test images, in one picture."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wye.report.files import save

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
_ACROSS = 10


def draw_gallery(originals: Tensor, reconstructions: Tensor, path: Path) -> None:
    """Write the gallery as a PNG: three captioned lines for ten images, on a transparent ground.

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
    layout = _Layout(count, width, height, scale=max(1, min(4, _SIDE // max(height, width))))
    canvas = Image.new("RGBA", layout.size, (0, 0, 0, 0))
    pen, font = ImageDraw.Draw(canvas), _font()
    for line, (caption, images) in enumerate(zip(LINES, (real, rebuilt, error), strict=True)):
        for index, pixels in enumerate(images):
            left, top, right, bottom = layout.box(index, line)
            tile = Image.fromarray(pixels)
            canvas.paste(
                tile.resize((right - left, bottom - top), Image.Resampling.NEAREST), (left, top)
            )
            if left == 0:
                # Grey is legible on a light and on a dark ground; Pillow's own font lacks ×.
                text = caption.replace("×", "x")
                pen.text((0, top - _CAPTION + 4), text, fill=(118, 118, 118, 255), font=font)
    info = PngInfo()
    info.add_itxt(_KEY, json.dumps(asdict(layout)))
    buffer = io.BytesIO()
    canvas.save(buffer, "PNG", pnginfo=info, optimize=True)
    save(path, buffer.getvalue())


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
            noted = json.loads(getattr(picture, "text", {}).get(_KEY, "null"))
            if noted is None:
                return [_uri(picture)]
            layout = _Layout(**noted)
            return [_uri(_column(picture, layout, index)) for index in range(layout.count)]
    except (OSError, ValueError, TypeError):
        return []


@dataclass(frozen=True)
class _Layout:
    """Where each image lies in the picture; lengths in pixels, of an image before enlarging."""

    count: int
    width: int
    height: int
    scale: int

    def box(self, index: int, line: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of image `index` in `line` of its block of ten."""
        wide, high = self.width * self.scale, self.height * self.scale
        left = index % _ACROSS * (wide + _GAP)
        top = _CAPTION + (index // _ACROSS * len(LINES) + line) * (high + _GAP + _CAPTION)
        return left, top, left + wide, top + high

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture, with room for the captions of a single small image."""
        right = self.box(min(self.count, _ACROSS) - 1, 0)[2]
        return max(right, 160), self.box(self.count - 1, len(LINES) - 1)[3]


def _column(picture: Image, layout: _Layout, index: int) -> Image:
    from PIL import Image

    column = Image.new("RGB", (layout.width, layout.height * len(LINES)))
    for line in range(len(LINES)):
        tile = picture.crop(layout.box(index, line)).convert("RGB")
        native = tile.resize((layout.width, layout.height), Image.Resampling.NEAREST)
        column.paste(native, (0, line * layout.height))
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
