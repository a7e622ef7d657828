"""Plots: that a figure shows the values it was given, and what becomes of it in a file."""

from __future__ import annotations

import io
import math
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from report_runs import HOSTILE, epochs, images, make_run, study_run

import wye
from wye.cli import main
from wye.errors import UsageError
from wye.plots.confusion import COUNTED, confusion_figure
from wye.plots.curves import curves_figure, phases_of, terms_of
from wye.plots.gains import gains_figure, span
from wye.plots.gallery import ACROSS, AMPLIFICATION, compared, gallery_figure
from wye.plots.lr import lr_figure
from wye.plots.output import inline_svg, save, svg
from wye.plots.runs import draw_run, draw_runs
from wye.plots.style import DARK, fitted, width_of
from wye.runs.pictures import Examples


def curves_of(axes: Axes) -> list[list[float]]:
    return [
        np.asarray(line.get_ydata(), float).tolist()
        for line in axes.lines
        if str(line.get_label())[:1].isdigit()
    ]


def texts(figure: Figure) -> list[str]:
    figure.draw_without_rendering()
    return [str(found.get_text()) for found in figure.findobj(Text) if found.get_text()]


def boxes(figure: Figure, shown: Sequence[str]) -> list[Any]:
    """Where the texts stand that say one of `shown`, in pixels."""
    figure.draw_without_rendering()
    return [
        text.get_window_extent()
        for text in figure.findobj(Text)
        if text.get_text() in shown and text.get_visible()
    ]


def history(*losses: float | None, term: str = "loss") -> list[dict[str, Any]]:
    return [{"epoch": at, "train": {term: value}} for at, value in enumerate(losses, start=1)]


# Curves


def test_curves_show_every_value_in_order() -> None:
    lines = epochs(4, terms=("accuracy", "classification", "loss"))
    lines[1]["train"]["loss"] = None
    for line in lines[2:]:
        line["phase"] = "second"
    assert terms_of([lines]) == ["loss", "classification", "accuracy"]
    assert phases_of(lines) == [("joint", 1, 2), ("second", 3, 4)]
    figure = curves_figure(lines)
    loss, classification, accuracy = figure.axes
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["loss", "classification", "accuracy (%)"]
    train, validation = curves_of(loss)
    assert train == pytest.approx([1, math.nan, 1 / 3, 1 / 4], nan_ok=True)
    assert validation == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4])
    assert curves_of(accuracy)[0] == pytest.approx([100, 50, 100 / 3, 25])
    boundaries = [x for line in loss.lines if len(set(x := list(line.get_xdata()))) == 1]
    assert boundaries == [[2.5, 2.5]]
    assert "phases: joint 1–2, second 3–4" in texts(figure)
    assert "loss against epochs 1 to 4: training ends at 0.25" in str(figure.get_label())
    assert classification.get_xlabel() == "epoch"


@pytest.mark.parametrize("count", [1, 2, 3, 12, 40, 400])
def test_epochs_are_whole_and_each_tick_says_something_else(count: int) -> None:
    figure = curves_figure(epochs(count, terms=("loss",)))
    figure.draw_without_rendering()
    [axes] = figure.axes
    ticks = [label.get_text() for label in axes.get_xticklabels()]
    assert ticks[0] == "1"
    assert all(1 <= int(tick) <= count for tick in ticks)
    low, high = axes.get_ylim()
    values = [
        label.get_text()
        for at, label in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)
        if low <= at <= high
    ]
    assert len(values) == len(set(values)) >= 2
    marked = [line.get_markevery() for line in axes.lines]
    assert marked == [list(range(count)) if count <= 12 else []] * 2


def test_a_value_that_no_line_would_show_has_a_mark() -> None:
    values = [1.0] * 5 + [math.nan, 2.0, math.nan] + [1.0] * 12
    figure = curves_figure(history(*values))
    assert figure.axes[0].lines[0].get_markevery() == [6]


@pytest.mark.parametrize(
    "values", [[0.0, 0.0], [5.0], [1e-9, 1e9], [-3.0, 4.0], [1e-12, 1e-12], [1.8, 1.8 + 1e-9]]
)
def test_curves_of_any_range(values: list[float], tmp_path: Path) -> None:
    figure = curves_figure(history(*values))
    save(figure, tmp_path / "curves.svg")
    assert "nan" not in (tmp_path / "curves.svg").read_text().lower()
    low, high = figure.axes[0].get_ylim()
    assert low < min(values) <= max(values) < high
    assert figure.axes[0].get_yscale() == ("log" if values == [1e-9, 1e9] else "linear")


