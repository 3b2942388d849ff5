"""`python -m export RUN`: files are proved before they are handed over."""

import functools
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from ai_edge_litert.tools import flatbuffer_utils

from export import TFLITE_FORMATS
from export.flatbuffer import unpack
from export.reference import Reference
from export.tflite import convert
from export.verify import verify
from keras_convmixer import ConvMixer
from keras_convmixer.compat import operators_of
from keras_convmixer.data.image_data import as_arrays
from keras_convmixer.data.source import Source
from tests.helpers import (
    interpreter,
    operators,
    outputs,
    randomize_norms,
    slow_except,
)
from tests.processes import ROOT, run_command, run_python


@pytest.fixture(scope="module")
def model():
    model = ConvMixer(16, 2, 7, 2, input_shape=(16, 16, 3), classes=5)
    randomize_norms(model)
    return model


@pytest.fixture(scope="module")
def converted(model, images):
    """The contents of the model's file in a format."""
    return functools.cache(lambda format: convert(model, format, images))


def test_export_writes_what_the_design_names(digits_export, digits_formats):
    names = {path.name for path in digits_export.iterdir()}
    assert names == {
        "saved_model",
        *(f"digits_{format}.tflite" for format in digits_formats),
        "labels.txt",
        "report.json",
        "MODEL_CARD.md",
    }
    assert [p.name for p in digits_export.parent.glob(".*")] == []


def test_report_holds_the_proof_of_every_file(digits_export, digits_formats):
    report = json.loads((digits_export / "report.json").read_text())
    assert report["images"] == report["of"] == 360
    results = {result["format"]: result for result in report["files"]}
    assert tuple(results) == ("saved_model", *digits_formats)
    for format, result in results.items():
        assert (digits_export / result["file"]).exists()
        assert result["bytes"] > 10_000
        assert result["latency_ms"]["all"] > 0
        assert (result["latency_ms"]["1"] is None) == (format == "saved_model")
        assert (result["aware_agreement"] is None) == (format != "int8_qat")
    assert results["saved_model"]["agreement"] == 1
    assert results["float32"]["agreement"] == 1
    assert results["float32"]["max_abs_diff"] < 1e-4
    assert results["dynamic"]["agreement"] > 0.99
    assert abs(results["int8"]["top1"] - report["keras"]["top1"]) < 0.01


@pytest.mark.slow
def test_report_holds_the_proof_of_a_fine_tuned_file(digits_export):
    report = json.loads((digits_export / "report.json").read_text())
    (result,) = [r for r in report["files"] if r["format"] == "int8_qat"]
    assert result["aware_agreement"] > 0.985
    assert abs(result["top1"] - report["keras"]["top1"]) < 0.01


def test_report_is_true(digits_export):
    """Measures once more, without the code under test."""
    report = json.loads((digits_export / "report.json").read_text())
    model = keras.saving.load_model(digits_export.parent / "model.keras")
    pixels, labels = as_arrays(Source("digits").load(8).held_out)
    expected = model.predict(pixels, verbose=0)
    assert report["keras"]["top1"] == (expected.argmax(-1) == labels).mean()
    for result in report["files"]:
        if result["format"] == "saved_model":
            continue
        file = digits_export / result["file"]
        measured = outputs(file.read_bytes(), pixels)
        assert result["bytes"] == file.stat().st_size
        assert result["top1"] == (measured.argmax(-1) == labels).mean()
        assert result["agreement"] == pytest.approx(
            (measured.argmax(-1) == expected.argmax(-1)).mean()
        )
        assert result["max_abs_diff"] == pytest.approx(
            np.abs(measured - expected).max(), abs=1e-5
        )


def test_model_card_holds_the_table(digits_export, digits_formats):
    card = (digits_export / "MODEL_CARD.md").read_text()
    for format in digits_formats:
        assert f"| digits_{format}.tflite" in card
    assert "360 of 1797, stratified" in card


