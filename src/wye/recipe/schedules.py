"""Settings of learning-rate schedules; lengths are in epochs and may be fractions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from wye.recipe.settings import NUMBER, Count, NonNegative, Positive, Rest, Settings, Share

Divisor = Annotated[float, Field(ge=1, allow_inf_nan=False), NUMBER]
Reduction = Annotated[float, Field(gt=0, lt=1), NUMBER]


class ScheduleSettings(Settings):
    """A learning-rate schedule. Each kind reads only its own settings.

    constant: the base rate throughout.
    step: times `factor` after `every` epochs.
    one-cycle: from lr / `start` up to lr over the first `warmup` share of the phase, then down to
        lr / `end`, both along a cosine (Smith 2018, in fastai's form).
    linear: up to lr over the first `warmup` share, then straight down to lr / `end`.
    cosine: up to lr over the first `warmup` share, then down to lr / `end` along half a cosine
        (Loshchilov and Hutter 2017, without restarts).
    plateau: times `factor` after `patience` epochs without improvement on validation by more than
        `min_delta`, then `cooldown` epochs of rest, never below `floor`.
    """

    kind: Literal["constant", "step", "one-cycle", "linear", "cosine", "plateau"]
    """Which schedule; the others are settings of one kind or another."""
    every: Positive | None = None
    """Epochs between two steps."""
    factor: Reduction | None = None
    """What the rate is multiplied by at a step, or on a plateau."""
    warmup: Share | None = None
    """Share of the phase in which the rate rises to lr."""
    start: Divisor | None = None
    """The first rate is lr divided by this."""
    end: Divisor | None = None
    """The last rate is lr divided by this."""
    momentum: tuple[Share, Share] | None = None
    """Momentum (the first beta of adam) at the ends and at the top of a cycle: `[0.95, 0.85]`; left
    as it is if not given."""
    patience: Count | None = None
    """Epochs without improvement that make a plateau."""
    min_delta: NonNegative | None = None
    """What an improvement has to exceed."""
    cooldown: Rest | None = None
    """Epochs after a reduction that are not counted."""
    floor: NonNegative | None = None
    """The lowest rate."""

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        """`one-cycle` stands for its defaults; `{every: 10, factor: 0.1}` is a step schedule."""
        if isinstance(value, str):
            value = {"kind": value}
        if isinstance(value, dict):
            if "kind" not in value and "every" in value:
                value = {"kind": "step", **value}
            kind = value.get("kind")
            defaults = SETTINGS.get(kind, {}) if isinstance(kind, str) else {}
            value = {**defaults, **{k: v for k, v in value.items() if v is not None}}
        return value

    @model_validator(mode="after")
    def _own_settings_only(self) -> ScheduleSettings:
        given = {key for key in self.model_fields_set - {"kind"} if getattr(self, key) is not None}
        own = set(SETTINGS[self.kind])
        if stray := sorted(given - own):
            known = ", ".join(sorted(own)) or "no settings"
            raise ValueError(f"a {self.kind} schedule has no {stray[0]!r}; it has: {known}")
        return self

    def fitted(self, before: int, after: int) -> ScheduleSettings:
        """The schedule for a phase of `after` epochs instead of `before`.

        Longer steps are longer. Shorter steps would not do: three drops to a tenth in ten epochs
        leave two and a half at a rate that learns. Nor would a plateau that is longer than the
        phase: the last epoch, which is measured, would have the full rate. A straight line from
        the same base rate to nought takes their place, which has the first rate's reach and the
        last one's calm.
        """
        steps, shorter = self.kind == "step", after < before
        late = self.kind == "plateau" and self.patience is not None and after <= self.patience + 1
        if shorter and (steps or late):
            return ScheduleSettings.model_validate({"kind": "linear", "warmup": 0.0})
        if steps and self.every is not None:
            return self.model_copy(update={"every": self.every * after / before})
        return self

    def __str__(self) -> str:
        return f"steps of {self.every:g} epochs" if self.kind == "step" else self.kind


SETTINGS: dict[str, dict[str, Any]] = {
    "constant": {},
    "step": {"every": 10.0, "factor": 0.1},
    "one-cycle": {"warmup": 0.3, "start": 25.0, "end": 25e4, "momentum": None},
    "linear": {"warmup": 0.2, "end": 1e6},
    "cosine": {"warmup": 0.0, "end": 1e6},
    "plateau": {"factor": 0.1, "patience": 10, "min_delta": 0.0, "cooldown": 0, "floor": 0.0},
}
"""The settings of each kind with their defaults."""
