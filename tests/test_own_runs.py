"""A run on own images: it knows its images, says what changed, and trains by fitting defaults."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from folders import SIDE, draw, flat, picture
from typer.testing import CliRunner

import wye
from wye.cli.app import app
from wye.data.defaults import defaults, pays_to_pretrain
from wye.data.folder import inspect_own
from wye.data.inspection import Inspection
from wye.errors import UsageError
from wye.evidence.compare import compare
from wye.evidence.systems import find_systems
from wye.runs.expected import in_words, updates_of
from wye.runs.own import resolve_own
from wye.runs.remarks import remarks
from wye.runs.run import Run

TINY = {
    "data": {"image_size": SIDE, "augment": ""},
    "network": {"encoder": "C(4)", "decoder": "mirror", "classifier": "L'(classes)"},
    "train": {"epochs": 1, "batch_size": 8, "precision": "fp32", "optimizer": "sgd", "lr": 0.01},
    "evaluation": {"mirror_views": False},
}


def train(images: Path, out: Path, **more: object) -> Run:
    return wye.train(str(images), out=out, **{**TINY, **more})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of images and the run on it."""
    root = tmp_path_factory.mktemp("own")
    draw(root / "pets", count=20)
    (root / "pets" / "cat" / "bad.png").write_bytes(b"x")
    train(root / "pets", root / "run")
    return root / "pets", root / "run"


