"""ConvMixer and two networks of Keras: same images, same recipe, equal time.

python -m benchmarks.alternatives imagenette/ --minutes 20
python -m benchmarks.alternatives sign_language_digits/ --minutes 10

All networks start from random weights. Each gets as many epochs as fit into
`--minutes`, by the time of its training step on one thread: processor time,
taken in turns, so that other programs change the comparison little. ConvMixer
is trained and exported by this package; the others are trained as Keras builds
them and exported by Keras and TensorFlow. The test part is evaluated once, at
the end; held-out images choose between learning rates. In a folder without a
test part it is the photographs with the last fifth of the file names, since a
random choice would put photographs of one series into both parts.

A training that is in the CSV is not repeated; one that was stopped continues.
"""

import json
from functools import partial
from pathlib import Path

from benchmarks.emulated.core import count_instructions, install
from benchmarks.measure import (
    RESULTS,
    folder_name,
    interleaved,
    interleaved_processes,
    read_rows,
    rows_with,
    spread,
    tflite_run,
    write_csv,
)
from keras_convmixer.training.recipes import PHOTOGRAPHS
from keras_convmixer.utils.commands import (
    Parser,
    new_process,
    one_line_errors,
    positive_float,
    positive_int,
    quiet_tensorflow,
)
from keras_convmixer.utils.files import write_json
from keras_convmixer.utils.tables import markdown_table

OURS = "128/8/k7/p7"
NETWORKS = (OURS, "MobileNetV3Small", "EfficientNetV2B0")
FORMATS = ("float32", "int8")
STEP_ROUNDS = FILE_ROUNDS = 20


def parse_arguments(arguments=None):
    parser = Parser(
        prog="python -m benchmarks.alternatives",
        description="Trains ConvMixer and networks of Keras for equal time.",
    )
    add = parser.add_argument
    add("folder", type=Path, help="of images, as convmixer train has it")
    add(
        "--minutes",
        type=positive_float,
        required=True,
        help="of training steps on one thread, for each network",
    )
    add(
        "--networks",
        nargs="+",
        default=NETWORKS,
        metavar="NETWORK",
        help="of keras.applications, or DIM/DEPTH/kKERNEL/pPATCH "
        f"(default: {' '.join(NETWORKS)})",
    )
    add(
        "--learning-rates",
        nargs="+",
        type=positive_float,
        default=[PHOTOGRAPHS.learning_rate],
        metavar="RATE",
        help="peaks of the schedule; each network is trained with each "
        f"(default: the recipe's, {PHOTOGRAPHS.learning_rate})",
    )
    add("--size", type=positive_int, default=PHOTOGRAPHS.image_size)
    add("--batch-size", type=positive_int, default=PHOTOGRAPHS.batch_size)
    add(
        "--work",
        type=Path,
        default=Path("runs", "alternatives"),
        help="folder of checkpoints and exported files",
    )
    add(
        "--arm64",
        type=Path,
        metavar="FOLDER",
        help="also count instructions, as --folder of benchmarks.arm64",
    )
    add("--output", type=Path, default=RESULTS / "alternatives.csv")
    return parser.parse_args(arguments)


def main(arguments=None):
    args = parse_arguments(arguments)
    with one_line_errors():
        if args.arm64:
            install(args.arm64)  # Before any training, in case it fails.
        quiet_tensorflow()
        rows = read_rows(args.output)
        trainings = [
            {
                "data": args.folder.resolve().name,
                "network": network,
                "image_size": args.size,
                "minutes": args.minutes,
                "learning_rate": rate,
            }
            for rate in args.learning_rates
            for network in args.networks
        ]
        for training in trainings:
            if not rows_with(rows, training):
                rows.append(training | run_training(training, args))
                write_csv(args.output, rows)
        measure_files(rows, trainings, args, "ms", milliseconds_of)
        if args.arm64:
            count = partial(count_instructions, folder=args.arm64)
            measure_files(rows, trainings, args, "arm_instructions", count)
        print(markdown_table(read_rows(args.output)))


def run_training(training, args):
    """Trains, exports and evaluates in a separate process.

    Args:
        training: A network and how it is trained, a dict.
        args: The command's arguments.

    Returns:
        What was measured, a dict.
    """
    print(folder_name(training.values()), flush=True)
    recipe = PHOTOGRAPHS.replace(
        image_size=args.size,
        batch_size=args.batch_size,
        learning_rate=training["learning_rate"],
    )
    seconds = step_seconds(recipe, args)[training["network"]]
    with new_process(quiet_tensorflow) as process:
        return process.submit(
            trained,
            training["network"],
            recipe,
            args.folder.resolve(),
            args.minutes,
            seconds,
            args.work / folder_name(training.values()),
        ).result()


def trained(*arguments):
    from benchmarks.alternative_networks import train_and_export

    return train_and_export(*arguments)


def step_seconds(recipe, args):
    """Processor time of a training step of each network, on one thread.

    It is measured once: a training that continues has as many epochs as
    before.
    """
    setting = (*args.networks, recipe.image_size, recipe.batch_size)
    path = args.work / f"steps-{folder_name(setting)}.json"
    if not path.exists():
        builders = [(training_step, (name, recipe)) for name in args.networks]
        times = interleaved_processes(builders, threads=1, rounds=STEP_ROUNDS)
        args.work.mkdir(parents=True, exist_ok=True)
        # The fastest step is the one that other programs disturbed least.
        fastest = {name: min(map(min, turns)) for name, turns in times.items()}
        write_json(path, fastest)
    return json.loads(path.read_text())


def training_step(network, recipe):
    """A function that does one training step, by the network's name."""
    quiet_tensorflow()
    import tensorflow as tf

    from benchmarks.alternative_networks import compiled
    from benchmarks.fit import step_on_random_images
    from keras_convmixer.training.devices import distribute

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    devices = distribute(None, recipe.batch_size)
    model = compiled(
        network, recipe, classes=10, devices=devices, total_steps=10**6
    )
    return {network: step_on_random_images(model, recipe.batch_size)}


def measure_files(rows, trainings, args, unit, measure):
    """Measures the exported files of all rows at once, where one lacks it.

    Args:
        rows: Those of the CSV, which are changed and written.
        trainings: Those of this call.
        args: The command's arguments.
        unit: The columns are FORMAT_UNIT.
        measure: A function of the paths that returns a number for each.
    """
    measured = [rows_with(rows, training)[0] for training in trainings]
    columns = {format: f"{format}_{unit}" for format in FORMATS}
    if all(row[name] for row in measured for name in columns.values()):
        return
    cells = [(row, name) for row in measured for name in columns.values()]
    paths = [
        args.work / folder_name(training.values()) / f"{format}.tflite"
        for training in trainings
        for format in columns
    ]
    for (row, name), value in zip(cells, measure(paths), strict=True):
        row[name] = value
    write_csv(args.output, rows)


def milliseconds_of(paths):
    """Median milliseconds for one image with one thread, in turns."""
    runs = {path: tflite_run(path.read_bytes(), threads=1) for path in paths}
    times = interleaved(runs, threads=1, rounds=FILE_ROUNDS)
    return [spread(turns)["median_ms"] for turns in times.values()]


if __name__ == "__main__":
    main()
