"""Rows and recipes: the study files, inheritance, overrides, refitting, and their errors."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from wye.errors import UsageError
from wye.recipe import Recipe, recipe_from_row, resolve
from wye.recipe.overrides import model_of, nest, parse_overrides
from wye.recipe.resolve import FOLDER_ROW
from wye.recipe.schedules import OneCycle
from wye.recipe.settings import Settings
from wye.studies import load_study, row_names, row_settings, studies

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


def test_a_grid_makes_a_row_of_each_combination_of_levels(tmp_path: Path) -> None:
    file = tmp_path / "made.yaml"
    file.write_text(
        """
title: Made up
shared: {data: shapes, encoder: "C(8)", classifier: "L'(10)"}
rows:
  base: {train: {lr: 0.5}, title: the base}
grids:
  - like: base
    factors:
      arm: {joint: {}, alone: {loss: {beta: 0}}}
      labels: {10: {data: {labels_per_class: 10}}, 50: {data: {labels_per_class: 50}}}
"""
    )
    among = {"made": load_study(file)}
    assert list(among["made"].rows) == ["base", "joint-10", "joint-50", "alone-10", "alone-50"]
    recipe = Recipe.model_validate(row_settings("made/alone-50", among))
    assert recipe.factors == {"arm": "alone", "labels": "50"}
    assert (recipe.loss.beta, recipe.data.labels_per_class, recipe.train.lr) == (0, 50, 0.5)
    assert recipe.title == "" and recipe.data.name == "shapes"
    file.write_text(file.read_text().replace("base:", "joint-10:").replace("like: base", ""))
    with pytest.raises(UsageError, match="'joint-10' is there twice"):
        load_study(file)


@pytest.mark.parametrize("study", [name for name, study in studies().items() if study.short])
def test_the_short_protocol_is_of_one_length_and_changes_nothing_else(study: str) -> None:
    epochs = set()
    for row in (name for name in ROWS if name.startswith(f"{study}/")):
        paper, short = recipe_from_row(row), recipe_from_row(row, "short")
        epochs.add(short.train.epochs)
        assert (paper.protocol, short.protocol) == ("paper", "short")
        assert sum(p.train.epochs for p in short.resolved_phases()) == short.train.epochs
        for part in ("data", "network", "loss", "evaluation", "transfer", "weights"):
            assert getattr(short, part) == getattr(paper, part), row
        by_hand = resolve(row, {"train": {"epochs": short.train.epochs}})
        assert (by_hand.train, by_hand.phases) == (short.train, short.phases)
    assert len(epochs) == 1


def test_a_protocol_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(UsageError, match="wye has no protocol 'short'; autoencoders"):
        recipe_from_row("wye/quick", "short")
    with pytest.raises(UsageError, match="did you mean 'short'"):
        recipe_from_row("joint/v4", "shortt")
    with pytest.raises(UsageError, match="is for rows of a study"):
        resolve("tests", {}, "short")


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
        (["train.epochs=many"], "train.epochs='many': it should be a whole number"),
        (["train.epochs=0"], "greater than 0"),
        (["train=3"], "train=3: it should hold settings, for instance train.epochs=..."),
        (["colour=red"], "colour: there is no such setting"),
        (["train.schedule=wavy"], "it should be one of constant, step, one-cycle"),
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
        ([".=3"], "'.=3' is not of the form key=value"),
        (["train..epochs=3"], "not of the form key=value"),
        (["1=1"], "not of the form key=value"),
        (["train.epochs=true"], "train.epochs=true: it should be a whole number"),
        (["train.epochs=1.5"], "it should be a whole number"),
        (["train.epochs=1000001"], "less than or equal to 1000000"),
        (["train.batch_size=true"], "train.batch_size=true: it should be a whole number"),
        (["train.batch_size=1e9"], "less than or equal to 1000000"),
        (["train.lr=yes"], "train.lr=true: it should be a number"),
        (["train.lr=fast"], "train.lr='fast': it should be a number"),
        (["train.schedule.every=true"], "it should be a number"),
        (["train.nesterov=maybe"], "it should be true or false"),
        (["train.nesterov=true", "train.momentum=0"], "nesterov=true is a form of momentum"),
        (["seed=true"], "seed=true: it should be a whole number"),
        (["seeds.subset=-1"], "seeds.subset=-1: it should be greater than or equal to 0"),
        ([f"seeds.subset={2**63}"], "it should be less than"),
        (["seeds=3"], "it should hold settings, for instance seeds.subset=1"),
        (["data.channels=true"], "data.channels=true: it should be 1 or 3"),
        (["data.channels=2"], "data.channels=2: it should be 1 or 3"),
        (["data.augment=3"], "data.augment=3: it should be text"),
        (["data="], "data.name='': it should not be empty"),
        (["network=3"], "network=3: it should hold settings, for instance network.encoder=..."),
        (["network=3", "encoder=C(3)"], "network=3: it should hold settings"),
        (["train.lr=!!bool x"], "it should be a number"),
        (["train.lr=2001-99-99"], "it should be a number"),
        (["train.lr=" + "[" * 20_000], "it should be a number"),
        (["train.lr=&a [*a, *a]"], "it should be a number"),
        (["train.schedule={kind: [1]}"], "it should be one of constant"),
        (["phases=3"], "phases=3: it should be a list"),
        (["phases=[3]"], "phases.0=3: it should hold settings"),
        (
            ["phases=[{epochs: 40, loss: {betta: 2}}]"],
            "phases.0.loss.betta: there is no such setting; did you mean 'beta'? (known: alpha,",
        ),
        (["phases=[{epochs: 40, train: {lrr: 2}}]"], "phases.0.train.lrr: there is no such"),
        (["phases=[{epochs: 20}, {epochs: 20, lr: -2}]"], "phases.1.train.lr=-2: it should be"),
        (["phases=[{epochs: 40, lrr: 2}]"], "phases.0.lrr: there is no such setting; did you"),
        (["phases=[{epochs: 40, zz: 2}]"], "image_size, synthesize, batch"),
        (["phases=[{epochs: 40, train: 3, lr: 1}]"], "phases.0.train=3: it should hold settings"),
        (["phases=[{epochs: 40, train: {epochs: 3}}]"], "phases.0.train.epochs: there is no such"),
        (["phases=[{epochs: 40, lr: 1, train: {lr: 2}}]"], "phases.0: lr is given twice"),
        (["phases=[{epochs: 40, schedule: {every: 2, evry: 2}}]"], "phases.0.train.schedule.evry"),
        (["phases=[{epochs: 40, nesterov: true, momentum: 0}]"], "phases.0: train.nesterov"),
    ],
)
def test_a_mistaken_override_is_told_with_its_key(arguments: list[str], expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve("joint/v4-l2", parse_overrides(arguments))
    message = str(caught.value)
    assert expected in message
    assert len(message.splitlines()) <= 2
    assert len(message) < 400


@pytest.mark.parametrize(
    "key", ["row", "study", "source", "title", "notes", "control_of", "constraint", "published"]
)
def test_what_identifies_a_recipe_cannot_be_overridden(key: str) -> None:
    known = "known: data, network, loss, train, phases, evaluation, transfer, weights, seed, seeds"
    for argument in (f"{key}=x", f"{key}.accuracy=1"):
        with pytest.raises(UsageError, match=f"^{key} cannot be overridden; {known}$"):
            resolve("joint/v4-l2", parse_overrides([argument]))


@pytest.mark.parametrize("key", ["", ".", "train..epochs", "train.", ".train", "1"])
def test_a_key_from_python_is_checked_as_one_from_the_command_line(key: str) -> None:
    with pytest.raises(UsageError, match="is not the name of a setting"):
        nest(key, 1)


def test_a_phase_may_change_part_of_what_it_inherits() -> None:
    phases = "phases=[{epochs: 20, nesterov: true}, {epochs: 20, optimizer: adam, lr: 1e-3}]"
    first, second = resolve("joint/v4-l2", parse_overrides([phases])).resolved_phases()
    assert (first.train.nesterov, first.train.momentum, first.train.lr) == (True, 0.9, 0.01)
    assert (second.train.optimizer, second.train.lr, second.train.batch_size) == ("adam", 1e-3, 32)


def test_whole_numbers_may_be_written_with_an_exponent() -> None:
    recipe = resolve("joint/v4-l2", parse_overrides(["train.epochs=1e3", "data.per_class=5e1"]))
    assert (recipe.train.epochs, recipe.data.per_class) == (1000, 50)
    assert recipe.train.schedule.every == 250, "refitted as for train.epochs=1000"


@pytest.mark.parametrize("name", ["joint/v9", "joints/v1", "v1", "", "../joint", "joint/"])
def test_a_row_that_is_not_there_is_answered_with_those_that_are(name: str) -> None:
    with pytest.raises(UsageError, match="there is no row") as caught:
        resolve(name)
    assert str(caught.value).count("joint/") <= 14


def test_a_misspelt_row_is_answered_with_the_nearest_first() -> None:
    with pytest.raises(UsageError) as caught:
        resolve("joint/v4-droput")
    assert "did you mean 'joint/v4-dropout'? (known: joint/v4-dropout, " in str(caught.value)
    assert ", …)" in str(caught.value)
    with pytest.raises(UsageError, match=r"did you mean 'joint/v4-l2'\?"):
        resolve("v4-l2")


def test_a_study_is_not_a_row_and_says_so() -> None:
    with pytest.raises(UsageError, match=r"^joint is a study; .*joint/v1, .*`wye list joint`"):
        resolve("joint")


def test_a_name_too_long_for_a_file_is_no_row() -> None:
    with pytest.raises(UsageError, match="there is no row") as caught:
        resolve("x" * 5000)
    assert len(str(caught.value)) < 500


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
    assert recipe.train.schedule == OneCycle()
    assert recipe.seeds == {"subset": 7}


def test_a_schedule_is_refitted_to_fewer_epochs() -> None:
    fitted = resolve("joint/v4-l2", parse_overrides(["train.epochs=10"]))
    assert (fitted.train.schedule.kind, fitted.train.schedule.warmup) == ("linear", 0)
    longer = resolve("joint/v4-l2", parse_overrides(["train.epochs=80"]))
    assert (longer.train.schedule.kind, longer.train.schedule.every) == ("step", 20)
    reached = recipe_from_row("joint/v4-l2", "short").train
    assert (reached.epochs, reached.schedule.kind, reached.schedule.every) == (13, "step", 10)
    kept = resolve("joint/v4-l2", parse_overrides(["train.epochs=10", "train.schedule.every=10"]))
    assert kept.train.schedule.every == 10


def test_phases_are_refitted_and_keep_what_is_theirs() -> None:
    recipe = resolve("joint/v4-two-phase-frozen", parse_overrides(["train.epochs=10"]))
    first, second = recipe.resolved_phases()
    assert (first.train.epochs, second.train.epochs) == (5, 5)
    assert first.train.schedule.kind == second.train.schedule.kind == "linear"
    assert (first.loss.alpha, first.loss.beta, first.train.lr) == (1, 1, 0.01)
    assert (second.loss.alpha, second.loss.beta, second.train.lr) == (1, 0, 0.001)
    assert first.freeze == ("classifier",)
    assert second.freeze == ("encoder", "decoder")
    with pytest.raises(UsageError, match="2 phases of at least one epoch each"):
        resolve("joint/v4-two-phase", parse_overrides(["train.epochs=1"]))


@pytest.mark.parametrize(("epochs", "kind"), [(8, "linear"), (11, "linear"), (12, "plateau")])
def test_a_plateau_that_cannot_act_in_the_time_becomes_a_fall(epochs: int, kind: str) -> None:
    """With a patience of 10 the first reduction is after epoch 11 at the earliest."""
    recipe = resolve("pretrain/cnn", parse_overrides([f"train.epochs={epochs}"]))
    assert recipe.train.schedule.kind == kind
    (phase,) = recipe_from_row("pretrain/transfer", "short").resolved_phases()
    assert (phase.train.epochs, phase.train.schedule.kind) == (8, "linear")


def test_rates_of_the_encoder_are_given_once() -> None:
    with pytest.raises(UsageError, match=r"train\.first_lr and train.encoder_lr both"):
        resolve("joint/v4", parse_overrides(["train.first_lr=0.001", "train.encoder_lr=0.001"]))


def test_a_corruption_of_the_decoder_needs_both_branches() -> None:
    noisy = ["data.corrupt=noise(0.1)", "data.corrupt_in=decoder"]
    with pytest.raises(UsageError, match=r"network\.classifier is none"):
        resolve("autoencoders/conv-strided", parse_overrides(noisy))


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
    file.write_text("a: " + "[" * 20_000)
    with pytest.raises(UsageError, match="nested too deeply"):
        resolve(str(file))
    file.write_bytes(b"title: \xff")
    with pytest.raises(UsageError, match="is not YAML"):
        resolve(str(file))
    file.write_text("a: 1\n" + "# \n" * 400_000)
    with pytest.raises(UsageError, match="larger than 1 MB"):
        resolve(str(file))


NAMES = {"own": True, "a/b-1.2+c_d": True, "Größe/été": True, "v1..2": False, "../a": False}
NAMES |= {"a//b": False, "/a": False, "a/": False, "a b": False, "a/./b": False, "": False}


@pytest.mark.parametrize(("name", "good"), NAMES.items())
def test_a_row_is_called_by_a_name_that_can_be_a_folder(
    tmp_path: Path, name: str, good: bool
) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(f'row: "{name}"\nencoder: "C(8)"\nclassifier: "L\'(10)"\n')
    if good:
        assert resolve(str(file)).row == name
    else:
        with pytest.raises(UsageError, match="joined by single slashes"):
            resolve(str(file))


def test_a_recipe_file_may_be_called_anything(tmp_path: Path) -> None:
    file = tmp_path / "my recipe (2)..yaml"
    file.write_text('encoder: "C(8)"\nclassifier: "L\'(10)"\n')
    assert resolve(str(file)).row == "my-recipe-2"


def test_a_folder_of_images_has_a_row_of_its_own(tmp_path: Path) -> None:
    recipes = []
    for name in ("cats & dogs", "..x"):
        (tmp_path / name / "cat").mkdir(parents=True)
        recipes.append(resolve(str(tmp_path / name), {"seed": 3}))
    first, second = recipes
    assert (first.row, second.row) == ("own/cats-dogs", "own/x")
    assert first.title == f"Images of {tmp_path / 'cats & dogs'}"
    assert (first.study, first.source, first.notes, first.published) == (None, None, (), {})
    assert (first.data.name, first.seed) == (str(tmp_path / "cats & dogs"), 3)
    assert first.network == recipe_from_row(FOLDER_ROW).network


def test_a_run_folder_stands_for_its_recipe(tmp_path: Path) -> None:
    stored = resolve("joint/v4-two-phase", {"train": {"lr": 0.02}})
    text = yaml.safe_dump(stored.model_dump(mode="json"))
    (tmp_path / "recipe.yaml").write_text(text)
    assert resolve(str(tmp_path)) == stored
    changed = resolve(str(tmp_path), parse_overrides(["train.epochs=10", "loss.gamma=0.1"]))
    assert (changed.row, changed.train.lr, changed.loss.gamma) == (stored.row, 0.02, 0.1)
    assert [phase.epochs for phase in changed.phases] == [5, 5]


def test_a_cosine_schedule_has_its_own_settings() -> None:
    recipe = resolve("joint/v4-l2", parse_overrides(["train.schedule={kind: cosine, end: 100}"]))
    assert (recipe.train.schedule.warmup, recipe.train.schedule.end) == (0, 100)
    with pytest.raises(UsageError, match="a cosine schedule has no 'factor'; it has: warmup, end"):
        resolve("joint/v4-l2", parse_overrides(["train.schedule={kind: cosine, factor: 0.1}"]))
    step = resolve("joint/v4-l2", parse_overrides(["train.schedule=step"])).train.schedule
    assert (step.every, step.factor) == (10, 0.1)


def test_every_setting_says_what_it_is() -> None:
    models: list[type[BaseModel]] = [Recipe]
    for model in models:
        assert issubclass(model, Settings)
        assert set(model.meanings()) == set(model.model_fields), model.__name__
        for field in model.model_fields.values():
            inner = model_of(field)
            models += [inner] if inner and inner not in models else []
    assert len(models) >= 9
