"""The report: its lines and sections, and that nothing in a run can break out of it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from report_runs import HOSTILE, Page, epochs, images, make_run, page_of, study_run

from wye.errors import MachineError, UsageError
from wye.report import write_report
from wye.report.grouping import group
from wye.report.rows import overrides
from wye.runs.pictures import Examples


def test_one_seed(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path))
    line = page.line(0, "own/v4-l2")
    assert line[:6] == ["own/v4-l2", "S0-25", "cifar10", "85.69", "85.34 (1)", "−0.35"]
    assert line[7:] == ["32.32", "32.00 (1)", "−0.32", "670,797", "812", "2,461"]
    assert page.line(1, "MSE") == ["MSE", "–", "0.000690 (1)", "–"]
    assert page.line(1, "Accuracy")[3] == "−0.35 points"
    for expected in ("2026-11-23", "Xeon, 2 cores, 15.6 GB", "2.13.0+cpu", "3f9c1ab2d4e5+",
                     "wye train own/v4-l2 --seed 0", "8,192 / 3,072 = 2.67", "2.00 dB above",
                     "C'(32) > C(32)"):  # fmt: skip
        assert expected in page.text


def test_seeds_are_one_line(tmp_path: Path) -> None:
    runs = [make_run(tmp_path, seed=seed, accuracy=a) for seed, a in ((2, 0.87), (0, 0.85))]
    page = page_of(*runs)
    assert page.line(0, "own/v4-l2")[4:6] == ["86.00 ± 1.41 (2)", "+0.31"]
    assert [len(t) for t in page.tables[:1]] == [3]
    assert "One thin line a seed" in page.text
    assert page.text.count("wye train own/v4-l2 --seed") == 2
    assert group(runs)[0].lead.recipe.seed == 0


def test_other_data_gets_no_difference(tmp_path: Path) -> None:
    command = "/usr/bin/wye train own/v4-l2 data=shapes --seed 0"
    page = page_of(make_run(tmp_path, data={"name": "shapes"}, command=command))
    line = page.line(0, "own/v4-l2")
    assert line[0] == "own/v4-l2data=shapes"
    assert line[2] == "shapesnot cifar10"
    assert (line[3], line[5]) == ("85.69", "–")
    assert "Measured on shapes; the published numbers belong to cifar10" in page.text
    assert "wye train own/v4-l2 data=shapes --seed 0" in page.text
    assert "/usr/bin" not in page.text


def test_variants_of_a_row_stay_apart(tmp_path: Path) -> None:
    runs = [make_run(tmp_path), make_run(tmp_path, train={"epochs": 3})]
    rows = group(runs)
    assert [len(row.runs) for row in rows] == [1, 1]
    assert len({row.anchor for row in rows}) == 2
    assert [row.overrides for row in rows] == [["train.epochs=10"], ["train.epochs=3"]]


def test_nothing_published_is_not_called_foreign(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path, data={"name": "shapes"}, published={}))
    assert page.line(0, "own/v4-l2")[2] == "shapes"
    assert "no difference is given" not in page.text.replace("\n", " ")


def test_classifier_only(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path, psnr=None, published={"accuracy": 0.85}))
    assert "No gallery: this row has no decoder." in page.text
    assert "PSNR" not in page.text
    assert "No confusion matrix" not in page.text


def test_decoder_only(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path, accuracy=None, published={"psnr": 31.0}))
    assert page.line(0, "own/v4-l2")[3:6] == ["31.00", "32.00 (1)", "+1.00"]
    assert "No confusion matrix: this row has no classifier." in page.text
    assert "Macro F1" not in page.text


def test_unfinished(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path, finished=False))
    assert "Seed 0 is unfinished: 3 epochs so far, no test figures." in page.text
    assert page.line(0, "own/v4-l2")[3:6] == ["85.69", "–", "–"]
    assert len(page.all("svg")) == 2


def test_unfinished_seed_beside_a_finished_one(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path, seed=0, finished=False), make_run(tmp_path, seed=1))
    assert page.line(0, "own/v4-l2")[4] == "85.34 (1)"
    assert "1 of them unfinished" in page.text


def test_run_that_was_cut_short_gets_no_difference(tmp_path: Path) -> None:
    runs = [make_run(tmp_path, seed=0), make_run(tmp_path, seed=1, status="truncated")]
    page = page_of(*runs)
    assert "no measurement of this row" in page.text
    assert page.line(0, "own/v4-l2cut short")[5] == "–"


def test_same_seed_counts_once(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path, accuracy=0.8), make_run(tmp_path, accuracy=0.9))
    assert page.line(0, "own/v4-l2")[4] == "80.00 (1)"
    assert "Run more than once: seed 0" in page.text


def test_best_on_test_is_called_optimistic(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path, best=0.8601, watched=True))
    assert page.line(1, "Accuracy, optimistic") == ["Accuracy, optimistic %", "", "86.01 (1)", ""]
    assert "best epoch on the test set (epoch 31)" in page.text
    assert "test, watched but not used" in page.text
    assert "optimistic" not in page_of(make_run(tmp_path)).text.lower()


def test_published_without_number_and_unknown_metric(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path, published={"accuracy": None}))
    assert page.line(1, "Accuracy")[1] == "–"
    with pytest.raises(ValueError, match=r"published\.elegance: no such metric"):
        make_run(tmp_path, published={"accuracy": None, "elegance": 0.5})


def test_a_decoder_that_is_not_trained_is_flagged(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path, loss={"alpha": 1, "beta": 0}))
    assert "the decoder is untrained" in page.line(1, "PSNR dB")[2]
    assert "untrained" not in page.line(1, "Accuracy")[2]


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
        data={"name": HOSTILE}, constraint=HOSTILE,
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
    run.kept = Examples(*images())
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
    rows = [("own/b", "S0-10"), ("own/a", "S0-9"), ("own/own", None)]
    runs = [make_run(tmp_path, row, source=source) for row, source in rows]
    runs += [study_run(tmp_path, row) for row in ("joint/v4-l2", "autoencoders/dense-1")]
    found = [row.recipe.row for row in group(runs)]
    assert found == ["joint/v4-l2", "autoencoders/dense-1", "own/a", "own/b", "own/own"]


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


def test_overrides_are_the_words_that_change_the_recipe(tmp_path: Path) -> None:
    command = 'wye train own/v1 loss.beta=0 "network.encoder=L(8) > L(4)" seed=3 --out=a=b'
    found = overrides(make_run(tmp_path, command=command))
    assert found == ["loss.beta=0", "network.encoder=L(8) > L(4)"]
