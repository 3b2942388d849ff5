"""The layers that an inference model is built of."""

import keras
import numpy as np

from keras_convmixer.inference.depthwise_parts import Part, depthwise_parts
from keras_convmixer.inference.depthwise_tiles import (
    depthwise_tiling,
    tiled_kernel,
)
from keras_convmixer.inference.gelu import with_gelu

# Whatever Keras' image_data_format is, images are NHWC in these.
SPATIAL = ("Conv2D", "DepthwiseConv2D", "ZeroPadding2D", "Cropping2D")


class InferenceLayers:
    """The layers of the inference model, with their weights.

    Args:
        activation: Name or configuration of the activation.
        arranged: An `Arrangement`.
    """

    def __init__(self, activation, arranged):
        self.arranged = arranged
        self.names = {"image"}
        self.activation = with_gelu(
            keras.activations.get(activation), arranged.gelu
        )

    def stem(self, image, kernel, bias):
        """The patch embedding; `image` is `(batch, H, W, channels)`."""
        patch_size, _, channels, _ = kernel.shape
        strides = (patch_size, patch_size)
        _, height, width, _ = image.shape
        in_rows = patch_size > 1 and self.arranged.split_kernels
        if in_rows and height and width:
            rows = (height, width // patch_size, patch_size * channels)
            image = self.layer("Reshape", rows, name="patch_rows")(image)
            kernel = kernel.reshape(patch_size, 1, -1, kernel.shape[-1])
            strides = (patch_size, 1)
        return self.conv(image, kernel, bias, strides=strides, name="stem_conv")

    def mix_locations(self, x, norm_in, depthwise, norm_out, name):
        """The depthwise half of a block, from a convolution's output on."""
        x = self.activate(x, f"{name}_activation")
        x = self.scale(x, *norm_in, name=f"{name}_norm")
        y = self.depthwise(x, *depthwise, name=f"{name}_depthwise")
        y = self.activate(y, f"{name}_depthwise_activation")
        y = self.scale(y, *norm_out, name=f"{name}_depthwise_norm")
        return self.layer("Add", name=f"{name}_add")([x, y])

    def depthwise(self, x, kernel, bias, name):
        """A depthwise convolution, between tiles or as a sum of parts."""
        _, height, width, _ = x.shape
        if self.arranged.tiles:
            tiling = depthwise_tiling(height, width, kernel.shape[0])
            if tiling:
                return self.depthwise_in_tiles(x, tiling, kernel, bias, name)
        taps = range(kernel.shape[0])
        parts = [Part(taps, taps)]
        if self.arranged.split_kernels:
            parts = depthwise_parts(len(taps))
        total = None
        for index, part in enumerate(parts):
            term = self.depthwise_part(
                x, part, kernel, bias, name=f"{name}_part_{index}"
            )
            if index:
                add = self.layer("Add", name=f"{name}_sum_{index}")
                term = add([total, term])
            total, bias = term, None
        return total

    def depthwise_in_tiles(self, x, tiling, kernel, bias, name):
        """The convolution as one between tiles of the map."""
        _, height, width, channels = x.shape
        rows, columns, _, _ = tiling
        down, right, pixels = height // rows, width // columns, rows * columns
        x = self.rearrange(
            x,
            (down, rows, right, columns, channels),
            (1, 3, 5, 2, 4),
            (down, right, channels * pixels),
            name=f"{name}_to_tiles",
        )
        x = self.conv(
            x,
            tiled_kernel(kernel, tiling),
            np.repeat(bias, pixels),
            padding="same",
            groups=channels,
            name=f"{name}_between_tiles",
        )
        return self.rearrange(
            x,
            (down, right, channels, rows, columns),
            (1, 4, 2, 5, 3),
            (height, width, channels),
            name=f"{name}_from_tiles",
        )

    def rearrange(self, x, shape, order, new_shape, name):
        """Other axes, another order of them, and again other axes."""
        # Axes of one element only make it slower.
        kept = [axis for axis in sorted(order) if shape[axis - 1] > 1]
        order = [kept.index(axis) + 1 for axis in order if axis in kept]
        shape = [shape[axis - 1] for axis in kept]
        x = self.layer("Reshape", shape, name=f"{name}_axes")(x)
        x = self.layer("Permute", order, name=f"{name}_order")(x)
        return self.layer("Reshape", new_shape, name=name)(x)

    def depthwise_part(self, x, part, kernel, bias, name):
        """The convolution with some of the taps."""
        rows, columns = part
        padding, cropping = borders(part, (kernel.shape[0] - 1) // 2)
        is_same = is_same_padding(part, padding, cropping)
        if not is_same:
            pad = self.layer("ZeroPadding2D", padding, name=f"{name}_pad")
            x = pad(x)
        x = self.apply(
            "DepthwiseConv2D",
            x,
            kernel[np.ix_(rows, columns)],
            bias,
            dilation_rate=(rows.step, columns.step),
            padding="same" if is_same else "valid",
            name=name,
        )
        if np.any(cropping):
            crop = self.layer("Cropping2D", cropping, name=f"{name}_crop")
            x = crop(x)
        return x

    def scale(self, x, scale, shift, name):
        """`scale * x + shift`, per channel; nothing is added for None."""
        if not self.arranged.norm_is_layer:
            terms = [scale] if shift is None else [scale, shift]
            terms = [np.float32(term).tolist() for term in terms]
            return self.layer("Rescaling", *terms, name=name)(x)
        kernel = scale.reshape(1, 1, -1, 1)
        return self.apply("DepthwiseConv2D", x, kernel, shift, name=name)

    def activate(self, x, name):
        return self.layer("Activation", self.activation, name=name)(x)

    def split(self, outputs, count):
        """Groups of channels, of as many or of one."""
        if len(outputs) == count:
            return outputs
        return list(keras.ops.split(*outputs, count, axis=-1))

    def concatenate(self, groups):
        if len(groups) == 1:
            return groups[0]
        return self.layer("Concatenate")(groups)

    def conv(self, x, kernel, bias, **options):
        """Adds an ordinary convolution."""
        filters = kernel.shape[-1]
        return self.apply("Conv2D", x, kernel, bias, filters=filters, **options)

    def apply(self, kind, x, kernel, bias, **options):
        """Adds a convolution and gives it its weights."""
        layer = self.layer(
            kind,
            kernel_size=kernel.shape[:2],
            use_bias=bias is not None,
            **options,
        )
        x = layer(x)
        weights = [kernel] if bias is None else [kernel, bias]
        layer.set_weights([np.float32(array) for array in weights])
        return x

    def layer(self, kind, *arguments, **options):
        """A layer in float32, whatever the precision of the training."""
        make = getattr(keras.layers, kind)
        if kind in SPATIAL:
            options["data_format"] = "channels_last"
        layer = make(*arguments, dtype="float32", **options)
        self.names.add(layer.name)
        return layer


def borders(part, centre):
    """What a part's image needs around it, and its result has in excess.

    Taps on both sides of the centre need the image padded; if all are on one
    side, the other end of the result is in excess. The centre is the index of
    the kernel's tap that meets a pixel itself.

    Returns:
        `(padding, cropping)`, each `[(top, bottom), (left, right)]`.
    """
    padding = [
        (max(0, centre - taps[0]), max(0, taps[-1] - centre)) for taps in part
    ]
    cropping = [
        (max(0, taps[0] - centre), max(0, centre - taps[-1])) for taps in part
    ]
    return padding, cropping


def is_same_padding(part, padding, cropping):
    """Whether the borders are those of `padding="same"`."""
    spans = [taps[-1] - taps[0] for taps in part]
    same = [(span // 2, span - span // 2) for span in spans]
    return padding == same and not np.any(cropping)