def test_saved_model_loads_with_nothing_but_tensorflow(digits_export, tmp_path):
    done = run_command(
        "-c",
        "import sys, numpy as np, tensorflow as tf\n"
        f"model = tf.saved_model.load({str(digits_export / 'saved_model')!r})\n"
        "serve = model.signatures['serving_default']\n"
        "image = tf.zeros((3, 8, 8, 3), tf.uint8)\n"
        "print(serve(image=image)['probabilities'].shape)\n"
        "assert 'keras_convmixer' not in sys.modules",
        cwd=tmp_path,
    )
    assert "(3, 10)" in done.stdout


@pytest.mark.slow
def test_a_file_below_the_threshold_is_an_error(digits_run, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    for name in ("model.keras", "config.json", "labels.txt"):
        (run / name).write_bytes((digits_run / name).read_bytes())
    # Classes that hardly differ, so that eight bits confuse some.
    model = keras.saving.load_model(run / "model.keras")
    kernel, bias = model.get_layer("head").get_weights()
    kernel[:] = kernel[:, :1] + 1e-5 * kernel
    model.get_layer("head").set_weights([kernel, 0 * bias])
    model.save(run / "model.keras")

    done = run_command(
        *("-m", "export", run, "--formats", "int8", "--images", 200),
        check=False,
    )
    assert done.returncode == 1
    assert "run_int8.tflite agrees with Keras on" in done.stderr
    assert "\n200 of 360 held-out images, evenly by class\n" in done.stdout
    assert not (run / "export").exists()
    assert not list(run.glob(".*"))


@pytest.mark.slow
def test_images_that_files_are_compared_on_are_not_kept(monkeypatch):
    """300 MB of images, in a process of its own."""
    # glibc would keep some of the memory that is free again, for later.
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "1000000")
    done = run_python(
        "-c",
        "import keras, tensorflow as tf\n"
        "from export.benchmark import peak_megabytes\n"
        "from export.reference import Reference\n"
        "from export.verify import compare\n"
        "pool = keras.layers.GlobalAveragePooling2D()\n"
        "image = keras.Input((500, 500, 3), dtype='uint8')\n"
        "model = keras.Model(image, pool(keras.ops.cast(image, 'float32')))\n"
        "def held_out(number):\n"
        "    labels = tf.data.Dataset.range(number)\n"
        "    pixels = tf.zeros((500, 500, 3), tf.uint8)\n"
        "    return labels.map(lambda i: (pixels, i)).batch(8)\n"
        "def verified(number):\n"
        "    batches = held_out(number).as_numpy_iterator\n"
        "    reference = Reference.of_batches(model, batches)\n"
        "    run = model.predict_on_batch\n"
        f"    compare({str(ROOT / 'train.py')!r}, 'x', run, reference)\n"
        "    return len(reference)\n"
        "verified(16)\n"
        "before = peak_megabytes()\n"
        "print(verified(400), peak_megabytes() - before)",
    )
    images, megabytes = map(int, done.stdout.split()[-2:])
    assert images == 400
    assert megabytes < 150


@pytest.mark.parametrize("kind", [str, Path])
def test_a_file_is_verified_by_any_path(
    model, converted, images, tmp_path, kind
):
    path = tmp_path / "network.tflite"
    path.write_bytes(converted("float32"))
    labels = model.predict(images, verbose=0).argmax(-1)
    reference = Reference.of_arrays(model, images, labels)
    result = verify(kind(path), "float32", reference)
    assert result.path == path
    assert result.top1 == result.agreement == 1


@pytest.mark.parametrize("format", TFLITE_FORMATS)
def test_every_format_has_the_same_interface(converted, format):
    runner = interpreter(converted(format)).get_signature_runner()
    (image,) = runner.get_input_details().values()
    (probabilities,) = runner.get_output_details().values()
    assert list(runner.get_input_details()) == ["image"]
    assert list(runner.get_output_details()) == ["probabilities"]
    assert image["dtype"] == (np.float32 if format == "gpu" else np.uint8)
    assert image["shape"].tolist() == [1, 16, 16, 3]
    assert probabilities["dtype"] == np.float32
    assert probabilities["shape"].tolist() == [1, 5]


