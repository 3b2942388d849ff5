"""Files that are whole or not there at all."""

import contextlib
import json
import os
import shutil
from pathlib import Path


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
        if path.is_dir():
            shutil.rmtree(path)
        temporary.replace(path)
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


def move_into(folder, source):
    """Moves all that `source` holds to `folder`, replacing what is there."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        with replacing(folder / path.name) as temporary:
            path.replace(temporary)


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
