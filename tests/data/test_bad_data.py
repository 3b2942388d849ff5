"""Images as people have them: odd, broken, too few, or changed meanwhile."""

import shutil
import zlib

import numpy as np
import pytest
from PIL import Image

from keras_convmixer.data.batches import training_batches
from keras_convmixer.data.image_data import ImageData, as_arrays
from keras_convmixer.data.pictures import Pictures
from keras_convmixer.data.source import Source
from keras_convmixer.runs import Plan, RunFolder
from keras_convmixer.training.recipes import PHOTOGRAPHS
from keras_convmixer.utils.checks import UserError
from tests.processes import run_command


def write_images(folder, count, levels=90, suffix="png"):
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        image = Image.new("RGB", (20, 16), (levels, 5 * index, 0))
        image.save(folder / f"{index}.{suffix}")


def write_broken_images(folder):
    """One file for each way in which an image can't be read; their names."""
    Image.new("RGB", (200, 200)).save(folder / "whole.jpg")
    contents = (folder / "whole.jpg").read_bytes()
    (folder / "whole.jpg").unlink()
    (folder / "truncated.jpg").write_bytes(contents[:-200])
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("404: not found")
    (folder / "folder.png").mkdir()
    (folder / "nowhere.png").symlink_to(folder / "missing")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    # It says that it has 3.6 billion pixels, and 80,000 in a row.
    (folder / "bomb.png").write_bytes(png(60_000, 60_000))
    (folder / "ribbon.png").write_bytes(png(80_000, 1))
    (folder / "vectors.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n")
    names = "truncated empty text folder nowhere loop bomb ribbon vectors"
    return names.split()


def png(width, height):
    """A PNG file of that size without its pixels."""

    def chunk(kind, data):
        checksum = zlib.crc32(kind + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + kind + data + checksum

    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    header = chunk(b"IHDR", size + bytes([8, 2, 0, 0, 0]))
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b"")


def test_broken_images_are_left_out_and_named(tmp_path):
    photos = tmp_path / "my photos"
    write_images(photos / "ä b", 20, 30)
    write_images(photos / "c", 20, 200, "jpg")
    names = write_broken_images(photos / "c")
    (photos / "c" / "notes.txt").write_text("not meant to be an image")
    (photos / "c" / "._0.jpg").write_text("what another system left")
    (photos / ".cache").mkdir()
    shutil.move(photos / "ä b" / "0.png", tmp_path / "0.png")
    (photos / "ä b" / "0.png").symlink_to(tmp_path / "0.png")
    arguments = (
        *("train.py", "--image-folder", photos, "--run", tmp_path / "run"),
        *("--epochs", 1, "--limit-steps", 1, "--batch-size", 8),
        *("--model", "8/1/k3/p4@16"),
    )
    done = run_command(*arguments)
    first, *complaints = done.stderr.splitlines()
    assert first == f"left out {len(names)} of {40 + len(names)} images:"
    for name, complaint in zip(sorted(names), complaints, strict=True):
        assert f"/{name}." in complaint
        assert "can't be read as an image" in complaint
    assert "32 training, 8 held out" in done.stdout
    assert "steps an epoch  1" in done.stdout
    assert (tmp_path / "run" / "labels.txt").read_text() == "c\nä b\n"
    assert (tmp_path / "run" / "model.keras").is_file()

    strict = tmp_path / "strict"
    done = run_command(
        *arguments[:4], strict, "--broken-images", "error", check=False
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"{len(names)} of {40 + len(names)} images are broken" in line
    assert not strict.exists()


def break_in_the_middle(path):
    """Changes pixels of a PNG file that is as long as before."""
    contents = path.read_bytes()
    middle = contents.index(b"IDAT") + 8
    path.write_bytes(contents[:middle] + b"\0\0\0" + contents[middle + 3 :])


def test_a_picture_that_is_broken_in_the_middle_is_left_out(tmp_path, capsys):
    for name in ("a", "b"):
        write_images(tmp_path / name, 10)
    break_in_the_middle(tmp_path / "b" / "3.png")
    data = Source(image_folder=str(tmp_path)).load(8)
    assert data.num_train + data.num_held_out == 19
    assert "left out 1 of 20 images:" in capsys.readouterr().err


def test_a_picture_that_breaks_after_the_index_was_made_is_a_line(tmp_path):
    run, _, photos = write_run(tmp_path)
    for path in photos.rglob("[0-9].png"):
        break_in_the_middle(path)
    done = run_command("train.py", "--resume", run.path, check=False)
    assert done.returncode == 2
    line = done.stderr.splitlines()[-1]
    assert "an image turned out to be broken" in line


def test_images_of_every_kind_are_what_people_see(tmp_path):
    grey = np.tile(np.arange(16, dtype="uint8") * 12 + 30, (16, 1))
    image = Image.fromarray(grey)
    write_images(tmp_path / "other", 10)
    folder = tmp_path / "kinds"
    folder.mkdir()
    image.save(folder / "grey.png")
    image.convert("RGBA").save(folder / "alpha.png")
    Image.fromarray(grey.astype("uint16") * 257).save(folder / "16.png")
    image.save(folder / "grey.bmp")
    image.save(folder / "grey.tif")
    image.convert("RGB").save(folder / "lossless.webp", lossless=True)
    turned = Image.Exif()
    turned[0x0112] = 6
    image.rotate(90).save(folder / "turned.PNG", exif=turned)
    data = Source(image_folder=str(tmp_path)).load(16)
    expected = np.repeat(grey[..., None], 3, -1)
    for part in (data.train, data.held_out):
        for pixels, label in zip(*as_arrays(part), strict=True):
            if label == data.classes.index("kinds"):
                np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({}, "for each of two classes or more. Found: []"),
        ({"a": 9}, "for each of two classes or more. Found: ['a']"),
        ({"a": 9, "b": 0}, "b has 0"),
        ({"a": 9, "b": 1}, "b has 1"),
        ({"a": 2, "b": 2, "c": 2, "d": 2}, "classes"),
        ({"a": 9, "b\nc": 9}, "can't be the name of a class"),
    ],
)
def test_too_few_images_are_an_error(tmp_path, counts, words):
    for name, count in counts.items():
        write_images(tmp_path / name, count)
    with pytest.raises(UserError, match="class") as error:
        Source(image_folder=str(tmp_path)).load(8)
    assert words in str(error.value)