@pytest.mark.parametrize(
    ("format", "tolerance"),
    [
        ("float32", 1e-5),
        ("float16", 5e-3),
        ("dynamic", 0.05),
        ("int8", 0.2),
        ("int8_fast", 0.2),
        ("gpu", 5e-3),
    ],
)
def test_every_format_computes_the_same(
    model, converted, images, format, tolerance
):
    measured = outputs(converted(format), images)
    expected = model.predict(images, verbose=0)
    np.testing.assert_allclose(measured, expected, atol=tolerance)


@pytest.mark.parametrize(
    "format", slow_except(["float32", "float16", "dynamic"], "float32")
)
def test_wide_networks_run_in_groups_of_channels(images, format):
    model = ConvMixer(512, 1, 3, 4, input_shape=(8, 8, 3), classes=5)
    contents = convert(model, format)
    assert "SPLIT" in operators(contents)
    images = images[:, :8, :8]
    expected = model.predict(images, verbose=0)
    np.testing.assert_allclose(outputs(contents, images), expected, atol=0.01)


@pytest.mark.parametrize("format", TFLITE_FORMATS)
def test_only_builtin_operators_occur(converted, format):
    for name in operators(converted(format)):
        assert not name.startswith(("Flex", "CUSTOM"))


def test_dynamic_holds_int8_pointwise_and_float16_depthwise(converted):
    tensors = interpreter(converted("dynamic")).get_tensor_details()
    kinds = {(*tensor["shape"], tensor["dtype"]) for tensor in tensors}
    assert (16, 1, 1, 16, np.int8) in kinds
    assert (1, 3, 7, 16, np.float16) in kinds


def test_equal_vectors_are_written_once(converted, images):
    contents = converted("int8")
    repeated = flatbuffer_utils.convert_object_to_bytearray(unpack(contents))
    assert len(contents) < 0.9 * len(repeated)
    np.testing.assert_array_equal(
        outputs(contents, images), outputs(bytes(repeated), images)
    )


@pytest.mark.parametrize("format", ["float32", "dynamic"])
def test_runs_as_one_delegate(converted, format):
    """No operator in the middle of the graph is left to slower kernels."""
    details = operators_of(interpreter(converted(format)))
    delegates = [row for row in details if row["op_name"] == "DELEGATE"]
    assert len(delegates) == 1


@pytest.mark.slow
def test_logits_features_and_normalised_images_have_their_names(images):
    logits = ConvMixer(
        *(8, 1, 3, 4), input_shape=(16, 16, 3), classifier_activation=None
    )
    features = ConvMixer(
        *(8, 1, 3, 4),
        include_top=False,
        include_preprocessing=False,
        input_shape=(16, 16, 3),
    )
    for network, name, dtype in (
        (logits, "logits", np.uint8),
        (features, "features", np.float32),
    ):
        for format in TFLITE_FORMATS:
            contents = convert(network, format, images.astype(dtype))
            runner = interpreter(contents).get_signature_runner()
            assert list(runner.get_output_details()) == [name]
            image = runner.get_input_details()["image"]
            assert image["dtype"] == (np.float32 if format == "gpu" else dtype)


@pytest.mark.parametrize(
    ("format", "representative", "words"),
    [
        ("int4", None, "format must be one of 'float32', 'float16'"),
        ("int8", None, "representative_images must be real images"),
        ("int8", np.zeros((2, 8, 8, 3)), "Received: (2, 8, 8, 3)"),
    ],
)
def test_bad_arguments_of_convert(model, format, representative, words):
    with pytest.raises(ValueError, match="Received") as error:
        convert(model, format, representative)
    assert words in str(error.value)


def test_a_model_of_any_size_must_be_given_one():
    model = ConvMixer(8, 1, 3, 4, input_shape=(None, None, 3))
    with pytest.raises(ValueError, match="fixed height and width"):
        convert(model, "float32")
