"""Pixels in a file behave like pixels in memory, and don't fill the memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from tiny import tiny_set

import wye
from wye import machine
from wye.data import load_folder, storage
from wye.data.images import DataSet, Images
from wye.data.prepare import Prepared, prepare
from wye.data.storage import StoredPixels, gathered, in_memory, joined, memory_share, stored
from wye.errors import MachineError, UsageError
from wye.evaluation.pca import fit_pca
from wye.recipe.schema import DataSettings
from wye.streams import Streams

pytestmark = pytest.mark.usefixtures("without_plots")

PIXELS = tiny_set().train.pixels


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes through all images does so in several parts."""
    monkeypatch.setattr(storage, "_PART", 7)


def in_file(pixels: torch.Tensor) -> StoredPixels:
    return stored(pixels.split(25))


@pytest.mark.parametrize(
    "key",
    [
        3,
        -1,
        slice(None),
        slice(5, 40, 3),
        slice(50, 99),
        torch.tensor([4, 4, 0, 59]),
        torch.tensor([], dtype=torch.int64),
    ],
)
@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_what_is_read_is_what_a_tensor_gives(
    key: int | slice | torch.Tensor, kind: torch.dtype
) -> None:
    pixels = PIXELS.to(kind)
    read = in_file(pixels)[key]
    assert read.dtype == kind and torch.equal(read, pixels[key])


def test_a_selection_of_a_selection_reads_from_the_same_file() -> None:
    chosen = torch.tensor([50, 3, 17, 17, 8])
    first = in_file(PIXELS).take(chosen)
    again = first.take(slice(1, 4))
    assert first.shape == (5, 3, 8, 8) and again.shape == (3, 3, 8, 8)
    assert torch.equal(again[:], PIXELS[chosen][1:4])
    assert [len(part) for part in first.split(2)] == [2, 2, 1]
    assert torch.equal(torch.cat(list(first.split(2))), PIXELS[chosen])


def test_what_was_read_is_no_window_into_the_file() -> None:
    pixels = in_file(PIXELS)
    for key in (0, slice(0, 1), torch.tensor([0])):
        pixels[key].zero_()
    assert torch.equal(pixels[:], PIXELS)


def test_parts_are_put_together_where_the_first_images_are() -> None:
    both = joined(PIXELS, in_file(PIXELS[:3]))
    assert isinstance(both, StoredPixels)
    assert torch.equal(both[:], torch.cat([PIXELS, PIXELS[:3]]))
    assert torch.equal(joined(PIXELS, PIXELS[:3])[:], torch.cat([PIXELS, PIXELS[:3]]))
    floats = gathered((part / 255 for part in PIXELS.split(9)), 60, like=in_file(PIXELS))
    assert floats.dtype == torch.float32 and torch.equal(floats[:], PIXELS / 255)
    with pytest.raises(AssertionError, match="50 images of 60"):
        in_memory(PIXELS[:50].split(9), 60)


def like_in_memory(settings: DataSettings) -> tuple[Prepared, Prepared]:
    """The tiny set prepared in memory and in a file."""
    whole = tiny_set()

    def filed(images: Images) -> Images:
        return Images(in_file(images.pixels[:]), images.labels)

    extra = Images(PIXELS[:11], torch.full((11,), -1))
    sets = (
        DataSet("tiny", whole.classes, whole.train, whole.test, extra),
        DataSet("tiny", whole.classes, *map(filed, (whole.train, whole.test, extra))),
    )
    memory, file = (prepare(data, settings, Streams(5)) for data in sets)
    return memory, file


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"channels": 1},
        {"classes": ["c", "a"], "validation": 0.2},
        {"per_class": 9, "balance": "oversample", "limit": {"a": 4}},
        {"labels_per_class": 5, "normalize": "dataset"},
        {"prepare": "resize(12) > noise(0.1)", "normalize": "dataset"},
        {"copies": ["", "noise(1)"], "normalize": "dataset"},
        {"copies": ["", "flip(1)"]},
    ],
)
def test_a_data_set_in_a_file_is_prepared_as_one_in_memory(settings: dict[str, object]) -> None:
    memory, file = like_in_memory(DataSettings.model_validate(settings))
    assert isinstance(file.train.pixels, StoredPixels)
    assert isinstance(memory.train.pixels, torch.Tensor)
    for part in ("train", "test", "validation"):
        here, there = getattr(memory, part), getattr(file, part)
        assert (here is None) == (there is None)
        if here is not None:
            assert torch.equal(here.labels, there.labels)
            assert torch.equal(here.pixels[:], there.pixels[:])
    assert memory.pool is not None and file.pool is not None
    assert torch.equal(memory.pool[:], file.pool[:])
    assert torch.equal(memory.inputs.mean, file.inputs.mean)
    assert torch.equal(memory.inputs.deviation, file.inputs.deviation)
    assert (memory.shape, memory.target_range) == (file.shape, file.target_range)
    assert torch.equal(
        fit_pca(memory.published_train, 5).basis, fit_pca(file.published_train, 5).basis
    )


