"""Files that are whole or not there at all."""

import contextlib
import fcntl
import json
import os
import shutil
from pathlib import Path

from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.exchange import exchange


@contextlib.contextmanager
def replacing(path):
    """A temporary path beside `path` that takes its place at the end.

    The path can become a file or a folder. After an error, or when the
    process is killed, what was at `path` is as it was.

    Args:
        path: The file to write; its name's end is kept, as writers look at it.
    """
    path = Path(path)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        put(temporary, path)
    finally:
        remove(temporary)


@contextlib.contextmanager
def temporary_folder(path):
    """A new folder beside `path`, gone at the end."""
    path = Path(path)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        temporary.mkdir(parents=True)
        yield temporary
    finally:
        remove(temporary)


def put(new, path):
    """Moves a file or folder to `path`, which is whole meanwhile.

    Only where `exchange` can't work as one step, a folder that is replaced is
    away for a moment; `sole_use` puts it back if a kill fell into it.
    """
    if path.is_dir():
        exchange(new, path)
        remove(new)
    else:
        new.replace(path)


@contextlib.contextmanager
def sole_use(folder):
    """Has a folder to oneself; removes what a killed process left in it.

    The system takes the lock back when the process ends, however it ends.

    Raises:
        ValueError: If another process has it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another process uses {folder}") from None
        except OSError:
            pass  # A file system, of a network for instance, without locks.
        for path in Path(folder).glob(".*"):
            put_back(path)
            remove(path)
        yield
    finally:
        os.close(descriptor)


def put_back(path):
    """Moves what `exchange` had put away where it was, if it is not there."""
    # .PROCESS.NAME.old
    name = path.name.split(".", 2)[-1].removesuffix(".old")
    if path.suffix == ".old" and not path.with_name(name).exists():
        path.rename(path.with_name(name))


def write_bytes(path, contents):
    with replacing(path) as temporary:
        temporary.write_bytes(contents)


def write_text(path, text):
    write_bytes(path, text.encode())


def write_json(path, values):
    write_text(path, json.dumps(values, indent=2) + "\n")


def remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
