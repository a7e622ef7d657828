"""The loop: its steps against plain PyTorch, phases, freezing, stopping, going on."""

from __future__ import annotations

import copy
import subprocess
import sys
from typing import Any, Literal, get_args

import pytest
import torch
import torch.nn.functional as F
from tiny import tiny_set
from torch import nn

from wye.data.batches import training_batches
from wye.data.prepare import prepare
from wye.errors import TrainingError, UsageError
from wye.network import Network, build_network
from wye.network.freezing import freeze, hold_statistics
from wye.recipe import Recipe, resolve
from wye.recipe.schema import TrainSettings
from wye.runs.setup import set_up
from wye.streams import Streams
from wye.training import Trainer
from wye.training.optimizers import build_optimizer


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


@pytest.mark.parametrize("optimizer", get_args(TrainSettings.model_fields["optimizer"].annotation))
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


def test_after_the_last_phase_a_resumed_network_is_frozen_as_it_was() -> None:
    """What can be trained is counted in the result, whenever the run was killed."""
    settings = recipe(train={"epochs": 1}, phases=[{"epochs": 1, "freeze": ["encoder"]}])
    ours, resumed = trainer(settings), trainer(settings)
    next(ours.epochs())
    resumed.network.requires_grad_(True)
    resumed.restore(ours.state())
    learn = [[p.requires_grad for p in each.network.parameters()] for each in (ours, resumed)]
    assert learn[0] == learn[1] and not all(learn[0])


@pytest.mark.parametrize(
    ("norms", "moves", "learns"),
    [("all", False, False), (True, False, False), ("affine", True, False), (False, True, True)],
)
def test_batch_norm_in_frozen_layers_is_held_as_it_is_said(
    norms: Any, moves: bool, learns: bool
) -> None:
    """Keras holds all of it, PyTorch's requires_grad the scale and shift, fastai nothing."""
    settings = recipe(
        network={"encoder": "C(4, bn=before) > C(4, bn=before)"},
        train={"epochs": 1, "freeze_norms": norms},
        phases=[{"epochs": 1, "freeze": ["encoder[0]"]}],
    )
    ours = trainer(settings)
    layer = ours.network.encoder.layers[0]
    convolution, norm = layer[0], next(m for m in layer if isinstance(m, nn.BatchNorm2d))
    before = copy.deepcopy([convolution.weight, norm.running_mean, norm.weight])
    next(ours.epochs())
    same = [
        torch.equal(a, b)
        for a, b in zip(before, [convolution.weight, norm.running_mean, norm.weight], strict=True)
    ]
    assert same == [True, not moves, not learns]


def test_the_encoder_may_learn_at_a_rate_of_its_own() -> None:
    ours = trainer(recipe(train={"lr": 0.03, "encoder_lr": 0.003}))
    rates = {
        id(parameter): group["scale"] * 0.03
        for group in ours.current.optimizer.param_groups
        for parameter in group["params"]
    }
    for name, parameter in ours.network.named_parameters():
        expected = 0.003 if name.startswith("encoder.") else 0.03
        assert rates[id(parameter)] == pytest.approx(expected)


@pytest.mark.parametrize(("drop_last", "steps"), [(False, 7), (True, 6)])
def test_an_epoch_may_leave_out_its_last_batch(drop_last: bool, steps: int) -> None:
    """48 images in batches of 7 are 6 full ones and one of 6."""
    ours = trainer(recipe(train={"epochs": 1, "drop_last": drop_last}))
    assert len(ours.data.train) == 48
    next(ours.epochs())
    assert ours.steps_done == ours.current.steps == steps


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


def test_early_stopping_ends_a_phase_and_not_the_run() -> None:
    settings = recipe(
        train={"epochs": 14, "lr": 1e-12, "early_stopping": 3},
        phases=[{"epochs": 7}, {"epochs": 7, "lr": 0.01, "early_stopping": None}],
    )
    records = list(trainer(settings).epochs())
    assert [record.phase for record in records] == ["phase 1"] * 4 + ["phase 2"] * 7
    assert records[0].best


@pytest.mark.parametrize(("row", "bound"), [("joint/v2", 0.02), ("wye/quick", 0.6)])
def test_bf16_stays_near_fp32(row: str, bound: float) -> None:
    """Losses within 1 %, and what five steps change within a bound.

    Muon asks for the direction of each step alone, which is noise where a gradient is near zero:
    its bound is wide.
    """
    data = {"name": "shapes", "per_class": 8, "validation": 0}
    settings = resolve(row, {"data": data, "train": {"batch_size": 16, "epochs": 1}, "phases": []})
    found = {}
    for precision in ("fp32", "bf16"):
        ready = set_up(settings)
        start = weights(ready.network)
        of = (ready.network, ready.data, ready.streams)
        [record] = Trainer(settings, *of, max_steps=5, precision=precision).epochs()
        found[precision] = start, weights(ready.network), record.train
    (start, exact, terms), (_, rounded, near) = found["fp32"], found["bf16"]
    for term in ("classification", "reconstruction"):
        assert near[term] == pytest.approx(terms[term], rel=0.01) and near[term] != terms[term]
    assert 0 < (rounded - exact).norm() < bound * (exact - start).norm()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_muon_turns_filters_by_an_orthogonal_step_and_leaves_the_rest_to_adamw(
    precision: Literal["fp32", "bf16"],
) -> None:
    settings = TrainSettings(
        optimizer="muon", lr=0.1, others_lr=0.02, momentum=0.6, precision=precision
    )
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
    steps = ours.current.steps
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