def test_smote_on_pixels_says_that_it_needs_them_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WYE_MEMORY", "1KB")
    with pytest.raises(UsageError, match=r"smote looks at all images at once.*WYE_MEMORY"):
        like_in_memory(DataSettings(balance="smote", limit={"a": 8}))


def folder_of_images(root: Path, grey: bool = False) -> Path:
    """Three classes of 20 images, and some without a class."""
    for index, (image, label) in enumerate(zip(PIXELS, torch.arange(60) % 3, strict=True)):
        path = root / ("unlabelled" if index > 50 else f"kind{label}") / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = image.permute(1, 2, 0).contiguous().numpy()
        Image.fromarray(pixels[:, :, 0] if grey else pixels).save(path)
    return root


@pytest.mark.parametrize("grey", [False, True])
def test_a_folder_beyond_the_share_of_memory_is_the_same_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grey: bool
) -> None:
    folder = folder_of_images(tmp_path / "set", grey)
    memory = load_folder(folder, 8)
    monkeypatch.setenv("WYE_MEMORY", "11KB")  # 60 images of 192 bytes are 11.5 kB
    file = load_folder(folder, 8)
    assert memory.shape == file.shape == ((1 if grey else 3), 8, 8)
    for part in ("train", "test", "unlabelled"):
        here, there = getattr(memory, part), getattr(file, part)
        assert isinstance(here.pixels, torch.Tensor) and isinstance(there.pixels, StoredPixels)
        assert torch.equal(here.labels, there.labels)
        assert torch.equal(here.pixels, there.pixels[:])
    monkeypatch.setenv("WYE_MEMORY", "12KB")
    assert isinstance(load_folder(folder, 8).train.pixels, torch.Tensor)


def test_training_on_a_folder_in_a_file_gives_the_weights_of_one_in_memory(
    in_empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of_images(in_empty_folder / "set")
    settings = {
        "data": {"name": str(folder), "image_size": 8, "augment": "flip > crop(1)"},
        "network": {"encoder": "C'(8)", "decoder": "mirror", "classifier": "G > L'(classes)"},
        "train": {"epochs": 2, "batch_size": 16, "unlabelled": 8},
    }
    memory = wye.train("joint/v4", **settings, out=in_empty_folder / "memory")
    monkeypatch.setenv("WYE_MEMORY", "1KB")
    file = wye.train("joint/v4", **settings, out=in_empty_folder / "file")
    for name, value in memory.weights().items():
        assert torch.equal(value, file.weights()[name]), name
    assert memory.result is not None and file.result is not None
    assert memory.result["test"] == file.result["test"]
    embedded = [wye.load(run).embed(load_folder(folder, 8).train.pixels) for run in (memory, file)]
    assert (embedded[0] == embedded[1]).all()


def test_going_through_a_file_leaves_the_memory_as_it_was() -> None:
    """400 MB are written, drawn by index and gone through in order; what one pass over a tenth of
    them takes, torch's own needs included, is there already."""
    program = """
import json, torch
from wye.apart import peak_memory
from wye.data.storage import in_parts, stored

def passes(parts):
    pixels = stored(torch.full((500, 3, 64, 64), part, dtype=torch.uint8) for part in range(parts))
    for chosen in torch.randperm(len(pixels)).split(128):
        pixels[chosen]
    for part in in_parts(pixels.take(slice(0, None, 2))):
        part.sum()
    return pixels[:1].numel() * len(pixels) / 1e6

passes(7)
before = peak_memory()
size = passes(66)
print(json.dumps([size, peak_memory() - before]))
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    size, more = json.loads(done.stdout)
    assert size > 400
    assert more < size / 2


@pytest.mark.parametrize(
    ("text", "share"),
    [("2GB", 2e9), ("512 MB", 512e6), ("1.5gb", 1.5e9), ("50%", 0.5 * 64e9), ("", 0.25 * 64e9)],
)
def test_the_share_of_memory_is_a_part_of_it_or_so_many_bytes(
    monkeypatch: pytest.MonkeyPatch, text: str, share: float
) -> None:
    monkeypatch.setattr(storage, "memory_bytes", lambda: 64 * 10**9)
    monkeypatch.setenv("WYE_MEMORY", text)
    assert memory_share() == share


@pytest.mark.parametrize(("limit", "least"), [("3000000\n", 3_000_000), ("max\n", None)])
def test_a_container_has_the_memory_that_it_is_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limit: str, least: int | None
) -> None:
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    (tmp_path / "memory.max").write_text(limit)
    monkeypatch.setattr(machine, "_CONTAINER_LIMIT", tmp_path / "memory.max")
    assert machine.memory_bytes() == (least or whole)


@pytest.mark.parametrize("text", ["2", "half", "-1GB", "2 GiB", "%"])
def test_another_share_of_memory_is_told_what_would_be_right(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("WYE_MEMORY", text)
    with pytest.raises(UsageError, match=r"WYE_MEMORY.*it should be like 40% or 2GB"):
        memory_share()


def test_a_cache_folder_that_cannot_be_written_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WYE_CACHE", str(tmp_path / "file"))
    with pytest.raises(MachineError, match=r"no place for pixels in .*file/data.*WYE_MEMORY"):
        in_file(PIXELS)
