"""Trains and exports on as many pictures as ImageNet's validation has.

python -m benchmarks.rehearsal --folder rehearsal
python -m benchmarks.rehearsal --train 2000 --validation 5000 --classes 100

The pictures are generated (`benchmarks.stand_in`), once as tfds' imagenet2012
and once as a folder of JPEG files; the commands are those that a user calls.
Of each it says how long it took, starting included, for how long it had a
processor, the most memory that it held, and how many pictures a second it
decoded or ran a file on. That nothing
is learned from so few steps does not matter, so files need not agree.
"""

import contextlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import RESULTS, run_measured, write_csv
from benchmarks.stand_in import (
    StandIn,
    write_image_folder,
    write_pictures,
    write_tfds,
)
from export import VERIFICATION_IMAGES
from keras_convmixer.utils.commands import (
    Parser,
    new_process,
    one_line_errors,
    positive_int,
    quiet_tensorflow,
)
from keras_convmixer.utils.tables import markdown_table

FORMATS = ("float32", "dynamic", "int8")
EPOCHS = 2
# Loads an image folder, the second time with the index of the first.
INDEX = """
import sys
from pathlib import Path
from keras_convmixer.data.index import read_index, write_index
from keras_convmixer.data.source import Source

folder, path = sys.argv[1], Path(sys.argv[2])
index = read_index(path) if path.exists() else None
data = Source(image_folder=folder).load(224, index)
if index is None:
    write_index(path, data.index)
print(f"{data.num_train:,} training, {data.num_held_out:,} held out")
"""


def parse_arguments(arguments=None):
    parser = Parser(description="Rehearses a training of ImageNet's size.")
    add = parser.add_argument
    add("--folder", type=Path, help="for pictures and runs (default: none)")
    add("--train", type=positive_int, default=20_000, help="pictures")
    add("--validation", type=positive_int, default=50_000, help="pictures")
    add("--classes", type=positive_int, default=1000)
    add("--limit-steps", type=positive_int, default=50, help="an epoch")
    # Memory follows the batch: of 640 images a training step holds 6 GB.
    add("--batch-size", type=positive_int, default=128)
    add("--model", default="64/2/k3/p16", help="dim/depth/kernel/patch")
    add("--output", type=Path, default=RESULTS / "rehearsal.csv")
    args = parser.parse_args(arguments)
    if args.train < max(args.batch_size, args.classes):
        parser.error("--train must be at least --batch-size and --classes")
    if args.classes > 1000 or args.classes > args.validation:
        parser.error("--classes must be at most 1000 and --validation")
    return args


def main(arguments=None):
    args = parse_arguments(arguments)
    with one_line_errors(), contextlib.ExitStack() as stack:
        folder = args.folder or stack.enter_context(
            tempfile.TemporaryDirectory(prefix="rehearsal-")
        )
        rows = []
        for row in rehearse(Path(folder).resolve(), args):
            # After each: half an hour is long enough for something to fail.
            rows.append(row)
            write_csv(args.output, rows)
        print(markdown_table(rows))


def rehearse(folder, args):
    """Carries all stages out; yields the row of each."""
    stand_in = StandIn(args.train, args.validation, args.classes)
    tfds_folder, photos = folder / "tfds", folder / "photos"
    # What this process held, its children would seem to hold.
    with new_process() as maker:
        maker.submit(make, folder, stand_in).result()
    train = [
        *("train.py", "--model", args.model, "--epochs", EPOCHS),
        *("--limit-steps", args.limit_steps, "--batch-size", args.batch_size),
    ]
    steps = min(args.limit_steps, args.train // args.batch_size)
    # Held-out images: after each epoch, and at the end.
    trained = EPOCHS * steps * args.batch_size
    trained += (EPOCHS + 1) * args.validation
    # By Keras and by each file.
    proved = min(VERIFICATION_IMAGES, args.validation) * (1 + len(FORMATS))
    export = ["-m", "export", "--min-agreement", 0, "--formats", *FORMATS]
    index = ["-c", INDEX, photos, folder / "images.csv"]
    runs = {name: folder / "runs" / name for name in ("tfds", "folder")}
    shutil.rmtree(folder / "runs", ignore_errors=True)
    (folder / "images.csv").unlink(missing_ok=True)
    every = args.train + args.validation
    tfds = ["--dataset", "imagenet2012", "--data-dir", tfds_folder]
    files = ["--image-folder", photos, "--recipe", "imagenet2012"]
    stages = [
        Stage("tfds: train", [*train, *tfds, "--run", runs["tfds"]], trained),
        Stage("tfds: export", [*export, "--", runs["tfds"]], proved),
        Stage("folder: first index", index, every),
        Stage("folder: second index", index, every),
        Stage(
            "folder: train", [*train, *files, "--run", runs["folder"]], trained
        ),
        Stage("folder: export", [*export, "--", runs["folder"]], proved),
    ]
    for stage in stages:
        yield {
            "training": args.train,
            "held_out": args.validation,
            "classes": args.classes,
            **stage.run_training(),
        }


def make(folder, stand_in):
    """The pictures, if they are not all there yet."""
    numbers = (stand_in.train, stand_in.validation, stand_in.classes)
    done = folder / "_".join(map(str, ("made", *numbers)))
    if done.exists():
        return
    for name in ("tfds", "photos"):
        shutil.rmtree(folder / name, ignore_errors=True)
    quiet_tensorflow()
    paths = write_pictures(folder / "distinct")
    write_image_folder(folder / "photos", paths, stand_in)
    write_tfds(folder / "tfds", paths, stand_in)
    done.touch()


@dataclass(frozen=True)
class Stage:
    """A command of the rehearsal.

    Attributes:
        name: What it is.
        arguments: Those of Python.
        pictures: How many it looks at, each as often as it does.
    """

    name: str
    arguments: list
    pictures: int

    def run_training(self):
        """Its row: its time, its memory and its pictures a second."""
        print(f"\n{self.name}", flush=True)
        seconds, measured = run_measured(self.arguments)
        return {
            "stage": self.name,
            "pictures": self.pictures,
            "images_a_second": round(self.pictures / seconds),
            **measured,
        }


if __name__ == "__main__":
    main()
