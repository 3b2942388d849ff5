"""Where weights come from: the package, the hub, or a file.

python -m keras_convmixer.weights model.safetensors out.keras

turns a timm checkpoint, of any size, into a Keras model.
"""

import warnings
from pathlib import Path

import numpy as np

from keras_convmixer.checks import did_you_mean
from keras_convmixer.commands import (
    Parser,
    one_line_errors,
    positive_int,
    quiet_tensorflow,
)
from keras_convmixer.files import replacing
from keras_convmixer.hub import imagenet_file
from keras_convmixer.keras_files import read_keras, read_weights_h5
from keras_convmixer.pretrained import pretrained_file, pretrained_names
from keras_convmixer.timm import (
    kernel_axes,
    read_architecture,
    read_safetensors,
    timm_name,
)

SUFFIXES = (".keras", ".weights.h5", ".safetensors")


def load_weights(model, weights, new_head=True):
    """Loads weights into a model that `ConvMixer` built.

    Everything is checked first: after an error the model is as it was.

    The stem adapts to another number of input channels: for one, the kernel's
    channels are summed; for n, they are repeated, cut and multiplied by
    `channels of the weights / n`. A head for another number of classes, or
    that the file doesn't have, stays as it is, with a warning.

    Args:
        model: A model that `ConvMixer` built, with or without the top.
        weights: "imagenet", "cifar10", or the path of a `.keras`,
            `.weights.h5` or timm `.safetensors` file.
        new_head: Whether the head may stay as it is; else it is an error.

    Raises:
        ValueError: If there are no such weights, or they are not those of
            this network. It names the file and the tensors.
        OSError: If the hub is out of reach. It says where to put the file.
    """
    from keras_convmixer.convmixer import architecture

    network = architecture(model)
    path = find_file(weights, network)
    if path.name.endswith(".safetensors"):
        tensors = read_safetensors(path)
    elif path.name.endswith(".keras"):
        tensors = read_keras(path, network["activation"])
    else:
        tensors = read_weights_h5(path)

    found = Matching(model, path, tensors)
    if found.head_problem and not new_head:
        found.problems.append(found.head_problem)
    found.raise_problems(network)
    for variable, value in found.assignments:
        variable.assign(value)
    if found.head_problem:
        warnings.warn(
            f"The head is new and has to be trained: {found.head_problem}",
            stacklevel=3,
        )


class Matching:
    """What of a file goes where in a model, and what doesn't fit.

    Attributes:
        assignments: List of (variable, float32 array).
        problems: List of sentences that name the tensors that don't fit.
        head_problem: Why the head can't be loaded, though all else can.
    """

    def __init__(self, model, path, tensors):
        self.path = path
        self.tensors = tensors
        self.from_timm = path.name.endswith(".safetensors")
        self.assignments = []
        self.problems = []
        self.head_problem = None
        self.left = dict(tensors)

        layers = own_layers(model)
        head = layers.pop("head", None)
        for layer in layers.values():
            for variable in layer.weights:
                self.match(layer, variable, tuple(variable.shape))
        self.match_head(head)
        self.problems += [
            f"{name!r} is not part of the network" for name in self.left
        ]

    def match(self, layer, variable, shape):
        """Finds a variable's value; `shape` is what it may have, for Keras."""
        name = self.name(layer.name, variable.name)
        value = self.left.pop(name, None)
        if value is None:
            self.problems.append(f"{name!r} is missing")
            return
        if value.dtype.kind in "biuc":
            self.problems.append(f"{name!r} is {value.dtype}, not floating")
            return
        axes = tuple(range(len(shape)))
        if self.from_timm and variable.name == "kernel":
            axes = kernel_axes(layer.name)
        is_stem = layer.name == "stem_conv" and variable.name == "kernel"
        if is_stem and value.ndim == 4:
            shape = (*shape[:2], max(1, value.shape[axes[2]]), shape[3])
        shape = tuple(shape[axes.index(axis)] for axis in range(len(axes)))
        if value.shape != shape:
            self.problems.append(
                f"{name!r} has the shape {value.shape}, not {shape}"
            )
            return
        value = value.astype("float32").transpose(axes)
        if not np.isfinite(value).all():
            self.problems.append(f"{name!r} holds values that are no numbers")
        if variable.name == "moving_variance" and (value < 0).any():
            self.problems.append(f"{name!r} holds negative variances")
        if is_stem:
            value = adapt_channels(value, variable.shape[2])
        self.assignments.append((variable, value))

    def match_head(self, head):
        names = {
            variable: self.name("head", variable)
            for variable in ("kernel", "bias")
        }
        if head is None:
            for name in names.values():
                self.left.pop(name, None)
            return
        if not self.left.keys() & names.values():
            self.head_problem = f"{self.path} has none."
            return
        bias = self.left.get(names["bias"])
        classes = head.units
        if bias is not None and bias.ndim == 1 and len(bias) != classes:
            classes = len(bias)
            self.head_problem = (
                f"{self.path} has {classes} classes, the model {head.units}."
            )
        loaded = len(self.assignments)
        self.match(head, head.kernel, (head.kernel.shape[0], classes))
        self.match(head, head.bias, (classes,))
        if self.head_problem:
            del self.assignments[loaded:]

    def name(self, layer, variable):
        """What the file calls a variable."""
        if self.from_timm:
            return timm_name(layer, variable)
        return f"{layer}/{variable}"

    def raise_problems(self, network):
        if self.problems:
            listed = "; ".join(self.problems[:3])
            rest = len(self.problems) - 3
            more = f"; and {rest} more tensors" if rest > 0 else ""
            described = ", ".join(f"{k}={v!r}" for k, v in network.items())
            raise ValueError(
                f"{self.path} does not fit the network ({described}): "
                f"{listed}{more}"
            )


