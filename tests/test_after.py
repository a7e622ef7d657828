"""After training: what a run makes of files, folders, patterns, lists, tables and arrays."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from folders import draw, flat, picture, values
from PIL import Image
from typer.testing import CliRunner, Result

import wye
from benchmarks.anomalies import Line, auroc, section
from wye.cli.app import app
from wye.data.inspection import Unreadable
from wye.data.listing import Entry
from wye.errors import UsageError, WyeError
from wye.evaluation.calibration import calibration_error, fit_temperature, with_temperature
from wye.evaluation.projection import in_two
from wye.report.map_page import places_of
from wye.runs.given import batches, given
from wye.runs.run import Run
from wye.runs.setup import set_up
from wye.runs.written import CODES, check_suffix
from wye.streams import Streams


def call(*words: object, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(app, list(map(str, words)), input=stdin)
    if result.exception is not None:
        raise result.exception
    return result


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps on `root/pets`; `root/new` has other images and a file that is none."""
    root = tmp_path_factory.mktemp("after")
    draw(root / "pets", count=20)
    draw(root / "new", count=3, start=500)
    (root / "new" / "cat" / "bad.png").write_bytes(b"x")
    wye.train(
        str(root / "pets"),
        out=root / "run",
        data={"image_size": 8, "augment": "", "validation": 0.2},
        network={"encoder": "C(4)", "decoder": "mirror", "classifier": "L'(classes)"},
        train={"epochs": 1, "batch_size": 16, "precision": "fp32"},
        evaluation={"mirror_views": True},
    )
    return root / "run"


