"""Several processes that train one network, started by torchrun on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

import wye
from wye.batch import Batch, Shard
from wye.errors import UsageError
from wye.machine import Place, here
from wye.network.build import build_network
from wye.network.layers import bind_dropout, set_shard
from wye.recipe.overrides import validated
from wye.recipe.parts import LossSettings
from wye.recipe.schema import NetworkSettings
from wye.runs import Run, RunFolder
from wye.training.objective import Objective
from wye.training.ranks import ALONE, choose_device

pytestmark = pytest.mark.usefixtures("without_plots")

TOLERANCE = {"joint": 1e-5, "normalised": 1e-5, "noisy": 1e-4, "phases": 1e-2}
"""How far a tensor may be from the other's, in shares of its norm (and 1e-6 beyond), after a dozen
steps in fp32. Additions in another order are all that differs, but training amplifies it, so that
no two numbers of processes give the same weights after hundreds of steps. The images made in the
third recipe are rounded to whole pixels, which a last bit may tip."""

BASE: dict[str, Any] = {
    "row": "test/shared",
    "data": {"name": "shapes", "channels": 1, "per_class": 20, "augment": "flip > crop(2)"},
    "network": {"encoder": "C(4) > C(6)", "classifier": "L(16) > D(0.2) > L'(classes)"},
    # The 180 images make batches of 33 and a last one of 15: neither is even.
    "train": {"epochs": 2, "batch_size": 33, "lr": 0.05, "momentum": 0.9, "precision": "fp32"},
}
RECIPES: dict[str, dict[str, Any]] = {
    "joint": {
        "network": {"encoder": "C(4) > D(0.1) > C(6)"},
        "loss": {"gamma": 1e-3, "delta": 0.5, "label_smoothing": 0.1},
        "evaluation": {"watch_test": True},
    },
    "normalised": {
        "data": {"imbalance": 2.0},
        "network": {
            "encoder": "C(6, bn=pooled) > C'(6, bn=before)",
            "decoder": "U(2) > C'(6, bn=before) > C'(1, act=none)",
            "classifier": "L(16, bn=before) > D(0.3) > L'(classes)",
        },
        "loss": {"class_weights": "balanced"},
        "train": {"unlabelled": 7, "lr": 0.01},
        "evaluation": {"selection": "best"},
    },
    "noisy": {
        "data": {"corrupt": "noise(0.2)", "corrupt_in": "decoder"},
        "network": {"encoder": "C(6, bn=before) > C(6)", "classifier": "L(16) > L'(classes)"},
        "loss": {"delta": 0.5},
        "train": {"unlabelled": 7, "lr": 0.01},
    },
    "phases": {
        "network": {"encoder": "C(4, bn=before) > C(6)"},
        "data": {"imbalance": 2.0},
        "train": {
            "epochs": 6,
            "lr": 0.01,
            "momentum": 0.0,
            "schedule": {"kind": "plateau", "patience": 1, "factor": 0.5},
        },
        "phases": [
            {"name": "autoencoder", "epochs": 1, "loss": {"alpha": 0}},
            {"name": "all", "epochs": 4, "synthesize": "latent-smote"},
            {"name": "head", "epochs": 1, "freeze": ["encoder"], "loss": {"beta": 0}},
        ],
    },
}
"""What each recipe of the comparison adds to `BASE`."""


def settings(**changes: Any) -> dict[str, Any]:
    merged = {key: {**BASE.get(key, {}), **value} for key, value in changes.items() if key in BASE}
    return {**BASE, **changes, **merged}


def torchrun(*command: str) -> subprocess.Popen[str]:
    """Start two processes of one thread each."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return subprocess.Popen(
        [*launcher, "--nproc-per-node", "2", *command],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def assert_close(first: Run, second: Run, tolerance: float) -> None:
    ours, theirs = first.weights(), second.weights()
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        if value.is_floating_point():
            distance = float((value - theirs[name]).norm())
            assert distance < tolerance * float(value.norm()) + 1e-6, name
        else:
            assert torch.equal(value, theirs[name]), name


SCRIPT = """
import json, os, sys, wye
from wye.recipe.overrides import validated

for name, settings in json.loads(sys.argv[1]).items():
    run = wye.train(validated(settings), out=name)
    got = json.dumps(run.result["test"]["accuracy"])
    open(f"got-{name}-{os.environ['RANK']}", "w").write(got)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working folder of all trainings here."""
    before, place = Path.cwd(), tmp_path_factory.mktemp("shared")
    os.chdir(place)
    yield place
    os.chdir(before)


@pytest.fixture(scope="module")
def together(folder: Path) -> None:
    """Every recipe carried out by two processes."""
    (folder / "script.py").write_text(SCRIPT)
    wanted = {f"two-{name}": settings(**changes) for name, changes in RECIPES.items()}
    process = torchrun("script.py", json.dumps(wanted))
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors


@pytest.mark.usefixtures("together")
@pytest.mark.parametrize("name", RECIPES)
def test_two_processes_train_what_one_does(name: str) -> None:
    one = wye.train(validated(settings(**RECIPES[name])), out=f"one-{name}")
    two = Run(f"two-{name}")
    assert_close(one, two, TOLERANCE[name])
    assert one.result is not None and two.result is not None
    assert (one.result["processes"], two.result["processes"]) == (1, 2)
    assert len(two.environment["devices"]) == two.environment["processes"] == 2
    assert two.result["steps"] == one.result["steps"]
    for alone, shared in zip(one.metrics, two.metrics, strict=True):
        assert shared.keys() == alone.keys()
        for part in {"train", "validation", "test"} & alone.keys():
            assert shared[part] == pytest.approx(alone[part], rel=10 * TOLERANCE[name])
    for rank in (0, 1):
        got = json.loads(Path(f"got-{two.path}-{rank}").read_text())
        assert got == two.result["test"]["accuracy"]
    assert sum(event["event"] == "finished" for event in two.folder.journal.events()) == 1


