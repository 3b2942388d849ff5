"""Generated pictures in the place of ImageNet's: as many, as large, as stored.

A few hundred different ones are used again and again, under other names.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

DISTINCT = 300
SIZES = ((500, 375), (375, 500), (500, 333), (500, 500))  # Width, height.
UNLABELLED = 50  # Of the split "test".


@dataclass(frozen=True)
class StandIn:
    """How many pictures there are.

    Attributes:
        train, validation: Pictures of each part.
        classes: How many classes they have.
    """

    train: int
    validation: int
    classes: int

    def parts(self):
        """Numbers of pictures, by tfds' names of the parts."""
        return {"train": self.train, "validation": self.validation}


def picture(random):
    """A JPEG of coarse noise with shapes on it, about as large as a photo."""
    width, height = SIZES[random.integers(len(SIZES))]
    colours = random.integers(0, 256, (12, 16, 3)).astype("uint8")
    image = Image.fromarray(colours).resize((width, height), Image.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(30):
        x, y = random.integers(0, (width, height))
        size = random.integers(10, 120)
        shape = random.choice([draw.ellipse, draw.rectangle])
        shape([x, y, x + size, y + size], tuple(random.integers(0, 256, 3)))
    grain = random.normal(0, 8, (height, width, 3))
    return Image.fromarray(np.uint8(np.clip(image + grain, 0, 255)))


def write_pictures(folder, count=DISTINCT):
    """Writes different pictures, once; gives their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        if not path.exists():
            image = picture(np.random.default_rng(number))
            image.save(path, quality=85)
    return paths


def write_tfds(folder, paths, stand_in):
    """Writes them as tfds' imagenet2012, in the place where tfds looks.

    It is tfds that writes: its builder, but for where the pictures come from.

    Args:
        folder: The `data_dir` of tfds.
        paths: Files to use.
        stand_in: A `StandIn`.
    """
    import tensorflow_datasets as tfds

    parts = stand_in.parts() | {"test": UNLABELLED}
    with tfds.core.registered.skip_registration():

        class Builder(tfds.builder_cls("imagenet2012")):
            name = "imagenet2012"

            def _split_generators(self, dl_manager):
                return {part: self._generate_examples(part) for part in parts}

            def _generate_examples(self, part):
                for number in range(parts[part]):
                    label = number % stand_in.classes
                    yield (
                        number,
                        {
                            "file_name": f"{part}_{number}.JPEG",
                            "image": os.fspath(paths[number % len(paths)]),
                            "label": -1 if part == "test" else label,
                        },
                    )

    Builder(data_dir=folder).download_and_prepare()


def write_image_folder(folder, paths, stand_in):
    """Writes FOLDER/PART/CLASS/*.jpg: links to the same few files."""
    for part, count in stand_in.parts().items():
        for number in range(count):
            label = number % stand_in.classes
            place = Path(folder, part, f"class_{label:04}")
            place.mkdir(parents=True, exist_ok=True)
            os.link(paths[number % len(paths)], place / f"{number}.jpg")
