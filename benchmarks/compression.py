"""What zeros, or few values, in the pointwise kernels would save.

python -m benchmarks.compression runs/cifar10

Magnitude pruning and weight clustering of a trained network's float32 file, as
tensorflow-model-optimization does them but without training on, for their size
as it is downloaded (gzip) and their speed, which training would not change.
"""

import gzip
from pathlib import Path

from benchmarks.measure import RESULTS, write_csv
from keras_convmixer.utils.commands import (
    Parser,
    one_line_errors,
    quiet_tensorflow,
)

SHARES_OF_ZEROS = (0.5, 0.7, 0.9)
NUMBERS_OF_VALUES = (16, 64)
ROUNDS = 10


def main(arguments=None):
    parser = Parser(description="Pruned and clustered networks.")
    parser.add_argument("run", type=Path, help="the folder of a training")
    output = RESULTS / "compression.csv"
    parser.add_argument("--output", type=Path, default=output)
    args = parser.parse_args(arguments)
    with one_line_errors():
        quiet_tensorflow()
        from keras_convmixer.runs.run_folder import RunFolder
        from keras_convmixer.utils.tables import markdown_table

        rows = measure(RunFolder(args.run))
        print(markdown_table(rows))
        write_csv(args.output, rows)


def measure(run):
    """A row for each file."""
    import tensorflow as tf

    from benchmarks.accuracy import compared
    from benchmarks.measure import interleaved, spread, tflite_run
    from export.converter import device_model, run_converter
    from export.reference import Reference
    from export.tflite import convert
    from keras_convmixer.data.image_data import as_arrays
    from keras_convmixer.evaluation.runtime import TFLiteFile
    from keras_convmixer.inference import reparameterize

    model, _, data = run.read()
    reference = Reference.of_arrays(model, *as_arrays(data.held_out))
    sparse = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]

    def changed(change, **options):
        inference = reparameterize(model)
        for layer in inference.layers:
            if layer.name.endswith("_pointwise"):
                kernel, bias = layer.get_weights()
                layer.set_weights([change(kernel), bias])
        on_device = device_model(inference, "uint8", "probabilities")
        return run_converter(on_device, **options)

    files = {"float32": convert(model, "float32")}
    for share in SHARES_OF_ZEROS:
        pruned = prune(share)
        files[f"{share:.0%} zeros"] = changed(pruned)
        name = f"{share:.0%} zeros, sparse"
        files[name] = changed(pruned, optimizations=sparse)
    for number in NUMBERS_OF_VALUES:
        files[f"{number} values"] = changed(cluster(number))
    files |= {form: convert(model, form) for form in ("float16", "dynamic")}

    runs = {name: tflite_run(contents, 1) for name, contents in files.items()}
    times = interleaved(runs, 1, ROUNDS)
    rows = []
    for name, contents in files.items():
        result = compared(contents, "float32", TFLiteFile, reference)
        rows.append(
            {
                "file": name,
                "bytes": result.bytes,
                "gzip_bytes": len(gzip.compress(contents)),
                "top1": round(100 * result.top1, 2),
                "ms_1_thread": spread(times[name])["median_ms"],
            }
        )
    return rows


def prune(share):
    """A function that sets the smallest values of a kernel to zero."""
    import numpy as np

    def change(kernel):
        least = np.quantile(np.abs(kernel), share)
        return np.where(np.abs(kernel) < least, 0, kernel)

    return change


def cluster(number):
    """A function that leaves a kernel that many values, by k-means."""
    import numpy as np
    from sklearn.cluster import KMeans

    def change(kernel):
        # The quantiles to begin with, as k-means has many local minima.
        values = kernel.reshape(-1, 1)
        start = np.quantile(values, np.linspace(0, 1, number))[:, None]
        means = KMeans(number, init=start, n_init=1).fit(values)
        return means.cluster_centers_[means.labels_].reshape(kernel.shape)

    return change


if __name__ == "__main__":
    main()
