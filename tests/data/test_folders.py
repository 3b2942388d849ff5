"""Folders as people have them: what is an image, a class, a part."""

import io
import os
import shutil
import unicodedata

import numpy as np
import pytest
from PIL import Image

from keras_convmixer.data.folders import list_images
from keras_convmixer.data.image_data import split_indices
from keras_convmixer.data.index import IndexedImage, read_index, write_index
from keras_convmixer.data.source import Source
from keras_convmixer.evaluation.stored_images import folder_images
from keras_convmixer.utils.checks import UserError

TEN = [f"{name}/{number}.png" for name in "ab" for number in range(5)]


def image_bytes(kind="PNG", number=0):
    file = io.BytesIO()
    Image.new("RGB", (9, 8), (9 * number, 40, 0)).save(file, kind)
    return file.getvalue()


def write(root, *files):
    """PNG files, whatever their names say."""
    for number, file in enumerate(files):
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image_bytes(number=number))


def listed(root):
    """Classes, files by class, and notes."""
    classes, rows, notes = list_images(Source(image_folder=str(root)))
    files = {name: [] for name in classes}
    for row in rows:
        files[row.name].append(row.file)
    return classes, files, notes


def evaluated(root):
    """The same for an evaluation, without notes."""
    pictures = folder_images(root)
    files = {name: [] for name in pictures.classes}
    for picture in pictures.each():
        files[picture.label].append(picture.name)
    assert pictures.count == sum(map(len, files.values()))
    return pictures.classes, files


def test_images_at_any_depth_are_of_the_class_above(tmp_path):
    write(tmp_path, "a/1.png", "a/kind/2.png", "a/kind/deep/er/3.png")
    write(tmp_path, "b/images/1.png", "b/images/2.png", "b/.cache/3.png")
    write(tmp_path, "b/@eaDir/1.png/thumb.png", "__MACOSX/b/._1.png")
    more = [f"{folder}/{i}.png" for folder in ("a/x", "b/y") for i in range(4)]
    write(tmp_path, *more)
    expected = {
        "a": ["a/1.png", "a/kind/2.png", "a/kind/deep/er/3.png", *more[:4]],
        "b": ["b/images/1.png", "b/images/2.png", *more[4:]],
    }
    assert listed(tmp_path) == (["a", "b"], expected, [])
    assert evaluated(tmp_path) == (["a", "b"], expected)
    data = Source(image_folder=str(tmp_path), seed=1).load(8)
    write_index(tmp_path / "images.csv", data.index)
    again = Source(image_folder=str(tmp_path), seed=1).load(
        8, read_index(tmp_path / "images.csv")
    )
    assert again.held_out_split == data.held_out_split


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("x.jfif", "JPEG"),
        ("x.jpe", "JPEG"),
        ("x.HEIC", "JPEG"),
        ("x.avif", "PNG"),
        ("x", "JPEG"),
        ("x.jpg_large", "JPEG"),
        ("x.txt", "WEBP"),
        ("photo.2024", "BMP"),
        ("x.tmp", "GIF"),
        ("x.dat", "TIFF"),
        ("x.pgm", "PPM"),
        ("x.j2k", "JPEG2000"),
    ],
)
def test_an_image_is_known_by_its_contents(tmp_path, name, kind):
    write(tmp_path, *TEN)
    (tmp_path / "b" / name).write_bytes(image_bytes(kind))
    _, files, notes = listed(tmp_path)
    assert files["b"] == sorted([*TEN[5:], f"b/{name}"])
    assert notes == []
    assert evaluated(tmp_path)[1] == files
    data = Source(image_folder=str(tmp_path)).load(8)
    assert data.num_train + data.num_held_out == 11


