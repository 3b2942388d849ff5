"""`center_crop` sees a photo as timm's evaluation does; all else uses it."""

import json
import shutil
import subprocess

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_convmixer import center_crop
from keras_convmixer.data import image_seeds
from keras_convmixer.data.augmentation import Augmentation
from keras_convmixer.data.crop import visible_box
from keras_convmixer.data.file_ops import StoredImage, of_pixels
from keras_convmixer.training.recipes import DIGITS
from keras_convmixer.utils.checks import UserError
from tests.helpers import shared
from tests.processes import ROOT


def pil_center_crop(image, size, short):
    """torchvision's Resize(short, bicubic) and CenterCrop(size)."""
    height, width = image.shape[:2]
    if height <= width:
        height, width = short, int(short * width / height)
    else:
        height, width = int(short * height / width), short
    resized = np.asarray(
        Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)
    )
    top = round((height - size) / 2)
    left = round((width - size) / 2)
    return resized[top : top + size, left : left + size]


def photograph(height, width, seed):
    """Smooth shading, sharp edges, saturated colours and sensor noise."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    image = np.zeros((height, width, 3))
    for channel in range(3):
        for _ in range(4):
            fy, fx, phase = random.uniform(0, 12, 3)
            image[..., channel] += 40 * np.sin(fy * y + fx * x + phase)
    for _ in range(12):
        cy, cx, radius = random.uniform(0, 1, 3) * [1, 1, 0.3]
        inside = (y - cy) ** 2 + (x - cx) ** 2 < radius**2
        image[inside] = random.uniform(-128, 128, 3)
    image += 128 + random.normal(0, 4, image.shape)
    return np.clip(np.rint(image), 0, 255).astype("uint8")


def differences(images):
    """Mean and largest difference to PIL, in pixel values 0 to 255."""
    per_image = []
    for image in images:
        ours = center_crop(image, 224, crop_fraction=0.96)
        theirs = pil_center_crop(image, 224, 233)
        assert ours.shape == theirs.shape == (224, 224, 3)
        per_image.append(np.abs(ours.astype(int) - theirs))
    return np.mean(per_image), np.max(per_image)


@pytest.mark.parametrize(
    "size", [(500, 375), (375, 500), (233, 233), (640, 481), (120, 90)]
)
def test_equals_pil_on_generated_photographs(size):
    mean, largest = differences([photograph(*size, seed) for seed in range(3)])
    print(f"{size}: mean {mean:.4f}, largest {largest}")
    assert mean < 0.01
    assert largest <= 1


def test_equals_pil_on_real_photographs():
    folder = shared("sign_language_digits")
    paths = sorted(folder.glob("*/*.JPG"))[::100]
    mean, largest = differences([np.asarray(Image.open(p)) for p in paths])
    print(f"{len(paths)} photographs: mean {mean:.4f}, largest {largest}")
    assert mean < 0.01
    assert largest <= 1


def test_a_tf_data_pipeline_takes_it():
    image = photograph(300, 400, 0)
    dataset = tf.data.Dataset.from_tensors(image).map(
        lambda image: tf.numpy_function(
            lambda image: center_crop(image, 224, 0.96), [image], tf.uint8
        )
    )
    np.testing.assert_array_equal(
        next(dataset.as_numpy_iterator()), center_crop(image, 224, 0.96)
    )


SIZES = [(31, 47), (64, 33), (40, 1270), (1001, 32), (32, 32), (7, 9), (33, 32)]


@pytest.mark.parametrize("size", SIZES)
def test_training_crops_the_same_square(size):
    image = photograph(*size, 0)
    recipe = DIGITS.replace(image_size=32, crop=1.0, shift=0.0)
    stored = of_pixels(tf.constant(image), tf.constant(1))
    batch = StoredImage(*(each[None] for each in stored))
    (trained,) = Augmentation(recipe).crop(batch, image_seeds(0, [0]))
    np.testing.assert_array_equal(trained, center_crop(image, 32))


@pytest.mark.parametrize("size", SIZES)
def test_the_box_of_the_heat_maps_is_what_is_seen(size):
    """A photo that is white in the box alone gives a white square."""
    height, width = size
    left, top, right, bottom = visible_box(width, height, 32)
    assert right - left == pytest.approx(bottom - top, rel=0.03)
    # Off the middle by half a pixel of the resized image at most.
    half = 0.52 * min(size) / 32
    assert (left + right) / 2 == pytest.approx(width / 2, abs=half)
    assert (top + bottom) / 2 == pytest.approx(height / 2, abs=half)
    image = np.zeros((height, width, 1), "uint8")
    # By cubic interpolation a pixel reaches two further.
    reach = 2 * max(1, min(size) / 32) + 1
    x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
    in_x = (x > left - reach) & (x < right + reach)
    in_y = (y > top - reach) & (y < bottom + reach)
    image[np.ix_(in_y, in_x)] = 255
    assert (center_crop(image, 32) == 255).all()


@pytest.mark.skipif(not shutil.which("node"), reason="needs Node.js")
def test_the_demo_page_shows_the_same_box():
    source = (ROOT / "export" / "page" / "square.js").read_text()
    sizes = [(w, h, size) for h, w in SIZES for size in (8, 32, 112)]
    code = source + (
        f"\nconst sizes = {json.dumps(sizes)};"
        "console.log(JSON.stringify(sizes.map((s) => middleSquare(...s))));"
    )
    done = subprocess.run(
        ["node", "--input-type=module", "-e", code],
        capture_output=True,
        text=True,
        check=True,
    )
    for (w, h, size), box in zip(sizes, json.loads(done.stdout), strict=True):
        left, top, right, bottom = visible_box(w, h, size)
        np.testing.assert_allclose(box, (left, top, right - left, bottom - top))


def test_floats_of_keras_and_grey_images_are_the_same_square(tmp_path):
    image = photograph(60, 47, 1)
    Image.fromarray(image).save(tmp_path / "photo.png")
    loaded = keras.utils.img_to_array(
        keras.utils.load_img(tmp_path / "photo.png")
    )
    expected = center_crop(image, 32)
    assert loaded.dtype == "float32"
    np.testing.assert_array_equal(center_crop(loaded, 32), expected)
    # Rounded and clipped, not wrapped around.
    odd = np.where(image == 255, 300.0, np.where(image == 0, -7.5, image - 0.3))
    np.testing.assert_array_equal(center_crop(odd, 32), expected)
    np.testing.assert_array_equal(
        center_crop(image[..., :1], 32), expected[..., :1]
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image": np.zeros((8, 8))}, "shape .* Received: \\(8, 8\\)"),
        ({"image": np.zeros((8, 8, 4))}, r"Received: \(8, 8, 4\)"),
        ({"image": np.zeros((0, 8, 3))}, r"Received: \(0, 8, 3\)"),
        ({"image": np.full((8, 8, 3), "a")}, "must be numbers"),
        ({"image": np.full((8, 8, 3), np.nan)}, "from 0 to 255"),
        ({"image": np.eye(8)[..., None]}, "float64 from 0 to 1"),
        ({"image": np.zeros((1, 40, 3))}, "at most 32 to 1"),
        ({"size": 0}, "size must be a positive"),
        ({"crop_fraction": 1.5}, "crop_fraction must be"),
    ],
)
def test_what_is_no_image_of_0_to_255_is_refused(change, words):
    arguments = {"image": np.zeros((8, 8, 3)), "size": 4} | change
    with pytest.raises(UserError, match=words):
        center_crop(**arguments)
