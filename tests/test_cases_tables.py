"""Tables and arrays as people have them: each is read right, or what is not is said."""

from __future__ import annotations

import json
import os
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from folders import draw, flat, picture

from wye.data.arrays import list_arrays
from wye.data.folder import listing_of
from wye.data.inspection import LeftOut
from wye.data.listing import Listing
from wye.data.tables import list_table
from wye.errors import UsageError
from wye.runs.given import given, say_faults


def named(number: int) -> str:
    return ("cat", "dog")[number % 2]


def pictures(folder: Path, count: int = 6, start: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(start, start + count):
        picture(named(number), number, 8, 8).save(folder / f"{number}.png")


def table(root: Path, text: str, name: str = "labels.csv") -> Listing:
    (root / name).write_text(text)
    return list_table(root / name)


def left(found: Listing) -> dict[str, LeftOut]:
    return {each.why: each for each in found.left_out}


def labels(found: Listing) -> dict[str, str]:
    return {entry.path: entry.label for entry in found.entries}


ROWS = [(f"img/{number}.png", named(number)) for number in range(6)]
WANTED = dict(ROWS)


@pytest.mark.parametrize(
    "text",
    [
        "mask,image,label\n" + "".join(f"img/m{p[4:]},{p},{c}\n" for p, c in ROWS),
        "url,file_name,label\n" + "".join(f"http://a.b/{p},{p},{c}\n" for p, c in ROWS),
        "".join(f"{c},{p}\n" for p, c in ROWS),
        "sep=;\npath;label\n" + "".join(f"{p};{c}\n" for p, c in ROWS),
        "# by hand\n\npath,label\n" + "".join(f"{p},{c}\n" for p, c in ROWS),
        "path,label\r" + "".join(f"{p},{c}\r" for p, c in ROWS),
        "path,label,fold\n" + "".join(f"{p},{c},{n % 3}\n" for n, (p, c) in enumerate(ROWS)),
        "file,cat,dog\n" + "".join(f"{p},{int(c == 'cat')},{int(c == 'dog')}\n" for p, c in ROWS),
        "path,label,\n" + "".join(f"{p},{c},\n" for p, c in ROWS),
    ],
    ids=["mask", "url", "no names", "sep", "remark", "old mac", "folds", "one-hot", "trailing"],
)
def test_tables_that_are_read(tmp_path: Path, text: str) -> None:
    pictures(tmp_path / "img")
    assert labels(table(tmp_path, text)) == WANTED


def test_a_json_array_is_a_table_too(tmp_path: Path) -> None:
    pictures(tmp_path / "img")
    text = json.dumps([{"path": path, "label": [name]} for path, name in ROWS], indent=1)
    assert labels(table(tmp_path, text, "labels.jsonl")) == WANTED


def test_a_first_line_without_names_is_an_image(tmp_path: Path) -> None:
    pictures(tmp_path / "img")
    found = table(tmp_path, "".join(f"{path[4:-4]},{name}\n" for path, name in ROWS))
    assert [entry.label for entry in found.entries] == [name for _, name in ROWS]


def test_lines_that_lack_something_are_left_out_and_counted(tmp_path: Path) -> None:
    pictures(tmp_path / "img")
    text = "label,path\n" + "".join(f"{name},{path}\n" for path, name in ROWS) + "cat\n,\ndog\n"
    found = left(table(tmp_path, text + "cat,img/9.png\nwild, cat,img/0.png\n"))
    assert found["lines without a path"].count == 2
    assert found["lines whose image is not there"].examples == ("img/9.png",)
    assert found["lines with more values than columns"].examples == ("line 12",)
    text = "".join(f'{{"path": "{path}", "label": "{name}"}}\n' for path, name in ROWS)
    found = left(table(tmp_path, text + '{"label": "cat"}\n', "labels.jsonl"))
    assert found["lines without a path"].examples == ("line 7",)


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ('path,label\nimg/0.png,"cat\nimg/1.png,dog\n', "a.csv", "line 2"),
        ('path,label\nimg/0.png,"c\nd"\n', "a.csv", "'label' holds several lines"),
        ("path,label\nimg/0.png,cat, wild\n", "a.csv", "quotation marks"),
        ('{"path": "img/0.png", "label": ["a", "b"]}\n', "a.jsonl", "line 1: 'label' holds a list"),
        ("path,label\nimg/0.png,nan\n", "a.csv", "no line has a label"),
    ],
)
def test_tables_that_are_refused(tmp_path: Path, text: str, name: str, said: str) -> None:
    pictures(tmp_path / "img")
    with pytest.raises(UsageError, match=r"a\.") as error:
        table(tmp_path, text, name)
    assert said in str(error.value)


