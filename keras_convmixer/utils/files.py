"""Files that are complete or not there at all."""

import contextlib
import csv
import json
import os
import shutil
import tempfile
from pathlib import Path

from keras_convmixer.utils.checks import UserError

TEMPORARY = ".keras_convmixer-"  # The beginning of a temporary folder's name.
RANDOM = 8  # Characters that `tempfile.mkdtemp` appends.
LOCK = ".keras_convmixer.lock"


@contextlib.contextmanager
def replacing(path):
    """A temporary path that is renamed to `path` at the end.

    It has the same name, in a temporary folder beside `path`, and can become a
    file or a folder. After an error, or when the process is killed, what was
    at `path` is as it was.

    Example:
        >>> with replacing("runs/digits/model.keras") as temporary:
        ...     model.save(temporary)
    """
    path = Path(path)
    with temporary_folder(path.parent) as folder:
        temporary = folder / path.name
        yield temporary
        move(temporary, path)


@contextlib.contextmanager
def temporary_folder(parent):
    """A new folder in `parent`, removed at the end.

    Its name is random: processes that have the same number, in containers
    that share a disk, have different folders.
    """
    with tempfile.TemporaryDirectory(
        prefix=TEMPORARY, dir=parent, ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


def move(new, path):
    """Renames a file or folder to `path`, in place of what is there.

    A file is replaced in one step. A folder that is replaced is away for a
    moment. `new` is in a `temporary_folder` on the same disk.
    """
    new, path = Path(new), Path(path)
    if path.is_dir() and not path.is_symlink():
        with temporary_folder(new.parent) as replaced:
            path.rename(replaced / path.name)
            new.rename(path)
    else:
        new.replace(path)


@contextlib.contextmanager
def exclusive(folder, *parts):
    """Locks a folder; removes the temporary files of killed processes in it.

    The lock is that of a file in the folder, so it stays with a folder that is
    renamed. The system takes it back when the process ends, however it ends.
    `parts` are folders in it that may have temporary files as well.

    Raises:
        UserError: If another process has it.
    """
    from filelock import FileLock, Timeout

    path = Path(folder, LOCK)
    path.touch()
    # A lock that is a file's mere existence would survive its process.
    lock = FileLock(path, blocking=False, fallback_to_soft=False)
    try:
        lock.acquire()
        for place in (folder, *parts):
            remove_temporaries(place)
    except Timeout:
        raise UserError(f"another process uses {folder}") from None
    except OSError:
        # A file system, of a network for instance, without locks. Temporary
        # files may be those of another process: they stay.
        if lock.is_locked:
            raise
    try:
        yield
    finally:
        if os.name == "nt":  # An open file can't be removed.
            lock.release()
            with contextlib.suppress(PermissionError):  # Another has it.
                path.unlink(missing_ok=True)
        else:
            # First the file: whoever opened it meanwhile finds it unlinked,
            # and tries again with a new one.
            path.unlink(missing_ok=True)
            lock.release()


def remove_temporaries(folder):
    """Removes what killed processes left in a folder that is locked.

    Nothing but a `temporary_folder` is removed, whatever else begins with a
    dot.
    """
    for path in Path(folder).glob(TEMPORARY + "?" * RANDOM):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)


@contextlib.contextmanager
def csv_writer(path, lineterminator="\r\n"):
    """A `csv.writer` whose file takes its place when it is whole."""
    # Names of files are bytes: not all of them are UTF-8.
    text = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
    with replacing(path) as temporary, temporary.open("w", **text) as file:
        yield csv.writer(file, lineterminator=lineterminator)


def write_bytes(path, contents):
    with replacing(path) as temporary:
        temporary.write_bytes(contents)


def write_text(path, text):
    write_bytes(path, text.encode())


def write_json(path, values):
    write_text(path, json.dumps(values, indent=2) + "\n")