def test_one_way_of_naming_images(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = run.parent
    classes = ("cat", "dog")
    new = given(root / "new", classes)
    assert [e.label for e in new] == ["cat"] * 4 + ["dog"] * 3
    assert [e.path for e in given(f"{root}/new/*/50*.png", classes)] == [
        e.path for e in new if "bad" not in e.path
    ]
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{new[0].path}\n\n{root / 'new' / 'dog'}\n"))
    assert len(given("-", classes)) == 4
    for missing in ("nowhere", f"{root}/*.gif", flat(root / "empty", 0)):
        with pytest.raises(UsageError):
            given(missing, classes)


def test_tables_and_arrays_are_named_likewise(run: Path, tmp_path: Path) -> None:
    draw(tmp_path / "images", count=2)
    table = tmp_path / "labels.csv"
    table.write_text("path,label\nimages/cat/000.png,cat\nimages/dog/001.png,dog\n")
    assert [e.label for e in given(table)] == ["cat", "dog"]
    pixels = np.stack([values("cat", number) for number in range(3)])
    np.savez(tmp_path / "plain.npz", x=pixels)
    assert len(json.loads(call("predict", run, tmp_path / "plain.npz", "--json").stdout)) == 3


def test_predictions_are_those_of_the_model_and_bad_files_are_said(
    run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    call("predict", run, run.parent / "new", "--out", tmp_path / "p.csv", "--top", 2)
    found = lines(tmp_path / "p.csv")
    assert "1 of 7 files cannot be read" in caplog.text and "bad.png" in caplog.text
    model = wye.load(run)
    read = [Path(line["path"]) for line in found]
    probabilities = model.predict_proba(read)
    assert [line["class"] for line in found] == model.predict(read, names=True).tolist()
    for line, row in zip(found, probabilities, strict=True):
        assert float(line["probability"]) == pytest.approx(row.max(), abs=1e-5)
        assert float(line["probability_2"]) == pytest.approx(row.min(), abs=1e-5)
    quantiles = model.anomaly(read, quantile=True)
    assert [float(line["anomaly"]) for line in found] == pytest.approx(quantiles.tolist(), abs=1e-5)
    call("predict", run, run.parent / "new", "--out", tmp_path / "p.jsonl")
    written = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert [line["path"] for line in written] == [line["path"] for line in found]
    with pytest.raises(UsageError, match="cannot be read as an image"):
        call("predict", run, run.parent / "new" / "cat" / "bad.png")
    with pytest.raises(UsageError, match="suffix"):
        call("predict", run, run.parent / "new", "--out", tmp_path / "p.xlsx")


def test_images_are_read_a_part_at_a_time(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wye.runs.given.AT_ONCE", 5)
    opened: list[int] = []

    def entry(number: int) -> Entry:
        def open_it() -> Image.Image:
            opened.append(number)
            return picture("cat", number)

        return Entry(str(number), "", "", open_it)

    faults: list[Unreadable] = []
    found = batches([entry(number) for number in range(23)], wye.load(run), faults)
    assert len(next(found)[0]) == 5 and len(opened) == 5
    assert sum(len(some) for some, _ in found) == 18 and not faults


def test_a_run_is_measured_on_other_images(
    run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    arguments = ("evaluate", run, run.parent / "new", "--mistakes", tmp_path / "m.csv", "--json")
    test = json.loads(call(*arguments).stdout)["test"]
    model = wye.load(run)
    files = [e.path for e in given(run.parent / "new", model.classes) if "bad" not in e.path]
    truth = [Path(file).parent.name for file in files]
    assert test["images"] == 6 and test["accuracy"] == model.score(files, truth)
    probabilities = model.predict_proba(files)
    expected = calibration_error(probabilities, np.array([model.classes.index(t) for t in truth]))
    assert test["calibration"]["ece"] == pytest.approx(expected, abs=1e-5)
    wrong = lines(tmp_path / "m.csv")
    assert len(wrong) == round(6 * (1 - test["accuracy"]))
    given_to = [float(line["probability"]) for line in wrong]
    assert given_to == sorted(given_to, reverse=True)
    assert all(line["true"] != line["predicted"] for line in wrong)
    (run.parent / "other" / "Cat").mkdir(parents=True)
    Path(files[0]).rename(run.parent / "other" / "Cat" / "1.png")
    with pytest.raises(UsageError, match="spelled otherwise than the run's class cat"):
        call("evaluate", run, run.parent / "other", run.parent / "pets" / "dog")
    (run.parent / "other" / "Cat" / "1.png").rename(files[0])
    caplog.clear()
    call("evaluate", run, run.parent / "pets" / "cat")
    assert "among the run's training images" in caplog.text
    with pytest.raises(UsageError, match="has a class"):
        call("evaluate", run, flat(tmp_path / "flat", 2))


def test_a_run_is_measured_on_corrupted_images_too(
    run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "wye")
    noise, moved = "noise(0.4, clip=yes)", "flip(1) > cutout(3)"
    arguments = ("evaluate", run, "--corrupt", noise, "--corrupt", moved)
    found = json.loads(call(*arguments, "--json").stdout)
    assert found == json.loads(call(*arguments, "--json").stdout)
    assert found["test"] == json.loads(call("evaluate", run, "--json").stdout)["test"]
    # The same by hand: noise of the run's own stream, reconstructions beside the clean images.
    model, opened = wye.load(run), Run(run)
    test = set_up(opened.recipe, weighted=False).data.test
    draws = Streams(opened.recipe.seed).generator("noise", "test")
    pixels = test.pixels[:].float() / 255
    noisy = (pixels + 0.4 * torch.randn(pixels.shape, generator=draws)).clamp(0, 1)
    under = found["corrupted"][noise]
    assert under["accuracy"] == model.score(noisy, test.labels)
    errors = (torch.from_numpy(model.reconstruct(noisy)) - pixels).square().flatten(1).mean(1)
    assert under["psnr"] == pytest.approx(float(-10 * errors.log10().mean()), abs=1e-3)
    assert {"psnr", "mse"} <= found["test"].keys() and "psnr_pca" not in under
    assert not {"psnr", "mse", "ssim"} & found["corrupted"][moved].keys()
    assert "moves pixels" in caplog.text
    printed = call(*arguments, "--format", "csv").stdout.splitlines()
    assert printed[0] == f'test,measured,"under {noise}",under {moved}'
    assert next(line for line in printed if line.startswith("psnr")).endswith(" dB,")
    given = call("evaluate", run, run.parent / "pets", "--corrupt", "noise(0)", "--json").stdout
    clean, same = json.loads(given)["test"], json.loads(given)["corrupted"]["noise(0)"]
    assert same["accuracy"] == clean["accuracy"]
    assert same["psnr"] == pytest.approx(clean["psnr"], abs=1e-4)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("centre(4)", "makes images of 3x4x4 of those of 3x8x8"),
        ("nois(0.1)", "noise"),
        ("randomcrop(9)", "cannot be applied"),
    ],
)
def test_what_is_no_corruption_of_a_runs_images_is_refused(run: Path, line: str, said: str) -> None:
    with pytest.raises(WyeError, match=said) as caught:
        call("evaluate", run, "--corrupt", line)
    assert "--corrupt" in str(caught.value)


def test_the_run_keeps_its_worst_mistakes(run: Path) -> None:
    opened = Run(run)
    labels, predicted = opened.predictions()
    places = (labels != predicted).nonzero().flatten().tolist()
    mistakes = opened.mistakes()
    kept = [] if mistakes is None else mistakes.indices.tolist()
    assert sorted(kept) == places


def test_anomalies_are_ranked_against_the_validation_images(run: Path, tmp_path: Path) -> None:
    odd = tmp_path / "odd.png"
    noise = np.random.default_rng(0).integers(0, 2, (8, 8, 3), dtype=np.uint8) * 255
    Image.fromarray(noise).save(odd)
    arguments = ("anomalies", run, run.parent / "new", odd, "--sheet", tmp_path / "s.png")
    found: list[dict[str, Any]] = json.loads(call(*arguments, "--json").stdout)
    assert found[0]["path"] == str(odd) and found[0]["anomaly"] == 1 and found[0]["flagged"]
    errors = [line["error"] for line in found]
    assert errors == sorted(errors, reverse=True) and len(errors) == 7
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    known = wye.load(run).reference
    assert known is not None and known["part"] == "validation" and known["images"] > 0


@pytest.mark.parametrize("suffix", [".npz", ".csv"])
def test_codes_are_written_with_paths_and_classes(run: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"codes{suffix}"
    call("embed", run, run.parent / "new", flat(tmp_path / "flat", 2), "--out", out)
    if suffix == ".npz":
        with np.load(out) as found:
            codes, paths, classes = found["codes"], found["paths"], found["classes"]
    else:
        rows = lines(out)
        names = [name for name in rows[0] if name.startswith("code_")]
        codes = np.array([[float(row[name]) for name in names] for row in rows])
        paths, classes = [row["path"] for row in rows], [row["class"] for row in rows]
    assert list(classes) == ["cat"] * 3 + ["dog"] * 3 + [""] * 2
    expected = wye.load(run).embed([str(path) for path in paths])
    np.testing.assert_allclose(codes, expected, rtol=1e-4, atol=1e-5)


def test_codes_as_parquet(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new, out = run.parent / "new", tmp_path / "codes.parquet"
    with monkeypatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(UsageError, match=r"pip install 'wye\[parquet\]'"):
            check_suffix(out, CODES)
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    call("embed", run, new, "--out", out)
    table = parquet.read_table(out)
    assert table.column_names[:5] == ["path", "class", "predicted", "part", "code_0"]
    codes = np.stack([column.to_numpy() for column in table.columns[4:]], axis=1)
    paths = table["path"].to_pylist()
    assert codes.dtype == np.float32 and len(paths) == 6
    assert set(table["class"].to_pylist()) == {"cat", "dog"}
    np.testing.assert_allclose(codes, wye.load(run).embed(paths), rtol=1e-4, atol=1e-5)


def test_a_map_holds_its_pictures_and_escapes_names(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "<b>&"
    flat(folder, 3)
    call("map", run, folder, run.parent / "new", "--out", tmp_path / "m.html")
    page = (tmp_path / "m.html").read_text()
    assert page.count("data:image/png") == 9 and page.count('class="point k') == 9
    assert "<script" not in page and "<b>" not in page and "&lt;b&gt;&amp;" in page
    call("map", run, run.parent / "new", "--out", tmp_path / "m.png", "--method", "pca")
    assert (tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")


def test_points_far_from_the_others_are_drawn_at_the_rim_and_counted() -> None:
    points = np.random.default_rng(0).uniform(0, 1, (1000, 2))
    points[7], points[8] = (500, 0.5), (0.5, -90)
    places, outside = places_of(points)
    assert outside == 2
    assert places[7, 0] == 97.5 and places[8, 1] == 2.5
    assert np.corrcoef(places[9:, 0], points[9:, 0])[0, 1] > 0.999
    assert np.ptp(places[9:], axis=0).min() > 60
    same, outside = places_of(np.zeros((3, 2)))
    assert outside == 0 and (same == 2.5).all()


@pytest.mark.browser
def test_a_map_shows_the_image_that_is_pointed_at(browser: Any, run: Path, tmp_path: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    call("map", run, run.parent / "new", "--out", tmp_path / "m.html")
    browser.get((tmp_path / "m.html").as_uri())
    shown = """return [...document.querySelectorAll('.of')].filter(of => of.offsetWidth)
        .map(of => of.querySelector('strong').textContent)"""
    for width in (1280, 390):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        for point in browser.find_elements("css selector", ".point")[:2]:
            ActionChains(browser).move_to_element(point.find_element("tag name", "i")).perform()
            place = point.find_element("tag name", "i").get_attribute("title")
            assert browser.execute_script(shown) == [Path(place).name]
            image = point.find_element("tag name", "img")
            assert image.size["width"] > 100 and image.get_property("naturalWidth") == 8
            assert image.rect["x"] + image.size["width"] <= width
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.get_log("browser") == []


def test_a_folder_is_reconstructed(run: Path, tmp_path: Path) -> None:
    call("reconstruct", run, run.parent / "new", "--out", tmp_path / "r.png")
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")


def test_calibration_of_known_probabilities() -> None:
    labels = np.array([0, 0, 0, 1], dtype=np.int64)
    sure = np.array([[0.95, 0.05]] * 4, dtype=np.float32)
    assert calibration_error(sure, labels) == pytest.approx(0.2, abs=1e-6)
    temperature = fit_temperature(sure, labels)
    assert with_temperature(sure, temperature)[0, 0] == pytest.approx(0.75, abs=1e-3)
    assert with_temperature(sure, 1.0) == pytest.approx(sure, abs=1e-6)


@pytest.mark.parametrize(("count", "values"), [(30, 4), (20, 60), (9, 1), (2, 5)])
def test_the_directions_of_a_map_are_those_of_most_variance(count: int, values: int) -> None:
    generator = np.random.default_rng(0)
    codes = generator.normal(size=(count, values)) * np.linspace(3, 0.1, values) + 7
    points, how = in_two(codes, "pca")
    assert how == "pca"
    centred = codes - codes.mean(0)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    wanted = np.zeros((count, 2))
    wanted[:, : min(2, len(size))] = (left * size)[:, :2]
    np.testing.assert_allclose(np.abs(points), np.abs(wanted), atol=1e-6)


def test_the_evidence_on_anomalies_is_a_share_of_pairs() -> None:
    usual = np.array([0.0, 1.0, 2.0, 3.0])
    assert [auroc(usual, np.array(odd)) for odd in ([4.0], [-1.0], [1.0], [1.5, 9.0])] == [
        *(1, 0, 0.375, 0.75)
    ]
    found = Line("shapes", "narrow", 0.5, [0.25, 0.75], [1.0, 1.0])
    assert "| shapes | narrow | 50 % | 0.50 (0.25 to 0.75) | 1.00 (1.00 to 1.00) |" in section(
        [found]
    )
