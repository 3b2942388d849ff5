"""Files that are whole or not there at all."""

import contextlib
import json
import os
import shutil
from pathlib import Path

from filelock import FileLock, Timeout

from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.exchange import exchange


@contextlib.contextmanager
def replacing(path):
    """A temporary path beside `path` that takes its place at the end.

    The path can become a file or a folder. After an error, or when the
    process is killed, what was at `path` is as it was.

    Args:
        path: The file to write; its name's end is kept, as writers look at it.

    Example:
        >>> with replacing("runs/digits/model.keras") as temporary:
        ...     model.save(temporary)
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

    The lock is that of a file in the folder, so it stays with a folder that is
    renamed. The system takes it back when the process ends, however it ends.

    Args:
        folder: A folder in which nothing that is to stay begins with a dot.

    Raises:
        UserError: If another process has it.

    Example:
        >>> with sole_use("runs/digits"):
        ...     write_json("runs/digits/report.json", {"top1": 0.9})
    """
    path = Path(folder, ".lock")
    path.touch()
    # A lock that is a file's mere existence would survive its process.
    lock = FileLock(path, blocking=False, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise UserError(f"another process uses {folder}") from None
    except OSError:
        pass  # A file system, of a network for instance, without locks.
    try:
        for leftover in Path(folder).glob(".*"):
            if leftover != path:
                put_back(leftover)
                remove(leftover)
        yield
    finally:
        remove_lock(lock, path)


def remove_lock(lock, path):
    """Releases a lock, and removes its file where no other process has it."""
    if os.name == "nt":  # An open file can't be removed.
        lock.release()
        with contextlib.suppress(PermissionError):
            path.unlink(missing_ok=True)
        return
    # First the file: whoever opened it meanwhile finds it unlinked, and tries
    # again with a new one.
    path.unlink(missing_ok=True)
    lock.release()


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
