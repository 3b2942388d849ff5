"""`export_tflite`: a file from Python, proved before it is there."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from export import AgreementError, export_tflite, verify
from export.tflite import convert
from keras_convmixer import ConvMixer
from keras_convmixer.evaluation.classifier import Classifier
from keras_convmixer.evaluation.metadata_schema import (
    read_labels,
    read_normalization,
    read_threshold,
)
from keras_convmixer.evaluation.runtime import TFLiteFile
from keras_convmixer.evaluation.threshold import least_threshold
from keras_convmixer.utils.checks import UserError
from tests.helpers import (
    interpreter,
    outputs,
    run_example,
    slow_cases,
    slow_except,
)
from tests.processes import run_python

NAMES = ["daisy", "poppy", "rose", "tulip", "violet"]


@pytest.fixture(scope="module")
def model():
    """Whose classes differ by so much that no rounding confuses them."""
    model = ConvMixer(8, 1, 3, 4, input_shape=(16, 16, 3), classes=5)
    kernel, bias = model.get_layer("head").get_weights()
    bias[:] = 5, 0, 0, 0, 0
    model.get_layer("head").set_weights([kernel, bias])
    return model


def test_the_file_is_what_the_result_says(model, images, tmp_path):
    path = tmp_path / "flowers.tflite"
    classes = np.zeros(len(images), int)
    classes[:5] = 1
    result = export_tflite(
        model,
        path,
        format="float32",
        labels=NAMES,
        verification=(images, classes),
    )
    measured = outputs(path.read_bytes(), images)
    expected = model.predict(images, verbose=0)
    assert result.path == path
    assert result.bytes == path.stat().st_size
    assert result.agreement == 1
    assert result.top1 == 0.75
    assert result.max_abs_diff == pytest.approx(
        np.abs(measured - expected).max(), abs=1e-6
    )
    assert result.latency_ms["1"] > 0
    assert read_labels(path) == NAMES
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("format", ["float32", "int8"])
def test_the_file_has_the_threshold_of_a_precision(
    model, images, tmp_path, format
):
    path = tmp_path / "flowers.tflite"
    probabilities = model.predict(images, verbose=0)
    # The four of which it is least sure are not what it says.
    classes = np.zeros(len(images), int)
    classes[probabilities.max(-1).argsort()[:4]] = 1
    result = export_tflite(
        model,
        path,
        format=format,
        labels=NAMES,
        representative_images=images,
        verification=(images, classes),
        precision=0.95,
    )
    sure = outputs(path.read_bytes(), images).max(-1)
    expected, _ = least_threshold(sure, classes == 0, 0.95)
    assert result.threshold.value == expected > 0
    assert read_threshold(path) == pytest.approx(expected)
    assert read_labels(path) == NAMES
    assert result.bytes == path.stat().st_size


def test_what_was_verified_is_what_is_handed_over(
    model, images, tmp_path, monkeypatch
):
    """The threshold is written before the file is run for the last time."""
    verified = []

    class Recorded(TFLiteFile):
        def __init__(self, path, threads=None):
            verified.append(path.read_bytes())
            super().__init__(path, threads)

    monkeypatch.setitem(verify.RUNNERS, ".tflite", Recorded)
    path = tmp_path / "flowers.tflite"
    probabilities = model.predict(images, verbose=0)
    classes = np.zeros(len(images), int)
    classes[probabilities.max(-1).argsort()[:4]] = 1
    result = export_tflite(
        *(model, path),
        format="float32",
        verification=(images, classes),
        precision=0.95,
    )
    assert result.threshold.value == pytest.approx(read_threshold(path))
    assert set(verified) == {path.read_bytes()}


@pytest.mark.parametrize("before", slow_except([True, False], True))
def test_all_of_it_is_computed_in_full_float32(model, images, tmp_path, before):
    """On GPUs TensorFlow would multiply in TF32. Afterwards it may again."""
    config, seen = tf.config.experimental, []

    def is_on():
        return config.tensor_float_32_execution_enabled()

    def verification():
        seen.append(is_on())
        yield images

    class Images:
        def __array__(self, dtype=None, copy=None):
            seen.append(is_on())
            return images

    usual = is_on()
    config.enable_tensor_float_32_execution(before)
    try:
        path, options = tmp_path / "flowers.tflite", {"format": "float32"}
        export_tflite(model, path, **options, verification=verification)
        convert(model, "int8", Images())
        with pytest.raises(UserError):
            export_tflite(model, path, **options, verification=3)
        assert is_on() == before
    finally:
        config.enable_tensor_float_32_execution(usual)
    assert set(seen) == {False}


def test_without_labels_the_classes_have_numbers(model, images, tmp_path):
    path = str(tmp_path / "flowers.tflite")
    result = export_tflite(model, path, representative_images=images)
    assert read_labels(path) == ["0", "1", "2", "3", "4"]
    assert result.top1 is None
    assert result.agreement == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [
        lambda images, classes: (np.float32(images), classes),
        lambda images, classes: (images.tolist(), classes.tolist()),
        lambda images, classes: (images, classes[:, None]),
        lambda images, classes: (images, np.eye(5)[classes]),
    ],
    ids=["float images", "lists", "a column", "one-hot"],
)
def test_images_and_classes_of_every_kind(model, images, tmp_path, kind):
    classes = np.zeros(len(images), int)
    classes[:5] = 1
    result = export_tflite(
        model,
        tmp_path / "flowers.tflite",
        format="float32",
        verification=kind(images, classes),
    )
    assert result.top1 == 0.75
    assert result.agreement == 1


def test_a_file_that_falls_short_is_not_written(images, tmp_path):
    """Classes that hardly differ, so that eight bits confuse some."""
    model = ConvMixer(8, 1, 3, 4, input_shape=(16, 16, 3), classes=5)
    kernel, bias = model.get_layer("head").get_weights()
    kernel[:] = kernel[:, :1] + 1e-5 * kernel
    features = keras.Model(model.input, model.get_layer("head").input)
    bias = -features.predict(images, verbose=0).mean(0) @ kernel
    model.get_layer("head").set_weights([kernel, bias])
    path = tmp_path / "flowers.tflite"
    path.write_text("the last one")
    with pytest.raises(
        AgreementError, match="less than min_agreement"
    ) as error:
        export_tflite(model, path, representative_images=images)
    assert not isinstance(error.value, ValueError)
    assert error.value.results[0].agreement < 0.98
    assert path.read_text() == "the last one"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_printed(model, images, tmp_path, capfd):
    path = tmp_path / "flowers.tflite"
    options = {"format": "int8", "representative_images": images}
    export_tflite(model, path, **options)
    assert capfd.readouterr() == ("", "")
    export_tflite(model, path, **options, verbose=True)
    assert "20/20" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"classifier_activation": None}, "logits"),
        ({"include_top": False, "pooling": "avg"}, "features"),
        ({"include_preprocessing": False}, "probabilities"),
    ],
)
def test_networks_of_every_end(images, tmp_path, options, name):
    model = ConvMixer(8, 1, 3, 4, input_shape=(16, 16, 3), classes=5, **options)
    path = tmp_path / "network.tflite"
    pixels = images / 255 if "include_preprocessing" in options else images
    result = export_tflite(
        model, path, format="float32", verification=(pixels, None)
    )
    assert result.agreement == (None if name == "features" else 1)
    assert result.max_abs_diff < 1e-4
    runner = interpreter(path.read_bytes()).get_signature_runner()
    assert list(runner.get_output_details()) == [name]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"path": "flowers.lite"}, "must be a file that ends in .tflite"),
        ({"path": "nowhere/flowers.tflite"}, "There is no nowhere"),
        ({"format": "int4"}, "format must be one of"),
        ({"format": "float16", "io": "int8"}, "io 'int8' needs the format"),
        ({"labels": NAMES[:2]}, "must be 5 names, one for each output"),
        ({"labels": "daisy"}, "must be 5 names, one for each output"),
        ({"labels": [*NAMES[:4], "a\nb"]}, "names of one line each"),
        ({"labels": [*NAMES[:4], ""]}, "names of one line each"),
        ({"labels": range(5)}, "names of one line each"),
        ({"min_agreement": 98}, "min_agreement must be from 0 to 1"),
        ({"labels": dict.fromkeys(NAMES, 1)}, "each index from 0 to 4 once"),
        ({"verification_labels": range(1, 21)}, "integers from 0 to 4"),
        ({"input_range": (0, 1)}, "input_range must be None or (0, 255)"),
        ({"verification": "images"}, "verification must be (images, labels)"),
        ({"precision": 95}, "precision must be more than 0 and at most 1"),
        ({"precision": 0.9}, "verification images with their labels"),
        ({"verification": None}, "verification must be (images, labels)"),
        (
            {"verification": np.zeros(3)},
            "verification must be (images, labels)",
        ),
        ({"verification": (np.zeros((2, 8, 8, 3)), None)}, "(2, 8, 8, 3)"),
        ({"verification": (np.ones((2, 16, 16, 3)), None)}, "from 0 to 255"),
        ({"verification": (np.eye(16), [1])}, "must be images of shape"),
        ({"verification_labels": [1, 2]}, "one class for each of the 20"),
        ({"representative_images": None}, "representative_images must be"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_before_any_work(
    model, images, tmp_path, monkeypatch, change, words
):
    monkeypatch.chdir(tmp_path)
    arguments = {
        "path": "flowers.tflite",
        "labels": NAMES,
        "representative_images": images,
        "verification": (images, change.pop("verification_labels", None)),
    }
    if "verification" in change and change["verification"] is None:
        arguments["representative_images"] = None
    with pytest.raises(UserError) as error:
        export_tflite(model, **{**arguments, **change})
    assert words in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("low", "high", "given"),
    [
        (-1, 1, None),
        (0, 2, (0, 2)),
        *slow_cases((0, 1, None), (0, 255, None)),
    ],
)
def test_the_range_of_the_images_is_in_the_file(
    images, tmp_path, low, high, given
):
    """So that MediaPipe and `Classifier` scale pixels as in training."""
    model = ConvMixer(
        *(8, 1, 3, 4),
        input_shape=(16, 16, 3),
        classes=5,
        include_preprocessing=False,
    )
    path = tmp_path / "scaled.tflite"
    scaled = np.float32(images / 255 * (high - low) + low)
    export_tflite(
        *(model, path),
        format="float32",
        labels=NAMES,
        verification=(scaled, None),
        input_range=given,
    )
    mean, std = read_normalization(path)
    np.testing.assert_allclose((images - mean) / std, scaled, atol=1e-6)
    np.testing.assert_allclose(
        Classifier(path)(images), model.predict(scaled, verbose=0), atol=1e-5
    )


def test_an_unknown_range_is_warned_of(images, tmp_path):
    model = ConvMixer(
        *(8, 1, 3, 4), input_shape=(16, 16, 3), include_preprocessing=False
    )
    path, normalised = tmp_path / "scaled.tflite", (images - 120) / 60
    options = {"format": "float32", "verification": (normalised, None)}
    with pytest.warns(UserWarning, match="normalised images of unknown range"):
        export_tflite(model, path, **options)
    assert read_normalization(path) is None
    with pytest.raises(UserError, match="must take pixels"):
        Classifier(path)
    for wrong, words in (
        ((0, 1), "must be from 0 to 1, the input_range"),
        ((1, 0), "must be .lowest, highest., such as"),
    ):
        with pytest.raises(UserError, match=words):
            export_tflite(model, path, **options, input_range=wrong)


def test_a_model_of_any_size_is_refused_by_that_name(images, tmp_path):
    model = ConvMixer(8, 1, 3, 4, input_shape=(None, None, 3))
    with pytest.raises(UserError, match="fixed height and width"):
        export_tflite(model, tmp_path / "x.tflite", verification=(images, None))


def test_one_probability_has_one_label(images, tmp_path):
    model = ConvMixer(
        *(8, 1, 3, 4),
        input_shape=(16, 16, 3),
        classes=1,
        classifier_activation="sigmoid",
    )
    path = tmp_path / "is_it.tflite"
    options = {"representative_images": images, "format": "float32"}
    with pytest.raises(ValueError, match="give its name alone"):
        export_tflite(model, path, labels=["no", "yes"], **options)
    export_tflite(model, path, labels=["yes"], **options)
    assert read_labels(path) == ["yes"]


def test_the_example_runs(model, images, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run_example(
        export_tflite,
        model=model,
        train_images=images,
        test_images=images,
        test_labels=np.zeros(len(images), int),
        names=NAMES,
    )
    assert capsys.readouterr().out.endswith("top-1 100.00%\n")
    assert (tmp_path / "flowers.tflite").is_file()


def test_importing_the_package_imports_no_keras():
    done = run_python(
        "-c",
        "import sys, export\n"
        "assert 'export_tflite' in dir(export)\n"
        "print({'keras', 'tensorflow', 'numpy'} & set(sys.modules))",
    )
    assert done.stdout.strip() == "set()"
