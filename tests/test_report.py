"""The report: its numbers, what it leaves out, and that nothing in a run can break out of it."""

from __future__ import annotations

import base64
import io
import math
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from wye.errors import MachineError, UsageError
from wye.metrics import METRICS, metric, number, spread
from wye.recipe.schema import Recipe
from wye.report import curves, draw_confusion, draw_curves, draw_gallery, draw_run_figures
from wye.report.gallery import AMPLIFICATION, columns
from wye.report.page import render, write_report
from wye.report.rows import group, overrides

HOSTILE = "<script>alert('x')</script>&\"'"
CLASSES = ("cat", "dog", "ship")


@dataclass
class FakeRun:
    """A run as the report reads it, without a folder's files."""

    path: Path
    recipe: Recipe
    result: dict[str, Any] | None = None
    metrics: list[dict[str, Any]] = field(default_factory=list)
    environment: dict[str, Any] = field(default_factory=dict)


def figures(accuracy: float | None, psnr: float | None) -> dict[str, Any]:
    """A test section of `result.json`."""
    found: dict[str, Any] = {"cross_entropy": 0.5}
    if accuracy is not None:
        per_class = {n: {"precision": 0.5, "recall": 0.25, "f1": 0.3333, "support": 1000}
                     for n in CLASSES}  # fmt: skip
        found |= {"accuracy": accuracy, "balanced_accuracy": accuracy, "macro_f1": accuracy}
        found |= {"per_class": per_class, "confusion": [[8, 1, 1], [2, 7, 1], [0, 0, 10]]}
    if psnr is not None:
        found |= {"psnr": psnr, "ssim": 0.9123, "mse": 0.00069, "mae": 0.018, "psnr_pca": 30.0}
    return found


def epochs(count: int, terms: tuple[str, ...] = ("loss", "accuracy"), test: bool = False) -> Any:
    """Lines of `metrics.jsonl`."""
    parts = ["train", "validation", *(["test"] if test else [])]
    return [
        {
            "epoch": e,
            "phase": "joint",
            "lr": 0.01,
            **{p: dict.fromkeys(terms, 1 / e) for p in parts},
        }
        for e in range(1, count + 1)
    ]


def make_run(
    tmp_path: Path,
    row: str = "joint/v4-l2",
    *,
    seed: int = 0,
    accuracy: float | None = 0.8534,
    psnr: float | None = 32.0,
    published: dict[str, float | None] | None = None,
    finished: bool = True,
    command: str | None = None,
    status: str = "complete",
    best: float | None = None,
    watched: bool = False,
    **recipe: Any,
) -> FakeRun:
    """A run of one of the kinds that there are; no accuracy: no classifier, no psnr: no decoder."""
    path = tmp_path / "runs" / f"{abs(hash((row, seed, status)))}"
    path.mkdir(parents=True, exist_ok=True)
    settings = {
        "row": "made/up",
        "study": "joint",
        "source": "S0-25",
        "title": "A joint autoencoder and classifier",
        "published": {"accuracy": 0.8569, "psnr": 32.32} if published is None else published,
        "published_data": "cifar10",
        "seed": seed,
        "network": {
            "encoder": "C'(32) > C(32)",
            "decoder": "none" if psnr is None else "mirror",
            "classifier": "none" if accuracy is None else "L'(10)",
        },
        "loss": {"alpha": float(accuracy is not None), "beta": float(psnr is not None)},
        **recipe,
    }
    result = {
        "status": status,
        "device": "cpu",
        "parameters": {"encoder": 10144, "decoder": 4227, "classifier": 656426, "total": 670797},
        "latent": 8192,
        "inputs": 3072,
        "seconds": {"train": 812.4},
        "images_per_second": 2461.0,
        "test": figures(accuracy, psnr),
        "selection": "last",
        **({"best_on_test": {"epoch": 31, "accuracy": best}} if best is not None else {}),
    }
    environment = {"torch": "2.13.0+cpu", "processor": "Xeon", "cores": 2, "memory_gb": 15.6}
    environment |= {"started": "2026-11-23T06:01:22+00:00", "commit": "3f9c1ab2d4e5+"}
    if command:
        environment["command"] = command
    lines = epochs(3, test=watched)
    # A recipe refuses a hostile row name; the page must not depend on that.
    made = Recipe.model_validate(settings).model_copy(update={"row": row})
    return FakeRun(path, made, result if finished else None, lines, environment)


