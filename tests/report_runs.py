"""Made-up runs for the tests of the report, and a page read back."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import torch

from wye.data.inspection import File, Inspection
from wye.evidence.claims import Claim
from wye.evidence.findings import Finding
from wye.evidence.verdict import Verdict
from wye.metrics import metrics_of
from wye.recipe import recipe_from_row
from wye.recipe.resolve import with_overrides
from wye.recipe.schema import Recipe
from wye.report.site import render
from wye.runs.folder import RunFolder
from wye.runs.pictures import Examples, Mistakes
from wye.runs.run import Run

HOSTILE = "<script>alert('x')</script>&\"'"
CLASSES = ("cat", "dog", "ship")


@dataclass
class FakeRun:
    """A run as the report reads it, without a folder's files."""

    path: Path
    recipe: Recipe
    result: dict[str, Any] | None = None
    metrics: list[dict[str, Any]] = field(default_factory=list)
    environment: dict[str, Any] = field(default_factory=dict)
    kept: Examples | None = None
    wrong: Mistakes | None = None
    inspection: Inspection | None = None

    def examples(self) -> Examples | None:
        return self.kept

    def mistakes(self) -> Mistakes | None:
        return self.wrong

    @property
    def config(self) -> dict[str, Any]:
        return {"classes": list(CLASSES)}

    def names_of(self, found: Examples | Mistakes) -> list[str]:
        return Run.names_of(self, found)  # type: ignore[arg-type]

    @property
    def complete(self) -> bool:
        return self.result is not None and self.result["status"] == "complete"

    @property
    def figures(self) -> dict[str, float]:
        return metrics_of(self.result or {})


def figures(accuracy: float | None, psnr: float | None) -> dict[str, Any]:
    """A test section of `result.json`."""
    found: dict[str, Any] = {"cross_entropy": 0.5}
    if accuracy is not None:
        per_class = {n: {"precision": 0.5, "recall": 0.25, "f1": 0.3333, "support": 1000}
                     for n in CLASSES}  # fmt: skip
        found |= {"accuracy": accuracy, "balanced_accuracy": accuracy, "macro_f1": accuracy}
        found |= {"per_class": per_class, "confusion": [[8, 1, 1], [2, 7, 1], [0, 0, 10]]}
    if psnr is not None:
        found |= {"psnr": psnr, "ssim": 0.9123, "mse": 0.00069, "mae": 0.018, "psnr_pca": 30.0}
    return found


def epochs(count: int, terms: tuple[str, ...] = ("loss", "accuracy"), test: bool = False) -> Any:
    """Lines of `metrics.jsonl`."""
    parts = ["train", "validation", *(["test"] if test else [])]
    return [
        {
            "epoch": e,
            "phase": "joint",
            "lr": 0.01,
            **{p: dict.fromkeys(terms, 1 / e) for p in parts},
        }
        for e in range(1, count + 1)
    ]


def make_run(
    tmp_path: Path,
    row: str = "own/v4-l2",
    *,
    seed: int = 0,
    accuracy: float | None = 0.8534,
    psnr: float | None = 32.0,
    published: dict[str, float | None] | None = None,
    finished: bool = True,
    command: str | None = None,
    status: str = "complete",
    best: float | None = None,
    watched: bool = False,
    examples: Examples | None = None,
    **recipe: Any,
) -> FakeRun:
    """A run of one of the kinds that there are; no accuracy: no classifier, no psnr: no decoder."""
    path = tmp_path / "runs" / f"{abs(hash((row, seed, status)))}"
    path.mkdir(parents=True, exist_ok=True)
    settings = {
        "row": "made/up",
        "study": "joint",
        "source": "S0-25",
        "title": "A joint autoencoder and classifier",
        "published": {"accuracy": 0.8569, "psnr": 32.32} if published is None else published,
        "published_data": "cifar10",
        "seed": seed,
        "network": {
            "encoder": "C'(32) > C(32)",
            "decoder": "none" if psnr is None else "mirror",
            "classifier": "none" if accuracy is None else "L'(10)",
        },
        "loss": {"alpha": float(accuracy is not None), "beta": float(psnr is not None)},
        **recipe,
    }
    result = {
        "status": status,
        "device": "cpu",
        "parameters": {"encoder": 10144, "decoder": 4227, "classifier": 656426, "total": 670797},
        "latent": 8192,
        "inputs": 3072,
        "seconds": {"train": 812.4},
        "images_per_second": 2461.0,
        "test": figures(accuracy, psnr),
        "selection": "last",
        **({"best_on_test": {"epoch": 31, "accuracy": best}} if best is not None else {}),
    }
    environment = {"torch": "2.13.0+cpu", "processor": "Xeon", "cores": 2, "memory_gb": 15.6}
    environment |= {"started": "2026-11-23T06:01:22+00:00", "commit": "3f9c1ab2d4e5+"}
    if command:
        environment["command"] = command
    lines = epochs(3, test=watched)
    # A recipe refuses a hostile row name; the page must not depend on that.
    made = Recipe.model_validate(settings).model_copy(update={"row": row})
    return FakeRun(path, made, result if finished else None, lines, environment, examples)


