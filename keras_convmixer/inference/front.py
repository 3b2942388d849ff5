"""What stands between the input and the stem, as one scale and one shift."""

import keras
import numpy as np

from keras_convmixer.architecture import read_network
from keras_convmixer.utils.checks import UserError

# They leave an image as it is when the model does not train.
TRAINING_ONLY = (
    "ActivityRegularization", "AlphaDropout", "AugMix", "CutMix", "Dropout",
    "GaussianDropout", "GaussianNoise", "MixUp", "RandAugment",
    "RandomBrightness", "RandomColorDegeneration", "RandomColorJitter",
    "RandomContrast", "RandomElasticTransform", "RandomErasing", "RandomFlip",
    "RandomGaussianBlur", "RandomGrayscale", "RandomHue", "RandomInvert",
    "RandomPerspective", "RandomPosterization", "RandomRotation",
    "RandomSaturation", "RandomSharpness", "RandomShear", "RandomTranslation",
    "RandomZoom", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D",
)  # fmt: skip
# Images that are normalised already, or between 0 and 1, are not shrunk so.
SHRINKS_PIXELS = 0.1


def fold_front(network):
    """What happens to an image of a `Network` before the stem.

    Returns:
        `(scale, shift, left_out)`: the stem gets `scale * image + shift`,
        float64 `(channels,)` each; and the names of the layers that act in
        training only.

    Raises:
        UserError: If it is more than a scale and a shift a channel. It names
            the layer.
    """
    image, *steps = network.front
    channels = image.tensor.shape[-1]
    scale, shift = np.ones(channels), np.zeros(channels)
    left_out = []
    for step in steps:
        if step.tensor.shape[-1] != channels:
            raise UserError(
                f"{step.name!r} before the ConvMixer must leave the "
                f"{channels} channels. It gives {step.tensor.shape[-1]}"
            )
        for layer in layers_of(step.operation):
            if is_training_only(layer):
                left_out.append(layer.name)
                continue
            factor, term = affine(layer, channels)
            scale, shift = factor * scale, factor * shift + term
    return scale, shift, left_out


def takes_pixels(model):
    """Whether the images are pixels, 0 to 255, which the front scales down.

    Args:
        model: As for `reparameterize`.

    Raises:
        UserError: As `reparameterize`.
    """
    scale, _, _ = fold_front(read_network(model))
    return bool(np.abs(scale).max() < SHRINKS_PIXELS)


def is_training_only(layer):
    """Whether the layer does nothing in inference, one of Keras' own.

    A class that a user derived may do anything.
    """
    name = type(layer).__name__
    return name in TRAINING_ONLY and type(layer) is getattr(keras.layers, name)


def affine(layer, channels):
    """`(scale, shift)` of each channel, float64, for a layer in the front."""
    if type(layer) is keras.layers.Rescaling:
        return (
            per_channel(layer, layer.scale, channels),
            per_channel(layer, layer.offset, channels),
        )
    if type(layer) is keras.layers.Normalization:
        mean = per_channel(layer, layer.mean, channels)
        variance = per_channel(layer, layer.variance, channels)
        deviation = np.maximum(np.sqrt(variance), keras.backend.epsilon())
        if layer.invert:
            return deviation, mean
        return 1 / deviation, -mean / deviation
    if type(layer) is keras.layers.Identity or is_float32_cast(layer):
        return np.ones(channels), np.zeros(channels)
    raise UserError(
        f"{layer.name!r} ({type(layer).__name__}) before the ConvMixer is "
        "not understood. In front may be Rescaling, Normalization and what "
        "acts in training only, such as dropout and augmentation"
    )


def per_channel(layer, value, channels):
    """A layer's constant as `(channels,)`, float64."""
    value = np.asarray(keras.ops.convert_to_numpy(value), "float64")
    *others, size = value.shape or (1,)
    # Rescaling has its channels first where Keras' images have.
    is_last = keras.config.image_data_format() == "channels_last"
    allowed = (1, channels) if value.ndim == 4 or is_last else (1,)
    if set(others) - {1} or size not in allowed:
        raise UserError(
            f"{layer.name!r} before the ConvMixer must have one value, "
            f"or {channels}, one a channel. Received: {value.shape}"
        )
    return np.broadcast_to(value.reshape(-1), (channels,))


def is_float32_cast(operation):
    return type(operation).__name__ == "Cast" and operation.dtype == "float32"


def layers_of(layer):
    """The layers of a `Pipeline`; of another layer, itself."""
    if type(layer) is not keras.layers.Pipeline:
        return [layer]
    return [inner for part in layer.layers for inner in layers_of(part)]
