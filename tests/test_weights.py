"""Weights come from files and the hub, whole or not at all."""

import functools
import http.server
import os
import re
import socket
import struct
import threading

import keras
import numpy as np
import pytest
from conftest import ROOT, randomize_norms, run_command
from safetensors.numpy import save_file

from keras_convmixer import ConvMixer
from keras_convmixer.weights import load_weights

GOLDEN = ROOT / "tests" / "fixtures" / "timm_golden"
GOLDEN_NETWORKS = {
    "gelu_k8_p2": (16, 2, 8, 2),
    "gelu_k9_p7": (24, 2, 9, 7),
    "relu_k7_p14": (20, 3, 7, 14),
}


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


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint that fits `small()`, and where it is."""
    tensors = timm_checkpoint()
    save_file(tensors, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors", tensors


def small(**options):
    defaults = {"input_shape": (16, 16, 3), "classes": 5}
    return ConvMixer(8, 2, 3, 4, **{**defaults, **options})


def images(channels=3):
    random = np.random.default_rng(1)
    return random.uniform(0, 255, (2, 16, 16, channels)).astype("float32")


def outputs(model, x):
    return keras.ops.convert_to_numpy(model(x))


def golden(name, **options):
    dim, depth, kernel_size, patch_size = GOLDEN_NETWORKS[name]
    pair = np.load(GOLDEN / f"{name}.npz")
    model = ConvMixer(
        dim,
        depth,
        kernel_size,
        patch_size,
        activation=name[:4],
        include_preprocessing=False,
        weights=GOLDEN / f"{name}.safetensors",
        input_shape=pair["x"].shape[1:],
        classes=pair["logits"].shape[1],
        classifier_activation=None,
        **options,
    )
    return model, pair


@pytest.mark.parametrize("name", GOLDEN_NETWORKS)
def test_equals_timm(name):
    for options, output in (
        ({}, "logits"),
        ({"include_top": False}, "features"),
    ):
        model, pair = golden(name, **options)
        difference = np.abs(outputs(model, pair["x"]) - pair[output]).max()
        relative = difference / np.abs(pair[output]).max()
        print(f"{name} {output}: {relative:.1e} of the largest")
        assert relative <= 1e-5


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_half_precision_checkpoints_load_as_float32(tmp_path, precision):
    path = tmp_path / "half.safetensors"
    values = timm_checkpoint()
    if precision == "float16":
        save_file({k: v.astype("float16") for k, v in values.items()}, path)
    else:
        write_bfloat16(values, path)
    kernel = small(weights=path).get_layer("stem_conv").kernel
    expected = values["stem.0.weight"].transpose(2, 3, 1, 0)
    assert kernel.dtype == "float32"
    np.testing.assert_allclose(kernel, expected, rtol=1e-2)


def write_bfloat16(tensors, path):
    """safetensors writes bfloat16 from PyTorch only, so by hand."""
    header, data = {}, b""
    for name, value in tensors.items():
        top_half = np.ascontiguousarray(
            np.atleast_1d(value).astype("float32").view("uint16")[..., 1::2]
        ).tobytes()
        header[name] = {
            "dtype": "BF16",
            "shape": list(value.shape),
            "data_offsets": [len(data), len(data) + len(top_half)],
        }
        data += top_half
    text = repr(header).replace("'", '"').encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_files_of_keras_load(tmp_path, suffix):
    source = small()
    randomize_norms(source)
    source.compile("adam", "sparse_categorical_crossentropy")
    source.fit(images(), np.array([0, 1]), verbose=0)
    path = tmp_path / f"model{suffix}"
    source.save(path) if suffix == ".keras" else source.save_weights(path)
    np.testing.assert_array_equal(
        outputs(small(weights=path), images()), outputs(source, images())
    )


def source_file(tmp_path, suffix):
    """The same trunk and head in each format."""
    path = tmp_path / f"source{suffix}"
    timm = tmp_path / "source.safetensors"
    save_file(timm_checkpoint(), timm)
    if suffix == ".keras":
        small(weights=timm).save(path)
    if suffix == ".weights.h5":
        small(weights=timm).save_weights(path)
    return path


FORMATS = pytest.mark.parametrize(
    "suffix", [".safetensors", ".keras", ".weights.h5"]
)


@FORMATS
def test_other_classes_load_the_trunk_and_say_so(tmp_path, suffix):
    path = source_file(tmp_path, suffix)
    with pytest.warns(UserWarning, match="head is new.*5 classes.*model 7"):
        model = small(weights=path, classes=7)
    assert model.output_shape == (None, 7)
    whole = small(weights=path)
    for layer in whole.layers[:-1]:
        for old, new in zip(
            layer.get_weights(),
            model.get_layer(layer.name).get_weights(),
            strict=True,
        ):
            np.testing.assert_array_equal(old, new)


@FORMATS
def test_without_the_top_the_trunk_loads(tmp_path, suffix):
    path = source_file(tmp_path, suffix)
    whole = small(weights=path)
    trunk = small(weights=path, include_top=False, pooling="avg")
    head = whole.get_layer("head")
    np.testing.assert_allclose(
        outputs(head, outputs(trunk, images())),
        outputs(whole, images()),
        atol=1e-6,
    )


def test_a_checkpoint_without_a_head_says_that_the_head_is_new(tmp_path):
    save_file(timm_checkpoint(classes=0), tmp_path / "trunk.safetensors")
    with pytest.warns(UserWarning, match="head is new.*has none"):
        small(weights=tmp_path / "trunk.safetensors")


@FORMATS
@pytest.mark.parametrize("channels", [1, 2, 4, 7])
def test_the_stem_adapts_to_the_channels(tmp_path, suffix, channels):
    path = source_file(tmp_path, suffix)
    model = small(weights=path, input_shape=(16, 16, channels))
    kernel = keras.ops.convert_to_numpy(model.get_layer("stem_conv").kernel)
    given = timm_checkpoint()["stem.0.weight"].transpose(2, 3, 1, 0)
    if channels == 1:
        expected = given.sum(2, keepdims=True)
    else:
        chosen = [i % 3 for i in range(channels)]
        expected = given[:, :, chosen] * 3 / channels
    np.testing.assert_allclose(kernel, expected, atol=1e-6)


def test_a_checkpoint_of_other_channels_adapts_to_three(tmp_path):
    tensors = timm_checkpoint(channels=1)
    save_file(tensors, tmp_path / "grey.safetensors")
    kernel = small(weights=tmp_path / "grey.safetensors").get_weights()[0]
    given = tensors["stem.0.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_allclose(kernel, np.repeat(given, 3, 2) / 3, atol=1e-6)


def wrong_shape(tensors):
    tensors["blocks.1.1.weight"] = np.zeros((8, 7, 1, 1), "float32")


def wrong_rank(tensors):
    tensors["blocks.1.1.weight"] = np.zeros((8, 8), "float32")


def integers(tensors):
    tensors["blocks.1.1.weight"] = np.zeros((8, 8, 1, 1), "int8")


def missing(tensors):
    del tensors["blocks.1.1.weight"]


def extra(tensors):
    tensors["blocks.1.1.weight.extra"] = np.zeros(3, "float32")


def half_a_head(tensors):
    del tensors["head.bias"]


def broken_head(tensors):
    tensors["head.bias"] = np.zeros(4, "float32")


def no_channels(tensors):
    tensors["stem.0.weight"] = np.zeros((8, 0, 4, 4), "float32")


@pytest.mark.parametrize(
    ("damage", "tensor"),
    [
        (wrong_shape, "blocks.1.1.weight"),
        (wrong_rank, "blocks.1.1.weight"),
        (integers, "blocks.1.1.weight"),
        (missing, "blocks.1.1.weight"),
        (extra, "blocks.1.1.weight.extra"),
        (half_a_head, "head.bias"),
        (broken_head, "head.weight"),
        (no_channels, "stem.0.weight"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(checkpoint, damage, tensor):
    path, tensors = checkpoint
    damage(tensors)
    save_file(tensors, path)
    model = small()
    before = model.get_weights()
    with pytest.raises(ValueError, match=re.escape(tensor)) as error:
        load_weights(model, path)
    assert str(path) in str(error.value)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    "option", [{"dim": 16}, {"depth": 3}, {"kernel_size": 5}, {"patch_size": 2}]
)
@FORMATS
def test_weights_of_another_network_are_an_error(tmp_path, suffix, option):
    path = source_file(tmp_path, suffix)
    network = {"dim": 8, "depth": 2, "kernel_size": 3, "patch_size": 4}
    with pytest.raises(ValueError, match="does not fit the network") as error:
        ConvMixer(**network | option, input_shape=(16, 16, 3), weights=path)
    assert str(path) in str(error.value)


def test_weights_for_another_activation_are_an_error(tmp_path):
    path = source_file(tmp_path, ".keras")
    with pytest.raises(ValueError, match="'gelu', the model has 'relu'"):
        small(weights=path, activation="relu")


@FORMATS
@pytest.mark.parametrize("damage", ["empty", "truncated", "text", "foreign"])
def test_a_broken_or_foreign_file_is_named(tmp_path, suffix, damage):
    path = source_file(tmp_path, suffix)
    contents = path.read_bytes()
    if damage == "foreign":
        foreign(path, suffix)
    else:
        path.write_bytes(
            {
                "empty": b"",
                "truncated": contents[: len(contents) // 2],
                "text": b"<html>404: not found</html>" * 100,
            }[damage]
        )
    with pytest.raises(ValueError, match=re.escape(str(path))):
        small(weights=path)


def foreign(path, suffix):
    """A file of the right format with another network."""
    if suffix == ".safetensors":
        save_file({"conv1.weight": np.zeros((4, 3, 7, 7), "float32")}, path)
        return
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    other.save(path) if suffix == ".keras" else other.save_weights(path)


def test_code_in_a_keras_file_is_not_run(tmp_path):
    path = tmp_path / "lambda.keras"
    x = image = keras.Input((16, 16, 3))
    x = keras.layers.Lambda(lambda x: x)(x)
    keras.Model(image, x).save(path)
    with pytest.raises(ValueError, match=r"unsafe|safe_mode"):
        small(weights=path)


@pytest.mark.parametrize("weights", ["imagnet", "model.pth", 5])
def test_unknown_weights_say_what_exists(weights):
    with pytest.raises(ValueError, match=r"'imagenet'.*safetensors") as error:
        small(weights=weights)
    assert repr(weights) in str(error.value)


def test_a_missing_file_is_named():
    with pytest.raises(ValueError, match=r"no file /no/model\.safetensors"):
        small(weights="/no/model.safetensors")


def test_networks_without_imagenet_weights_hear_which_have_them():
    with pytest.raises(ValueError, match=r"convmixer_1536_20.*Received.*8"):
        small(weights="imagenet")


# ---- the hub

RELEASED = {"dim": 768, "depth": 32, "kernel": 7, "patch": 7, "classes": 1000}
REPOSITORY = "timm/convmixer_768_32.in1k"

LOAD = """
import time
from keras_convmixer import ConvMixer_768_32
start = time.monotonic()
try:
    model = ConvMixer_768_32(weights="imagenet")
    print(float(model.get_layer("head").bias[0]))
