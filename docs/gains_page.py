"""What the runs of a study with grids say: one small file, tables, and a picture."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from markup import code, table

from wye.evidence.collect import Runs
from wye.evidence.gains import BASE, Accuracies, Condition, Gain, conditions, levels_of, sweep
from wye.metrics import metric
from wye.plots.gains import signed
from wye.plots.output import svg
from wye.plots.runs import gain_figure
from wye.report.when_page import sentence
from wye.studies import studies

Results = dict[str, Any]
"""`protocols`: protocol to row to `{"accuracy": {seed: …}, "psnr": {seed: …}}`, and `where`: fact
to the values that the runs have of it."""

FACTS = ("processor", "cores", "device", "precision", "torch", "wye", "commit")
KEPT = ("accuracy", "train_seconds")


def collect(study: str, runs: Runs) -> Results:
    """The figures of the rows that a study's grids made, by protocol, row, metric and seed."""
    from wye.runs.run import Run

    found: Results = {"protocols": {}, "where": {}}
    rows = {f"{study}/{row}" for grid in studies()[study].grids for row in grid.rows()}
    for (row, protocol), repeats in sorted(runs.items()):
        if row not in rows:
            continue
        kept: dict[str, dict[str, float]] = {}
        for seed, run in repeats.items():
            for name in KEPT:
                if name in run.figures:
                    kept.setdefault(name, {})[str(seed)] = float(f"{run.figures[name]:.6g}")
            environment = Run(run.path).environment
            for fact in FACTS:
                values = found["where"].setdefault(fact, [])
                if (value := environment.get(fact)) not in (None, *values):
                    values.append(value)
        found["protocols"].setdefault(protocol, {})[row] = kept
    return found


def write(path: Path, results: Results) -> None:
    """Write the file, a row a line."""
    parts = [
        f'"{protocol}": {{\n'
        + ",\n".join(f"{json.dumps(row)}: {json.dumps(kept)}" for row, kept in rows.items())
        + "\n}"
        for protocol, rows in results["protocols"].items()
    ]
    where = json.dumps(results["where"], ensure_ascii=False)
    path.write_text(f'{{"where": {where},\n"protocols": {{{", ".join(parts)}}}}}\n')


def read(path: Path) -> Results:
    """The results in the file; none without it."""
    empty: Results = {"protocols": {}, "where": {}}
    return json.loads(path.read_text()) if path.exists() else empty


def section(study: str, results: Results) -> str:
    """What was measured, a part for each protocol: the question's answer, picture and numbers."""
    if not results["protocols"]:
        return "Nothing is measured yet."
    parts = [
        "Gain: accuracy less that of the arm `classifier`, run for run of the same seed, in points"
        " of the test images, with its 95 % t interval where there are several seeds. Written by"
        " `python docs/build.py --measured RUNS` from run folders; each run's figures are in"
        f" `docs/results/{study}.json`."
    ]
    for protocol, rows in results["protocols"].items():
        held = conditions(_accuracies(study, rows))
        arms = _arms(held)
        parts += [
            f"### Protocol {protocol}",
            sentence(held),
            f"![Gain over the classifier by labels per class](../images/{study}-{protocol}.svg)",
            table(
                ("images", "classes", "labels per class", f"`{BASE}`", *map(code, arms)),
                [line for of in held for line in _lines(of, arms)],
            ),
        ]
        if (weights := sweep(_accuracies(study, rows))) is not None:
            lines = [
                (alpha, *(_spread(weights.cells.get((alpha, beta))) for beta in weights.betas))
                for alpha in weights.alphas
            ]
            parts += [
                "Accuracy by the weight of classification (a line) and of reconstruction:",
                table(("alpha", *(f"beta {beta}" for beta in weights.betas)), lines),
            ]
    where = results["where"]
    facts = [f"{fact} {', '.join(map(str, where[fact]))}" for fact in FACTS if where.get(fact)]
    return "\n\n".join([*parts, f"Measured on: {'; '.join(facts)}."])


def pictures(study: str, results: Results) -> Iterator[tuple[str, str]]:
    """File name and SVG of the panels, for each protocol."""
    for protocol, rows in results["protocols"].items():
        held = [of for of in conditions(_accuracies(study, rows)) if of.gains]
        if held:
            yield f"{study}-{protocol}.svg", svg(gain_figure(held))


def _accuracies(study: str, rows: Mapping[str, Any]) -> Iterator[Accuracies]:
    known = studies()[study].rows
    for row, kept in rows.items():
        name = row.partition("/")[2]
        if name in known and "accuracy" in kept:
            of = {int(seed): value for seed, value in kept["accuracy"].items()}
            yield known[name]["factors"], of


def _arms(held: Iterable[Condition]) -> list[str]:
    measured = {arm for of in held for arm in of.gains}
    return [arm for arm in levels_of("arm") if arm in measured]


def _lines(of: Condition, arms: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for count in sorted({*of.base, *(n for gains in of.gains.values() for n in gains)}):
        cells = [_gain(of.gains.get(arm, {}).get(count)) for arm in arms]
        yield (of.corruption, of.balance, f"{count:,}", _spread(of.base.get(count)), *cells)


def _gain(gain: Gain | None) -> str:
    if gain is None:
        return ""
    if gain.low is None or gain.high is None:
        return f"{signed(gain.mean)} ({gain.n})"
    shown = f"{signed(gain.mean)} [{signed(gain.low)}, {signed(gain.high)}] ({gain.n})"
    return f"**{shown}**" if gain.sign else shown


def _spread(of: Any) -> str:
    if of is None:
        return ""
    show = metric("accuracy").show
    return show(of.mean) + (f" ± {show(of.sd)}" if of.sd is not None else "") + f" % ({of.n})"
