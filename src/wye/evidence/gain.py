"""Whether the autoencoder helps here: arms of one recipe against the classifier alone, in pairs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, Literal

from wye.errors import UsageError
from wye.evidence import looks
from wye.evidence.floor import Floor, floor_of
from wye.evidence.paired import Interval, differences
from wye.metrics import metric
from wye.recipe.resolve import with_overrides
from wye.recipe.schema import Recipe
from wye.runs.records import Record

CLASSIFIER = "classifier"
"""The arm that the others are compared with: the same network, its decoder without weight."""
EQUAL_PAIRS = 8
"""Pairs, all of them the same, after which no more are made."""

Verdict = Literal["helps", "hurts", "no larger", "the same", "undecided"]


@dataclass(frozen=True)
class Arm:
    """One way of using the decoder: what it changes in the recipe, nested and in one sentence."""

    name: str
    about: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class Effect:
    """What an arm gains over the classifier alone, paired by seed.

    Attributes:
        interval: of the mean gain, allowing for a look after each pair (`wye.evidence.looks`); None
            where the pairs don't bound it yet.
        margin: a gain that is not larger than this counts as none.
    """

    arm: str
    values: Mapping[int, float]
    gains: tuple[float, ...]
    interval: Interval | None
    margin: float

    @property
    def mean(self) -> float:
        """The mean gain over the pairs."""
        return fmean(self.gains)

    @property
    def verdict(self) -> Verdict:
        """What the interval says."""
        if self.interval is None:
            same = len(set(self.gains)) == 1 and abs(self.gains[0]) <= self.margin
            return "the same" if same and len(self.gains) >= EQUAL_PAIRS else "undecided"
        low, high = self.interval
        if low > 0 or high < 0:
            return "helps" if low > 0 else "hurts"
        return "no larger" if max(-low, high) <= self.margin else "undecided"


@dataclass
class Gain:
    """What was measured so far.

    Attributes:
        arms: those that are compared, the classifier first.
        records: of each arm, by seed.
        in_time: whether it ended because everything was decided.
    """

    name: str
    margin: float
    arms: tuple[Arm, ...]
    records: dict[str, dict[int, Record]] = field(default_factory=dict)
    in_time: bool = False

    def values(self, arm: str) -> dict[int, float]:
        """The metric of an arm by seed."""
        found = self.records.get(arm, {})
        return {seed: record.metrics[self.name] for seed, record in found.items()}

    @property
    def effects(self) -> list[Effect]:
        """Of every arm that has a pair, at a level corrected for their number."""
        alpha = looks.ALPHA / (len(self.arms) - 1)
        base, found = self.values(CLASSIFIER), []
        better = 1 if metric(self.name).higher_is_better else -1
        for arm in self.arms[1:]:
            values = self.values(arm.name)
            seeds = sorted(values.keys() & base.keys())
            if seeds:
                gains = tuple(better * gain for gain in differences(values, base, seeds))
                interval = looks.interval(gains, alpha, floor=self._floor(arm.name))
                found.append(Effect(arm.name, values, gains, interval, self.margin))
        return found

    def _floor(self, arm: str) -> Floor:
        pairs = (self.records[CLASSIFIER].values(), self.records[arm].values())
        return floor_of(self.name, *pairs) or Floor()

    @property
    def best(self) -> Arm:
        """The arm to use: the one that helps most for certain, else the classifier alone."""
        helping = [effect for effect in self.effects if effect.verdict == "helps"]
        if not helping:
            return self.arms[0]
        most = max(helping, key=lambda effect: effect.mean)
        return next(arm for arm in self.arms if arm.name == most.arm)


def arms_of(recipe: Recipe, unlabelled: bool) -> tuple[Arm, ...]:
    """The classifier alone and the ways of using the decoder that a recipe allows.

    All make as many steps with as many labelled images. Those with images without labels send
    twice as many through the encoder.

    Args:
        unlabelled: whether there are images without labels.

    Raises:
        UsageError: the recipe has no decoder or no classifier, or several phases.
    """
    if recipe.network.decoder == "none" or recipe.network.classifier == "none":
        raise UsageError(
            f"{recipe.row} lacks a decoder or a classifier; both are needed to compare"
        )
    if len(recipe.resolved_phases()) > 1:
        raise UsageError(
            f"{recipe.row} is trained in several phases; wye gain compares single ones"
        )
    weight = recipe.loss.beta or 1.0
    alone = {"loss": {"beta": 0.0, "delta": 0.0, "phi": 0.0}, "train": {"unlabelled": 0}}
    beside: dict[str, Any] = {"loss": {"beta": weight}, "train": {"unlabelled": 0}}
    arms = [
        Arm(CLASSIFIER, "the classifier alone", alone),
        Arm("joint", "the decoder learns beside it", beside),
    ]
    if unlabelled:
        beside = {**beside, "train": {"unlabelled": recipe.train.batch_size}}
        arms.append(Arm("joint-all", "the decoder also sees images without labels", beside))
    if not recipe.data.corrupt:
        noisy = {**beside, "data": {"corrupt": "noise(0.1)", "corrupt_in": "decoder"}}
        seen = ", those without labels too" if unlabelled else ""
        arms.append(Arm("denoising", f"the decoder cleans noisy images{seen}", noisy))
    return tuple(arms)


def measure(
    recipe: Recipe,
    arms: Sequence[Arm],
    run: Callable[[Recipe, Arm], Record],
    *,
    name: str = "accuracy",
    margin: float = 0.01,
    seconds: float = 1200.0,
    pairs: int = looks.LAST,
    looked: Callable[[Gain], None] = lambda gain: None,
    clock: Callable[[], float] = time.monotonic,
) -> Gain:
    """Run arms seed by seed until each is decided, or until another round would exceed the time.

    Args:
        recipe: what the arms change; its seed is the first.
        run: gives the record of a recipe's run.
        name: the metric.
        margin: a difference that is not larger than this counts as none.
        seconds: for all rounds together; the first round is always run.
        pairs: at most so many.
        looked: called after each round.
    """
    gain = Gain(name, margin, tuple(arms))
    begun = before = clock()
    longest = 0.0
    for seed in range(recipe.seed, recipe.seed + pairs):
        if before - begun + longest > seconds:
            return gain
        decided = [effect.arm for effect in gain.effects if effect.verdict != "undecided"]
        for arm in arms:
            if arm.name not in decided:
                settings = {**arm.settings, "seed": seed}
                one = with_overrides(recipe.model_dump(), settings)
                gain.records.setdefault(arm.name, {})[seed] = run(one, arm)
        longest, before = max(longest, clock() - before), clock()
        looked(gain)
        if all(effect.verdict != "undecided" for effect in gain.effects):
            gain.in_time = True
            break
    return gain


def sentence(gain: Gain) -> str:
    """The answer: helps, hurts, makes no difference, or is not known yet, with the numbers."""
    effects = {effect.arm: effect for effect in gain.effects}
    best = gain.best.name
    if best in effects:
        return f"the autoencoder helps here: {best} {_gained(effects[best])}"
    verdicts = {effect.verdict for effect in effects.values()}
    most = max(effects.values(), key=lambda effect: effect.mean)
    if verdicts == {"hurts"}:
        return f"the autoencoder hurts here: {most.arm}, the best arm, {_gained(most)}"
    if "undecided" in verdicts:
        count = len(most.gains)
        each = [record.images or 0 for record in gain.records[CLASSIFIER].values()]
        images = " to ".join(f"{number:,}" for number in sorted({min(each), max(each)}))
        return (
            f"not decided after {count} pair{'s' if count > 1 else ''} on {images} test images:"
            f" {most.arm}, the best arm, {_gained(most)}"
        )
    return (
        "the autoencoder makes no difference here that is larger than"
        f" {100 * gain.margin:g} point{'s' if gain.margin != 0.01 else ''}:"
        f" the best arm, {most.arm}, {_gained(most)}"
    )


def _gained(effect: Effect) -> str:
    return f"loses {_points(effect, -1)}" if effect.mean < 0 else f"gains {_points(effect)}"


def _points(effect: Effect, sign: int = 1) -> str:
    mean = f"{in_points(sign * effect.mean)} points"
    if effect.interval is None:
        return mean
    low, high = sorted(sign * end for end in effect.interval)
    return f"{mean} [{in_points(low)}, {in_points(high)}]"


def in_points(gain: float, sign: str = "") -> str:
    """A gain in points, with a plus if `sign` is one; nought has no minus."""
    return f"{round(100 * gain, 1) + 0.0:{sign}.1f}"
