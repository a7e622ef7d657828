"""What comes from outside is accepted or refused in a message, whatever it is.

A few hundred generated inputs here; `python -m benchmarks.borders` tries as many as it is told.
"""

from __future__ import annotations

import gzip
import io
import json
import logging
import os
import pickle
import shutil
import struct
import subprocess
import sys
import tarfile
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import CommandLine
from data_forms import idx_gz, isolate, pretend, same, tiny
from PIL import Image

import wye
from benchmarks.borders import BORDERS, STRATEGIES, Borders, small_recipe, try_some
from wye.data.archives import PASSED, contents
from wye.data.catalog import MalformedError
from wye.data.folder import read_image
from wye.data.idx import parse_idx
from wye.data.opening import MOST_PIXELS, open_bounded, shrunk
from wye.data.pickles import load_arrays
from wye.data.sources import fetch
from wye.errors import MachineError, UsageError
from wye.recipe.identity import written
from wye.recipe.overrides import parse_overrides
from wye.runs import Run
from wye.runs.setup import set_up
from wye.training.loop import Trainer
from wye.training.restoring import UnfitError
from wye.wording import plain


@pytest.fixture(scope="module")
def borders(tmp_path_factory: pytest.TempPathFactory) -> Borders:
    return Borders(tmp_path_factory.mktemp("borders"))


@pytest.mark.parametrize("border", BORDERS)
def test_generated_inputs_are_taken_or_refused_in_a_message(border: str, borders: Borders) -> None:
    tried = try_some(borders, border, 40 if border not in ("checkpoint", "report") else 12)
    assert tried.accepted + tried.refused == tried.inputs


def test_what_is_sound_is_taken(borders: Borders) -> None:
    for border in ("image", "text", "values", "report"):
        assert try_some(borders, border, 20).accepted, border
    _, resume = STRATEGIES["checkpoint"](borders)
    resume(borders.state)


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "rmsprop", "adamw", "muon"])
def test_the_state_of_each_optimizer_is_taken_and_checked(optimizer: str) -> None:
    recipe = small_recipe(train={"optimizer": optimizer, "momentum": 0.9})
    setup = set_up(recipe)

    def trainer() -> Trainer:
        return Trainer(recipe, setup.network, setup.data, setup.streams)

    first = trainer()
    next(first.epochs())
    state = first.state()
    trainer().restore(state)
    parts = state["optimizer"].values() if optimizer == "muon" else [state["optimizer"]]
    for part in parts:
        kept = part["state"][0]
        name = next(key for key in kept if key != "step")
        for wrong in (torch.zeros(99), "x"):
            part["state"][0] = {**kept, name: wrong}
            with pytest.raises(UnfitError, match=r"optimizer\.state\.0"):
                trainer().restore(state)
        part["state"][0] = kept


def test_settings_that_no_yaml_reads_are_written_all_the_same() -> None:
    for value in ("\x1b[31m", "crop(2", "[", "a: b: c"):
        assert parse_overrides([f"title={written(value)}"]) == {"title": value}


def zeros(path: Path, megabytes: int, head: bytes = b"") -> Path:
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(head)
        for _ in range(megabytes):
            file.write(bytes(1 << 20))
    return path


