"""`convmixer convert-weights CHECKPOINT OUTPUT`: timm's weights for Keras."""

from pathlib import Path

from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.commands import (
    Parser,
    one_line_errors,
    positive_int,
    quiet_tensorflow,
)
from keras_convmixer.utils.files import replacing


@one_line_errors()
def main(arguments=None):
    parser = Parser(
        description="Converts a timm ConvMixer checkpoint to a Keras model, "
        "which takes pixels from 0 to 255.",
    )
    add = parser.add_argument
    add("checkpoint", type=Path, help="a .safetensors file")
    add("output", type=Path, help="the .keras file to write")
    add("--activation", default="gelu", help="not in the file (default: gelu)")
    add("--image-size", type=positive_int, help="pixels (default: any)")
    args = parser.parse_args(arguments)
    for path, suffix in (
        (args.checkpoint, ".safetensors"),
        (args.output, ".keras"),
    ):
        if path.suffix != suffix:
            raise UserError(f"{path} must be a {suffix} file")
    if not args.output.parent.is_dir():
        raise UserError(f"there is no folder {args.output.parent}")
    quiet_tensorflow()
    from keras_convmixer.convmixer import ConvMixer
    from keras_convmixer.weights import (
        find_file,
        read_architecture,
        read_safetensors,
    )

    tensors, _ = read_safetensors(find_file(args.checkpoint, None))
    found = read_architecture(tensors, args.checkpoint)
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