def images(channels: int = 3, count: int = 10, side: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    shape = (count, channels, side, side)
    return tuple(torch.randint(0, 256, shape, generator=draw, dtype=torch.uint8) for _ in "ab")  # type: ignore[return-value]


class Page(HTMLParser):
    """The elements of a page, its text, and the text of each table's cells."""

    VOID = frozenset({"meta", "link", "img", "br"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == [], f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.text += data
        if "td" in self.open or "th" in self.open:
            self.tables[-1][-1][-1] += data

    def line(self, table: int, start: str) -> list[str]:
        """The cells of the line that begins with `start`, white space made single."""
        lines = [[" ".join(cell.split()) for cell in line] for line in self.tables[table]]
        return next(line for line in lines if line and line[0].startswith(start))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(*runs: FakeRun) -> Page:
    return Page(render(runs))


def test_one_seed(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path))
    line = page.line(0, "joint/v4-l2")
    assert line[:6] == ["joint/v4-l2", "S0-25", "cifar10", "85.69", "85.34 (1)", "−0.35"]
    assert line[7:] == ["32.32", "32.00 (1)", "−0.32", "670,797", "812", "2,461"]
    assert page.line(1, "MSE") == ["MSE", "–", "0.00069 (1)", "–"]
    assert page.line(1, "Accuracy")[3] == "−0.35 points"
    for expected in ("2026-11-23", "Xeon, 2 cores, 15.6 GB", "2.13.0+cpu", "3f9c1ab2d4e5+",
                     "wye train joint/v4-l2 --seed 0", "8,192 / 3,072 = 2.67", "2.00 dB above",
                     "C'(32) > C(32)"):  # fmt: skip
        assert expected in page.text


def test_seeds_are_one_line(tmp_path: Path) -> None:
    runs = [make_run(tmp_path, seed=seed, accuracy=a) for seed, a in ((2, 0.87), (0, 0.85))]
    page = page_of(*runs)
    assert page.line(0, "joint/v4-l2")[4:6] == ["86.00 ± 1.41 (2)", "+0.31"]
    assert [len(t) for t in page.tables[:1]] == [3]
    assert "One thin line a seed" in page.text
    assert page.text.count("wye train joint/v4-l2 --seed") == 2
    assert group(runs)[0].lead.recipe.seed == 0


def test_other_data_gets_no_difference(tmp_path: Path) -> None:
    command = "/usr/bin/wye train joint/v4-l2 data=shapes --seed 0"
    page = page_of(make_run(tmp_path, data={"name": "shapes"}, command=command))
    line = page.line(0, "joint/v4-l2")
    assert line[0] == "joint/v4-l2data=shapes"
    assert line[2] == "shapesnot cifar10"
    assert (line[3], line[5]) == ("85.69", "–")
    assert "Measured on shapes; the published numbers belong to cifar10" in page.text
    assert "wye train joint/v4-l2 data=shapes --seed 0" in page.text
    assert "/usr/bin" not in page.text


def test_variants_of_a_row_stay_apart(tmp_path: Path) -> None:
    runs = [make_run(tmp_path), make_run(tmp_path, train={"epochs": 3})]
    rows = group(runs)
    assert [len(row.runs) for row in rows] == [1, 1]
    assert len({row.anchor for row in rows}) == 2
    assert [row.overrides for row in rows] == [["train.epochs=10"], ["train.epochs=3"]]


def test_nothing_published_is_not_called_foreign(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path, data={"name": "shapes"}, published={}))
    assert page.line(0, "joint/v4-l2")[2] == "shapes"
    assert "no difference is given" not in page.text.replace("\n", " ")


def test_classifier_only(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path, psnr=None, published={"accuracy": 0.85}))
    assert "No gallery: this row has no decoder." in page.text
    assert "PSNR" not in page.text
    assert "No confusion matrix" not in page.text


def test_decoder_only(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path, accuracy=None, published={"psnr": 31.0}))
    assert page.line(0, "joint/v4-l2")[3:6] == ["31.00", "32.00 (1)", "+1.00"]
    assert "No confusion matrix: this row has no classifier." in page.text
    assert "Macro F1" not in page.text


def test_unfinished(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path, finished=False))
    assert "Seed 0 is unfinished: 3 epochs so far, no test figures." in page.text
    assert page.line(0, "joint/v4-l2")[3:6] == ["85.69", "–", "–"]
    assert len(page.all("svg")) == 2


def test_unfinished_seed_beside_a_finished_one(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path, seed=0, finished=False), make_run(tmp_path, seed=1))
    assert page.line(0, "joint/v4-l2")[4] == "85.34 (1)"
    assert "1 of them unfinished" in page.text


