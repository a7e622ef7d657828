"""What a metric is, the registry that all ask which print or judge, and the spread of values."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from wye.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor


class Evaluated(Protocol):
    """What a metric is computed from: a trained network's answers on one part of the data.

    Attributes:
        images: how many there are.
        rare: names of the classes that are rare among the training images.
        report: accuracy and the like of the confusion matrix; None without a classifier.
        log_likelihood: `(N,)`, natural logarithm of the true class's probability; None without.
        errors: by name, of each image `(N,)`: `mse`, `mae`, `psnr`, `ssim` of the reconstruction in
            [0, 1], and `ssim_range2` where it is asked for; empty without a decoder.
        denoised: `mse`, `mae` and `psnr` of reconstructions of corrupted images for the clean ones.
        noisy: the same of the corrupted images themselves.
        judged: `(N,)`, whether a judge correctly classified the reconstruction; None without one.
    """

    images: int
    rare: tuple[str, ...]
    report: Mapping[str, Any] | None
    log_likelihood: Tensor | None
    errors: Mapping[str, Tensor]
    denoised: Mapping[str, Tensor]
    noisy: Mapping[str, Tensor]
    judged: Tensor | None


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A named number that a run is measured by.

    Attributes:
        name: key in `result.json` and in a recipe's `published`.
        label: its name for people.
        meaning: one line for the glossary.
        higher_is_better: the direction in which a system is better.
        compute: its value, None where it cannot be had. Not given for what training itself leaves
            behind (`train_loss`, `train_seconds`).
        needs: what a recipe must have for it to be measured: `classifier`, `decoder`, `judge`,
            `corrupt`, `ssim_range2`, `rare` (classes of unequal size).
        counts: of a metric that follows from how many images are correctly classified, whether all
            images weigh the same in it or all classes.
        headline: whether it stands where there is room for few.
        scale: what the stored value is multiplied with to be shown.
        decimals: of the shown value.
        unit: of the shown value.
    """

    name: str
    label: str
    meaning: str
    higher_is_better: bool
    compute: Callable[[Evaluated], float | None] | None = None
    needs: frozenset[str] = frozenset()
    counts: Literal["images", "classes"] | None = None
    headline: bool = False
    scale: float = 1.0
    decimals: int = 2
    unit: str = ""

    @property
    def difference_unit(self) -> str:
        """Unit of a difference of two shown values."""
        return "points" if self.unit == "%" else self.unit

    def show(self, value: float) -> str:
        """`value` in the metric's scale, without unit."""
        return number(value * self.scale, self.decimals)

    def show_difference(self, value: float) -> str:
        """A difference with its sign; one that rounds to nothing has none."""
        shown = number(value * self.scale, self.decimals)
        if not any(digit in shown for digit in "123456789"):
            return shown.removeprefix("−")
        return shown if value < 0 else f"+{shown}"

    def cost(self, value: float) -> float:
        """The value, signed so that lower is better; infinite if it is not a finite number."""
        if not math.isfinite(value):
            return math.inf
        return -value if self.higher_is_better else value


METRICS: Registry[Metric] = Registry("metric")
"""The metrics by name, in the order in which they are listed."""


def register(metric: Metric) -> Metric:
    """Enter a metric.

    Raises:
        ValueError: its name is taken, or nobody has said in which direction it is better.
    """
    if not isinstance(metric.higher_is_better, bool):
        raise ValueError(f"{metric.name}: higher_is_better should be True or False")
    METRICS.register(metric.name)(metric)
    return metric


def number(value: float, decimals: int = 0) -> str:
    """A number as a reader expects it: grouped thousands and a true minus sign."""
    if not math.isfinite(value):
        return "not finite"
    return f"{value:,.{decimals}f}".replace("-", "−")


def metric(name: str) -> Metric:
    """The metric called `name`.

    Raises:
        UsageError: no such metric; the message lists the known names.
    """
    return METRICS.find(name)


def best(values: Mapping[Any, float], name: str) -> Any:
    """The key of the best value of metric `name`; the first of equal ones."""
    return min(values, key=lambda key: metric(name).cost(values[key]))


def ordered(names: Iterable[str]) -> list[str]:
    """Distinct `names` of metrics in the order of the registry; other names are left out."""
    wanted = set(names)
    return [name for name in METRICS if name in wanted]


def headlines(names: Iterable[str]) -> Iterator[str]:
    """Those of the names that stand where there is room for few."""
    return (name for name in ordered(names) if METRICS[name].headline)


def metrics_of(result: Mapping[str, Any]) -> dict[str, float]:
    """The metrics of one number in a `result.json`, by name.

    Those of the test part, and of training `train_loss` (the last epoch's) and `train_seconds`.
    """
    seconds, train = result.get("seconds") or {}, result.get("train") or {}
    found = {
        **(result.get("test") or {}),
        "train_loss": train.get("loss"),
        "train_seconds": seconds.get("train"),
    }
    return {name: float(found[name]) for name in METRICS if found.get(name) is not None}


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation of `n` measurements; None where `n` is 1."""

    mean: float
    sd: float | None
    n: int


def spread(values: Iterable[float]) -> Spread | None:
    """Mean, sample standard deviation and number of `values`; None without any."""
    known = list(values)
    if not known:
        return None
    if not all(math.isfinite(value) for value in known):
        return Spread(math.nan, None, len(known))
    sd = statistics.stdev(known) if len(known) > 1 else None
    return Spread(statistics.fmean(known), sd, len(known))
