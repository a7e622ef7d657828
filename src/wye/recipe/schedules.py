"""Settings of learning-rate schedules, a model for each kind. Lengths are in epochs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from wye.recipe.settings import NUMBER, Count, Fraction, NonNegative, Positive, Rest, Settings

Divisor = Annotated[float, Field(ge=1, allow_inf_nan=False), NUMBER]
Reduction = Annotated[float, Field(gt=0, lt=1), NUMBER]


class ScheduleSettings(Settings):
    """A learning-rate schedule: what its kinds have in common."""

    kind: str
    """Which schedule; each has settings of its own."""

    def fitted(self, before: int, after: int) -> ScheduleSettings:
        """The schedule for a phase of `after` epochs instead of `before`."""
        return self

    def __str__(self) -> str:
        return self.kind


class Constant(ScheduleSettings):
    """The base rate throughout."""

    kind: Literal["constant"] = "constant"


class Step(ScheduleSettings):
    """Times `factor` after `every` epochs."""

    kind: Literal["step"] = "step"
    every: Positive = 10.0
    """Epochs between two steps."""
    factor: Reduction = 0.1
    """What the rate is multiplied by at a step."""

    def fitted(self, before: int, after: int) -> ScheduleSettings:
        """Longer steps for a longer phase; in a shorter one, the steps that it still reaches.

        Shorter steps would not do: three drops to a tenth in ten epochs leave two and a half at a
        rate that learns, and most of what a step gives is there an epoch or two after it. A phase
        that reaches no step has a straight line to nought instead, for the last one's calm.
        """
        if after < before:
            return self if after > self.every else Linear(warmup=0.0)
        return self.model_copy(update={"every": self.every * after / before})

    def __str__(self) -> str:
        return f"steps of {self.every:g} epochs"


class OneCycle(ScheduleSettings):
    """From lr / `start` up to lr over the first `warmup` fraction of the phase, then down to
    lr / `end`, both along a cosine (Smith 2018, in fastai's form)."""

    kind: Literal["one-cycle"] = "one-cycle"
    warmup: Fraction = 0.3
    """Fraction of the phase in which the rate rises to lr."""
    start: Divisor = 25.0
    """The first rate is lr divided by this."""
    end: Divisor = 25e4
    """The last rate is lr divided by this."""
    momentum: tuple[Fraction, Fraction] | None = None
    """Momentum (the first beta of adam) at the ends and at the top of a cycle: `[0.95, 0.85]`; left
    as it is if not given."""


class Linear(ScheduleSettings):
    """Up to lr over the first `warmup` fraction, then straight down to lr / `end`."""

    kind: Literal["linear"] = "linear"
    warmup: Fraction = 0.2
    """Fraction of the phase in which the rate rises to lr."""
    end: Divisor = 1e6
    """The last rate is lr divided by this."""


class Cosine(ScheduleSettings):
    """Up to lr over the first `warmup` fraction, then down to lr / `end` along half a cosine
    (Loshchilov and Hutter 2017, without restarts)."""

    kind: Literal["cosine"] = "cosine"
    warmup: Fraction = 0.0
    """Fraction of the phase in which the rate rises to lr."""
    end: Divisor = 1e6
    """The last rate is lr divided by this."""


class Plateau(ScheduleSettings):
    """Times `factor` after `patience` epochs without improvement on validation by more than
    `min_delta`, then `cooldown` epochs of rest, never below `floor`."""

    kind: Literal["plateau"] = "plateau"
    factor: Reduction = 0.1
    """What the rate is multiplied by on a plateau."""
    patience: Count = 10
    """Epochs without improvement that make a plateau."""
    min_delta: NonNegative = 0.0
    """What an improvement has to exceed."""
    cooldown: Rest = 0
    """Epochs after a reduction that are not counted."""
    floor: NonNegative = 0.0
    """The lowest rate."""

    def fitted(self, before: int, after: int) -> ScheduleSettings:
        """A straight line to nought where the phase is too short for a plateau to act.

        The last epoch, which is measured, would have the full rate.
        """
        if after < before and after <= self.patience + 1:
            return Linear(warmup=0.0)
        return self


KINDS: dict[str, type[ScheduleSettings]] = {
    str(model.model_fields["kind"].default): model
    for model in (Constant, Step, OneCycle, Linear, Cosine, Plateau)
}
"""The kinds of schedule by name."""


def read_schedule(value: Any) -> ScheduleSettings:
    """The schedule that is written so: by its kind's name, or as settings.

    `{every: 10, factor: 0.1}` is a step schedule.

    Raises:
        PydanticCustomError: no such kind, or a setting that this kind doesn't have.
        ValidationError: a value of the wrong kind.
    """
    if isinstance(value, ScheduleSettings):
        return value
    given = {"kind": value} if isinstance(value, str) else value
    if not isinstance(given, dict):
        raise PydanticCustomError("schedule", "it should be the name of a kind or its settings")
    given = {key: entry for key, entry in given.items() if entry is not None}
    kind = given.get("kind", "step" if "every" in given else None)
    if not isinstance(kind, str) or kind not in KINDS:
        raise PydanticCustomError("schedule", f"it should be one of {', '.join(KINDS)}")
    own = [key for key in KINDS[kind].model_fields if key != "kind"]
    if stray := [key for key in given if key not in (*own, "kind")]:
        known = ", ".join(own) or "no settings"
        problem = f"a {kind} schedule has no {stray[0]!r}; it has: {known}"
        context = {"key": stray[0], "problem": problem}
        raise PydanticCustomError("unknown_setting", "{problem}", context)
    return KINDS[kind].model_validate({**given, "kind": kind})


Schedule = Annotated[
    Constant | Step | OneCycle | Linear | Cosine | Plateau, BeforeValidator(read_schedule)
]
"""The settings of a schedule, of whichever kind."""
