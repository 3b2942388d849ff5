"""Photos resized without antialiasing: the loss, and the gain of training so.

python -m benchmarks.resizing imagenette/

A small network is trained with the recipe for photos, without and with
`--aliased-resize`, each with several seeds. Then it classifies the centre
squares of the test photos, resized in three ways: as evaluation does it, as
MediaPipe does, and by nearest neighbour. The cost is the CPU time that the
input pipeline takes per image, with decoded images in memory and without.
Trainings that are in the CSV are not done again.
"""

import time
from pathlib import Path

import numpy as np

from benchmarks.measure import RESULTS, read_rows, rows_with, write_csv
from keras_convmixer.data.crop import center_crop
from keras_convmixer.data.decode import read_image
from keras_convmixer.data.reading import Reading
from keras_convmixer.utils.commands import (
    Parser,
    one_line_errors,
    positive_int,
    quiet_tensorflow,
)
from keras_convmixer.utils.tables import markdown_table

SHARES = (0.0, 0.5)  # Of the images, resized without antialiasing.


def parse_arguments(arguments=None):
    parser = Parser(
        prog="python -m benchmarks.resizing",
        description="Classifies photos that are resized in several ways.",
    )
    add = parser.add_argument
    add("folder", type=Path, help="with train/CLASS and test/CLASS")
    add("--model", default="64/4/k5/p4@32", help="network and image size")
    add("--seeds", type=positive_int, default=3, help="trainings of each")
    add("--epochs", type=positive_int, default=16)
    add("--output", type=Path, default=RESULTS / "resizing.csv")
    return parser.parse_args(arguments)


def main(arguments=None):
    args = parse_arguments(arguments)
    with one_line_errors():
        quiet_tensorflow()
        from keras_convmixer.training.options import plan_of

        rows, data, photos = read_rows(args.output), None, None
        for seed in range(args.seeds):
            for share in SHARES:
                plan = plan_of(
                    image_folder=str(args.folder),
                    recipe="photographs",
                    model=args.model,
                    epochs=args.epochs,
                    aliased_resize=share,
                    seed=seed,
                )
                key = {
                    "network": args.model,
                    "epochs": args.epochs,
                    "aliased_resize": share,
                    "seed": seed,
                }
                if rows_with(rows, key):
                    continue
                if data is None:
                    data = plan.source.load(plan.recipe.image_size)
                    photos = center_squares(args.folder / "test", data.classes)
                found = measure(plan, data, *photos)
                rows += [key | row for row in found]
                write_csv(args.output, rows)
        print(markdown_table(rows))


def measure(plan, data, photos, labels):
    """Trains once; a row for each way to resize.

    Args:
        plan: The `Plan` of the training.
        data: Its `ImageData`.
        photos: List of uint8 `[side, side, 3]`, of the test photos.
        labels: Their classes, int `[N]`.
    """
    from keras_convmixer.training.train import prepare

    training, recipe = prepare(plan, lambda: data), plan.recipe
    start = time.process_time()
    training.model.fit(
        training.batches(),
        epochs=recipe.epochs,
        steps_per_epoch=training.steps,
        shuffle=False,
        verbose=2,
    )
    costs = {
        "training_cpu_seconds": round(time.process_time() - start),
        "pipeline_ms": pipeline_ms(data, recipe, cache=0),
        "pipeline_ms_cached": pipeline_ms(data, recipe, cache=2**30),
    }
    classes = {
        name: training.model.predict(
            np.stack([resize(photo, recipe.image_size) for photo in photos]),
            verbose=0,
        ).argmax(-1)
        for name, resize in RESIZES.items()
    }
    return [
        {
            "resize": name,
            "photos": len(labels),
            "top1": percent(chosen == labels),
            "other_class_percent": percent(chosen != classes["evaluation"]),
            **costs,
        }
        for name, chosen in classes.items()
    ]


def center_squares(folder, classes):
    """Centre squares of photos, in their own size, and their labels."""
    squares, labels = [], []
    for label, name in enumerate(classes):
        for path in sorted((folder / name).iterdir()):
            photo = read_image(path)
            squares.append(center_crop(photo, min(photo.shape[:2])))
            labels.append(label)
    return squares, np.array(labels)


def as_mediapipe(square, size):
    """The pixels that MediaPipe gives to a network, within one level.

    MediaPipe 1.2.3 for Python interpolates between the pixels beside row
    `i * scale`. This was seen with a network that returns its input.
    """
    import tensorflow as tf

    levels = tf.raw_ops.ResizeBilinear(
        images=square[None].astype("float32"), size=[size, size]
    )
    return np.rint(levels[0]).astype("uint8")


def nearest(square, size):
    import tensorflow as tf

    return tf.image.resize(square, [size, size], "nearest").numpy()


RESIZES = {
    "evaluation": center_crop,
    "MediaPipe": as_mediapipe,
    "nearest": nearest,
}


def pipeline_ms(data, recipe, cache):
    """Milliseconds of CPU time per training image."""
    from benchmarks.pipeline import images_a_second
    from keras_convmixer.data.augmentation import Augmentation

    data.reading = Reading(cache=cache)
    rate, busy = images_a_second(data, Augmentation(recipe))
    return round(1000 * busy / rate, 2)


def percent(chosen):
    return round(100 * float(np.mean(chosen)), 2)


if __name__ == "__main__":
    main()
