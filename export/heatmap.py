"""Which places of a photograph speak for which class, drawn over it."""

from pathlib import Path

import keras
import matplotlib

from keras_convmixer import center_crop, class_map_model
from keras_convmixer.utils.files import replacing

CLASSES = 3  # The most probable ones are drawn.
SHARE = 0.65  # Of a colour in what is seen of it and the photograph.
OUTSIDE = 0.15  # Of the brightness that is left of what is not seen.
INCHES = 3.2  # Width and height of one picture, at most.


class HeatMaps:
    """Draws the class maps of a trained network over photographs.

    Args:
        model: The `keras.Model`.
        labels: The names of its classes.

    Raises:
        UserError: If it ends in a head of which there are no exact maps.

    Example:
        photograph = read_image("photo.jpg")
        HeatMaps(model, labels).draw(photograph, "a photograph", "map.png")
    """

    def __init__(self, model, labels):
        self.maps = class_map_model(model)
        self.labels = labels
        self.size = model.input_shape[1]

    def probabilities(self, photograph):
        """What the network says of the middle square of a photograph.

        Args:
            photograph: uint8 `[height, width, 3]`.

        Returns:
            `(each_place, whole)`: the probabilities of the classes at each
            patch, float32 `[rows, columns, classes]`, and those of the whole
            square, `[classes]`.
        """
        square = center_crop(photograph, self.size)
        scores = self.maps(square[None])[0]
        whole = keras.ops.softmax(keras.ops.mean(scores, axis=(0, 1)))
        return tuple(
            map(keras.ops.convert_to_numpy, (keras.ops.softmax(scores), whole))
        )

    def draw(self, photograph, title, output):
        """Writes a picture: the photograph, and a map for the likely classes.

        Bright is where the class would be the most probable one, if the
        network saw the features of this place everywhere. Dark on the sides
        is what the network does not see.

        Args:
            photograph: uint8 `[height, width, 3]`.
            title: What stands over it.
            output: File to write, `.png` or `.jpg`.
        """
        height, width = photograph.shape[:2]
        longest = max(height, width)
        figure = matplotlib.figure.Figure(
            figsize=(
                INCHES * (1 + CLASSES) * width / longest,
                INCHES * height / longest + 0.4,
            ),
            layout="constrained",
        )
        self.draw_on(figure.subplots(1, 1 + CLASSES), photograph, title)
        with replacing(Path(output)) as temporary:
            figure.savefig(temporary, dpi=120)

    def draw_on(self, axes, photograph, title):
        """The same on axes: the photograph on the first, a map on each other.

        Args:
            axes: Of Matplotlib, in the order of the classes' probabilities.
            photograph, title: As above.
        """
        each_place, whole = self.probabilities(photograph)
        height, width = photograph.shape[:2]
        first, *others = axes
        first.imshow(photograph)
        first.set_title(title, fontsize=9)
        side = min(height, width)
        left, top = (width - side) / 2, (height - side) / 2
        inside = photograph[
            round(top) : round(top) + side, round(left) : round(left) + side
        ]
        square = (left, left + side, top + side, top)
        likely = whole.argsort()[::-1]
        # Of fewer classes than axes, the last stay empty.
        for axis, index in zip(others, likely, strict=False):
            outside = OUTSIDE * photograph.mean(-1)
            axis.imshow(outside, cmap="gray", vmin=0, vmax=255)
            axis.imshow(
                inside.mean(-1), cmap="gray", vmin=0, vmax=255, extent=square
            )
            axis.imshow(
                each_place[..., index],
                cmap="inferno",
                alpha=SHARE,
                extent=square,
                interpolation="bilinear",
                vmin=0,
                vmax=1,
            )
            axis.set(xlim=(0, width), ylim=(height, 0))
            axis.set_title(
                f"{self.labels[index]} {whole[index]:.0%}", fontsize=9
            )
        for axis in axes:
            axis.axis("off")
