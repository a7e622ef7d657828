"""The strips of effects: everything is where its value belongs."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from report_runs import finding

from wye.report.claims_page import claims_page
from wye.report.effect_strip import effect_strip, window

values = st.floats(-1e6, 1e6)
SCALE = (-10.0, 10.0)


def drawn(**changed: object) -> ET.Element:
    given = {
        "effect": 5.0, "interval": (0.0, 10.0), "holds": (2.0, math.inf), "published": -5.0,
        "scale": SCALE, "written": lambda value: f"{value:g}", "label": "a <label>",
    }  # fmt: skip
    return ET.fromstring(effect_strip(**{**given, **changed}))  # type: ignore[arg-type]


def place(value: float, scale: tuple[float, float] = SCALE) -> float:
    """Where a value belongs, by the axis as it is drawn."""
    axis = next(e for e in drawn().iter("line") if e.get("class") == "axis")
    left, right = float(str(axis.get("x1"))), float(str(axis.get("x2")))
    return left + (right - left) * (value - scale[0]) / (scale[1] - scale[0])


def one(svg: ET.Element, tag: str, kind: str) -> ET.Element:
    [found] = [e for e in svg.iter(tag) if e.get("class") == kind]
    return found


def test_values_stand_on_one_scale() -> None:
    svg = drawn()
    assert float(str(one(svg, "circle", "effect").get("cx"))) == pytest.approx(place(5))
    assert float(str(one(svg, "line", "zero").get("x1"))) == pytest.approx(place(0))
    assert float(str(one(svg, "line", "printed").get("x1"))) == pytest.approx(place(-5))
    band = one(svg, "rect", "holds")
    start, width = float(str(band.get("x"))), float(str(band.get("width")))
    assert (start, start + width) == pytest.approx((place(2), place(10)), abs=0.11)
    path = str(one(svg, "path", "interval").get("d"))
    low, high = re.findall(r"M([\d.]+) [\d.]+H([\d.]+)", path)[0]
    assert (float(low), float(high)) == pytest.approx((place(0), place(10)))


def test_interval_beyond_the_scale_ends_in_arrows() -> None:
    caps = str(one(drawn(), "path", "interval").get("d")).count("v8")
    arrows = str(one(drawn(interval=(-99.0, 99.0)), "path", "interval").get("d"))
    assert caps == 2
    assert arrows.count("v8") == 0
    assert arrows.count("L") == 4


def test_parts_that_are_not_known_are_not_drawn() -> None:
    svg = drawn(effect=None, interval=None, published=None)
    kinds = {e.get("class") for e in svg.iter()}
    assert not kinds & {"effect", "interval", "printed"}
    assert "zero" not in {e.get("class") for e in drawn(scale=(0.8, 0.9)).iter()}


@given(st.lists(values, max_size=4), st.lists(values, max_size=2), st.sampled_from([0.0, 0.85]))
@example([], [5e-324], 0.0)
def test_scale_holds_all_that_is_known(
    known: list[float], interval: list[float], centre: float
) -> None:
    low, high = window(known, interval, centre)
    assert low < high
    assert low + high == pytest.approx(2 * centre)
    assert all(low <= value <= high for value in known)


def test_wide_interval_is_cut_and_a_useful_one_is_not() -> None:
    assert window([0.01], [-0.02, 0.03], 0.0)[1] >= 0.03
    assert window([0.01], [-5.0, 5.0], 0.0)[1] < 0.1
    assert window([0.0], [-5.0, 5.0], 0.0)[1] >= 5.0


@pytest.mark.parametrize(
    ("claim", "inside", "outside"),
    [
        ({"higher": "joint/v1", "lower": "joint/v2"}, [0.001, 9.0], [-0.001]),
        ({"higher": "joint/v1", "lower": "joint/v2", "margin": 0.02}, [0.03], [0.01, -0.03]),
        ({"same": [("joint/v1", "joint/v2")], "margin": 0.02}, [0.01, -0.01], [0.03, -0.03]),
        ({"row": "joint/v1", "range": (0.5, 0.6)}, [0.55], [0.45, 0.65]),
    ],
)
def test_band_is_where_the_claim_holds(
    claim: dict[str, object], inside: list[float], outside: list[float]
) -> None:
    for effect in (*inside, *outside):
        content = claims_page({"paper": [finding("C", effect=effect, **claim)]}, [])
        svg = ET.fromstring(content["protocols"][0]["studies"][0]["claims"][0]["strip"])
        band = one(svg, "rect", "holds")
        start = float(str(band.get("x")))
        stop = start + float(str(band.get("width")))
        dot = float(str(one(svg, "circle", "effect").get("cx")))
        assert (start - 0.1 <= dot <= stop + 0.1) == (effect in inside), effect
