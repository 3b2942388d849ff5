"""Pictures that a folder has twice: found, named, kept in one part."""

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from keras_convmixer.data.duplicates import duplicate_groups, near_pairs
from keras_convmixer.data.index import IndexedImage
from keras_convmixer.data.make_index import describe
from keras_convmixer.data.source import Source
from keras_convmixer.utils.checks import UserError
from tests.helpers import shared


def picture(seed, size=(160, 120)):
    """Something like a photograph: coloured patches, large and small."""
    random = np.random.default_rng(seed)
    mixed = Image.new("RGB", size)
    for side in (4, 12, 40):
        pixels = random.integers(0, 256, (side, side, 3)).astype("uint8")
        layer = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
        mixed = Image.blend(mixed, layer, 0.4)
    return mixed


def copy_of(image, scale=1.0, quality=90, brightness=1.0):
    """A JPEG file of an image, changed."""
    size = [round(side * scale) for side in image.size]
    image = ImageEnhance.Brightness(image.resize(size)).enhance(brightness)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def write_photos(root, classes=("a", "b"), count=10):
    """Different pictures, `root/CLASS/NUMBER.png`."""
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for index in range(count):
            picture(100 * label + index).save(root / name / f"{index}.png")


@pytest.fixture
def parts(tmp_path):
    """A training part, and a test part that has two pictures of it."""
    write_photos(tmp_path / "train")
    write_photos(tmp_path / "test", count=0)
    for index in range(5):
        for name in "ab":
            path = tmp_path / "test" / name / f"{index}.png"
            picture(f"{name}{index}".encode()[0] * 1000 + index).save(path)
    copied = (tmp_path / "train" / "a" / "1.png").read_bytes()
    (tmp_path / "test" / "a" / "same.png").write_bytes(copied)
    smaller = copy_of(picture(103), scale=0.7, quality=70)
    (tmp_path / "test" / "b" / "smaller.jpg").write_bytes(smaller)
    return tmp_path


def test_pictures_in_two_parts_are_named(parts, capsys):
    data = Source(image_folder=str(parts)).load(8)
    assert data.num_test == 12
    lines = [
        line
        for line in capsys.readouterr().err.splitlines()
        if line.startswith("warning:")
    ]
    text = " ".join(lines)
    # Where a picture of train was held out, it is named as such.
    assert "of the test split are in" in text
    for pair in (
        "test/a/same.png = train/a/1.png",
        "test/b/smaller.jpg = train/b/3.png",
    ):
        assert pair in text
    assert text.count(" = ") == 2


def test_duplicates_can_be_an_error(parts):
    source = Source(image_folder=str(parts), duplicates="error")
    with pytest.raises(UserError, match="duplicates: ") as error:
        source.load(8)
    assert "test/a/same.png = train/a/1.png" in str(error.value)


def test_pictures_in_two_classes_are_named(tmp_path, capsys):
    write_photos(tmp_path)
    (tmp_path / "b" / "mine.jpg").write_bytes(copy_of(picture(4)))
    Source(image_folder=str(tmp_path)).load(8)
    printed = capsys.readouterr().err
    assert "1 images are in several classes, or nearly" in printed
    assert "mine.jpg" in printed


def test_duplicates_are_kept_together(tmp_path, capsys):
    write_photos(tmp_path, count=20)
    for name, first in (("a", 0), ("b", 100)):
        for index in range(20):
            for number in range(2):
                copy = copy_of(picture(first + index), quality=80 - 9 * number)
                path = tmp_path / name / f"{index}_{number}.jpg"
                path.write_bytes(copy)
    apart = Source(image_folder=str(tmp_path)).load(8)
    assert "of the held_out split are in train too" in capsys.readouterr().err
    assert apart.num_held_out == 24
    source = Source(image_folder=str(tmp_path), duplicates="keep-together")
    data = source.load(8)
    assert capsys.readouterr().err == ""
    assert "duplicates together" in data.held_out_split
    part_of = {}
    for row in data.index:
        number = row.file.split(".")[0].split("_")[0]
        part_of.setdefault(number, set()).add(row.part)
    assert len(part_of) == 40
    assert all(len(parts) == 1 for parts in part_of.values())
    held_out = [row.name for row in data.index if row.part == "held_out"]
    assert held_out.count("a") == held_out.count("b") == 12


