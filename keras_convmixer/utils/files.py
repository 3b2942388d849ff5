"""Files that are whole or not there at all."""

import contextlib
import fcntl
import json
import os
import shutil
from pathlib import Path

from keras_convmixer.utils.checks import UserError


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


def move_into(folder, source, last):
    """Moves all that `source` holds to `folder`, replacing what is there.

    Args:
        folder, source: Folders on one disk; the first need not exist.
        last: Name of the file that is moved when all others are there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir(), key=lambda path: path.name == last):
        put(path, folder / path.name)


def put(new, path):
    """Moves a file or folder to `path`, which is whole or absent meanwhile."""
    if not path.is_dir():
        new.replace(path)
        return
    old = new.with_name(f"{new.name}.old")
    path.rename(old)
    new.rename(path)
    shutil.rmtree(old)


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
            remove(path)
        yield
    finally:
        os.close(descriptor)


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