def test_what_is_skipped_is_counted_and_named(tmp_path, capsys):
    write(tmp_path, *TEN, "cover.jpg")
    for name, contents in {
        **{f"{number}.txt": b"BMW, a car" for number in range(8)},
        "clip.mp4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
        "deep/clip.MP4": b"\0\0\0\x18ftypisom\0\0\0\0isomiso2",
        "notes": b"",
        ".DS_Store": b"x",
        "Thumbs.db": b"x",
        "desktop.ini": b"x",
    }.items():
        path = tmp_path / "b" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(contents)
    os.mkfifo(tmp_path / "b" / "pipe")
    (tmp_path / os.fsdecode(b"\xff.png")).write_bytes(b"not UTF-8")
    (tmp_path / "b" / "dangling").symlink_to("nowhere")
    expected = [
        "skipped 2 images outside the class folders: cover.jpg, \ufffd.png",
        "skipped 13 files that are not images: 8 .txt, 3 without suffix, "
        "2 .mp4",
    ]
    assert listed(tmp_path)[2] == expected
    Source(image_folder=str(tmp_path)).load(8)
    assert "\n".join(expected) in capsys.readouterr().out
    evaluated(tmp_path)
    assert capsys.readouterr().out.splitlines() == expected


def test_links_are_followed_but_not_in_circles(tmp_path):
    root = tmp_path / "photos"
    write(root, "a/1.png", "a/2.png")
    write(tmp_path, "elsewhere/1.png", "elsewhere/more/2.png")
    (root / "b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "again").symlink_to("more")
    (tmp_path / "elsewhere" / "self").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "up").symlink_to(root)
    (root / "a" / "up").symlink_to("..")
    (root / "a" / "loop").symlink_to("loop")
    classes, files, notes = listed(root)
    assert classes == ["a", "b"]
    assert files == {
        "a": ["a/1.png", "a/2.png"],
        "b": ["b/1.png", "b/again/2.png"],
    }
    (note,) = notes
    assert "4 link to a folder that was read" in note


TRAIN = ("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png")
TEST = ("cat/1.png", "dog/1.png")


def write_parts(root, **parts):
    for part, files in parts.items():
        write(root / part, *files)


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (("train", "valid", "test"), {"train", "held_out", "test"}),
        (("training", "dev", "testing"), {"train", "held_out", "test"}),
        (("Train", "VAL", "TEST"), {"train", "held_out", "test"}),
        (("TRAINING", "Validation"), {"train", "held_out"}),
        (("train", "eval"), {"train", "test"}),
        (("train",), {"train"}),
    ],
)
def test_parts_have_several_names(tmp_path, names, parts):
    for name in names:
        write(tmp_path / name, *TRAIN)
    source = Source(image_folder=str(tmp_path))
    classes, rows, notes = list_images(source)
    assert classes == ["cat", "dog"]
    assert {row.part for row in rows} == parts
    assert notes == []


def test_folders_beside_parts_are_named(tmp_path, capsys):
    write_parts(tmp_path, train=TRAIN, test=TEST, docs=("1.png",))
    (tmp_path / "notes").mkdir()
    (tmp_path / "__MACOSX").mkdir()
    _, files, notes = listed(tmp_path)
    assert files["dog"] == [
        f"{part}/{file}"
        for part, file in (
            ("train", TRAIN[2]),
            ("train", TRAIN[3]),
            ("test", TEST[1]),
        )
    ]
    assert notes == ["ignored folders that are not a split: docs, notes"]
    assert evaluated(tmp_path)[0] == ["cat", "dog"]
    assert notes[0] in capsys.readouterr().out
    # Without another part, one without images is no class either.
    shutil.rmtree(tmp_path / "test")
    shutil.rmtree(tmp_path / "docs")
    assert listed(tmp_path)[0] == ["cat", "dog"]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"train": TRAIN, "bus": TRAIN}, "train may be .* a class beside bus"),
        ({"train": TRAIN, "bus": ("1.png",)}, "a class beside bus"),
        ({"val": TRAIN, "test": TRAIN}, "a folder train. Found: val, test"),
        ({"train": TRAIN, "Training": TRAIN}, "Training or train, not both"),
        ({"train": TRAIN, "valid": TEST, "dev": TEST}, "dev or valid, not"),
    ],
)
def test_parts_that_are_ambiguous_are_an_error(tmp_path, parts, words):
    write_parts(tmp_path, **parts)
    with pytest.raises(UserError, match=words):
        listed(tmp_path)


