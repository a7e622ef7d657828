"""Runs that build on other runs: weights taken over, and the judge of reconstructions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import tiny_set

from wye.errors import UsageError
from wye.recipe import resolve
from wye.recipe.overrides import validated
from wye.recipe.schema import Recipe
from wye.runs.folder import RunFolder
from wye.runs.launch import Launch, launch
from wye.runs.model import Model
from wye.runs.run import Run

ENCODER = "C'(4) > BN > C(6) > D(0.2)"
SOURCE: dict[str, Any] = {
    "row": "joint/v1",  # a name that is a row's, so that others may need it
    "data": {"name": "cifar10", "validation": 0.2},
    "network": {"encoder": ENCODER, "classifier": "none"},
    "loss": {"alpha": 0},
    "train": {"epochs": 2, "batch_size": 16},
}


@pytest.fixture(autouse=True)
def rows(monkeypatch: pytest.MonkeyPatch, in_empty_folder: Path) -> None:
    """Tiny images under the name of CIFAR-10, and one row, of SOURCE, that others need."""
    monkeypatch.setattr("wye.runs.setup.load", lambda *_, **__: tiny_set())
    monkeypatch.setattr("wye.runs.dependencies.row_names", lambda: ["joint/v1"])
    monkeypatch.setattr("wye.runs.dependencies.recipe_from_row", lambda *_: validated(SOURCE))


def recipe(**settings: Any) -> Recipe:
    base: dict[str, Any] = {
        "row": "mine",
        "data": {"name": "cifar10", "validation": 0.2},
        "network": {"encoder": ENCODER, "decoder": "none", "classifier": "L'(classes)"},
        "loss": {"beta": 0},
        "train": {"epochs": 1, "batch_size": 16},
    }
    return validated({**base, **settings})


def run(wanted: Recipe, place: str = "run", **options: Any) -> Run:
    return launch(Launch(recipe=wanted, out=Path(place), device="cpu", **options))


def weights(done: Run) -> dict[str, torch.Tensor]:
    return done.weights()


def test_weights_are_taken_over_and_stay_where_they_are_frozen() -> None:
    held = [{"epochs": 1, "freeze": ["encoder[0:3]"]}]
    done = run(recipe(transfer={"row": "joint/v1", "layers": ["encoder[0:3]"]}, phases=held))
    source = Run("runs/joint/v1/seed-0")
    assert source.result is not None and source.result["status"] == "complete"
    own, theirs = weights(done), weights(source)
    encoder = [name for name in own if name.startswith("encoder.layers.") and name[15] in "012"]
    assert len(encoder) > 6
    for name in encoder:
        assert torch.equal(own[name], theirs[name]), name


def test_layers_that_are_not_named_begin_anew() -> None:
    held = [{"epochs": 1, "freeze": ["encoder"]}]
    done = run(recipe(transfer={"row": "joint/v1", "layers": ["encoder[0]"]}, phases=held))
    own, theirs = weights(done), weights(Run("runs/joint/v1/seed-0"))
    assert torch.equal(
        own["encoder.layers.0.layer.weight"], theirs["encoder.layers.0.layer.weight"]
    )
    assert not torch.equal(
        own["encoder.layers.2.layer.weight"], theirs["encoder.layers.2.layer.weight"]
    )


def test_a_run_that_is_there_is_reused() -> None:
    wanted = recipe(transfer={"row": "joint/v1"})
    first = run(wanted, "first")
    stamp = Path("runs/joint/v1/seed-0/result.json").stat().st_mtime_ns
    second = run(wanted, "second")
    assert Path("runs/joint/v1/seed-0/result.json").stat().st_mtime_ns == stamp
    assert all(
        torch.equal(a, b)
        for a, b in zip(weights(first).values(), weights(second).values(), strict=True)
    )


def test_each_seed_starts_from_the_run_of_its_own() -> None:
    run(recipe(transfer={"row": "joint/v1"}, seed=3))
    assert Run("runs/joint/v1/seed-3").recipe.seed == 3


def test_another_run_in_the_usual_folder_is_left_alone() -> None:
    other = validated({**SOURCE, "train": {"epochs": 1, "batch_size": 8}})
    run(other, "runs/joint/v1/seed-0")
    run(recipe(transfer={"row": "joint/v1"}))
    assert Run("runs/joint/v1/seed-0").recipe.train.epochs == 1
    beside = [path for path in Path("runs/joint/v1").iterdir() if path.name.startswith("seed-0-")]
    assert [Run(path).recipe.train.epochs for path in beside] == [2]


def test_the_subset_is_that_of_the_run_that_needs_it() -> None:
    data = {"name": "cifar10", "validation": 0.2, "per_class": 10}
    run(recipe(transfer={"row": "joint/v1"}, data=data))
    assert Run("runs/joint/v1/seed-0").recipe.data.per_class == 10


def test_a_run_folder_can_be_named_instead_of_a_row() -> None:
    run(validated({**SOURCE, "train": {"epochs": 1, "batch_size": 16}}), "mine")
    held = [{"epochs": 1, "freeze": ["encoder"]}]
    done = run(recipe(transfer={"row": "mine"}, phases=held))
    assert not Path("runs").exists()
    own, theirs = weights(done), weights(Run("mine"))
    assert all(torch.equal(own[n], theirs[n]) for n in theirs if n.startswith("encoder"))


def test_an_interrupted_run_goes_on_without_looking_again(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = recipe(transfer={"row": "joint/v1"}, train={"epochs": 3, "batch_size": 16})
    run(wanted, "whole")

    class StopError(Exception):
        pass

    def stop_after_one(
        folder: RunFolder, state: dict[str, Any], real: Any = RunFolder.write_checkpoint
    ) -> None:
        real(folder, state)
        if state["epochs_done"] == 1:
            raise StopError

    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, "write_checkpoint", stop_after_one)
        with pytest.raises(StopError):
            run(wanted, "cut")
    resumed = run(wanted, "cut", resume=True)
    assert (Path("whole") / "model.safetensors").read_bytes() == (
        resumed.path / "model.safetensors"
    ).read_bytes()


def test_layers_of_other_sizes_are_refused_and_nothing_is_left_behind() -> None:
    network = {"encoder": "C'(5) > BN > C(6)", "decoder": "none", "classifier": "L'(classes)"}
    wanted = recipe(network=network, transfer={"row": "joint/v1", "layers": ["encoder[0]"]})
    with pytest.raises(UsageError, match=r"transfer.layers: encoder\[0\] of joint/v1"):
        run(wanted)
    assert not Path("run").exists()


def test_a_judge_without_a_classifier_is_refused_with_the_ways_out() -> None:
    with pytest.raises(UsageError, match=r"evaluation\.judge=none does without"):
        run(recipe(evaluation={"judge": "joint/v1"}))  # SOURCE has no classifier


def test_a_judge_scores_reconstructions() -> None:
    """A judge that knows the classes, on a decoder that cannot: chance; and on originals."""
    judge = recipe(
        row="judge", train={"epochs": 12, "batch_size": 8, "lr": 0.1}, evaluation={"judge": "self"}
    )
    judged = run(judge, "judge").result
    assert judged is not None
    assert judged["test"]["judge_accuracy"] == judged["test"]["accuracy"] > 0.9
    dull = {"encoder": "L(1)", "decoder": "L'(values) > R(image)", "classifier": "none"}
    blind = run(
        recipe(
            network=dull,
            loss={"alpha": 0},
            train={"epochs": 1, "batch_size": 16, "lr": 1e-6},
            evaluation={"judge": "judge"},
        ),
        "blind",
    )
    assert blind.result is not None
    assert blind.result["judge"] == "judge"
    assert blind.result["test"]["judge_accuracy"] < 0.5
    keen = {"encoder": "L'(192)", "decoder": "L'(values) > R(image)", "classifier": "none"}
    sharp = run(
        recipe(
            network=keen,
            loss={"alpha": 0},
            train={"epochs": 60, "batch_size": 8, "optimizer": "adam", "lr": 3e-3},
            evaluation={"judge": "judge"},
        ),
        "sharp",
    )
    assert sharp.result is not None
    assert sharp.result["test"]["judge_accuracy"] > 0.9


def test_a_judge_of_other_classes_is_refused() -> None:
    run(recipe(row="judge"), "judge")
    data = {"name": "cifar10", "validation": 0.2, "classes": ["a", "b"]}
    with pytest.raises(UsageError, match="names a, b, c, the images are of a, b"):
        run(recipe(data=data, evaluation={"judge": "judge"}), "other")


def test_a_judge_is_shown_images_of_its_own_size_and_channels() -> None:
    from wye.runs.judge import judge_by
    from wye.runs.setup import set_up

    grey = {"name": "cifar10", "validation": 0.2, "channels": 1, "prepare": "resize(12)"}
    done = run(
        recipe(row="judge", data=grey, train={"epochs": 12, "batch_size": 8, "lr": 0.1}), "judge"
    )
    assert done.result is not None and done.result["test"]["accuracy"] > 0.9
    data = set_up(recipe()).data
    judge = judge_by(Model.of(done), data)
    given = judge(data.test.pixels.float() / 255)
    assert (given == data.test.labels).float().mean() > 0.9


def test_spare_outputs_count_as_wrong_only_where_they_are_given() -> None:
    network = {"encoder": ENCODER, "decoder": "none", "classifier": "L'(classes)", "outputs": 7}
    done = run(recipe(network=network, train={"epochs": 8, "batch_size": 8, "lr": 0.1}))
    assert done.result is not None
    assert list(done.result["test"]["per_class"]) == ["a", "b", "c"]
    model = Model.of(done)
    chances = model.predict_proba(tiny_set().test.pixels)
    assert chances.shape == (30, 3)
    assert chances.sum(1) == pytest.approx(1)


def test_a_class_setting_is_left_out_with_another_data_set() -> None:
    assert resolve("fashion5/cnn").data.classes
    assert resolve("fashion5/cnn", {"data": {"name": "shapes"}}).data.classes == ()
    kept = resolve("fashion5/cnn", {"data": {"name": "shapes", "classes": ["ring", "bar"]}})
    assert kept.data.classes == ("ring", "bar")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"transfer": {"row": "joint/v0"}}, r"^transfer\.row='joint/v0' is neither"),
        ({"evaluation": {"judge": "joint/v0"}}, r"^evaluation\.judge='joint/v0' is neither"),
    ],
)
def test_a_row_that_is_none_is_told_with_the_setting(settings: Any, named: str) -> None:
    with pytest.raises(UsageError, match=named) as caught:
        run(recipe(**settings))
    assert "did you mean 'joint/v1'?" in str(caught.value)
    assert not Path("run").exists()


BRANCHED: dict[str, Any] = {
    **SOURCE,
    "row": "branched",
    "network": {"encoder": "C(4)", "decoder": "mirror", "classifier": "L(8) > L'(classes)"},
    "loss": {"alpha": 1},
}


def held(*layers: str) -> dict[str, Any]:
    """A recipe that trains only what `layers` are not."""
    fitting = {"row": "source", "layers": ["fitting"]}
    return {**BRANCHED, "transfer": fitting, "phases": [{"epochs": 1, "freeze": layers}]}


def test_all_layers_that_fit_are_taken_over_and_written_down(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = run(validated(BRANCHED), "source")
    caplog.set_level("INFO")
    wanted = validated({**held("encoder", "decoder"), "train": {"epochs": 1, "batch_size": 16}})
    done = run(wanted, "same")
    assert "beginning with encoder, decoder, classifier of source" in caplog.text
    own, theirs = weights(done), weights(source)
    assert all(torch.equal(own[n], theirs[n]) for n in own if not n.startswith("classifier"))
    kept = done.recipe.transfer
    assert kept is not None and kept.layers == ("encoder", "decoder", "classifier")
    assert run(wanted, "same", resume=True).path == done.path


def test_a_classifier_of_other_classes_keeps_its_first_layers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    source = run(validated(BRANCHED), "source")
    monkeypatch.setattr("wye.runs.setup.load", lambda *_, **__: tiny_set(classes=2))
    caplog.set_level("INFO")
    done = run(validated({**held("encoder", "classifier[0]"), "train": {"epochs": 1}}), "others")
    assert "beginning with encoder, decoder, classifier[0:1] of source" in caplog.text
    own, theirs = weights(done), weights(source)
    assert torch.equal(own["classifier.layers.0.layer.weight"],
                       theirs["classifier.layers.0.layer.weight"])  # fmt: skip


def test_a_run_of_which_nothing_fits_is_refused() -> None:
    run(validated(BRANCHED), "source")
    wide = {"encoder": "C(5)", "decoder": "mirror", "classifier": "L(8) > L'(classes)"}
    with pytest.raises(UsageError, match="no layer that fits"):
        run(validated({**held("encoder"), "train": {"epochs": 1}, "network": wide}), "wide")


def test_weights_that_no_layer_takes_are_refused() -> None:
    with pytest.raises(UsageError, match="no layer takes them"):
        run(recipe(weights="weights.pth"))


def test_more_epochs_are_further_training() -> None:
    run(recipe())
    with pytest.raises(UsageError, match=r"--from run train\.epochs=2"):
        run(recipe(train={"epochs": 3, "batch_size": 16}), resume=True)
