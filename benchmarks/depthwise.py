"""Ways to split a large depthwise convolution, one layer at a time.

python -m benchmarks.depthwise

One thread, milliseconds. `depthwise_parts` is what the inference model uses.
"""

from pathlib import Path

from benchmarks.measure import RESULTS
from keras_convmixer.utils.commands import (
    Parser,
    one_line_errors,
    positive_int,
    quiet_tensorflow,
)

MAPS = ((32, 512), (16, 1024))
KERNEL_SIZES = (7, 9)
DEPTHWISE_FORMATS = ("float32", "int8")


def parse_arguments(arguments=None):
    parser = Parser(
        prog="python -m benchmarks.depthwise",
        description="Times the splits of one depthwise convolution.",
    )
    add = parser.add_argument
    add("--rounds", type=positive_int, default=20, help="turns of each")
    add("--output", type=Path, default=RESULTS / "depthwise.csv")
    return parser.parse_args(arguments)


def main(arguments=None):
    args = parse_arguments(arguments)
    with one_line_errors():
        quiet_tensorflow()
        from benchmarks.measure import write_csv
        from keras_convmixer.utils.tables import markdown_table

        rows = [
            row
            for side, channels in MAPS
            for kernel_size in KERNEL_SIZES
            for format in DEPTHWISE_FORMATS
            for row in benchmark(
                side, channels, kernel_size, format, args.rounds
            )
        ]
        print(markdown_table(rows))
        write_csv(args.output, rows)


def benchmark(side, channels, kernel_size, format, rounds):
    """The rows of one layer."""
    from benchmarks.measure import (
        interleaved,
        spread,
        tflite_run,
        times_as_fast,
    )

    runs = {
        name: tflite_run(
            convert_layer(side, channels, kernel_size, parts, format), 1
        )
        for name, parts in splits(kernel_size).items()
    }
    results = interleaved(runs, 1, rounds)
    return [
        {
            "map": f"{side}x{side}x{channels}",
            "kernel": f"{kernel_size}x{kernel_size}",
            "format": format,
            "split": name,
            "parts": len(splits(kernel_size)[name]),
            **spread(turns),
            "times_as_fast_as_is": times_as_fast(turns, results["as is"]),
        }
        for name, turns in results.items()
    ]


def splits(kernel_size):
    """Covers of an odd kernel, each tap once, by name."""
    from keras_convmixer.inference.depthwise_parts import Part, depthwise_parts

    every = range(kernel_size)
    centre = kernel_size // 2
    phases = (every[::2], every[1::2])
    return {
        "as is": [Part(every, every)],
        "rows": [Part(every[row : row + 1], every) for row in every],
        "row pairs": [
            *(
                Part(every[row :: 2 * (centre - row)][:2], every)
                for row in range(centre)
            ),
            Part(every[centre : centre + 1], every),
        ],
        "polyphase": [Part(a, b) for a in phases for b in phases],
        "depthwise_parts": depthwise_parts(kernel_size),
    }


def convert_layer(side, channels, kernel_size, parts, format):
    """A TFLite file of the sum of the parts."""
    import keras
    import numpy as np

    from benchmarks.stock import convert_stock
    from keras_convmixer.inference.layers import InferenceLayers
    from keras_convmixer.inference.reparameterize import Arrangement

    random = np.random.default_rng(0)
    kernel = random.normal(size=(kernel_size, kernel_size, channels, 1))
    bias = random.normal(size=channels)
    build = InferenceLayers("linear", Arrangement())
    image = keras.Input((side, side, channels), name="image")
    terms = [
        build.depthwise_part(
            image, part, kernel, None if index else bias, f"part_{index}"
        )
        for index, part in enumerate(parts)
    ]
    total = terms[0]
    for term in terms[1:]:
        total = keras.layers.Add()([total, term])
    images = random.normal(size=(4, side, side, channels))
    return convert_stock(keras.Model(image, total), format, images)


if __name__ == "__main__":
    main()