def test_labels_of_pandas(tmp_path: Path) -> None:
    pictures(tmp_path / "img")
    text = "path,label\n" + "".join(f"{p},{n % 2}.0\n" for n, (p, _) in enumerate(ROWS[:4]))
    found = table(tmp_path, text + "img/4.png,nan\n")
    assert labels(found) == dict(zip(WANTED, ["0", "1", "0", "1", ""], strict=False))
    assert "1 labels are nan: that is none" in found.notes


def test_images_in_several_folders_are_all_found(tmp_path: Path) -> None:
    pictures(tmp_path / "part_1", 6)
    pictures(tmp_path / "part_2", 6, start=6)
    text = "image_id,dx\n" + "".join(f"{number},{named(number)}\n" for number in range(12))
    found = table(tmp_path, text)
    assert len(found.entries) == 12 and not found.left_out
    assert "the images lie in part_1, part_2" in found.notes


def test_two_folders_that_hold_the_same_names_are_not_chosen_from(tmp_path: Path) -> None:
    text = "path,label\n" + "".join(f"{path[4:]},{name}\n" for path, name in ROWS)
    pictures(tmp_path / "photos")
    pictures(tmp_path / "annotations")
    assert {e.file.parent.name for e in table(tmp_path, text).entries if e.file} == {"photos"}
    pictures(tmp_path / "others")
    with pytest.raises(UsageError, match="both others and photos hold 0"):
        table(tmp_path, text)


def test_paths_of_another_machine(tmp_path: Path) -> None:
    pictures(tmp_path / "img")
    text = "path,label\n" + "".join(f"C:\\Users\\me\\{p},{name}\n" for p, name in ROWS)
    found = table(tmp_path, text)
    assert len(found.entries) == 6
    assert "paths are read without their first 3 folders: img/0.png" in found.notes
    pictures(tmp_path / "two", 1)
    pictures(tmp_path / "img", 1)
    with pytest.raises(UsageError, match="none of its 2 images is there"):
        table(tmp_path, "path,label\na/0.png,cat\nb/0.png,dog\n", "doubled.csv")


def test_test_images_without_a_label_train_nothing(tmp_path: Path) -> None:
    pictures(tmp_path / "img")
    text = "path,label,split\n" + "".join(f"{p},{name},train\n" for p, name in ROWS[:4])
    found = table(tmp_path, text + "img/4.png,,test\nimg/5.png,,\n")
    assert left(found)["images of the test part without a label"].examples == ("img/4.png",)
    assert [e.part for e in found.entries][-1] == "unlabelled"
    np.savez(tmp_path / "a.npz", x_train=X, y_train=Y, x_test=X)
    found = list_arrays(tmp_path / "a.npz")
    assert left(found)["images of the test part without a label"].count == 8
    assert {e.part for e in found.entries} == {"train"}


X = np.random.default_rng(0).integers(0, 256, (8, 9, 9, 3), dtype=np.uint8)
Y = np.array(["cat", "dog"] * 4)


def test_names_of_classes_in_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X, y=np.arange(8) % 2, classes=np.array(["cat", "dog"]))
    assert [e.label for e in list_arrays(tmp_path / "a.npz").entries] == Y.tolist()
    np.savez(tmp_path / "b.npz", x=X, classes=Y)
    assert [e.label for e in list_arrays(tmp_path / "b.npz").entries] == Y.tolist()


def test_rows_of_labels_have_a_single_one(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X, y=np.eye(3)[np.arange(8) % 3])
    found = list_arrays(tmp_path / "a.npz")
    assert [e.label for e in found.entries] == [str(n % 3) for n in range(8)]
    assert any("each row has its 1" in note for note in found.notes)
    for wrong in (np.random.default_rng(0).random((8, 4)), np.ones((8, 2)), np.zeros((8, 2))):
        np.savez(tmp_path / "b.npz", x=X, y=wrong)
        with pytest.raises(UsageError, match="rows of 0 with a single 1"):
            list_arrays(tmp_path / "b.npz")


