"""Training steps on one batch in memory: Keras' and PyTorch's."""

import gc
import math
import time

MEASURED_SECONDS = 3
WARM_UP = 6
FEWEST, MOST = 10, 300  # Steps that are timed.
DEPTHWISE = [  # TensorFlow's operations.
    f"DepthwiseConv2dNative{part}"
    for part in ("", "BackpropInput", "BackpropFilter")
]
CUDNN = "cudnn_grouped_convolution"  # A label of its kernels.


def rates(seconds, first, steps, batch_size, peak, device):
    """What a row has of steps.

    Args:
        seconds: Of all steps together.
        first: Seconds of the first step of all, which compiles.
        steps: Their number.
        batch_size: Images of one.
        peak: Most bytes of the GPU in use, or None.
        device: What it is called.
    """
    return {
        "images_a_second": round(batch_size * steps / seconds),
        "step_ms": round(1000 * seconds / steps, 2),
        "first_step_s": round(first, 1),
        "peak_gib": None if peak is None else round(peak / 2**30, 2),
        "device": device,
    }


def steps_for(seconds):
    """How many steps to time, if one takes so long."""
    return min(MOST, max(FEWEST, math.ceil(MEASURED_SECONDS / seconds)))


def keras_step(network, batch_size, policy, xla, depthwise=None):
    """Steps of Keras on its backend, as a training does them.

    Args:
        network: A name that `parse_network` knows.
        batch_size: Images a step.
        policy: Keras' dtype policy.
        xla: As for `distribute`.
        depthwise: How depthwise convolutions are computed: "stock", as
            TensorFlow does by default; "float32", the same in float32 under
            every policy; "cudnn", by cuDNN for every kernel size and type;
            None, as in a training.
    """
    from keras_convmixer.utils.commands import quiet_tensorflow

    quiet_tensorflow()
    import keras
    import numpy as np
    import tensorflow as tf

    from benchmarks.networks import parse_network, random_images
    from keras_convmixer.convmixer import ConvMixer
    from keras_convmixer.training.compile import (
        compile_for_training,
        dtype_policy,
    )
    from keras_convmixer.training.depthwise import SwitchableDepthwiseConv2D
    from keras_convmixer.training.devices import distribute
    from keras_convmixer.training.recipes import CIFAR10

    keras.backend.clear_session()
    gc.collect()
    keras.utils.set_random_seed(0)
    variant = parse_network(network)
    devices = distribute(1, batch_size, xla=xla)
    side = variant.image_size
    with devices.scope(), dtype_policy(policy):
        model = ConvMixer(
            **variant.arguments,
            input_shape=(side, side, 3),
            classes=variant.classes,
            classifier_activation=None,
        )
        model = devices.prepare(model)
        compile_for_training(model, CIFAR10, 10**6, devices.jit_compile)
    if depthwise:
        for layer in model.layers:
            if isinstance(layer, SwitchableDepthwiseConv2D):
                layer.in_float32 = depthwise == "float32"
    if depthwise == "cudnn":
        use_cudnn(model)
    classes = np.arange(batch_size) % variant.classes
    labels = keras.utils.to_categorical(classes, variant.classes)
    batch = random_images(variant, batch_size), labels
    batches = tf.data.Dataset.from_tensors(batch).repeat().prefetch(2)

    def fit(steps, callback):
        model.fit(
            batches,
            steps_per_epoch=steps,
            shuffle=False,
            verbose=0,
            callbacks=[callback],
        )

    # The last of a few steps is as fast as those that are timed.
    times = [fit_seconds(fit, steps) for steps in (1, WARM_UP, WARM_UP)]
    count = steps_for(times[-1] / WARM_UP)
    memory = Memory(devices)
    seconds = fit_seconds(fit, count)
    return rates(
        seconds, times[0], count, batch_size, memory.peak(), name_of(devices)
    )


def use_cudnn(model):
    """Has cuDNN compute a model's depthwise convolutions, on GPUs only."""
    import tensorflow as tf

    labels = dict.fromkeys(DEPTHWISE, CUDNN)
    stock_step = model.train_step

    def train_step(data):
        # Private, and the only way to another kernel for an operation.
        graph = tf.compat.v1.get_default_graph()
        with graph._kernel_label_map(labels):
            return stock_step(data)

    model.train_step = train_step


def fit_seconds(fit, steps):
    """Seconds of so many steps of `fit`, after one that is not timed."""
    import keras

    class Timing(keras.callbacks.Callback):
        """It asks for nothing after a step, for which JAX would wait."""

        def on_train_batch_begin(self, batch, logs=None):
            if batch == min(1, steps - 1):
                wait()
                self.start = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            self.seconds = time.perf_counter() - self.start

    timing = Timing()
    fit(steps + (steps > 1), timing)
    return timing.seconds


def wait():
    """Until JAX has done what it was given; TensorFlow's `fit` waits anyway."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        jax.numpy.zeros(()).block_until_ready()


def name_of(devices):
    return devices.gpus[0].name if devices.gpus else "CPU"


class Memory:
    """The most of a GPU's memory that is in use, from now on.

    On JAX it is from the start of the process on, which knows no other.
    """

    def __init__(self, devices):
        import keras
        import tensorflow as tf

        self.gpu = bool(devices.gpus)
        self.is_tensorflow = keras.backend.backend() == "tensorflow"
        if self.gpu and self.is_tensorflow:
            tf.config.experimental.reset_memory_stats("GPU:0")

    def peak(self):
        if not self.gpu:
            return None
        if self.is_tensorflow:
            import tensorflow as tf

            return tf.config.experimental.get_memory_info("GPU:0")["peak"]
        import jax

        statistics = jax.local_devices()[0].memory_stats() or {}
        return statistics.get("peak_bytes_in_use")


def pytorch_step(network, batch_size, channels_last=True, compiled=False):
    """Steps of PyTorch, in bfloat16 where a GPU or CPU has it."""
    import torch

    from benchmarks.networks import parse_network, pytorch_model

    gpu = torch.cuda.is_available()
    if gpu:  # What the row before has left.
        gc.collect()
        torch.cuda.empty_cache()
    device = "cuda" if gpu else "cpu"
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    variant = parse_network(network)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = pytorch_model(variant).to(device, memory_format=layout).train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, fused=gpu)
    side = variant.image_size
    images = torch.rand(batch_size, 3, side, side, device=device)
    images = images.to(memory_format=layout)
    labels = torch.arange(batch_size, device=device) % variant.classes
    forward = torch.compile(model) if compiled else model

    def step():
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16):
            outputs = forward(images)
            loss = torch.nn.functional.cross_entropy(outputs, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    def seconds_of(steps):
        start = time.perf_counter()
        for _ in range(steps):
            step()
        if gpu:
            torch.cuda.synchronize()
        return time.perf_counter() - start

    first = seconds_of(1)
    seconds_of(WARM_UP)
    count = steps_for(seconds_of(WARM_UP) / WARM_UP)
    if gpu:
        torch.cuda.reset_peak_memory_stats()
    seconds = seconds_of(count)
    peak = torch.cuda.max_memory_allocated() if gpu else None
    name = torch.cuda.get_device_name() if gpu else "CPU"
    return rates(seconds, first, count, batch_size, peak, name)
