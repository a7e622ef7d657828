"""The loop and its parts against plain PyTorch."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from wye.data.batches import evaluation_batches, steps_per_epoch, training_batches
from wye.data.images import DataSet, Images
from wye.data.prepare import Prepared, prepare
from wye.errors import TrainingError, UsageError
from wye.network import Network, build_network
from wye.recipe import Recipe
from wye.recipe.schedules import ScheduleSettings
from wye.recipe.schema import DataSettings, TrainSettings
from wye.streams import STREAMS, Streams
from wye.training import Trainer
from wye.training.freezing import freeze, hold_statistics
from wye.training.optimizers import OPTIMIZERS, build_optimizer
from wye.training.schedules import Schedule


def tiny_set(count: int = 60, classes: int = 3) -> DataSet:
    """Images whose mean brightness tells the class."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % classes
    noise = torch.randint(0, 60, (count, 3, 8, 8), generator=generator)
    pixels = (noise + 70 * labels.view(-1, 1, 1, 1)).to(torch.uint8)
    images = Images(pixels, labels)
    return DataSet("tiny", tuple("abc"[:classes]), images, images.take(torch.arange(30)))


def recipe(**settings: Any) -> Recipe:
    base: dict[str, Any] = {
        "row": "test/tiny",
        "data": {"validation": 0.2, "augment": "flip > crop(1)"},
        "network": {"encoder": "C(4)", "classifier": "L(8) > D(0.3) > L'(3)"},
        "train": {"epochs": 3, "batch_size": 7, "lr": 0.05, "momentum": 0.9},
    }
    for key, value in settings.items():
        base[key] = {**base.get(key, {}), **value} if isinstance(value, dict) else value
    return Recipe.model_validate(base)


def trainer(settings: Recipe, **options: Any) -> Trainer:
    streams = Streams(settings.seed, settings.seeds)
    data = prepare(tiny_set(), settings.data, streams)
    with streams.applied("weights"):
        network = build_network(settings.network, data.shape, len(data.classes))
    return Trainer(settings, network, data, streams, **options)


def weights(network: nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten().float() for value in network.state_dict().values()])


def test_steps_equal_plain_pytorch() -> None:
    """Two steps of the objective of study S0, gamma and weight decay included, by hand."""
    settings = recipe(
        data={"normalize": "imagenet"},
        network={"classifier": "L(8) > L'(3)"},
        loss={"alpha": 1, "beta": 0.5, "gamma": 0.01},
        train={"weight_decay": 1e-2, "epochs": 1},
    )
    ours = trainer(settings, max_steps=2)
    plain = trainer(settings)
    network, batches = plain.network, training_batches(plain.data, 7, plain.streams, 1)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-2)
    for _, batch in zip(range(2), batches, strict=False):
        optimizer.zero_grad()
        latent = network.encoder(batch.inputs)
        entropy = F.cross_entropy(network.classifier(latent), batch.labels)
        error = ((network.decoder(latent) - batch.inputs) ** 2).mean()
        squares = sum((parameter**2).sum() for parameter in network.parameters()) / 2
        (entropy + 0.5 * error + 0.01 * squares).backward()
        optimizer.step()
    list(ours.epochs())
    torch.testing.assert_close(weights(ours.network), weights(network))


def test_reported_terms_are_means_over_images() -> None:
    settings = recipe(network={"classifier": "L'(3)"}, train={"epochs": 1, "lr": 1e-12})
    ours = trainer(settings)
    record = next(ours.epochs())
    images = ours.data.validation
    assert images is not None
    assert record.validation is not None
    inputs = ours.data.inputs.apply(images.pixels)
    output = ours.network.eval()(inputs)
    expected = F.cross_entropy(output.logits, images.labels).item()
    assert record.validation["classification"] == pytest.approx(expected, rel=1e-5)
    expected = F.mse_loss(output.reconstruction, inputs).item()
    assert record.validation["reconstruction"] == pytest.approx(expected, rel=1e-5)
    right = (output.logits.argmax(1) == images.labels).float().mean().item()
    assert record.validation["accuracy"] == pytest.approx(right)


