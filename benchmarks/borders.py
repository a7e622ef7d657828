"""Generated inputs over every border: each is taken, or refused in one clear message.

    python -m benchmarks.borders 20000

Sound files are damaged (bytes) or edited (values, by place) and read as a user's would be. The
inputs follow from the number alone, so what is found can be found again.
"""

from __future__ import annotations

import contextlib
import copy
import gzip
import io
import json
import logging
import os
import pickle
import shutil
import struct
import sys
import tarfile
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

import wye
import wye.data
from wye.data.folder import read_image
from wye.data.sources import fetch
from wye.errors import WyeError, message_of
from wye.evidence.collect import by_row
from wye.recipe.schema import Recipe
from wye.report import write_report
from wye.runs.folder import RunFolder
from wye.runs.records import Record
from wye.runs.resume import restored
from wye.runs.run import Run
from wye.runs.setup import Setup, set_up
from wye.training.loop import Trainer

SMALL: dict[str, Any] = {
    "row": "test/border",
    "data": {"name": "shapes", "channels": 1, "per_class": 4, "validation": 0.25},
    "network": {"encoder": "C(2)", "decoder": "mirror", "classifier": "L'(classes)"},
    "train": {"epochs": 2, "batch_size": 30, "optimizer": "adam", "precision": "fp32"},
}
TEXTS = ("recipe.yaml", "result.json", "config.json", "environment.json", "metrics.jsonl")
TENSORS = tuple(f"{name}.safetensors" for name in ("model", "predictions", "examples", "mistakes"))
BORDERS = ("archive", "image", "text", "values", "weights", "checkpoint", "report")
MOST_LINES, MOST_SECONDS = 5, 20.0


def small_recipe(**changes: dict[str, Any]) -> Recipe:
    """A recipe that trains in a second."""
    parts = {key: {**SMALL.get(key, {}), **changes.get(key, {})} for key in {*SMALL, *changes}
             if key != "row"}  # fmt: skip
    return Recipe.model_validate({"row": SMALL["row"], **parts})


