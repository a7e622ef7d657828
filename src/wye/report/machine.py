"""When and on what the runs were made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from wye.report.rows import is_number
from wye.runs.run import Run

_MOST_VALUES = 4


def where(runs: Iterable[Run]) -> list[tuple[str, list[str]]]:
    """When and on what the runs were made: each fact with its distinct values."""
    found = [run.environment for run in runs]

    def distinct(key: str, form: str = "{}") -> list[str]:
        values = (env.get(key) for env in found)
        return list(
            dict.fromkeys(form.format(value) for value in values if value not in (None, ""))
        )

    days = sorted({_day(str(env["started"])) for env in found if env.get("started")})
    measured = [days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"] if days else []
    machines = dict.fromkeys(
        ", ".join(
            part
            for part in (
                str(env.get("processor") or ""),
                f"{env['cores']} cores" if env.get("cores") else "",
                f"{env['memory_gb']:g} GB" if is_number(env.get("memory_gb")) else "",
            )
            if part
        )
        for env in found
    )
    facts = [
        ("Measured", measured),
        ("Machine", [machine for machine in machines if machine]),
        ("Device", list(dict.fromkeys(_device(env) for env in found if env.get("device")))),
        ("Precision", distinct("precision")),
        ("PyTorch", distinct("torch")),
        ("Wye", distinct("wye")),
        ("Commit", distinct("commit")),
        ("Platform", distinct("platform")),
        ("Python", distinct("python")),
    ]
    return [(label, _shortened(values)) for label, values in facts if values]


def _shortened(values: list[str]) -> list[str]:
    """The first few values and how many more there are."""
    if len(values) <= _MOST_VALUES:
        return values
    return [*values[: _MOST_VALUES - 1], f"and {len(values) - _MOST_VALUES + 1} more"]


def _device(environment: Mapping[str, Any]) -> str:
    """The device with its name, where it isn't the processor."""
    device, name = str(environment["device"]), str(environment.get("device_name") or "")
    return device if name in ("", str(environment.get("processor"))) else f"{name} ({device})"


def _day(moment: str) -> str:
    try:
        return datetime.fromisoformat(moment).date().isoformat()
    except ValueError:
        return moment
