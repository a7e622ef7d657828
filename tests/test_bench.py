"""Benchmarks measure what they say: the reference's mathematics, counts, goals, the page."""

from __future__ import annotations

import ast
import json
import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from imports import circle
from torch import Tensor
from typer.testing import CliRunner

import wye
from benchmarks import accuracy, airbench, limit, reference, speed
from benchmarks.__main__ import app
from benchmarks.accuracy import BOUNDS, QUICK_ROW, Extrapolated, Reached, Trained
from benchmarks.airbench import Airbench
from benchmarks.alternatives import ALONE, BUSY, WAYS, WYE, Alternatives, WayPace
from benchmarks.document import BENCHMARKS, Document, LeftOut, carry_out, find, page
from benchmarks.growth import Growth, write_folder
from benchmarks.limit import Limit
from benchmarks.peak import Peak
from benchmarks.reference import Faithful, Pace
from benchmarks.result import Goal, Repeats, Result
from benchmarks.seeds import Together
from benchmarks.settings import LeftOutError, Scale, Settings, carry_out_apart, carry_out_here
from benchmarks.small import Small
from wye import bench
from wye.apart import in_own_process, peak_memory
from wye.batch import Batch
from wye.cli.app import app as wye_app
from wye.data import shapes
from wye.data.images import DataSet
from wye.data.prepare import normalization
from wye.errors import MachineError, UsageError
from wye.network.layers import bind_dropout
from wye.recipe import recipe_from_row, resolve
from wye.training.loop import Trainer

TINY = Scale(
    steps=2,
    images=128,
    warm_up=1,
    seconds=0.001,
    cut=2,
    folder=20,
    rows=(3, 6),
    sides=(32,),
    predicted=90,
    profiled=1,
)
SETTINGS = Settings(
    device="cpu",
    precisions=("fp32",),
    data="shapes",
    repeats=1,
    seeds=2,
    scale=TINY,
    carry_out=carry_out_here,
)
KINDS: dict[str, type[Result]] = {
    "peak": Peak,
    "reference": Faithful,
    "alternatives": Alternatives,
    "accuracy": Reached,
    "fast94": Reached,
    "growth": Growth,
    "small": Small,
    "airbench": Airbench,
    "seeds": Together,
}


@pytest.fixture(scope="module")
def few_shapes() -> DataSet:
    """So few of the generated images that an epoch is a step or four."""
    train, test = shapes.generate()
    take = (train.take(torch.arange(128)), test.take(torch.arange(60)))
    return DataSet("shapes", tuple(shapes.SHAPES), *take)


