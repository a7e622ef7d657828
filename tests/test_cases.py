"""Folders as people have them: each is understood and said, or refused with the way out."""

from __future__ import annotations

import json
import os
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from folders import SIDE, deep_png, divided, draw, flat, grey, picture, raw, values
from PIL import Image
from typer.testing import CliRunner

from wye.cli.data import app
from wye.data.folder import Own, inspect_own, load_own
from wye.data.folder_names import part_of
from wye.data.inspection import Inspection
from wye.data.lines import columns
from wye.data.reading import Fit, Reading, as_pixels, range_of, read_image
from wye.errors import UsageError

Counts = dict[str, dict[str, int]]


def look(path: Path, **own: object) -> Inspection:
    return inspect_own(path, Own(**own))  # type: ignore[arg-type]


def totals(found: Inspection) -> dict[str, int]:
    return {part: sum(by.values()) for part, by in found.counts.items()}


def per_class(found: Inspection) -> dict[str, int]:
    """Images of each class over all parts."""
    return {label: sum(by.get(label, 0) for by in found.counts.values()) for label in found.classes}


def said(found: Inspection) -> str:
    return " | ".join(" ".join(line.split()) for line in found.lines()).replace(" | ", " ")


def refused(path: Path) -> str:
    with pytest.raises(UsageError) as error:
        look(path)
    return str(error.value)


# Hidden and system files


@pytest.mark.parametrize(
    "junk",
    [
        *("__MACOSX", "@eaDir", ".ipynb_checkpoints", "#recycle", "$RECYCLE.BIN", "lost+found"),
        *("System Volume Information", ".git", "__pycache__"),
    ],
)
@pytest.mark.parametrize("where", ["", "cat"])
def test_hidden_and_system_folders_are_no_classes_at_any_depth(
    tmp_path: Path, junk: str, where: str
) -> None:
    draw(tmp_path)
    draw(tmp_path / where / junk, ("cat", "dog"), 3, start=500)
    for name in (".DS_Store", "cat/Thumbs.db", "cat/._000.png", "dog/desktop.ini"):
        (tmp_path / name).write_bytes(b"\0\5\x16\7")
    found = look(tmp_path)
    assert per_class(found) == {"cat": 12, "dog": 12}
    assert junk in said(found) and not found.unreadable


def test_run_folders_of_wye_are_no_classes(tmp_path: Path) -> None:
    draw(tmp_path)
    run = tmp_path / "runs" / "own" / "seed-0"
    flat(run / "figures", 3)
    (run / "recipe.yaml").write_text("row: x")
    found = look(tmp_path)
    assert found.classes == ("cat", "dog")
    assert "runs/own/seed-0" in said(found)


# Layouts


@pytest.mark.parametrize(
    ("name", "part"),
    [
        *((name, "train") for name in ("Train", "TRAINING", "training_set", "Train Data", "trn")),
        *((name, "train") for name in ("train_images", "trainset", "train2017", "1_train")),
        *((name, "train") for name in ("Training-Set", "images_train", "train_256")),
        *((name, "validation") for name in ("val", "Valid", "VALIDATION", "valid_set", "dev")),
        *((name, "validation") for name in ("val2017", "validation-data", "eval")),
        *((name, "test") for name in ("Test", "testing", "test_set", "TestData", "hold-out")),
        *((name, "unlabelled") for name in ("unlabelled", "Unlabeled", "un-labelled", "unsup")),
        *((name, "unlabelled") for name in ("no_label", "unlabeled_images")),
        *((name, None) for name in ("trains", "tester", "valley", "data", "cat", "train1 car")),
        *((name, None) for name in ("detest", "contest", "evaluator", "日本", "", "images")),
    ],
)
def test_names_of_parts(name: str, part: str | None) -> None:
    assert part_of(name) == part


@pytest.mark.parametrize(
    ("train", "test"),
    [("Train", "Test"), ("training_set", "test_set"), ("train", "Test"), ("TRAIN", "TESTING")],
)
def test_parts_in_any_spelling_are_taken_and_said(tmp_path: Path, train: str, test: str) -> None:
    found = look(divided(tmp_path, train=train, test=test))
    assert totals(found) == {"train": 24, "test": 10}
    assert found.classes == ("cat", "dog") and not found.drawn
    assert f"{train} is taken as the train part" in said(found) or train == "train"


