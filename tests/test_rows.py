"""Every row of every study is built and trained, each of its phases, on generated images."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from wye.data import DATASETS
from wye.data.download import UnavailableError
from wye.data.images import DataSet, Images
from wye.data.sources import load
from wye.data.transforms import pipeline
from wye.errors import WyeError
from wye.network.describe import describe
from wye.recipe import Recipe, recipe_from_row, resolve
from wye.recipe.overrides import validated
from wye.runs.launch import Launch, launch
from wye.runs.run import Run
from wye.runs.setup import set_up
from wye.studies import load_study, row_names, row_settings, studies
from wye.training import Trainer

EACH = 3
"""Images of a class: in batches of 8 enough for the two steps of an epoch."""


@pytest.fixture(scope="module")
def shapes() -> DataSet:
    """The first images of each class of `shapes`."""
    whole = load("shapes")
    parts = []
    for part, each in ((whole.train, EACH), (whole.test, 2)):
        chosen = [(part.labels == label).nonzero().flatten()[:each] for label in range(10)]
        parts.append(part.take(torch.cat(chosen)))
    return DataSet("shapes", whole.classes, *parts)


def like(shapes: DataSet, name: str) -> DataSet:
    """`shapes` in the form and with the class names of the data set called `name`."""
    source = DATASETS[name]
    channels, side, _ = source.shape
    resize = pipeline(f"resize({side})" + (" > grey" if channels == 1 else ""))

    def changed(images: Images) -> Images:
        pixels = resize(images.pixels, torch.Generator())[:, :channels]
        if pixels.dtype != torch.uint8:
            pixels = pixels.mul(255).round().clamp(0, 255).to(torch.uint8)
        return Images(pixels.contiguous(), images.labels)

    return DataSet(name, source.classes, changed(shapes.train), changed(shapes.test))


@pytest.fixture
def small(shapes: DataSet, monkeypatch: pytest.MonkeyPatch, in_empty_folder: Path) -> None:
    """Whatever data set a recipe names, its images are the few of `shapes`."""
    monkeypatch.setattr("wye.runs.setup.load", lambda name, **_: like(shapes, name))


def shortened(recipe: Recipe) -> Recipe:
    """The recipe with an epoch a phase, native image size and weights that need no download."""
    settings = recipe.model_dump()
    phases = [
        {**p, "epochs": 1, "train": {k: v for k, v in p["train"].items() if k != "batch_size"}}
        for p in settings["phases"]
    ]
    train = {**settings["train"], "batch_size": 8, "epochs": max(1, len(phases))}
    train["steps"] = 2
    data = {**settings["data"], "limit": dict.fromkeys(settings["data"]["limit"], EACH - 1)}
    if data["view"]:
        data |= {"view": "", "augment": ""}
    evaluation = {**settings["evaluation"], "watch_test": False, "judge": "none"}
    changed = {"phases": phases, "train": train, "data": data, "evaluation": evaluation}
    return validated({**settings, **changed, "weights": "random"})


def train(recipe: Recipe) -> dict[str, torch.Tensor]:
    """Every phase of a recipe, checking that the figures are numbers and that the parts learn.

    Returns:
        The weights and statistics.
    """
    setup = set_up(recipe)
    before = {name: value.clone() for name, value in setup.network.named_parameters()}
    trainer = Trainer(recipe, setup.network, setup.data, setup.streams, features=setup.features)
    records = list(trainer.epochs())
    assert len(records) == max(1, len(recipe.phases))
    assert trainer.steps_done >= 2 * len(records)
    for record in records:
        assert all(math.isfinite(value) for value in record.train.values())
    after = dict(setup.network.named_parameters())
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    phases = recipe.resolved_phases()
    free = {part for p in phases for part in setup.network.parts if part not in p.freeze}
    for part, terms in (("decoder", ("beta", "delta", "phi")), ("classifier", ("alpha",))):
        if any(getattr(p.loss, term) > 0 for p in phases for term in terms):
            assert any(name.startswith(part) for name in moved), f"the {part} doesn't learn"
    if "encoder" in free:
        assert any(name.startswith("encoder") for name in moved), "the encoder doesn't learn"
    return setup.network.state_dict()


def trained() -> list[str]:
    """All rows but those of a grid of which each two levels have met in an earlier row."""
    met: set[frozenset[tuple[str, str]]] = set()
    rows = []
    for name, study in studies().items():
        for row, entry in study.rows.items():
            factors = entry.get("factors", {})
            pairs = {frozenset(pair) for pair in combinations(factors.items(), 2)}
            if not factors or not pairs <= met:
                rows.append(f"{name}/{row}")
            met |= pairs
    return rows


TRAINED = trained()


@pytest.mark.parametrize("row", [row for row in row_names() if row not in TRAINED])
def test_every_other_row_is_ready_to_train(row: str, small: None) -> None:
    recipe = shortened(recipe_from_row(row))
    setup = set_up(recipe)
    trainer = Trainer(recipe, setup.network, setup.data, setup.streams, features=setup.features)
    assert trainer.current.steps == 2 and len(trainer.phases) == max(1, len(recipe.phases))
    assert {"encoder", "decoder", "classifier"} <= set(describe(setup.network).parameters())


@pytest.mark.parametrize("row", TRAINED)
def test_every_row_trains_to_the_same_bits_each_time(row: str, small: None) -> None:
    recipe = shortened(recipe_from_row(row))
    if recipe.transfer is None:
        first, again = train(recipe), train(recipe)
        assert [name for name in first if not torch.equal(first[name], again[name])] == []
        return
    run, again = (
        launch(Launch(recipe=recipe, out=Path(out), device="cpu", max_steps=1))
        for out in ("run", "again")
    )
    assert run.result is not None and run.result["status"] == "truncated"
    first, second = ((each.path / "model.safetensors").read_bytes() for each in (run, again))
    assert first == second
    source = Run(Path("runs") / recipe.transfer.row / "seed-0")
    assert source.recipe.row == recipe.transfer.row
    assert source.recipe.data.limit == recipe.data.limit


@pytest.mark.parametrize("row", row_names())
def test_every_row_takes_another_data_set(row: str) -> None:
    """Nothing in a row ties it to the names of its own classes."""
    recipe = resolve(row, {"data": {"name": "shapes"}})
    assert not recipe.data.classes and not recipe.data.limit
    assert recipe.loss.class_weights in ("none", "balanced")


def test_a_row_that_is_added_to_a_study_file_needs_no_code(small: None, tmp_path: Path) -> None:
    path = Path(str(tmp_path)) / "made-up.yaml"
    path.write_text(
        """
