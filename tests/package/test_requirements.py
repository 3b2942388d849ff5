"""What the package imports is what it says it needs."""

import ast
import re
import sys
from importlib.metadata import packages_distributions

from tests.helpers import ROOT

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
