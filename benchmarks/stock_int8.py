"""Why the stock converter's int8 files fail: channels smaller than a step.

python -m benchmarks.stock_int8 --data-dir tfds/

All channels of a map share the step of its largest value. A channel that never
leaves half a step from 0 is 0 in integers, and the norm behind it, which knows
how little it varies, multiplies its error by up to some hundreds. Such channels
are made constant here, which leaves the Keras model about as right as before;
what the stock file gains is what they had cost.
"""

from pathlib import Path

from benchmarks.measure import RESULTS, write_csv
from keras_convmixer.utils.commands import (
    Parser,
    one_line_errors,
    positive_int,
    quiet_tensorflow,
)
from keras_convmixer.weights.shipped import (
    shipped_files,
    trained_on_and_network,
)


def parse_arguments(arguments=None):
    parser = Parser(
        prog="python -m benchmarks.stock_int8",
        description="What small channels cost the stock converter's int8.",
    )
    add = parser.add_argument
    add("--data-dir", help="where tensorflow-datasets keeps the data sets")
    add("--images", type=positive_int, help="at most, of those held out")
    add("--output", type=Path, default=RESULTS / "stock_int8.csv")
    return parser.parse_args(arguments)


def main(arguments=None):
    args = parse_arguments(arguments)
    with one_line_errors():
        quiet_tensorflow()
        from keras_convmixer.utils.tables import markdown_table

        rows = [measure(path, args) for path in shipped_files()]
        print(markdown_table(rows))
        write_csv(args.output, rows)


def measure(weights, args):
    """The row of a set of weights.

    Args:
        weights: One of `shipped_files()`.
        args: The command's arguments.
    """
    from benchmarks.accuracy import compared, stock_run
    from benchmarks.networks import shipped_network
    from benchmarks.stock import convert_stock
    from export import REPRESENTATIVE_IMAGES
    from export.reference import Reference
    from keras_convmixer.data.image_data import as_arrays, sample

    model, data = shipped_network(weights, args.data_dir)
    representative = sample(data.train, REPRESENTATIVE_IMAGES)
    reference = Reference.of_arrays(
        model, *as_arrays(data.held_out, args.images or -1)
    )

    def keras_and_stock(outputs):
        file = convert_stock(model, "int8", representative)
        stock = compared(file, "int8", stock_run, reference)
        both = (reference.top1(outputs), stock.top1)
        return [round(100 * top1, 2) for top1 in both]

    keras_top1, stock_top1 = keras_and_stock(reference.outputs)
    channels, small = make_small_channels_constant(model, representative)
    keras_without, stock_without = keras_and_stock(reference.outputs_of(model))
    return {
        "network": trained_on_and_network(weights)[1],
        "images": len(reference),
        "channels": channels,
        "small_channels": small,
        "keras_top1": keras_top1,
        "keras_top1_without": keras_without,
        "stock_top1": stock_top1,
        "stock_top1_without": stock_without,
    }


def make_small_channels_constant(model, images):
    """Makes the norms give each small channel's mean, whatever comes in.

    Args:
        model: Of `ConvMixer`; its norms are changed.
        images: The representative ones, `[N, H, W, channels]`.

    Returns:
        `(channels, small)`: how many the norms have, and how many were small
        in the unchanged model.
    """
    import keras
    import numpy as np

    norms = [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    count = 0
    for norm in reversed(norms):  # What is changed lies behind what is read.
        values = keras.Model(model.input, norm.input).predict(images, verbose=0)
        step = (values.max() - values.min()) / 255
        small = np.abs(values).max((0, 1, 2)) < step / 2
        mean = values.mean((0, 1, 2), dtype=np.float64)
        gamma, beta, moving_mean, moving_variance = norm.get_weights()
        scale = gamma / np.sqrt(moving_variance + norm.epsilon)
        beta = np.where(small, beta + scale * (mean - moving_mean), beta)
        gamma = np.where(small, 0, gamma)
        norm.set_weights([gamma, beta, moving_mean, moving_variance])
        count += int(small.sum())
    return sum(norm.gamma.shape[0] for norm in norms), count


if __name__ == "__main__":
    main()