class Borders:
    """A sound one of everything, and a place to damage it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sound = folder / "sound"
        wye.train(small_recipe(), out=self.sound)
        self.setup: Setup = set_up(small_recipe())
        self.network = copy.deepcopy(self.setup.network.state_dict())
        self.archives = dict(_archives(folder / "archives"))
        self.images = dict(_images())
        state = RunFolder(self.sound).read_checkpoint(torch.device("cpu"))
        assert state is not None
        trainer = self.trainer()
        next(trainer.epochs())  # in the middle of its phase, where all of the state is read
        self.state: dict[str, Any] = {**trainer.state(), "history": state["history"][:1]}

    def trainer(self) -> Trainer:
        """A trainer of the small recipe that has not begun."""
        self.setup.network.load_state_dict(self.network)
        return Trainer(self.setup.recipe, self.setup.network, self.setup.data, self.setup.streams)

    def copy(self, name: str = "copy") -> Path:
        """The sound run in a folder of its own."""
        target = self.folder / name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.sound, target)
        return target


@dataclass
class Tried:
    """How many inputs were tried, and what became of them."""

    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    slowest: float = 0.0
    faults: list[str] = field(default_factory=list)


def try_some(borders: Borders, border: str, count: int, go_on: bool = False) -> Tried:
    """Try `count` generated inputs at a border.

    Args:
        go_on: collect what ends in a traceback instead of raising it.

    Raises:
        AssertionError: one ended in something else than a message of a few lines.
    """
    tried = Tried()
    make, use = STRATEGIES[border](borders)

    @settings(
        max_examples=count,
        database=None,
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(make)
    def attempt(drawn: Any) -> None:
        tried.inputs += 1
        start = time.perf_counter()
        try:
            use(drawn)
            tried.accepted += 1
        except (WyeError, OSError) as error:
            message = message_of(error)
            assert message and message.count("\n") < MOST_LINES and " at 0x" not in message, message
            tried.refused += 1
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(where.filename).name}:{where.lineno}"
            tried.faults.append(f"{border}: {type(error).__name__}: {error} ({place})")
            if not go_on:
                raise AssertionError(f"{tried.faults[-1]}\nby {str(drawn)[:500]}") from error
        seconds = time.perf_counter() - start
        tried.slowest = max(tried.slowest, seconds)
        assert seconds < MOST_SECONDS, f"{border} took {seconds:.0f} s"

    attempt()
    return tried


HOSTILE: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2,
        0.5,
        -0.0,
        1e38,
        1e308,
        2**31,
        2**63,
        10**30,
        "",
        "x",
        "none",
    ),
    *("\x1b[31m", "a" * 5000, "<script>", "nan", [], {}, [[]], [0], ["a"], {"a": 1}, [None] * 3),
    [[1, 2], [3]],
]
"""Values that stand where others should."""


def _edited(value: Any, draw: Any) -> Any:
    """The value with something at a random place replaced, removed or added."""
    children = (
        list(value)
        if isinstance(value, dict)
        else range(len(value) if isinstance(value, list) else 0)
    )
    if not children or draw(st.integers(0, 5)) == 0:
        return draw(st.sampled_from(HOSTILE))
    changed = copy.copy(value)
    key = draw(st.sampled_from(list(children)))
    match draw(st.integers(0, 7)):
        case 0:
            del changed[key]
        case 1 if isinstance(changed, dict):
            changed[draw(st.sampled_from(["x", "\x1b", "best", "test"]))] = draw(
                st.sampled_from(HOSTILE)
            )
        case _:
            changed[key] = _edited(value[key], draw)
    return changed


def _damaged(content: bytes, draw: Any) -> bytes:
    """Bytes cut off, changed, doubled or put in."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        match draw(st.integers(0, 5)):
            case 0:
                del data[at:]
            case 1:
                data[at : at + 4] = draw(st.binary(min_size=1, max_size=4))
            case 2:
                data[at:at] = draw(st.binary(max_size=20))
            case 3:
                del data[at : at + draw(st.integers(1, 40))]
            case 4:
                data[at : at + 8] = draw(
                    st.sampled_from([b"\xff" * 8, bytes(8), b"\x7f" + b"\xff" * 7])
                )
            case _:
                if data:
                    data[at] ^= 1 << draw(st.integers(0, 7))
    return bytes(data)


Border = tuple[st.SearchStrategy[Any], Callable[[Any], Any]]


def _archive(borders: Borders) -> Border:
    @st.composite
    def make(draw: Any) -> tuple[str, str, bytes]:
        name = draw(st.sampled_from(sorted(borders.archives)))
        content = borders.archives[name][1]
        if name.endswith((".gz", ".tgz")) and draw(st.booleans()):
            return name, "packed", gzip.compress(_damaged(gzip.decompress(content), draw), 1)
        return name, "whole", _damaged(content, draw)

    def use(drawn: tuple[str, str, bytes]) -> None:
        name, _, content = drawn
        path = borders.folder / Path(name).name
        path.write_bytes(content)
        try:
            fetch(borders.archives[name][0], origin=path)
        finally:
            path.unlink()

    return make(), use


def _image(borders: Borders) -> Border:
    @st.composite
    def make(draw: Any) -> tuple[str, bytes]:
        name = draw(st.sampled_from(sorted(borders.images)))
        return name, _damaged(borders.images[name], draw)

    def use(drawn: tuple[str, bytes]) -> None:
        path = borders.folder / drawn[0]
        path.write_bytes(drawn[1])
        assert read_image(path, 8).shape == (3, 8, 8)

    return make(), use


def _use_run(path: Path) -> None:
    run = Run(path)
    _ = run.recipe, run.result, run.metrics, run.environment, run.complete, run.figures
    run.folder.journal.events()
    run.predictions()
    run.examples()
    model = wye.load(run)
    model.predict(torch.zeros((1, *model.pixels), dtype=torch.uint8))
    model.reconstruct(torch.zeros((1, *model.pixels), dtype=torch.uint8))


