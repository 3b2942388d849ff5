"""What several tests need: commands, checkpoints, interpreters."""

import io
import textwrap
from contextlib import redirect_stdout

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from safetensors.numpy import save_file

from export import FORMATS
from keras_convmixer import ConvMixer
from keras_convmixer.compat import operators_of
from keras_convmixer.data.image_data import ImageData
from keras_convmixer.data.pictures import Pictures
from keras_convmixer.utils.graph import leaf_layers
from keras_convmixer.weights import save_weights
from tests.processes import ROOT

TFLITE_FILES = tuple(f for f in FORMATS if f not in ("saved_model", "onnx"))
# Fine-tuning takes a minute.
QUICK_FILES = tuple(f for f in TFLITE_FILES if f != "int8_qat")
OWN = ".own.safetensors"  # With our names in place of timm's.
WEIGHTS_FILES = pytest.mark.parametrize(
    "suffix", [".safetensors", ".keras", OWN]
)
SHARED = ROOT.parent / "shared" / "data"


def slow_except(values, *quick):
    """Parameters of a test that are slow tests, except for some of them."""
    return [
        value if value in quick else pytest.param(value, marks=pytest.mark.slow)
        for value in values
    ]


def slow_cases(*cases):
    """Parameters of a test, a tuple for each, that are slow tests."""
    return [pytest.param(*case, marks=pytest.mark.slow) for case in cases]


EACH_FILE = slow_except(TFLITE_FILES, *QUICK_FILES)


def run_program(main, *arguments):
    """What a program prints, run in this process, which has TensorFlow."""
    with redirect_stdout(io.StringIO()) as printed:
        main([*map(str, arguments)])
    return printed.getvalue()


def shared(*parts):
    """A path in the shared test data; skips the test where there is none."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs {'/'.join(parts)}, which is not on this machine")
    return path


def unbalanced(counts):
    """Random images, so many of each class."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(counts)), counts)
    pixels = random.integers(0, 256, (len(labels), 8, 8, 3)).astype("uint8")
    files = [tf.io.encode_png(image) for image in pixels]
    images = Pictures(
        rows=tf.data.Dataset.from_tensor_slices((files, labels)),
        read=lambda contents: (contents, tf.constant(1)),
        buffer=len(labels),
    )
    names = [f"class {i}" for i in range(len(counts))]
    return ImageData("random", names, 8, images, images, "all", index=[])


def randomize_norms(model, seed=0, extreme=False):
    """Gives every norm random weights and statistics.

    With `extreme` some scales are zero, nearly zero, negative or large.
    """
    random = np.random.default_rng(seed)
    for layer in leaf_layers(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            size = layer.gamma.shape[0]
            gamma = random.uniform(0.5, 1.5, size)
            if extreme:
                factors = [0, 1e-8, 1e-3, -1, 20]
                chosen = random.random(size) < 0.3
                gamma[chosen] *= random.choice(factors, chosen.sum())
            layer.set_weights(
                [
                    gamma,
                    random.normal(0, 0.3, size),
                    random.normal(0, 0.3, size),
                    random.uniform(0.05, 1, size),
                ]
            )


def interpreter(contents):
    """A LiteRT interpreter of the contents of a file."""
    interpreter = Interpreter(model_content=contents)
    interpreter.allocate_tensors()
    return interpreter


def operators(contents):
    """The operators of a file, without the delegates that run them."""
    rows = operators_of(interpreter(contents))
    return [row["op_name"] for row in rows if row["op_name"] != "DELEGATE"]


def outputs(contents, images):
    """The outputs of a file for images that are run one by one."""
    runner = interpreter(contents).get_signature_runner()
    (name,) = runner.get_output_details()
    if runner.get_input_details()["image"]["dtype"] == np.float32:
        images = np.float32(images)
    return np.concatenate([runner(image=i[None])[name] for i in images])


def run_example(function, **names):
    """Runs what stands behind "Example:" in a docstring, with some names."""
    (example,) = function.__doc__.split("Example:\n")[1:]
    exec(textwrap.dedent(example), {function.__name__: function, **names})


def timm_checkpoint(
    dim=8, depth=2, kernel=3, patch=4, channels=3, classes=5, seed=0
):
    """Random tensors with timm's names and shapes."""
    random = np.random.default_rng(seed)

    def conv(name, *shape):
        bound = np.prod(shape[1:]) ** -0.5
        return {
            f"{name}.weight": random.uniform(-bound, bound, shape),
            f"{name}.bias": random.uniform(-bound, bound, shape[0]),
        }

    def norm(name):
        return {
            f"{name}.weight": random.uniform(0.5, 1.5, dim),
            f"{name}.bias": random.normal(0, 0.3, dim),
            f"{name}.running_mean": random.normal(0, 0.3, dim),
            f"{name}.running_var": random.uniform(0.1, 1, dim),
            f"{name}.num_batches_tracked": np.array(7),
        }

    tensors = conv("stem.0", dim, channels, patch, patch) | norm("stem.2")
    for i in range(depth):
        tensors |= conv(f"blocks.{i}.0.fn.0", dim, 1, kernel, kernel)
        tensors |= norm(f"blocks.{i}.0.fn.2")
        tensors |= conv(f"blocks.{i}.1", dim, dim, 1, 1)
        tensors |= norm(f"blocks.{i}.3")
    if classes:
        tensors |= conv("head", classes, dim)
    return {
        name: value.astype("float32") if value.ndim else value
        for name, value in tensors.items()
    }


def small(**options):
    """The network of `timm_checkpoint()`."""
    defaults = {"input_shape": (16, 16, 3), "classes": 5}
    return ConvMixer(8, 2, 3, 4, **{**defaults, **options})


def source_file(tmp_path, suffix):
    """The same weights in each format."""
    path = tmp_path / f"source{suffix}"
    timm = tmp_path / "source.safetensors"
    save_file(timm_checkpoint(), timm)
    if suffix == ".keras":
        small(weights=timm).save(path)
    if suffix == OWN:
        save_weights(small(weights=timm), path)
    return path