def write_run(tmp_path):
    """A run folder of 20 photographs, one of them broken, and the latter."""
    photos = tmp_path / "photos"
    for name in ("a", "b"):
        write_images(photos / name, 10)
    (photos / "b" / "broken.png").write_text("404: not found")
    recipe = PHOTOGRAPHS.replace(dim=8, depth=1, batch_size=8)
    plan = Plan(recipe, Source(image_folder=str(photos)))
    data = plan.source.load(112)
    run = RunFolder.new(tmp_path / "run", plan, data, replicas=1)
    return run, data, photos


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("added", "added: a/10.png"),
        ("vanished", "vanished: a/0.png"),
        ("renamed", "vanished: a/0.png. added: a/zero.png"),
        ("many added", "b/14.png and 15 more"),
        ("changed", "changed: a/0.png"),
    ],
)
def test_images_that_changed_are_not_taken_for_held_out_ones(
    tmp_path, change, words
):
    run, _, photos = write_run(tmp_path)
    if change == "added":
        write_images(photos / "a", 11)
    elif change == "vanished":
        (photos / "a" / "0.png").unlink()
    elif change == "changed":
        Image.new("RGB", (30, 20)).save(photos / "a" / "0.png")
    elif change == "renamed":
        (photos / "a" / "0.png").rename(photos / "a" / "zero.png")
    else:
        write_images(photos / "b", 30)
    with pytest.raises(UserError, match="photos has changed since") as error:
        run.data()
    assert words in str(error.value)


def test_the_index_says_what_is_held_out_and_no_image_is_opened(tmp_path):
    run, data, photos = write_run(tmp_path)
    rows = (run.path / "images.csv").read_text().splitlines()
    assert rows[0] == (
        "file,class,part,width,height,orientation,bytes,digest,hash"
    )
    assert sorted(row.split(",")[2] for row in rows[1:]) == (
        ["held_out"] * 4 + ["train"] * 16 + ["unreadable"]
    )
    assert "b/broken.png,b,unreadable,0,0,1,14,," in rows
    again = run.data()
    assert again.held_out_split == data.held_out_split
    for part in ("train", "held_out"):
        for ours, theirs in zip(
            as_arrays(getattr(again, part)),
            as_arrays(getattr(data, part)),
            strict=True,
        ):
            np.testing.assert_array_equal(ours, theirs)
    # None of them could be read any more.
    for path in photos.rglob("*.png"):
        path.write_bytes(bytes(path.stat().st_size))
    assert run.data().held_out_split == data.held_out_split


def test_odd_images_that_can_be_read_say_nothing(tmp_path, capfd):
    write_images(tmp_path / "a", 9, 30)
    write_images(tmp_path / "b", 8, 200)
    # A palette with transparency as bytes, of which Pillow warns.
    image = Image.new("P", (20, 16))
    image.putpalette([1, 2, 3] * 256)
    image.info["transparency"] = bytes(range(256))
    image.save(tmp_path / "b" / "odd.png")
    Source(image_folder=str(tmp_path)).load(8)
    printed = capfd.readouterr()
    assert printed.err == ""
    assert "17/17" not in printed.out
    assert "18/18" in printed.out


def test_too_few_images_for_their_classes_name_what_is_missing(tmp_path):
    for name in "abcdef":
        write_images(tmp_path / name, 4)
    with pytest.raises(
        UserError, match="one of each of the 6 classes"
    ) as error:
        Source(image_folder=str(tmp_path)).load(8)
    assert "Received: 24 images" in str(error.value)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"image_folder": "none"}, "image_folder must be a folder"),
        ({"dataset": "mnits"}, "dataset must be digits or a name of"),
        ({"dataset": "mnist/none"}, "dataset mnist/none: "),
    ],
)
def test_errors_name_the_field_not_an_option(source, words):
    with pytest.raises(UserError, match=words) as error:
        Source(**source).load(8)
    assert "--" not in str(error.value)


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_out_of_range_is_an_error(label):
    import tensorflow as tf

    files = [tf.io.encode_png(np.zeros((4, 4, 3), "uint8"))] * 8
    labels = np.array([0, 1, 2, label, 0, 1, 2, 0])
    images = Pictures(
        rows=tf.data.Dataset.from_tensor_slices((files, labels)),
        read=lambda contents: (contents, tf.constant(1)),
        buffer=8,
    )
    data = ImageData("odd", ["a", "b", "c"], 4, images, images, "all")
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="labels of odd must be from 0 to"
    ):
        list(training_batches(data, 8, 1, seed=0).take(1))
