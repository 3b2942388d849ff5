"""`import keras_convmixer`: instant, and editors see what it has."""

import ast
import json

import pytest

import keras_convmixer
from tests.processes import ROOT, run_python

HEAVY = (
    *("keras", "tensorflow", "numpy", "h5py", "sklearn", "matplotlib", "PIL"),
    *("tensorflow_datasets", "ai_edge_litert", "huggingface_hub"),
)


def names_for_editors():
    """Public name to module, of the imports that only a type checker reads."""
    source = (ROOT / "keras_convmixer" / "__init__.py").read_text()
    (block,) = (
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.If) and node.test.id == "TYPE_CHECKING"
    )
    return {
        alias.asname: f"{node.module}.{alias.name}"
        for node in block.body
        for alias in node.names
    }


def test_editors_see_the_public_names():
    assert set(names_for_editors()) == set(keras_convmixer.__all__)


def test_a_name_is_what_editors_take_it_for():
    for name, origin in names_for_editors().items():
        module, _, of_module = origin.rpartition(".")
        found = getattr(keras_convmixer, name)
        assert found.__name__ == of_module == name
        assert found is getattr(__import__(module, fromlist=[name]), name)


def modules_after(code):
    """The heavy packages that a new process has loaded after some code."""
    show = "import json, sys; print(json.dumps([*sys.modules]))"
    done = run_python("-c", f"{code}; {show}")
    return set(json.loads(done.stdout.splitlines()[-1])).intersection(HEAVY)


def test_the_import_loads_nothing_heavy():
    assert modules_after("import keras_convmixer") == set()


@pytest.mark.slow
def test_a_network_loads_keras_and_nothing_heavier():
    loaded = modules_after("from keras_convmixer import ConvMixer")
    assert "keras" in loaded
    assert loaded == modules_after("import keras")


def test_a_mistake_is_answered_before_keras_is_imported():
    code = (
        "from keras_convmixer.command_line.convmixer import main\n"
        "try: main(['train', '--epochs', '0'])\n"
        "except SystemExit: pass\n"
        "pass"
    )
    assert modules_after(code) <= {"numpy"}
