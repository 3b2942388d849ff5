"""How many images a second the input pipeline of a recipe gives.

python -m benchmarks.pipeline digits cifar10_cpu cifar10 imagenet2012
python -m benchmarks.pipeline imagenet2012 --image-folder photos/

Measured are reading, decoding, augmentation, batching and mixing, on all cores.
Without a folder the pictures are random PNG files in memory. "none" is the same
without augmentation. How many images a training step takes is in
`benchmarks.training`.
"""

import time
from pathlib import Path

from benchmarks.measure import RESULTS, write_csv
from keras_convmixer.utils.commands import (
    Parser,
    one_line_errors,
    quiet_tensorflow,
)

BATCH_SIZE = 128
CLASSES = 10
MEASURED_SECONDS = 10


def main(arguments=None):
    parser = Parser(description="Times the input pipelines of recipes.")
    parser.add_argument("recipes", nargs="+", metavar="RECIPE")
    parser.add_argument("--image-folder", help="its pictures, from the disk")
    parser.add_argument("--output", type=Path, default=RESULTS / "pipeline.csv")
    args = parser.parse_args(arguments)
    with one_line_errors():
        quiet_tensorflow()
        from keras_convmixer.training.recipes import RECIPES
        from keras_convmixer.utils.checks import check_choice
        from keras_convmixer.utils.tables import markdown_table

        for name in args.recipes:
            check_choice("recipe", name, RECIPES)
        rows = []
        for name in args.recipes:
            rows += measure(name, RECIPES[name], args.image_folder)
        print(markdown_table(rows))
        write_csv(args.output, rows)


def measure(name, recipe, folder=None):
    """The rows of one recipe."""
    from keras_convmixer.data import Source
    from keras_convmixer.data.augmentation import Augmentation

    size = recipe.image_size
    if folder:
        data = Source(image_folder=folder).load(size)
    else:
        data = random_data(size)
    plain = recipe.replace(
        flip=False, shift=0, rand_augment=0, erasing=0, mixup=0, cutmix=0
    ).replace(crop=1)
    rows = []
    for label, augmentation in (("none", plain), (name, recipe)):
        rate = images_a_second(data, Augmentation(augmentation))
        print(f"{label} {size} px: {rate} images/s", flush=True)
        rows.append(
            {
                "recipe": name,
                "pictures": data.name,
                "image_size": size,
                "augmentation": label,
                "images_a_second": rate,
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
        decode=lambda row, contents: tf.io.decode_png(contents, 3),
        buffer=count,
    )
    classes = [str(label) for label in range(CLASSES)]
    return ImageData("random", classes, side, pictures, pictures, "none")


def images_a_second(data, augmentation):
    """Over ten seconds, once the buffers have been filled and emptied."""
    from keras_convmixer.data.batches import steps_in_epoch, training_batches

    steps = steps_in_epoch(data, BATCH_SIZE)
    batches = training_batches(data, BATCH_SIZE, steps, 0, augmentation)
    iterator = iter(batches)
    for _ in range(2 * steps):
        next(iterator)
    count, start = 0, time.perf_counter()
    while time.perf_counter() < start + MEASURED_SECONDS:
        next(iterator)
        count += BATCH_SIZE
    return round(count / (time.perf_counter() - start))


if __name__ == "__main__":
    main()
