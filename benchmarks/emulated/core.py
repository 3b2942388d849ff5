"""An emulated 64-bit ARM core that runs TFLite files and counts.

qemu translates the instructions of LiteRT's ARM build and counts those that
are executed. The core is a Cortex-A76, which has the dot product.
"""

import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.files import replacing

CORE = "cortex-a76"
# In the order of use, each with the package of Debian that has it.
PROGRAMS = {
    "qemu-aarch64": "qemu-user",
    "gcc": "gcc libc6-dev",
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
}
# What XNNPACK looks at to know the core's features.
CPUINFO = """\
processor	: 0
Features	: fp asimd aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid \
asimdrdm lrcpc dcpop asimddp
CPU implementer	: 0x41
CPU architecture: 8
CPU variant	: 0x4
CPU part	: 0xd0b
CPU revision	: 1
"""
CPU_LISTS = ("possible", "present")
# Wheels for older systems run on Debian as well.
PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux2014")
HERE = Path(__file__).parent


def count_instructions(files, folder):
    """How many instructions the core executes for one image, in each file.

    Args:
        files: Paths of TFLite files with one input.
        folder: Where the core is installed, and what it runs.

    Returns:
        A list of int.
    """
    system, plugin = install(folder)
    command = ["qemu-aarch64", "-cpu", CORE, "-plugin", plugin, "-L", system]
    command += ["-E", f"PYTHONPATH={folder / 'packages'}"]
    command += ["-E", "PYTHONHASHSEED=0"]  # The same count in every run.
    done = run(*command, system / "usr/bin/python3", HERE / "run.py", *files)
    executed = [int(n) for n in re.findall(r"^executed (\d+)$", done, re.M)]
    before, after = executed[::2], executed[1::2]
    return [b - a for a, b in zip(before, after, strict=True)]


def install(folder):
    """Brings Python and LiteRT for ARM into a folder, once.

    Returns:
        Paths of the emulated system and of the plugin.

    Raises:
        UserError: If a program is missing, or an installation fails.
    """
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            raise UserError(
                f"{program} is needed: apt-get install {package} (the ARM "
                "core is emulated on Debian only)"
            )
    folder.mkdir(parents=True, exist_ok=True)
    system, plugin = folder / "system", folder / "count.so"
    if not system.exists():
        with replacing(system) as unfinished:
            install_python(unfinished, folder / "apt")
            describe_cpu(unfinished)
    packages = folder / "packages"
    if not packages.exists():
        with replacing(packages) as unfinished:
            install_litert(unfinished, system)
    run("gcc", "-shared", "-fPIC", "-O2", HERE / "count.c", "-o", plugin)
    return system, plugin


def install_python(system, apt):
    """Unpacks the distribution's Python for ARM, and what it needs."""
    archives, lists = apt / "archives", apt / "lists"
    for path in (archives, lists):
        (path / "partial").mkdir(parents=True, exist_ok=True)
    status = apt / "status"
    status.touch()
    options = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Sandbox::User": "",
        "Debug::NoLocking": "true",
        "Dir::Cache::archives": archives,
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "Dir::State::lists": lists,
        "Dir::State::status": status,  # Nothing is installed yet.
    }
    command = ["apt-get", "-q", "-y"]
    command += [f"-o{name}={value}" for name, value in options.items()]
    run(*command, "update")
    run(
        *command,
        "install",
        "--download-only",
        "--no-install-recommends",
        "python3",
        "libstdc++6",
    )
    for package in sorted(archives.glob("*.deb")):
        run("dpkg-deb", "-x", package, system)
    shutil.rmtree(apt)


def describe_cpu(system):
    """Files that qemu shows in place of this machine's own."""
    for path, text in {
        "proc/cpuinfo": CPUINFO,
        **{f"sys/devices/system/cpu/{name}": "0\n" for name in CPU_LISTS},
    }.items():
        (system / path).parent.mkdir(parents=True, exist_ok=True)
        (system / path).write_text(text)


def install_litert(packages, system):
    """The version of LiteRT that is installed here, for the core's Python."""
    python = (system / "usr/bin/python3").readlink().name.removeprefix("python")
    platforms = [f"--platform={name}_aarch64" for name in PLATFORMS]
    run(
        *(sys.executable, "-m", "pip", "install", "--quiet"),
        f"--target={packages}",
        f"--python-version={python}",
        "--only-binary=:all:",
        *platforms,
        f"ai-edge-litert=={metadata.version('ai-edge-litert')}",
    )


def run(*command):
    """Runs a program; returns what it wrote to standard error.

    Raises:
        UserError: If it fails, with the last line of that.
    """
    done = subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        lines = (done.stderr + done.stdout).strip().splitlines()
        raise UserError(f"{command[0]} failed: {lines[-1] if lines else ''}")
    return done.stderr