def test_it_learns() -> None:
    ours = trainer(recipe(train={"epochs": 25}))
    records = list(ours.epochs())
    assert records[-1].validation is not None
    assert records[-1].validation["accuracy"] > 0.9
    assert records[-1].train["reconstruction"] < records[0].train["reconstruction"]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_restored_trainer_ends_with_the_same_weights(optimizer: str, done: int) -> None:
    settings = recipe(
        data={"corrupt": "noise(0.1)"},
        train={
            "optimizer": optimizer,
            "lr": 0.003,
            "epochs": 4,
            "schedule": {"kind": "plateau", "patience": 1, "factor": 0.5},
        },
        phases=[
            {"epochs": 2, "loss": {"alpha": 0}},
            {"epochs": 2, "freeze": ["encoder[0]"], "lr": 0.002},
        ],
    )
    through = trainer(settings)
    list(through.epochs())
    stopped = trainer(settings)
    for _, _ in zip(range(done), stopped.epochs(), strict=False):
        pass
    resumed = trainer(settings)
    resumed.restore(stopped.state())
    list(resumed.epochs())
    assert torch.equal(weights(resumed.network), weights(through.network))
    assert not torch.equal(weights(stopped.network), weights(through.network))


def test_beta_zero_leaves_the_decoder_and_reports_its_error() -> None:
    ours = trainer(recipe(loss={"beta": 0}))
    before = weights(ours.network.decoder).clone()
    encoder = weights(ours.network.encoder).clone()
    record = next(ours.epochs())
    assert torch.equal(weights(ours.network.decoder), before)
    assert not torch.equal(weights(ours.network.encoder), encoder)
    assert record.train["reconstruction"] > 0
    assert record.train["loss"] == pytest.approx(record.train["classification"], rel=1e-5)


def test_beta_does_not_change_what_the_classifier_is_fed() -> None:
    """Order, augmentation, dropout and first weights are the same in both arms of a pair."""
    first = {}
    for beta in (0, 1):
        ours = trainer(recipe(loss={"beta": beta}), max_steps=1)
        record = next(ours.epochs())
        first[beta] = record.train["classification"]
    assert first[0] == first[1]


def test_frozen_parts_keep_their_weights_and_statistics() -> None:
    settings = recipe(
        network={"encoder": "C(4, bn=before) > C(4, bn=before)"},
        train={"epochs": 1},
        phases=[{"epochs": 1, "freeze": ["encoder[0]"]}],
    )
    ours = trainer(settings)
    before = {key: value.clone() for key, value in ours.network.state_dict().items()}
    next(ours.epochs())
    after = ours.network.state_dict()
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert not {key for key in changed if key.startswith("encoder.layers.0.")}
    assert any(key.startswith("encoder.layers.1.") for key in changed)


def frozen_names(network: Network, *targets: str) -> set[str]:
    freeze(network, targets)
    return {name for name, value in network.named_parameters() if not value.requires_grad}


def test_freezing_by_part_and_by_index() -> None:
    network = trainer(recipe(network={"encoder": "C(4) > C(4) > C'(4)"})).network
    everything = {name for name, _ in network.named_parameters()}
    encoder = {name for name in everything if name.startswith("encoder")}
    assert frozen_names(network, "encoder") == encoder
    two = {name for name in encoder if not name.startswith("encoder.layers.2")}
    assert frozen_names(network, "encoder[0:2]") == frozen_names(network, "encoder[:2]") == two
    assert frozen_names(network, "encoder[2]") == frozen_names(network, "encoder[2:]")
    assert frozen_names(network, "encoder[2]") == encoder - two
    assert frozen_names(network) == set()
    for wrong in ("enc", "encoder[9]", "encoder[0:9]", "encoder[]", "encoder[2:1]"):
        with pytest.raises(UsageError, match="freeze"):
            freeze(network, [wrong])


