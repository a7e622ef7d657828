"""What trackers have of a run, read back from their own files."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine

import wye
from wye import api
from wye.errors import MachineError, UsageError
from wye.jobs import Board, local
from wye.jobs.worker import LAUNCH
from wye.runs.run import Run
from wye.tracking import TRACKERS, track

SETTINGS: dict[str, Any] = {
    "data": {"name": "shapes", "per_class": 4, "channels": 1, "validation": 0.2},
    "network": {"encoder": "C(4)", "decoder": "mirror", "classifier": "G > L'(classes)"},
    "train": {"epochs": 2, "batch_size": 20},
}


def small(out: Path, trackers: str | tuple[str, ...], **further: Any) -> Run:
    return wye.train(
        "joint/v4", **SETTINGS, out=out, track=trackers, **{"progress": False, **further}
    )


def wanted(run: Run) -> dict[str, list[float]]:
    """Values by name and epoch, as the run folder has them."""
    return {
        "train/loss": [line["train"]["loss"] for line in run.metrics],
        "validation/accuracy": [line["validation"]["accuracy"] for line in run.metrics],
        "lr": [line["lr"] for line in run.metrics],
        "result/accuracy": [run.figures["accuracy"]],
        "result/psnr": [run.figures["psnr"]],
    }


def tensorboard_scalars(run: Run) -> Any:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    read = accumulator.EventAccumulator(
        str(run.path / "tensorboard"), {"scalars": 0, "images": 0, "tensors": 0}
    )
    return read.Reload()


def test_event_files_hold_epochs_settings_pictures_and_the_result(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    run = small(tmp_path / "run", "tensorboard")
    read = tensorboard_scalars(run)
    for name, values in wanted(run).items():
        found = read.Scalars(name)
        assert [event.value for event in found] == pytest.approx(values, rel=1e-6), name
        assert [event.step for event in found] == ([1, 2] if len(values) == 2 else [2])
    assert {tag: read.Images(tag)[0].step for tag in read.Tags()["images"]} == {
        "confusion": 2,
        "gallery": 2,
    }
    text = read.Tensors("recipe/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "encoder: C(4)" in text
    content = read.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    assert b"train.batch_size" in content and b"environment.device" in content


def test_a_resumed_run_hands_each_epoch_on_once(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    out = tmp_path / "run"
    small(out, (), max_steps=2)  # the first epoch, untracked
    small(out, "tensorboard", resume=True, max_steps=3)  # the second one begun
    run = small(out, "tensorboard", resume=True)
    losses = tensorboard_scalars(run).Scalars("train/loss")
    assert losses[0].step == 1 and [event.step for event in losses].count(1) == 1
    assert losses[-1].step == 2
    assert losses[-1].value == pytest.approx(run.metrics[1]["train"]["loss"])
    before = sorted((out / "tensorboard").iterdir())
    small(out, "tensorboard", resume=True)
    assert sorted((out / "tensorboard").iterdir()) == before


def test_mlflow_keeps_the_runs_of_a_study_in_sqlite(
    command_line: CommandLine, in_empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    from mlflow import MlflowClient

    def in_this_process(board: Board, workers: int, launch_of: Any) -> None:
        while (run := board.next()) is not None:
            board.begun(run)
            api.run(LAUNCH.validate_json(LAUNCH.dump_json(launch_of(run))))
            board.apply(run, {"event": "done"})

    monkeypatch.setattr(local, "run_locally", in_this_process)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    words = ["data=shapes", "data.per_class=4", "data.channels=1", "network.encoder=C(4)"]
    words += ["network.decoder=mirror", "network.classifier=G > L'(classes)", "train.epochs=2"]
    answer = command_line(
        *("study", "joint/v4", *words, "--seeds", 2, "--track", "mlflow", "--json")
    )
    assert answer.status == 0, answer.err
    client = MlflowClient(f"sqlite:///{in_empty_folder / 'runs/mlflow.db'}")
    experiment = client.get_experiment_by_name("wye")
    found = client.search_runs([experiment.experiment_id])
    assert {each.info.run_name for each in found} == {"joint/v4 seed 0", "joint/v4 seed 1"}
    for each in found:
        run = Run(Path(each.data.tags["folder"]))
        assert each.info.status == "FINISHED"
        assert each.data.params["train.epochs"] == "2"
        assert each.data.params["seed"] == str(run.recipe.seed)
        for name in ("train/loss", "lr"):
            history = client.get_metric_history(each.info.run_id, name)
            key, _, part = name.rpartition("/")
            lines = [line[key][part] if key else line[part] for line in run.metrics]
            assert [(at.step, at.value) for at in history] == list(enumerate(lines, 1))
        assert each.data.metrics["result/accuracy"] == run.figures["accuracy"]
        kept = [file.path for file in client.list_artifacts(each.info.run_id, "figures")]
        assert kept == ["figures/confusion.png", "figures/gallery.png"]


def wandb_records(content: bytes) -> Iterator[Any]:
    """The records of a .wandb file, a log of LevelDB's form: blocks of 32 kB after 7 bytes.

    A part begins with its checksum, its length, and whether it is a whole record (1), the first
    part of one (2), a middle (3) or the last (4).
    """
    from wandb.proto.wandb_internal_pb2 import Record

    at, parts = 7, b""
    while at + 7 <= len(content):
        if (left := 32768 - at % 32768) < 7:
            at += left
            continue
        length, kind = struct.unpack_from("<HB", content, at + 4)
        parts += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            yield Record.FromString(parts)
            parts = b""


def test_wandb_offline_writes_what_can_be_sent_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.chdir(tmp_path)
    run = small(tmp_path / "runs/run", "wandb")
    (file,) = tmp_path.glob("runs/wandb/offline-run-*/*.wandb")
    history: list[dict[str, Any]] = []
    begun: Any = None
    until = time.monotonic() + 30  # its own process writes the last records when it likes
    while not (records := list(wandb_records(file.read_bytes()))) or not records[-1].HasField(
        "exit"
    ):
        assert time.monotonic() < until, "the file has no end"
        time.sleep(0.1)
    for record in records:
        if record.WhichOneof("record_type") == "run":
            begun = record.run
        if record.WhichOneof("record_type") == "history":
            line = {item.key or "/".join(item.nested_key): item for item in record.history.item}
            history.append({name: json.loads(item.value_json) for name, item in line.items()})
    assert begun is not None and begun.display_name == "joint/v4 seed 0"
    assert begun.run_group == "joint/v4" and begun.project == "wye"
    config = {item.key: json.loads(item.value_json) for item in begun.config.update}
    assert config["train.batch_size"] == 20
    for name, values in wanted(run).items():
        assert [line[name] for line in history if name in line] == values, name
    assert history[-1]["gallery/_type"] == "image-file"
    assert list(tmp_path.glob("runs/wandb/offline-run-*/files/media/images/gallery_*.png"))


class Broken:
    """A tracker whose server goes away after the first epoch."""

    known = "broken"

    def __init__(self, tracked: Any) -> None:
        self.taken: list[int] = []

    def epoch(self, epoch: int, values: Any) -> None:
        self.taken.append(epoch)
        if epoch == 2:
            raise ConnectionError("the server is gone")

    def end(self, epoch: int, values: Any, pictures: Any) -> None:
        raise AssertionError("it was left out before")

    def close(self, done: bool) -> None:
        raise AssertionError("it was left out before")


def test_a_tracker_that_fails_ends_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(track, "check", lambda names: None)
    monkeypatch.setitem(TRACKERS, "tensorboard", Broken)
    run = small(tmp_path / "run", "tensorboard")
    assert run.complete
    assert "the server is gone; the run goes on without" in caplog.text
    held = json.loads((run.path / "tracking.json").read_text())
    assert held == {"tensorboard": {"known": "broken", "epochs": 1, "ended": False}}

    def unreachable(tracked: Any) -> Any:
        raise ConnectionError("no route")

    monkeypatch.setitem(TRACKERS, "tensorboard", unreachable)
    with pytest.raises(MachineError, match=r"tensorboard cannot be reached.*no route"):
        small(tmp_path / "other", "tensorboard")
    assert not (tmp_path / "other").exists()


def test_what_is_missing_is_said_before_anything_is_trained(
    command_line: CommandLine, in_empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="no tracker 'tensorbord'; did you mean 'tensorboard'"):
        small(in_empty_folder / "run", "tensorbord")
    monkeypatch.setattr(track.importlib.util, "find_spec", lambda name: None)
    for verb in ("train", "study"):
        answer = command_line(verb, "joint/v1", "data=shapes", "--track", "wandb")
        assert answer.status == 2
        assert "wandb is not installed: pip install 'wye[wandb]'" in answer.err
    assert list(in_empty_folder.iterdir()) == []
