"""Loads damaged checkpoints and images: each has to load or be refused.

python -m tests.fuzz --files 10000

Prints how many loaded, were refused with a ValueError, ended otherwise,
crashed or took more than 5 seconds, and the most memory that any took.
"""

import collections
import io
import multiprocessing
import signal
import sys
import tempfile
import warnings
import zipfile
from functools import cache
from pathlib import Path

import h5py
import numpy as np
from PIL import Image
from safetensors.numpy import save

from export.benchmark import peak_megabytes
from keras_convmixer.data.decode import read_image
from keras_convmixer.utils.commands import Parser, positive_int
from keras_convmixer.weights.keras_files import read_keras
from keras_convmixer.weights.safetensors_files import read_safetensors
from keras_convmixer.weights.timm_names import read_architecture

MAX_SECONDS = 5
MAX_MEGABYTES = 2000
IMAGES = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
CONFIG = (
    b'{"config": {"layers": [{"config": {"name": "stem_activation", '
    b'"activation": "gelu"}}]}}'
)


def weights_h5():
    file = io.BytesIO()
    with h5py.File(file, "w") as opened:
        for name, shape in (("stem_conv", (4, 4, 3, 8)), ("stem_norm", (8,))):
            group = opened.create_group(f"layers/{name}/vars")
            group.attrs["name"] = name
            group["0"] = np.ones(shape, "float32")
            group.create_dataset("1", data=np.ones(8, "float32"), chunks=(4,))
    return file.getvalue()


def keras_archive():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", CONFIG)
        archive.writestr("model.weights.h5", weights_h5())
    return file.getvalue()


def safetensors():
    return save(
        {
            "stem.0.weight": np.ones((8, 3, 4, 4), "float32"),
            "blocks.0.0.fn.0.weight": np.ones((8, 1, 3, 3), "float16"),
            "head.weight": np.ones((5, 8), "float32"),
        }
    )


def image(kind):
    file = io.BytesIO()
    levels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), "uint8")
    picture = Image.fromarray(levels)
    if kind in ("PNG", "TIFF"):
        picture = picture.convert("RGBA")
    picture.save(file, kind)
    return file.getvalue()


def read_timm(path):
    read_architecture(read_safetensors(path)[0], path)


def read_model(path):
    read_keras(path, "gelu")


@cache
def cases():
    """List of (loader, contents of a good file)."""
    return [
        *((read_image, image(kind)) for kind in IMAGES),
        (read_model, keras_archive()),
        (read_timm, safetensors()),
    ]


def damaged(contents, random):
    """The contents with bytes changed, cut out, repeated or put in."""
    data = bytearray(contents)
    # Headers are where files say how large they are.
    reach = len(data) if random.random() < 0.5 else min(len(data), 200)
    for _ in range(random.integers(1, 9)):
        at = int(random.integers(reach))
        end = at + int(random.integers(1, 9))
        match random.integers(6):
            case 0:
                data[at:end] = random.bytes(end - at)
            case 1:
                data[at:end] = bytes([random.choice([0, 127, 255])]) * 4
            case 2:
                del data[at:end]
            case 3:
                data[at:at] = data[at:end] * int(random.integers(1, 40))
            case 4:
                data[at] ^= 1 << int(random.integers(8))
            case 5:
                del data[int(random.integers(len(data) // 2, len(data))) :]
        if not data:
            return b""
        reach = min(reach, len(data))
    return bytes(data)


def load_damaged(numbers, folder, outcomes):
    """Loads the files of some numbers; puts (number, outcome, memory)."""
    warnings.simplefilter("ignore")
    path = Path(folder, "file")
    for number in numbers:
        random = np.random.default_rng(number)
        load, contents = cases()[number % len(cases())]
        path.write_bytes(damaged(contents, random))
        signal.setitimer(signal.ITIMER_REAL, MAX_SECONDS)  # Ends the process.
        try:
            load(path)
            outcome = "loaded"
        except ValueError:
            outcome = "refused"
        except BaseException as error:
            outcome = f"{load.__name__}: {type(error).__name__}: {error}"
        signal.setitimer(signal.ITIMER_REAL, 0)
        outcomes.put((number, outcome, peak_megabytes()))
    outcomes.put(None)


def run(numbers):
    """Outcomes of the files of those numbers, and the most memory in MB.

    Each process goes on until a file ends it; the next takes up behind it.
    """
    spawn = multiprocessing.get_context("spawn")
    counts, most, left = collections.Counter(), 0, list(numbers)
    with tempfile.TemporaryDirectory() as folder:
        while left:
            outcomes = spawn.SimpleQueue()
            process = spawn.Process(
                target=load_damaged, args=(left, folder, outcomes)
            )
            process.start()
            while True:
                while outcomes.empty() and process.is_alive():
                    process.join(0.01)
                message = None if outcomes.empty() else outcomes.get()
                if message is None:
                    break
                number, outcome, peak = message
                left.remove(number)
                counts[outcome] += 1
                most = max(most, peak)
            process.join()
            if process.exitcode:
                number = left.pop(0)
                name = signal.Signals(-process.exitcode).name
                loader = cases()[number % len(cases())][0].__name__
                counts[f"{loader}: {name} at {number}"] += 1
    return counts, most


def main(arguments=None):
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=positive_int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="its number")
    args = parser.parse_args(arguments)
    counts, most = run(range(args.first, args.first + args.files))
    for outcome, count in counts.most_common():
        print(f"{count:>8,}  {outcome}")
    print(f"most memory: {most:,} MB")
    good = counts["loaded"] + counts["refused"]
    sys.exit(0 if good == args.files and most < MAX_MEGABYTES else 1)


if __name__ == "__main__":
    main()
