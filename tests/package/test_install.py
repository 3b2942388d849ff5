"""The wheel and the sdist, built and installed as a user does."""

import shutil
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import packaging
import pytest

from tests.conftest import made_once
from tests.package import checks
from tests.package.checks import run
from tests.processes import ROOT

NOT_SOURCES = (
    *(".*", "__pycache__", "*.egg-info"),
    *("build", "dist", "node_modules"),
)


@pytest.fixture(scope="session")
def dist(tmp_path_factory):
    """A folder with the sdist, and the wheel that is built from it."""

    def make(folder):
        source = folder / "source"
        ignore = shutil.ignore_patterns(*NOT_SOURCES)
        shutil.copytree(ROOT, source, ignore=ignore)
        # Trainings of this checkout.
        shutil.rmtree(source / "runs", ignore_errors=True)
        run(
            *(sys.executable, "-m", "build", "--no-isolation"),
            *("--outdir", folder, source),
            cwd=folder,
        )

    return made_once(tmp_path_factory, "dist", make)


def new_environment(folder, wheel, shares):
    """A virtual environment with the wheel alone.

    Args:
        folder: Where it is to be.
        wheel: The file to install.
        shares: A folder of packages that it sees besides.

    Returns:
        The folder of its programs.
    """
    venv.create(folder, symlinks=True)
    paths = sysconfig.get_paths("venv", {"base": folder, "platbase": folder})
    python = Path(paths["scripts"], "python")
    run(
        *(sys.executable, "-m", "pip", "--python", python, "install"),
        *("--quiet", "--no-deps", "--no-index", wheel),
        cwd=folder,
    )
    Path(paths["purelib"], "shared.pth").write_text(f"{shares}\n")
    return python.parent


@pytest.fixture(scope="session")
def programs(dist, tmp_path_factory):
    """Those of an environment with all that the package asks for."""

    def make(folder):
        (wheel,) = dist.glob("*.whl")
        new_environment(folder, wheel, sysconfig.get_path("purelib"))

    folder = made_once(tmp_path_factory, "environment", make)
    return folder / Path(sysconfig.get_path("scripts")).name


@pytest.fixture
def base_programs(dist, tmp_path):
    """Those of an environment without any of the extras."""
    shares = tmp_path / "shares"
    shares.mkdir()
    (shares / "packaging").symlink_to(Path(packaging.__file__).parent)
    (wheel,) = dist.glob("*.whl")
    return new_environment(tmp_path / "environment", wheel, shares)


def modules(folder):
    """The files of a package in the checkout, as paths below it."""
    return {
        path.relative_to(folder)
        for path in folder.rglob("*.py")
        if "node_modules" not in path.parts
    }


def test_the_wheel_holds_every_module_and_the_data(dist):
    (wheel,) = dist.glob("*.whl")
    names = {
        name
        for name in zipfile.ZipFile(wheel).namelist()
        if ".dist-info/" not in name
    }
    packages = {"": ROOT / "keras_convmixer", "export": ROOT / "export"}
    assert {name for name in names if name.endswith(".py")} == {
        Path("keras_convmixer", name, module).as_posix()
        for name, folder in packages.items()
        for module in modules(folder)
    }
    assert {name for name in names if name.endswith("py.typed")} == {
        "keras_convmixer/py.typed",
        "keras_convmixer/export/py.typed",
    }
    (page,) = {
        name.rpartition("/")[0] for name in names if "index.html" in name
    }
    assert {name for name in names if name.startswith(page)} == {
        f"{page}/{path.name}"
        for path in (ROOT / "export" / "page").iterdir()
        if path.is_file()
    }
    shipped = ROOT / "keras_convmixer" / "weights" / "shipped_files"
    assert {name for name in names if "shipped_files" in name} == {
        f"keras_convmixer/weights/shipped_files/{path.name}"
        for path in shipped.iterdir()
        if path.suffix != ".png"
    }


def test_the_sdist_holds_what_the_wheel_is_built_from(dist):
    # The wheel above was built from it.
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        assert any("requirements/base.txt" in n for n in archive.getnames())


@pytest.mark.slow
def test_trains_exports_and_classifies_in_an_empty_folder(programs, tmp_path):
    checks.trains_exports_and_classifies(programs, tmp_path)


def test_python_finds_the_export_and_the_shipped_weights(programs, tmp_path):
    checks.finds_the_export_and_the_shipped_weights(programs, tmp_path)


@pytest.mark.parametrize(
    ("program", "extra"), [("train", "train"), ("export", "export")]
)
def test_a_missing_extra_is_one_line(program, extra, base_programs, tmp_path):
    done = run(
        *(base_programs / "convmixer", program, "r"), cwd=tmp_path, check=False
    )
    assert done.returncode == 2
    assert done.stderr == (
        f"error: convmixer {program} needs pip install "
        f"'keras-convmixer[{extra}]'\n"
    )


def test_the_list_of_networks_needs_no_extra(base_programs, tmp_path):
    done = run(base_programs / "convmixer", "list", cwd=tmp_path)
    assert "convmixer_768_32" in done.stdout
