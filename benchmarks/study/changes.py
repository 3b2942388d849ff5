"""ConvMixers of which one thing is otherwise, for the study."""

import keras
from keras import layers

from benchmarks.study.questions import NETWORK_CHANGES
from keras_convmixer.convmixer import (
    ConvMixer,
    head,
    input_normalization,
    pytorch_initializers,
    stem,
)


def convmixer(variant, change):
    """A ConvMixer with one of the changes, or none ("").

    Args:
        variant: A `Variant` with the size of its images.
        change: One of `benchmarks.study.questions`. "frozen" is depthwise
            kernels that keep the values that they were drawn with.
    """
    size = variant.image_size
    if change in NETWORK_CHANGES:
        return changed_network(variant, change)
    model = ConvMixer(
        **variant.arguments,
        depthwise_initializer=(
            "covariance" if "covariance" in change else "uniform"
        ),
        input_shape=(size, size, 3),
        classes=variant.classes,
    )
    if "frozen" in change:
        for layer in model.layers:
            if isinstance(layer, layers.DepthwiseConv2D):
                layer.trainable = False
    return model


def changed_network(variant, change):
    """As the original, block by block, but for the change."""
    kernel_size, activation = variant.kernel_size, variant.activation

    def depthwise(x):
        return layers.DepthwiseConv2D(
            kernel_size,
            padding="same",
            **pytorch_initializers(kernel_size**2, "depthwise"),
        )(x)

    def pointwise(x):
        initializers = pytorch_initializers(variant.dim, "kernel")
        return layers.Conv2D(variant.dim, 1, **initializers)(x)

    def norm(x):
        if change == "LayerNorm":
            return layers.LayerNormalization(epsilon=1e-6)(x)
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)

    def mix(convolution, x):
        if change == "norm in front":
            return layers.Activation(activation)(convolution(norm(x)))
        return norm(layers.Activation(activation)(convolution(x)))

    image = keras.Input((variant.image_size, variant.image_size, 3))
    x = input_normalization(3)(image)
    x = stem(x, variant.dim, variant.patch_size, activation)
    for _ in range(variant.depth):
        if change == "no residual":
            x = mix(depthwise, x)
        elif change != "no depthwise":
            x = layers.Add()([x, mix(depthwise, x)])
        if change == "residual around both":
            x = layers.Add()([x, mix(pointwise, x)])
        else:
            x = mix(pointwise, x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, head(x, variant.classes, "softmax"))
