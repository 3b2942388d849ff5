"""Networks by name, with random weights, as other libraries run them."""

import dataclasses

import numpy as np

from keras_convmixer.utils.checks import check_choice
from keras_convmixer.variants import parse_variant
from keras_convmixer.weights.shipped import (
    pretrained_file,
    trained_on_and_network,
)


def parse_network(text):
    """A `Variant` by its name or its numbers; without a size, at 224."""
    variant = parse_variant(text)
    return dataclasses.replace(variant, image_size=variant.image_size or 224)


def random_model(variant):
    """A trainable model whose weights and norm statistics are random."""
    import keras

    from keras_convmixer.convmixer import ConvMixer

    keras.utils.set_random_seed(0)
    side = variant.image_size
    model = ConvMixer(
        **variant.arguments,
        input_shape=(side, side, 3),
        classes=variant.classes,
    )
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights(
                [
                    np.random.uniform(0.5, 1.5, variant.dim),
                    np.random.normal(0.0, 0.2, variant.dim),
                    np.random.normal(0.2, 0.1, variant.dim),
                    np.random.uniform(0.2, 0.6, variant.dim),
                ]
            )
    return model


def random_images(variant, count):
    """Random pixels, uint8 `[count, size, size, 3]`."""
    shape = (count, variant.image_size, variant.image_size, 3)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def tensorflow_network(variant):
    """A function that runs the Keras model in TensorFlow's graph mode."""
    import tensorflow as tf

    model = random_model(variant)
    image = tf.constant(np.float32(random_images(variant, 1)))
    run = tf.function(lambda image: model(image, training=False))
    return lambda: run(image).numpy()


def pytorch_network(variant, threads):
    """A function that runs the same network in PyTorch, channels last."""
    import torch

    torch.set_num_threads(threads)
    model = pytorch_model(variant).eval()
    image = torch.rand(1, 3, variant.image_size, variant.image_size)
    image = image.to(memory_format=torch.channels_last)

    def run():
        with torch.inference_mode():
            return model(image)

    return run


def pytorch_model(variant):
    """The network in PyTorch, channels last, with random weights."""
    import torch
    from torch import nn

    class Residual(nn.Module):
        def __init__(self, *layers):
            super().__init__()
            self.layers = nn.Sequential(*layers)

        def forward(self, x):
            return x + self.layers(x)

    activations = {"gelu": nn.GELU, "relu": nn.ReLU}
    check_choice("activation for pytorch", variant.activation, activations)
    dim, side = variant.dim, variant.kernel_size

    def activation_norm():
        return activations[variant.activation](), nn.BatchNorm2d(dim)

    def block():
        depthwise = nn.Conv2d(dim, dim, side, padding="same", groups=dim)
        return (
            Residual(depthwise, *activation_norm()),
            nn.Conv2d(dim, dim, 1),
            *activation_norm(),
        )

    model = nn.Sequential(
        nn.Conv2d(3, dim, variant.patch_size, variant.patch_size),
        *activation_norm(),
        *(layer for _ in range(variant.depth) for layer in block()),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(dim, variant.classes),
    )
    return model.to(memory_format=torch.channels_last)


def matrix_product(variant):
    """A function that runs the pointwise convolutions' matrix products."""
    import tensorflow as tf

    dim = variant.dim
    features = tf.random.normal((positions(variant), dim))
    kernels = [
        tf.random.normal((dim, dim), stddev=dim**-0.5)
        for _ in range(variant.depth)
    ]

    @tf.function
    def products(x):
        for kernel in kernels:
            x = x @ kernel
        return x

    return lambda: products(features).numpy()


def pointwise_multiply_adds(variant):
    """How many multiply-adds `matrix_product` is."""
    return variant.depth * positions(variant) * variant.dim**2


def positions(variant):
    return (variant.image_size // variant.patch_size) ** 2


def shipped_network(path, data_dir):
    """A network that ships, as a model, and the `ImageData` it is for.

    Args:
        path: One of `shipped_files()`.
        data_dir: Where tensorflow-datasets keeps its data set.
    """
    from keras_convmixer.convmixer import ConvMixer
    from keras_convmixer.data.source import Source

    name, network = trained_on_and_network(path)
    source = Source(name, data_dir=data_dir)
    data = source.load(source.native_size())
    model = ConvMixer(
        **parse_variant(network).arguments,
        weights=name,
        input_shape=(data.image_size, data.image_size, 3),
        classes=len(data.classes),
    )
    return model, data


def shipped_cifar10(data_dir):
    """The small CIFAR-10 network that ships, and its `ImageData`."""
    from keras_convmixer.training.recipes import RECIPES

    network = RECIPES["cifar10_cpu"].network
    return shipped_network(pretrained_file("cifar10", network), data_dir)
