"""Studies: their plan, the board, and `wye study` with workers that are killed."""

from __future__ import annotations

import json
import os
import signal
import statistics
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine
from study_processes import (
    alive,
    assert_each_done_once,
    carried_out,
    ended,
    events,
    in_the_middle,
    kill_group,
    recipe_file,
    started,
    until,
)

import wye
from wye.errors import MachineError, UsageError
from wye.files import write_atomically
from wye.jobs import Board, Entry, PlannedRun, Status, board, plan
from wye.jobs.bundle import Bundle, pack, unpack
from wye.jobs.plan import requested
from wye.recipe import resolve
from wye.recipe.overrides import parse_overrides
from wye.runs import RunFolder

TINY = parse_overrides(["data=shapes", "data.per_class=2", "train.epochs=1"])


def rows(*names: str, seeds: int = 1, **settings: Any) -> list[Any]:
    return requested(names, {**TINY, **settings}).repeated(seeds)


def test_a_study_is_all_its_rows_times_the_seeds_in_whole_sets(in_empty_folder: Path) -> None:
    planned = plan(rows("fashion5", seeds=3), changed=TINY)
    asked = [(run.recipe.row, run.recipe.seed) for run in planned]
    assert len(asked) == len(set(asked)) == 30
    assert [seed for _, seed in asked] == sorted(seed for _, seed in asked)
    assert len({run.folder for run in planned}) == 30


def test_a_run_comes_behind_the_one_it_needs_which_is_planned_once(in_empty_folder: Path) -> None:
    names = ("fashion5/classifier-transfer", "fashion5/autoencoder")
    planned = plan(rows(*names, seeds=2), changed=TINY)
    places = {run.folder: index for index, run in enumerate(planned)}
    assert len(planned) == 4
    for run in planned:
        needed = [planned[places[folder]] for folder in run.dependencies]
        assert all(places[other.folder] < places[run.folder] for other in needed)
        if run.recipe.row == names[0]:
            assert [(n.recipe.row, n.recipe.seed) for n in needed] == [(names[1], run.recipe.seed)]


def test_what_is_needed_is_planned_too_and_changed_alike(in_empty_folder: Path) -> None:
    needed, asked = plan(rows("fashion5/classifier-transfer"), changed=TINY)
    assert needed.recipe == resolve("fashion5/autoencoder", TINY)
    assert asked.dependencies == (needed.folder,) == (Path("runs/fashion5/autoencoder/seed-0"),)


def test_another_run_in_the_usual_place_puts_what_is_needed_beside_it(
    in_empty_folder: Path,
) -> None:
    other = RunFolder(Path("runs/fashion5/autoencoder/seed-0"))
    other.path.mkdir(parents=True)
    other.write_recipe(resolve("fashion5/autoencoder", {**TINY, "train": {"epochs": 3}}))
    needed, asked = plan(rows("fashion5/classifier-transfer"), changed=TINY)
    assert needed.folder.parent == other.path.parent
    assert needed.folder != other.path
    assert asked.dependencies == (needed.folder,)


def test_rows_that_settings_do_not_suit_are_refused_alone() -> None:
    asked = requested(["fashion5"], parse_overrides(["network.classifier=none", "loss.alpha=0"]))
    accepted = {recipe.row for recipe in asked.recipes}
    refused = set(asked.refused)
    assert "fashion5/autoencoder" in accepted
    assert "fashion5/cnn" in refused
    assert len(accepted | refused) == 10
    assert all(asked.refused.values())


def test_a_row_named_twice_is_asked_once() -> None:
    assert len(requested(["fashion5", "fashion5/cnn", "fashion5"], {}).recipes) == 10


@pytest.mark.parametrize(
    ("words", "settings", "expected"),
    [
        (["fashion5"], ["train.epoch=1"], "did you mean 'epochs'"),
        (["fashion5/cmn"], [], "did you mean 'fashion5/cnn'"),
        (["fashion5"], ["seed=1"], "--seeds"),
    ],
)
def test_words_that_mean_nothing_are_refused(
    words: list[str], settings: list[str], expected: str
) -> None:
    with pytest.raises(UsageError, match=expected):
        requested(words, parse_overrides(settings))


