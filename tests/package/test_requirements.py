"""What the package imports is what it says it needs."""

import ast
import re
import sys
from importlib.metadata import packages_distributions

from tests.processes import ROOT, run_python

# Keras' other backends: who chooses one has installed it.
BACKENDS = {"jax", "torch"}
OWN_PACKAGES = {"keras_convmixer", "export"}


def programs():
    folders = (ROOT / name for name in OWN_PACKAGES)
    return [ROOT / "train.py", *(p for f in folders for p in f.rglob("*.py"))]


def imported(path):
    """Top-level packages of all absolute imports of a file, lazy ones too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


def declared(path):
    """Names of the distributions of a requirements file, with its includes."""
    for line in path.read_text().splitlines():
        if included := re.match(r"-r\s+(\S+)", line):
            yield from declared(path.parent / included[1])
        elif name := re.match(r"[\w.-]+", line):
            yield normalized(name[0])


def normalized(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_what_is_imported_is_declared():
    users = {}
    for path in programs():
        for package in imported(path):
            users.setdefault(package, path.relative_to(ROOT))
    distributions = packages_distributions()
    allowed = set(declared(ROOT / "requirements.txt"))
    assert len(allowed) > 10
    missing = {
        package: str(user)
        for package, user in users.items()
        if package not in {*sys.stdlib_module_names, *OWN_PACKAGES, *BACKENDS}
        and not allowed & set(map(normalized, distributions.get(package, ())))
    }
    assert not missing


def test_looking_for_a_weights_file_does_not_import_keras():
    """It takes seconds; a wrong argument is answered without them."""
    done = run_python(
        "-c",
        "import sys\n"
        "import keras_convmixer.runs.run_folder\n"
        "from keras_convmixer.weights import find_file, load_weights\n"
        "print(find_file('cifar10', {'dim': 128, 'depth': 8, 'kernel_size': 7,"
        " 'patch_size': 2, 'activation': 'gelu'}).name)\n"
        "print('keras' in sys.modules, 'tensorflow' in sys.modules)\n",
    )
    assert done.stdout.split() == [
        "cifar10-128-8-k7-p2.safetensors",
        "False",
        "False",
    ]