def own_run(tmp_path: Path, name: str = "pets", **settings: Any) -> FakeRun:
    """A run on own images, with two mistakes."""
    files = tuple(
        File(path=f"{kind}/{HOSTILE}{at}.png", part=part, label=kind, content=f"{part}{kind}{at}")
        for part in ("train", "test")
        for kind in CLASSES
        for at in range(2)
    )
    settings = {"study": None, "source": None, "published": {}, "published_data": None, **settings}
    settings |= {"data": {"name": f"/images/{name}"}, "title": f"Images of /images/{name}"}
    run = make_run(tmp_path, f"own/{name}", **settings)
    run.inspection = Inspection(root=f"/images/{name}", about="a folder by class", files=files)
    places = torch.tensor([1, 5])
    run.wrong = Mistakes(images()[0][:2], places, places // 2, places // 3, places / 10)
    return run


def study_run(
    tmp_path: Path,
    row: str = "joint/v4-l2",
    protocol: str = "paper",
    *,
    seed: int = 0,
    accuracy: float = 0.8534,
    finished: bool = True,
    **settings: Any,
) -> FakeRun:
    """A run of a study's row as the row is under a protocol, but for `settings`."""
    recipe = with_overrides(recipe_from_row(row, protocol).model_dump(), settings)
    made = make_run(tmp_path, row, seed=seed, accuracy=accuracy, finished=finished)
    path = tmp_path / protocol / row / f"seed-{seed}"
    recipe = recipe.model_copy(update={"seed": seed})
    return FakeRun(path, recipe, made.result, made.metrics, made.environment)


def in_folder(run: FakeRun, path: Path) -> Path:
    """Write a run as a folder has it."""
    path.mkdir(parents=True)
    folder = RunFolder(path)
    folder.write_recipe(run.recipe)
    folder.write_metrics(run.metrics)
    folder.write_json("environment.json", run.environment)
    if run.result is not None:
        folder.write_json("result.json", run.result)
    return path


def images(channels: int = 3, count: int = 10, side: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    shape = (count, channels, side, side)
    return tuple(torch.randint(0, 256, shape, generator=draw, dtype=torch.uint8) for _ in "ab")  # type: ignore[return-value]


class Page(HTMLParser):
    """The elements of a page, its text, and the text of each table's cells."""

    VOID = frozenset({"meta", "link", "img", "br", "wbr"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == [], f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.text += data
        if "td" in self.open or "th" in self.open:
            self.tables[-1][-1][-1] += data

    def line(self, table: int, start: str) -> list[str]:
        """The cells of the line that begins with `start`, white space made single."""
        lines = [[" ".join(cell.split()) for cell in line] for line in self.tables[table]]
        return next(line for line in lines if line and line[0].startswith(start))

    def ids(self) -> set[str]:
        return {str(attributes["id"]) for _, attributes in self.elements if "id" in attributes}

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(*runs: FakeRun) -> Page:
    """The page with the rows of `runs`, which are of one study or of none."""
    site = render(runs)
    [name] = [name for name in site if name != "index.html"] or ["index.html"]
    return Page(site[name])


def links_of(page: Page) -> set[str]:
    return {str(attributes["href"]) for attributes in page.all("a")}


def finding(name: str, verdict: Verdict = "supported", **known: Any) -> Finding:
    """A finding about a claim of study `joint`."""
    about = {"id": name, "says": f"What {name} says.", "where": "S0 1.9", "metric": "accuracy"}
    about |= {key: known.pop(key) for key in list(known) if key in Claim.model_fields}
    claim = Claim.model_validate(about)
    found = {
        "n": 3, "effect": 0.02, "low": 0.01, "high": 0.03, "p": 0.012, "p_corrected": 0.04,
        "verdict_corrected": verdict, "runs_needed": None, "protocol": "paper", "seeds": (0, 1, 2),
    }  # fmt: skip
    return Finding(claim=claim, verdict=verdict, unit=claim.unit, **{**found, **known})


def findings() -> list[Finding]:
    """One of each kind of claim and each verdict."""
    pair = {"higher": ["joint/v4-l2"], "lower": ["joint/v1"]}
    return [
        finding("C1", published=0.015, **pair),
        finding("C2", "refuted", same=[["joint/v4-l2", "joint/v1"]], margin=0.005,
                verdict_corrected="undecided"),
        finding("C3", "undecided", low=-0.3, high=0.34, runs_needed=4000, margin=0.01, **pair),
        finding("C4", row="joint/v4-l2", range=(0.84, 0.87), effect=0.855, low=0.85, high=0.86,
                p=None, p_corrected=None),
        finding("C5", "no runs", n=0, effect=None, low=None, high=None, p=None, p_corrected=None,
                **pair),
        finding("C6", "undecided", n=1, low=None, high=None, p=None, p_corrected=None,
                runs_needed=12, says=HOSTILE, **pair),
    ]  # fmt: skip
