"""Schedules and optimisers against those of PyTorch."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import nn

from wye.recipe.schedules import read_schedule
from wye.recipe.schema import TrainSettings
from wye.training.optimizers import build_optimizer
from wye.training.schedules import Schedule


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
                pct_start=19 / 61,
                div_factor=25,
                final_div_factor=1e4,
            ),
        ),
        ("constant", lambda o: torch.optim.lr_scheduler.ConstantLR(o, factor=1)),
    ],
)
def test_schedules_agree_with_pytorch(settings: Any, reference: Any) -> None:
    ours = Schedule(read_schedule(settings), 0.5, epochs=6, steps=10)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    theirs = reference(optimizer)
    for step in range(60):
        expected = optimizer.param_groups[0]["lr"]
        assert ours.rate(step) == pytest.approx(expected, abs=1e-9)
        optimizer.step()
        theirs.step()


def test_a_linear_schedule_rises_and_falls_straight() -> None:
    schedule = read_schedule({"kind": "linear", "warmup": 0.2})
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
    settings = read_schedule(
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


def test_a_plateau_ends_where_more_than_min_delta_is_gained() -> None:
    """Keras counts an epoch as better if it is so by more than 1e-4."""
    plateau = {"kind": "plateau", "patience": 2, "factor": 0.5, "min_delta": 0.1}
    ours = Schedule(read_schedule(plateau), 1.0, epochs=9, steps=1)
    rates = []
    for figure in (1.0, 0.95, 0.91, 0.5, 0.45, 0.39):
        ours.epoch_done(figure)
        rates.append(ours.rate(0))
    assert rates == [1.0, 1.0, 0.5, 0.5, 0.5, 0.5]


class OneWeight(nn.Module):
    """A network of one weight, for optimisers."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 1, 12).view(3, 4))


@pytest.mark.parametrize("eps", [None, 0.05])
@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "adagrad", "rmsprop"])
def test_optimisers_agree_with_pytorch(name: str, eps: float | None) -> None:
    settings = TrainSettings(optimizer=name, lr=0.01, weight_decay=0.1, eps=eps)
    if name in ("sgd", "rmsprop"):
        settings = settings.model_copy(update={"momentum": 0.9})
    kind = {
        "sgd": torch.optim.SGD,
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "adagrad": torch.optim.Adagrad,
        "rmsprop": torch.optim.RMSprop,
    }[name]
    options: dict[str, float] = {"momentum": 0.9} if name in ("sgd", "rmsprop") else {}
    if name == "rmsprop":
        options["alpha"] = 0.9  # Keras's
    if eps and name != "sgd":
        options["eps"] = eps
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


@pytest.mark.parametrize("end", [1e6, 100.0, 1.0])
def test_a_cosine_schedule_agrees_with_pytorch(end: float) -> None:
    settings = read_schedule({"kind": "cosine", "end": end})
    ours = Schedule(settings, 0.5, epochs=6, steps=10)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=60, eta_min=0.5 / end)
    for step in range(60):
        assert ours.rate(step) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-9)
        optimizer.step()
        theirs.step()


def test_a_cosine_schedule_may_begin_with_a_ramp() -> None:
    settings = read_schedule({"kind": "cosine", "warmup": 0.2})
    schedule = Schedule(settings, 1.0, epochs=2, steps=50)
    rates = [schedule.rate(step) for step in range(100)]
    assert rates[:20] == pytest.approx([(step + 0.5) / 20 for step in range(20)])
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert rates[59] + rates[60] == pytest.approx(1.0, abs=1e-5), "half-way down in the middle"
    assert 0 < rates[-1] < 1e-3


def test_cycled_momentum_agrees_with_pytorch() -> None:
    settings = read_schedule({"kind": "one-cycle", "momentum": [0.95, 0.85]})
    ours = Schedule(settings, 0.5, epochs=6, steps=10)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5, momentum=0.9)
    reference = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=0.5,
        total_steps=61,
        pct_start=19 / 61,
        base_momentum=0.85,
        max_momentum=0.95,
    )
    for step in range(60):
        wanted = optimizer.param_groups[0]["momentum"]
        assert ours.momentum(step) == pytest.approx(wanted, abs=1e-9), step
        optimizer.step()
        reference.step()
    assert Schedule(read_schedule("constant"), 0.5, 6, 10).momentum(3) is None


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_the_second_beta_is_handed_on(name: str) -> None:
    torch.manual_seed(0)
    settings = TrainSettings.model_validate({"optimizer": name, "lr": 0.1, "beta2": 0.9})
    ours, plain = nn.Linear(3, 2), nn.Linear(3, 2)
    plain.load_state_dict(ours.state_dict())
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]
    pairs = [
        (ours, build_optimizer(ours, settings)),  # type: ignore[arg-type]
        (plain, kind(plain.parameters(), lr=0.1, betas=(0.9, 0.9), weight_decay=0.0)),
    ]
    for _ in range(4):
        for layer, optimizer in pairs:
            optimizer.zero_grad()
            layer(torch.ones(1, 3)).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(ours.weight, plain.weight)