title: A made-up study
source: {id: S9, where: nowhere}
shared:
  data: {name: cifar10, normalize: none}
  train: {epochs: 1, batch_size: 8, lr: 0.01}
rows:
  first: {source: S9-1, encoder: "C(8)", classifier: "L'(classes)", published: {accuracy: 0.5}}
  second:
    source: S9-2
    like: first
    encoder: "C'(8) > Y(4) > C(8)"
    classifier: "J > G > L'(classes)"
    data: {limit: {bird: 5}, balance: weighted, augment: flip}
    loss: {delta: 0.5, class_weights: balanced}
"""
    )
    among = {"made-up": load_study(path)}
    for row in ("first", "second"):
        recipe = validated(row_settings(f"made-up/{row}", among))
        assert (recipe.row, recipe.study) == (f"made-up/{row}", "made-up")
        train(recipe)


# Transcribed from the texts, apart from the study files: what each of the 87 systems printed.
S0 = (
    *(58.95, 59.58, 60.76, 58.50, 59.79, 59.94, 80.11, 77.72, 82.69, 84.11, 79.92, 77.36, 82.95),
    *(83.80, 79.23, 78.72, 80.63, 81.51, 79.25, 79.30, 81.17, 81.38, 82.92, 83.56, 85.69, 82.99),
    *(82.89, 76.66, 85.69, 84.01, 84.56, 85.27, 93.58, 93.49, 93.99, 93.61, 96.65, 96.46, 96.79),
    *(96.69, 82.27, 96.11, 95.49, 80.19, 96.44, 83.29, None, 82.03, 96.07, 82.79, 60.16, 55.37),
    *(None, None),
)
PUBLISHED: dict[str, dict[str, float | None]] = {
    **{
        f"S0-{number:02d}": {"accuracy": None if value is None else value / 100}
        for number, value in enumerate(S0, start=1)
    },
    "S1-1": {"accuracy": 0.73, "macro_f1": 0.73},
    "S1-2": {"psnr": 17.416, "ssim": 0.526},
    "S1-3": {"accuracy": 0.76, "macro_f1": 0.76},
    "S1-4": {"psnr": 27.825, "ssim": 0.944},
    "S1-5": {"accuracy": 0.82, "macro_f1": 0.82},
    "S1-6": {"accuracy": None},
    "S2-1": {"accuracy": 0.9791},
    "S2-2": {"train_loss": 0.51627},
    "S2-3": {"accuracy": 0.9712},
    **{f"S3-{number}": {} for number in range(1, 11)},
    "S4-01": {"judge_accuracy": 0.9912},
    "S4-02": {"mae": None, "mse": 0.000854, "judge_accuracy": 0.9900},
    "S4-03": {"mae": 0.011906, "mse": 0.001174, "judge_accuracy": 0.9870},
    "S4-04": {"mae": 0.011891, "mse": 0.001168, "judge_accuracy": 0.9877},
    "S4-05": {"mae": 0.018001, "mse": 0.003003, "judge_accuracy": 0.9804},
    "S4-06": {"mae": 0.018034, "mse": 0.003589, "judge_accuracy": 0.9654},
    "S4-07": {"mae": 0.075097, "mse": 0.011058, "judge_accuracy": 0.9886},
    "S4-08": {"judge_accuracy": 0.8179},
    "S4-09": {"mae": 0.046274, "mse": 0.004345, "judge_accuracy": 0.4558},
    "S4-10": {"mae": 0.046642, "mse": 0.004385, "judge_accuracy": 0.4759},
    "S4-11": {"mae": 0.046132, "mse": 0.004310, "judge_accuracy": 0.4608},
    "S4-12": {"mae": 0.076558, "mse": 0.011385, "judge_accuracy": 0.2333},
    "S4-13": {"mae": 0.075097, "mse": 0.011058, "judge_accuracy": 0.2236},
    "S4-14": {"mae": 0.046206, "mse": 0.004301, "judge_accuracy": 0.6209},
}
MINUTES = {
    **{"S4-02": (24, 43), "S4-03": (27, 40), "S4-04": (24, 44), "S4-05": (25, 12)},
    **{"S4-06": (25, 30), "S4-07": (26, 52), "S4-09": (23, 47), "S4-10": (27, 6)},
    **{"S4-11": (23, 5), "S4-12": (24, 12), "S4-13": (26, 6), "S4-14": (28, 34)},
}
CORRECTED = {
    "S4-02": {"mae": 0.0102},
    "S4-07": {"mae": 0.011859, "mse": 0.001169},
    "S4-09": {"train_seconds": 20 * 60 + 27},
}


def test_each_of_the_87_systems_is_one_faithful_row_with_its_published_figures() -> None:
    recipes = [recipe_from_row(row) for row in row_names()]
    sources = Counter(recipe.source for recipe in recipes if recipe.source)
    assert sources == Counter(PUBLISHED.keys())
    assert sum(sources.values()) == 87
    for recipe in recipes:
        if recipe.source is None:
            assert not recipe.published and not recipe.corrected
            continue
        wanted = dict(PUBLISHED[recipe.source])
        if recipe.source in MINUTES:
            minutes, seconds = MINUTES[recipe.source]
            wanted["train_seconds"] = 60 * minutes + seconds
        assert recipe.published == pytest.approx(wanted), recipe.row
        assert recipe.corrected == CORRECTED.get(recipe.source, {}), recipe.row
        assert (
            recipe.study
            == {
                **{"S0": "joint", "S1": "pretrain", "S2": "fashion5"},
                **{"S3": "autoencoders", "S4": "practices"},
            }[recipe.source[:2]]
        )


def test_a_row_without_a_source_says_what_it_is() -> None:
    """Of our own, or the corrected or matched form of a faithful row of the same study."""
    for name, study in studies().items():
        for row in study.rows:
            recipe = recipe_from_row(f"{name}/{row}")
            if recipe.source is None and study.source is not None:
                assert recipe.control_of in study.rows, recipe.row
                assert recipe_from_row(f"{name}/{recipe.control_of}").source, recipe.row
                assert recipe.notes[len(study.notes) :], recipe.row


@pytest.mark.parametrize("judge", ["none", "practices/original-cifar"])
def test_weights_that_cannot_be_had_end_a_run_with_one_message(
    judge: str, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(url: str) -> Callable[[Path], Path]:
        def obtain(folder: Path) -> Path:
            raise UnavailableError("no network")

        return obtain

    monkeypatch.setattr("wye.network.weight_files.https", unreachable)
    recipe = resolve("practices/pretrained-cifar", {"evaluation": {"judge": judge}})
    with pytest.raises(WyeError) as caught:
        launch(Launch(recipe=recipe, out=Path("run"), device="cpu", max_steps=2))
    message = str(caught.value)
    assert "resnet34-" in message and "weights=PATH" in message and "weights=random" in message
    assert ("evaluation.judge=none" in message) == (judge != "none")
    assert not list(Path().rglob("recipe.yaml"))


def test_study_files_hold_nothing_that_yaml_reads_twice() -> None:
    """A key that stands twice in a mapping silently loses its first value."""

    class Strict(yaml.SafeLoader):
        pass

    def mapping(loader: Strict, node: yaml.MappingNode) -> dict[object, object]:
        keys = [loader.construct_object(key) for key, _ in node.value]
        assert len(set(keys)) == len(keys), f"{sorted(map(str, keys))} {node.start_mark}"
        return {
            key: loader.construct_object(v, deep=True)
            for key, (_, v) in zip(keys, node.value, strict=True)
        }

    Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    folder = Path(__file__).parent.parent / "src" / "wye" / "studies"
    for path in folder.glob("*.yaml"):
        yaml.load(path.read_text(), Loader=Strict)


PHASES = {
    "practices/original-cifar": [("lr", 0.003, 0.00174, 0.001), ("encoder_lr", 0.0003, None, None)],
    "practices/original-mnist": [("lr", 0.003, 0.001, 0.001), ("encoder_lr", 0.0003, None, None)],
    "joint/v4-two-phase-frozen": [("lr", 0.01, 0.001)],
    "joint/v4-two-phase": [("lr", 0.01, 0.01)],
}


@pytest.mark.parametrize("row", PHASES)
def test_rates_of_the_phases_are_those_of_the_study(row: str) -> None:
    phases = recipe_from_row(row).resolved_phases()
    for key, *expected in PHASES[row]:
        assert [getattr(phase.train, key) for phase in phases] == expected


SETTINGS = {
    "practices/original-cifar": {"train.freeze_norms": "none", "train.drop_last": True},
    "practices/pretrained-mnist": {"train.freeze_norms": "affine", "train.drop_last": True},
    "practices/baseline-cifar": {"train.drop_last": True},
    "pretrain/cnn": {
        "train.drop_last": True,
        "train.eps": 1e-7,
        "train.schedule.min_delta": 1e-4,
        "network.norm_momentum": 0.01,
        "network.norm_eps": 1e-3,
    },
    "pretrain/autoencoder": {"train.optimizer": "rmsprop", "train.eps": 1e-7},
    "pretrain/transfer-all-frozen": {"transfer.row": "pretrain/autoencoder-augmented"},
    "autoencoders/conv-strided-bn": {"train.eps": 1e-7, "network.norm_momentum": 0.01},
    "autoencoders/denoising": {"evaluation.corrupt": "noise(1.0)"},
    "fashion5/autoencoder": {"evaluation.corrupt": "noise(1)"},
    "when/denoising-50-clean-even": {"data.corrupt_in": "decoder"},
    "joint/v4": {"train.drop_last": False, "train.freeze_norms": "all", "train.eps": None},
}


@pytest.mark.parametrize("row", SETTINGS)
def test_settings_are_those_of_the_study(row: str) -> None:
    settings = flat(recipe_from_row(row).model_dump())
    for key, expected in SETTINGS[row].items():
        assert settings[key] == expected, key


def flat(settings: dict[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in settings.items():
        inner = flat(value, f"{before}{key}.") if isinstance(value, dict) else {}
        found |= inner or {f"{before}{key}": value}
    return found


def test_the_procedure_of_the_notebook_is_followed() -> None:
    recipe = recipe_from_row("joint/v4-two-phase-frozen")
    first, second = recipe.resolved_phases()
    assert (first.loss.alpha, first.loss.beta, first.freeze) == (1, 1, ("classifier",))
    assert (second.loss.beta, second.freeze) == (0, ("encoder", "decoder"))
    assert recipe.loss.gamma == 0 and "D(" not in recipe.network.classifier
    assert recipe.network.classifier.count("C(64)") + recipe.network.classifier.count("C'(64)") == 3


def test_dropout_stands_where_the_text_has_it() -> None:
    line = recipe_from_row("joint/v4-dropout-conv").network.classifier
    assert line == "C'(32) > D(0.3) > C(64) > D(0.3) > C(64) > L(512) > L(128) > L'(10)"


def test_the_dense_layers_are_all_that_differs() -> None:
    with_, without, flat_ = (
        recipe_from_row(f"autoencoders/conv-{name}-equal")
        for name in ("dense", "no-dense", "dense-flat")
    )
    assert with_.network.encoder == f"{without.network.encoder} > C'(32, k=1) > C'(32, k=1)"
    assert with_.network.decoder == without.network.decoder
    assert flat_.network.encoder == f"{without.network.encoder} > L(1024)"
    assert flat_.network.decoder == f"L(2048) > R(32x8x8) > {without.network.decoder}"
    assert with_.train == without.train == flat_.train


def test_controls_of_when_differ_in_what_they_control_alone() -> None:
    def of(arm: str) -> Recipe:
        return recipe_from_row(f"when/{arm}-50-clean-even", "short")

    first, half, whole = of("autoencoder-first"), of("classifier-half"), of("classifier")
    labelled = [phase.train for phase in first.resolved_phases() if phase.loss.alpha]
    steps = sum((each.steps or 0) * each.epochs for each in labelled)
    assert steps == (half.train.steps or 0) * half.train.epochs
    assert 2 * steps == (whole.train.steps or 0) * whole.train.epochs
    noisy, clean = of("classifier-noise"), of("denoising")
    assert noisy.data.corrupt == clean.data.corrupt
    assert (noisy.data.corrupt_in, clean.data.corrupt_in) == ("training", "decoder")
    assert noisy.loss.beta == 0