class Silent:
    """Watches without a word, and remembers the ends."""

    def __init__(self) -> None:
        self.ends: list[str] = []
        self.warnings: list[str] = []

    def changed(self, board: Board) -> None:
        pass

    def ended(self, board: Board, entry: Entry) -> None:
        self.ends.append(f"{entry.run.folder} {entry.status}")

    def warned(self, entry: Entry, text: str) -> None:
        self.warnings.append(text)


def runs(**dependencies: str) -> list[PlannedRun]:
    recipe = resolve("joint/v1", TINY)
    return [
        PlannedRun(recipe, Path(name), tuple(Path(other) for other in of.split()))
        for name, of in dependencies.items()
    ]


def test_a_run_waits_for_what_it_needs_and_fails_with_it() -> None:
    first, second, third = runs(a="", b="a", c="b")
    found = Board([first, second, third], lambda run: False, Silent())
    assert found.next() is first
    assert found.next() is None
    found.begun(first)
    found.apply(first, {"event": "done"})
    assert found.next() is second
    found.failed(second, "too little memory")
    assert found.next() is None
    assert found.over
    entry = found.entries[third.folder]
    assert entry.status is Status.FAILED
    assert "which failed" in entry.message


def test_a_held_run_is_looked_at_again_and_may_be_finished_by_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(board, "PATIENCE", (0.0,))
    finished: set[Path] = set()
    (run,) = runs(a="")
    found = Board([run], lambda run: run.folder in finished, Silent())
    assert found.next() is run
    found.held(run)
    assert not found.over
    assert found.next() is run
    found.held(run)
    finished.add(run.folder)
    assert found.next() is None
    assert found.counts == {Status.SKIPPED: 1}


def test_a_held_run_is_not_looked_at_at_once() -> None:
    first, second = runs(a="", b="")
    found = Board([first, second], lambda run: False, Silent())
    assert found.next() is first
    found.held(first)
    assert found.next() is second
    assert found.next() is None


def test_a_run_whose_workers_die_three_times_has_failed() -> None:
    (run,) = runs(a="")
    watch = Silent()
    found = Board([run], lambda run: False, watch)
    for _ in range(3):
        assert found.next() is run
        found.begun(run)
        found.died(run, "killed by SIGKILL")
    assert found.next() is None
    assert watch.ends == ["a failed"]
    assert len(watch.warnings) == 2
    assert "3 workers died" in found.entries[run.folder].message


def test_the_time_left_is_that_of_the_runs_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(board.time, "monotonic", lambda: now[0])
    first, second, *others = runs(a="", b="", c="", d="", e="")
    found = Board([first, second, *others], lambda run: False, Silent())
    found.at_once = 2
    assert found.seconds_left() is None
    for run in (first, second):
        assert found.next() is run
        found.begun(run)
    now[0] += 10
    found.apply(first, {"event": "done"})
    # Three runs of 10 s ahead, the second one due now, two at once.
    found.apply(second, {"event": "epoch", "epoch": 3, "epochs": 3})
    assert found.seconds_left() == pytest.approx(15)


def test_files_travel_whole_and_those_alone_that_changed(tmp_path: Path) -> None:
    here, there = RunFolder(tmp_path / "here"), RunFolder(tmp_path / "there")
    (here.path / "figures").mkdir(parents=True)
    there.path.mkdir()
    bundle = Bundle(here)
    (here.path / "last.ckpt").write_bytes(b"1")
    (here.path / "metrics.jsonl").write_bytes(b"{}")
    unpack(there, bundle.changed())
    (here.path / "last.ckpt").write_bytes(b"22")
    (here.path / "figures" / "curves.svg").write_bytes(b"<svg/>")
    (here.path / ".last.ckpt.x.part").write_bytes(b"half")
    changed = bundle.changed()
    assert set(changed) == {"last.ckpt", "figures/curves.svg"}
    unpack(there, changed)
    assert pack(there) == pack(here)
    assert bundle.changed() == {}