@pytest.fixture(autouse=True)
def at_hand(few_shapes: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hand those few images out, without generating them each time; measure small peaks."""
    from wye.runs import setup

    known = setup.load

    def load(name: str, **more: Any) -> DataSet:
        return few_shapes if name == "shapes" else known(name, **more)

    for module in ("reference", "small", "airbench"):
        monkeypatch.setattr(f"benchmarks.{module}.load", load)
    monkeypatch.setattr("wye.runs.setup.load", load)
    monkeypatch.setattr("benchmarks.growth.TIMES", (1, 4))
    monkeypatch.setattr("benchmarks.seeds.cores", lambda: 2)
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    monkeypatch.setattr("benchmarks.peak.MATRICES", {"cpu": (64,)})
    monkeypatch.setattr("benchmarks.peak.CONVOLUTIONS", ((8, 8),))
    monkeypatch.setattr("benchmarks.peak.BATCH", {"cpu": 4})


def row_trainer() -> Trainer:
    return speed.trainer_of("joint/v4-l2", speed.plain("shapes"), 0, "fp32", "cpu")


def both_networks() -> tuple[Trainer, reference.V4]:
    """The row, ready to train, and the reference with the same weights."""
    trainer, plain = row_trainer(), reference.V4().train()
    next(trainer.begin_epoch(1))
    with torch.no_grad():
        for ours, theirs in zip(trainer.network.parameters(), plain.parameters(), strict=True):
            theirs.copy_(ours)
    return trainer, plain


def batches(count: int) -> Iterator[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    for _ in range(count):
        images = torch.randn(16, 3, 32, 32, generator=generator)
        yield images, torch.randint(0, 10, (16,), generator=generator)


def test_a_step_of_the_reference_is_a_step_of_the_row() -> None:
    """Loss, every gradient, and the weights after three steps of the optimisers."""
    trainer, plain = both_networks()
    rate = recipe_from_row("joint/v4-l2").train.lr
    optimizer = torch.optim.SGD(plain.parameters(), rate, momentum=0.9, weight_decay=1e-4)
    dropped = torch.Generator()
    bind_dropout(trainer.network, dropped)
    for step, (images, labels) in enumerate(batches(3)):
        batch = Batch(images, images, labels)
        dropped.manual_seed(step)
        terms, _ = trainer.current.objective(trainer.network, batch, torch.Generator())
        terms["loss"].backward()
        torch.manual_seed(step)  # the same units are dropped
        optimizer.zero_grad()
        loss = reference.loss_of(plain, images, labels)
        loss.backward()
        torch.testing.assert_close(terms["loss"], loss, rtol=1e-5, atol=0)
        parameters = zip(trainer.network.parameters(), plain.parameters(), strict=True)
        for ours, theirs in parameters:
            assert ours.grad is not None and theirs.grad is not None
            torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-6)
            ours.grad = None
        dropped.manual_seed(step)
        trainer.step(batch, rate)
        optimizer.step()
    for ours, theirs in zip(trainer.network.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_the_reference_shows_the_row_s_images_and_flips_half_of_them(few_shapes: DataSet) -> None:
    torch.manual_seed(0)
    images = few_shapes.train.take(torch.arange(60))
    wanted = normalization("imagenet", images.pixels).apply(images.pixels)
    given = reference.PerImage(images)
    flipped = 0
    for index, right in enumerate(wanted):
        seen, label = given[index]
        as_it_is, mirrored = (
            torch.allclose(seen, each, atol=1e-5) for each in (right, right.flip(2))
        )
        assert as_it_is or mirrored
        assert label == images.labels[index]
        flipped += mirrored
    assert 15 < flipped < 45


def test_the_recipe_of_the_reference_is_the_row_s() -> None:
    recipe = recipe_from_row("joint/v4-l2")
    train, loss = recipe.train, recipe.loss
    assert (train.lr, train.momentum, train.weight_decay) == (
        *(reference.LR, reference.MOMENTUM),
        reference.WEIGHT_DECAY,
    )
    assert (loss.alpha, loss.beta, loss.gamma) == (1, 1, reference.GAMMA)
    assert recipe.data.augment == "flip" and recipe.data.normalize == "imagenet"


def test_the_multiply_adds_of_a_step_are_those_of_its_layers() -> None:
    """By hand: `k² C_in C_out H W` of each convolution, three times, but no gradient of images."""
    first = 9 * 3 * 32 * 32**2
    others = 9 * 32 * 32 * 32**2 + 4 * 32 * 32 * 16**2 + 32 * 3 * 32**2  # C'(32) > C(32), decoder
    others += 9 * 32 * 32 * 16**2 + 9 * 32 * 64 * 16**2 + 9 * 64 * 64 * 8**2
    others += 1024 * 512 + 512 * 128 + 128 * 10
    batch = recipe_from_row("joint/v4-l2").train.batch_size
    assert speed.multiply_adds(row_trainer()) == batch * (2 * first + 3 * others)


@pytest.mark.parametrize("name", [name for name in BENCHMARKS if name != "limit"])
def test_every_benchmark_runs_in_a_tiny_form_or_says_why_not(name: str) -> None:
    try:
        result = find(name).measure(SETTINGS)
    except LeftOutError as error:
        assert name in ("fast94", "airbench")
        assert "\n" not in str(error)
        return
    assert_sound(result, KINDS[name])


def assert_sound(result: Result, kind: type[Result]) -> None:
    """Of its kind, written and read again without loss, and shown in whole tables."""
    assert isinstance(result, kind)
    assert kind.model_validate_json(result.model_dump_json()) == result
    for table in result.tables():
        assert table.rows and all(len(row) == len(table.headings) for row in table.rows)


def test_other_ways_are_compared_with_the_quickest_of_them() -> None:
    one, tensors, *_ = [way for way in WAYS if way != WYE]
    at = {(WYE, ALONE): 600.0, (one, ALONE): 200.0, (tensors, ALONE): 400.0, (one, BUSY): 50.0}
    found = Alternatives(
        others=4,
        versions={},
        paces=tuple(
            WayPace(way=way, place=place, batch_size=32, pace=Repeats.of([pace]))
            for (way, place), pace in at.items()
        ),
    )
    (goal,) = found.goals()  # nothing of Wye was measured busy, or at batch 128
    assert goal.measured == pytest.approx(1.5) and goal.met
    assert [row[:2] for row in found.tables()[0].rows] == [
        (WYE, "600"),
        (one, "200 (3.00)"),
        (tensors, "400 (1.50)"),
    ]
    assert found.tables()[0].rows[1] == (one, "200 (3.00)", "", "50.0")


def test_a_row_of_ours_may_take_a_benchmark_s_place() -> None:
    with pytest.raises(LeftOutError, match="no row wye/nothing"):
        find("wye/nothing").measure(SETTINGS)
    assert find("wye/quick").title == BENCHMARKS["accuracy"].title


def test_the_limit_weighs_phases_by_their_steps_and_shares_out_all_of_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limit, "ROWS", (QUICK_ROW, reference.ROW, "wye/nothing"))
    result = find("limit").measure(SETTINGS)
    assert isinstance(result, Limit)
    assert_sound(result, Limit)
    assert result.missing[-1] == "wye/nothing: there is no such row"
    quick = result.rows[0]
    assert [cost.image_size for cost in quick.phases] == [20, 24, 32]
    assert [cost.steps for cost in quick.phases] == [3 * 12, 2 * 12, 2 * 12]  # 6,000 by 512
    assert quick.phases[0].multiply_adds < quick.phases[1].multiply_adds
    work = sum(cost.steps * cost.multiply_adds for cost in quick.phases)
    seconds = sum(cost.steps * cost.step_seconds.median for cost in quick.phases)
    assert quick.share == pytest.approx(2 * work / seconds / 1e9 / result.peak["fp32"])
    for row in result.rows:
        for cost in row.phases:
            assert sum(cost.groups.values()) == pytest.approx(1)
            assert cost.groups["convolutions"] > 0 and cost.groups["optimiser"] > 0


def event(name: str, microseconds: float, above: Any = None) -> Any:
    return SimpleNamespace(name=name, self_cpu_time_total=microseconds, cpu_parent=above)


def test_operators_count_where_they_belong() -> None:
    data, step = event(speed.DATA, 1e4), event("Optimizer.step#Muon.step", 2e4)
    events = [
        *(data, event("aten::flip", 9e4, above=data)),
        *(step, event("aten::mm", 8e4, above=step)),
        *(event("aten::mm", 1e5), event("aten::convolution_backward", 2e5)),
        *(event("aten::native_batch_norm_backward", 5e4), event("aten::max_pool2d", 5e4)),
        *(event("aten::threshold_backward", 5e4), event("SomeBackward0", 1e4)),
    ]
    found = speed.shares(events, seconds=1.0, on_gpu=False)
    assert found == pytest.approx(
        {
            "convolutions": 0.2,
            "matrix products": 0.1,
            "batch norm": 0.05,
            "pooling": 0.05,
            "copies and casts": 0.0,
            "element-wise": 0.05,
            "optimiser": 0.1,
            "data and augmentation": 0.1,
            "other": 0.35,
        }
    )


def test_the_watch_counts_the_images_between_two_steps_over_epochs() -> None:
    watch = speed.Stopwatch(warm_up=1, steps=3, device=torch.device("cpu"))
    for step, seen in ((1, 512), (2, 640), (1, 512), (2, 640), (1, 512)):
        watch.step(0, step, 2, SimpleNamespace(images=seen))  # type: ignore[arg-type]
    assert watch.images == 128 + 512 + 128
    assert watch.seconds > 0


def test_what_is_compared_is_measured_in_turn() -> None:
    order: list[str] = []

    def measure(name: str) -> dict[str, Any]:
        order.append(name)
        return {}

    SETTINGS.alternately({"a": lambda: measure("a"), "b": lambda: measure("b")}, repeats=3)
    assert order == ["a", "b"] * 3


def test_seeds_at_once_begin_when_all_are_ready_and_are_told_their_share() -> None:
    threads: dict[int, list[int]] = {}

    def train(task: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
        assert task is speed.measure
        speed.meet(**arguments["meeting"], patience=20)
        count = arguments["meeting"]["count"]
        assert len(list(Path(arguments["meeting"]["folder"]).iterdir())) == count
        threads.setdefault(count, []).append(arguments["threads"])
        return {"images_per_second": 300.0 if count == 1 else 200.0}

    result = find("seeds").measure(replace(SETTINGS, carry_out=train))
    assert isinstance(result, Together)
    assert threads == {1: [2], 2: [1, 1]}
    assert (result.together.median, result.times) == (400.0, 1.5)
    assert not result.goals()
    (goal,) = result.model_copy(update={"on_cuda": True, "seeds": 8}).goals()
    assert goal.met


def test_who_waits_alone_gives_up(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="fewer than 2 processes"):
        speed.meet(str(tmp_path), 2, patience=0.05)


def test_goals_are_met_at_their_bounds_and_not_beyond() -> None:
    most = Goal(what="time", measured=60, wanted=60, tolerated=90, unit="s", at_most=True)
    assert most.met and most.verdict == "met"
    assert most.model_copy(update={"measured": 90}).verdict == "missed; within 90.0 s"
    assert most.model_copy(update={"measured": 90.1}).verdict == "missed"
    least = Goal(what="share", measured=0.5, wanted=0.5, unit="%")
    assert least.met and not least.model_copy(update={"measured": 0.4999}).met
    assert least.cells()[1:3] == ("≥ 50.00 %", "50.00 %")


def test_a_repeated_figure_is_its_median_with_both_ends() -> None:
    found = Repeats.of([3.0, 1.0, 2.0, 10.0])
    assert (found.median, found.least, found.greatest, found.n) == (2.5, 1.0, 10.0, 4)
    assert str(found) == "2.50 (1.00 to 10.0)"
    assert str(Repeats.of([1234.5])) == "1,234"


def reached(seconds: float) -> Reached:
    trained = [
        Trained(
            seed=seed,
            accuracy=0.85 + 0.01 * seed,
            psnr=33.0,
            psnr_pca=None,
            seconds=seconds,
            total_seconds=seconds + 20,
            peak_mb=1400,
        )
        for seed in range(3)
    ]
    return Reached(
        row="wye/quick",
        data="cifar10",
        precision="bf16",
        cut=None,
        trained=tuple(trained),
        seconds=Repeats.of([seconds] * 3),
        reference=Extrapolated(
            epoch=Repeats.of([130.0] * 5), epochs=40, seconds=5200.0, accuracy=0.8569
        ),
        ratio=5200.0 / seconds,
        wanted=BOUNDS["wye/quick"],
    )


def made_up(**changed: Any) -> Document:
    theirs, ours = Repeats.of([380, 390, 400]), Repeats.of([600, 700, 800])
    pace = Pace(batch_size=32, precision="fp32", reference=theirs, wye=ours, ratio=700 / 390)
    faithful = Faithful(data="cifar10", on_cpu=True, workers=2, paces=(pace,))
    document = {
        "machine": {
            **{"processor": "Abacus 2", "cores": 2, "threads": 2, "memory_gb": 8.0},
            **{"platform": "Linux", "device": "cpu", "device_name": "Abacus 2"},
        },
        "versions": {"wye": "0.1.0", "commit": None, "torch": "2.13.0"},
        "date": "2026-01-02T03:04:05+00:00",
        "repeats": 5,
        "quick": False,
        "data": "cifar10",
        "load": {"start": (0.1, 0.2, 0.3), "end": (2.1, 2.2, 2.3)},
        "seconds": 1800.0,
        "results": {"reference": faithful, "accuracy": reached(75.0)},
        "left_out": [LeftOut(name="airbench", reason="there is no CUDA GPU here")],
    }
    return Document(**{**document, **changed})


def test_the_page_says_what_was_missed_where_and_what_was_left_out() -> None:
    text = page(made_up())
    assert "Abacus 2, 2 cores" in text and "torch 2.13.0" in text and "2026-01-02" in text
    # Of ratio, accuracy, PSNR, seconds and ratio to the reference, three are met.
    assert "3 of 5 goals are met. Missed: joint/v4-l2 at batch 32 in fp32" in text
    assert "| wye/quick, training | ≤ 60.0 s | 75.0 s | missed; within 90.0 s |" in text
    assert "| 32, fp32 | 390 (380 to 400) | 700 (600 to 800) | 1.79 |" in text
    assert "40 times the median epoch of 5, 130 (130 to 130) s, is 86.7 minutes" in text
    assert "- `airbench`: there is no CUDA GPU here." in text
    assert "quick trial" not in text
    assert "quick trial" in page(made_up(quick=True))


def test_a_page_without_a_missed_goal_says_so() -> None:
    assert "All 4 goals are met." in page(made_up(results={"accuracy": reached(55.0)}))


def test_a_row_without_a_reference_is_told_alone() -> None:
    alone = reached(55.0).model_copy(update={"reference": None, "ratio": None})
    assert len(alone.goals()) == len(reached(55.0).goals()) - 1
    assert "extrapolated" not in page(made_up(results={"fast94": alone}))
    assert_sound(alone, Reached)


def test_the_document_is_json_with_every_result_and_goal() -> None:
    document = json.loads(json.dumps(made_up().as_json(), allow_nan=False))
    assert set(document) >= {"machine", "versions", "date", "repeats", "results", "left_out"}
    assert document["results"]["reference"]["paces"][0]["wye"] == {
        **{"median": 700, "least": 600, "greatest": 800, "n": 3}
    }
    assert [goal["met"] for goal in document["goals"]] == [False, True, True, False, True]


def test_what_this_machine_lacks_is_left_out_in_one_line() -> None:
    def refuse(task: Any, arguments: Any) -> dict[str, Any]:
        raise MachineError("out of luck")

    document = carry_out(["peak", "airbench", "growth"], replace(SETTINGS, carry_out=refuse))
    assert not document.results
    assert {each.name: each.reason for each in document.left_out} == {
        "peak": "out of luck",
        "growth": "out of luck",
        "airbench": "there is no CUDA GPU here",
    }


def test_what_is_measured_is_kept_while_the_rest_is_still_to_come() -> None:
    kept: list[str] = []
    settings = replace(SETTINGS, precisions=("fp32", "bf16"))
    carry_out(["peak", "airbench"], settings, keep=lambda document: kept.append(page(document)))
    assert len(kept) == 2
    assert "## The machine's peak" in kept[0] and "- `airbench`: not measured yet." in kept[0]
    assert "- `airbench`: there is no CUDA GPU here." in kept[1]
    assert all("    python -m benchmarks peak airbench --out" in text for text in kept)


def test_a_processor_that_is_slow_at_bf16_is_said_to_be() -> None:
    document = carry_out(["peak"], SETTINGS)
    assert list(document.results) == ["peak"]
    assert [each.name for each in document.left_out] == ["peak"]
    assert document.left_out[0].reason.startswith("bf16: ")
    both = carry_out(["peak"], replace(SETTINGS, precisions=("fp32", "bf16")))
    assert not both.left_out


def test_airbench_finds_the_images_in_its_own_form_where_it_looks_for_them(
    few_shapes: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loader(folder: str, train: bool, batch_size: int) -> Any:
        return torch.load(Path(folder, "train.pt" if train else "test.pt"), weights_only=True)

    def right(network: Any, data: Any, tta_level: int) -> float:
        test = few_shapes.test
        same = torch.equal(data["images"], test.pixels.permute(0, 2, 3, 1))
        there = Path("cifar10/train.pt").exists()
        return 0.94 if same and there and torch.equal(data["labels"], test.labels) else 0.0

    package = SimpleNamespace(
        warmup94=lambda verbose: None,
        train94=lambda verbose: None,
        CifarLoader=loader,
        evaluate=right,
    )
    monkeypatch.setitem(sys.modules, "airbench", package)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    before = Path.cwd()
    assert airbench.train_airbench("shapes")["accuracy"] == 0.94
    assert Path.cwd() == before


def test_the_fast_row_is_held_against_airbench(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = []

    def answer(task: Any, arguments: Any) -> dict[str, Any]:
        if task is airbench.train_airbench:
            return {"seconds": 2.0, "accuracy": 0.94}
        assert task is accuracy.train
        assert arguments["row"] == "wye/fast94"
        seeds.append(arguments["seed"])
        return {"seconds": 3.0, "test": {"accuracy": 0.941}}

    module = "benchmarks.airbench"
    monkeypatch.setattr(f"{module}.row_names", lambda: ["wye/fast94"])
    monkeypatch.setattr(f"{module}.importlib.util.find_spec", lambda name: name)
    on_gpu = replace(SETTINGS, device="cuda:0", data="cifar10", carry_out=answer, repeats=3)
    result = find("airbench").measure(on_gpu)
    assert isinstance(result, Airbench) and result.ratio == 1.5
    assert [goal.met for goal in result.goals()] == [False]
    assert seeds == [0, 1, 2]


def test_a_task_that_fails_in_its_own_process_tells_why() -> None:
    arguments = {"precision": "fp32", "device": "cpu", "steps": 1, "warm_up": 1}
    with pytest.raises(MachineError, match=r"measuring with .*speed.measure failed: .*v4-l2"):
        carry_out_apart(speed.measure, {"target": "joint/v4-l3", "overrides": {}, **arguments})


def test_peak_memory_is_no_less_than_what_is_held_now() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    assert peak_memory() >= pages * 4096 / 1e6


def test_the_command_refuses_what_would_mislead() -> None:
    runner = CliRunner()
    refused = runner.invoke(app, ["peak", "--quick", "--out", "docs/performance.md"])
    assert isinstance(refused.exception, UsageError)
    unknown = runner.invoke(app, ["speeds"])
    assert isinstance(unknown.exception, UsageError) and "'seeds'" in str(unknown.exception)


def test_the_command_prints_one_document_and_writes_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.document.QUICK", TINY)
    out = tmp_path / "trial.md"
    words = ["peak", "airbench", "--quick", "--device", "cpu", "--json", "--out", str(out)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.exception
    document = json.loads(done.stdout)
    assert document["quick"] and document["repeats"] == 1 and document["data"] == "shapes"
    assert list(document["results"]) == ["peak"]
    assert "because CIFAR-10 is not at hand" in out.read_text()


def test_the_help_names_every_benchmark() -> None:
    text = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "400"}).stdout
    assert all(name in text for name in BENCHMARKS)


def test_a_process_of_its_own_answers_with_its_own_memory(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """It has no torch, and none of what this one holds."""
    assert 5 < in_own_process(peak_memory) < peak_memory()
    in_own_process(print, sep="")
    assert capfd.readouterr() == ("", "\n")


def test_a_process_of_its_own_says_how_it_failed() -> None:
    with pytest.raises(UsageError, match="joint/nothing"):
        in_own_process(recipe_from_row, name="joint/nothing")
    with pytest.raises(MachineError, match=r"_exit ended with status 9 and no answer"):
        in_own_process(os._exit, status=9)


@pytest.fixture
def here_and_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure in this process, and each figure for next to no time."""
    monkeypatch.setattr("wye.apart.in_own_process", lambda function, **given: function(**given))
    monkeypatch.setattr(bench, "SECONDS", 0.0)
    monkeypatch.setattr(bench, "FEWEST", 1)
    monkeypatch.setattr(bench, "products", lambda *given: 120.0)
    monkeypatch.setattr(bench, "convolutions", lambda *given: 90.0)


@pytest.mark.usefixtures("here_and_short")
def test_a_user_sees_the_peak_and_how_long_a_row_takes() -> None:
    words = ["bench", "fashion5/classifier", "--device", "cpu"]
    document = json.loads(CliRunner().invoke(wye_app, [*words, "--json"]).stdout)
    assert document["peak"] == [{"precision": "fp32", "products": 120.0, "convolutions": 90.0}]
    (row,) = document["rows"]
    assert row["row"] == "fashion5/classifier" and row["start_seconds"] > 0
    # 30,000 images of five classes, four times over, in batches of 100, for 15 epochs.
    assert row["steps"] == 15 * 1200
    assert row["seconds"] == pytest.approx(row["steps"] / row["steps_per_second"])
    assert row["images_per_second"] == pytest.approx(100 * row["steps_per_second"])
    assert 0 < row["memory_mb"] <= peak_memory()
    shown = CliRunner().invoke(wye_app, words).stdout
    assert "120 GFLOP/s" in shown and "fashion5/classifier" in shown


@pytest.mark.usefixtures("here_and_short")
def test_a_mistake_is_said_before_anything_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "pace", lambda **given: pytest.fail("timed"))
    refused = CliRunner().invoke(wye_app, ["bench", "wye/quick", "wye/quik", "--device", "cpu"])
    assert isinstance(refused.exception, UsageError) and "wye/quick" in str(refused.exception)