@pytest.fixture
def copy(made: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    """The same, moved to another place, to be changed."""
    for path in made:
        shutil.copytree(path, tmp_path / path.name)
    return tmp_path / "pets", tmp_path / "run"


def evaluate(run: Path, *arguments: object) -> dict[str, dict[str, float]]:
    result = CliRunner().invoke(app, ["evaluate", str(run), "--json", *map(str, arguments)])
    if result.exception is not None:
        raise result.exception
    document: dict[str, dict[str, float]] = json.loads(result.stdout)
    return document


def test_a_run_keeps_its_images_and_the_unreadable_files(made: tuple[Path, Path]) -> None:
    images, run = made
    found = Run(run).inspection
    assert found is not None and found.root == str(images)
    assert {file.path for file in found.files} == {
        f"{name}/{number:03}.png" for name in ("cat", "dog") for number in range(20)
    }
    assert {file.part for file in found.files} == {"train", "validation", "test"}
    assert (run / "unreadable.txt").read_text().startswith("cat/bad.png\tit is no image")
    labels, _ = Run(run).predictions()
    assert labels.tolist() == [found.classes.index(file.label) for file in found.of("test")]


def test_images_are_shown_divided_as_a_run_divides_them(made: tuple[Path, Path]) -> None:
    images, run = made
    shown = CliRunner().invoke(app, ["data", "show", str(images), "--json"])
    assert json.loads(shown.stdout)["files"] == json.loads((run / "data.json").read_text())["files"]


def test_a_moved_folder_is_found_by_data(copy: tuple[Path, Path], made: tuple[Path, Path]) -> None:
    images, run = copy
    assert evaluate(run, "--data", images)["test"] == evaluate(made[1])["test"]
    document = json.loads((run / "data.json").read_text())
    (run / "data.json").write_text(json.dumps({**document, "root": str(run / "gone")}))
    recipe = (run / "recipe.yaml").read_text().replace(str(made[0]), str(run / "gone"))
    (run / "recipe.yaml").write_text(recipe)
    with pytest.raises(UsageError, match="--data PATH"):
        evaluate(run)


def test_renamed_and_new_images_leave_the_measurement_as_it_was(
    copy: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    images, run = copy
    before = evaluate(run, "--data", images)
    for file in sorted((images / "cat").glob("0*.png")):
        file.rename(file.with_name(f"z{file.name}"))
    draw(images, count=3, start=700)
    caplog.clear()
    assert evaluate(run, "--data", images) == before
    assert "6 new images are left out" in caplog.text and "gone" not in caplog.text


def test_gone_and_relabelled_images_are_said(
    copy: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    images, run = copy
    found = Run(run).inspection
    assert found is not None
    first, second, *rest = found.of("test")
    (images / first.path).unlink()
    other = "dog" if second.label == "cat" else "cat"
    (images / second.path).rename(images / other / "moved.png")
    evaluate(run, "--data", images)
    assert "1 are gone" in caplog.text
    assert f"1 have another class now ({other}/moved.png is {other})" in caplog.text
    for file in rest:
        (images / file.path).unlink()
    (images / other / "moved.png").unlink()
    with pytest.raises(UsageError, match="none of the test images of the run"):
        evaluate(run, "--data", images)


def test_a_run_goes_on_with_its_own_settings_when_images_are_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(tmp_path / "pets", count=20)
    monkeypatch.setattr("wye.data.defaults.UPDATES", 2)
    monkeypatch.setattr("wye.data.defaults.LEAST_EPOCHS", 1)
    arguments = ("train", tmp_path / "pets", "network.encoder=C(2)", "data.image_size=8")
    words = [*map(str, arguments), "network.decoder=mirror", "--out", str(tmp_path / "run")]
    assert CliRunner().invoke(app, [*words, "--max-steps", "1"]).exit_code == 0
    before = Run(tmp_path / "run").recipe
    draw(tmp_path / "pets", count=60, start=100)
    assert resolve_own(str(tmp_path / "pets")).train.epochs != before.train.epochs
    done = CliRunner().invoke(app, [*words, "--resume"])
    assert done.exception is None, done.exception
    assert Run(tmp_path / "run").complete and Run(tmp_path / "run").recipe == before


def test_other_classes_are_refused(copy: tuple[Path, Path]) -> None:
    images, run = copy
    draw(images, ("ant",))
    with pytest.raises(UsageError, match="no longer those that the run was trained on: ant new"):
        evaluate(run, "--data", images)
    (run / "result.json").unlink()
    with pytest.raises(UsageError, match="ant new"):
        CliRunner().invoke(
            app,
            ["train", str(run), "--out", str(run), "--resume", "--data", str(images)],
            catch_exceptions=False,
        )


def test_resuming_after_images_came_gives_the_weights_of_a_run_that_never_stopped(
    tmp_path: Path,
) -> None:
    draw(tmp_path / "pets", count=20)
    two = {**TINY["train"], "epochs": 2}
    whole = train(tmp_path / "pets", tmp_path / "whole", train=two)
    steps = whole.result["steps"] if whole.result else 0
    train(tmp_path / "pets", tmp_path / "cut", train=two)  # as a run that is cut after an epoch
    shutil.rmtree(tmp_path / "cut")
    wye.train(
        str(tmp_path / "pets"), out=tmp_path / "cut", max_steps=steps // 2, **{**TINY, "train": two}
    )
    draw(tmp_path / "pets", count=5, start=800)
    wye.train(str(tmp_path / "cut"), out=tmp_path / "cut", resume=True)
    first, second = (
        (tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "cut")
    )
    assert first == second


def test_a_folder_by_relative_and_absolute_path_is_comparable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(tmp_path / "pets", count=20)
    monkeypatch.chdir(tmp_path)
    train(Path("pets"), tmp_path / "a")
    train(tmp_path / "pets", tmp_path / "b", loss={"beta": 0.0})
    systems = find_systems([str(tmp_path / "a"), str(tmp_path / "b")], tmp_path, "paper")
    assert "accuracy" in compare(*systems).metrics
    draw(tmp_path / "pets", count=20, start=900)
    train(tmp_path / "pets", tmp_path / "c")
    systems = find_systems([str(tmp_path / "a"), str(tmp_path / "c")], tmp_path, "paper")
    with pytest.raises(UsageError, match="tested on other images"):
        compare(*systems)


def test_a_prediction_reads_an_image_as_training_did(tmp_path: Path) -> None:
    from folders import raw

    root = raw(tmp_path / "raw", np.uint16, 4095, form="png")
    model = wye.load(train(root, tmp_path / "run"))
    found = inspect_own(root)
    levels = np.asarray(picture("cat", 0).convert("L")).astype(int)
    read = model.read(root / "cat" / "0.png")[0, 0].numpy().astype(int)
    assert found.values.high_end == 4095 and np.abs(read - levels).max() <= 1


def test_a_batch_of_one_under_batch_normalisation_is_refused(tmp_path: Path) -> None:
    draw(tmp_path / "pets", count=6)
    settings = {**TINY["train"], "batch_size": 1}
    network = {**TINY["network"], "encoder": "C(4, bn=before) > L(8, bn=before)"}
    with pytest.raises(UsageError, match=r"train\.batch_size=1"):
        train(tmp_path / "pets", tmp_path / "run", train=settings, network=network)
    assert not (tmp_path / "run").exists()


def test_strict_refuses_what_cannot_be_read(made: tuple[Path, Path], tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["train", str(made[0]), "--strict", "--out", str(tmp_path / "run"), "--max-steps", "1"]
    )
    assert isinstance(result.exception, UsageError) and "cat/bad.png" in str(result.exception)


# Defaults


def made_of(count: int, side: int = 32, grey: bool = False, names: tuple[str, ...] = ("a", "b")):
    files = [
        {"path": f"{n}", "part": "train", "label": names[n % len(names)], "content": str(n)}
        for n in range(count)
    ]
    return Inspection.model_validate(
        {"root": "x", "about": "", "files": tuple(files), "median": (side, side + 5), "grey": grey}
    )


@pytest.mark.parametrize("count", [20, 264, 1000, 5000, 30_000])
def test_any_number_of_images_gets_hundreds_of_updates(count: int) -> None:
    settings, line = defaults(made_of(count))
    train = settings["train"]
    updates = (count // train["batch_size"]) * train["epochs"]
    assert updates >= 590 or (count < 32 and train["epochs"] >= 590)
    assert f"batch_size={train['batch_size']}, epochs={train['epochs']}" in line


def test_small_folders_hold_out_enough_to_calibrate_by() -> None:
    held = {n: round(defaults(made_of(n))[0]["data"]["validation"] * n) for n in (60, 320, 9000)}
    assert held == {60: 12, 320: 36, 9000: 450}
    assert "36 more for validation" in defaults(made_of(320))[1]
    assert "for validation" not in defaults(made_of(320), {"validation": 0})[1]


def test_size_and_mirroring_follow_the_images() -> None:
    assert defaults(made_of(100, 28))[0]["data"]["image_size"] == 32
    assert defaults(made_of(100, 300))[0]["data"]["image_size"] == 64
    assert defaults(made_of(9000, 300))[0]["data"]["image_size"] == 32
    assert defaults(made_of(100, grey=True))[0]["data"]["augment"] == "crop(2)"
    sided, line = defaults(made_of(100, names=("turn left", "turn right")))
    assert not sided["evaluation"]["mirror_views"] and "a class is called left" in line


def test_defaults_are_said_and_overrides_win(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    draw(tmp_path / "pets", count=20)
    caplog.set_level("INFO", "wye")
    chosen = resolve_own(str(tmp_path / "pets"))
    assert chosen.train.batch_size == 32 and chosen.train.epochs >= 600 and not chosen.phases
    assert "chosen for these images" in caplog.text
    own = resolve_own(str(tmp_path / "pets"), {"train": {"batch_size": 8, "lr": 0.03}})
    assert (own.train.batch_size, own.train.lr) == (8, 0.03)
    assert 120 <= own.train.epochs <= 200
    assert resolve_own(str(tmp_path / "pets"), {"train": {"epochs": 3}}).train.epochs == 3


def test_too_few_updates_are_warned_of_and_the_time_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    draw(tmp_path / "pets", count=20)
    caplog.set_level("INFO", "wye")
    resolve_own(str(tmp_path / "pets"), {"train": {"epochs": 3}, "network": TINY["network"]})
    assert "under a minute here" in caplog.text
    assert (
        "epochs=3: 3 updates" in caplog.text
        and "make 3 updates" in caplog.text
        and "train.epochs" in caplog.text
    )
    recipe = resolve_own(str(tmp_path / "pets"), {"train": {"epochs": 3, "batch_size": 8}})
    assert (updates_of(recipe, 20), updates_of(recipe, 16)) == (9, 6)
    assert [in_words(s) for s in (3, 80, 600, 9000)] == [
        *("under a minute", "about 1 minute", "about 10 minutes", "about 2.5 hours")
    ]


def test_a_pretrained_encoder_is_offered_for_few_photographs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(tmp_path / "pets", suffix=".jpg", size=(80, 70))
    caplog.set_level("INFO", "wye")
    for here in (False, True):
        monkeypatch.setattr("wye.runs.own.at_hand", lambda name, here=here: here)
        resolve_own(str(tmp_path / "pets"), {"network": TINY["network"]})
        assert ("wye train wye/transfer data=" in caplog.text) == here
    assert not pays_to_pretrain(made_of(100, 300))


def test_what_was_not_learned_is_remarked() -> None:
    test = {"accuracy": 0.5, "cross_entropy": 9.0, "per_class": {"a": 0, "b": 0}}
    said = " ".join(remarks({"steps": 7, "test": {**test, "confusion": [[5, 0], [5, 0]]}}))
    assert "7 updates" in said and "names one class only, a" in said and "far above" in said
    worse = {**test, "cross_entropy": 0.7, "confusion": [[2, 3], [2, 3]]}
    assert "no better than always naming" in " ".join(remarks({"steps": 700, "test": worse}))
    good = {"accuracy": 0.9, "cross_entropy": 0.3, "confusion": [[5, 0], [1, 4]], "per_class": {}}
    assert remarks({"steps": 700, "test": good}) == []
    absurd = remarks({"steps": 700, "test": good, "train": {"reconstruction": 4e5}})
    assert "4e+05" in absurd[0] and "train.lr" in absurd[0]


def test_images_of_other_classes_are_embedded_without_a_class(
    made: tuple[Path, Path], tmp_path: Path
) -> None:
    draw(tmp_path / "farm", ("cow", "pig"))
    flat(tmp_path / "farm" / "unlabelled", 2)
    arguments = ["embed", str(made[1]), str(tmp_path / "farm"), "--out", str(tmp_path / "e.npz")]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    with np.load(tmp_path / "e.npz") as arrays:
        assert len(arrays["codes"]) == 26 and set(arrays["classes"]) == {""}


def test_a_new_run_begins_with_the_layers_of_another(
    made: tuple[Path, Path], tmp_path: Path
) -> None:
    images = draw(tmp_path / "new", ("dog", "fox"), count=20)
    network = ("network.encoder=C(4)", "network.decoder=mirror", "network.classifier=L'(classes)")
    short = (f"data.image_size={SIDE}", "train.epochs=1")
    arguments = ("train", images, *network, *short, "--from", made[1], "--out")
    result = CliRunner().invoke(app, [*map(str, arguments), str(tmp_path / "run")])
    assert result.exception is None, result.output
    run = Run(tmp_path / "run")
    transfer = run.recipe.transfer
    assert transfer is not None and transfer.layers == ("encoder", "decoder")
    assert f"--from {made[1]}" in run.environment["command"]
