"""What `wye train FOLDER` and the commands after it are worth, measured.

    python -m benchmarks.own_images --runs own --out docs/own-images-measured.md

Three questions: how far the defaults of small folders are from the best of a small search, how
much memory many files ask for, and what an image's anomaly score is good for. What is finished in
`--runs` is not done again.
"""

# ruff: noqa: E402
from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from wye.machine import cpu_name, wait_passively

wait_passively()  # as the command does, before the imports that follow load torch

import torch
from PIL import Image

import wye
from benchmarks import anomalies, defaults
from benchmarks.result import shown
from wye.apart import in_own_process, peak_memory
from wye.data.sources import load
from wye.files import write_atomically

COUNTS = (1_000, 10_000)
"""Files that are predicted."""


def kept(path: Path, find: Callable[[], list[Any]]) -> list[list[Any]]:
    """Lines that were found before, or are found now and written for the next time."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(find()).encode())
    lines: list[list[Any]] = json.loads(path.read_text())
    return lines


def predict(run: str, folder: str, out: str) -> dict[str, float]:
    """`wye predict RUN FOLDER --out OUT`: its seconds and the most memory it held, in MB."""
    from wye.cli.app import app

    start = time.perf_counter()
    app(["predict", run, folder, "--out", out], standalone_mode=False)
    return {"seconds": time.perf_counter() - start, "mb": peak_memory()}


def many_files(runs: Path) -> list[tuple[int, float, float]]:
    """Images, seconds and megabytes of predicting 1,000 files and ten times as many."""
    pixels = load("cifar10").test.pixels[: max(COUNTS)].permute(0, 2, 3, 1).numpy()
    run = wye.train(
        "wye/quick", data="shapes", max_steps=2, out=runs / "two-steps", resume=True, progress=False
    )
    lines = []
    for count in COUNTS:
        folder = runs / f"{count}-files"
        folder.mkdir(parents=True, exist_ok=True)
        for number, array in enumerate(pixels[:count]):
            Image.fromarray(array).save(folder / f"{number}.png")
        out = runs / f"{count}.csv"
        took = in_own_process(predict, run=str(run.path), folder=str(folder), out=str(out))
        written = len(out.read_text().splitlines()) - 1
        lines.append((written, took["seconds"], took["mb"]))
    return lines


def scored(data: str, network: str) -> list[anomalies.Line]:
    """One line of the evidence on anomalies."""
    return [anomalies.measured(data, network)]


def page(
    searches: list[list[defaults.Line]],
    files: list[tuple[int, float, float]],
    odd: list[anomalies.Line],
) -> str:
    """The page of what was found."""
    folders = "\n".join(
        f"### {lines[0].folder}\n\n{defaults.table(lines)}\n{defaults.verdict(lines)}\n"
        for lines in searches
    )
    counts = "".join(
        f"| {count:,} | {shown(seconds)} | {shown(megabytes)} |\n"
        for count, seconds, megabytes in files
    )
    return f"""# Own images, measured

Written by `python -m benchmarks.own_images --out docs/own-images-measured.md`, on {cpu_name()} with
{torch.get_num_threads()} threads.

## The defaults of small folders

Each folder has a large test part (about {defaults.TESTED:,} images). It is trained with what Wye
chooses by itself, and with the batch, the epochs and the rate halved and doubled, one at a time
(seed 0). The best of these and the defaults are then trained again with seeds 1 and 2, by which
they are compared: the best of seven by one seed owes something to luck.

{folders}
## Many files

`wye predict RUN FOLDER --out FILE.csv`, 32 x 32 PNG files, `wye/quick`, start to
end; memory is the most that its process held.

| files | seconds | MB |
|---:|---:|---:|
{counts}
## Anomalies

{anomalies.section(odd)}"""


def main() -> None:
    """Measure all, and print the page or write it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.own_images", description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("own-images"), help="kept between calls")
    parser.add_argument("--out", type=Path, help="the page; printed if not given")
    asked = parser.parse_args()
    runs: Path = asked.runs
    searches = []
    for number, folder in enumerate(defaults.FOLDERS):
        images = runs / f"folder-{number}"
        search = partial(defaults.searched, folder, images, runs / "runs")
        lines = kept(runs / f"defaults-{number}.json", search)
        searches.append([defaults.Line(*line) for line in lines])
        print(folder.title, defaults.verdict(searches[-1]), flush=True)
    files = kept(runs / "files.json", partial(many_files, runs))
    odd = []
    for data in anomalies.SETS:
        for network in anomalies.NETWORKS:
            place = runs / f"anomalies-{data}-{network.replace('/', '-')}.json"
            odd += [anomalies.Line(*line) for line in kept(place, partial(scored, data, network))]
            print(odd[-1], flush=True)
    text = page(searches, [(count, seconds, mb) for count, seconds, mb in files], odd)
    if asked.out is None:
        print(text)
    else:
        asked.out.write_text(text)


if __name__ == "__main__":
    main()
