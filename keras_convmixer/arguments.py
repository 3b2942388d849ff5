"""The arguments of `ConvMixer`: what is allowed, and the tensor to build on."""

import keras

from keras_convmixer.compat import operation_of, users_of
from keras_convmixer.utils.checks import UserError, check_choice, check_positive
from keras_convmixer.variants import DEPTHWISE_INITIALIZERS

MAX_PARAMETERS = 2**30  # 20 times those of the paper's largest network.
MAX_DEPTH = 1000


def check_trunk(
    dim, depth, kernel_size, patch_size, activation, depthwise_initializer
):
    """A UserError that names the argument of `ConvMixer` that is wrong."""
    check_positive(
        dim=dim, depth=depth, kernel_size=kernel_size, patch_size=patch_size
    )
    check_activation("activation", activation)
    check_choice(
        "depthwise_initializer", depthwise_initializer, DEPTHWISE_INITIALIZERS
    )


def check_head(pooling, classes, classifier_activation, dropout):
    """As `check_trunk`, for what follows the last block."""
    check_positive(classes=classes)
    if not 0 <= dropout < 1:
        raise UserError(
            f"dropout must be at least 0 and less than 1. Received: {dropout!r}"
        )
    check_choice("pooling", pooling, (None, "avg", "max"))
    check_activation("classifier_activation", classifier_activation)


def check_activation(argument, value):
    try:
        keras.activations.get(value)
    except (ValueError, TypeError):
        raise UserError(
            f"{argument} must be a function, or a name that Keras knows. "
            f"Received: {value!r}"
        ) from None


def check_parameters(dim, depth, kernel_size, patch_size, channels):
    """An error in place of a machine that runs out of memory."""
    body = depth * (kernel_size**2 + dim) + channels * patch_size**2
    if dim * body > MAX_PARAMETERS or depth > MAX_DEPTH:
        raise UserError(
            f"the network may have at most {MAX_PARAMETERS:,} parameters and "
            f"{MAX_DEPTH:,} blocks. Received: {dim * body:,} and {depth:,}"
        )


def image_input(
    input_tensor, input_shape, include_top, include_preprocessing, patch_size
):
    """The tensor to build on, its shape checked."""
    if input_tensor is not None:
        shape = tuple(input_tensor.shape[1:])
    elif input_shape is not None:
        shape = tuple(input_shape)
    else:
        shape = (224, 224, 3) if include_top else (None, None, 3)
    if len(shape) != 3 or not shape[-1] or shape[-1] < 1:
        raise UserError(
            "input_shape must be (height, width, channels) with at least one "
            f"channel. Received: {shape}"
        )
    for side in shape[:2]:
        if side is not None and (side < patch_size or side % patch_size):
            raise UserError(
                "height and width must be multiples of "
                f"patch_size={patch_size}, or None. Received: {shape}"
            )
    if input_tensor is None:
        return keras.Input(shape, name="image")
    check_names(input_tensor, include_preprocessing)
    return input_tensor


def check_names(input_tensor, include_preprocessing):
    """An error where Keras would find two layers of one name in a model."""
    if "stem_conv" in names_around(input_tensor):
        raise UserError(
            "input_tensor has a ConvMixer on it already, whose layers have the "
            "same names. Build each without input_tensor and call them, as in "
            "keras.layers.Average()([first(image), second(image)])"
        )
    if not include_preprocessing:
        return
    sources = keras.utils.get_source_inputs(input_tensor)
    before = keras.Model(sources, input_tensor).operations
    if "normalization" in {operation.name for operation in before}:
        raise UserError(
            "input_tensor comes from a layer with the name 'normalization', "
            "as one of ConvMixer's has: give it another name"
        )


def names_around(tensor):
    """The names of all operations on the inputs that it depends on."""
    names = set()
    waiting = [
        operation_of(source) for source in keras.utils.get_source_inputs(tensor)
    ]
    seen = set(waiting)
    while waiting:
        operation = waiting.pop()
        names.add(operation.name)
        users = set(users_of(operation))
        waiting.extend(users - seen)
        seen |= users
    return names