def own_layers(model):
    """The layers with weights that `ConvMixer` made, by name.

    A model that was built on an `input_tensor` can have others as well.
    """
    return {
        layer.name: layer
        for layer in model.layers
        if timm_name(layer.name, "bias") and layer.weights
    }


def adapt_channels(kernel, channels):
    """A stem kernel `(side, side, n, dim)` for another n, as timm does it."""
    given = kernel.shape[2]
    if channels == given:
        return kernel
    if channels == 1:
        return kernel.sum(axis=2, keepdims=True)
    repeated = np.tile(kernel, (1, 1, -(-channels // given), 1))
    return repeated[:, :, :channels] * (given / channels)


def find_file(weights, network):
    """The file that `weights=` means."""
    if weights == "imagenet":
        return imagenet_file(network)
    if weights in pretrained_names():
        return pretrained_file(weights, network)
    if not str(weights).endswith(SUFFIXES):
        names = ["imagenet", *pretrained_names()]
        raise ValueError(
            f"weights must be None, {', '.join(map(repr, names))}, or the path "
            f"of a file that ends in {', '.join(SUFFIXES)}. "
            f"Received: {weights!r}.{did_you_mean(weights, names)}"
        )
    path = Path(weights).expanduser()
    if not path.is_file():
        raise ValueError(f"weights: there is no file {path}")
    return path


def main(arguments=None):
    parser = Parser(
        prog="python -m keras_convmixer.weights",
        description="Converts a timm ConvMixer checkpoint to a Keras model, "
        "which takes pixels from 0 to 255.",
    )
    add = parser.add_argument
    add("checkpoint", type=Path, help="a .safetensors file")
    add("output", type=Path, help="the .keras file to write")
    add("--activation", default="gelu", help="not in the file (default: gelu)")
    add("--image-size", type=positive_int, help="pixels (default: any)")
    args = parser.parse_args(arguments)
    with one_line_errors():
        convert(args)


def convert(args):
    for path, suffix in (
        (args.checkpoint, ".safetensors"),
        (args.output, ".keras"),
    ):
        if path.suffix != suffix:
            raise ValueError(f"{path} must be a {suffix} file")
    if not args.output.parent.is_dir():
        raise ValueError(f"there is no folder {args.output.parent}")
    found = read_architecture(
        read_safetensors(find_file(args.checkpoint, None)), args.checkpoint
    )
    quiet_tensorflow()

    from keras_convmixer.convmixer import ConvMixer

    channels, classes = found.pop("channels"), found.pop("classes")
    top = {"include_top": False} if classes is None else {"classes": classes}
    model = ConvMixer(
        **found,
        **top,
        activation=args.activation,
        input_shape=(args.image_size, args.image_size, channels),
        weights=args.checkpoint,
    )
    with replacing(args.output) as temporary:
        model.save(temporary)
    print(
        f"{args.output}: {found}, channels={channels}, classes={classes}, "
        f"{model.count_params():,} parameters"
    )


if __name__ == "__main__":
    main()