@pytest.mark.parametrize("name", ["valid", "val", "Validation", "dev"])
def test_the_middle_part_is_the_validation_part(tmp_path: Path, name: str) -> None:
    found = look(divided(tmp_path, train="train", test="test", middle=name), validation=0.5)
    assert totals(found) == {"train": 24, "validation": 10, "test": 10}


def test_train_and_val_alone_leave_the_test_part_to_be_drawn(tmp_path: Path) -> None:
    draw(tmp_path / "train")
    draw(tmp_path / "val", count=5, start=50)
    found = look(tmp_path)
    assert found.drawn and totals(found)["validation"] == 10
    assert totals(found)["train"] + totals(found)["test"] == 24
    assert load_own(tmp_path, Own(size=SIDE)).validation is not None


def test_a_class_that_the_test_part_lacks_is_said(tmp_path: Path) -> None:
    draw(tmp_path / "train", ("ant", "bee", "cow"))
    draw(tmp_path / "test", ("ant", "cow"), 5, start=100)
    assert "bee has no test image" in said(look(tmp_path))


@pytest.mark.parametrize(
    ("there", "hint"), [("cat", "'cat' and 'Cat' may be one"), ("zebra", "lacks: zebra")]
)
def test_a_class_that_train_lacks_is_refused(tmp_path: Path, there: str, hint: str) -> None:
    draw(tmp_path / "train", ("Cat", "Dog"))
    draw(tmp_path / "test", (there, "Dog"), 5, start=100)
    assert hint in refused(tmp_path)


@pytest.mark.parametrize("name", ["test", "Test", "val"])
def test_a_flat_part_is_said_to_have_no_classes(tmp_path: Path, name: str) -> None:
    draw(tmp_path / "train")
    flat(tmp_path / name, 5)
    found = look(tmp_path)
    assert f"5 in {name} without a folder per class" in said(found) and "wye predict" in said(found)
    assert found.drawn and sum(totals(found).values()) == 24


@pytest.mark.parametrize("inner", ["", "train", "a/b"])
def test_one_folder_too_many_is_refused_with_the_inner_one(tmp_path: Path, inner: str) -> None:
    root = tmp_path / "pets"
    draw(root / "my-dataset" / inner)
    if inner == "train":
        draw(root / "my-dataset" / "test", count=3, start=90)
    assert f"did you mean {root / 'my-dataset'}" in refused(root)


def test_one_folder_too_many_inside_a_part_is_refused(tmp_path: Path) -> None:
    draw(tmp_path / "train" / "wrapped")
    draw(tmp_path / "test", count=3, start=90)
    assert f"did you mean {tmp_path / 'train' / 'wrapped'}" in refused(tmp_path)


def test_images_beside_the_class_folders_are_counted(tmp_path: Path) -> None:
    flat(draw(tmp_path), 30)
    found = look(tmp_path)
    assert "30 beside the folders" in said(found)
    assert sum(totals(found).values()) == 24


@pytest.mark.parametrize(
    "place", ["unlabeled", "unlabelled", "Unlabelled Images", "train/unlabelled", "cat/unlabeled"]
)
def test_images_without_a_label_are_found_where_people_put_them(tmp_path: Path, place: str) -> None:
    draw(tmp_path / "train" if place.startswith("train") else tmp_path)
    if place.startswith("train"):
        draw(tmp_path / "test", count=5, start=100)
    flat(tmp_path / place, 7)
    found = look(tmp_path)
    assert found.classes == ("cat", "dog") and totals(found)["unlabelled"] == 7


def test_an_empty_class_and_one_of_a_single_image_are_said(tmp_path: Path) -> None:
    draw(draw(tmp_path), ("emu",), 1)
    (tmp_path / "gnu").mkdir()
    text = said(look(tmp_path))
    assert "gnu holds no images, so it is no class" in text
    assert "emu has 1 image and no test image" in text


def test_one_class(tmp_path: Path) -> None:
    assert look(draw(tmp_path, ("cat",))).classes == ("cat",)