def test_classes_may_have_the_names_of_parts(tmp_path):
    write(tmp_path, *(f"{n}/{i}.png" for n in ("bus", "train") for i in "12"))
    write(tmp_path, "test/1.png", "test/kind/2.png")
    assert listed(tmp_path)[0] == ["bus", "test", "train"]


def test_an_evaluation_needs_no_part_to_train_on(tmp_path):
    write_parts(tmp_path, val=TRAIN, Test=TEST)
    assert evaluated(tmp_path) == (
        ["cat", "dog"],
        {"cat": ["cat/1.png"], "dog": ["dog/1.png"]},
    )


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_class_has_one_name_in_both_unicode_forms(tmp_path, form):
    other = {"NFC": "NFD", "NFD": "NFC"}[form]
    cafe, again = (unicodedata.normalize(f, "café") for f in (form, other))
    write(tmp_path, *(f"train/{n}/{i}.png" for n in (cafe, "b") for i in "12"))
    write(tmp_path, f"val/{again}/1.png", f"test/{again}/1.png")
    data = Source(image_folder=str(tmp_path)).load(8)
    assert data.classes == ["b", "café"]
    assert (data.num_train, data.num_held_out, data.num_test) == (4, 1, 1)
    assert evaluated(tmp_path)[0] == ["café"]
    write_index(tmp_path / "images.csv", data.index)
    assert read_index(tmp_path / "images.csv") == data.index
    write(tmp_path, f"train/{again}/3.png")
    with pytest.raises(UserError, match="two folders of class 'café'"):
        list_images(Source(image_folder=str(tmp_path)))


@pytest.mark.parametrize(
    ("name", "is_allowed"),
    [
        ("\u0645\u06cc\u200c\u062e", True),
        ("a\u00a0b", True),
        ("a\u3000b", True),
        ("\N{FAMILY}\u200d\N{GIRL}", True),
        ("a\nb", False),
        ("a\rb", False),
        ("a\u2028b", False),
        ("a\x85b", False),
        ("a\tb", False),
        (os.fsdecode(b"\xff"), False),
    ],
)
def test_names_of_classes_are_lines_of_text(tmp_path, name, is_allowed):
    write(tmp_path, "a/1.png", "a/2.png", f"{name}/1.png", f"{name}/2.png")
    if is_allowed:
        assert listed(tmp_path)[0] == sorted(["a", name])
        assert evaluated(tmp_path)[0] == sorted(["a", name])
        return
    for read in (listed, evaluated):
        with pytest.raises(UserError, match="can't be the name of a class"):
            read(tmp_path)


def test_any_name_of_a_file_is_read_back(tmp_path):
    names = ["line\nfeed", "carriage\rreturn", "both\r\n", 'quo"tes', "a,b"]
    names += ["'", " ", "\\", os.fsdecode(b"\xff\xfe"), "=1+1", "x\x85y"]
    index = [
        IndexedImage(f"a/{folder}{name}.png", "a", "train")
        for name in names
        for folder in ("", f"{name}/")
    ]
    write_index(tmp_path / "images.csv", index)
    assert read_index(tmp_path / "images.csv") == index


@pytest.mark.parametrize("counts", [(100, 2), (50, 3, 2), (300, 2, 2, 2)])
def test_of_a_rare_class_one_image_is_held_out(counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    train, held_out = split_indices(labels, seed=0)
    assert np.bincount(labels[held_out], minlength=len(counts)).min() == 1
    assert np.bincount(labels[train], minlength=len(counts)).min() >= 1
    assert sorted([*train, *held_out]) == list(range(len(labels)))
    for part, again in zip(
        (train, held_out), split_indices(labels, 0), strict=True
    ):
        np.testing.assert_array_equal(part, again)
    chosen = {
        tuple(sorted(split_indices(labels, seed)[1])) for seed in range(9)
    }
    assert len(chosen) > 1


def test_where_no_class_is_rare_the_split_is_that_of_old_runs():
    from sklearn.model_selection import train_test_split

    labels = np.repeat([0, 1, 2], [9, 5, 30])
    expected = train_test_split(
        np.arange(44), test_size=0.2, random_state=3, stratify=labels
    )
    for part, before in zip(split_indices(labels, 3), expected, strict=True):
        np.testing.assert_array_equal(part, before)
