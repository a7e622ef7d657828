"""What the page says, worked out from the rows: plain values for the template to lay out."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from wye.metrics import METRICS, metric, number, spread
from wye.report import curves, gallery
from wye.report.figures import heat
from wye.report.rows import Row, RunLike, command_words, is_number, section

MOST_CLASSES = 20
"""More classes than this make no readable matrix; the commonest confusions are listed instead."""


HEADLINES = ("accuracy", "judge_accuracy", "psnr")
"""Metrics of the summary; a row's section has all of them."""


def page(rows: Sequence[Row]) -> dict[str, Any]:
    """Everything that the template needs."""
    runs = [run for row in rows for run in row.runs]
    finished = sum(len(row.finished) for row in rows)
    named = {name for row in rows for name in row.metric_names}
    by_study = groupby(rows, lambda row: row.recipe.study or "no study")
    return {
        "rows": rows,
        "counts": {"rows": len(rows), "runs": len(runs), "unfinished": len(runs) - finished},
        "where": where(runs),
        "summaries": [summary(study, list(members)) for study, members in by_study],
        "corrected": any(name in row.recipe.corrected for row in rows for name in HEADLINES),
        "sections": [(row, row_section(row)) for row in rows],
        "glossary": [metric for metric in METRICS.values() if metric.name in named],
    }


def summary(study: str, rows: Sequence[Row]) -> dict[str, Any]:
    """The table of a study's rows: the columns that they have something to say in."""
    named = {name for row in rows for name in row.metric_names}
    shown = [name for name in HEADLINES if name in named]
    return {
        "study": study,
        "rows": rows,
        "shown": shown,
        "compared": [name for name in shown if any(r.reference(name) is not None for r in rows)],
        "several": any(len(row.finished) > 1 for row in rows),
        "reach": reach(rows),
    }


def where(runs: Iterable[RunLike]) -> list[tuple[str, list[str]]]:
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
    return [(label, values) for label, values in facts if values]


def _device(environment: Mapping[str, Any]) -> str:
    """The device with its name, where it isn't the processor."""
    device, name = str(environment["device"]), str(environment.get("device_name") or "")
    return device if name in ("", str(environment.get("processor"))) else f"{name} ({device})"


def _day(moment: str) -> str:
    try:
        return datetime.fromisoformat(moment).date().isoformat()
    except ValueError:
        return moment


def differences(row: Row) -> list[float]:
    """Accuracy of each seed less the published one, in points; empty where not comparable."""
    published = row.reference("accuracy")
    if published is None or not row.comparable or row.truncated:
        return []
    each = [100 * (value - published) for value in row.figures("accuracy")]
    return [value for value in each if math.isfinite(value)]


def reach(rows: Iterable[Row]) -> int:
    """Half-width in whole points of the strips of differences; 0 where there is none."""
    largest = max((abs(d) for row in rows for d in differences(row)), default=0.0)
    return math.ceil(largest)


def row_section(row: Row) -> dict[str, Any]:
    """The parts of a row's section; a part that lacks its data is empty and named in `absent`."""
    network, lead = row.recipe.network, row.lead
    test = section(lead, "test")
    histories = [run.metrics for run in row.runs if run.metrics]
    terms = curves.terms_of(histories)
    images = gallery.columns(lead.path / "figures" / "gallery.png")
    confusion = confusion_of(test)
    absent = []
    if not terms:
        absent.append("No curves: no epoch has been written down.")
    if _missing(network.decoder):
        absent.append("No gallery: this row has no decoder.")
    elif not images:
        absent.append("No gallery: none has been drawn for this run.")
    if _missing(network.classifier):
        absent.append("No confusion matrix: this row has no classifier.")
    elif confusion is None and row.finished:
        absent.append("No confusion matrix: the result has none.")
    return {
        "facts": facts(row),
        "commands": list(dict.fromkeys(command(run) for run in row.runs)),
        "remarks": remarks(row),
        "panels": [curves.panel(term, histories) for term in terms],
        "parts": [(part, curves.LABELS[part]) for part in curves.parts_of(histories)],
        "phases": curves.phases_of(max(histories, key=len)) if histories else [],
        "images": images,
        "confusion": confusion,
        "per_class": list((test.get("per_class") or {}).items()),
        "absent": absent,
        "best_split": list(row.best_split().items()),
        "best_epochs": [f"{epoch:g}" for epoch in row.each("best_on_test", "epoch")],
    }


