"""What the runs of a study with grids say: tables, and a picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from markup import code, table

from wye.evidence.collect import Runs, by_row
from wye.evidence.gains import BASE, Condition, Gain, accuracies, conditions, levels_of, sweep
from wye.metrics import metric
from wye.plots.gains import signed
from wye.plots.output import svg
from wye.plots.runs import gain_figure
from wye.recipe.resolve import PROTOCOLS
from wye.report.when_page import sentence
from wye.runs.records import Record

FACTS = ("machine", "device", "precision", "torch", "wye", "commit")


def section(study: str, records: Sequence[Record]) -> str:
    """What was measured, a part for each protocol: the question's answer, picture and numbers."""
    own = [record for record in records if record.row.startswith(f"{study}/")]
    if not own:
        return "Nothing is measured yet."
    runs = by_row(own)
    parts = [
        "Gain: accuracy less that of the arm `classifier`, run for run of the same seed, in points"
        " of the test images, with its 95 % t interval where there are several seeds."
    ]
    for protocol in protocols_in(runs):
        held = conditions(accuracies(runs, protocol))
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
        if (weights := sweep(accuracies(runs, protocol))) is not None:
            lines = [
                (alpha, *(_spread(weights.cells.get((alpha, beta))) for beta in weights.betas))
                for alpha in weights.alphas
            ]
            parts += [
                "Accuracy by the weight of classification (a line) and of reconstruction:",
                table(("alpha", *(f"beta {beta}" for beta in weights.betas)), lines),
            ]
    found = {fact: dict.fromkeys(filter(None, (getattr(r, fact) for r in own))) for fact in FACTS}
    facts = [f"{fact} {', '.join(values)}" for fact, values in found.items() if values]
    return "\n\n".join([*parts, f"Measured on: {'; '.join(facts)}."])


def summary(study: str, records: Sequence[Record]) -> str:
    """The answer of the longest protocol that there are runs of, in a sentence; else nothing."""
    runs = by_row(record for record in records if record.row.startswith(f"{study}/"))
    return next((sentence(conditions(accuracies(runs, one))) for one in protocols_in(runs)), "")


def pictures(study: str, records: Sequence[Record]) -> Iterator[tuple[str, str]]:
    """File name and SVG of the panels, for each protocol."""
    runs = by_row(record for record in records if record.row.startswith(f"{study}/"))
    for protocol in protocols_in(runs):
        held = [of for of in conditions(accuracies(runs, protocol)) if of.gains]
        if held:
            yield f"{study}-{protocol}.svg", svg(gain_figure(held))


def protocols_in(runs: Runs) -> list[str]:
    """The protocols that there are runs of."""
    under = {protocol for _, protocol in runs}
    return [protocol for protocol in PROTOCOLS if protocol in under]


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
