"""Rivals of ConvMixer for small images, each as its paper has it.

They are built of stock Keras layers, begin with pixels as `ConvMixer` does,
and end with probabilities.
"""

import keras
from keras import layers, ops

from keras_convmixer.convmixer import input_normalization


def ResNet(blocks, width, image_size, classes):
    """The ResNet for CIFAR-10 (arXiv:1512.03385, section 4.2).

    Shortcuts have no parameters: every second pixel, and channels of zeros.

    Args:
        blocks: Residual blocks of each of the three stages, n.
        width: Channels of the first stage; the paper's is 16.
        image_size: Height and width in pixels.
        classes: Number of classes.
    """
    image = keras.Input((image_size, image_size, 3))
    x = convolution_norm(input_normalization(3)(image), width, strides=1)
    x = layers.Activation("relu")(x)
    for stage in range(3):
        for block in range(blocks):
            smaller = stage > 0 and block == 0
            shortcut, channels = x, width * 2**stage
            x = convolution_norm(x, channels, strides=2 if smaller else 1)
            x = layers.Activation("relu")(x)
            x = convolution_norm(x, channels, strides=1)
            if smaller:
                new = (0, channels - shortcut.shape[-1])
                shortcut = shortcut[:, ::2, ::2]
                shortcut = ops.pad(shortcut, [(0, 0), (0, 0), (0, 0), new])
            x = layers.Activation("relu")(layers.Add()([shortcut, x]))
    return classifier(image, layers.GlobalAveragePooling2D()(x), classes)


def convolution_norm(x, channels, strides):
    x = layers.Conv2D(
        channels,
        kernel_size=3,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
    )(x)
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)


def ViT(dim, depth, heads, patch_size, image_size, classes):
    """The Vision Transformer (arXiv:2010.11929).

    Its classifier sees the mean of the tokens, as its authors' later
    baseline has it (arXiv:2205.01580), not one of its own.

    Args:
        dim: Width of a token.
        depth: Number of blocks.
        heads: Attention heads, a divisor of `dim`.
        patch_size: Side of a patch, a divisor of `image_size`.
        image_size: Height and width in pixels.
        classes: Number of classes.
    """
    image = keras.Input((image_size, image_size, 3))
    x = patches(image, patch_size)
    # Its bias is a vector for each place: the positions.
    x = layers.EinsumDense(
        "bnp,pd->bnd", (x.shape[1], dim), bias_axes="nd", name="embedding"
    )(x)
    for _ in range(depth):
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        y = layers.MultiHeadAttention(heads, key_dim=dim // heads)(y, y)
        x = layers.Add()([x, y])
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        x = layers.Add()([x, perceptron(y, hidden=4 * dim)])
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    return classifier(image, layers.GlobalAveragePooling1D()(x), classes)


def MLPMixer(dim, depth, patch_size, image_size, classes):
    """The MLP-Mixer (arXiv:2105.01601), with its widths of 1/2 and 4 `dim`.

    Args:
        dim: Width of a token.
        depth: Number of blocks.
        patch_size: Side of a patch, a divisor of `image_size`.
        image_size: Height and width in pixels.
        classes: Number of classes.
    """
    image = keras.Input((image_size, image_size, 3))
    x = layers.Dense(dim, name="embedding")(patches(image, patch_size))
    for _ in range(depth):
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        y = perceptron(layers.Permute((2, 1))(y), hidden=dim // 2)
        x = layers.Add()([x, layers.Permute((2, 1))(y)])
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        x = layers.Add()([x, perceptron(y, hidden=4 * dim)])
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    return classifier(image, layers.GlobalAveragePooling1D()(x), classes)


def patches(image, size):
    """Normalised patches `[batch, places, size * size * 3]`."""
    x = input_normalization(3)(image)
    x = ops.image.extract_patches(x, size, data_format="channels_last")
    return layers.Reshape((-1, x.shape[-1]))(x)


def perceptron(x, hidden):
    """Two dense layers along the last axis."""
    width = x.shape[-1]
    x = layers.Activation("gelu")(layers.Dense(hidden)(x))
    return layers.Dense(width)(x)


def classifier(image, features, classes):
    probabilities = layers.Dense(classes, activation="softmax")(features)
    return keras.Model(image, probabilities)
