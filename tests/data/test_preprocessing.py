"""`center_crop` sees a photograph as timm's evaluation does, with PIL."""

import numpy as np
import pytest
from PIL import Image

from keras_convmixer import center_crop
from tests.helpers import shared


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
        ours = center_crop(image, 224, crop_fraction=0.96).numpy()
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
    import tensorflow as tf

    image = photograph(300, 400, 0)
    dataset = tf.data.Dataset.from_tensors(image).map(
        lambda image: center_crop(image, 224, crop_fraction=0.96)
    )
    assert dataset.element_spec.shape[:2] == (224, 224)
    np.testing.assert_array_equal(
        next(dataset.as_numpy_iterator()), center_crop(image, 224, 0.96)
    )