def test_a_class_of_one_picture_can_not_be_kept_together(tmp_path):
    write_photos(tmp_path)
    for index in range(10):
        picture(5).save(tmp_path / "b" / f"{index}.png")
    source = Source(image_folder=str(tmp_path), duplicates="keep-together")
    with pytest.raises(UserError, match=r"Class . has [01]"):
        source.load(8)


def test_copies_are_near_and_plain_pictures_are_not(tmp_path):
    path = tmp_path / "picture"
    original = picture(0, (500, 375))
    original.save(path, "PNG")
    first = describe(path)["hash"]
    turned = Image.Exif()
    turned[0x0112] = 6
    for contents in (
        copy_of(original, quality=50),
        copy_of(original, scale=0.5),
        copy_of(original, scale=1.7),
        copy_of(original, brightness=0.8),
    ):
        path.write_bytes(contents)
        assert len(pairs_of(first, describe(path)["hash"])) == 1
    original.rotate(90, expand=True).save(path, "JPEG", exif=turned)
    assert len(pairs_of(first, describe(path)["hash"])) == 1
    picture(1, (500, 375)).save(path, "PNG")
    assert not len(pairs_of(first, describe(path)["hash"]))
    Image.new("RGB", (80, 80), "red").save(path, "PNG")
    plain = describe(path)["hash"]
    assert not len(pairs_of(plain, plain))


def pairs_of(*hashes):
    hashes = np.array([list(bytes.fromhex(hash)) for hash in hashes], "uint8")
    return np.unique(np.sort(near_pairs(hashes), axis=0), axis=1).T


def test_near_hashes_are_found_among_many():
    random = np.random.default_rng(0)
    hashes = random.integers(0, 256, (20_000, 32)).astype("uint8")
    copies = hashes[:200].copy()
    for copy in copies:
        bits = random.choice(256, 12, replace=False)
        np.bitwise_xor.at(copy, bits // 8, (1 << bits % 8).astype("uint8"))
    found = near_pairs(np.concatenate([hashes, copies]))
    found = set(map(tuple, np.sort(found, axis=0).T.tolist()))
    expected = {(index, 20_000 + index) for index in range(200)}
    assert found <= expected
    assert len(found) >= 199


def groups_of(count, pairs):
    edges = np.ones(pairs.shape[1], bool)
    graph = coo_array((edges, tuple(pairs)), (count, count))
    return connected_components(graph, directed=False)[1]


def test_no_near_hash_is_missed_where_most_bits_are_alike():
    """As for products on white: only the middle of the images differs."""
    random = np.random.default_rng(0)
    bits = np.tile(random.random(256) < 0.5, (2000, 1))
    bits[:, random.permutation(256)[:52]] = random.random((2000, 52)) < 0.5
    hashes = np.packbits(bits, axis=1)
    words = hashes.view("uint64")
    different = np.bitwise_count(words[:, None] ^ words).sum(-1)
    expected = groups_of(2000, np.stack(np.nonzero(different <= 12)))
    assert 2000 - expected.max() > 100
    np.testing.assert_array_equal(groups_of(2000, near_pairs(hashes)), expected)


def test_many_hashes_that_are_all_near_are_connected_by_few_pairs():
    random = np.random.default_rng(0)
    flips = random.random((5000, 256)) < 0.01  # Some 5 bits between any two.
    hashes = np.packbits(flips ^ (random.random(256) < 0.5), axis=1)
    pairs = near_pairs(hashes)
    assert groups_of(5000, pairs).max() == 0
    assert pairs.shape[1] < 50_000


def test_photographs_that_differ_are_no_duplicates():
    folder = shared("sign_language_digits")
    paths = sorted(folder.glob("[0-2]/*.JPG"))
    rows = [
        IndexedImage(path.name, path.parent.name, "train", **describe(path))
        for path in paths
    ]
    assert len(np.unique(duplicate_groups(rows))) == len(rows) > 500
