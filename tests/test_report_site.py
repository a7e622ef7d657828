"""The site: its pages and what leads where, protocols kept apart, folders that are damaged."""

from __future__ import annotations

from pathlib import Path

from report_runs import (
    HOSTILE,
    FakeRun,
    Page,
    findings,
    in_folder,
    links_of,
    make_run,
    own_run,
    page_of,
    study_run,
)
from typer.testing import CliRunner

from wye.cli.app import app
from wye.report import write_report
from wye.report.grouping import group
from wye.report.site import render
from wye.runs.run import find_runs
from wye.studies import studies


def some(tmp_path: Path) -> list[FakeRun]:
    """Runs of two studies under both protocols, with changed settings, and of no study."""
    runs = [study_run(tmp_path, seed=seed, accuracy=0.85 + seed / 100) for seed in range(2)]
    runs += [study_run(tmp_path, protocol="short", seed=s, accuracy=0.7) for s in range(3)]
    runs += [
        study_run(tmp_path, "joint/v1", accuracy=0.5, loss={"beta": 0.5}),
        study_run(tmp_path, "fashion5/classifier", accuracy=0.9, finished=False),
        study_run(tmp_path, "when/joint-50-blur-even", "short"),
        make_run(tmp_path, "own/pets"),
    ]
    return runs


def test_pages_lead_to_each_other_and_nowhere_else(tmp_path: Path) -> None:
    site = {name: Page(html) for name, html in render(some(tmp_path)).items()}
    assert set(site) == {"index.html", "joint.html", "fashion5.html", "when.html", "own.html"}
    for name, page in site.items():
        for href in links_of(page):
            target, _, anchor = href.partition("#")
            assert target or anchor, (name, href)
            assert not anchor or anchor in (site[target] if target else page).ids(), (name, href)
    reached = {href for href in links_of(site["index.html"]) if "#" not in href}
    assert reached == set(site)


def test_index_counts_rows_as_their_study_has_them(tmp_path: Path) -> None:
    text = " ".join(Page(render(some(tmp_path))["index.html"]).text.split())
    rows = {name: len(study.rows) for name, study in studies().items()}
    # v1 was run with another beta only, which is not that row; the classifier is unfinished.
    assert f"1 of {rows['joint']} rows run, 6 runs in all" in text
    assert "2 as published, 3 short, 1 with changed settings" in text
    assert f"0 of {rows['fashion5']} rows run, 1 run in all" in text
    assert f"0 of {rows['pretrain']} rows run practices" not in text
    assert "9 runs, 1 of them unfinished" in text


def test_own_images_are_told_without_studies(tmp_path: Path) -> None:
    runs = [own_run(tmp_path), own_run(tmp_path, "signs")]
    nothing_tested = {"paper": findings()[4:5]}
    site = render(runs, nothing_tested)
    assert set(site) == {"index.html"}
    page = Page(site["index.html"])
    for words in ("Published", "published", "no study", "not run", "–", "Source", "claims"):
        assert words not in page.text, words
    assert page.line(0, "all images") == ["all images", "6", "6"]
    assert page.text.index("The images of pets") < page.text.index("Summary")
    assert "<h1>pets</h1>" in render(runs[:1])["index.html"]


def test_own_images_lead_beside_studies(tmp_path: Path) -> None:
    site = render([study_run(tmp_path, "joint/v4-l2"), own_run(tmp_path)])
    assert set(site) == {"index.html", "joint.html", "own.html"}
    index = Page(site["index.html"])
    assert index.text.index("pets") < index.text.index("The studies")
    assert [a["class"] for a in index.all("li")] == ["card", "card"]
    on_own = own_run(tmp_path)
    on_own.recipe = study_run(tmp_path, data={"name": "/images/pets"}).recipe
    [row] = group([on_own])
    assert (row.standing, row.published, row.foreign) == ("own", {}, False)


def test_worst_mistakes_are_shown_with_their_names(tmp_path: Path) -> None:
    page = page_of(own_run(tmp_path))
    wrong = [a["title"] for a in page.all("img") if a["title"] == a["alt"]]
    assert wrong == [f"cat/{HOSTILE}1.png", f"ship/{HOSTILE}1.png"]
    assert "dog 50 %, not ship" in " ".join(page.text.split())
    assert "cat 10 %, not cat" in " ".join(page.text.split())


