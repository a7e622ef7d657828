"""More folders as people have them: masks, flat parts, links, odd names, what is no folder."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from folders import SIDE, draw, flat, picture, values
from PIL import Image

from wye.data import load
from wye.data.folder import Own, glance_at, inspect_own, load_own
from wye.data.folder_names import spelling_notes
from wye.data.inspection import Inspection
from wye.data.listing import every_image
from wye.data.reading import Reading, read_image
from wye.errors import UsageError
from wye.recipe.overrides import parse_overrides
from wye.recipe.resolve import resolve
from wye.runs.folder import RunFolder
from wye.wording import legible, one_line


def look(path: Path, **own: object) -> Inspection:
    return inspect_own(path, Own(**own))  # type: ignore[arg-type]


def per_class(found: Inspection) -> dict[str, int]:
    return {label: sum(by.get(label, 0) for by in found.counts.values()) for label in found.classes}


def said(found: Inspection) -> str:
    return " ".join(" ".join(line.split()) for line in found.lines())


def refused(path: Path) -> str:
    with pytest.raises(UsageError) as error:
        look(path)
    return str(error.value)


# Folders of parts, and of images without classes


@pytest.mark.parametrize("outer", ["images", "coco", "JPEGImages"])
@pytest.mark.parametrize("parts", [("train", "val"), ("train2017", "val2017")])
def test_a_folder_of_parts_without_classes_is_no_class(
    tmp_path: Path, outer: str, parts: tuple[str, str]
) -> None:
    for start, part in enumerate(parts):
        flat(tmp_path / outer / part, 6, start=100 * start)
        (tmp_path / "labels" / part).mkdir(parents=True)
        (tmp_path / "labels" / part / "0.txt").write_text("0 1 1 1 1")
    message = refused(tmp_path)
    assert "no folder of a class" in message and f"{tmp_path}/train/<class>/<image>" in message


def test_masks_divided_as_their_images_are_no_class_beside_them(tmp_path: Path) -> None:
    for start, part in enumerate(("train", "val")):
        flat(tmp_path / "images" / part, 6, start=100 * start)
        flat(tmp_path / "annotations" / part, 6, "mask", start=100 * start)
    message = refused(tmp_path)
    assert "no folder of a class" in message and "12 in sub-folders called annotations" in message


@pytest.mark.parametrize("name", ["test", "Test", "val"])
def test_a_flat_part_beside_classes_is_no_class_and_said(tmp_path: Path, name: str) -> None:
    flat(draw(tmp_path) / name, 5)
    found = look(tmp_path)
    assert per_class(found) == {"cat": 12, "dog": 12} and found.drawn
    assert f"5 in {name} without a folder per class" in said(found)
    assert "wye predict" in said(found) and f"if {name} is a class" in said(found)


def test_flat_train_and_test_are_parts_whatever_lies_beside_them(tmp_path: Path) -> None:
    message = refused(draw(tmp_path, ("train", "test", "plane")))
    assert "the images in train and test lie in no folder of a class" in message
    assert f"{tmp_path}/train/<class>" in message


def test_a_train_with_folders_among_classes_is_refused_with_two_ways_out(tmp_path: Path) -> None:
    draw(tmp_path, ("plane", "bus"))
    draw(tmp_path / "train", ("steam", "diesel"))
    message = refused(tmp_path)
    assert "read in two ways, for bus (12 images) and plane (12 images) are beside" in message
    assert f"into {tmp_path}/train" in message and "trains, say" in message
    draw(tmp_path / "test", ("steam", "diesel"), 4, start=100)
    found = look(tmp_path)  # a part called test settles it
    assert found.classes == ("diesel", "steam") and "12 in bus, which is beside" in said(found)


def test_a_few_images_beside_a_lone_train_are_said_to_be_unused(tmp_path: Path) -> None:
    draw(tmp_path / "train")
    flat(tmp_path / "extra", 4)
    assert "4 in extra, which is beside train" in said(look(tmp_path))


# Masks and thumbnails


@pytest.mark.parametrize("name", ["masks", "thumbs", "Thumbnails", "ground-truth", "train_masks"])
@pytest.mark.parametrize("where", ["", "train"])
def test_a_folder_of_masks_beside_the_classes_is_left_out(
    tmp_path: Path, name: str, where: str
) -> None:
    draw(tmp_path / where)
    flat(tmp_path / where / name, 9)
    if where:
        draw(tmp_path / "test", count=3, start=90)
    found = look(tmp_path)
    assert found.classes == ("cat", "dog")
    assert f"9 in sub-folders called {name}" in said(found)


def test_images_and_their_masks_are_no_classes(tmp_path: Path) -> None:
    flat(tmp_path / "images", 6)
    flat(tmp_path / "masks", 6, "mask")
    message = refused(tmp_path)
    assert "images, and no classes" in message and "6 in sub-folders called masks" in message
    (tmp_path / "images").rename(tmp_path / "thumbs")
    assert "holds no images by class" in refused(tmp_path)


def test_masks_in_a_class_beside_a_folder_of_its_images_are_left_out(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        flat(tmp_path / name / "images", 6, name)
        flat(tmp_path / name / "label", 6, name + "mask")
    found = look(tmp_path)
    assert per_class(found) == {"cat": 6, "dog": 6}
    assert "12 in sub-folders called label" in said(found)


def test_a_class_may_be_called_mask(tmp_path: Path) -> None:
    assert look(draw(tmp_path / "a", ("mask", "no mask"))).classes == ("mask", "no mask")
    draw(tmp_path / "b", ("cat", "dog"))
    found = look(draw(tmp_path / "b", ("mask",), start=500))
    assert found.classes == ("cat", "dog", "mask")
    assert "mask holds files that are not named as those beside it" in said(found)
    message = refused(draw(tmp_path / "c", ("cat", "mask")))
    assert "if they are masks" in message and "with mask, say" in message


@pytest.mark.parametrize("end", ["_mask", "_seg", "_segmentation", "-Mask", "_mask_1"])
def test_masks_beside_their_images_in_one_folder_are_left_out_by_name(
    tmp_path: Path, end: str
) -> None:
    for name in ("benign", "malignant"):
        (tmp_path / name).mkdir()
        for number in range(8):
            picture(name, number).save(tmp_path / name / f"{name} ({number}).png")
            picture("m", number).save(tmp_path / name / f"{name} ({number}){end}.png")
        picture(name, 99).save(tmp_path / name / f"alone{end}.png")  # no image of that name
    found = look(tmp_path)
    assert per_class(found) == {"benign": 9, "malignant": 9}
    shown = end.removesuffix("_1").casefold()
    assert f"16 called {shown} after the image beside them (benign/benign (0){end}.png" in said(
        found
    )
    places, left_out = every_image(tmp_path)
    assert len(places) == 18 and [left.count for left in left_out] == [16]


# Links


def test_a_link_to_its_own_class_counts_nothing_twice(tmp_path: Path) -> None:
    draw(tmp_path)
    (tmp_path / "cat" / "again").symlink_to(tmp_path / "cat")
    found = look(tmp_path)
    assert per_class(found) == {"cat": 12, "dog": 12} and not found.copies
    assert "1 links that lead back to a folder above (cat/again)" in said(found)


def test_links_to_folders_that_are_used_count_nothing_twice(tmp_path: Path) -> None:
    draw(tmp_path)
    (tmp_path / "cat" / "d").symlink_to(tmp_path / "dog")
    (tmp_path / "dog" / "c").symlink_to(tmp_path / "cat")
    (tmp_path / "kitty").symlink_to(tmp_path / "cat")
    found = look(tmp_path)
    assert per_class(found) == {"cat": 12, "dog": 12} and not found.copies
    shown = "4 links to folders that are used where they are (cat/d, dog/c, kitty/d, kitty)"
    assert shown in said(found)


def test_links_to_folders_that_are_not_used_otherwise_are_followed(tmp_path: Path) -> None:
    draw(tmp_path / "all")
    draw(tmp_path / "test", count=3, start=90)
    for name in ("cat", "dog"):
        (tmp_path / "train").mkdir(exist_ok=True)
        (tmp_path / "train" / name).symlink_to(tmp_path / "all" / name)
    found = look(tmp_path)
    assert per_class(found) == {"cat": 15, "dog": 15}
    assert "2 links lead to another place in the folder and are followed" in said(found)


# Files


def test_files_of_several_pictures_are_said(tmp_path: Path) -> None:
    draw(tmp_path)
    frames = [picture("film", number) for number in range(3)]
    for name in ("cat/a.gif", "cat/b.tif", "dog/c.png", "dog/d.webp"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    for name in ("dog/one.gif", "dog/one.tif"):
        picture("one", 0).save(tmp_path / name)
    wanted = (
        "4 files hold several pictures: the first of each is used (cat/a.gif, cat/b.tif, dog/c.png)"
    )
    assert wanted in look(tmp_path).notes and wanted in glance_at(tmp_path).notes


@pytest.mark.parametrize("size", [(1, 5000), (5000, 1)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_a_very_thin_picture_keeps_a_line_when_it_is_padded(
    tmp_path: Path, size: tuple[int, int], mode: str
) -> None:
    draw(tmp_path)
    Image.new(mode, size, 200 if mode == "L" else (200, 10, 30, 128)[: len(mode)]).save(
        tmp_path / "cat" / "thin.png"
    )
    data = load_own(tmp_path, Own(size=16, fit="pad"))
    assert data.inspection is not None and not data.inspection.unreadable
    assert len(data.train) + len(data.test) == 25
    pixels = read_image(tmp_path / "cat" / "thin.png", reading=Reading(16, "pad"))
    assert len(torch.unique(pixels[0])) == 1  # a border in the colour of the rim
    if mode == "L":
        assert pixels[0, 0, 0] == 200


def test_padding_keeps_the_proportions(tmp_path: Path) -> None:
    wide = np.zeros((9, 30, 3), np.uint8)
    wide[:, 10:20] = 255
    Image.fromarray(wide).save(tmp_path / "wide.png")
    pixels = read_image(tmp_path / "wide.png", reading=Reading(10, "pad"))[0]
    assert (pixels[:, 5] > 128).sum() == 3 and pixels[0, 5] == 0  # 3 rows of 10


def test_a_pipe_is_left_out_in_english(tmp_path: Path) -> None:
    os.mkfifo(draw(tmp_path) / "cat" / "pipe.png")
    assert "left out: 1 pipes, sockets and the like (cat/pipe.png)" in said(look(tmp_path))


def test_a_run_folder_that_has_only_begun_is_no_class(tmp_path: Path) -> None:
    (draw(tmp_path) / "r").mkdir()
    (tmp_path / "r" / "journal.jsonl").write_text("{}\n")
    found = look(tmp_path)
    assert not any("r holds no images" in note for note in found.warnings())


def test_the_number_of_images_that_are_drawn_for_the_test_is_said(tmp_path: Path) -> None:
    found = look(draw(tmp_path), validation=0.2)
    count = len(found.of("test"))
    assert f"test: {count} of 24 images, drawn by their content" in said(found)


# Names


@pytest.mark.parametrize(
    ("one", "other"),
    [("Cat", "cat"), ("hot dog", "hot_dog"), ("1", "1.0"), ("a-b", "a b"), (" x", "x")],
)
def test_spelling_variants_of_classes_are_said_of_any_source(
    tmp_path: Path, one: str, other: str
) -> None:
    assert spelling_notes([one, other, "else"]) == [
        f"{min(one, other)!r} and {max(one, other)!r} are two classes, by their spelling"
    ]
    if one in (" x", "1"):  # stripped, or numbers, which tables hold as 1 and 1.0
        return
    x = np.stack([values("ab"[i % 2], i) for i in range(24)])
    np.savez(tmp_path / "d.npz", x=x, y=np.array([one, other] * 12))
    assert any("by their spelling" in note for note in look(tmp_path / "d.npz").notes)
    flat(tmp_path / "im", 24, start=0)
    rows = "".join(f"im/{i}.png,{(one, other)[i % 2]}\n" for i in range(24))
    (tmp_path / "l.csv").write_text("path,label\n" + rows)
    assert any("by their spelling" in note for note in look(tmp_path / "l.csv").notes)


def test_other_names_are_no_variants() -> None:
    assert not spelling_notes(["c", "c++", "1", "-1", "10", "a1", "a2", "+", "-", "_", "1.5"])


def test_names_that_are_no_utf8_are_shown_with_escapes_and_kept(tmp_path: Path) -> None:
    root = os.fsencode(draw(tmp_path / "pets"))
    try:
        os.rename(root + b"/cat", root + b"/caf\xe9")
    except OSError:
        pytest.skip("the file system takes UTF-8 alone")
    os.rename(root + b"/dog/001.png", root + b"/dog/\xff.png")
    for name in (b"b\xfe\nx.png", b"b\xfe.xml"):
        Path(os.fsdecode(root + b"/dog/" + name)).write_bytes(b"x")
    for found in (look(tmp_path / "pets"), glance_at(tmp_path / "pets")):
        assert found.classes == ("caf\\xe9", "dog")
        assert "dog/\\xff.png" in [file.path for file in found.files]
    assert len(load_own(tmp_path / "pets", Own(size=SIDE)).train) > 12
    found = look(tmp_path / "pets")
    RunFolder(tmp_path / "run").path.mkdir()
    RunFolder(tmp_path / "run").write_inspection(found)
    assert Inspection.read(tmp_path / "run" / "data.json") == found
    lines = (tmp_path / "run" / "unreadable.txt").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines] == ["dog/b\\xfe\\nx.png"]
    with pytest.raises(UsageError) as error:
        look(tmp_path / "pets", strict=True)
    assert str(error.value).count("\n") == 1 and "1 file cannot be read" in str(error.value)


def test_escapes_of_text() -> None:
    assert legible("a\udcff\ud800é") == "a\\xff\\ud800é"
    assert one_line("a\nb\tc\x1b") == "a\\nb\\tc\\x1b"


def test_json_takes_any_name(tmp_path: Path) -> None:
    RunFolder(tmp_path).write_json("x.json", {"a\udcff": "\ud800é"})
    assert json.loads((tmp_path / "x.json").read_bytes()) == {"a\udcff": "\ud800é"}


# What cannot be held out, and what is no folder


def test_why_nothing_can_be_held_out_is_said(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "same" / name).mkdir(parents=True)
        for number in range(6):
            picture(name, 0).save(tmp_path / "same" / name / f"{number}.png")
    assert "all files of each class are the same picture" in refused(tmp_path / "same")
    names = tuple(f"c{number:02}" for number in range(40))
    message = refused(draw(tmp_path / "each", names, 1))
    assert "40 classes for 40 images" in message and "are they classes?" in message
    flat(tmp_path, 6, start=0)
    rows = "".join(f"{number}.png,{number * 0.37:.2f}\n" for number in range(6))
    (tmp_path / "l.csv").write_text("path,label\n" + rows)
    message = refused(tmp_path / "l.csv")
    assert "6 classes for 6 images" in message and "put them into ranges" in message


@pytest.mark.parametrize("further", [False, True])
def test_the_table_that_names_the_images_is_offered(tmp_path: Path, further: bool) -> None:
    flat(tmp_path / "train", 20, start=0)
    flat(tmp_path / "test", 5, start=100)
    places = "id,label\n" + "".join(f"{number},a\n" for number in range(100, 105))
    rows = "id,label\n" + "".join(f"{number},{'ab'[number % 2]}\n" for number in range(20))
    (tmp_path / "train.csv").write_text(rows)
    (tmp_path / "sample_submission.csv").write_text(places)
    if further:
        (tmp_path / "test.csv").write_text(places.replace("label", "width").replace(",a", ",8"))
        (tmp_path / "about.csv").write_text("a,b,c\n1,2,3\n")
    message = refused(tmp_path)
    offered = message.partition("did you mean ")[2]
    assert offered.startswith(f"{tmp_path / 'train.csv'}?")
    assert "submission" not in offered and "test.csv" not in offered
    assert f"wanted: {tmp_path}/train/<class>/<image>" in message


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        *(("z.zip", "unpack it and give its folder"), ("z.tar.gz", "unpack it")),
        *(("a.PNG", "is one image: give its folder"), ("a.xlsx", "save it as .csv")),
        ("notes.txt", "holds no images: give a folder"),
    ],
)
def test_a_file_that_is_no_source_of_images_says_what_to_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, wanted: str
) -> None:
    (tmp_path / name).write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    for ask in (resolve, load):
        with pytest.raises(UsageError) as error:
            ask(name)
        assert wanted in str(error.value) and name in str(error.value)


def test_what_the_shell_makes_of_a_pattern_is_answered_with_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(tmp_path / "photos", count=1)
    monkeypatch.chdir(tmp_path)
    for argument, folder in (("photos/dog", "photos"), ("photos/", "."), ("photos", ".")):
        with pytest.raises(UsageError, match="is not of the form key=value") as error:
            parse_overrides([argument])
        assert str(error.value).endswith(f"give the folder {folder}")


def test_a_folder_called_as_a_data_set_is_not_passed_over_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    draw(tmp_path / "shapes")
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.WARNING, "wye"):
        assert len(load("shapes").classes) > 2
    assert "./shapes means it" in caplog.text
    assert load("./shapes").classes == ("cat", "dog")
