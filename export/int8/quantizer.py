"""What ai-edge-quantizer is asked to do."""

import contextlib
import warnings


def integer_recipe(float32):
    recipe = new_recipe(float32)
    recipe.add_static_config(
        ".*",
        operators()["ALL_SUPPORTED"],
        activation_num_bits=8,
        weight_num_bits=8,
    )
    return recipe


def new_recipe(float32):
    from ai_edge_quantizer import quantizer

    return quantizer.Quantizer(float_model=bytearray(float32))


def operators():
    from ai_edge_quantizer import qtyping

    return qtyping.TFLOperationName


@contextlib.contextmanager
def all_activations_kept():
    """LiteRT warns of the memory that this takes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*preserve_all_tensors")
        yield