def _text(borders: Borders) -> Border:
    @st.composite
    def make(draw: Any) -> tuple[str, bytes]:
        name = draw(st.sampled_from([*TEXTS, "journal.jsonl"]))
        return name, _damaged((borders.sound / name).read_bytes(), draw)

    return make(), lambda drawn: _in_copy(borders, *drawn)


def _in_copy(borders: Borders, name: str, content: bytes) -> None:
    path = borders.folder / "changed"
    if not path.exists():
        borders.copy("changed")
    (path / name).write_bytes(content)
    try:
        _use_run(path)
    finally:
        shutil.copyfile(borders.sound / name, path / name)


def _with_values(borders: Borders, draw: Any) -> tuple[str, bytes]:
    name = draw(st.sampled_from(TEXTS))
    text = (borders.sound / name).read_text("utf-8")
    if name == "metrics.jsonl":
        lines = _edited([json.loads(line) for line in text.splitlines()], draw)
        lines = lines if isinstance(lines, list) else [lines]
        return name, "".join(json.dumps(line) + "\n" for line in lines).encode()
    if name == "recipe.yaml":
        return name, yaml.safe_dump(_edited(yaml.safe_load(text), draw)).encode()
    return name, json.dumps(_edited(json.loads(text), draw)).encode()


def _values(borders: Borders) -> Border:
    @st.composite
    def make(draw: Any) -> tuple[str, bytes]:
        return _with_values(borders, draw)

    return make(), lambda drawn: _in_copy(borders, *drawn)


def _report(borders: Borders) -> Border:
    good = Run(borders.copy("good"))

    @st.composite
    def make(draw: Any) -> tuple[str, bytes]:
        return _with_values(borders, draw)

    def use(drawn: tuple[str, bytes]) -> None:
        path = borders.copy("bad")
        (path / drawn[0]).write_bytes(drawn[1])
        bad = Run(path)
        _ = bad.recipe, bad.result, bad.metrics, bad.environment
        if bad.complete:
            by_row([Record.of(good), Record.of(bad)])
        write_report([good, bad], borders.folder / "site")

    return make(), use


def _weights(borders: Borders) -> Border:
    @st.composite
    def make(draw: Any) -> tuple[str, bytes]:
        name = draw(st.sampled_from(TENSORS))
        return name, _damaged((borders.sound / name).read_bytes(), draw)

    return make(), lambda drawn: _in_copy(borders, *drawn)


TENSOR_VALUES: list[Any] = [
    *(torch.zeros(()), torch.zeros(3), torch.zeros(2, 2, dtype=torch.int64), torch.zeros(0)),
    torch.eye(3).to_sparse(),
    torch.zeros(3, dtype=torch.float64),
]


def _checkpoint(borders: Borders) -> Border:
    folder = RunFolder(borders.folder / "resumed")
    folder.path.mkdir(exist_ok=True)

    @st.composite
    def make(draw: Any) -> Any:
        def edited(value: Any) -> Any:
            if isinstance(value, dict) and value and draw(st.integers(0, 6)):
                key = draw(st.sampled_from(list(value)))
                if draw(st.integers(0, 5)) == 0:
                    return {other: entry for other, entry in value.items() if other != key}
                return {**value, key: edited(value[key])}
            if isinstance(value, list) and value and draw(st.booleans()):
                at = draw(st.integers(0, len(value) - 1))
                return [*value[:at], edited(value[at]), *value[at + 1 :]]
            return draw(st.sampled_from([*HOSTILE, *TENSOR_VALUES]))

        return edited(borders.state)

    def use(state: Any) -> None:
        content = {"format": 2, **state} if isinstance(state, dict) else state
        torch.save(content, folder.path / "last.ckpt")
        checkpoint = folder.read_checkpoint(torch.device("cpu"))
        assert checkpoint is not None
        trainer = borders.trainer()
        restored(trainer, checkpoint, folder)
        for _ in trainer.epochs():
            break

    return make(), use


