"""Published figures beside measured ones: what is compared with what, and what is only shown."""

from __future__ import annotations

from pathlib import Path

from report_runs import make_run, page_of

from wye.metrics import METRICS, metric, number, spread
from wye.report.grouping import group


def test_corrected_stands_beside_published_and_is_compared_with(tmp_path: Path) -> None:
    published, corrected = {"mae": None, "mse": 0.011058, "psnr": 31.0}, {"mae": 0.02, "mse": 0.001}
    page = page_of(make_run(tmp_path, accuracy=None, published=published, corrected=corrected))
    assert page.line(1, "MAE") == ["MAE", "0.020000 corrected", "0.018000 (1)", "−0.002000"]
    assert page.line(1, "MSE") == [
        "MSE",
        "0.011058 0.001000 corrected",
        "0.000690 (1)",
        "−0.000310",
    ]
    assert page.line(1, "PSNR dB")[1:] == ["31.00", "32.00 (1)", "+1.00 dB"]
    assert "corrected one" in page.text
    assert "corrected" not in page_of(make_run(tmp_path)).text.lower()


def test_figures_of_training_are_shown_where_published(tmp_path: Path) -> None:
    run = make_run(
        tmp_path, accuracy=None, published={"train_loss": 0.51627, "train_seconds": 1483}
    )
    assert run.result is not None
    run.result["train"] = {"loss": 0.5}
    page = page_of(run)
    assert page.line(1, "Training loss") == ["Training loss", "0.51627", "0.50000 (1)", "−0.01627"]
    assert page.line(1, "Training time s") == ["Training time s", "1,483", "812 (1)", "−671 s"]
    run = make_run(tmp_path)
    assert run.result is not None
    run.result["train"] = {"loss": 0.5}
    assert "Training loss" not in page_of(run).text


def test_published_ssim_of_data_range_2_is_not_compared_with_ssim(tmp_path: Path) -> None:
    run = make_run(tmp_path, published={"ssim": 0.944}, evaluation={"ssim_range2": True})
    assert run.result is not None
    run.result["test"]["ssim_range2"] = 0.95
    page = page_of(run)
    assert page.line(1, "SSIM, range 2") == ["SSIM, range 2", "0.9440", "0.9500 (1)", "+0.0060"]
    assert page.line(1, "SSIM") == ["SSIM", "–", "0.9123 (1)", "–"]


def test_best_of_several_splits_is_called_optimistic(tmp_path: Path) -> None:
    accuracies = (0.71, 0.75, 0.73)
    runs = [make_run(tmp_path, seed=seed, accuracy=a, psnr=None, evaluation={"splits": 5})
            for seed, a in enumerate(accuracies)]  # fmt: skip
    page = page_of(*runs)
    assert page.line(1, "Accuracy %")[2] == "73.00 ± 2.00 (3)"
    best = page.line(1, "Accuracy, best split")
    assert best == ["Accuracy, best split %", "", "75.00 (seed 1)", ""]
    assert "best of 3 random splits" in page.text
    assert "best split" not in page_of(runs[0]).text


def test_table_of_a_study_has_the_columns_that_it_needs(tmp_path: Path) -> None:
    judged = make_run(
        tmp_path, "practices/baseline", study="practices", source="S4-09", accuracy=None,
        published={"judge_accuracy": 0.4558, "train_seconds": 1427},
    )  # fmt: skip
    assert judged.result is not None
    judged.result["test"]["judge_accuracy"] = 0.4658
    judged.result["judge"] = "wye/quick"
    page = page_of(make_run(tmp_path, psnr=None, published={"accuracy": 0.8569}))
    assert page.line(0, "own/v4-l2")[3:6] == ["85.69", "85.34 (1)", "−0.35"]
    assert "PSNR dB" not in page.tables[0][0]
    page = page_of(judged)
    assert page.line(0, "practices/")[3:7] == ["45.58", "46.58 (1)", "+1.00", "32.00 (1)"]
    assert page.tables[0][0][3:5] == ["Judge accuracy %", "PSNR dB"]
    assert "corrected" not in page.text


def test_corrected_figure_of_the_summary_moves_the_seeds(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path, corrected={"accuracy": 0.8434}))
    line = page.line(0, "own/v4-l2")
    assert line[3:6] == ["85.69 84.34 corrected", "85.34 (1)", "+1.00"]
    [strip] = [svg for svg in page.all("svg") if svg.get("class") == "strip"]
    assert str(strip["aria-label"]).endswith(": 1.00")


def test_notes_that_changed_between_seeds_part_nothing(tmp_path: Path) -> None:
    runs = [make_run(tmp_path, seed=seed, notes=[f"Note {seed}."]) for seed in range(2)]
    assert [len(row.runs) for row in group(runs)] == [2]


def test_run_that_another_needed_has_a_command_of_its_own(tmp_path: Path) -> None:
    command = "wye train pretrain/transfer train.epochs=8 --seed 3 (needs pretrain/autoencoder)"
    run = make_run(tmp_path, "pretrain/autoencoder", seed=3, command=command)
    page = page_of(run)
    assert "wye train pretrain/autoencoder --seed 3" in page.text
    assert "train.epochs=8" not in page.text


def test_numbers() -> None:
    assert number(-1234.5, 1) == "−1,234.5"
    assert metric("accuracy").show_difference(-0.00001) == "0.00"
    assert metric("psnr").show_difference(1.5) == "+1.50"
    assert spread([]) is None
    assert all(entry.meaning.endswith(".") for entry in METRICS.values())
