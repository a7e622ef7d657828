"""Rows and recipes: the study files, inheritance, overrides, refitting, and their errors."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from wye.errors import UsageError
from wye.recipe import Recipe, recipe_from_row, resolve
from wye.recipe.overrides import parse_overrides
from wye.studies import load_study, row_names, row_settings

ROWS = row_names()

# Accuracies as study S0 printed them, in the order of its rows 1 to 32.
S0 = [
    *(0.5895, 0.5958, 0.6076, 0.5850, 0.5979, 0.5994, 0.8011, 0.7772),
    *(0.8269, 0.8411, 0.7992, 0.7736, 0.8295, 0.8380, 0.7923, 0.7872),
    *(0.8063, 0.8151, 0.7925, 0.7930, 0.8117, 0.8138, 0.8292, 0.8356),
    *(0.8569, 0.8299, 0.8289, 0.7666, 0.8569, 0.8401, 0.8456, 0.8527),
]


@pytest.mark.parametrize("row", ROWS)
def test_every_row_is_a_recipe_that_survives_its_file(row: str) -> None:
    recipe = recipe_from_row(row)
    stored = yaml.safe_load(yaml.safe_dump(recipe.model_dump(mode="json")))
    assert Recipe.model_validate(stored) == recipe
    assert recipe.row == row


def test_study_s0_has_its_first_32_rows_once_each() -> None:
    recipes = [recipe_from_row(row) for row in ROWS if row.startswith("joint/")]
    faithful = {recipe.source: recipe for recipe in recipes if recipe.source}
    assert len([recipe for recipe in recipes if recipe.source]) == len(faithful)
    assert set(faithful) >= {f"S0-{number:02d}" for number in range(1, 33)}
    for number, accuracy in enumerate(S0, start=1):
        assert faithful[f"S0-{number:02d}"].published["accuracy"] == accuracy


def test_controls_differ_from_their_partner_as_they_say() -> None:
    partner = recipe_from_row("joint/v3.2")
    control = recipe_from_row("joint/v3.2-beta0-matched")
    assert control.network == partner.network
    assert (control.loss.beta, partner.loss.beta) == (0, 1)
    assert control.source is None
    assert control.published == {}


def test_a_made_up_row_needs_no_code(tmp_path: Path) -> None:
    file = tmp_path / "made.yaml"
    file.write_text(
        """
title: Made up
shared: {data: shapes, train: {epochs: 2, lr: 0.1}}
rows:
  a: {source: X-1, encoder: "C(8)", classifier: "L'(10)", published: {accuracy: 0.5}}
  b: {like: a, loss: {beta: 0}, train: {lr: 0.2}}