STRATEGIES: dict[str, Callable[[Borders], Border]] = {
    "archive": _archive,
    "image": _image,
    "text": _text,
    "values": _values,
    "weights": _weights,
    "checkpoint": _checkpoint,
    "report": _report,
}


def _archives(folder: Path) -> Iterator[tuple[str, tuple[str, bytes]]]:
    """Tiny data sets in the forms that they are handed round in, by file name."""
    draw = np.random.default_rng(0)

    def pixels(*shape: int) -> Any:
        return draw.integers(0, 256, shape, np.uint8)

    batches = {f"data_batch_{number}" for number in range(1, 6)} | {"test_batch"}
    batch = {b"data": pixels(2, 3072), b"labels": [1, 2]}
    yield "a/python.tar.gz", ("cifar10", _tar({name: pickle.dumps(batch, 2) for name in batches}))
    binary = {f"{name}.bin": pixels(2, 3073).tobytes() for name in batches}
    yield "b/binary.tar.gz", ("cifar10", _tar(binary))
    png = io.BytesIO()
    Image.fromarray(pixels(2, 1024, 3)).save(png, "PNG")
    sprites = {f"{name}.png": png.getvalue() for name in batches}
    labels = {f"{part}_lables.json": b"[1, 2]" for part in ("train", "test")}
    yield "c/sprites.tgz", ("cifar10", _tar({**sprites, **labels}))
    arrays = {"x_train": pixels(3, 28, 28), "y_train": pixels(3), "x_test": pixels(2, 28, 28)}
    npz = io.BytesIO()
    np.savez_compressed(npz, **arrays, y_test=pixels(2))
    yield "d/mnist.npz", ("mnist", npz.getvalue())
    parts = tuple((pixels(2, 784) / np.float32(256), np.array([1, 2])) for _ in range(3))
    yield "e/mnist.pkl.gz", ("mnist", gzip.compress(pickle.dumps(parts, 2), 1))
    idx = {}
    for part in ("train", "t10k"):
        images = struct.pack(">4B3I", 0, 0, 8, 3, 2, 28, 28) + pixels(2, 28, 28).tobytes()
        idx[f"{part}-images-idx3-ubyte"] = images
        idx[f"{part}-labels-idx1-ubyte"] = struct.pack(">4BI", 0, 0, 8, 1, 2) + bytes(2)
    yield "f/idx.tar.gz", ("fashion-mnist", _tar(idx))


def _tar(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"inside/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def _images() -> Iterator[tuple[str, bytes]]:
    image = Image.linear_gradient("L").resize((24, 20)).convert("RGB")
    for kind in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM"):
        file = io.BytesIO()
        image.save(file, kind)
        yield f"image.{kind.lower()}", file.getvalue()


def main() -> None:
    """Try as many inputs as the command line says, and print what became of them."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 700
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["WYE_CACHE"] = str(Path(folder) / "cache")
        with contextlib.redirect_stderr(io.StringIO()):
            borders = Borders(Path(folder))
        slow = {"checkpoint": 0.05, "report": 0.05}
        shares = {border: slow.get(border, 0.18) for border in BORDERS}
        faults: list[str] = []
        print("| border | inputs | taken | refused in a message | traceback | slowest |")
        print("|---|---:|---:|---:|---:|---:|")
        for border, share in shares.items():
            tried = try_some(borders, border, max(round(count * share), 1), go_on=True)
            faults += tried.faults
            print(
                f"| {border} | {tried.inputs:,} | {tried.accepted:,} | {tried.refused:,} |"
                f" {len(tried.faults)} | {tried.slowest:.1f} s |",
                flush=True,
            )
    for fault in dict.fromkeys(faults):
        print(fault[:300])
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
