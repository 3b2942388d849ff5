"""Exported files in the client that apps use, MediaPipe Tasks."""

import ctypes.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.resizing import as_mediapipe
from export import export_tflite
from export.metadata import add_metadata
from export.tflite import convert
from keras_convmixer import ConvMixer
from keras_convmixer.data.image_data import as_arrays
from keras_convmixer.data.source import Source
from tests.helpers import (
    EACH_FILE,
    TFLITE_FILES,
    outputs,
    slow_cases,
    slow_except,
)
from tests.processes import ROOT

PYTHON = Path(sys.prefix, "mediapipe", "bin", "python")


@pytest.fixture(scope="module")
def held_out(tmp_path_factory):
    """The held-out digits as arrays and as files."""
    folder = tmp_path_factory.mktemp("digits")
    images, _ = as_arrays(Source("digits").load(8).held_out)
    paths = [folder / f"{index:03}.png" for index in range(len(images))]
    for image, path in zip(images, paths, strict=True):
        Image.fromarray(image).save(path)
    return images, paths


def mediapipe(file, paths):
    """`[index, name, score]` of the first category of each image, or None."""
    if not PYTHON.exists():
        pytest.skip("needs requirements-mediapipe.txt in .venv/mediapipe")
    if not all(map(ctypes.util.find_library, ("EGL", "GLESv2"))):
        pytest.skip("MediaPipe needs libegl1 and libgles2")
    done = subprocess.run(
        [PYTHON, ROOT / "tests" / "mediapipe_client.py", file, *paths],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("format", slow_except(TFLITE_FILES, "int8"))
def test_mediapipe_names_what_the_file_computes(
    digits_export, held_out, format
):
    images, paths = held_out
    file = digits_export / f"digits_{format}.tflite"
    computed = outputs(file.read_bytes(), images)
    for (index, name, score), probabilities in zip(
        mediapipe(file, paths), computed, strict=True
    ):
        assert index == probabilities.argmax()
        assert name == str(index)
        assert score == pytest.approx(probabilities[index], abs=1e-3)


@pytest.mark.parametrize("format", slow_except(["float32", "int8"], "int8"))
def test_mediapipe_names_nothing_below_the_threshold(
    digits_export, held_out, tmp_path, format
):
    images, paths = held_out
    contents = (digits_export / f"digits_{format}.tflite").read_bytes()
    sure = outputs(contents, images).max(-1)
    threshold = float(np.quantile(sure, 0.3))
    file = tmp_path / "sure.tflite"
    labels = [str(index) for index in range(10)]
    file.write_bytes(add_metadata(contents, "sure", "text", labels, threshold))
    before = mediapipe(digits_export / f"digits_{format}.tflite", paths)
    after = mediapipe(file, paths)
    assert 0.2 < np.mean([first is None for first in after]) < 0.4
    for old, new, score in zip(before, after, sure, strict=True):
        if abs(score - threshold) > 1e-3:
            assert new == (old if score > threshold else None)


def test_mediapipe_resizes_larger_photographs(
    digits_export, held_out, tmp_path
):
    images, _ = held_out
    paths = [tmp_path / f"{index}.png" for index in range(50)]
    for image, path in zip(images, paths, strict=False):
        Image.fromarray(image).resize((64, 64), Image.Resampling.BOX).save(path)
    file = digits_export / "digits_float32.tflite"
    expected = outputs(file.read_bytes(), images[:50]).argmax(-1)
    found = [index for index, _, _ in mediapipe(file, paths)]
    assert np.mean(found == expected) >= 0.9


def test_mediapipe_resizes_as_the_benchmark_of_resizing_says(
    digits_export, tmp_path
):
    photos = np.random.default_rng(0).integers(0, 256, (20, 61, 61, 3), "uint8")
    paths = [tmp_path / f"{index}.png" for index in range(len(photos))]
    for photo, path in zip(photos, paths, strict=True):
        Image.fromarray(photo).save(path)
    file = digits_export / "digits_float32.tflite"
    resized = np.stack([as_mediapipe(photo, 8) for photo in photos])
    expected = outputs(file.read_bytes(), resized)
    for (index, _, score), row in zip(
        mediapipe(file, paths), expected, strict=True
    ):
        assert score == pytest.approx(row.max(), abs=0.01)
        assert score == pytest.approx(row[index], abs=0.01)


@pytest.mark.parametrize("format", EACH_FILE)
def test_the_newer_interface_of_litert_computes_the_same(
    digits_export, held_out, format
):
    from ai_edge_litert.compiled_model import CompiledModel

    images, _ = held_out
    file = digits_export / f"digits_{format}.tflite"
    compiled = CompiledModel.from_file(str(file))
    (image,) = compiled.create_input_buffers(0)
    (probabilities,) = compiled.create_output_buffers(0)
    if format == "gpu":
        images = np.float32(images)
    expected = outputs(file.read_bytes(), images[:20])
    for pixels, values in zip(images, expected, strict=False):
        image.write(pixels[None])
        compiled.run_by_index(0, [image], [probabilities])
        measured = probabilities.read(10, np.float32)
        np.testing.assert_allclose(measured, values, atol=2e-3)


def test_mediapipe_gives_one_sigmoid_as_the_score_of_its_label(tmp_path):
    network = ConvMixer(
        *(8, 1, 3, 2),
        input_shape=(8, 8, 3),
        classes=1,
        classifier_activation="sigmoid",
    )
    image = np.full((1, 8, 8, 3), (200, 30, 60), "uint8")
    Image.fromarray(image[0]).save(tmp_path / "image.png")
    file = tmp_path / "is_it.tflite"
    contents = convert(network, "float32")
    file.write_bytes(add_metadata(contents, "is it", "one output", ["yes"]))
    ((index, name, score),) = mediapipe(file, [tmp_path / "image.png"])
    assert (index, name) == (0, "yes")
    expected = network.predict(image, verbose=0)[0, 0]
    assert score == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(("low", "high"), [(-1, 1), *slow_cases((0, 1))])
def test_mediapipe_scales_pixels_as_the_file_says(images, tmp_path, low, high):
    network = ConvMixer(
        *(8, 1, 3, 4),
        input_shape=(16, 16, 3),
        classes=3,
        include_preprocessing=False,
    )
    scaled = np.float32(images / 255 * (high - low) + low)
    file = tmp_path / "scaled.tflite"
    export_tflite(
        *(network, file),
        format="float32",
        labels=["a", "b", "c"],
        verification=(scaled, None),
    )
    paths = [tmp_path / f"{index}.png" for index in range(len(images))]
    for image, path in zip(images, paths, strict=True):
        Image.fromarray(image).save(path)
    expected = network.predict(scaled, verbose=0)
    for (index, name, score), row in zip(
        mediapipe(file, paths), expected, strict=True
    ):
        assert name == "abc"[index]
        assert score == pytest.approx(row.max(), abs=1e-3)