except OSError as error:
    print(time.monotonic() - start, error)
"""

# The same without the network, which takes seconds to build.
FIND = """
import time
from keras_convmixer.hub import imagenet_file
from keras_convmixer.variants import VARIANTS
start = time.monotonic()
try:
    print(imagenet_file(VARIANTS["convmixer_768_32"].arguments))
except OSError as error:
    print(time.monotonic() - start, error)
"""


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """A file like the released one of 768/32, with random weights."""
    path = tmp_path_factory.mktemp("released") / "model.safetensors"
    tensors = timm_checkpoint(**RELEASED)
    save_file(tensors, path)
    return path, float(tensors["head.bias"][0])


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Empty homes for Keras and the hub; nothing answers at the hub."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return tmp_path


def test_without_a_network_the_error_says_where_to_put_the_file(home, released):
    path, bias = released
    seconds, error = run_command("-c", LOAD).stdout.strip().split(" ", 1)
    print(f"offline: {float(seconds):.1f} s")
    assert float(seconds) < 30
    assert REPOSITORY in error
    assert "model.safetensors" in error

    place = re.search(r"save it as (\S+\.safetensors)", error)[1]
    assert place.startswith(str(home / "keras"))
    os.makedirs(os.path.dirname(place))
    os.symlink(path, place)
    assert float(run_command("-c", LOAD).stdout) == pytest.approx(bias)


def test_a_hub_that_never_answers_is_given_up_in_time(home, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
        seconds, error = run_command("-c", FIND).stdout.strip().split(" ", 1)
    print(f"silent hub: {float(seconds):.1f} s")
    assert float(seconds) < 30
    assert REPOSITORY in error


class Hub(http.server.BaseHTTPRequestHandler):
    """What the Hugging Face hub answers for one file."""

    def __init__(self, path, *arguments):
        self.contents = path.read_bytes()
        super().__init__(*arguments)

    def do_HEAD(self):
        found = self.path == f"/{REPOSITORY}/resolve/main/model.safetensors"
        self.send_response(200 if found else 404)
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("ETag", '"etag"')
        self.send_header("Content-Length", str(len(self.contents)))
        self.end_headers()

    def do_GET(self):
        self.do_HEAD()
        self.wfile.write(self.contents)

    def log_message(self, *arguments):
        pass


def test_the_hub_is_asked_once_and_then_its_cache(home, released, monkeypatch):
    path, bias = released
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Hub, path)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    try:
        assert float(run_command("-c", LOAD).stdout) == pytest.approx(bias)
    finally:
        server.shutdown()
        server.server_close()
    cached = run_command("-c", FIND).stdout.strip()
    assert cached.startswith(str(home / "hub"))


# ---- the command


def convert(*arguments):
    return run_command("-m", "keras_convmixer.weights", *arguments, check=False)


def test_the_command_reads_the_network_off_the_tensors(tmp_path):
    path, out = tmp_path / "odd.safetensors", tmp_path / "odd.keras"
    network = {"dim": 6, "depth": 3, "kernel": 4, "patch": 5, "channels": 4}
    save_file(timm_checkpoint(**network, classes=2), path)
    done = convert(path, out, "--activation", "relu", "--image-size", 20)
    assert done.returncode == 0, done.stderr
    model = keras.models.load_model(out)
    assert model.input_shape == (None, 20, 20, 4)
    assert model.output_shape == (None, 2)
    direct = ConvMixer(
        *(6, 3, 4, 5),
        activation="relu",
        classes=2,
        input_shape=(20, 20, 4),
        weights=path,
    )
    x = np.random.default_rng(0).uniform(0, 255, (2, 20, 20, 4))
    np.testing.assert_array_equal(outputs(model, x), outputs(direct, x))


def test_the_command_keeps_a_trunk_a_trunk_of_any_size(tmp_path):
    path, out = tmp_path / "trunk.safetensors", tmp_path / "trunk.keras"
    save_file(timm_checkpoint(classes=0), path)
    assert convert(path, out).returncode == 0
    model = keras.models.load_model(out)
    assert model.input_shape == (None, None, None, 3)
    assert model.output_shape == (None, None, None, 8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.safetensors", "out.keras"], "none.safetensors"),
        (["broken.safetensors", "out.keras"], "broken.safetensors"),
        (["torn.safetensors", "out.keras"], "blocks.0.0.fn.0.weight"),
        (["model.safetensors", "out.h5"], "out.h5"),
        (["model.pth", "out.keras"], "model.pth"),
        (["model.safetensors", "no/out.keras"], "no"),
        (["model.safetensors", "out.keras", "--activation", "x"], "activation"),
        (["model.safetensors", "out.keras", "--image-size", "9"], "patch_size"),
        (["model.safetensors"], "output"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(tmp_path, arguments, message):
    tensors = timm_checkpoint()
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / "model.pth").write_bytes(b"pickle")
    (tmp_path / "broken.safetensors").write_bytes(b"broken")
    del tensors["blocks.0.0.fn.0.weight"]
    save_file(tensors, tmp_path / "torn.safetensors")
    before = set(tmp_path.iterdir())
    done = run_command(
        "-m", "keras_convmixer.weights", *arguments, cwd=tmp_path, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert set(tmp_path.iterdir()) == before
