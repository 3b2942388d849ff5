"""A file from anywhere is loaded or refused: it runs nothing, writes nothing
and takes no more memory than it has the right to.
"""

import io
import json
import re
import struct
import zipfile

import h5py
import keras
import numpy as np
import pytest
from fuzz import run
from safetensors.numpy import save_file

from keras_convmixer.evaluation.metadata_schema import read_labels
from keras_convmixer.evaluation.runtime import TFLiteFile
from keras_convmixer.weights import load_weights
from tests.helpers import small, source_file
from tests.processes import run_command


@pytest.mark.parametrize("suffix", [".safetensors", ".keras"])
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
    other.save(path)


def test_damaged_files_load_or_are_refused():
    """`python -m tests.fuzz` does the same with more of them."""
    counts, most = run(range(330))
    assert set(counts) == {"loaded", "refused"}
    assert most < 1000


def test_code_in_a_keras_file_is_not_run(tmp_path):
    """What Keras would build and call is not even looked at."""
    path = source_file(tmp_path, ".keras")
    mark = tmp_path / "mark"
    change_member(path, "config.json", lambda old: with_code(old, mark))
    expected = small(weights=tmp_path / "source.safetensors").get_weights()
    for ours, theirs in zip(
        small(weights=path).get_weights(), expected, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert not mark.exists()


def with_code(config, mark):
    """The configuration of a model that touches a file when it is built."""
    config = json.loads(config)
    config["config"]["layers"][1:1] = [
        {
            "module": "pathlib",
            "class_name": "Path",
            "config": {"name": "path", "args": [str(mark)]},
        },
        {
            "module": "keras.layers",
            "class_name": "Lambda",
            "config": {
                "name": "lambda",
                "function": {
                    "class_name": "function",
                    "config": "touch",
                    "module": "os",
                    "registered_name": "system",
                },
                "arguments": {"command": f"touch {mark}"},
            },
        },
    ]
    return json.dumps(config)


def change_member(path, name, change):
    """Writes a zip archive with one of its members changed."""
    with zipfile.ZipFile(path) as archive:
        members = {n: archive.read(n) for n in archive.namelist()}
    members[name] = change(members.get(name))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, contents in members.items():
            archive.writestr(member, contents)


def test_nothing_of_an_archive_is_unpacked(tmp_path):
    path = source_file(tmp_path, ".keras")
    for name in ("../climbed", str(tmp_path / "absolute")):
        change_member(path, name, lambda _: b"contents")
    before = sorted(tmp_path.parent.rglob("*"))
    small(weights=path)
    assert sorted(tmp_path.parent.rglob("*")) == before


@pytest.mark.parametrize("name", ["model.weights.h5", "config.json"])
def test_an_archive_that_unpacks_to_much_more_is_refused(tmp_path, name):
    path = source_file(tmp_path, ".keras")
    change_member(path, name, lambda _: bytes(2**26))
    with pytest.raises(ValueError, match=r"unpack to 67,\d{3},\d{3} bytes"):
        small(weights=path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"shape": (2**40,), "chunks": (2**20,)}, "it would take over"),
        ({"shape": (2**10,), "chunks": (2**28,), "maxshape": (None,)}, "take"),
        ({"data": ["text"], "dtype": h5py.string_dtype()}, "no numbers"),
        ({"shape": (8,), "external": [("file", 0, 32)]}, "leads out of it"),
    ],
)
def test_weights_that_take_more_than_the_file_holds(tmp_path, options, words):
    def write(file):
        del file["layers/conv2d/vars/0"]
        file["layers/conv2d/vars"].create_dataset(
            "0", **{"dtype": "float32", **options}
        )

    path = source_file(tmp_path, ".keras")
    change_weights(path, write)
    with pytest.raises(ValueError, match=words):
        small(weights=path)


def change_weights(path, change):
    """Changes the HDF5 file in a `.keras` file; checksums are right after."""

    def changed(contents):
        buffer = io.BytesIO(contents)
        with h5py.File(buffer, "a") as file:
            change(file)
        return buffer.getvalue()

    change_member(path, "model.weights.h5", changed)


def test_links_out_of_a_weights_file_are_not_followed(tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["values"] = np.ones((4, 4, 3, 8), "float32")

    def link(file):
        group = file["layers/conv2d/vars"]
        del group["0"]
        group["0"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "values")

    path = source_file(tmp_path, ".keras")
    change_weights(path, link)
    with pytest.raises(ValueError, match="leads out of it"):
        small(weights=path)


@pytest.mark.parametrize(
    ("header", "length"),
    [
        ({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4000]}}, 8),
        ({"x": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 8]}}, 8),
        ({"x": {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]}}, 8),
        ({"x": {"dtype": "F99", "shape": [2], "data_offsets": [0, 8]}}, 8),
        (None, 0),
    ],
)
def test_offsets_out_of_a_safetensors_file(tmp_path, header, length):
    path = tmp_path / "model.safetensors"
    text = json.dumps(header).encode()
    # Without a header: one that is said to be as long as the memory.
    size = len(text) if header else 2**40
    path.write_bytes(struct.pack("<Q", size) + text + bytes(length))
    with pytest.raises(ValueError, match="is not a safetensors file"):
        small(weights=path)


def test_after_a_refusal_the_model_is_as_it_was(tmp_path):
    path = source_file(tmp_path, ".keras")
    change_member(path, "model.weights.h5", lambda old: old[:-3000])
    model = small()
    before = model.get_weights()
    with pytest.raises(ValueError, match="not a Keras model that"):
        load_weights(model, path)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("kept", [0, 4, 1000, 0.5])
def test_a_torn_tflite_file_is_refused(digits_export, tmp_path, kept):
    contents = (digits_export / "digits_int8.tflite").read_bytes()
    end = int(kept * len(contents)) if kept < 1 else kept
    path = tmp_path / "torn.tflite"
    path.write_bytes(contents[:end])
    # In a process of its own: a reader that crashed would end this one.
    done = run_command("-m", "export.classify", path, "x.png", check=False)
    assert done.returncode == 2
    assert re.fullmatch(r"error: .*torn\.tflite .*\n", done.stderr)


def test_labels_that_fill_the_memory_are_refused(digits_export, tmp_path):
    contents = (digits_export / "digits_int8.tflite").read_bytes()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as files:
        files.writestr("labels.txt", bytes(2**25))
    path = tmp_path / "bomb.tflite"
    path.write_bytes(contents[: contents.rindex(b"PK\x03\x04")])
    assert TFLiteFile(path).classes == 10
    path.write_bytes(path.read_bytes() + archive.getvalue())
    with pytest.raises(ValueError, match="it is too long"):
        read_labels(path)
