"""Write the generated parts of the documentation: `make docs`.

- `docs/notation.md`: every symbol of networks and of image transformations, from their registries.
- `docs/recipes.md`: every setting of a recipe, from the models that check them.
- `docs/claims.md`: each claim and its verdict, from the claims' file and those records, with the
  simulation in `docs/_generate/looks.json`.
- `docs/studies/`: a page a study, from the study files, the faults in `faults.yaml` and the records
  of runs that come with the package.
- the answer in `README.md` and `docs/index.md`, from the same records.
- the result table in `docs/start.md` and `docs/images/reconstructions.png`, from the run that
  `make run` leaves in `runs/make-run`, where there is one.

`python docs/_generate/build.py --check` only says whether the pages are current.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import finding
import gains_page
from claims_page import claims
from markup import table
from notation_page import notation
from recipe_page import recipes
from study_page import index, study_page

from wye.cli.output import figure, shown_metrics
from wye.evidence.collect import by_row
from wye.evidence.findings import findings
from wye.evidence.results import shipped
from wye.runs import Run
from wye.studies import studies

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
RUN = ROOT / "runs" / "make-run"


def pages() -> dict[Path, str]:
    """Every generated page."""
    runs = shipped()
    found = findings(by_row(runs))
    pictures = {
        DOCS / "images" / file: svg
        for name, study in studies().items()
        if study.grids
        for file, svg in gains_page.pictures(name, runs)
    }
    readme, home = ROOT / "README.md", DOCS / "index.md"
    return {
        **pictures,
        readme: with_block(readme.read_text(), "answer", finding.answer(found, runs, "docs/")),
        home: with_block(
            with_block(home.read_text(), "answer", finding.answer(found, runs)),
            "evidence",
            finding.evidence(found, runs),
        ),
        DOCS / "notation.md": notation(),
        DOCS / "recipes.md": recipes(),
        DOCS / "claims.md": claims(found),
        DOCS / "studies" / "README.md": index(runs, found),
        **{DOCS / "studies" / f"{name}.md": study_page(name, runs, found) for name in studies()},
    }


def results() -> str:
    """The result table of `make run`."""
    run = Run(RUN)
    assert run.result is not None
    test, place = run.result["test"], run.environment
    lines = [(f"`{name}`", figure(name, test[name])) for name in shown_metrics(test)]
    seconds, rate = run.result["seconds"]["train"], run.result["images_per_second"]
    return f"""{table(("test", f"`{run.recipe.row}`, seed {run.recipe.seed}"), lines)}

Trained in {seconds:.0f} s at {rate:,.0f} images/s, {run.result["precision"]}, on {place["threads"]}
threads of {place["device_name"]}; wye {place["wye"]}, torch {place["torch"]},
Python {place["python"]}. Written by `make run` and `make docs`."""


def with_block(text: str, name: str, content: str) -> str:
    """A page's text with `content` between the markers of block `name`."""
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    head, rest = text.split(begin)
    _, tail = rest.split(end)
    return f"{head}{begin}\n{content}\n\n{end}{tail}"


def stale(wanted: dict[Path, str]) -> list[str]:
    """The pages that are not as they should be, and those that should not be."""
    found = [p for p, text in wanted.items() if not p.exists() or p.read_text() != text]
    return [str(p.relative_to(ROOT)) for p in [*found, *_left_over(wanted)]]


def _left_over(wanted: dict[Path, str]) -> list[Path]:
    """Pages of studies that are no more."""
    return [path for path in (DOCS / "studies").glob("*.md") if path not in wanted]


def main() -> None:
    """Write the pages, or check them."""
    parser = argparse.ArgumentParser(description="Write the generated parts of the documentation.")
    parser.add_argument("--check", action="store_true", help="only say whether they are current")
    asked = parser.parse_args()
    if asked.check:
        old = stale(pages())
        sys.exit(f"not current, run `make docs`: {', '.join(old)}" if old else 0)
    wanted = pages()
    for path in _left_over(wanted):
        path.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        print(path.relative_to(ROOT))
    if (RUN / "result.json").exists():
        from wye.cli.outputs import reconstruct

        start = DOCS / "start.md"
        start.write_text(with_block(start.read_text(), "results", results()))
        reconstruct(RUN, out=ROOT / "docs" / "images" / "reconstructions.png")
    else:
        print("runs/make-run holds no run: docs/start.md is left as it is")


if __name__ == "__main__":
    main()
