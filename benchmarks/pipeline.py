"""How many images a second the input pipeline of a recipe gives.

python -m benchmarks.pipeline digits cifar10_cpu cifar10 --cores 1 2
python -m benchmarks.pipeline photographs imagenet2012 --cores 1 2 \
    --image-folder photos/ --timm ENVIRONMENT/bin/python
python -m benchmarks.pipeline cifar10 --dataset cifar10 --data-dir tfds/

Measures reading, decoding, augmentation, batching and mixing. Each number of
cores has a separate process, with the settings of a training on a GPU. Without
a folder or a data set the images are random PNG files in memory. "none" is the
same without augmentation; "timm" is timm's loader on the same folder, with the
arguments of ConvMixer's authors, which `imagenet2012` has too. A rate per
second of a core's time depends less on other load than one per second. Rows of
other recipes and images stay in the CSV. How many images a training step takes
is in `benchmarks.training`.
"""

import contextlib
import os
import subprocess
import time
from pathlib import Path

from benchmarks.augmentation import LOADER
from benchmarks.measure import RESULTS, read_rows, write_csv
from keras_convmixer.data.reading import AUTO, Reading, parse_cache
from keras_convmixer.data.source import Source
from keras_convmixer.data.throughput import (
    keep_freed_memory,
    one_thread_per_operator,
)
from keras_convmixer.training.recipes import RECIPES
from keras_convmixer.utils.checks import UserError, check_choice
from keras_convmixer.utils.commands import (
    Parser,
    new_process,
    one_line_errors,
    positive_int,
    quiet_tensorflow,
)
from keras_convmixer.utils.processors import num_cpus
from keras_convmixer.utils.tables import markdown_table

TIMMS = "imagenet2012"  # The recipe that is the same in timm.
BATCH_SIZE = 128
CLASSES = 10
MEASURED_SECONDS = 10
BUSY = 0.85  # Share of the cores' time from which on the cores are the limit.


def main(arguments=None):
    parser = Parser(description="Times the input pipelines of recipes.")
    parser.add_argument("recipes", nargs="+", metavar="RECIPE")
    parser.add_argument("--image-folder", help="its images, from the disk")
    parser.add_argument("--dataset", help="of tensorflow-datasets")
    parser.add_argument("--data-dir", help="where its files are")
    parser.add_argument(
        "--cores",
        type=positive_int,
        nargs="+",
        default=[num_cpus()],
        help="numbers of cores (default: all)",
    )
    parser.add_argument("--timm", help="a Python that has timm")
    parser.add_argument("--cache", default=AUTO, help="auto, off or bytes")
    parser.add_argument("--output", type=Path, default=RESULTS / "pipeline.csv")
    args = parser.parse_args(arguments)
    with one_line_errors():
        for name in args.recipes:
            check_choice("recipe", name, RECIPES)
        if args.timm and not (args.image_folder and TIMMS in args.recipes):
            raise UserError(
                f"--timm needs --image-folder and the recipe {TIMMS}. "
                f"Received: {' '.join(args.recipes)}"
            )
        source = None
        if args.image_folder or args.dataset:
            source = Source(
                image_folder=args.image_folder,
                dataset=args.dataset,
                data_dir=args.data_dir,
            )
        cache = parse_cache(args.cache)
        rows = []
        for name in args.recipes:
            for cores in args.cores:
                with limited_to(cores):
                    with new_process(quiet_tensorflow) as process:
                        rows += process.submit(
                            measure, name, source, cores, cache
                        ).result()
                    if args.timm and name == TIMMS:
                        rate = timms_rate(args, rows[-1]["image_size"])
                        rows.append(
                            rows[-1]
                            | {
                                "augmentation": "timm",
                                "images_a_second": rate,
                                "images_a_core_second": None,
                                "limit": None,
                            }
                        )
        print(markdown_table(rows))
        measured = {(row["recipe"], row["pictures"]) for row in rows}
        others = [
            row
            for row in read_rows(args.output)
            if (row["recipe"], row["pictures"]) not in measured
        ]
        write_csv(args.output, others + rows)


@contextlib.contextmanager
def limited_to(cores):
    """Lets new processes use the first cores of this process only."""
    usable = sorted(os.sched_getaffinity(0))
    if cores > len(usable):
        raise UserError(
            f"cores must be at most {len(usable)}, which this process may "
            f"use. Received: {cores}"
        )
    os.sched_setaffinity(0, usable[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, usable)


def timms_rate(args, size):
    """Images a second of timm's loader."""
    command = [args.timm, LOADER, args.image_folder, "--size", str(size)]
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True
    )
    print(done.stdout, end="")
    return int(done.stdout.split()[-2])


def measure(name, source, cores, cache):
    """The rows of one recipe, on as many cores as this process may use."""
    from keras_convmixer.data.augmentation import Augmentation

    # As in a training on a GPU.
    keep_freed_memory()
    one_thread_per_operator()
    recipe = RECIPES[name]
    size = recipe.image_size
    data = source.load(size) if source else random_data(size)
    data.reading = Reading(cores, cache)
    plain = recipe.replace(
        flip=False, shift=0, rand_augment=0, erasing=0, mixup=0, cutmix=0
    ).replace(crop=1)
    rows = []
    for label, augmentation in (("none", plain), (name, recipe)):
        rate, busy = images_a_second(data, Augmentation(augmentation))
        print(f"{label} {size} px, {cores} cores: {rate:.0f} images/s")
        rows.append(
            {
                "recipe": name,
                "pictures": data.name,
                "image_size": size,
                "augmentation": label,
                "cores": cores,
                "images_a_second": round(rate),
                "images_a_core_second": round(rate / busy),
                "limit": "cores" if busy > BUSY * cores else "waiting",
            }
        )
    return rows


def random_data(side):
    """An `ImageData` of four batches, to be shuffled."""
    import numpy as np
    import tensorflow as tf

    from keras_convmixer.data.image_data import ImageData
    from keras_convmixer.data.pictures import Pictures

    count = 4 * BATCH_SIZE
    random = np.random.default_rng(0)
    files = [
        tf.io.encode_png(random.integers(0, 256, (side, side, 3), np.uint8))
        for _ in range(count)
    ]
    labels = random.integers(0, CLASSES, count)
    pictures = Pictures(
        rows=tf.data.Dataset.from_tensor_slices((tf.stack(files), labels)),
        read=lambda contents: (contents, tf.constant(1)),
        buffer=count,
        side=side,
    )
    classes = [str(label) for label in range(CLASSES)]
    return ImageData("random", classes, side, pictures, pictures, "none")


def images_a_second(data, augmentation):
    """Over ten seconds, once the buffers have been filled and emptied.

    Returns:
        `(rate, busy)`: images a second, and seconds of the cores' time that
        a second took.
    """
    from keras_convmixer.data.batches import steps_in_epoch, training_batches

    steps = steps_in_epoch(data, BATCH_SIZE)
    batches = training_batches(data, BATCH_SIZE, steps, 0, augmentation)
    iterator = iter(batches)
    for _ in range(2 * steps):
        next(iterator)
    count, start, used = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() < start + MEASURED_SECONDS:
        next(iterator)
        count += BATCH_SIZE
    seconds = time.perf_counter() - start
    return count / seconds, (time.process_time() - used) / seconds


if __name__ == "__main__":
    main()