def test_one_picture_in_an_array_file(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", X[0])
    found = list_arrays(tmp_path / "one.npy", labelled=False)
    assert len(found.entries) == 1 and "x is read as one image of (H, W, C)" in found.notes


def test_the_parts_of_array_files_belong_together(tmp_path: Path) -> None:
    for part in ("train", "test"):
        np.save(tmp_path / f"X_{part}.npy", X)
        np.save(tmp_path / f"y_{part}.npy", Y)
    found = list_arrays(tmp_path / "X_train.npy")
    assert {(e.part, e.label) for e in found.entries} == {
        (part, name) for part in ("train", "test") for name in ("cat", "dog")
    }
    assert "with it from beside it: X_test.npy, y_test.npy, y_train.npy" in found.notes


def test_what_is_no_array_file_is_called_that(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_text("hello")
    np.save(tmp_path / "b.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    for name, said in (
        ("a.npz", "cannot be read as arrays: it is no .npz file"),
        ("b.npy", "it holds Python objects"),
    ):
        with pytest.raises(UsageError, match=said):
            list_arrays(tmp_path / name)


def test_a_table_that_says_otherwise_than_the_folders(tmp_path: Path) -> None:
    pictures(tmp_path / "part_1", 6)
    pictures(tmp_path / "part_2", 6, start=6)
    text = "image_id,dx\n" + "".join(f"{number},{named(number)}\n" for number in range(12))
    (tmp_path / "meta.csv").write_text(text)
    with pytest.raises(UsageError, match=r"meta\.csv says other classes than the folders \(part_1"):
        listing_of(tmp_path)
    (tmp_path / "meta.csv").unlink()
    draw(tmp_path / "by-class")
    rows = "".join(f"cat/{n:03d}.png,cat\ndog/{n:03d}.png,dog\n" for n in range(12))
    (tmp_path / "by-class" / "same.csv").write_text("path,label\n" + rows)
    assert listing_of(tmp_path / "by-class").about != "a table of path and label"


def test_sources_given_together_are_all_kept(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X, y=np.array(["cat"] * 8))
    np.savez(tmp_path / "b.npz", x=X, y=np.array(["dog"] * 8))
    found = given([tmp_path / "a.npz", tmp_path / "b.npz"])
    assert [e.label for e in found] == ["cat"] * 8 + ["dog"] * 8
    assert found[8].path == f"{tmp_path}/b.npz/x/0"
    for name in ("s1", "s2"):
        pictures(tmp_path / name, 3)
        (tmp_path / name / "labels.csv").write_text(f"path,label\n0.png,{name}\n1.png,{name}\n")
    found = given([tmp_path / "s1/labels.csv", tmp_path / "s2/labels.csv"])
    assert [e.label for e in found] == ["s1", "s1", "s2", "s2"]
    assert all(Path(e.path).is_file() for e in found)


@pytest.mark.parametrize("text", ["path\n0.png\n1.png\n", "path,label\n0.png,\n1.png,\n"])
def test_tables_without_labels_can_be_predicted(tmp_path: Path, text: str) -> None:
    pictures(tmp_path, 2)
    (tmp_path / "list.csv").write_text(text)
    assert [Path(e.path).name for e in given(tmp_path / "list.csv")] == ["0.png", "1.png"]


def test_a_list_goes_on_past_what_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    flat(tmp_path, 2)
    odd = os.fsencode(tmp_path) + b"/caf\xe9.png"
    os.rename(tmp_path / "301.png", odd)
    lines = b"%b/300.png\r\n%b/nope.png\n%b\n" % (*[os.fsencode(tmp_path)] * 2, odd)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=BytesIO(lines)))
    assert [Path(e.path).name for e in given("-")] == ["300.png", r"caf\xe9.png"]
    assert "1 of 3 lines of the list are left out" in caplog.text and "nope.png" in caplog.text


def test_what_is_not_there_is_said_in_the_right_words(tmp_path: Path) -> None:
    for item, said in (
        ("https://a.b/c.png", "download it"),
        (str(tmp_path / "no.png"), "there is no file or folder"),
        ("fashion-mnits", "did you mean 'fashion-mnist'"),
    ):
        with pytest.raises(UsageError, match=said):
            given(item)
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to("nowhere.png")
    with pytest.raises(UsageError, match="is neither a file nor a folder"):
        given(tmp_path / "pipe.png")
    with pytest.raises(UsageError, match=r"link\.png leads nowhere"):
        given(tmp_path / "link.png")
    fault = SimpleNamespace(path="a\nb.png", why="broken")
    with pytest.raises(UsageError, match=r"none of the 2 files can be read.*\n  a\\nb.png: broken"):
        say_faults([fault, fault], [None, None])  # type: ignore[list-item]
