"""`wye gain`."""

from __future__ import annotations

import math
import shlex
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wye.cli import completion
from wye.cli.output import Json, figure, print_json, print_table, tell
from wye.cli.rows import Overrides, Protocol
from wye.cli.training import Device
from wye.machine import keep_freed_memory

if TYPE_CHECKING:
    from wye.evidence.gain import Arm, Effect, Gain
    from wye.recipe import Recipe
    from wye.runs.records import Record


def add_to(app: typer.Typer) -> None:
    """Enter this file's command."""
    app.command("gain")(gain)


def gain(
    target: Annotated[
        str,
        typer.Argument(
            help="Own images (folder, table, arrays), or a row.", autocompletion=completion.rows
        ),
    ],
    overrides: Overrides = None,
    minutes: Annotated[
        float, typer.Option(help="Time for all runs; a first round is run in any case.")
    ] = 20.0,
    margin: Annotated[
        float, typer.Option(help="A difference that is not larger counts as none; .01: a point.")
    ] = 0.01,
    name: Annotated[
        str, typer.Option("--metric", help="accuracy, balanced_accuracy or macro_f1.")
    ] = "accuracy",
    out: Annotated[
        Path | None, typer.Option(help="Where the runs are.", show_default="runs/gain/<name>")
    ] = None,
    device: Device = "auto",
    protocol: Protocol = "paper",
    json: Json = False,
) -> None:
    """Whether the autoencoder helps here, by pairs of runs.

    The same network is trained with and without its decoder, in pairs of one seed. Looking after
    each pair is allowed: the intervals are valid at every look. Finished runs are used again.
    """
    from wye.errors import UsageError
    from wye.evidence.gain import arms_of, measure, sentence
    from wye.evidence.looks import LAST
    from wye.jobs.plan import each_message_once
    from wye.metrics import METRICS
    from wye.recipe.overrides import parse_overrides
    from wye.runs.folder import RUNS
    from wye.runs.own import has_unlabelled, resolve_own

    known = [each for each in METRICS if METRICS[each].counts is not None or each == "macro_f1"]
    if name not in known:
        raise UsageError(f"--metric {name}: it should be one of {', '.join(known)}")
    if not (0 < minutes < math.inf and 0 < margin < 1):
        raise UsageError("--minutes should be above 0, and --margin between 0 and 1")
    keep_freed_memory()
    with each_message_once():
        recipe = resolve_own(target, parse_overrides(overrides or []), protocol)
        arms = arms_of(recipe, has_unlabelled(recipe))
        root = out or Path(RUNS) / "gain" / recipe.row
        _say(f"compared with the classifier alone, in pairs, for {minutes:g} min at most:")
        for arm in arms[1:]:
            _say(f"  {arm.name}: {arm.about}")
        try:
            found = measure(
                recipe,
                arms,
                lambda one, arm: _record(one, arm, root, device, name),
                name=name,
                margin=margin,
                seconds=60 * minutes,
                looked=partial(_looked, begun=time.monotonic(), minutes=minutes),
            )
        except KeyboardInterrupt:
            again = shlex.join(["wye", *sys.argv[1:]])
            _say(f"wye: interrupted; finished runs are used again: {again}")
            raise typer.Exit(130) from None
    command = _command(target, overrides or [], protocol, found.best, recipe)
    picture = _draw(found, root)
    if json:
        print_json({**_document(found), "answer": sentence(found), "command": command})
        return
    _print(found)
    tell(sentence(found))
    alone = found.best is found.arms[0]
    tell(f"to train {found.best.about if alone else found.best.name}:\n    {command}")
    if picture is not None:
        tell(f"picture: {picture}")
    tell("This holds for these images, this network and these settings; others may differ.")
    if not found.in_time and len(found.values(found.arms[0].name)) < LAST:
        tell("With a larger --minutes it goes on from here: finished runs are used again.")