def test_protocols_are_never_mixed(tmp_path: Path) -> None:
    page = Page(render(some(tmp_path))["joint.html"])
    paper, short, changed = page.tables[:3]
    assert [len(table) - 2 for table in (paper, short, changed)] == [1, 1, 1]
    line = page.line(0, "joint/v4-l2")
    assert line[3:6] == ["85.69", "85.50 ± 0.71 (2)", "−0.19"]
    assert "difference" in paper[1]
    assert page.line(1, "joint/v4-l2")[3:5] == ["85.69", "70.00 ± 0.00 (3)"]
    assert "difference" not in short[1] + changed[1]
    assert page.line(2, "joint/v1")[0] == "joint/v1loss.beta=0.5"
    assert "Short: 13 epochs instead of 40" in page.text
    assert "Run under the protocol short: 13 epochs instead of 40" in page.text
    sections = [a["id"] for a in page.all("section") if a.get("class") == "row"]
    assert sections == ["row-joint-v4-l2", "row-joint-v4-l2-short", "row-joint-v1"]


def test_standing_is_told_by_settings_not_by_a_label(tmp_path: Path) -> None:
    relabelled = study_run(tmp_path, protocol="short")
    relabelled.recipe = relabelled.recipe.model_copy(update={"protocol": "paper"})
    fast = study_run(tmp_path, seed=1, train={"precision": "bf16"})
    assert [row.standing for row in group([relabelled])] == ["short"]
    assert [len(row.runs) for row in group([study_run(tmp_path), fast])] == [2]


def test_short_run_has_a_command_of_its_own(tmp_path: Path) -> None:
    page = page_of(study_run(tmp_path, protocol="short", seed=2))
    assert "wye train joint/v4-l2 --seed 2 --protocol short" in page.text


def test_rows_without_a_run_are_listed(tmp_path: Path) -> None:
    page = page_of(*(study_run(tmp_path, "joint/v4-l2", p) for p in ("paper", "short")))
    assert f"{len(studies()['joint'].rows) - 1} rows of the study without a run" in page.text
    assert "A joint autoencoder and classifier on CIFAR-10" in page.text


def test_runs_of_one_row_are_told_on_the_index(tmp_path: Path) -> None:
    out = write_report([study_run(tmp_path, "wye/quick", seed=s) for s in range(2)], tmp_path / "o")
    assert [path.name for path in out.parent.iterdir()] == ["index.html"]
    page = Page(out.read_text("utf-8"))
    assert page.all("nav") == []
    assert "row-wye-quick" in page.ids()


def test_pages_of_an_earlier_report_go_and_other_files_stay(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_report(some(tmp_path), out)
    (out / "wye.html").write_text("a page of one's own")
    write_report([study_run(tmp_path)], out)
    assert {path.name for path in out.iterdir()} == {"index.html", "wye.html"}


def test_large_grid_is_told_without_pictures(tmp_path: Path) -> None:
    rows = [f"when/{row}" for row in studies()["when"].rows][:30]
    page = page_of(*(study_run(tmp_path, row, "short") for row in rows))
    assert len([a for a in page.all("details") if a.get("class") == "fold"]) == 30
    assert "Curves." not in page.text
    assert "Curves." in page_of(study_run(tmp_path, rows[0], "short")).text


def test_command_reports_folders_and_leaves_out_damaged_ones(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    for run in (study_run(tmp_path, seed=0), study_run(tmp_path, seed=1, accuracy=0.8634)):
        in_folder(run, root / f"joint/v4-l2/seed-{run.recipe.seed}")
    in_folder(study_run(tmp_path, "joint/v1", "short"), root / "joint/v1/short/seed-0")
    (in_folder(make_run(tmp_path), root / "broken") / "result.json").write_text('{"status"')
    (in_folder(make_run(tmp_path), root / "other") / "recipe.yaml").write_text("network: 3")
    done = CliRunner().invoke(app, ["report", str(root), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    out = Path(done.stdout.strip())
    page = Page((out.parent / "joint.html").read_text("utf-8"))
    assert page.line(0, "joint/v4-l2")[4] == "85.84 ± 0.71 (2)"
    assert not (out.parent / "own.html").exists()
    assert (out.parent / "claims.html").exists()
    assert [run.path.name for run in find_runs(root)].count("broken") == 1


def test_command_without_runs_says_how_to_make_one(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["report", str(tmp_path), "--out", str(tmp_path / "out")])
    assert done.exit_code != 0
    assert not (tmp_path / "out").exists()