def test_run_that_was_cut_short_gets_no_difference(tmp_path: Path) -> None:
    runs = [make_run(tmp_path, seed=0), make_run(tmp_path, seed=1, status="truncated")]
    page = page_of(*runs)
    assert "no measurement of this row" in page.text
    assert page.line(0, "joint/v4-l2cut short")[5] == "–"


def test_same_seed_counts_once(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path, accuracy=0.8), make_run(tmp_path, accuracy=0.9))
    assert page.line(0, "joint/v4-l2")[4] == "80.00 (1)"
    assert "Run more than once: seed 0" in page.text


def test_best_on_test_is_called_optimistic(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path, best=0.8601, watched=True))
    assert page.line(1, "Accuracy, optimistic") == ["Accuracy, optimistic %", "", "86.01 (1)", ""]
    assert "best epoch on the test set (epoch 31)" in page.text
    assert "test, watched but not used" in page.text
    assert "optimistic" not in page_of(make_run(tmp_path)).text.lower()


def test_published_without_number_and_unknown_metric(tmp_path: Path) -> None:
    run = make_run(tmp_path, published={"accuracy": None, "elegance": 0.5})
    page = page_of(run)
    assert page.line(1, "Accuracy")[1] == "–"
    assert page.line(1, "elegance") == ["elegance", "0.5000", "–", "–"]


