"""The report in a real browser: pictures load, nothing overflows, dark mode can be read."""

from __future__ import annotations

import base64
import math
import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from report_runs import HOSTILE, epochs, findings, images, make_run, own_run, study_run

from wye.report import write_report
from wye.runs.pictures import Examples

PAGES = ("index.html", "joint.html", "when.html", "own.html", "claims.html")

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the site is, of everything that a page can have to show."""
    folder = tmp_path_factory.mktemp("report")
    long = "a-name-without-any-place-to-break-it-" * 4
    runs = [make_run(folder, seed=seed, best=0.86, watched=True) for seed in range(3)]
    runs += [
        make_run(folder, HOSTILE + long, notes=[long], title=long, command=f"wye train x={long}"),
        make_run(folder, "own/beta0", psnr=None, finished=False),
        make_run(folder, "own/shapes", data={"name": "shapes"}),
        own_run(folder),
        make_run(folder, "own/corrected", corrected={"accuracy": 0.84, "mse": 0.0007}),
    ]
    runs += [make_run(folder, "own/splits", seed=s, evaluation={"splits": 2}) for s in range(2)]
    runs[3].metrics = epochs(40, terms=("loss", "classification", "reconstruction", "accuracy"))
    for run in runs:
        if run.recipe.network.decoder != "none":
            run.kept = Examples(*images())
    for protocol in ("paper", "short"):
        runs += [study_run(folder, protocol=protocol, seed=seed) for seed in range(2)]
    for arm in ("classifier", "joint", "joint-all", "autoencoder-first", "denoising", "jigsaw"):
        for labels, corruption in product((10, 50, 5000), ("clean", "blur", "noise")):
            row = f"when/{arm}-{labels}-{corruption}-even"
            accuracies = (0.4 + len(arm) / 300, 0.41 + labels / 1e5)
            runs += [study_run(folder, row, "short", seed=s, accuracy=a)
                     for s, a in enumerate(accuracies)]  # fmt: skip
    runs += [
        study_run(folder, f"when/sweep-{a}-{b}", "short", accuracy=0.5 + int(a) / 50 - int(b) / 60)
        for a, b in product("13", "01")
    ]
    index = write_report(runs, folder / "out", dict.fromkeys(("paper", "short"), findings()))
    return index.parent.as_uri()


def show(browser: Any, address: str, width: int = 1280) -> None:
    """Open the page on a screen of that width."""
    from selenium.webdriver.support.wait import WebDriverWait

    screen(browser, width)
    browser.get(address)
    # On a busy machine the driver may answer before the page has taken the place of the last one.
    there = "return document.readyState === 'complete' && location.href.startsWith(arguments[0])"
    WebDriverWait(browser, 20).until(lambda driver: driver.execute_script(there, address))


def screen(browser: Any, width: int) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


@pytest.mark.parametrize("page", PAGES)
def test_console_is_silent(browser: Any, address: str, page: str) -> None:
    show(browser, f"{address}/{page}")
    assert browser.get_log("browser") == []
    assert browser.find_element("css selector", "[aria-current]").text


def test_pictures_load(browser: Any, address: str) -> None:
    show(browser, f"{address}/own.html")
    widths = browser.execute_script("return [...document.images].map(i => i.naturalWidth)")
    assert len(widths) == 62
    assert min(widths) > 0


@pytest.mark.parametrize("page", PAGES)
def test_page_does_not_overflow(browser: Any, address: str, page: str) -> None:
    show(browser, f"{address}/{page}", 360)
    for width in (360, 320, 800, 1280):
        screen(browser, width)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        outside = browser.execute_script(
            """return [...document.querySelectorAll('body *')].filter(e =>
            !e.closest('.scroll, .skip') && e.getBoundingClientRect().right > innerWidth + 1)
            .map(e => e.outerHTML.slice(0, 80))"""
        )
        assert outside == []


def test_ordinary_summary_fits_a_desk(browser: Any, tmp_path: Path) -> None:
    runs = [make_run(tmp_path, seed=seed) for seed in range(3)]
    show(browser, write_report(runs, tmp_path / "out").as_uri())
    hidden = (
        "return [...document.querySelectorAll('.scroll')].map(e => e.scrollWidth-e.clientWidth)"
    )
    assert max(browser.execute_script(hidden)) == 0


def test_link_into_a_fold_opens_it(browser: Any, address: str) -> None:
    from selenium.webdriver.support.wait import WebDriverWait

    show(browser, f"{address}/when.html#row-when-joint-50-blur-even-short")
    opened = "return [...document.querySelectorAll('details.fold[open] h2')].map(e => e.innerText)"
    WebDriverWait(browser, 20).until(lambda driver: driver.execute_script(opened))
    assert browser.execute_script(opened) == ["when/joint-50-blur-even"]


TEXTS = """return [...document.querySelectorAll('p, a, th, td, dt, dd, li, code, span, figcaption,'
        + 'caption, h1, h2, h3, svg text')].filter(e => e.textContent.trim()).map(e => {
          const style = getComputedStyle(e), grounds = [];
          for (let at = e; at; at = at.parentElement)
            grounds.unshift(getComputedStyle(at).backgroundColor);
          return [e instanceof SVGElement ? style.fill : style.color, grounds,
                  e.tagName + '.' + e.getAttribute('class') + ': ' + e.textContent.slice(0, 30)];
        })"""
"""Of each text: its colour, the grounds under it, what it is. A cell's own shade is translucent, so
every ground from the page to the element is laid on."""


@pytest.mark.parametrize("page", PAGES)
def test_text_has_contrast(browser: Any, address: str, page: str) -> None:
    show(browser, f"{address}/{page}")
    for scheme in ("dark", "light"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        found = browser.execute_script(TEXTS)
        assert len(found) > 50
        grounds = {tuple(ground) for _, ground, _ in found}
        assert (luminance(blend(max(grounds, key=len)[:2])) < 0.05) == (scheme == "dark")
        weak = [(round(contrast(color, ground), 2), name) for color, ground, name in found
                if contrast(color, ground) < 4.5]  # fmt: skip
        assert weak == []


@pytest.mark.parametrize("page", PAGES)
def test_print_keeps_tables_and_pictures_whole(browser: Any, address: str, page: str) -> None:
    show(browser, f"{address}/{page}", width=680)  # the text width of A4
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    cut = browser.execute_script(
        """return [...document.querySelectorAll('figure, figure img, figure svg, table.metrics,'
        + 'table.claims, table.gain-table')]
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