def test_every_phase_counts_with_its_own_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that goes on by a millisecond for each pixel of the images' side."""
    now = [0.0]

    def step(trainer: Trainer, batch: Batch, rate: float) -> None:
        now[0] += 1e-3 * batch.inputs.shape[-1]

    monkeypatch.setattr(bench, "time", SimpleNamespace(perf_counter=lambda: now[0], time=lambda: 1))
    monkeypatch.setattr(Trainer, "step", step)
    found = bench.pace("wye/quick", "cpu", started=0)
    # 47,500 images in batches of 512: three epochs at 20 px, two at 24, two at 32.
    assert found.steps == 93 * 7
    assert found.seconds == pytest.approx(93 * (3 * 0.020 + 2 * 0.024 + 2 * 0.032))
    assert found.images_per_second == pytest.approx(512 * found.steps / found.seconds)
    assert found.start_seconds == 1


def test_a_folder_s_images_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "step", lambda *given: None)
    folder = write_folder(tmp_path / "noise", 100)
    train = resolve(str(folder)).train
    found = bench.pace(str(folder), "cpu")
    # A fifth of each class's ten is for the test, and of the other eight one for validation.
    assert found.steps == train.epochs * -(-70 // train.batch_size)


def test_a_peak_is_work_over_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that goes on by a second each time it is looked at."""
    clock = count()
    monkeypatch.setattr(bench, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    cpu = torch.device("cpu")
    assert bench.products(64, "fp32", cpu, seconds=3) == pytest.approx(2 * 64**3 / 1e9)
    once = 2 * (9 * 8 * 8) * (4 * 5 * 5) / 1e9
    assert bench.convolutions(8, 5, 4, "fp32", cpu, 3) == pytest.approx(once)
    both = bench.convolutions(8, 5, 4, "fp32", cpu, 3, backward=True)
    assert both == pytest.approx(3 * once)


def test_the_benchmarks_are_in_no_circle_of_imports() -> None:
    files = {f"benchmarks.{file.stem}": file for file in Path(speed.__file__).parent.glob("*.py")}
    edges: dict[str, set[str]] = {name: set() for name in files}
    for name, file in files.items():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom):
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                edges[name] |= ({str(node.module)} | inner) & set(files)
    assert "benchmarks.speed" in edges["benchmarks.limit"]
    assert circle(edges) == []


def test_the_wheel_has_no_benchmarks() -> None:
    """Packages are looked for in src alone."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    assert project["tool"]["setuptools"]["packages"]["find"] == {"where": ["src"]}
    assert not (Path(wye.__file__).parent / "benchmarks").exists()
