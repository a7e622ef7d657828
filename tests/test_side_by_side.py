"""How many runs go side by side where the user doesn't say."""

from __future__ import annotations

import pytest

from wye.jobs import local
from wye.jobs.local import MOST, workers_for
from wye.recipe.resolve import recipe_from_row, resolve
from wye.recipe.schema import Recipe


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of them, and cores for all."""
    monkeypatch.setattr(local, "cuda_devices", lambda: 2)
    monkeypatch.setattr(local, "cores", lambda: 64)


def seeds_of(row: str, count: int, **train: int) -> list[Recipe]:
    return [resolve(row, {"seed": seed, "train": train}) for seed in range(count)]


def test_a_cpu_takes_one_at_a_time() -> None:
    assert workers_for(seeds_of("joint/v4-l2", 20), "cpu") == 1


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize(
    ("device", "workers"), [("auto", 2 * MOST), ("cuda", 2 * MOST), ("cuda:1", MOST), ("cpu", 1)]
)
def test_small_networks_share_each_gpu_that_they_may_use(device: str, workers: int) -> None:
    assert workers_for(seeds_of("joint/v4-l2", 20), device) == workers


@pytest.mark.usefixtures("gpus")
def test_no_more_processes_than_runs_or_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    assert workers_for(seeds_of("joint/v4-l2", 3), "auto") == 3
    assert workers_for([], "auto") == 1
    monkeypatch.setattr(local, "cores", lambda: 4)
    assert workers_for(seeds_of("joint/v4-l2", 20), "auto") == 4


@pytest.mark.usefixtures("gpus")
def test_a_network_that_fills_a_gpu_has_it_for_itself() -> None:
    large = [recipe_from_row("practices/pretrained-cifar")] * 20
    assert workers_for(large, "auto") == 2
    assert workers_for([*large, *seeds_of("joint/v4-l2", 20)], "auto") == 2
    assert workers_for(seeds_of("joint/v4-l2", 20, batch_size=100_000), "auto") == 2


@pytest.mark.usefixtures("gpus")
def test_data_that_cannot_be_had_are_left_to_the_run_to_complain_of() -> None:
    missing = resolve("joint/v4-l2", {"data": {"name": "/nowhere/at/all"}})
    assert workers_for([missing] * 5, "auto") == 2
