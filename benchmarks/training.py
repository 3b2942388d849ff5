"""How fast a training step is on the CPU: stock Keras, ours, and PyTorch.

python -m benchmarks.training 256/8/k5/p2@32 128/8/k7/p2@32

A step is AdamW's on one batch that is in memory, with all cores; with
`--threads 1` processor time is counted, which others on the machine change
less. Each implementation has a process of its own; they take turns. Stock
Keras is the model that `ConvMixer` builds, as the keras.io example trains it;
ours is what `train.py` trains in its place, on one replica, once more with
`--mixed-precision bfloat16`, and with `--replicas` on several that share the
batch; PyTorch's is channels last, and left out where it is not installed.
"""

import importlib.util
import os
from functools import partial
from pathlib import Path

from benchmarks.measure import (
    RESULTS,
    interleaved_processes,
    measure_networks,
)
from keras_convmixer.utils.commands import (
    Parser,
    one_line_errors,
    positive_int,
    quiet_tensorflow,
)


def main(arguments=None):
    parser = Parser(description="Times training steps.")
    parser.add_argument("networks", nargs="+", metavar="NETWORK")
    parser.add_argument("--batch-size", type=positive_int, default=64)
    parser.add_argument("--replicas", type=positive_int, default=1)
    parser.add_argument("--threads", type=positive_int, default=os.cpu_count())
    parser.add_argument("--rounds", type=positive_int, default=5)
    parser.add_argument("--output", type=Path, default=RESULTS / "training.csv")
    args = parser.parse_args(arguments)
    if args.batch_size % args.replicas:
        parser.error(
            f"--batch-size must divide by --replicas, {args.replicas}. "
            f"Received: {args.batch_size}"
        )
    with one_line_errors():
        quiet_tensorflow()
        measure_networks(
            args.networks, partial(benchmark, args=args), args.output
        )


def benchmark(variant, args):
    """The rows of one network."""
    from benchmarks.measure import spread, times_as_fast

    batch_size, threads = args.batch_size, args.threads
    sixteen = "mixed_bfloat16"
    ours = [("ours", 1, "float32"), ("ours, bfloat16", 1, sixteen)]
    if args.replicas > 1:
        name = f"ours, {args.replicas} replicas"
        ours.append((name, args.replicas, "float32"))
    builders = [
        (keras_step, (name, variant, batch_size, replicas, policy, threads))
        for name, replicas, policy in [("stock", None, "float32"), *ours]
    ]
    if importlib.util.find_spec("torch"):
        builders.append((pytorch_step, (variant, batch_size, threads)))
    times = interleaved_processes(builders, threads, args.rounds)
    return [
        {
            "implementation": name,
            "batch_size": batch_size,
            "threads": threads,
            **spread(turns),
            "images_a_second": round(
                1000 * batch_size / spread(turns)["median_ms"]
            ),
            "times_as_fast_as_stock": times_as_fast(turns, times["stock"]),
            "times_as_fast_as_pytorch": times_as_fast(
                turns, times.get("pytorch")
            ),
        }
        for name, turns in times.items()
    ]


def keras_step(name, variant, batch_size, replicas, policy, threads):
    """A function that does one step, by its name.

    Args:
        name: Of the implementation.
        variant: A `Variant`.
        batch_size: Images a step.
        replicas: Number of ours; None for stock Keras.
        policy: Keras' dtype policy.
        threads: As many at most compute.
    """
    quiet_tensorflow()
    import keras
    import tensorflow as tf

    from benchmarks.fit import step_on_random_images
    from benchmarks.networks import random_model
    from keras_convmixer.training.compile import compile_for_training
    from keras_convmixer.training.devices import Devices, distribute
    from keras_convmixer.training.recipes import CIFAR10

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    keras.config.set_dtype_policy(policy)
    devices = distribute(replicas, batch_size) if replicas else Devices([])
    with devices.scope():
        model = devices.prepare(random_model(variant))
        jit_compile = devices.jit_compile if replicas else "auto"
        compile_for_training(model, CIFAR10, 10**6, jit_compile)
    # What is not a data set goes to each replica as it is.
    step = step_on_random_images(model, batch_size // devices.replicas)
    return {name: step}


def pytorch_step(variant, batch_size, threads):
    """The same of PyTorch."""
    import torch

    from benchmarks.networks import pytorch_model

    torch.set_num_threads(threads)
    model = pytorch_model(variant).train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    side = variant.image_size
    images = torch.rand(batch_size, 3, side, side)
    images = images.to(memory_format=torch.channels_last)
    labels = torch.arange(batch_size) % variant.classes

    def step():
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return {"pytorch": step}


if __name__ == "__main__":
    main()