def facts(row: Row) -> list[tuple[str, str]]:
    """Sizes and speeds of a row, as label and text."""
    result = row.lead.result or {}
    parameters = section(row.lead, "parameters")
    found = [("Seeds", ", ".join(str(run.recipe.seed) for run in row.runs))]
    if is_number(parameters.get("total")):
        found.append(("Parameters", number(parameters["total"])))
        parts = [k for k in ("encoder", "decoder", "classifier") if is_number(parameters.get(k))]
        found += [(f"of the {part}", number(parameters[part])) for part in parts]
    latent, inputs = result.get("latent"), result.get("inputs")
    if is_number(latent) and is_number(inputs) and inputs:
        share = f"{number(latent)} / {number(inputs)} = {number(latent / inputs, 2)}"
        found.append(("Latent / input", share))
        if latent >= inputs:
            found.append(("Bottleneck", "none"))
    elif is_number(latent):
        found.append(("Latent values", number(latent)))
    psnr, linear = row.measured("psnr"), row.measured("psnr_pca")
    if psnr and linear and math.isfinite(gain := psnr.mean - linear.mean):
        side = "above" if gain >= 0 else "below"
        found.append(("PSNR against PCA", f"{number(abs(gain), 2)} dB {side}"))
    if seconds := spread(row.each("seconds", "train")):
        found.append(("Training", f"{duration(seconds.mean)} s"))
    if speed := throughput(row):
        found.append(("Throughput", f"{speed} images/s"))
    if (transfer := row.recipe.transfer) is not None:
        found.append(("Starts from", f"{', '.join(transfer.layers)} of {transfer.row}"))
    if result.get("judge"):
        found.append(("Judge", str(result["judge"])))
    if result.get("device"):
        found.append(("Device", str(result["device"])))
    if result.get("selection"):
        found.append(("Weights measured", f"{result['selection']} epoch"))
    return found


def duration(seconds: float) -> str:
    """Seconds, with a decimal where there are few."""
    return number(seconds, 1 if seconds < 10 else 0)


def throughput(row: Row) -> str:
    """Training images a second, mean over the seeds."""
    values = [(run.result or {}).get("images_per_second") for run in row.finished]
    mean = spread(float(value) for value in values if is_number(value))
    return number(mean.mean) if mean else ""


def remarks(row: Row) -> list[str]:
    """What a reader must know of these runs before the numbers."""
    found = []
    if row.foreign:
        home = row.recipe.published_data or "another data set"
        found.append(
            f"Measured on {row.recipe.data.name}; the published numbers belong to {home}, so no"
            " difference is given."
        )
    for run in row.runs:
        seed = run.recipe.seed
        if run.result is None:
            epochs = f"{len(run.metrics)} epoch{'' if len(run.metrics) == 1 else 's'}"
            found.append(f"Seed {seed} is unfinished: {epochs} so far, no test figures.")
    if row.truncated:
        found.append(
            "Cut short by a limit on the number of steps: a trial of the machinery, no measurement"
            " of this row."
        )
    if row.repeated:
        seeds = ", ".join(map(str, row.repeated))
        found.append(f"Run more than once: seed {seeds}; the first finished run of each counts.")
    return found


def command(run: RunLike) -> str:
    """The command that makes `run` again."""
    words = command_words(run)
    if not words:
        return shlex.join(["wye", "train", run.recipe.row, "--seed", str(run.recipe.seed)])
    if words[0].replace("\\", "/").endswith(("/wye", "/wye/__main__.py", "/wye.exe")):
        words = ["wye", *words[1:]]
    return shlex.join(words)


def confusion_of(test: Any) -> dict[str, Any] | None:
    """The confusion matrix with the shade of each cell, or its commonest errors if it is large."""
    matrix = test.get("confusion")
    if not matrix:
        return None
    names = [str(name) for name in test.get("per_class") or range(len(matrix))]
    if len(names) != len(matrix):
        names = [str(index) for index in range(len(matrix))]
    if len(names) > MOST_CLASSES:
        errors = [
            (count, names[true], names[predicted], count / max(sum(counts), 1))
            for true, counts in enumerate(matrix)
            for predicted, count in enumerate(counts)
            if true != predicted and count
        ]
        return {"classes": names, "errors": sorted(errors, reverse=True)[:MOST_CLASSES]}
    lines = [
        (
            names[true],
            [(c, heat(c, sum(counts)), true == guess) for guess, c in enumerate(counts)],
        )
        for true, counts in enumerate(matrix)
    ]
    return {"classes": names, "lines": lines}


def _missing(line: str | None) -> bool:
    return line is None or line.strip() in ("", "none")


FILTERS = {
    "duration": duration,
    "metric": metric,
    "number": number,
    "differences": differences,
    "throughput": throughput,
    "spread": spread,
}
