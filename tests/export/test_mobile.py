"""Exported files in the client that apps use, MediaPipe Tasks."""

import ctypes.util
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import Model
from PIL import Image

from export.metadata import add_metadata, read_labels
from export.runtime import TFLiteFile
from keras_convmixer.data.image_data import as_arrays
from keras_convmixer.data.source import Source
from tests.helpers import ROOT, TFLITE_FILES, outputs, run_command

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
    """`[index, name, score]` of the first category of each image."""
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


@pytest.mark.parametrize("format", TFLITE_FILES)
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


@pytest.mark.parametrize("format", TFLITE_FILES)
def test_the_newer_interface_of_litert_computes_the_same(
    digits_export, held_out, format
):
    from ai_edge_litert.compiled_model import CompiledModel

    images, _ = held_out
    file = digits_export / f"digits_{format}.tflite"
    compiled = CompiledModel.from_file(str(file))
    (image,) = compiled.create_input_buffers(0)
    (probabilities,) = compiled.create_output_buffers(0)
    expected = outputs(file.read_bytes(), images[:20])
    for pixels, values in zip(images, expected, strict=False):
        image.write(pixels[None])
        compiled.run_by_index(0, [image], [probabilities])
        measured = probabilities.read(10, np.float32)
        np.testing.assert_allclose(measured, values, atol=2e-3)


@pytest.mark.parametrize("format", TFLITE_FILES)
def test_labels_are_inside(digits_export, format):
    file = digits_export / f"digits_{format}.tflite"
    names = (digits_export / "labels.txt").read_text().splitlines()
    assert read_labels(file) == names
    assert zipfile.ZipFile(file).testzip() is None


def test_metadata_changes_no_result(digits_export, held_out):
    images, _ = held_out
    file = digits_export / "digits_float32.tflite"
    contents = file.read_bytes()
    twice = add_metadata(contents, "name", "description", ["a", "b"])
    np.testing.assert_array_equal(
        outputs(contents, images[:9]), outputs(twice, images[:9])
    )


def test_one_entry_holds_the_metadata(digits_export):
    contents = (digits_export / "digits_int8.tflite").read_bytes()
    model = Model.GetRootAs(contents)
    entries = [model.Metadata(i) for i in range(model.MetadataLength())]
    (entry,) = [e for e in entries if e.Name() == b"TFLITE_METADATA"]
    buffer = model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
    assert buffer[4:8] == b"M001"
    for words in (b"digits_int8", b"Apache-2.0", b"labels.txt", b"RGB image"):
        assert words in buffer


def test_a_file_without_labels_is_named(tmp_path):
    (tmp_path / "plain.tflite").write_bytes(b"TFL3" * 20)
    with pytest.raises(ValueError, match=r"plain\.tflite holds no labels"):
        read_labels(tmp_path / "plain.tflite")


def test_a_file_tells_its_size(digits_export):
    file = TFLiteFile(digits_export / "digits_int8.tflite")
    assert file.image_size == (8, 8)


def test_cost_is_that_of_the_file_alone(digits_export):
    """Whatever the process that started the command holds."""
    held = np.ones(10**9, "uint8")
    file = digits_export / "digits_int8.tflite"
    seconds = ("--threads", 1, "--seconds", 0.1)
    done = run_command("-m", "export.benchmark", file, *seconds)
    del held
    names, _, values = done.stdout.strip().splitlines()
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (names, values)
    ]
    row = dict(zip(*cells, strict=True))
    assert row["file"] == file.name
    assert int(row["KB"]) == round(file.stat().st_size / 1000)
    assert 0 < int(row["memory MB"]) < 500
    assert 0 < float(row["median ms"]) <= float(row["p90 ms"])
    assert "GELU" in row["operators"]
