"""What a training prints before its long part begins."""

import os

from keras_convmixer.training.gpus import precision_of

LISTED_CLASSES = 20  # Of more, the least, the median and the most are named.
IMBALANCE = 10  # Times as many images as the smallest class.


def print_summary(training, run):
    """What follows from the arguments; a dry run has no run folder."""
    plan, data = training.plan, training.data
    recipe = plan.recipe
    images = f"{data.num_train:,} training, {data.num_held_out:,} held out"
    if data.num_test:
        images += f", {data.num_test:,} test"
    # To count those of tensorflow-datasets is to read all of them.
    counted = data.index is not None or plan.class_weights
    size = recipe.image_size
    devices = training.devices
    for name, value in {
        "devices": device_names(devices),
        "XLA": xla_words(plan, devices),
        "precision": precision_words(plan, devices),
        "data": f"{data.name}, {len(data.classes)} classes, {images}",
        "of a class": class_counts(data) if counted else None,
        "network": f"{recipe.dim}/{recipe.depth}, kernel {recipe.kernel_size}"
        f", patch {recipe.patch_size}, {size} x {size} pixels, "
        f"{training.model.count_params():,} parameters",
        "replicas": devices.replicas,
        "global batch": recipe.batch_size,
        "steps an epoch": training.steps,
        "epochs": recipe.epochs,
        "run folder": run and os.fspath(run),
    }.items():
        if value is not None:
            print(f"{name:>14}  {value}")
    if counted and not plan.class_weights:
        warn_of_imbalance(data)


def device_names(devices):
    """The devices of this machine; GPUs with their name and memory."""
    if not devices.gpus:
        return ", ".join(devices.names)
    return "; ".join(
        f"{name} ({gpu})"
        for name, gpu in zip(devices.names, devices.gpus, strict=True)
    )


def xla_words(plan, devices):
    """Whether XLA compiles the training step, and why."""
    if plan.xla != "auto":
        return f"{plan.xla}, as chosen"
    return "on, on GPUs" if devices.gpus else "off, on CPUs"


def precision_words(plan, devices):
    """The numbers that the network computes with, and why."""
    precision, reason = precision_of(plan.mixed_precision, devices.gpus)
    words = f"{precision}, weights float32" if precision else "float32"
    return f"{words} ({reason})"


def class_counts(data):
    """How many training images the classes have, in words."""
    by_count = sorted(zip(data.train_counts, data.classes, strict=True))
    words = [f"{name} {count:,}" for count, name in by_count]
    if len(words) <= LISTED_CLASSES:
        return ", ".join(words)
    median = words[len(words) // 2]
    return f"least {words[0]}, median {median}, most {words[-1]}"


def warn_of_imbalance(data):
    """Prints a line where a class has many times the images of another."""
    least, most = data.train_counts.argmin(), data.train_counts.argmax()
    if data.train_counts[most] >= IMBALANCE * data.train_counts[least]:
        print(
            f"warning: {data.classes[most]} has "
            f"{data.train_counts[most]:,} training images and "
            f"{data.classes[least]} {data.train_counts[least]:,}; "
            "class_weights='balanced' lets them count the same"
        )
