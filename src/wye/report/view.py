"""What a row's section says: plain values for the template to lay out."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from typing import Any

import yaml

from wye.errors import WyeError
from wye.metrics import number, spread
from wye.plots.confusion import COUNTED, shade
from wye.plots.curves import LABELS, History, curves_figure, phases_of, splits_of, terms_of
from wye.plots.gallery import compared
from wye.plots.output import inline_svg
from wye.plots.style import available
from wye.recipe.schema import SETTINGS
from wye.report.gallery import columns
from wye.report.rows import CHANGED, SHORT, Row, command_words, is_number, section
from wye.runs import remarks as signs
from wye.runs.pictures import class_name
from wye.runs.run import Run

MOST_CLASSES = COUNTED
"""More classes than this make no readable matrix; the commonest confusions are listed instead."""


def row_section(row: Row, pictures: bool = True) -> dict[str, Any]:
    """The parts of a row's section; a part that lacks its data is empty and named in `absent`.

    Args:
        pictures: False leaves out curves, gallery and confusion matrix.
    """
    network, lead = row.recipe.network, row.lead
    test = section(lead, "test")
    said = {
        "facts": facts(row),
        "commands": list(dict.fromkeys(command(run) for run in row.runs)),
        "recipe": recipe_text(row),
        "remarks": remarks(row),
        "best_split": list(row.best_split().items()),
        "best_epochs": [f"{epoch:g}" for epoch in row.each("best_on_test", "epoch")],
    }
    if not pictures:
        nothing = (
            "panels",
            "parts",
            "phases",
            "images",
            "lines",
            "confusion",
            "mistakes",
            "per_class",
            "absent",
        )
        return {**said, **dict.fromkeys(nothing, ())}
    histories = [run.metrics for run in row.runs if run.metrics]
    terms = terms_of(histories)
    rows, names = gallery_of(lead)
    confusion = confusion_of(test)
    absent = []
    if not terms:
        absent.append("No curves: no epoch has been written down.")
    elif not available():
        absent.append("No curves: matplotlib is not installed (pip install 'wye[plots]').")
        terms = []
    if _missing(network.decoder):
        absent.append("No gallery: this row has no decoder.")
    elif not rows:
        absent.append("No gallery: this run keeps no examples, or their file is damaged.")
    if _missing(network.classifier):
        absent.append("No confusion matrix: this row has no classifier.")
    elif confusion is None and row.finished:
        absent.append("No confusion matrix: the result has none.")
    return {
        **said,
        "panels": [panel(term, histories) for term in terms],
        "parts": [(part, LABELS[part]) for part in splits_of(histories)],
        "phases": phases_of(max(histories, key=len)) if histories else [],
        "images": list(zip(columns(rows), names, strict=True)) if rows else [],
        "lines": list(rows),
        "confusion": confusion,
        "mistakes": mistakes_of(lead),
        "per_class": list((test.get("per_class") or {}).items()),
        "absent": absent,
    }


def panel(term: str, histories: Sequence[History]) -> str:
    """A term of all seeds, for the page to hold."""
    seeds = {str(at): history for at, history in enumerate(histories)}
    return inline_svg(curves_figure(seeds, [term], legend=False, by_run=False))


def gallery_of(run: Run) -> tuple[dict[str, Any], list[str]]:
    """The rows of a run's gallery and what its images are called; empty where it has none."""
    try:
        found = run.examples()
    except WyeError:
        return {}, []
    if found is None or not len(found.originals):
        return {}, []
    rows = compared(found.originals, found.reconstructions, found.inputs)
    return rows, run.names_of(found) or [f"image {at}" for at in range(1, len(found.originals) + 1)]


def mistakes_of(run: Run) -> list[dict[str, str]]:
    """The test images that a run got most confidently wrong: picture, name and classes."""
    try:
        found = run.mistakes()
        classes = [] if found is None else run.config["classes"]
    except WyeError:
        return []
    if found is None:
        return []
    return [
        dict(zip(("picture", "name", "true", "predicted", "probability"), each, strict=True))
        for each in zip(
            columns({"": found.pixels.numpy()}),
            run.names_of(found),
            [class_name(at, classes) for at in found.labels.tolist()],
            [class_name(at, classes) for at in found.predicted.tolist()],
            [f"{100 * value:.0f} %" for value in found.probability.tolist()],
            strict=True,
        )
    ]


def recipe_text(row: Row) -> str:
    """The row's recipe as YAML, but for what every recipe has unless it says otherwise."""
    shown = {*SETTINGS} - {"seed"}
    settings = row.recipe.model_dump(mode="json", include=shown, exclude_defaults=True)
    return yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, width=88)


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
    if row.standing == SHORT:
        found.append(
            f"Run under the protocol {row.protocol}, with the schedule refitted. The published"
            " numbers are of the full length, so no difference is given."
        )
    elif row.standing == CHANGED and not row.foreign:
        found.append(
            "Run with settings that are not the row's, so no difference from the published numbers"
            " is given."
        )
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
    if row.images is not None and row.finished and not row.truncated:
        found += [f"{each[0].upper()}{each[1:]}." for each in signs.remarks(row.lead.result or {})]
    if row.repeated:
        seeds = ", ".join(map(str, row.repeated))
        found.append(f"Run more than once: seed {seeds}; the first finished run of each counts.")
    return found


def command(run: Run) -> str:
    """The command that makes `run` again."""
    words = command_words(run)
    if not words:
        paper = run.recipe.protocol == "paper"
        under = [] if paper else ["--protocol", run.recipe.protocol]
        words = ["wye", "train", run.recipe.row, "--seed", str(run.recipe.seed), *under]
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
            [(c, shade(c, sum(counts)), true == guess) for guess, c in enumerate(counts)],
        )
        for true, counts in enumerate(matrix)
    ]
    return {"classes": names, "lines": lines}


def _missing(line: str | None) -> bool:
    return line is None or line.strip() in ("", "none")