def test_dropout_of_a_frozen_part_stays_active() -> None:
    network = trainer(recipe()).network.train()
    hold_statistics(freeze(network, ["classifier"]))
    assert all(module.training for module in network.classifier.modules())


@pytest.mark.parametrize(
    ("settings", "reference"),
    [
        (
            {"every": 2, "factor": 0.1},
            lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=20, gamma=0.1),
        ),
        (
            {"kind": "one-cycle"},
            lambda o: torch.optim.lr_scheduler.OneCycleLR(
                o,
                max_lr=0.5,
                total_steps=61,
                pct_start=18 / 60,
                div_factor=25,
                final_div_factor=1e4,
            ),
        ),
        ("constant", lambda o: torch.optim.lr_scheduler.ConstantLR(o, factor=1)),
    ],
)
def test_schedules_agree_with_pytorch(settings: Any, reference: Any) -> None:
    ours = Schedule(ScheduleSettings.model_validate(settings), 0.5, epochs=6, steps=10)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    theirs = reference(optimizer)
    for step in range(60):
        expected = optimizer.param_groups[0]["lr"]
        # PyTorch's cycle turns one step before the share that it is given.
        tolerance = 0.02 if "one-cycle" in str(settings) else 1e-9
        assert ours.rate(step) == pytest.approx(expected, abs=tolerance)
        optimizer.step()
        theirs.step()


def test_a_linear_schedule_rises_and_falls_straight() -> None:
    schedule = ScheduleSettings.model_validate({"kind": "linear", "warmup": 0.2})
    rates = [Schedule(schedule, 1.0, epochs=2, steps=50).rate(step) for step in range(100)]
    assert max(rates) == pytest.approx(1, abs=0.03)
    assert rates.index(max(rates)) in (19, 20)
    rises = {b - a for a, b in itertools.pairwise(rates[:20])}
    falls = {b - a for a, b in itertools.pairwise(rates[20:])}
    assert max(rises) == pytest.approx(min(rises))
    assert max(falls) == pytest.approx(min(falls))
    assert 0 < rates[-1] < 0.02
    assert 0 < rates[0] < 0.05


def test_plateau_agrees_with_pytorch() -> None:
    settings = ScheduleSettings.model_validate(
        {"kind": "plateau", "patience": 3, "factor": 0.3, "cooldown": 0, "floor": 0.01}
    )
    ours = Schedule(settings, 0.5, epochs=50, steps=1)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    # Keras (and study S1) acts on the third epoch without improvement, PyTorch on the one after.
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.3, patience=2, threshold=0, min_lr=0.01
    )
    generator = torch.Generator().manual_seed(1)
    for epoch in range(50):
        figure = 1 / (1 + epoch) + 0.1 * torch.rand((), generator=generator).item()
        ours.epoch_done(figure)
        theirs.step(figure)
        assert ours.rate(0) == pytest.approx(optimizer.param_groups[0]["lr"])
    assert ours.rate(0) < 0.5


def test_early_stopping_ends_a_phase_and_not_the_run() -> None:
    settings = recipe(
        train={"epochs": 14, "lr": 1e-12, "early_stopping": 3},
        phases=[{"epochs": 7}, {"epochs": 7, "lr": 0.01, "early_stopping": None}],
    )
    records = list(trainer(settings).epochs())
    assert [record.phase for record in records] == ["phase 1"] * 4 + ["phase 2"] * 7
    assert records[0].best


