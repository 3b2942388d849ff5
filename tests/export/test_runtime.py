"""Files that run: what they tell, what they cost, on which systems."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from export.metadata import add_metadata
from export.onnx_file import onnx_file
from export.tflite import convert
from export.writers import write_saved_model
from keras_convmixer import ConvMixer
from keras_convmixer.evaluation.classifier import Classifier
from keras_convmixer.evaluation.runtime import TFLiteFile
from keras_convmixer.utils.commands import silent_libraries
from tests.helpers import run_example, slow_cases, slow_except
from tests.processes import run_python


def test_a_file_tells_its_size(digits_export):
    file = TFLiteFile(digits_export / "digits_int8.tflite")
    assert file.image_size == (8, 8)


@pytest.mark.parametrize(
    ("options", "image_type", "output_name"),
    [
        ({}, "uint8", "probabilities"),
        *slow_cases(
            ({"include_preprocessing": False}, "float32", "probabilities")
        ),
        ({"classifier_activation": None}, "uint8", "logits"),
    ],
)
def test_a_file_tells_what_it_takes_and_gives(
    tmp_path, options, image_type, output_name
):
    network = ConvMixer(
        *(8, 1, 3, 4), input_shape=(16, 16, 3), classes=5, **options
    )
    path = tmp_path / "network.tflite"
    path.write_bytes(convert(network, "float32"))
    file = TFLiteFile(path)
    assert (file.image_type, file.output_name) == (image_type, output_name)
    assert (file.image_size, file.channels, file.classes) == ((16, 16), 3, 5)
    image = np.ones((1, 16, 16, 3), image_type)
    expected = network.predict(image, verbose=0)
    np.testing.assert_allclose(file(image), expected, atol=1e-5)


@pytest.mark.parametrize(
    "name",
    slow_except(
        ["one.tflite", "all.tflite", "a.onnx", "a.keras", "saved"],
        *("all.tflite", "a.onnx"),
    ),
)
def test_threads_get_the_answers_of_their_own_images(tmp_path, name):
    network = ConvMixer(32, 2, 7, 2, input_shape=(32, 32, 3), classes=5)
    path = tmp_path / name
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\ne\n")
    if name == "a.keras":
        network.save(path)
    elif name == "a.onnx":
        path.write_bytes(onnx_file(network))
    elif name == "saved":
        write_saved_model(network, path)
    else:
        contents = convert(network, "float32")
        path.write_bytes(add_metadata(contents, "a", "b", None))
    classifier = Classifier(path, threads=1 if name == "one.tflite" else None)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (32, 1, 32, 32, 3), "uint8")
    expected = [classifier(image) for image in images]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(classifier, [*images] * 10))
    np.testing.assert_allclose(found, expected * 10, atol=1e-6)
    if path.suffix == ".tflite":
        interpreters = [one for one in classifier.run.idle.queue if one]
        assert 1 <= len(interpreters) <= 8


def test_libraries_are_silent_in_several_threads(capfd):
    both = threading.Barrier(2)

    def first():
        with silent_libraries():
            both.wait()  # The other one is inside too.
        both.wait()

    def second():
        with silent_libraries():
            both.wait()
            both.wait()  # The first one has left.
            os.write(2, b"unheard")

    with ThreadPoolExecutor(2) as pool:
        for thread in [pool.submit(first), pool.submit(second)]:
            thread.result()
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_the_example_runs(digits_export, monkeypatch):
    monkeypatch.chdir(digits_export)
    run_example(TFLiteFile, image=np.zeros((8, 8, 3), "uint8"))


@pytest.mark.slow
def test_cost_is_that_of_the_file_alone(digits_export):
    """Whatever the process that started the command holds."""
    held = np.ones(10**9, "uint8")
    file = digits_export / "digits_int8.tflite"
    seconds = ("--threads", 1, "--seconds", 0.1)
    done = run_python("-m", "export.benchmark", file, *seconds)
    del held
    costs, delegates = done.stdout.strip().split("\n\n")
    names, _, values = costs.splitlines()
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
    assert "XNNPACK (run)" in delegates


def test_programs_are_imported_where_there_is_no_module_resource():
    """As on Windows."""
    run_python(
        "-c",
        "import sys\n"
        "sys.modules['resource'] = None\n"
        "import export, export.__main__, export.benchmark\n"
        "import export.classify, export.demo",
    )