"""
    )
    among = {"made": load_study(file)}
    a = Recipe.model_validate(row_settings("made/a", among))
    b = Recipe.model_validate(row_settings("made/b", among))
    assert (a.train.lr, b.train.lr, b.train.epochs) == (0.1, 0.2, 2)
    assert (a.source, b.source, b.published, b.loss.beta) == ("X-1", None, {}, 0)
    assert b.network == a.network


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("a: {like: b}\n  b: {like: a}", "in a circle"),
        ("a: {like: z}", "which is no row"),
    ],
)
def test_rows_that_lead_nowhere_are_named(tmp_path: Path, rows: str, expected: str) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(f"title: s\nrows:\n  {rows}\n")
    with pytest.raises(UsageError, match=expected):
        row_settings("s/a", {"s": load_study(file)})


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["train.epoch=3"], "train.epoch: there is no such setting; did you mean 'epochs'"),
        (["train.epochs=many"], "train.epochs='many': it should be a valid integer"),
        (["train.epochs=0"], "greater than 0"),
        (["train=3"], "train"),
        (["colour=red"], "colour: there is no such setting"),
        (["train.schedule=wavy"], "'constant', 'step', 'one-cycle'"),
        (["train.schedule.every=often"], "every"),
        (["train.schedule.warmup=0.1"], "a step schedule has no 'warmup'"),
        (["network.decoder=none"], "loss.beta=1 needs a decoder"),
        (["network.classifier=none"], "loss.alpha=1 needs a classifier"),
        (["loss.alpha=0", "loss.beta=0"], "nothing is learned"),
        (["loss.beta=-1"], "greater than or equal to 0"),
        (["loss.beta=nan"], "finite"),
        (["seeds.ordr=3"], "seeds.ordr: no such stream"),
        (["train.epochs"], "not of the form key=value"),
        (["=3"], "not of the form key=value"),
    ],
)
def test_a_mistaken_override_is_told_with_its_key(arguments: list[str], expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve("joint/v4-l2", parse_overrides(arguments))
    message = str(caught.value)
    assert expected in message
    assert len(message.splitlines()) <= 2


@pytest.mark.parametrize("name", ["joint/v9", "joints/v1", "v1", "", "../joint", "joint/"])
def test_a_row_that_is_not_there_is_answered_with_those_that_are(name: str) -> None:
    with pytest.raises(UsageError, match="there is no row"):
        resolve(name)


def test_overrides_reach_their_setting() -> None:
    recipe = resolve(
        "joint/v4-l2",
        parse_overrides(
            [
                "data=shapes",
                "data.per_class=50",
                "network.encoder=C'(8) > C(8)",
                "loss.beta=0.5",
                "train.lr=1e-3",
                "train.schedule=one-cycle",
                "data.augment=",
                "seeds.subset=7",
            ]
        ),
    )
    assert (recipe.data.name, recipe.data.per_class, recipe.data.augment) == ("shapes", 50, "")
    assert recipe.network.encoder == "C'(8) > C(8)"
    assert (recipe.loss.beta, recipe.loss.gamma) == (0.5, 0.001)
    assert recipe.train.lr == 0.001
    assert (recipe.train.schedule.kind, recipe.train.schedule.every) == ("one-cycle", None)
    assert recipe.seeds == {"subset": 7}


def test_a_schedule_is_refitted_to_fewer_epochs() -> None:
    fitted = resolve("joint/v4-l2", parse_overrides(["train.epochs=10"]))
    assert fitted.train.schedule.every == 2.5
    kept = resolve("joint/v4-l2", parse_overrides(["train.epochs=10", "train.schedule.every=10"]))
    assert kept.train.schedule.every == 10


def test_phases_are_refitted_and_keep_what_is_theirs() -> None:
    recipe = resolve("joint/v4-two-phase-frozen", parse_overrides(["train.epochs=10"]))
    first, second = recipe.resolved_phases()
    assert (first.train.epochs, second.train.epochs) == (5, 5)
    assert first.train.schedule.every == second.train.schedule.every == 1.25
    assert (first.loss.alpha, first.loss.beta, first.loss.gamma) == (0, 1, 0.001)
    assert (second.loss.alpha, second.loss.beta) == (1, 0)
    assert second.freeze == ("encoder", "decoder")
    with pytest.raises(UsageError, match="2 phases of at least one epoch each"):
        resolve("joint/v4-two-phase", parse_overrides(["train.epochs=1"]))


def test_phases_must_last_as_long_as_they_say() -> None:
    with pytest.raises(UsageError, match="the phases last 4 epochs"):
        resolve("joint/v4", parse_overrides(["phases=[{epochs: 4, loss: {alpha: 0}}]"]))


def test_a_recipe_file_is_a_recipe(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text('data: shapes\nencoder: "C(8)"\nclassifier: "L\'(10)"\n')
    assert resolve(str(file)).row == "own"
    assert resolve(str(file)).data.name == "shapes"
    file.write_text("- a list\n")
    with pytest.raises(UsageError, match="holds no recipe"):
        resolve(str(file))
    file.write_text("a: [1\n")
    with pytest.raises(UsageError, match="is not YAML"):
        resolve(str(file))
    with pytest.raises(UsageError, match="cannot read the recipe"):
        resolve(str(tmp_path / "gone.yaml"))
