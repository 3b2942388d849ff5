"""A network's weights as one file, which any library can read."""

from pathlib import Path

from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.files import replacing
from keras_convmixer.weights.keras_files import KERAS_NAMES
from keras_convmixer.weights.match import own_layers


def save_weights(model, path, description=""):
    """Saves the weights that `ConvMixer` made as a safetensors file.

    The tensors have Keras' axes, and names like "block_0_depthwise/kernel".
    What else a model has, layers before the network for instance, is
    left out. `load_weights` and `weights=` take the file.

    Args:
        model: A model that `ConvMixer` built, with or without the top, or one
            that has it inside.
        path: The `.safetensors` file to write; it is whole or not there.
        description: What the metadata of the file say besides the network's
            arguments.

    Raises:
        UserError: If `ConvMixer` did not build the model, or `path` doesn't
            end in `.safetensors`.

    Example:
        >>> model = keras_convmixer.ConvMixer(8, 1, 3, 4)
        >>> save_weights(model, "network.safetensors")
        >>> load_weights(model, "network.safetensors")
    """
    from keras import ops
    from safetensors.numpy import save

    from keras_convmixer.architecture import architecture

    path = Path(path)
    if path.suffix != ".safetensors":
        raise UserError(f"path must end in .safetensors. Received: {path}")
    metadata = {name: str(v) for name, v in architecture(model).items()}
    if description:
        metadata["description"] = description
    tensors = {
        KERAS_NAMES.name(role, variable.name): ops.convert_to_numpy(variable)
        for role, layer in own_layers(model).items()
        for variable in layer.weights
    }
    with replacing(path) as temporary:
        # What `save_file` writes only its owner can read.
        temporary.write_bytes(save(tensors, metadata))
