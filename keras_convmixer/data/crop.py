"""The centre crop, by which a photo becomes the square that a model sees.

Training, `evaluate`, `classify`, the heat maps and the examples all use it, and
`export/page/square.js` repeats its geometry. It needs NumPy and Pillow only.
"""

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from keras_convmixer.utils.checks import UserError, check_positive

MAX_ASPECT_RATIO = 32  # Long side to short side: resizing does not shorten it.


def center_crop(
    image: ArrayLike, size: int, crop_fraction: float = 1.0
) -> np.ndarray:
    """The middle square of a photo, as evaluation sees it.

    The short side is resized to `size / crop_fraction` pixels, rounded down,
    bicubic with antialiasing, as Pillow, torchvision and timm do it; then the
    middle is cut out. ImageNet's weights are evaluated with `size=224,
    crop_fraction=0.96`: 233 pixels, then 224.

    It works on arrays: in a `tf.data` pipeline, call it by
    `tf.numpy_function`.

    Args:
        image: Grey or RGB, `(height, width, 1 or 3)`, values from 0 to 255,
            integers or floats such as those of `keras.utils.img_to_array`;
            floats are rounded, values beyond the range are clipped.
        size: Height and width of the result in pixels.
        crop_fraction: Share of the short side that remains.

    Returns:
        NumPy array, uint8 `(size, size, channels)`.

    Raises:
        ValueError: If the image has another shape, is longer than 32 times
            its width, or its values are not finite or lie between 0 and 1.

    Example:

    >>> import numpy as np
    >>> from keras_convmixer import center_crop
    >>> photo = np.zeros((333, 500, 3), "uint8")
    >>> center_crop(photo, 224, crop_fraction=0.96).shape
    (224, 224, 3)
    """
    check_positive(size=size)
    if not 0 < crop_fraction <= 1:
        raise UserError(
            "crop_fraction must be more than 0 and at most 1. Received: "
            f"{crop_fraction!r}"
        )
    pixels = as_pixels(image)
    height, width, channels = pixels.shape
    check_aspect_ratio(width, height)
    photo = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
    sides, (left, top) = crop_geometry(width, height, size, crop_fraction)
    # Axis by axis: which one comes first depends on the version of Pillow.
    for partly in ((sides[0], height), sides):
        if photo.size != partly:
            photo = photo.resize(partly, Image.Resampling.BICUBIC)
    square = photo.crop((left, top, left + size, top + size))
    return np.array(square).reshape(size, size, channels)


def as_pixels(image: ArrayLike) -> np.ndarray:
    """uint8 `(height, width, 1 or 3)` of an array with values 0 to 255."""
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] not in (1, 3) or not image.size:
        raise UserError(
            "image must have the shape (height, width, 1 or 3). Received: "
            f"{image.shape}"
        )
    if image.dtype.kind not in "uif":
        raise UserError(f"image must be numbers. Received: {image.dtype}")
    if image.dtype.kind == "f":
        low, high = float(image.min()), float(image.max())
        if not np.isfinite([low, high]).all() or 0 < high <= 1:
            raise UserError(
                "image must have values from 0 to 255. Received: "
                f"{image.dtype} from {low:g} to {high:g}"
            )
        image = np.rint(image)
    return np.clip(image, 0, 255).astype("uint8")


def check_aspect_ratio(width: int, height: int) -> None:
    """A UserError for an image that is too long to be resized."""
    if max(width, height) > MAX_ASPECT_RATIO * min(width, height):
        raise UserError(
            f"its sides must be at most {MAX_ASPECT_RATIO} to 1. Received: "
            f"{width} x {height} pixels"
        )


def crop_geometry(
    width: int, height: int, size: int, crop_fraction: float = 1.0
) -> tuple[tuple[int, int], tuple[int, int]]:
    """What an image is resized to, and where the square is cut out of it.

    Args:
        width, height: Of the upright image in pixels.
        size, crop_fraction: As for `center_crop`.

    Returns:
        `((width, height), (left, top))` in pixels of the resized image. Half
        a pixel is rounded to the even one, as torchvision does.
    """
    short, shorter = int(size / crop_fraction), min(width, height)
    sides = width * short // shorter, height * short // shorter
    corner = round((sides[0] - size) / 2), round((sides[1] - size) / 2)
    return sides, corner


def visible_box(
    width: int, height: int, size: int
) -> tuple[float, float, float, float]:
    """The part of an upright image that its middle square shows.

    Returns:
        Left, top, right and bottom in pixels of the image, float.
    """
    sides, corner = crop_geometry(width, height, size)
    scales = width / sides[0], height / sides[1]
    left, top = (c * scale for c, scale in zip(corner, scales, strict=True))
    return left, top, left + size * scales[0], top + size * scales[1]
