"""`python -m export.classify`: photographs of every kind, or one clear line."""

import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from export.classify import classify
from keras_convmixer import ConvMixer
from keras_convmixer.data.decode import read_image
from keras_convmixer.data.image_data import as_arrays
from keras_convmixer.data.source import Source
from keras_convmixer.evaluation.classifier import Classifier
from keras_convmixer.evaluation.scoring import match_classes
from keras_convmixer.evaluation.stored_images import folder_images
from keras_convmixer.utils.labels import read_label_file
from tests.helpers import run_example
from tests.processes import run_command, run_python


@pytest.fixture(scope="module")
def picture():
    """A held-out digit, enlarged: grey levels, uint8 `[64, 64]`."""
    images, labels = as_arrays(Source("digits").load(8).held_out, 1)
    return np.kron(images[0, ..., 0], np.ones((8, 8), "uint8")), labels[0]


def write_odd_images(folder, grey):
    """The same picture in files of many kinds."""
    image = Image.fromarray(grey)
    colour = image.convert("RGB")
    levels = grey.astype("uint16") * 257
    Image.fromarray(levels).save(folder / "16_bit.png")
    colour.convert("CMYK").save(folder / "cmyk.jpg", quality=100)
    turned = Image.Exif()
    turned[0x0112] = 6  # The camera was held on its side.
    colour.rotate(90).save(folder / "turned.jpg", quality=100, exif=turned)
    image.save(folder / "grey.gif")
    colour.save(folder / "lossless.webp", lossless=True)
    colour.quantize(256).save(folder / "palette.png")
    colour.convert("RGBA").save(folder / "alpha.png")
    image.resize((8000, 6000)).save(folder / "huge.png")
    Image.fromarray(grey[:1, :1]).save(folder / "one pixel.png")
    return sorted(folder.iterdir())


def test_odd_images_are_right_or_one_clear_error(
    digits_export, picture, tmp_path
):
    grey, label = picture
    paths = write_odd_images(tmp_path, grey)
    contents = (tmp_path / "alpha.png").read_bytes()
    truncated = tmp_path / "truncated.png"
    truncated.write_bytes(contents[: len(contents) // 2])
    file = digits_export / "digits_dynamic.tflite"
    done = run_command(
        *("-m", "export.classify", file, *paths, truncated, "--top", 1),
        check=False,
    )
    assert done.returncode == 2
    assert re.fullmatch(r"error: \S+truncated\.png can't .*\n", done.stderr)
    lines = done.stdout.splitlines()
    assert len(lines) == 2 * len(paths)
    answers = dict(zip(lines[::2], lines[1::2], strict=True))
    for heading, answer in answers.items():
        if "one pixel" not in heading and "huge" not in heading:
            assert answer.split()[-1] == str(label), heading


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("16_bit.png", 0),
        ("grey.gif", 0),
        ("lossless.webp", 0),
        ("palette.png", 0),
        ("alpha.png", 0),
        ("turned.jpg", 4),
        ("cmyk.jpg", 4),
    ],
)
def test_every_kind_reads_as_the_same_pixels(
    picture, tmp_path, name, tolerance
):
    grey, _ = picture
    write_odd_images(tmp_path, grey)
    pixels = read_image(tmp_path / name)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (64, 64, 3)
    difference = np.abs(np.int16(pixels) - grey[..., None])
    assert difference.max() <= tolerance


def test_what_is_transparent_is_white(tmp_path):
    Image.new("RGBA", (4, 4), (200, 0, 0, 0)).save(tmp_path / "clear.png")
    assert (read_image(tmp_path / "clear.png") == 255).all()


def test_a_trained_model_classifies_as_its_file(
    digits_export, picture, tmp_path
):
    grey, label = picture
    Image.fromarray(grey).save(tmp_path / "digit.png")
    done = run_command(
        *("-m", "export.classify", digits_export.parent / "model.keras"),
        *(tmp_path / "digit.png", "--top", 3),
    )
    heading, first, *others = done.stdout.splitlines()
    assert heading.endswith(" ms")
    assert first.split()[-1] == str(label)
    assert len(others) == 2


def test_the_file_for_gpus_takes_the_same_pictures(digits_export, picture):
    grey, label = picture
    images = np.array(Image.fromarray(grey).resize((8, 8)).convert("RGB"))[None]
    name = "digits_{}.tflite"
    gpu, float32 = (
        Classifier(digits_export / name.format(format))(images)
        for format in ("gpu", "float32")
    )
    assert gpu.argmax() == label
    np.testing.assert_allclose(gpu, float32, atol=0.01)


@pytest.mark.parametrize("name", ["digits_int8.tflite", "digits.onnx"])
def test_a_file_is_run_without_tensorflow(
    name, digits_export, picture, tmp_path
):
    grey, label = picture
    Image.fromarray(grey).save(tmp_path / "digit.png")
    file = digits_export / name
    if not file.exists():  # An extra.
        pytest.importorskip("onnxruntime")
        file = tmp_path / name
        write_onnx(file)
    done = run_python(
        "-c",
        "import sys\n"
        "from export.classify import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = ('tensorflow', 'keras', 'scipy', 'sklearn', 'matplotlib')\n"
        "print([name for name in heavy if name in sys.modules])",
        *(file, tmp_path / "digit.png", "--top", 1),
    )
    _, answer, loaded = done.stdout.splitlines()
    assert loaded == "[]"
    if name.endswith(".tflite"):
        assert answer.split()[-1] == str(label)


def write_onnx(path):
    """A network of ten classes with random weights, and its labels."""
    from export.onnx_file import onnx_file

    model = ConvMixer(8, 1, 3, 4, input_shape=(8, 8, 3), classes=10)
    path.write_bytes(onnx_file(model, [str(digit) for digit in range(10)]))


def test_labels_are_read_whatever_wrote_them(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes("\ufeffcafe\u0301\r\ndog\r\n".encode())
    labels = read_label_file(path)
    assert labels == ["cafe\u0301", "dog"]
    model = ConvMixer(8, 1, 3, 4, input_shape=(8, 8, 3), classes=2)
    model.save(tmp_path / "pets.keras")
    classifier = Classifier(tmp_path / "pets.keras")
    assert classifier.labels == ["caf\u00e9", "dog"]
    (tmp_path / "pets" / "caf\u00e9").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "pets" / "caf\u00e9" / "1.png")
    pictures = folder_images(tmp_path / "pets")
    labels, indices = match_classes(classifier, pictures)
    assert labels == ["caf\u00e9", "dog"]
    assert pictures.classes == [*indices] == ["caf\u00e9"]


def test_a_path_that_is_not_utf_8_is_printed(digits_export, picture, tmp_path):
    path = tmp_path / os.fsdecode(b"digit\xff.png")
    Image.fromarray(picture[0]).save(path)
    classifier = Classifier(digits_export / "digits_int8.tflite")
    lines = classify(path, classifier, 1)
    assert "digit\ufffd.png" in lines
    lines.encode()


def test_the_example_runs(
    digits_export, picture, tmp_path, monkeypatch, capsys
):
    grey, label = picture
    monkeypatch.chdir(tmp_path)
    Image.fromarray(grey).save("photo.jpg", quality=100)
    shutil.copy(digits_export / "digits_int8.tflite", tmp_path)
    run_example(classify, Classifier=Classifier)
    heading, first, *others = capsys.readouterr().out.splitlines()
    assert heading.startswith("photo.jpg")
    assert first.split()[-1] == str(label)
    assert len(others) == 4
