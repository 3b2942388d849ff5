"""ONNX files give what the Keras model gives, or there is one clear line."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from export import __main__ as export_program, evaluate
from keras_convmixer import ConvMixer
from keras_convmixer.utils.checks import UserError
from tests.helpers import randomize_norms, run_example, run_program

onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")

from export.onnx_file import onnx_file  # noqa: E402
from keras_convmixer.evaluation.runtime import OnnxFile  # noqa: E402


def own(*head, **options):
    """A ConvMixer with layers of a user's own behind it."""
    base = ConvMixer(
        *(8, 1, 4, 4), input_shape=(16, 16, 3), include_top=False, **options
    )
    return keras.Sequential([base, *head])


def heads():
    layers = keras.layers
    return {
        "one output": [
            layers.GlobalMaxPooling2D(),
            layers.Dropout(0.5),
            layers.Dense(1, activation="sigmoid"),
        ],
        "hidden layer": [
            layers.GlobalAveragePooling2D(),
            layers.BatchNormalization(),
            layers.Dense(7, activation="relu"),
            layers.Dense(4),
            layers.Softmax(),
        ],
        "flat logits": [layers.Flatten(), layers.Dense(3)],
        "convolution": [
            layers.Conv2D(5, 3, padding="same", activation="tanh"),
            layers.GlobalAveragePooling2D(),
        ],
    }


def file_of(model, folder, labels=None):
    path = folder / "model.onnx"
    path.write_bytes(onnx_file(model, labels))
    return OnnxFile(path)


def check_same(model, file, images):
    images = images.astype(file.image_type)
    expected = model.predict(images, verbose=0)
    np.testing.assert_allclose(file(images), expected, atol=2e-6)
    np.testing.assert_allclose(file(images[:1]), expected[:1], atol=2e-6)


@pytest.mark.parametrize(
    ("kernel_size", "activation", "options"),
    [
        (3, "relu", {}),
        (8, "gelu", {}),
        (9, "gelu", {"include_preprocessing": False}),
    ],
)
def test_a_file_gives_what_the_model_gives(
    kernel_size, activation, options, images, tmp_path
):
    model = ConvMixer(
        *(8, 2, kernel_size, 2),
        activation=activation,
        input_shape=(16, 16, 3),
        classes=5,
        **options,
    )
    randomize_norms(model, extreme=True)
    file = file_of(model, tmp_path, ["a", "b", "ü", "d", "e"])
    assert file.labels == ["a", "b", "ü", "d", "e"]
    assert file.output_name == "probabilities"
    assert file.image_type == ("float32" if options else "uint8")
    assert (file.image_size, file.channels, file.classes) == ((16, 16), 3, 5)
    check_same(model, file, images)


def test_large_kernels_are_whole_and_norms_are_folded(tmp_path):
    model = ConvMixer(8, 2, 7, 4, input_shape=(16, 16, 3), classes=5)
    graph = onnx.load_from_string(onnx_file(model)).graph
    kinds = [node.op_type for node in graph.node]
    # A stem, and in each block two norms, a depthwise and a pointwise.
    assert kinds.count("Conv") == 1 + 2 * 4
    assert kinds.count("Gelu") == 1 + 2 * 2
    assert "BatchNormalization" not in kinds


@pytest.mark.parametrize("name", heads())
def test_heads_of_ones_own(name, images, tmp_path):
    model = own(*heads()[name])
    randomize_norms(model)
    check_same(model, file_of(model, tmp_path), images)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (keras.layers.LayerNormalization(name="own"), "a LayerNormalization"),
        (keras.layers.Dense(3, "swish", name="own"), "its activation is none"),
        (
            keras.layers.Conv2D(2, 3, 2, padding="same", name="own"),
            r"padding 'same' with strides \(2, 2\)",
        ),
    ],
)
def test_what_can_not_be_written_is_named(layer, words):
    pooled = (
        {} if isinstance(layer, keras.layers.Conv2D) else {"pooling": "avg"}
    )
    with pytest.raises(UserError, match=f"'own' can't be written.*{words}"):
        onnx_file(own(layer, **pooled))


def test_the_export_proves_it_and_the_commands_take_it(digits_run, tmp_path):
    run = shutil.copytree(digits_run, tmp_path / "digits")
    run_program(export_program.main, run, "--formats", "onnx")
    file = run / "export" / "digits.onnx"
    report = json.loads((run / "export" / "report.json").read_text())
    (row,) = report["files"]
    assert (row["file"], row["agreement"]) == ("digits.onnx", 1)
    assert row["max_abs_diff"] < 1e-5
    assert row["latency_ms"]["1"] > 0

    run_program(
        *(evaluate.main, file, "--dataset", "digits"),
        *("--json", tmp_path / "scores.json"),
    )
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["top1"] == pytest.approx(row["top1"])
    assert [row["class"] for row in scores["classes"]] == [*"0123456789"]


def test_a_torn_file_is_refused(tmp_path):
    (tmp_path / "torn.onnx").write_bytes(b"no such thing")
    with pytest.raises(UserError, match="can't be run"):
        OnnxFile(tmp_path / "torn.onnx")


def test_the_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = own(keras.layers.Dense(2), pooling="avg")
    run_example(onnx_file, model=model, names=["a", "b"], Path=Path)
    assert OnnxFile("flowers.onnx").labels == ["a", "b"]
