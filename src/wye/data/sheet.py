"""A data set on one page: a row of images for each class, beside the class's name."""

from __future__ import annotations

import torch
from PIL import Image, ImageDraw, ImageFont

from wye.data.images import DataSet, Images

GAP = 4
MARGIN = 16
INK = (32, 33, 36)
FAINT = (110, 112, 118)
PAPER = (255, 255, 255)


def sheet(data: DataSet, split: str = "train", per_class: int = 10, scale: int = 3) -> Image.Image:
    """A picture of the first `per_class` images of each class.

    Args:
        split: 'train' or 'test'.
        scale: pixels of the picture for each pixel of an image, in both directions.
    """
    part: Images = {"train": data.train, "test": data.test}[split]
    channels, height, width = data.shape
    font, small = ImageFont.load_default(size=17), ImageFont.load_default(size=13)
    column = max(44, *(int(font.getlength(name)) for name in data.classes)) + 2 * MARGIN
    cell_width, cell_height = width * scale, height * scale
    top = MARGIN + 52
    page = Image.new(
        "RGB",
        (
            max(MARGIN + column + per_class * (cell_width + GAP) + MARGIN, 420),
            top + len(data.classes) * (cell_height + GAP) + MARGIN,
        ),
        PAPER,
    )
    draw = ImageDraw.Draw(page)
    kind = "grey" if channels == 1 else "colour"
    draw.text((MARGIN, MARGIN), data.name, INK, ImageFont.load_default(size=22))
    draw.text(
        (MARGIN, MARGIN + 28),
        f"{split}: {len(part):,} images, {width} x {height} {kind}, {len(data.classes)} classes",
        FAINT,
        small,
    )
    counts = torch.bincount(part.labels, minlength=len(data.classes)).tolist()
    for label, name in enumerate(data.classes):
        y = top + label * (cell_height + GAP)
        middle = y + cell_height / 2
        draw.text((MARGIN, middle - 2), name, INK, font, anchor="ls")
        draw.text((MARGIN, middle + 3), f"{counts[label]:,}", FAINT, small, anchor="lt")
        chosen = (part.labels == label).nonzero()[:per_class, 0]
        for place, pixels in enumerate(part.pixels[chosen].expand(-1, 3, -1, -1)):
            tile = Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
            tile = tile.resize((cell_width, cell_height), Image.Resampling.NEAREST)
            page.paste(tile, (MARGIN + column + place * (cell_width + GAP), y))
    return page
