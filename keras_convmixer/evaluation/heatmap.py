"""Which places of a photograph speak for which class, drawn over it."""

from pathlib import Path

import keras
from matplotlib.figure import Figure

from keras_convmixer.data.crop import center_crop, visible_box
from keras_convmixer.features import class_map_model
from keras_convmixer.utils.files import replacing
from keras_convmixer.utils.plot_text import drawable

CLASSES = 3  # The most probable ones are drawn.
SHARE = 0.65  # Of a colour in what is seen of it and the photograph.
OUTSIDE = 0.15  # Of the brightness that is left of what is not seen.
INCHES = 3.2  # Width and height of one image, at most.


class HeatMaps:
    """Draws the class maps of a `keras.Model` over photographs.

    Photographs are uint8 `[height, width, 3]`; `labels` are the names of the
    classes.

    Raises:
        UserError: If it ends in a head of which there are no exact maps.
    """

    def __init__(self, model, labels):
        self.maps = class_map_model(model)
        self.labels = labels
        self.size = model.input_shape[1]

    def probabilities(self, photograph):
        """What the network says of the middle square of a photograph.

        Returns:
            `(each_place, whole)`: the probabilities of the classes at each
            patch, float32 `[rows, columns, classes]`, and those of the whole
            square, `[classes]`.
        """
        square = center_crop(photograph, self.size)
        scores = self.maps(square[None])[0]
        whole = keras.ops.softmax(keras.ops.mean(scores, axis=(0, 1)))
        each_place = keras.ops.softmax(scores)
        return tuple(map(keras.ops.convert_to_numpy, (each_place, whole)))

    def draw(self, photograph, title, output):
        """Writes an image: the photograph, and a map for the likely classes.

        Bright is where the class would be the most probable one, if the
        network saw the features of this place everywhere. Dark on the sides
        is what the network does not see. `output` is a `.png` or `.jpg`.
        """
        height, width = photograph.shape[:2]
        longest = max(height, width)
        with drawable([title, *self.labels]) as (title, *labels):
            figure = Figure(
                figsize=(
                    INCHES * (1 + CLASSES) * width / longest,
                    INCHES * height / longest + 0.4,
                ),
                layout="constrained",
            )
            axes = figure.subplots(1, 1 + CLASSES)
            self.draw_on(axes, photograph, title, labels)
            with replacing(Path(output)) as temporary:
                figure.savefig(temporary, dpi=120)

    def draw_on(self, axes, photograph, title, labels):
        """The same on Matplotlib's axes, the photograph on the first.

        The others get the maps of the most probable classes; `labels` are the
        names of the classes, as they are drawn.
        """
        each_place, whole = self.probabilities(photograph)
        height, width = photograph.shape[:2]
        left, top, right, bottom = visible_box(width, height, self.size)
        square = (left, right, bottom, top)
        grey = photograph.mean(-1)
        inside = grey[round(top) : round(bottom), round(left) : round(right)]
        first, *others = axes
        everything = (0, width, height, 0)
        first.imshow(photograph, extent=everything)
        first.set_title(title, fontsize=9)
        likely = whole.argsort()[::-1]
        # Of fewer classes than axes, the last stay empty.
        for axis, index in zip(others, likely, strict=False):
            levels = {"cmap": "gray", "vmin": 0, "vmax": 255}
            axis.imshow(OUTSIDE * grey, extent=everything, **levels)
            axis.imshow(inside, extent=square, **levels)
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
            axis.set_title(f"{labels[index]} {whole[index]:.0%}", fontsize=9)
        for axis in axes:
            axis.axis("off")