def test_runs_are_told_apart_by_colour_and_mark() -> None:
    runs = {f"run {at}": history(*np.linspace(at + 1, 1, 20)) for at in range(8)}
    figure = curves_figure(runs)
    lines = figure.axes[0].lines
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 8
    assert all(len(line.get_markevery()) > 2 for line in lines)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == [*runs, "training"]


def test_a_legend_stays_within_its_figure() -> None:
    lines = epochs(60, terms=("loss",))
    for at, line in enumerate(lines):
        line["phase"] = f"unfreeze the layers from {at // 5}"
    figures = [
        curves_figure(lines),
        curves_figure({f"runs/a/folder/{'with-a-name' * 9}/{at}": lines for at in range(2)}),
    ]
    for figure in figures:
        figure.draw_without_rendering()
        box, whole = figure.legends[0].get_window_extent(), figure.bbox
        assert box.x1 <= whole.x1 and box.y0 >= 0
        assert box.y1 <= min(axes.get_tightbbox().y0 for axes in figure.axes)


def test_no_value_is_no_plot() -> None:
    with pytest.raises(ValueError, match="no epoch"):
        curves_figure(history(None, math.inf))


# Confusion


@pytest.mark.parametrize("count", [1, 2, 10, COUNTED, COUNTED + 1, 100, 250])
@pytest.mark.parametrize("length", [3, 30])
def test_names_of_classes_are_whole_and_do_not_touch(count: int, length: int) -> None:
    names = [f"{at:03}".ljust(length, "x") for at in range(count)]
    figure = confusion_figure((np.eye(count, dtype=int) * 90_000).tolist(), names)
    shown = names[:: -(-count // 100)]
    found = boxes(figure, names)
    assert len(found) == 2 * len(shown)
    width, height = figure.get_size_inches() * figure.dpi
    assert all(b.x0 >= 0 and b.y0 >= 0 and b.x1 <= width and b.y1 <= height for b in found)
    columns, rows = found[: len(shown)], found[len(shown) :]
    assert all(a.x1 <= b.x0 for a, b in pairwise(columns))
    assert all(b.y1 <= a.y0 for a, b in pairwise(rows))


def test_confusion_shows_counts_and_shades() -> None:
    figure = confusion_figure([[80, 20], [0, 100]], ["cat", "dog"])
    [axes] = figure.axes
    counts = {t.get_text(): t.get_position() for t in axes.texts}
    assert counts == {"80": (0, 0), "20": (1, 0), "0": (0, 1), "100": (1, 1)}
    shades = np.asarray(axes.images[0].get_array())[..., 3]
    assert shades**2 / 0.36 == pytest.approx(np.array([[0.8, 0.2], [0, 1]]))
    assert "180 of 200 images correct" in str(figure.get_label())
    assert "cat taken for dog, 20 times" in str(figure.get_label())


def test_confusion_of_many_classes_says_what_its_shades_mean() -> None:
    figure = confusion_figure(np.eye(COUNTED + 1, dtype=int).tolist(), ["c"] * (COUNTED + 1))
    assert not figure.axes[0].texts
    assert any("of the true class" in text for text in texts(figure))


@pytest.mark.parametrize("matrix", [[], [[1]], [[1, 2], [3]]])
def test_confusion_that_is_not_square_is_refused(matrix: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="2 by 2"):
        confusion_figure(matrix, ["a", "b"])


# Gallery


@pytest.mark.parametrize(("channels", "count", "side"), [(3, 10, 32), (1, 3, 28), (3, 13, 150)])
def test_gallery_holds_the_pixels(tmp_path: Path, channels: int, count: int, side: int) -> None:
    """Of each image in the PNG the pixel at each place is that of the tensor, enlarged or not."""
    originals, made = images(channels, count, side)
    rows = compared(originals, made)
    figure = gallery_figure(rows, [f"test {at}" for at in range(count)])
    save(figure, tmp_path / "gallery.png")
    picture = np.asarray(Image.open(tmp_path / "gallery.png").convert("RGB")).astype(int)
    height, width = picture.shape[:2]
    assert (height, width) == tuple((figure.get_size_inches()[::-1] * figure.dpi).round())
    error = np.minimum(abs(originals.numpy().astype(int) - made.numpy()) * AMPLIFICATION, 255)
    wanted = [originals.numpy(), made.numpy(), error]
    for block, axes in enumerate(figure.axes):
        left, bottom, right, top = axes.get_position().extents * [width, height, width, height]
        shown = picture[round(height - top) : round(height - bottom), round(left) : round(right)]
        scale = max(1, min(4, 128 // side))
        step = (side + -(-6 // scale)) * scale
        across = min(ACROSS, count - block * ACROSS)
        assert shown.shape[:2] == (
            3 * step - step + side * scale,
            across * step - step + side * scale,
        )
        for line, row in enumerate(wanted):
            for column in range(across):
                y, x = line * step, column * step
                tile = shown[y : y + side * scale, x : x + side * scale]
                image = row[block * ACROSS + column].transpose(1, 2, 0)
                expected = image.repeat(scale, 0).repeat(scale, 1)
                np.testing.assert_array_equal(tile, np.broadcast_to(expected, tile.shape))


def test_gallery_names_its_rows_and_images() -> None:
    originals, made = images(count=ACROSS + 1)
    names = [*(f"test {at}" for at in range(ACROSS)), "a-file-with-a-name-that-is-too-long.jpeg"]
    shown = texts(gallery_figure(compared(originals, made), names))
    assert shown.count("reconstruction") == 2
    assert set(names[:-1]) <= set(shown)
    [short] = [text for text in shown if "…" in text]
    assert short.startswith("a-file") and short.endswith("jpeg")
    noisy = compared(originals, made, originals)
    assert list(noisy) == ["noisy input", "reconstruction", "clean"]
    np.testing.assert_array_equal(noisy["clean"], originals.numpy())


def test_gallery_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="one shape"):
        compared(images()[0], images(side=16)[0])
    with pytest.raises(ValueError, match="1 names"):
        gallery_figure({"a": images()[0]}, ["one"])
    with pytest.raises(ValueError, match="N > 0"):
        gallery_figure({"a": images()[0][:0]})


# Rates and gains


def test_rates_and_losses_are_the_curve() -> None:
    rates, losses = [1e-5, 1e-3, 1e-1], [2.0, 1.0, 4.0]
    figure = lr_figure(rates, losses, {"steepest": 1e-3, "outside": 1.0})
    curve, mark = figure.axes[0].lines
    assert (list(curve.get_xdata()), list(curve.get_ydata())) == (rates, losses)
    assert set(mark.get_xdata()) == {1e-3}
    assert "steepest 1.0e-03" in texts(figure)
    assert figure.axes[0].get_xscale() == figure.axes[0].get_yscale() == "log"
    assert lr_figure(rates, [1.0, -1.0, 2.0]).axes[0].get_yscale() == "linear"


class Gain:
    def __init__(self, mean: float, low: float | None = None, high: float | None = None) -> None:
        self.mean, self.low, self.high = mean, low, high


LINES = {
    "joint": {50: Gain(2.0, 1.0, 3.0), 1000: Gain(-1.0, -400.0, 0.0)},
    "jigsaw": {50: Gain(0.5)},
}
ARMS, LABELS = ["joint", "denoising", "jigsaw"], [50, 250, 1000]


def test_gains_show_means_intervals_and_arms() -> None:
    figure = gains_figure({"a <b> & c": LINES}, ARMS, LABELS, (-3.0, 3.0))
    [axes] = figure.axes
    named = {str(line.get_label()): line for line in axes.lines}
    assert list(named["joint"].get_ydata()) == [2.0, -1.0]
    first, second = named["joint"].get_xdata()
    assert second - first == pytest.approx(math.log(1000 / 50))
    assert named["joint"].get_marker() != named["jigsaw"].get_marker()
    assert named["joint"].get_color() != named["jigsaw"].get_color()
    bars = [list(line.get_ydata()) for line in axes.lines if line.get_alpha()]
    # An interval beyond the axis ends with it, without a cap.
    assert bars == [[1.0, 3.0], [1.0, 3.0], [-3.0, 0.0], [0.0]]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["joint", "jigsaw"]
    ticks = [label.get_text() for label in axes.get_xticklabels()]
    assert ticks == ["50", "250", "1,000"]
    assert "joint: +2.0 at 50, −1.0 at 1000" in str(figure.get_label())


def test_axis_holds_zero_and_every_mean_and_no_wild_interval() -> None:
    low, high = span([Gain(2, -50, 54), Gain(-1, -1.5, -0.5)])
    assert low < -1.5
    assert 2 < high < 8
    assert span([]) == pytest.approx((-0.04, 0.04))


# Files

FIGURES = {
    "curves": lambda: curves_figure(epochs(3, test=True)),
    "confusion": lambda: confusion_figure([[3, 1], [0, 4]], ["cat", "dog"]),
    "gallery": lambda: gallery_figure(compared(*images()), [f"test {at}" for at in range(10)]),
    "gains": lambda: gains_figure({"clean": LINES}, ARMS, LABELS, (-3.0, 3.0)),
    "lr": lambda: lr_figure([1e-3, 1e-2], [2.0, 1.0], {"steepest": 5e-3}),
}


@pytest.mark.parametrize("suffix", [".svg", ".pdf", ".png"])
@pytest.mark.parametrize("kind", FIGURES)
def test_a_file_has_the_same_bytes_each_time(kind: str, suffix: str, tmp_path: Path) -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    for name in ("one", "two"):
        save(FIGURES[kind](), tmp_path / "new" / f"{name}{suffix}")
    one, two = ((tmp_path / "new" / f"{name}{suffix}").read_bytes() for name in ("one", "two"))
    assert one == two
    assert dict(matplotlib.rcParams) == before
    magic = {".svg": b"<svg", ".pdf": b"%PDF", ".png": b"\x89PNG"}[suffix]
    assert one.startswith(magic)
    assert len(one) < 200_000
    if suffix == ".png":
        assert Image.open(io.BytesIO(one)).size[0] > 100


def test_a_users_own_settings_change_nothing() -> None:
    import matplotlib

    plain = svg(FIGURES["curves"]())
    own = {"lines.linewidth": 9, "axes.facecolor": "red", "svg.fonttype": "path", "font.size": 20}
    with matplotlib.rc_context(own):
        assert svg(FIGURES["curves"]()) == plain


@pytest.mark.parametrize("kind", FIGURES)
def test_svg_is_read_in_light_and_dark(kind: str) -> None:
    """Every colour is one that the style sheet changes on a dark screen, images aside."""
    root = ET.fromstring(svg(FIGURES[kind]()))
    style = next(e.text or "" for e in root.iter() if e.tag.endswith("style"))
    changed = dict(re.findall(r'\[style\*="(\w+: #\w+)"\] \{ \w+: (#\w+)', style))
    used = {
        found
        for element in root.iter()
        for found in re.findall(r"(?:fill|stroke): #\w+", element.get("style", ""))
    }
    assert used
    assert used == set(changed)
    assert set(changed.values()) <= set(DARK.values())
    for text in (element for element in root.iter() if element.tag.endswith("text")):
        assert "fill: #" in text.get("style", ""), "a text without a colour stays black"
    assert root.get("role") == "img" and root.get("aria-label")


@pytest.mark.parametrize("kind", FIGURES)
def test_inline_svg_reaches_nothing_else_on_a_page(kind: str) -> None:
    root = ET.fromstring(inline_svg(FIGURES[kind]()))
    assert not [e for e in root.iter() if e.tag.endswith(("style", "script", "use", "metadata"))]
    assert not [e for e in root.iter() if "id" in e.attrib or "clip-path" in e.attrib]
    paths = [e.get("style", "") for e in root.iter() if e.tag.endswith("path")]
    assert "fill: #ffffff" not in paths[:1], "the page's own ground shows through"


def test_svg_files_hold_any_name(tmp_path: Path) -> None:
    save(
        curves_figure({HOSTILE: epochs(1, terms=(HOSTILE,)), "$x$": epochs(1)}), tmp_path / "a.svg"
    )
    save(confusion_figure([[1, 0], [0, 0]], [HOSTILE, "$b_1$"]), tmp_path / "b.svg")
    for name, wanted in (("a", "$x$"), ("b", "$b_1$")):
        tree = ET.parse(tmp_path / f"{name}.svg")
        assert not [element for element in tree.iter() if element.tag.endswith("script")]
        found = [element.text for element in tree.iter() if element.tag.endswith("text")]
        assert wanted in found and HOSTILE in found


def test_characters_that_the_font_lacks_are_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    figure = confusion_figure([[1]], ["写真"])
    save(figure, tmp_path / "a.svg")
    assert "写真" in (tmp_path / "a.svg").read_text()
    assert not caplog.records
    save(figure, tmp_path / "a.png")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "lacks some characters" in caplog.text


def test_a_text_is_shortened_in_its_middle() -> None:
    long = "a-name-of-a-file-that-goes-on.png"
    short = fitted(long, 1.0)
    assert short[0] == "a" and short.endswith("png") and "…" in short
    assert width_of(short) <= 1.0
    assert fitted("short", 1.0) == "short"


# Of runs


def test_a_run_has_what_it_has_the_data_for(tmp_path: Path) -> None:
    run = make_run(tmp_path, examples=Examples(*images()))
    written = draw_run(run)
    assert [path.name for path in written] == ["curves.svg", "confusion.svg", "gallery.png"]
    assert all(path.parent == run.path / "figures" and path.stat().st_size for path in written)
    bare = make_run(tmp_path, "own/bare", accuracy=None, psnr=1.0, finished=False)
    bare.metrics = []
    assert draw_run(bare) == []
    with pytest.raises(UsageError, match="nothing to draw yet"):
        draw_runs([bare])


def test_several_runs_share_their_curves(in_empty_folder: Path) -> None:
    runs = [make_run(in_empty_folder, seed=seed) for seed in range(2)]
    written = draw_runs(runs)
    assert written[0] == Path("curves.svg")
    assert written[1:] == [run.path / "figures" / "confusion.svg" for run in runs]
    shown = written[0].read_text()
    assert all(f"own/v4-l2, seed {seed}" in shown for seed in range(2))
    names = {path.name for path in draw_runs(runs, out=Path("all"))}
    assert names == {"curves.svg"} | {f"own-v4-l2-seed-{s}-confusion.svg" for s in range(2)}
    assert draw_runs(runs, "curves", Path("a/b.pdf")) == [Path("a/b.pdf")]


def test_gains_of_runs_are_those_of_their_arms(in_empty_folder: Path) -> None:
    runs = [
        study_run(in_empty_folder, f"when/{arm}-50-clean-even", "short", seed=seed, accuracy=a)
        for arm, base in (("classifier", 0.5), ("joint", 0.6))
        for seed, a in ((0, base), (1, base + 0.01 * len(arm)))
    ]
    [path] = draw_runs(runs, "gain")
    shown = path.read_text()
    assert path == Path("gain-short.svg")
    assert "joint: +7.5 at 50" in shown
    with pytest.raises(UsageError, match="finished runs of arms"):
        draw_runs(runs[:2], "gain")


def plot(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["wye", "plot", *words])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A denoising autoencoder, trained for a step."""
    out = tmp_path_factory.mktemp("run") / "denoising"
    small = {"data": {"name": "shapes", "per_class": 4}, "train": {"epochs": 1}}
    lines = {"encoder": "C(4)", "decoder": "mirror"}
    wye.train("autoencoders/denoising", out=out, max_steps=1, network=lines, **small)
    return out


def test_a_denoiser_keeps_what_it_was_shown(trained: Path) -> None:
    from wye.runs import Run

    found = Run(trained).examples()
    assert found is not None and found.inputs is not None and found.indices is not None
    assert found.inputs.shape == found.originals.shape == found.reconstructions.shape
    assert Run(trained).names_of(found) == [f"test {at}" for at in found.indices.tolist()]
    noise = found.inputs.float() - found.originals.float()
    assert noise.std() > 50, "noise(1.0), cut to the range of pixels"
    assert sorted(path.name for path in (trained / "figures").iterdir()) == [
        "curves.svg",
        "gallery.png",
    ]


def test_the_command_writes_and_says_where(
    trained: Path, in_empty_folder: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert plot(monkeypatch, str(trained), "--what", "gallery", "--out", "triples.svg") == 0
    assert capsys.readouterr().out == "triples.svg\n"
    shown = Path("triples.svg").read_text()
    assert all(f">{name}<" in shown for name in ("noisy input", "reconstruction", "clean"))
    monkeypatch.setattr(sys, "argv", ["wye", "reconstruct", str(trained), "--out", "same.svg"])
    main_ends_well()
    assert Path("same.svg").read_text() == shown


def main_ends_well() -> None:
    try:
        main()
    except SystemExit as end:
        assert not end.code


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["absent"], "absent holds no run"),
        (["RUN", "--out", "a.jpg"], r"a\.jpg: a plot is written as \.svg, \.pdf or \.png"),
        (["RUN", "--out", "a.pdf"], r"a\.pdf is one file, and there are 2 plots"),
        (["RUN", "--what", "confusion"], "no confusion matrix: it is unfinished, or"),
        (["RUN", "--what", "gain"], "no gain: that takes finished runs"),
    ],
)
def test_a_mistake_is_told(
    words: list[str], reason: str, trained: Path, in_empty_folder: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert plot(monkeypatch, *[str(trained) if word == "RUN" else word for word in words]) == 2
    assert re.search(reason, capsys.readouterr().err)
    assert list(Path().iterdir()) == []


def test_without_matplotlib_plots_name_the_extra(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert plot(monkeypatch, str(trained), "--out", str(tmp_path)) == 2
    assert "pip install 'wye[plots]'" in capsys.readouterr().err
    with caplog.at_level("INFO", "wye"):
        wye.train("wye/quick", out=tmp_path / "run", max_steps=1, data="shapes")
    assert "no plots are drawn without matplotlib: pip install 'wye[plots]'" in caplog.text
    assert not (tmp_path / "run" / "figures").exists()
