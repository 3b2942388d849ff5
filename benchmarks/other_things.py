"""Pictures of what a classifier does not know: photographs, noise, text."""

import string

import numpy as np
from PIL import Image, ImageDraw, ImageFont

COUNT = 600  # Pictures of each kind.


def photographs(folder, side):
    """Every so many-th photograph of a folder, as they are classified.

    Args:
        folder: A `Path`.
        side: Height and width of the squares in pixels.

    Returns:
        uint8 `[N, side, side, 3]`, of `COUNT` at most.
    """
    from keras_convmixer.data.crop import center_crop
    from keras_convmixer.data.decode import read_image

    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in (".jpg", ".jpeg", ".png")
    )
    chosen = paths[:: max(1, len(paths) // COUNT)][:COUNT]
    return np.stack([center_crop(read_image(path), side) for path in chosen])


def noise(side):
    shape = (COUNT, side, side, 3)
    return np.random.default_rng(0).integers(0, 256, shape).astype("uint8")


def text(side):
    """Letters of two colours, as large as the picture allows."""
    random = np.random.default_rng(0)
    font = ImageFont.load_default(14 * side / 32)
    images = []
    for _ in range(COUNT):
        back, front = random.integers(0, 256, (2, 3)).tolist()
        image = Image.new("RGB", (side, side), tuple(back))
        words = "".join(random.choice(list(string.ascii_letters), 8))
        lines = f"{words[:4]}\n{words[4:]}"
        ImageDraw.Draw(image).text((1, 0), lines, tuple(front), font, spacing=0)
        images.append(np.asarray(image))
    return np.stack(images)