def member(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf()


def idx_bomb(folder: Path) -> Path:
    header = struct.pack(">4B3I", 0, 0, 8, 3, 60_000, 28, 28)
    for name in ("train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (folder / name).write_bytes(struct.pack(">4BI", 0, 0, 8, 1, 0))
    zeros(folder / "train-images-idx3-ubyte.gz", 400, header)
    return folder


def tar_bomb(folder: Path) -> Path:
    return zeros(folder / "a.tar.gz", 400, member("data_batch_1", 400 << 20))


def header_bomb(folder: Path) -> Path:
    return zeros(folder / "a.tar.gz", 400, member("x", 400 << 20, tarfile.XHDTYPE))


def wide_bomb(folder: Path) -> Path:
    return zeros(folder / "a.tar.gz", 2, member("other", PASSED + 1))


def zip_bomb(folder: Path) -> Path:
    path = folder / "mnist.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in ("x_train.npy", "y_train.npy", "x_test.npy", "y_test.npy"):
            with archive.open(name, "w") as file:
                for _ in range(100):
                    file.write(bytes(1 << 20))
    return path


BOMBS = {
    **dict.fromkeys((idx_bomb, zip_bomb), "mnist"),
    **dict.fromkeys((tar_bomb, header_bomb, wide_bomb), "cifar10"),
}

BOUNDED = """
import resource, sys
from pathlib import Path
import torch, wye.data
from wye.data.sources import fetch
from wye.errors import UsageError
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (900 << 20),) * 2)
for name, path in zip(sys.argv[1::2], sys.argv[2::2]):
    try:
        fetch(name, origin=Path(path))
    except UsageError as error:
        print(error)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_bombs_are_refused_before_they_take_the_memory(tmp_path: Path) -> None:
    """In a process that may take no more than 900 MB beyond what it has."""
    arguments = []
    for bomb, name in BOMBS.items():
        (tmp_path / bomb.__name__).mkdir()
        arguments += [name, str(bomb(tmp_path / bomb.__name__))]
    done = subprocess.run(
        [sys.executable, "-c", BOUNDED, *arguments],
        env={**os.environ, "WYE_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert len(said) == len(BOMBS)
    assert all("of more than" in line or "holds more than" in line for line in said), said


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(np.array([None] * 3), protocol=2),
        pickle.dumps(np.zeros(2, "S5"), protocol=2),
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(J\xff\xff\xff\x7ftU\x01Otb.",
    ],
)
def test_a_pickle_takes_no_more_than_it_holds(content: bytes) -> None:
    with pytest.raises(pickle.UnpicklingError):
        load_arrays(content)


def test_a_pickle_cannot_ask_for_room_by_a_large_number() -> None:
    assert load_arrays(b"]r\xff\xff\xff\x7f.") == []  # Python's reader in C would take 32 GB


def test_the_same_text_encoded_again_and_again_is_counted() -> None:
    many = (
        b"\x80\x02]q\x00(c_codecs\nencode\nq\x01X" + struct.pack("<I", 1 << 20) + b"a" * (1 << 20)
    )
    many += b"q\x02U\x06latin1q\x03\x86R" + b"h\x01h\x02h\x03\x86R" * 300 + b"e."
    with pytest.raises(pickle.UnpicklingError, match="more than 268 MB"):
        load_arrays(many)


def test_a_malformed_copy_does_not_end_the_search(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    isolate(monkeypatch, tmp_path)
    parts = tiny("mnist")
    pretend(monkeypatch, "mnist", parts)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (tmp_path / "broken" / f"{name}-ubyte").parent.mkdir(exist_ok=True)
        (tmp_path / "broken" / f"{name}-ubyte").write_bytes(b"\0\0\x08")
    idx_gz(parts, tmp_path / "sound")
    places = [str(tmp_path / name) for name in ("broken", "sound")]
    monkeypatch.setenv("WYE_DATA", os.pathsep.join(places))
    with caplog.at_level(logging.INFO, "wye"):
        fetched = fetch("mnist")
    assert same(fetched.data.train, parts[0]) and fetched.way == places[1]
    assert f"mnist: {places[0]}: not an IDX file of bytes" in caplog.text


@pytest.mark.parametrize("data", [b"", b"\0\0\x08", b"\0\0\x08\x09", b"\0\0\x08\x03\0\0\0\0"])
def test_a_short_idx_file_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError, match="IDX"):
        parse_idx(data)


def test_an_archive_of_another_compression_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("x", bytes(1000))
    with pytest.raises(MalformedError, match="compressed in a way"):
        contents(path, {"x"})


def test_what_is_neither_file_nor_folder_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MalformedError, match="neither a file nor a folder"):
        contents(tmp_path / "pipe", {"x"})


def png_of(width: int, height: int) -> io.BytesIO:
    """A PNG file's beginning: what it says of its size."""
    file = io.BytesIO()
    Image.new("L", (4, 4)).save(file, "PNG")
    data = bytearray(file.getvalue())
    data[16:24] = struct.pack(">2I", width, height)
    data[29:33] = struct.pack(">I", __import__("zlib").crc32(bytes(data[12:29])))
    return io.BytesIO(bytes(data))


@pytest.mark.parametrize(("width", "height"), [(9_000, MOST_PIXELS // 9_000 + 1), (60_000, 60_000)])
def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(
    width: int, height: int, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(png_of(width, height).getvalue())
    with pytest.raises(UsageError, match=r"more pixels than are decoded \(80 million\)"):
        read_image(tmp_path / "a.png")


def test_a_large_image_is_shrunk_as_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    grey = Image.linear_gradient("L").resize((4_000, 3_000))
    grey.convert("P").save(path)
    wanted = np.asarray(grey.resize((8, 6), Image.Resampling.BOX), float)
    with open_bounded(path, ("PNG",)) as image, shrunk(image, 128) as small:
        assert min(small.size) in range(128, 256) and small.mode == "RGB"
        found = np.asarray(small.convert("L").resize((8, 6), Image.Resampling.BOX), float)
    assert np.abs(found - wanted).max() <= 2
    with open_bounded(path, ("PNG",)) as image, shrunk(image, 2_000) as same_size:
        assert same_size.size == (4_000, 3_000)


def test_large_images_are_decoded_one_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.new("1", (4_000, 3_000)).save(path)
    with open_bounded(path, ("PNG",)) as image, open_bounded(path, ("PNG",)) as other:
        inside = threading.Event()

        def decode() -> None:
            with shrunk(other, 128):
                inside.set()

        thread = threading.Thread(target=decode)
        with shrunk(image, 128):
            thread.start()
            assert not inside.wait(0.2)
        thread.join()
    assert inside.is_set()


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"%!PS-Adobe-3.0 EPSF-3.0\n(x) run\n"])
def test_what_is_no_image_has_no_address_in_its_message(content: bytes) -> None:
    with pytest.raises(OSError, match=r"no image|truncated|damaged") as caught:
        open_bounded(io.BytesIO(content), ("GIF", "PNG")).load()
    assert " at 0x" not in str(caught.value)


EDITS: dict[str, tuple[str, Any, str]] = {
    "a word for a number": ("result.json", {"test": {"accuracy": "high"}}, "test.accuracy"),
    "a confusion of no square": ("result.json", {"test": {"confusion": [[1, 2]]}}, "not square"),
    "a status of another kind": ("result.json", {"status": ["complete"]}, "status"),
    "a beginning of a time": ("environment.json", {"started": 3}, "started"),
    "classes that are none": ("config.json", {"classes": None}, "classes"),
    "a shape of words": ("config.json", {"shape": ["3", 32, 32]}, "shape"),
    "a normalisation by nothing": ("config.json", {"inputs": {"mean": [0.0]}}, "inputs.deviation"),
    "another format": ("config.json", {"format": 7}, "format"),
    "another network": ("config.json", {"network": {"encoder": "C(4)"}}, "is 2x1x3x3, not 4x1x3x3"),
    "a network of no notation": ("config.json", {"network": {"encoder": "Q(4"}}, "encoder"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_file_is_named_with_the_place(edit: str, borders: Borders) -> None:
    name, change, place = EDITS[edit]
    run = borders.copy()
    content = json.loads((run / name).read_text())
    (run / name).write_text(json.dumps({**content, **change}))
    with pytest.raises(MachineError, match=place) as caught:
        _ = Run(run).result, Run(run).environment, wye.load(run)
    assert name in str(caught.value)


def test_deep_json_is_damaged(borders: Borders) -> None:
    run = borders.copy()
    (run / "result.json").write_text("[" * 100_000)
    with pytest.raises(MachineError, match=r"result\.json is damaged: it is nested too deeply"):
        _ = Run(run).result


def test_weights_of_another_type_are_refused(borders: Borders) -> None:
    from safetensors.torch import load_file, save_file

    run = borders.copy()
    state = load_file(run / "model.safetensors")
    save_file({name: value.double() for name, value in state.items()}, run / "model.safetensors")
    with pytest.raises(MachineError, match="is float64, not float32"):
        wye.load(run)


def test_a_bad_run_is_left_out_of_the_report(
    borders: Borders, tmp_path: Path, command_line: CommandLine, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("good", "bad"):
        shutil.copytree(borders.copy(), tmp_path / "runs" / name)
    recipe = tmp_path / "runs" / "bad" / "recipe.yaml"
    recipe.write_text("row: !!bool x\n" + recipe.read_text())
    done = command_line("report", tmp_path / "runs", "--out", tmp_path / "out")
    assert done.status == 0 and f"left out of the report: {recipe} is damaged" in caplog.text
    assert (tmp_path / "out" / "index.html").exists()


def test_a_run_of_another_version_is_said(
    borders: Borders, caplog: pytest.LogCaptureFixture
) -> None:
    run = borders.copy()
    content = json.loads((run / "environment.json").read_text())
    (run / "environment.json").write_text(json.dumps({**content, "wye": "0.0.7"}))
    with caplog.at_level(logging.WARNING, "wye"):
        wye.load(run)
    assert "was made by wye 0.0.7" in caplog.text


def test_a_resumed_run_keeps_its_number_of_threads(
    borders: Borders, caplog: pytest.LogCaptureFixture
) -> None:
    run, before = borders.copy(), torch.get_num_threads()
    content = json.loads((run / "environment.json").read_text())
    (run / "environment.json").write_text(json.dumps({**content, "threads": before + 1}))
    (run / "result.json").unlink()
    with caplog.at_level(logging.INFO, "wye"):
        wye.train(small_recipe(), out=run, resume=True)
    assert f"going on with {before + 1} threads" in caplog.text
    assert torch.get_num_threads() == before


def test_names_cannot_steer_the_terminal() -> None:
    assert (
        plain("a\x1b[31mb\x9bc\u202ed\r\n\te\udcff") == r"a\x1b[31mb\x9bc\u202ed\r" + "\n\te\\udcff"
    )
    assert plain("Übung − 10 %") == "Übung − 10 %"


def test_a_term_that_diverged_is_named(tmp_path: Path) -> None:
    from wye.errors import TrainingError

    recipe = small_recipe(loss={"beta": 1e38}, network={"decoder": "mirror"})
    with pytest.raises(TrainingError, match=r"the weight of reconstruction, 1e\+38, is very large"):
        wye.train(recipe, out=tmp_path / "run")


def shell(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = f'wye() {{ {sys.executable} -m wye "$@"; }}\n{script}'
    return subprocess.run(
        ["bash", "-c", command],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


def test_a_closed_or_full_output_ends_in_order() -> None:
    done = shell('wye list | head -1; echo "${PIPESTATUS[0]}"; wye list >&- ; echo $?')
    assert done.stdout.splitlines()[1:] == ["0", "0"] and not done.stderr
    done = shell("wye list > /dev/full")
    assert done.returncode == 1 and done.stderr == "wye: No space left on device\n"


def test_files_are_read_the_same_under_an_ascii_locale(borders: Borders) -> None:
    run = borders.copy()
    content = json.loads((run / "config.json").read_text())
    named = {**content, "classes": ["Übung", *content["classes"][1:]]}
    (run / "config.json").write_bytes(json.dumps(named, ensure_ascii=False).encode())
    code = f"from wye.runs.run import Run; print(Run({str(run)!r}).config['classes'][0].encode())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        text=True,
    )
    assert r"b'\xc3\x9cbung'" in done.stdout, done.stderr