@pytest.mark.usefixtures("together")
def test_a_run_goes_on_after_one_of_its_processes_was_killed(folder: Path) -> None:
    (folder / "long.yaml").write_text(yaml.safe_dump(settings(**RECIPES["phases"])))
    command = ["-m", "wye", "train", "long.yaml", "--out", "long", "--json"]
    process = torchrun(*command)
    killed, run = 0, Path("long")
    while not killed:
        assert process.poll() is None, process.communicate()
        events = RunFolder(run).journal.events()
        killed = events[-1]["pid"] if len(events) > 2 else 0
        time.sleep(0.02)
    os.kill(killed, signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == 1
    assert not (run / "result.json").exists()
    process = torchrun(*command, "--resume")
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert json.loads(output) == Run(run).result
    events = Run(run).folder.journal.events()
    assert [event["event"] for event in events if event["event"] != "epoch"] == [
        "claimed",
        "claimed",
        "resumed",
        "finished",
    ]
    assert errors.count(" 6/6 ") == 1
    kept = (Path("two-phases") / "model.safetensors").read_bytes()
    assert (run / "model.safetensors").read_bytes() == kept


def test_a_mistake_is_told_once(folder: Path) -> None:
    (folder / "mistaken.yaml").write_text(yaml.safe_dump(settings(train={"batch_size": 1})))
    process = torchrun("-m", "wye", "train", "mistaken.yaml", "--out", "mistaken")
    output, errors = process.communicate(timeout=60)
    lines = [line for line in errors.splitlines() if line.startswith("wye: ")]
    assert lines == [
        "wye: train.batch_size=1 is of all processes together, and there are 2; it should be at"
        " least that"
    ]
    # torchrun ends in a traceback and a status of its own, and tells that of the process.
    assert errors.count("Traceback (most recent call last)") == 1
    assert "exitcode  : 2 " in errors and "exitcode  : 1 " not in errors
    assert process.returncode == 1
    assert not Path("mistaken").exists() and not output


def whole(images: int, labelled: int) -> Batch:
    generator = torch.Generator().manual_seed(images)
    inputs = torch.rand(images, 3, 8, 8, generator=generator)
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    targets = torch.rand(images, 3, 8, 8, generator=generator)
    return Batch(inputs, targets, torch.randint(0, 4, (labelled,), generator=generator))


@pytest.mark.parametrize("ranks", [2, 3, 5])
@pytest.mark.parametrize(("images", "labelled"), [(7, 7), (12, 7), (9, 8), (4, 4)])
def test_the_parts_of_a_batch_add_up_to_its_terms_and_gradients(
    images: int, labelled: int, ranks: int
) -> None:
    network = build_network(
        NetworkSettings.model_validate(
            {
                "encoder": "C(5) > D(0.3)",
                "decoder": "mirror",
                "classifier": "L(6) > D(0.5) > L'(classes)",
            }
        ),
        (3, 8, 8),
        4,
    ).train()
    objective = Objective(
        LossSettings(alpha=2, beta=3, gamma=0.1, delta=1, label_smoothing=0.1),
        class_weights=torch.tensor([1.0, 2.0, 5.0, 0.5]),
    )
    batch = whole(images, labelled)

    def found(part: Shard | None) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        bind_dropout(network, torch.Generator().manual_seed(1))
        if part is not None:
            set_shard(network, part)
        network.zero_grad()
        terms, _ = objective(network, batch, torch.Generator().manual_seed(2), part)
        terms["loss"].backward()
        gradients = {name: each.grad for name, each in network.named_parameters()}
        return terms, {name: each for name, each in gradients.items() if each is not None}

    wanted = found(None)
    parts = [found(Shard.of(batch, rank, ranks)) for rank in range(ranks)]
    for kind in (0, 1):
        for name, value in wanted[kind].items():
            total = torch.stack([part[kind][name] for part in parts]).sum(0)
            torch.testing.assert_close(total, value, rtol=1e-5, atol=1e-6, msg=name)


def test_each_process_takes_a_device_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert here() == Place() and ALONE.shard_of(whole(4, 4)) is None
    for name, value in {"RANK": 3, "WORLD_SIZE": 4, "LOCAL_RANK": 1, "LOCAL_WORLD_SIZE": 2}.items():
        monkeypatch.setenv(name, str(value))
    assert here() == Place(3, 4, 1, 2)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert choose_device("auto") == choose_device("cuda") == torch.device("cuda:1")
    assert choose_device("cpu") == torch.device("cpu")
    for name in ("cuda:0", "mps", "gpu"):
        with pytest.raises(UsageError, match="should be auto, cpu or cuda"):
            choose_device(name)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(UsageError, match="2 processes here, and this machine has 1 CUDA"):
        choose_device("auto")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert choose_device("auto") == torch.device("cpu")


def test_other_commands_are_not_for_several_processes() -> None:
    started = {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"}
    done = subprocess.run(
        [sys.executable, "-m", "wye", "list"],
        env={**os.environ, **started},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr == "wye: torchrun is for wye train; start wye list without it\n"