class OneWeight(nn.Module):
    """A network of one weight, for optimisers."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 1, 12).view(3, 4))


@pytest.mark.parametrize("name", sorted(set(OPTIMIZERS) - {"muon"}))
def test_optimisers_agree_with_pytorch(name: str) -> None:
    settings = TrainSettings(optimizer=name, lr=0.01, weight_decay=0.1)
    if name in ("sgd", "rmsprop"):
        settings = settings.model_copy(update={"momentum": 0.9})
    kind = {
        "sgd": torch.optim.SGD,
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "adagrad": torch.optim.Adagrad,
        "rmsprop": torch.optim.RMSprop,
    }[name]
    options = {"momentum": 0.9} if name in ("sgd", "rmsprop") else {}
    module = OneWeight()
    ours, theirs = module.weight, OneWeight().weight
    first = build_optimizer(module, settings)  # type: ignore[arg-type]
    second = kind([theirs], lr=0.01, weight_decay=0.1, foreach=False, **options)
    for _ in range(3):
        for parameter, optimizer in ((ours, first), (theirs, second)):
            optimizer.zero_grad()
            (parameter**3).sum().backward()
            optimizer.step()
    torch.testing.assert_close(ours, theirs)


def test_muon_turns_filters_by_an_orthogonal_step_and_leaves_the_rest_to_adamw() -> None:
    settings = TrainSettings(optimizer="muon", lr=0.1, others_lr=0.02, momentum=0.6)
    network = trainer(recipe(network={"encoder": "C(16) > C(16)"})).network
    optimizer = build_optimizer(network, settings)
    filters = network.encoder.layers[1].layer.weight
    bias = network.encoder.layers[1].layer.bias
    decoder = next(network.decoder.parameters())
    before = {id(p): p.detach().clone() for p in (filters, bias, decoder)}
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    optimizer.step()
    start = before[id(filters)]
    step = (start * 16**0.5 / start.norm() - filters).detach() / 0.1
    singular = torch.linalg.svdvals(step.reshape(16, -1))
    assert singular.min() > 0.4
    assert singular.max() < 1.4
    for parameter in (bias, decoder):  # AdamW's first step has the size of its rate
        moved = (before[id(parameter)] - parameter.detach()).abs()
        torch.testing.assert_close(moved, torch.full_like(moved, 0.02), rtol=0.01, atol=1e-4)


def test_norms_and_biases_can_be_spared_from_weight_decay() -> None:
    network = trainer(recipe(network={"encoder": "C(4, bn=before)"})).network
    settings = TrainSettings(weight_decay=0.1, decay_norms=False)
    groups = build_optimizer(network, settings).param_groups
    for group in groups:
        for parameter in group["params"]:
            assert group["weight_decay"] == (0.1 if parameter.ndim > 1 else 0.0)
    assert sum(len(group["params"]) for group in groups) == len(list(network.parameters()))


def test_divergence_ends_in_a_message() -> None:
    with pytest.raises(TrainingError, match=r"diverged in epoch 1.*lower than 1e\+10"):
        list(trainer(recipe(train={"lr": 1e10})).epochs())


def test_max_steps_counts_over_epochs_and_phases() -> None:
    ours = trainer(recipe(), max_steps=9)
    assert len(list(ours.epochs())) == 2
    assert ours.truncated
    assert ours.steps_done == 9


@pytest.mark.parametrize(
    ("images", "batch", "steps"), [(10, 4, 3), (9, 4, 2), (8, 4, 2), (1, 4, 1)]
)
def test_a_last_batch_of_one_image_is_left_out(images: int, batch: int, steps: int) -> None:
    assert steps_per_epoch(images, batch) == steps


def epoch_of(data: Prepared, streams: Streams, epoch: int) -> tuple[torch.Tensor, torch.Tensor]:
    batches = list(training_batches(data, 7, streams, epoch))
    return (
        torch.cat([batch.inputs for batch in batches]),
        torch.cat([batch.labels for batch in batches]),
    )


def test_streams_can_be_varied_one_by_one() -> None:
    settings = DataSettings(validation=0.2, augment="flip > crop(1)", per_class=10)
    seen = {}
    for name in ("none", *STREAMS):
        streams = Streams(0, {} if name == "none" else {name: 9})
        data = prepare(tiny_set(), settings, streams)
        seen[name] = (data.train.pixels, *epoch_of(data, streams, 1))
    base = seen["none"]
    for name in ("subset", "split"):
        assert not torch.equal(seen[name][0], base[0])
    for name in ("weights", "order", "augmentation", "noise"):
        assert torch.equal(seen[name][0], base[0])
    assert not torch.equal(seen["order"][2], base[2])
    assert torch.equal(seen["augmentation"][2], base[2])
    assert not torch.equal(seen["augmentation"][1], base[1])
    assert torch.equal(seen["weights"][1], base[1])


def test_epochs_differ_and_repeat_from_their_number_alone() -> None:
    streams = Streams(3)
    data = prepare(tiny_set(), DataSettings(augment="flip"), streams)
    first, again, second = (epoch_of(data, streams, epoch) for epoch in (1, 1, 2))
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[1], second[1])


def test_a_split_keeps_the_shares_of_the_classes_and_loses_no_image() -> None:
    data = prepare(tiny_set(), DataSettings(validation=0.25), Streams(0))
    assert data.validation is not None
    assert torch.bincount(data.validation.labels).tolist() == [5, 5, 5]
    assert torch.bincount(data.train.labels).tolist() == [15, 15, 15]
    parts = torch.cat([data.train.pixels, data.validation.pixels]).flatten(1)
    assert {tuple(row) for row in parts.tolist()} == {
        tuple(row) for row in tiny_set().train.pixels.flatten(1).tolist()
    }


def test_dataset_normalisation_is_that_of_the_training_part() -> None:
    data = prepare(tiny_set(), DataSettings(validation=0.2), Streams(0))
    inputs = data.inputs.apply(data.train.pixels)
    assert inputs.mean((0, 2, 3)).abs().max() < 1e-5
    assert (inputs.std((0, 2, 3), unbiased=False) - 1).abs().max() < 1e-5
    restored = data.inputs.undo(inputs)
    torch.testing.assert_close(restored, data.train.pixels.float() / 255, atol=1e-6, rtol=0)


def test_imagenet_normalisation_of_grey_images_is_the_mean_of_the_channels() -> None:
    data = prepare(tiny_set(), DataSettings(normalize="imagenet", channels=1), Streams(0))
    assert data.shape == (1, 8, 8)
    assert data.inputs.mean.item() == pytest.approx((0.485 + 0.456 + 0.406) / 3)


def test_a_corruption_reaches_the_input_alone_and_is_fixed_in_evaluation() -> None:
    streams = Streams(0)
    data = prepare(tiny_set(), DataSettings(corrupt="noise(0.5)", normalize="none"), streams)
    batch = next(training_batches(data, 60, streams, 1))
    assert ((batch.inputs - batch.targets).std() - 0.5).abs() < 0.05
    first, again = (
        next(evaluation_batches(data, data.test, 30, streams, "test")) for _ in range(2)
    )
    assert torch.equal(first.inputs, again.inputs)
    torch.testing.assert_close(first.targets, data.test.pixels.float() / 255)


def test_preparation_changes_every_image_once() -> None:
    data = prepare(tiny_set(), DataSettings(prepare="resize(12) > centre(10)"), Streams(0))
    assert data.shape == (3, 10, 10)
    assert data.test.pixels.shape[1:] == (3, 10, 10)
    assert data.test.pixels.dtype == torch.uint8


def test_a_unit_target_is_the_image_itself() -> None:
    data = prepare(tiny_set(), DataSettings(normalize="imagenet", target="unit"), Streams(0))
    batch = next(training_batches(data, 5, Streams(0), 1))
    assert 0 <= batch.targets.min() < batch.targets.max() <= 1
    assert batch.inputs.min() < 0
    assert math.isclose(data.targets.range[1], 1)


def test_a_phase_may_train_on_smaller_images() -> None:
    settings = recipe(
        network={"classifier": "G(max) > L'(3)"},
        train={"epochs": 2},
        phases=[{"epochs": 1, "image_size": 4}, {"epochs": 1}],
    )
    ours = trainer(settings)
    seen: list[tuple[int, ...]] = []
    ours.network.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
    list(ours.epochs())
    steps = ours.steps
    assert {shape[2:] for shape in seen[:steps]} == {(4, 4)}
    assert {shape[2:] for shape in seen[steps:]} == {(8, 8)}


def test_phases_that_carry_on_are_one_training() -> None:
    schedule = {"kind": "linear", "warmup": 0.3}
    whole = trainer(recipe(train={"epochs": 4, "schedule": schedule}))
    parts = recipe(
        train={"epochs": 4, "schedule": schedule},
        phases=[{"epochs": 1}, {"epochs": 2, "carry_on": True}, {"epochs": 1, "carry_on": True}],
    )
    split = trainer(parts)
    rates = [[record.lr for record in one.epochs()] for one in (whole, split)]
    assert rates[0] == rates[1]
    assert torch.equal(weights(whole.network), weights(split.network))
    resumed = trainer(parts)
    stopped = trainer(parts)
    for _, _ in zip(range(2), stopped.epochs(), strict=False):
        pass
    resumed.restore(stopped.state())
    list(resumed.epochs())
    assert torch.equal(weights(resumed.network), weights(whole.network))
    with pytest.raises(ValueError, match="carry_on has no train settings"):
        recipe(phases=[{"epochs": 1}, {"epochs": 2, "carry_on": True, "lr": 1.0}])


@pytest.mark.parametrize("end", [1e6, 100.0, 1.0])
def test_a_cosine_schedule_agrees_with_pytorch(end: float) -> None:
    settings = ScheduleSettings.model_validate({"kind": "cosine", "end": end})
    ours = Schedule(settings, 0.5, epochs=6, steps=10)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=60, eta_min=0.5 / end)
    for step in range(60):
        assert ours.rate(step) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-9)
        optimizer.step()
        theirs.step()


def test_a_cosine_schedule_may_begin_with_a_ramp() -> None:
    settings = ScheduleSettings.model_validate({"kind": "cosine", "warmup": 0.2})
    schedule = Schedule(settings, 1.0, epochs=2, steps=50)
    rates = [schedule.rate(step) for step in range(100)]
    assert rates[:20] == pytest.approx([(step + 0.5) / 20 for step in range(20)])
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert rates[59] + rates[60] == pytest.approx(1.0, abs=1e-5), "half-way down in the middle"
    assert 0 < rates[-1] < 1e-3


def test_single_classes_can_be_limited_and_made_up_for() -> None:
    settings = DataSettings(validation=0.2, limit={"b": 10})
    data = prepare(tiny_set(), settings, Streams(0))
    assert torch.bincount(data.train.labels).tolist() == [16, 8, 16]
    balanced = prepare(
        tiny_set(), settings.model_copy(update={"balance": "oversample"}), Streams(0)
    )
    assert torch.bincount(balanced.train.labels).tolist() == [16, 16, 16]
    # Every image is still there, those of the small class exactly twice, and none held out is.
    rows = balanced.train.pixels.flatten(1)
    _, counts = rows[balanced.train.labels == 1].unique(dim=0, return_counts=True)
    assert counts.tolist() == [2] * 8
    assert data.validation is not None
    held = {tuple(row) for row in data.validation.pixels.flatten(1).tolist()}
    assert not held & {tuple(row) for row in rows.tolist()}
    with pytest.raises(UsageError, match=r"data.limit: no class 'd'; known: a, b, c"):
        prepare(tiny_set(), DataSettings(limit={"d": 1}), Streams(0))


def test_oversampling_repeats_as_evenly_as_it_can() -> None:
    """Every class is filled to the largest; no image stands two times more often than another."""
    labels = torch.tensor([0] * 10 + [1] * 4 + [2] * 7)
    pixels = torch.arange(21, dtype=torch.uint8).view(21, 1, 1, 1).expand(21, 1, 4, 4).contiguous()
    images = Images(pixels, labels)
    dataset = DataSet("uneven", ("a", "b", "c"), images, images)
    data = prepare(dataset, DataSettings(validation=0, balance="oversample"), Streams(1))
    assert torch.bincount(data.train.labels).tolist() == [10, 10, 10]
    times = torch.bincount(data.train.pixels[:, 0, 0, 0].int(), minlength=21)
    assert times[:10].tolist() == [1] * 10
    assert set(times[10:14].tolist()) == {2, 3}
    assert set(times[14:].tolist()) == {1, 2}
