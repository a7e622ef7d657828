"""Does the autoencoder help here: intervals that hold at every look, and the verdict on arms."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from command_line import CommandLine

from wye.errors import UsageError
from wye.evidence.gain import CLASSIFIER, Arm, Gain, arms_of, measure, sentence
from wye.recipe import Recipe, resolve
from wye.recipe.identity import digest
from wye.runs.records import Record

ARMS = arms_of(resolve("joint/v4-l2", {"data": "shapes"}), unlabelled=True)


def planted(gains: Mapping[str, float], noise: float = 0.004) -> Callable[[Recipe, Arm], Record]:
    """Runs whose accuracy is that of their seed and what their arm gains."""
    made: list[tuple[str, int]] = []

    def run(recipe: Recipe, arm: Arm) -> Record:
        assert (arm.name, recipe.seed) not in made
        made.append((arm.name, recipe.seed))
        random = np.random.default_rng([recipe.seed, len(arm.name)])
        value = 0.6 + 0.02 * np.sin(recipe.seed) + random.normal(0, noise) + gains.get(arm.name, 0)
        metrics = {"accuracy": round(float(value), 4)}
        return Record(
            row=recipe.row, seed=recipe.seed, digest=digest(recipe), data="shapes",
            metrics=metrics, images=10_000, seconds=1.0,
        )  # fmt: skip

    return run


@pytest.mark.parametrize(
    ("gains", "best", "said"),
    [
        ({"joint": 0.002, "joint-all": 0.03, "denoising": 0.01}, "joint-all", "helps here: joint-"),
        (
            {"joint": -0.03, "joint-all": -0.04, "denoising": -0.05},
            CLASSIFIER,
            "hurts here: joint, the best arm, loses ",
        ),
        ({}, CLASSIFIER, "no difference here that is larger than 1 point:"),
    ],
)
def test_planted_effects_are_found(gains: dict[str, float], best: str, said: str) -> None:
    found = measure(resolve("joint/v4-l2", {"data": "shapes"}), ARMS, planted(gains))
    assert found.in_time
    assert found.best.name == best
    assert said in sentence(found)
    for effect in found.effects:
        assert effect.interval is not None
        assert effect.interval[0] < gains.get(effect.arm, 0.0) < effect.interval[1]


def test_arms_that_are_decided_are_run_no_more() -> None:
    recipe = resolve("joint/v4-l2", {"data": "shapes"})
    found = measure(recipe, ARMS, planted({"joint-all": 0.2, "joint": 0.007}, 0.01), pairs=12)
    pairs = {effect.arm: len(effect.gains) for effect in found.effects}
    assert pairs["joint-all"] < pairs["joint"] == len(found.values(CLASSIFIER)) == 12


def test_no_round_is_begun_that_would_exceed_the_time() -> None:
    """Each run takes 10 s, a round of four arms 40: two rounds fit into 100 s."""
    recipe, now = resolve("joint/v4-l2", {"data": "shapes"}), [0.0]
    run = planted({})

    def slow(one: Recipe, arm: Arm) -> Record:
        now[0] += 10
        return run(one, arm)

    seen: list[int] = []

    def looked(gain: Gain) -> None:
        seen.append(len(gain.values(CLASSIFIER)))

    found = measure(recipe, ARMS, slow, seconds=100, looked=looked, clock=lambda: now[0])
    assert seen == [1, 2] and not found.in_time
    assert sentence(found).startswith("not decided after 2 pairs on 10,000 test images: ")


def test_a_loss_is_said_as_one_while_nothing_is_decided() -> None:
    recipe = resolve("joint/v4-l2", {"data": "shapes"})
    worse = planted({"joint": -0.05, "joint-all": -0.06, "denoising": -0.07})
    found = measure(recipe, ARMS, worse, pairs=1)
    assert re.search(r"joint, the best arm, loses \d\.\d points$", sentence(found))


def test_values_that_never_differ_end_it_without_an_interval() -> None:
    found = measure(resolve("joint/v4-l2", {"data": "shapes"}), ARMS, planted({}, noise=0.0))
    assert {len(effect.gains) for effect in found.effects} == {8}
    assert {effect.verdict for effect in found.effects} == {"the same"}
    assert "no difference" in sentence(found)


def test_arms_change_what_they_say_and_no_more() -> None:
    recipe = resolve("joint/v4-l2", {"data": "shapes"})
    few = arms_of(recipe, unlabelled=False)
    assert [arm.name for arm in few] == [CLASSIFIER, "joint", "denoising"]
    assert [arm.name for arm in ARMS] == [CLASSIFIER, "joint", "joint-all", "denoising"]
    assert ARMS[2].settings["train"] == {"unlabelled": recipe.train.batch_size}
    with pytest.raises(UsageError, match="lacks a decoder or a classifier"):
        arms_of(resolve("joint/v4-no-decoder"), unlabelled=False)
    with pytest.raises(UsageError, match="several phases"):
        arms_of(resolve("joint/v4-two-phase"), unlabelled=False)


def test_the_command_compares_prints_and_uses_finished_runs_again(
    command_line: CommandLine, tmp_path: Path
) -> None:
    words = ["joint/v1", "data=shapes", "data.per_class=8", "train.epochs=1"]
    command = ["gain", *words, "--minutes", "0.001", "--out", str(tmp_path), "--json"]
    first = command_line(*command)
    assert re.search(r"and no fewer than 3 decide: --minutes \d+ would make them", first.err)
    document = json.loads(first.out)
    assert document["best"] == CLASSIFIER and not document["decided"]
    assert set(document["arms"]) == {"joint", "denoising"}
    assert document["answer"].startswith("not decided after 1 pair on 1,200 test images: ")
    assert document["command"].endswith(" loss.beta=0.0")
    assert (tmp_path / "gain.svg").read_text().startswith("<svg")
    written = (tmp_path / "joint" / "seed-0" / "model.safetensors").stat().st_mtime_ns
    assert json.loads(command_line(*command).out) == document
    printed = command_line(*command[:-1])
    assert re.search(r"  seed 0, joint: \d+\.\d\d % of a finished run\n", printed.err)
    assert "nothing to do" not in printed.err
    assert f"to train the classifier alone:\n    {document['command']}\n" in printed.out
    assert printed.out.endswith("goes on from here: finished runs are used again.\n")
    assert (tmp_path / "joint" / "seed-0" / "model.safetensors").stat().st_mtime_ns == written
