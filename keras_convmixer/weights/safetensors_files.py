"""Files of named tensors, timm's and our own: no code in them, no pickle."""

import contextlib

from keras_convmixer.utils.checks import UserError


def read_safetensors(path):
    """Reads the tensors of a file.

    Batch counters, which PyTorch has and Keras doesn't, are left out.

    Args:
        path: A `.safetensors` file.

    Returns:
        Name to numpy array.

    Raises:
        UserError: If it isn't a whole safetensors file; it names the file.
    """
    import ml_dtypes  # noqa: F401, it teaches numpy bfloat16
    from safetensors.numpy import load_file

    with named_errors(path):
        tensors = load_file(path)
    return {
        name: value
        for name, value in tensors.items()
        if not name.endswith(".num_batches_tracked")
    }


def read_metadata(path):
    """What a file says of itself, text by name; see `read_safetensors`."""
    from safetensors import safe_open

    with named_errors(path), safe_open(path, "numpy") as file:
        return file.metadata() or {}


@contextlib.contextmanager
def named_errors(path):
    from safetensors import SafetensorError

    try:
        yield
    # The others are what it raises for types that numpy doesn't have.
    except (SafetensorError, AttributeError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is not a safetensors file that can be read: {error}"
        ) from error
