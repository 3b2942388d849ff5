"""Files of named tensors, timm's and our own: no code in them, no pickle."""

from pathlib import Path

from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.files import replacing
from keras_convmixer.weights.match import own_layers


def read_safetensors(path):
    """Reads a file.

    Batch counters, which PyTorch has and Keras doesn't, are left out.

    Returns:
        `(tensors, metadata)`: name to numpy array, and name to text.

    Raises:
        UserError: If it isn't a whole safetensors file; it names the file.
    """
    import ml_dtypes  # noqa: F401, it teaches numpy bfloat16
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
            metadata = file.metadata() or {}
    # The others are what it raises for types that numpy doesn't have.
    except (SafetensorError, AttributeError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is not a safetensors file that can be read: {error}"
        ) from error
    tensors = {
        name: value
        for name, value in tensors.items()
        if not name.endswith(".num_batches_tracked")
    }
    return tensors, metadata


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
        f"{role}/{variable.name}": ops.convert_to_numpy(variable)
        for role, layer in own_layers(model).items()
        for variable in layer.weights
    }
    with replacing(path) as temporary:
        # What `save_file` writes only its owner can read.
        temporary.write_bytes(save(tensors, metadata))
