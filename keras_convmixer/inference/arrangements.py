"""The arrangements of the inference model, one for each kind of device."""

from collections.abc import Callable
from dataclasses import dataclass

from keras_convmixer.inference.gelu import erf_gelu, finite_gelu


@dataclass(frozen=True)
class Arrangement:
    """How the operations of a network are arranged.

    Attributes:
        split_kernels: Whether large depthwise kernels are sums of parts, and
            the stem reads rows of patches (see `depthwise_parts`).
        split_channels: Whether blocks run on groups of channels.
        split_pointwise: Whether the pointwise convolutions do, too; not where
            each of them quantises its input.
        norm_is_layer: Whether a norm is a depthwise convolution of one tap,
            one operator with a scale for each channel, instead of a product
            and a sum.
        merge_shift: Whether the shift of the norm after a depthwise
            convolution is added after the pointwise convolution instead.
        tiles: Whether large depthwise convolutions are ordinary ones between
            tiles of the map where those are faster (see `depthwise_tiles`).
        gelu: What GELU is computed as; None for Keras' own.
    """

    split_kernels: bool = True
    split_channels: bool = False
    split_pointwise: bool = False
    norm_is_layer: bool = True
    merge_shift: bool = False
    tiles: bool = False
    gelu: Callable | None = None


ARRANGEMENTS = {
    "cpu": Arrangement(
        split_channels=True,
        split_pointwise=True,
        norm_is_layer=False,
        merge_shift=True,
    ),
    "cpu_dynamic": Arrangement(
        split_channels=True, norm_is_layer=False, merge_shift=True
    ),
    "integers": Arrangement(),
    "integers_tiled": Arrangement(tiles=True),
    "whole": Arrangement(split_kernels=False, merge_shift=True),
    "gpu": Arrangement(split_kernels=False, merge_shift=True, gelu=finite_gelu),
    "converters": Arrangement(
        split_kernels=False, merge_shift=True, gelu=erf_gelu
    ),
}