def test_discriminative_rates_rise_evenly_over_the_layers() -> None:
    """As fastai's slice(a, b): the first layer at a, the branches at b."""
    network = {"encoder": "C'(4) > C'(4) > C(4)", "classifier": "L'(3)"}
    settings = recipe(network=network, train={"lr": 0.1, "first_lr": 1e-4})
    ours = trainer(settings)
    rates = {
        id(parameter): group["scale"] * settings.train.lr
        for group in ours.current.optimizer.param_groups
        for parameter in group["params"]
    }
    for index, layer in enumerate(ours.network.encoder.layers):
        for parameter in layer.parameters():
            assert rates[id(parameter)] == pytest.approx(10.0 ** (index - 4))
    for part in (ours.network.decoder, ours.network.classifier):
        assert part is not None
        assert all(rates[id(parameter)] == pytest.approx(0.1) for parameter in part.parameters())


def test_a_backbone_counts_block_by_block_for_discriminative_rates() -> None:
    network = {"encoder": "resnet34 > G(both)", "decoder": "none", "classifier": "L'(3)"}
    settings = recipe(network=network, loss={"beta": 0}, train={"lr": 0.01, "first_lr": 1e-6})
    ours = trainer(settings)
    scales = {
        id(parameter): group["scale"]
        for group in ours.current.optimizer.param_groups
        for parameter in group["params"]
    }
    blocks = ours.network.encoder.layers[0].blocks
    assert len(blocks) == 8
    for index, block in enumerate(blocks):
        for parameter in block.parameters():
            assert scales[id(parameter)] == pytest.approx(10.0 ** (-4 + index / 2))
    assert ours.network.classifier is not None
    assert all(scales[id(p)] == 1 for p in ours.network.classifier.parameters())


def test_a_cycle_moves_rate_and_momentum_of_the_optimiser() -> None:
    schedule = {"kind": "one-cycle", "momentum": [0.95, 0.85]}
    settings = recipe(
        train={"optimizer": "adamw", "lr": 0.003, "beta2": 0.99, "schedule": schedule}
    )
    ours = trainer(settings)
    seen = []
    step = ours.step

    def watched(*arguments: Any) -> Any:
        done = step(*arguments)
        group = ours.current.optimizer.param_groups[0]
        seen.append((group["lr"], *group["betas"]))
        return done

    ours.step = watched  # type: ignore[method-assign]
    list(ours.epochs())
    rates, momenta, second = zip(*seen, strict=True)
    assert max(rates) == pytest.approx(0.003, rel=0.05)
    assert rates.index(max(rates)) == momenta.index(min(momenta))
    assert momenta[0] == pytest.approx(0.95) and min(momenta) == pytest.approx(0.85, abs=0.005)
    assert set(second) == {0.99}
    with pytest.raises(UsageError, match=r"adagrad has no momentum"):
        trainer(recipe(train={"optimizer": "adagrad", "schedule": schedule}))


LATENT_SMOTE = {
    "data": {"limit": {"a": 4, "b": 9}},
    "phases": [
        {"epochs": 2, "loss": {"alpha": 0}},
        {"epochs": 2, "synthesize": "latent-smote"},
        {"epochs": 1, "lr": 0.01},
    ],
    "train": {"epochs": 5},
}


def test_latent_smote_fills_the_classes_up_with_decoded_images() -> None:
    ours = trainer(recipe(**LATENT_SMOTE))
    given = ours.data.train
    sizes = torch.bincount(given.labels)
    assert len(set(sizes.tolist())) == 3
    lengths = [len(ours.data.train) for _ in ours.epochs()]
    full = int(sizes.max()) * 3
    assert lengths == [len(given), full, full, full, full]
    assert torch.bincount(ours.data.train.labels).tolist() == [int(sizes.max())] * 3
    assert ours.data.train.pixels.dtype == torch.uint8
    assert torch.equal(ours.data.train.pixels[: len(given)], given.pixels)
    made = ours.data.train.pixels[len(given) :]
    assert len(made.unique(dim=0)) == len(made)
    assert ours.steps_done == 2 * -(-len(given) // 7) + 3 * -(-full // 7)


@pytest.mark.parametrize("done", [1, 2, 3, 4])
def test_a_run_with_made_up_images_goes_on_with_the_same_ones(done: int) -> None:
    settings = recipe(**LATENT_SMOTE)
    whole = trainer(settings)
    epochs = whole.epochs()
    for _ in range(done):
        next(epochs)
    state = copy.deepcopy(whole.state())
    list(epochs)
    resumed = trainer(settings)
    resumed.restore(state)
    list(resumed.epochs())
    assert torch.equal(weights(whole.network), weights(resumed.network))


def test_making_images_needs_a_decoder() -> None:
    network = {"encoder": "C(4)", "decoder": "none", "classifier": "L'(3)"}
    phases = [{"epochs": 3, "synthesize": "latent-smote"}]
    with pytest.raises(UsageError, match="latent-smote needs a decoder"):
        trainer(recipe(network=network, loss={"beta": 0}, phases=phases))


def test_the_first_step_loads_no_compiler() -> None:
    """Together they take two seconds, at every start of every run."""
    code = """
import sys
import torch
from wye.network.build import build_network
from wye.recipe.schema import NetworkSettings, TrainSettings
from wye.training.optimizers import build_optimizer

texts = {"encoder": "C'(4) > BN > C(4)", "decoder": "mirror", "classifier": "L'(classes)"}
network = build_network(NetworkSettings.model_validate(texts), (3, 8, 8), 2)
for kind in ("sgd", "adam", "adamw", "adagrad", "rmsprop", "muon"):
    settings = {"optimizer": kind, "lr": 0.1, "epochs": 1, "batch_size": 2}
    optimizer = build_optimizer(network, TrainSettings.model_validate(settings))
    network(torch.zeros(2, 3, 8, 8)).logits.sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    optimizer.load_state_dict(optimizer.state_dict())
print([name for name in ("torch._dynamo", "sympy") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
