"""ImageNet weights come from the hub once, and then from its cache."""

import functools
import http.server
import os
import re
import socket
import threading

import pytest
from safetensors.numpy import save_file

from keras_convmixer.variants import VARIANTS
from keras_convmixer.weights.hub import (
    IMAGENET_REPOSITORIES,
    imagenet_repository,
)
from tests.helpers import timm_checkpoint
from tests.processes import run_python

# One more released network, as the smallest of the real ones has 84 MB.
SMALL_REPOSITORY = "timm/convmixer_8_2.in1k"
SMALL = f"""
from keras_convmixer.variants import VARIANTS, Variant
from keras_convmixer.weights.hub import IMAGENET_REPOSITORIES
VARIANTS["convmixer_8_2"] = Variant(8, 2, 3, 4)
IMAGENET_REPOSITORIES["convmixer_8_2"] = {SMALL_REPOSITORY!r}
"""

LOAD = f"""{SMALL}
from keras_convmixer import ConvMixer
model = ConvMixer(8, 2, 3, 4, input_shape=(16, 16, 3), weights="imagenet")
print(float(model.get_layer("head").bias[0]))
"""

# The same without the network, which takes seconds to build.
FIND = f"""{SMALL}
import time
from keras_convmixer.weights.hub import imagenet_file
start = time.monotonic()
try:
    print(imagenet_file(VARIANTS["convmixer_8_2"].arguments))
except OSError as error:
    print(time.monotonic() - start, error)
"""


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """A file like the released ones, of a small network."""
    path = tmp_path_factory.mktemp("released") / "model.safetensors"
    tensors = timm_checkpoint(classes=1000)
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


def test_each_released_network_has_its_repository():
    found = {
        name: imagenet_repository(VARIANTS[name].arguments)
        for name in IMAGENET_REPOSITORIES
    }
    assert found == IMAGENET_REPOSITORIES
    assert found["convmixer_768_32"] == "timm/convmixer_768_32.in1k"
    listed = {n for n, v in VARIANTS.items() if "imagenet" in v.weights}
    assert set(found) == listed


@pytest.mark.slow
def test_without_a_network_the_error_says_where_to_put_the_file(home, released):
    path, bias = released
    seconds, error = run_python("-c", FIND).stdout.strip().split(" ", 1)
    print(f"offline: {float(seconds):.1f} s")
    assert float(seconds) < 30
    assert SMALL_REPOSITORY in error
    assert "model.safetensors" in error

    place = re.search(r"save it as (\S+\.safetensors)", error)[1]
    assert place.startswith(str(home / "keras"))
    os.makedirs(os.path.dirname(place))
    os.symlink(path, place)
    assert float(run_python("-c", LOAD).stdout) == pytest.approx(bias)


@pytest.mark.slow
def test_a_hub_that_never_answers_is_given_up_in_time(home, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
        seconds, error = run_python("-c", FIND).stdout.strip().split(" ", 1)
    print(f"silent hub: {float(seconds):.1f} s")
    assert float(seconds) < 30
    assert SMALL_REPOSITORY in error


class Hub(http.server.BaseHTTPRequestHandler):
    """What the Hugging Face hub answers for one file."""

    def __init__(self, path, *arguments):
        self.contents = path.read_bytes()
        super().__init__(*arguments)

    def do_HEAD(self):
        found = (
            self.path == f"/{SMALL_REPOSITORY}/resolve/main/model.safetensors"
        )
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


@pytest.mark.slow
def test_the_hub_is_asked_once_and_then_its_cache(home, released, monkeypatch):
    path, bias = released
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Hub, path)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    try:
        assert float(run_python("-c", LOAD).stdout) == pytest.approx(bias)
    finally:
        server.shutdown()
        server.server_close()
    cached = run_python("-c", FIND).stdout.strip()
    assert cached.startswith(str(home / "hub"))
