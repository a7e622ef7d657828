"""What the server hands out as it is: the page, its style, its script, images to try."""

from __future__ import annotations

import math
from importlib import resources

from wye.cards import shown_metrics
from wye.demo.show import MOST_PIXELS, Show
from wye.network.describe import count_parameters
from wye.report.site import environment
from wye.runs.model import Model

JSON, HTML = "application/json", "text/html; charset=utf-8"
CSS, SCRIPT = "text/css; charset=utf-8", "text/javascript; charset=utf-8"

SHOWN = ("accuracy", "psnr", "ssim")
"""Metrics of the test images."""


def pages(show: Show, largest: int) -> dict[str, tuple[str, bytes]]:
    """Path to kind and content.

    Args:
        largest: bytes of an upload.
    """
    model = show.model
    channels, height, width = model.shape
    test = model.config.get("test", {})
    facts = {
        "Image": f"{height} × {width} {'grey' if channels == 1 else 'colour'}",
        "Latent code": f"{model.latent_size:,} values",
        "Parameters": f"{count_parameters(model.network):,}",
        **shown_metrics({name: test[name] for name in SHOWN if name in test}),
    }
    reference = model.reference or {}
    html = environment("wye.demo").get_template("page.html").render(
        name=model.name,
        facts=facts,
        code=_maps(model),
        neighbours=0 if show.neighbours is None else len(show.neighbours.entries),
        classifier=model.network.classifier is not None,
        decoder=model.network.decoder is not None,
        compared=reference if reference.get("errors") else None,
        examples=[label for label, _ in show.examples],
        most_mb=largest >> 20,
        most_pixels=MOST_PIXELS // 10**6,
    )  # fmt: skip
    here = resources.files("wye.demo")
    found = {"/": (HTML, html.encode())}
    tokens = resources.files("wye.report").joinpath("tokens.css").read_bytes()
    found["/page.css"] = (CSS, tokens + here.joinpath("page.css").read_bytes())
    found["/page.js"] = (SCRIPT, here.joinpath("page.js").read_bytes())
    for at, (_, png) in enumerate(show.examples):
        found[f"/example-{at}.png"] = ("image/png", png)
    return found


def _maps(model: Model) -> tuple[int, ...]:
    """The code as maps `(C, H, W)`; of a flat one, or one with a side path, each value is a map."""
    shape = model.network.encoder.outputs
    is_maps = len(shape) == 3 and math.prod(shape) == model.latent_size
    return tuple(shape) if is_maps else (model.latent_size, 1, 1)
