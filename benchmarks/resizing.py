"""Photos resized without antialiasing: the loss, and the gain of training so.

python -m benchmarks.resizing imagenette/

A small network is trained with the recipe for photos, without and with
`--aliased-resize`, each with several seeds. Then it classifies the centre
squares of the test photos, resized in three ways: as evaluation does it, as
MediaPipe does, and by nearest neighbour. The cost is the CPU time that the
input pipeline takes per image, with decoded images in memory and without.
Trainings that are in the CSV are not done again.
"""

import statistics
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
CACHE = 2**30  # Bytes of decoded images.
ROUNDS = 2  # Of timing the input pipeline.


def parse_arguments(arguments=None):
    parser = Parser(
        prog="python -m benchmarks.resizing",
        description="Classifies photos that are resized in several ways.",
    )
    add = parser.add_argument
    add("folder", type=Path, help="with train/CLASS and test/CLASS")
    add("--model", default="64/4/k5/p4@32", help="network and image size")
    add("--seeds", type=positive_int, default=2, help="trainings of each")
    add("--epochs", type=positive_int, default=16)
    add("--output", type=Path, default=RESULTS / "resizing.csv")
    return parser.parse_args(arguments)


def main(arguments=None):
    args = parse_arguments(arguments)
    with one_line_errors():
        quiet_tensorflow()
        from keras_convmixer.training.options import plan_of

        def plan_with(share, seed):
            return plan_of(
                image_folder=str(args.folder),
                recipe="photographs",
                model=args.model,
                epochs=args.epochs,
                aliased_resize=share,
                seed=seed,
            )

        plans = {share: plan_with(share, 0) for share in SHARES}
        data = plans[0.0].source.load(plans[0.0].recipe.image_size)
        photos, labels = center_squares(args.folder / "test", data.classes)
        rows = read_rows(args.output)
        for seed in range(args.seeds):
            for share in SHARES:
                key = {
                    "network": args.model,
                    "epochs": args.epochs,
                    "aliased_resize": share,
                    "seed": seed,
                }
                if not rows_with(rows, key):
                    plan = plan_with(share, seed)
                    found = measure(plan, data, photos, labels)
                    rows += [key | row for row in found]
                    write_csv(args.output, rows)
        print(markdown_table(read_rows(args.output)))
        costs = pipeline_costs(plans, data)
        print(markdown_table(costs))
        write_csv(args.output.with_stem(f"{args.output.stem}_cost"), costs)


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
    seconds = round(time.process_time() - start)
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
            "training_cpu_seconds": seconds,
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


def pipeline_costs(plans, data):
    """A row for each share, with decoded images in memory and without.

    Args:
        plans: A `Plan` for each share, a dict.
        data: Their `ImageData`.
    """
    from benchmarks.pipeline import images_a_second
    from keras_convmixer.data.augmentation import Augmentation

    augmentations = {
        share: Augmentation(plan.recipe) for share, plan in plans.items()
    }
    times = {}
    for _ in range(ROUNDS):  # In turns: all see the machine's other load.
        for share, augmentation in augmentations.items():
            for cache in (0, CACHE):
                data.reading = Reading(cache=cache)
                rate, busy = images_a_second(data, augmentation)
                times.setdefault((share, cache), []).append(1000 * busy / rate)
    return [
        {
            "aliased_resize": share,
            "cpu_ms": round(statistics.median(times[share, 0]), 2),
            "cpu_ms_cached": round(statistics.median(times[share, CACHE]), 2),
            "decoded_mb": data.train_pictures.decoded_bytes(
                augmentation.least_side
            )
            // 10**6,
        }
        for share, augmentation in augmentations.items()
    ]


def percent(chosen):
    return round(100 * float(np.mean(chosen)), 2)


if __name__ == "__main__":
    main()