IN_ORDER = ("best.safetensors", "last.ckpt", "metrics.jsonl", "journal.jsonl")


def keep_epoch(folder: RunFolder, epoch: int) -> None:
    """Write what a run writes at the end of an epoch, as it does."""
    for name in IN_ORDER:
        (folder.path / name).write_text(str(epoch))


def epochs_of(folder: RunFolder) -> list[int]:
    """The epochs that the files of a folder tell of, in the order of their writing."""
    paths = [folder.path / name for name in IN_ORDER]
    return [int(path.read_text()) if path.exists() else 0 for path in paths]


def test_no_file_that_travels_tells_of_more_than_the_checkpoint_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = RunFolder(tmp_path / "here")
    here.path.mkdir()
    keep_epoch(here, 1)
    epoch, read = 1, Path.read_bytes

    def read_while_the_run_goes_on(path: Path) -> bytes:
        nonlocal epoch
        content = read(path)
        epoch += 1
        keep_epoch(here, epoch)
        return content

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", read_while_the_run_goes_on)
        files = Bundle(here).changed()
    assert [int(files[name]) for name in IN_ORDER] == [4, 3, 2, 1]

    for blow in range(len(IN_ORDER) + 1):
        there = RunFolder(tmp_path / f"there-{blow}")
        there.path.mkdir()
        left = iter(range(blow))

        def write_until_the_blow(path: Path, content: bytes, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise OSError(path)
            write_atomically(path, content)

        with monkeypatch.context() as patch, suppress(OSError):
            patch.setattr("wye.jobs.bundle.write_atomically", write_until_the_blow)
            unpack(there, files)
        assert epochs_of(there) == [4, 3, 2, 1][:blow] + [0] * (4 - blow)


@pytest.mark.parametrize("name", ["../x", "/etc/x", "figures/../../x.svg", "x.py", ".lock"])
def test_files_that_are_no_runs_are_not_written(tmp_path: Path, name: str) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    with pytest.raises(MachineError, match="none of a run's files"):
        unpack(folder, {"result.json": b"{}", name: b""})
    assert list(folder.path.iterdir()) == []
    assert list(tmp_path.iterdir()) == [folder.path]


def test_killed_workers_and_commands_leave_every_run_complete_and_none_done_twice(
    tmp_path: Path,
) -> None:
    """SIGKILL for a worker, for the command alone, and for all of it; then once to the end."""
    words = [recipe_file(tmp_path, "a"), recipe_file(tmp_path, "b", lr=0.02)]
    command = ["study", *words, "--seeds", "2", "--workers", "2"]
    place = tmp_path / "runs"
    with started(*command, folder=tmp_path) as study:
        run, worker = until(lambda: in_the_middle(place), "a run in the middle")
        os.kill(worker, signal.SIGKILL)
        others = until(
            lambda: {line["pid"] for line in events(run) if line["event"] == "resumed"},
            "the run resumed by another worker",
        )
        assert worker not in others
        _, worker = until(lambda: in_the_middle(place), "a run in the middle")
        study.kill()
        study.wait()
        until(lambda: not alive(worker), "the end of a worker whose study was killed")
    with started(*command, folder=tmp_path) as study:
        until(lambda: in_the_middle(place, past=2), "a run in the middle")
        kill_group(study)
        study.wait()
    document, _ = carried_out(*command[1:], folder=tmp_path)
    assert document["failed"] == 0
    assert document["done"] + document["skipped"] == len(document["runs"]) == 4
    assert_each_done_once(place, 4)


def test_two_studies_at_once_share_the_work(tmp_path: Path) -> None:
    word = recipe_file(tmp_path, "a", epochs=12)
    command = ["study", word, "--seeds", "3", "--json"]
    with started(*command, folder=tmp_path) as one, started(*command, folder=tmp_path) as other:
        for process in (one, other):
            status, _, err = ended(process)
            assert status == 0, err
    assert_each_done_once(tmp_path / "runs", 3, epochs=12)


def test_a_failing_run_stops_nothing_and_rows_build_on_each_other(tmp_path: Path) -> None:
    bad = recipe_file(tmp_path, "bad", lr=1e12)
    words = [bad, "fashion5/classifier-transfer", "data=shapes", "data.per_class=8"]
    options = ["train.epochs=1", "--workers", "2", "--runs", "here"]
    document, err = carried_out(*words, *options, folder=tmp_path, status=1)
    assert (document["done"], document["failed"], document["skipped"]) == (2, 1, 0)
    failed, needed, asked = document["runs"]
    assert "diverged in epoch 1" in failed["message"]
    assert "bad seed 0 failed: training diverged" in err
    assert needed["folder"] == "here/fashion5/autoencoder/seed-0"
    assert needed["seconds"] > 0
    first, second = (events(tmp_path / run["folder"]) for run in (needed, asked))
    assert first[-1]["time"] <= second[0]["time"]
    assert_each_done_once(tmp_path / "here", 2, epochs=1)
    # Nothing is left of the run that came to nothing, and nothing lies in the usual place.
    assert {path.name for path in tmp_path.iterdir()} == {"here", bad}
    assert not (tmp_path / "here" / "bad").exists()


@pytest.mark.parametrize(
    ("send", "number"),
    [(os.killpg, signal.SIGINT), (os.kill, signal.SIGTERM)],
    ids=["ctrl-c", "term"],
)
def test_a_signal_ends_all_and_leaves_all_to_be_resumed(
    tmp_path: Path, send: Callable[[int, int], None], number: int
) -> None:
    command = ["study", recipe_file(tmp_path, "a"), "--workers", "1"]
    with started(*command, folder=tmp_path) as study:
        run, worker = until(lambda: in_the_middle(tmp_path / "runs"), "a run in the middle")
        send(study.pid, number)  # to all, as a terminal does it, or to the one that is known
        status, _, err = ended(study)
        assert status == 128 + number
        assert "Traceback" not in err
        assert f"wye {' '.join(command)}" in err.splitlines()[-1]
        assert not alive(worker)
    assert not (run / "result.json").exists()
    assert not (run / ".lock").exists()
    assert (run / "last.ckpt").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["fashion5", "--workers", "2", "--cluster", "tcp://127.0.0.1:1"], "drop one of the two"),
        (["data=shapes"], "no study or row is named"),
        (["fashion6"], "there is no row 'fashion6'"),
    ],
)
def test_a_mistaken_command_is_answered(
    command_line: CommandLine,
    in_empty_folder: Path,
    arguments: list[str],
    expected: str,
) -> None:
    status, out, err = command_line("study", *arguments)
    assert (status, out) == (2, "")
    assert expected in err
    assert list(in_empty_folder.iterdir()) == []


def test_what_is_done_is_not_done_again_and_is_summed_up(
    command_line: CommandLine, in_empty_folder: Path, without_plots: None
) -> None:
    word = recipe_file(in_empty_folder, "a", epochs=1)
    accuracies = []
    for seed in range(2):
        done = wye.train(word, seed=seed, data={"per_class": 5})
        assert done.result is not None
        accuracies.append(100 * done.result["test"]["accuracy"])
    before = {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*")}
    options = [word, "data.per_class=5", "--seeds", "2"]
    status, out, _ = command_line("study", *options, "--json")
    document = json.loads(out)
    assert (status, document["skipped"], len(document["runs"])) == (0, 2, 2)
    status, out, _ = command_line("study", *options)
    shown = f"{statistics.mean(accuracies):.2f} % ± {statistics.stdev(accuracies):.2f} %"
    assert status == 0
    assert shown in out
    assert {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*")} == before
    # The same row with other settings is another run: the folder is refused, nothing overwritten.
    status, _, err = command_line("study", word, "data.per_class=6", "--max-steps", "1")
    assert status == 1
    assert "holds another run: its data.per_class is 5, not 6" in err