def test_odd_names(tmp_path: Path) -> None:
    names = ("café au lait", "2 dogs", "日本", "a=b,c")
    draw(tmp_path, names)
    for number, name in enumerate(("new\nline.png", "emoji 😀.png", "#hash%20[1].png")):
        picture("x", number).save(tmp_path / "2 dogs" / name)
    found = look(tmp_path)
    assert set(found.classes) == set(names) and per_class(found)["2 dogs"] == 15
    assert all(line.isprintable() for line in found.lines())


def test_numbers_are_names(tmp_path: Path) -> None:
    found = look(draw(tmp_path, tuple(map(str, range(12))), 4))
    assert found.classes == tuple(sorted(map(str, range(12))))
    assert all(found.counts["test"][label] for label in found.classes)


def test_parts_inside_each_class_are_understood_and_said(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        for part, count, start in (("train", 6, 0), ("test", 3, 100), ("val", 2, 50)):
            draw(tmp_path / "x", (name,), count, start)
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / "x" / name).rename(tmp_path / name / part)
    shutil.rmtree(tmp_path / "x")
    found = look(tmp_path)
    assert totals(found) == {"train": 12, "validation": 4, "test": 6}
    assert found.classes == ("cat", "dog")
    assert "the parts lie in each class" in said(found)
    draw(tmp_path, ("emu",))
    assert "emu is not divided so" in refused(tmp_path)


def test_train_and_test_without_classes_are_refused_as_classes(tmp_path: Path) -> None:
    flat(tmp_path / "train", 6)
    flat(tmp_path / "test", 6, start=800)
    assert "lie in no folder of a class" in refused(tmp_path)


def test_train_among_other_classes_is_a_class_and_said(tmp_path: Path) -> None:
    found = look(draw(tmp_path, ("plane", "train")))
    assert found.classes == ("plane", "train")
    assert "train is taken as a class" in said(found)


def test_a_test_folder_of_classes_beside_the_classes_is_the_test_part(tmp_path: Path) -> None:
    draw(tmp_path)
    draw(tmp_path / "test", count=4, start=100)
    found = look(tmp_path)
    assert found.classes == ("cat", "dog") and totals(found) == {"train": 24, "test": 8}


@pytest.mark.parametrize("names", [("train", "Train"), ("train", "training_set")])
def test_two_folders_for_one_part_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    for start, name in enumerate(names):
        draw(tmp_path / name, count=3, start=10 * start)
    assert "both read as the train part" in refused(tmp_path)


def test_a_test_part_without_a_training_part_is_refused(tmp_path: Path) -> None:
    draw(tmp_path / "test")
    assert "and no train" in refused(tmp_path)


def test_a_folder_beside_train_is_said_to_be_unused(tmp_path: Path) -> None:
    divided(tmp_path, train="train", test="test")
    flat(tmp_path / "extra", 4)
    assert "4 in extra, which is beside train" in said(look(tmp_path))


@pytest.mark.parametrize("name", ["images", "JPEGImages", "all"])
def test_a_single_folder_that_only_says_images_is_no_class(tmp_path: Path, name: str) -> None:
    flat(tmp_path / name, 6)
    if name == "JPEGImages":
        assert look(tmp_path).classes == (name,)  # it may be one
    else:
        assert "no classes" in refused(tmp_path)


def test_classes_that_differ_in_spelling_alone_are_said(tmp_path: Path) -> None:
    assert "'Cat' and 'cat' are two classes" in said(look(draw(tmp_path, ("Cat", "cat", "dog"))))


def test_masks_beside_their_images_are_left_out_and_said(tmp_path: Path) -> None:
    draw(tmp_path)
    for name in ("cat", "dog"):
        (tmp_path / name / "masks").mkdir()
        for number in range(12):
            Image.new("L", (SIDE, SIDE), number).save(
                tmp_path / name / "masks" / f"{number:03}.png"
            )
    found = look(tmp_path)
    assert per_class(found) == {"cat": 12, "dog": 12}
    assert "24 in sub-folders called masks" in said(found)


def test_other_sub_folders_count_to_their_class_and_are_named(tmp_path: Path) -> None:
    draw(tmp_path)
    flat(tmp_path / "cat" / "second shoot", 5)
    found = look(tmp_path)
    assert per_class(found) == {"cat": 17, "dog": 12}
    assert "cat/second shoot: its 5 images count as cat" in said(found)