def _record(recipe: Recipe, arm: Arm, root: Path, device: str, name: str) -> Record:
    """A run, which may take minutes, and a line that says that it is done."""
    from wye.runs.folder import RunFolder
    from wye.runs.holding import finished_run
    from wye.runs.launch import Launch, launch
    from wye.runs.records import Record

    folder = root / arm.name / f"seed-{recipe.seed}"
    before = finished_run(recipe, RunFolder(folder))
    launched = Launch(recipe=recipe, out=folder, device=device, resume=True)
    record = Record.of(before or launch(launched))
    how = f"in {record.seconds or 0:.0f} s" if before is None else "of a finished run"
    _say(f"  seed {recipe.seed}, {arm.name}: {figure(name, record.metrics[name])} {how}")
    return record


def _say(text: str) -> None:
    tell(text, file=sys.stderr, flush=True)


def _looked(found: Gain, begun: float, minutes: float) -> None:
    from wye.evidence.looks import FIRST
    from wye.progress import clock

    effects = found.effects
    pairs = max(len(effect.gains) for effect in effects)
    each = "; ".join(f"{effect.arm} {_gained(effect)}" for effect in effects)
    _say(f"{pairs} pair{'s' if pairs > 1 else ''}: {each}")
    taken = time.monotonic() - begun
    if pairs == 1 and FIRST * taken > 60 * minutes:
        _say(
            f"a pair of each takes {clock(taken)}, and no fewer than {FIRST} decide:"
            f" --minutes {math.ceil(FIRST * taken / 60)} would make them"
        )


def _gained(effect: Effect) -> str:
    from wye.evidence.gain import in_points

    mean = in_points(effect.mean, "+")
    if effect.interval is None:
        return mean
    low, high = effect.interval
    return f"{mean} [{in_points(low, '+')}, {in_points(high, '+')}]"


def _command(target: str, overrides: list[str], protocol: str, arm: Arm, recipe: Recipe) -> str:
    changed = {
        f"{part}.{key}": value
        for part, settings in arm.settings.items()
        for key, value in settings.items()
        if getattr(recipe, part).model_dump()[key] != value
    }
    kept = [word for word in overrides if word.partition("=")[0] not in changed]
    settings = [f"{key}={value}" for key, value in changed.items()]
    words = ["wye", "train", target, *kept, *settings]
    return shlex.join([*words, *(["--protocol", protocol] if protocol != "paper" else [])])


def _document(found: Gain) -> dict[str, Any]:
    return {
        "metric": found.name,
        "margin": found.margin,
        "decided": found.in_time,
        "best": found.best.name,
        "classifier": found.values(found.arms[0].name),
        "arms": {
            effect.arm: {
                "pairs": len(effect.gains),
                "gain": effect.mean,
                "interval": effect.interval,
                "verdict": effect.verdict,
                "values": effect.values,
            }
            for effect in found.effects
        },
    }


def _print(found: Gain) -> None:
    from wye.metrics import spread

    effects = {effect.arm: effect for effect in found.effects}
    lines = []
    for arm in found.arms:
        measured = spread(found.values(arm.name).values())
        effect = effects.get(arm.name)
        seconds = [record.seconds or 0.0 for record in found.records[arm.name].values()]
        lines.append(
            (
                arm.name,
                str(measured.n if measured else 0),
                figure(found.name, measured.mean if measured else None),
                _gained(effect) if effect else "",
                effect.verdict if effect else "",
                f"{sum(seconds) / len(seconds):.0f} s",
            )
        )
    print_table(
        [
            ("arm", "left"),
            ("runs", "right"),
            (found.name, "right"),
            ("gain in points", "right"),
            ("verdict", "left"),
            ("a run", "right"),
        ],
        lines,
    )


def _draw(found: Gain, root: Path) -> Path | None:
    from wye.plots.effects import effects_figure
    from wye.plots.output import save
    from wye.plots.style import available

    if not available():
        _say("no picture is drawn without matplotlib: pip install 'wye[plots]'")
        return None
    path = root / "gain.svg"
    each = {effect.arm: (effect.gains, effect.interval) for effect in found.effects}
    save(effects_figure(each, found.margin), path)
    return path