def test_numbers_that_are_not_finite(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    assert run.result is not None
    run.result["test"] |= {"cross_entropy": math.nan, "psnr": None, "accuracy": math.inf}
    run.metrics[1]["train"]["loss"] = math.nan
    page = page_of(run)
    assert page.line(1, "Cross-entropy")[2] == "not finite (1)"
    assert page.line(1, "PSNR dB")[2] == "–"
    assert "nan" not in " ".join(str(a) for a in page.all("path"))


def test_nothing_in_a_run_becomes_markup(tmp_path: Path) -> None:
    run = make_run(
        tmp_path, HOSTILE, title=HOSTILE, source=HOSTILE, study=HOSTILE, notes=[HOSTILE],
        data={"name": HOSTILE}, constraint=HOSTILE, published={HOSTILE: 0.5},
        command=f"wye train data={HOSTILE}",
    )  # fmt: skip
    assert run.result is not None
    run.result["test"]["per_class"] = {f"{i}{HOSTILE}": {"f1": 0.5} for i in range(3)}
    run.metrics = epochs(2, terms=(HOSTILE, "loss"))
    run.environment["processor"] = HOSTILE
    page = page_of(run)
    assert page.all("script") == []
    assert HOSTILE in page.text


def test_self_contained_and_accessible(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    draw_run_figures(run, *images())
    out = write_report([run], tmp_path / "new" / "out")
    assert out == tmp_path / "new" / "out" / "index.html"
    assert [p.name for p in out.parent.iterdir()] == ["index.html"]
    html = out.read_text("utf-8")
    page = Page(html)
    ids = {str(a["id"]) for _, a in page.elements if "id" in a}
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href"):
            target = attributes.get(name)
            if target is None:
                continue
            assert target.startswith(("data:", "#")), (tag, target)
            assert not target.startswith("#") or target[1:] in ids
    assert "url(" not in html
    assert "@import" not in html
    assert len(page.all("img")) == 10
    assert all(img.get("alt") for img in page.all("img"))
    assert all(svg.get("aria-label") for svg in page.all("svg"))
    assert len(page.all("caption")) == len(page.all("table"))
    assert all("scope" in th for th in page.all("th"))
    assert [len(page.all(tag)) for tag in ("main", "h1", "footer")] == [1, 1, 1]
    assert page.all("html") == [{"lang": "en"}]


def test_glossary_explains_what_is_shown(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path))
    links = {str(a["href"]) for a in page.all("a") if str(a.get("href")).startswith("#metric-")}
    assert len(links) == 9
    assert "judge" not in page.text.lower()


def test_rows_follow_their_sources(tmp_path: Path) -> None:
    rows = [("joint/b", "S0-10"), ("joint/a", "S0-9"), ("joint/own", None)]
    runs = [make_run(tmp_path, "practices/x", study="practices", source="S4-01")]
    runs += [make_run(tmp_path, row, source=source) for row, source in rows]
    found = [row.recipe.row for row in group(runs)]
    assert found == ["joint/a", "joint/b", "joint/own", "practices/x"]


def test_many_classes_give_a_list_of_confusions(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    count = 25
    matrix = np.eye(count, dtype=int) * 10
    matrix[3, 7] = 5
    assert run.result is not None
    run.result["test"]["confusion"] = matrix.tolist()
    run.result["test"]["per_class"] = {f"c{i}": {"f1": 0.5} for i in range(count)}
    page = page_of(run)
    assert page.line(2, "c3") == ["c3", "c7", "5", "33.3"]


def test_no_run_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="wye train"):
        write_report([], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(MachineError, match="cannot write"):
        write_report([make_run(tmp_path)], tmp_path / "out")


@pytest.mark.parametrize(("channels", "count", "side"), [(3, 10, 32), (1, 3, 28), (3, 13, 150)])
def test_gallery_gives_its_pixels_back(
    tmp_path: Path, channels: int, count: int, side: int
) -> None:
    originals, rebuilt = images(channels, count, side)
    path = tmp_path / "figures" / "gallery.png"
    draw_gallery(originals, rebuilt, path)
    found = columns(path)
    assert len(found) == count
    for index in (0, count - 1):
        payload = base64.b64decode(found[index].removeprefix("data:image/png;base64,"))
        column = np.asarray(Image.open(io.BytesIO(payload))).astype(int)
        assert column.shape == (3 * side, side, 3)
        real, copy, error = column.reshape(3, side, side, 3)
        expected = originals[index].permute(1, 2, 0).numpy().astype(int)
        np.testing.assert_array_equal(real, np.broadcast_to(expected, real.shape))
        np.testing.assert_array_equal(error, np.minimum(abs(real - copy) * AMPLIFICATION, 255))


def test_gallery_of_another_make(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "foreign.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    assert len(columns(tmp_path / "foreign.png")) == 1
    assert columns(tmp_path / "broken.png") == columns(tmp_path / "absent.png") == []


def test_gallery_refuses_unequal_shapes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one shape"):
        draw_gallery(images()[0], images(side=16)[0], tmp_path / "gallery.png")


def test_run_figures(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    written = draw_run_figures(run, *images())
    assert [path.name for path in written] == ["curves.svg", "confusion.svg", "gallery.png"]
    for path in written[:2]:
        ET.parse(path)
    bare = make_run(tmp_path, "joint/bare", accuracy=None, psnr=1.0, finished=False)
    bare.metrics = []
    assert draw_run_figures(bare) == []


def test_svg_files_hold_any_name(tmp_path: Path) -> None:
    draw_curves(epochs(1, terms=(HOSTILE,)), tmp_path / "curves.svg")
    draw_confusion([[1, 0], [0, 0]], [HOSTILE, "b"], tmp_path / "confusion.svg")
    for name in ("curves", "confusion"):
        tree = ET.parse(tmp_path / f"{name}.svg")
        assert not [element for element in tree.iter() if element.tag.endswith("script")]


def test_curves_order_gaps_and_phases() -> None:
    lines = epochs(4, terms=("accuracy", "classification", "loss"))
    lines[1]["train"]["loss"] = None
    for line in lines[2:]:
        line["phase"] = "second"
    assert curves.terms_of([lines]) == ["loss", "classification", "accuracy"]
    drawn = ET.fromstring(curves.panel("loss", [lines]))
    paths = [element.get("d", "") for element in drawn.iter("path")]
    assert [path.count("M") for path in paths] == [2, 1]
    assert len([e for e in drawn.iter("line") if e.get("class") == "phase"]) == 1
    assert curves.phases_of(lines) == [("joint", 1, 2), ("second", 3, 4)]


@pytest.mark.parametrize("values", [[0.0, 0.0], [5.0], [1e-9, 1e9], [-3.0, 4.0], [1e-12, 1e-12]])
def test_curves_of_any_range(values: list[float]) -> None:
    history = [{"epoch": i, "train": {"loss": v}} for i, v in enumerate(values, start=1)]
    drawn = curves.panel("loss", [history])
    ET.fromstring(drawn)
    assert "nan" not in drawn


def test_overrides_are_the_words_that_change_the_recipe(tmp_path: Path) -> None:
    command = 'wye train joint/v1 loss.beta=0 "network.encoder=L(8) > L(4)" seed=3 --out=a=b'
    found = overrides(make_run(tmp_path, command=command))
    assert found == ["loss.beta=0", "network.encoder=L(8) > L(4)"]


def test_numbers() -> None:
    assert number(-1234.5, 1) == "−1,234.5"
    assert metric("accuracy").show_difference(-0.00001) == "0.00"
    assert metric("psnr").show_difference(1.5) == "+1.50"
    assert spread([]) is None
    assert all(entry.meaning.endswith(".") for entry in METRICS.values())