def test_classes_one_level_deeper_are_doubted(tmp_path: Path) -> None:
    draw(tmp_path / "animals", ("cat", "dog"))
    draw(tmp_path / "cars", ("bus", "van"))
    found = look(tmp_path)
    assert found.classes == ("animals", "cars")
    assert "if the classes are cat and dog, put them side by side" in said(found)


def test_a_folder_of_results_is_shown_with_its_few_images(tmp_path: Path) -> None:
    draw(tmp_path)
    (tmp_path / "results").mkdir()
    for name in ("confusion", "curves"):
        Image.new("RGB", (30, 20), "white").save(tmp_path / "results" / f"{name}.png")
    found = look(tmp_path)
    assert found.counts["train"]["results"] == 2
    assert "results has 2 training images" in said(found) and "move it out" in said(found)


# Links


def test_links_that_lead_out_are_followed_and_said(tmp_path: Path) -> None:
    draw(tmp_path / "elsewhere", ("dog",))
    draw(tmp_path / "pets", ("cat",))
    (tmp_path / "pets" / "dog").symlink_to(tmp_path / "elsewhere" / "dog")
    found = look(tmp_path / "pets")
    assert per_class(found) == {"cat": 12, "dog": 12}
    assert "links lead out" in said(found)


def test_links_in_circles_and_to_nowhere_are_left_out(tmp_path: Path) -> None:
    draw(tmp_path)
    (tmp_path / "cat" / "again").symlink_to(tmp_path)
    (tmp_path / "cat" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    found = look(tmp_path)
    assert sum(totals(found).values()) == 24
    assert "lead back to a folder above" in said(found) and "lead nowhere" in said(found)


# Files


def test_images_without_a_suffix_are_read_by_content(tmp_path: Path) -> None:
    draw(tmp_path, suffix="", count=8)
    draw(tmp_path, suffix=".17", count=4, start=50)
    (tmp_path / "cat" / "README").write_text("no image")
    found = look(tmp_path)
    assert per_class(found) == {"cat": 12, "dog": 12}
    assert "1 files without a suffix (cat/README)" in said(found)


def test_a_suffix_that_lies_does_no_harm(tmp_path: Path) -> None:
    assert per_class(look(draw(tmp_path, suffix=".jpg"))) == {"cat": 12, "dog": 12}


def test_a_folder_without_readable_images_says_what_lies_there(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.heic").write_bytes(b"x")
    message = refused(tmp_path)
    assert "2 .heic files" in message and "read are .jpg" in message


def test_other_files_are_counted_by_their_suffix(tmp_path: Path) -> None:
    draw(tmp_path)
    for number in range(3):
        (tmp_path / "cat" / f"{number}.xml").write_text("<a/>")
    (tmp_path / "dog" / "clip.mp4").write_bytes(b"x")
    text = said(look(tmp_path))
    assert "3 .xml files" in text and "1 .mp4 files" in text


def test_all_unreadable_files_are_named_at_once(tmp_path: Path) -> None:
    draw(tmp_path, size=(40, 40))
    for number in (3, 5, 7):
        file = tmp_path / "cat" / f"{number:03}.png"
        file.write_bytes(file.read_bytes()[:300])
    (tmp_path / "dog" / "001.png").write_bytes(b"")
    (tmp_path / "dog" / "002.png").write_bytes(b"GIF89a")
    found = look(tmp_path)
    names = [f"cat/{n:03}.png" for n in (3, 5, 7)] + ["dog/001.png", "dog/002.png"]
    assert [file.path for file in found.unreadable] == names
    assert all(f"unreadable: {name}" in said(found) for name in names)
    assert sum(totals(found).values()) == 19
    with pytest.raises(UsageError, match="5 files cannot be read") as error:
        look(tmp_path, strict=True)
    assert all(name in str(error.value) for name in names)


def test_a_class_of_unreadable_files_alone_is_no_class_and_said(tmp_path: Path) -> None:
    draw(tmp_path)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_bytes(b"x")
    found = look(tmp_path)
    assert found.classes == ("cat", "dog") and "bad: none of its training images" in said(found)
    for file in tmp_path.rglob("*.png"):
        file.write_bytes(b"x")
    assert "none of the 25 training images can be read" in refused(tmp_path)


@pytest.mark.parametrize(("bits", "scale"), [(12, 16), (16, 257)])
def test_deep_colour_is_read_by_its_bits(tmp_path: Path, bits: int, scale: int) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(12):
            deep = values(name, number).astype(np.uint16) * scale + scale // 2
            deep_png(tmp_path / name / f"{number}.png", deep)
    assert f"{2**bits - 1} white for all" in said(look(tmp_path))
    data = load_own(tmp_path, Own(size=SIDE))
    assert data.inspection is not None and not data.inspection.dark
    first = data.inspection.of("train")[0]
    name, number = first.label, int(Path(first.path).stem)
    wanted = torch.from_numpy(values(name, number)).permute(2, 0, 1)
    torch.testing.assert_close(data.train.pixels[0], wanted, atol=1, rtol=0)


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_an_image_that_stands_alone_is_decoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fit: Fit
) -> None:
    draw(tmp_path, size=(30, 20))
    picture("cat", 70, 300, 260).save(tmp_path / "cat" / "large.jpg")  # decoded at a half later
    wanted = Reading(SIDE, fit)
    again: list[Image.Image] = []
    monkeypatch.setattr(
        "wye.data.folder.as_pixels", lambda i, reading: again.append(i) or as_pixels(i, reading)
    )
    data = load_own(tmp_path, Own(size=SIDE, fit=fit))
    assert [image.format for image in again] == ["JPEG"]
    assert data.inspection is not None
    for part in ("train", "test"):
        for place, file in enumerate(data.inspection.of(part)):
            pixels = read_image(tmp_path / file.path, reading=wanted)
            assert torch.equal(getattr(data, part).pixels[place], pixels), file.path


def test_a_picture_of_200_megapixels_is_named(tmp_path: Path) -> None:
    draw(tmp_path)
    Image.new("1", (20000, 10000)).save(tmp_path / "cat" / "pano.png")
    [file] = look(tmp_path).unreadable
    assert file.path == "cat/pano.png" and "WYE_MOST_PIXELS" in file.why


def test_larger_pictures_are_read_where_a_person_allows_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wye.data.opening.MOST_PIXELS", 1000)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 400)  # Pillow refuses from twice that on
    draw(tmp_path)
    draw(tmp_path, ("cat",), count=1, start=50, size=(40, 40))
    assert [file.path for file in look(tmp_path).unreadable] == ["cat/050.png"]
    monkeypatch.setenv("WYE_MOST_PIXELS", "1MP")
    assert not look(tmp_path).unreadable
    monkeypatch.setenv("WYE_MOST_PIXELS", "many")
    with pytest.raises(UsageError, match="200MP"):
        look(tmp_path)


def test_wide_pictures_are_said_and_kept_whole_on_request(tmp_path: Path) -> None:
    draw(tmp_path, size=(32, 8))
    assert "24 files are over 1.5 times as wide as high" in said(look(tmp_path))
    wide = np.full((8, 32, 3), 128, np.uint8)
    wide[:, :8] = 255
    Image.fromarray(wide).save(tmp_path / "wide.png")
    crop, pad, stretch = (
        read_image(tmp_path / "wide.png", reading=Reading(16, fit))[0]
        for fit in ("crop", "pad", "stretch")
    )
    assert crop.max() < 200
    assert stretch[:, :3].min() > 200 and stretch[:, 6:].max() < 200
    assert pad[8, 1] > 200 and 120 <= pad[0, 8] <= 255


# Copies


def test_copies_stay_in_one_part(tmp_path: Path) -> None:
    draw(tmp_path, count=30)
    for name in ("cat", "dog"):
        for number in range(30):
            file = tmp_path / name / f"{number:03}.png"
            shutil.copy(file, file.with_name(f"{number:03} (1).png"))
    found = look(tmp_path)
    assert len(found.copies) == 60
    assert all(len({file.part for file in group}) == 1 for group in found.copies)
    assert "60 files are copies of another" in said(found)
    assert sum(totals(look(tmp_path, duplicates="drop")).values()) == 60


def test_a_copy_in_another_format_is_the_same_picture(tmp_path: Path) -> None:
    draw(tmp_path)
    picture("cat", 0).save(tmp_path / "cat" / "again.bmp")
    [group] = look(tmp_path).copies
    assert {file.path for file in group} == {"cat/000.png", "cat/again.bmp"}


def test_pictures_in_two_classes_are_named_and_dropped_on_request(tmp_path: Path) -> None:
    draw(tmp_path)
    for number in range(5):
        shutil.copy(tmp_path / "cat" / f"{number:03}.png", tmp_path / "dog" / f"copy{number}.png")
    found = look(tmp_path)
    assert len(found.conflicts) == 5
    assert "5 pictures with two classes" in said(found) and "data.duplicates=drop" in said(found)
    assert per_class(look(tmp_path, duplicates="drop")) == {"cat": 7, "dog": 12}


@pytest.mark.parametrize("other", ["test", "val"])
def test_a_part_that_is_a_copy_of_train_is_said(tmp_path: Path, other: str) -> None:
    draw(tmp_path / "train")
    draw(tmp_path / other)
    if other == "val":
        draw(tmp_path / "test", count=2, start=90)
    found = look(tmp_path)
    assert "24 of 24" in said(found) and "are in train too" in said(found)


def test_constant_pictures_are_named(tmp_path: Path) -> None:
    draw(tmp_path)
    Image.new("RGB", (SIDE, SIDE), (9, 9, 9)).save(tmp_path / "cat" / "black.png")
    line = Image.new("L", (300, 300), 255)
    line.paste(0, (0, 150, 300, 151))
    line.save(tmp_path / "cat" / "line.png")  # a thin line is a drawing
    assert look(tmp_path).constant == ("cat/black.png",)


# Values


@pytest.mark.parametrize(
    ("kind", "scale", "shift", "form", "low", "high"),
    [
        (np.uint16, 255, 0, "png", 0, 255),
        (np.uint16, 1023, 0, "png", 0, 1023),
        (np.uint16, 4095, 0, "png", 0, 4095),
        (np.uint16, 65535, 0, "png", 0, 65535),
        (np.uint16, 65535, 0, "tif", 0, 65535),
        (np.int32, 255, 0, "tif", 0, 255),
        (np.float32, 2, -1, "tif", -1, 1),
        (np.float32, 1, 0, "tif", 0, 1),
        (np.float32, 255, 0, "tif", 0, 255),
        (np.float32, 65535, 0, "tif", 0, 65535),
    ],
)
def test_one_rule_of_values_for_the_whole_folder(
    tmp_path: Path, kind: type, scale: float, shift: float, form: str, low: float, high: float
) -> None:
    root = raw(tmp_path, kind, scale, shift, form)
    found = look(root)
    assert (found.values.low, found.values.high_end) == (low, high)
    assert f"{low:g} is black and {high:g} white" in said(found)
    data = load_own(root, Own(size=SIDE))
    assert data.shape == (1, SIDE, SIDE)
    shown = np.concatenate([data.train.pixels[:, 0].numpy(), data.test.pixels[:, 0].numpy()])
    wanted = np.stack([grey(f.path[:3], int(f.path[4:].split(".")[0])) for f in found.files]) * 255
    assert np.abs(shown - wanted).max() <= 1.01


def test_values_that_fit_no_rule_take_their_own_range(tmp_path: Path) -> None:
    assert range_of(-1024, 3071, True) == (-1024, 3071)
    assert range_of(0, 2.5, False) == (0, 2.5)
    assert range_of(0, 1, True) == (0, 1)
    assert range_of(5, 100_000, True) == (5, 100_000)
    data = load_own(raw(tmp_path, np.int32, 4000, -2000), Own(size=SIDE))
    assert data.train.pixels[:].float().std() > 20


def test_a_pixel_that_is_no_number_becomes_black_and_is_said(tmp_path: Path) -> None:
    root = raw(tmp_path, np.float32, 1)
    for file in root.rglob("*.tif"):
        stored = np.asarray(Image.open(file)).copy()
        stored[0, 0] = np.nan
        Image.fromarray(stored).save(file)
    found = look(root)
    assert found.values.not_finite == 24 and "24 files with NaN" in said(found)
    pixels = load_own(root, Own(size=SIDE)).train.pixels[:]
    assert pixels[:, 0, 0, 0].max() == 0 and pixels[:, 0, 1:].float().mean() > 40


def test_a_folder_that_is_all_dark_is_said(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(6):
            Image.fromarray(values(name, number) // 20).save(tmp_path / name / f"{number}.png")
    assert "all images are nearly black" in said(look(tmp_path))


@pytest.mark.parametrize("ink", ["black", "white"])
def test_transparency_shows_the_drawing(tmp_path: Path, ink: str) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(4):
            page = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0))
            page.paste(Image.new("RGBA", (3, 4), ink), (number, 2))
            page.save(tmp_path / name / f"{number}{name}.png")
    found = look(tmp_path)
    assert found.values.ground == ("white" if ink == "black" else "black")
    assert load_own(tmp_path, Own(size=SIDE)).train.pixels[:].float().std() > 50
    assert not found.constant


# Tables and arrays


def table(root: Path, text: str, name: str = "labels.csv", count: int = 20) -> Path:
    flat(root / "images", 0)
    for number in range(count):
        kind = ("cat", "dog")[number % 2]
        picture(kind, number).save(root / "images" / f"{number}.png")
    (root / name).write_text(text)
    return root / name


def lines(form: str, count: int = 20) -> str:
    return "\n".join(form.format(i=i, k=("cat", "dog")[i % 2]) for i in range(count))


@pytest.mark.parametrize(
    ("head", "form", "name"),
    [
        ("filename,label\n", "{i}.png,{k}", "labels.csv"),
        ("image_id;breed\n", "{i};{k}", "train.csv"),
        ("path\tclass\n", "images/{i}.png\t{k}", "list.tsv"),
        ("", "images/{i}.png,{k}", "list.csv"),
        ("\ufefflabel,file\n", "{k},images\\{i}.png", "list.csv"),
        ("", '{{"file_name": "{i}.png", "label": "{k}"}}', "metadata.jsonl"),
    ],
)
def test_labels_in_a_table(tmp_path: Path, head: str, form: str, name: str) -> None:
    file = table(tmp_path, head + lines(form), name)
    assert per_class(look(file)) == {"cat": 10, "dog": 10}
    found = look(tmp_path)  # the folder itself, which holds one table
    assert per_class(found) == {"cat": 10, "dog": 10} and name in said(found)


def test_a_table_may_say_the_part_and_leave_labels_out(tmp_path: Path) -> None:
    text = "path,label,split\n" + lines("{i}.png,{k},train", 12)
    text += "\n12.png,cat,val\n13.png,dog,valid\n14.png,cat,Test\n15.png,dog,test\n16.png,,train\n"
    found = look(table(tmp_path, text + "99.png,cat,train\n"))
    assert totals(found) == {"train": 12, "validation": 2, "test": 2, "unlabelled": 1}
    assert "1 lines whose image is not there (99.png)" in said(found)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a,b,c\n1,2,3\n", "which of its columns"),
        ("path,label\nno.png,cat\n", "none of its 1 images is there"),
        ("path,label,split\n0.png,cat,tomorrow\n", "'tomorrow'"),
        ("path\n0.png\n", "two columns"),
        ("", "two columns"),
        ("path,label\n0.png,\n", "no line has a label"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    assert fault in refused(table(tmp_path, text, count=2))


def arrays(count: int = 24) -> tuple[np.ndarray, np.ndarray]:
    x = np.stack([values(("cat", "dog")[i % 2], i) for i in range(count)])
    return x, np.arange(count) % 2


@pytest.mark.parametrize(
    "keys",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
        ("X_train", "Y_train", "X_val", "Y_val"),
        ("x", "y"),
        ("images", "labels"),
    ],
)
def test_arrays(tmp_path: Path, keys: tuple[str, ...]) -> None:
    x, y = arrays()
    held = (x[::-1].copy() // 2, y[::-1, None])
    np.savez(tmp_path / "d.npz", **dict(zip(keys, (x, y, *held), strict=False)))
    found = look(tmp_path / "d.npz")
    assert found.classes == ("0", "1") and found.size == SIDE
    assert sum(totals(found).values()) == (48 if len(keys) == 4 else 24)
    data = load_own(tmp_path / "d.npz", Own())
    assert data.shape == (3, SIDE, SIDE)
    place = int(found.of("train")[0].path.split("/")[1])
    assert np.array_equal(data.train.pixels[0].permute(1, 2, 0).numpy(), x[place])


def test_an_array_of_floats_channels_first_with_labels_beside_it(tmp_path: Path) -> None:
    x, y = arrays()
    np.save(tmp_path / "x.npy", (x.transpose(0, 3, 1, 2) / 255).astype(np.float32))
    assert "holds images without labels" in refused(tmp_path / "x.npy")
    np.save(tmp_path / "y.npy", y)
    found = look(tmp_path / "x.npy")
    assert per_class(found) == {"0": 12, "1": 12} and "(N, C, H, W)" in said(found)
    assert "0 is black and 1 white" in said(found)
    assert f"did you mean {tmp_path / 'x.npy'}" in refused(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\3\4 cut", b"\x93NUMPY"])
def test_a_file_that_holds_no_arrays_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "d.npz").write_bytes(content)
    assert "cannot be read as arrays" in refused(tmp_path / "d.npz")
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert "Python objects" in refused(tmp_path / "o.npy")


# Names and membership


def test_a_name_in_two_forms_of_unicode_is_one_class(tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    draw(tmp_path / "train", (apart, "thé"))
    draw(tmp_path / "test", (composed, "thé"), 5, start=100)
    found = look(tmp_path)
    assert found.classes == (composed, "thé") and found.counts["test"][composed] == 5


def parts_by_content(found: Inspection) -> dict[str, str]:
    return {file.content: file.part for file in found.files}


def add(root: Path) -> None:
    draw(root, count=20, start=500)


def rename(root: Path) -> None:
    for name in ("cat", "dog"):
        for number, file in enumerate(sorted((root / name).iterdir())):
            file.rename(file.with_name(f"renamed {97 * number % 50}.png"))


def move(root: Path) -> None:
    (root / "cat" / "first").mkdir()
    for file in sorted((root / "cat").glob("*.png"))[:9]:
        file.rename(root / "cat" / "first" / file.name)


def reformat(root: Path) -> None:
    for file in sorted(root.rglob("*.png"))[:20]:
        with Image.open(file) as image:
            image.save(file.with_suffix(".bmp"))
        file.unlink()


@pytest.mark.parametrize("change", [add, rename, move, reformat])
def test_no_change_moves_a_training_image_into_the_test_part(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    draw(tmp_path, count=30)
    before = parts_by_content(look(tmp_path))
    change(tmp_path)
    after = parts_by_content(look(tmp_path))
    assert set(before) <= set(after)
    assert all(after[content] == part for content, part in before.items())


def test_a_folder_is_the_same_by_any_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(tmp_path / "pets")
    monkeypatch.chdir(tmp_path)
    os.symlink(tmp_path / "pets", tmp_path / "link")
    assert (
        len({look(Path(p)).root for p in ("pets", "./pets/", "../" + tmp_path.name + "/pets")}) == 1
    )
    assert look(Path("link")).files == look(tmp_path / "pets").files


# What is printed


def run_show(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["show", *map(str, arguments)])
    assert result.exit_code == 0, result.exception
    return result.stdout


def test_show_keeps_to_80_columns_and_says_all_as_json(tmp_path: Path) -> None:
    root = tmp_path / ("a long name of a folder " * 5).strip()
    draw(root, ("x" * 90, "日本" * 30, "short"))
    (root / "short" / ("y" * 120 + ".png")).write_bytes(b"")
    text = run_show(root)
    assert max(map(columns, text.splitlines())) <= 80
    assert "all images" in text
    document = json.loads(run_show(root, "--json"))
    assert document["classes"] == sorted(["x" * 90, "日本" * 30, "short"])
    assert len(document["files"]) == 36 and document["unreadable"][0]["path"].endswith("y.png")
    assert {"path", "part", "label", "content"} == set(document["files"][0])


def test_an_inspection_is_read_back_as_it_was(tmp_path: Path) -> None:
    found = look(divided(tmp_path, train="train", test="test"))
    (tmp_path / "data.json").write_text(json.dumps(found.document()))
    assert Inspection.read(tmp_path / "data.json") == found
