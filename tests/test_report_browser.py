"""The report in a real browser: pictures load, nothing overflows, dark mode can be read."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report_runs import HOSTILE, epochs, images, make_run

from wye.report import draw_run_figures, write_report

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    missing = [str(path) for path in (CHROMIUM, DRIVER) if not path.exists()]
    if missing:
        pytest.skip(f"no browser here: {' and '.join(missing)} not installed")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    long = "a-name-without-any-place-to-break-it-" * 4
    runs = [make_run(folder, seed=seed, best=0.86, watched=True) for seed in range(3)]
    runs += [
        make_run(folder, HOSTILE + long, notes=[long], title=long, command=f"wye train x={long}"),
        make_run(folder, "joint/beta0", psnr=None, finished=False),
        make_run(folder, "joint/shapes", data={"name": "shapes"}),
        make_run(folder, "joint/corrected", corrected={"accuracy": 0.84, "mse": 0.0007}),
    ]
    runs += [make_run(folder, "joint/splits", seed=s, evaluation={"splits": 2}) for s in range(2)]
    runs[3].metrics = epochs(40, terms=("loss", "classification", "reconstruction", "accuracy"))
    for run in runs:
        if run.recipe.network.decoder != "none":
            draw_run_figures(run, *images())
    return write_report(runs, folder / "out").as_uri()


def show(browser: Any, address: str, width: int = 1280, scheme: str = "light") -> None:
    """Open the page on a screen of that width."""
    feature = {"name": "prefers-color-scheme", "value": scheme}
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.get(address)


def test_console_is_silent_and_pictures_load(browser: Any, address: str) -> None:
    show(browser, address)
    assert browser.get_log("browser") == []
    widths = browser.execute_script("return [...document.images].map(i => i.naturalWidth)")
    assert len(widths) == 50
    assert min(widths) > 0


@pytest.mark.parametrize("width", [320, 390, 800, 1280])
def test_page_does_not_overflow(browser: Any, address: str, width: int) -> None:
    show(browser, address, width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    outside = browser.execute_script(
        """return [...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll, .skip')
        && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"""
    )
    assert outside == []


def test_ordinary_summary_fits_a_desk(browser: Any, tmp_path: Path) -> None:
    runs = [make_run(tmp_path, seed=seed) for seed in range(3)]
    show(browser, write_report(runs, tmp_path / "out").as_uri())
    hidden = (
        "return [...document.querySelectorAll('.scroll')].map(e => e.scrollWidth-e.clientWidth)"
    )
    assert max(browser.execute_script(hidden)) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(browser: Any, address: str, scheme: str) -> None:
    show(browser, address, scheme=scheme)
    # A cell's own shade is translucent, so every ground from the page to the element is laid on.
    found = browser.execute_script(
        """return [...document.querySelectorAll('p, a, th, td, dt, dd, li, code, span, figcaption,'
        + 'caption, h1, h2, h3, svg text')].filter(e => e.textContent.trim()).map(e => {
          const style = getComputedStyle(e), grounds = [];
          for (let at = e; at; at = at.parentElement)
            grounds.unshift(getComputedStyle(at).backgroundColor);
          return [e instanceof SVGElement ? style.fill : style.color, grounds,
                  e.tagName + '.' + e.getAttribute('class') + ': ' + e.textContent.slice(0, 30)];
        })"""
    )
    assert len(found) > 100
    grounds = {tuple(ground) for _, ground, _ in found}
    assert (luminance(blend(max(grounds, key=len)[:2])) < 0.05) == (scheme == "dark")
    weak = [(round(contrast(color, ground), 2), name) for color, ground, name in found
            if contrast(color, ground) < 4.5]  # fmt: skip
    assert weak == []


def test_print_keeps_tables_and_pictures_whole(browser: Any, address: str) -> None:
    show(browser, address, width=680)  # the text width of A4
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    cut = browser.execute_script(
        """return [...document.querySelectorAll('figure, figure img, figure svg, table.metrics')]
        .filter(e => e.getBoundingClientRect().right > innerWidth + 1).length"""
    )
    background = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": False})["data"]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert cut == 0
    assert background == "rgb(255, 255, 255)"
    assert base64.b64decode(printed).startswith(b"%PDF")


def blend(grounds: Any) -> tuple[float, float, float]:
    """The colour that a stack of CSS colours on white shows, channels between 0 and 1."""
    shown = (1.0, 1.0, 1.0)
    for ground in grounds:
        *channels, alpha = parse(ground)
        shown = tuple(  # type: ignore[assignment]
            alpha * c + (1 - alpha) * s for c, s in zip(channels, shown, strict=True)
        )
    return shown


def parse(color: str) -> tuple[float, float, float, float]:
    """`rgb(…)` or `rgba(…)` as computed by a browser."""
    numbers = [float(word) for word in re.findall(r"[\d.]+", color)]
    red, green, blue = (value / 255 for value in numbers[:3])
    return red, green, blue, numbers[3] if len(numbers) > 3 else 1.0


def luminance(color: tuple[float, ...]) -> float:
    """Relative luminance after WCAG 2."""
    linear = [c / 12.92 if c <= 0.04045 else math.pow((c + 0.055) / 1.055, 2.4) for c in color]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(color: str, grounds: Any) -> float:
    """Contrast ratio after WCAG 2 of a text colour to the stack of grounds under it."""
    one, other = luminance(parse(color)[:3]), luminance(blend(grounds))
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)
