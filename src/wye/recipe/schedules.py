"""Settings of learning-rate schedules; lengths are in epochs and may be fractions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ScheduleSettings(BaseModel):
    """A learning-rate schedule. Each kind reads only its own settings.

    constant: the base rate throughout.
    step: times `factor` after `every` epochs.
    one-cycle: from lr / `start` up to lr over the first `warmup` share of the phase, then down to
        lr / `end`, both along a cosine (Smith 2018, in fastai's form).
    linear: up to lr over the first `warmup` share, then straight down to lr / `end`.
    plateau: times `factor` after `patience` epochs without improvement on validation, then
        `cooldown` epochs of rest, never below `floor`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["constant", "step", "one-cycle", "linear", "plateau"]
    every: Annotated[float, Field(gt=0)] | None = None
    factor: Annotated[float, Field(gt=0, lt=1)] | None = None
    warmup: Annotated[float, Field(ge=0, lt=1)] | None = None
    start: Annotated[float, Field(ge=1)] | None = None
    end: Annotated[float, Field(ge=1)] | None = None
    patience: Annotated[int, Field(gt=0)] | None = None
    cooldown: Annotated[int, Field(ge=0)] | None = None
    floor: Annotated[float, Field(ge=0)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        """`one-cycle` stands for its defaults; `{every: 10, factor: 0.1}` is a step schedule."""
        if isinstance(value, str):
            value = {"kind": value}
        if isinstance(value, dict):
            if "kind" not in value and "every" in value:
                value = {"kind": "step", **value}
            defaults = SETTINGS.get(value.get("kind"), {})
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

    def stretched(self, share: float) -> ScheduleSettings:
        """The same schedule for a phase whose length is multiplied by `share`."""
        if self.kind == "step" and self.every is not None:
            return self.model_copy(update={"every": self.every * share})
        return self


SETTINGS: dict[Any, dict[str, Any]] = {
    "constant": {},
    "step": {"every": 10.0, "factor": 0.1},
    "one-cycle": {"warmup": 0.3, "start": 25.0, "end": 25e4},
    "linear": {"warmup": 0.2, "end": 1e6},
    "plateau": {"factor": 0.1, "patience": 10, "cooldown": 0, "floor": 0.0},
}
