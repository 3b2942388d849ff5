"""scikit-learn's handwritten digits, which need no download."""

import numpy as np
import tensorflow as tf
from sklearn import datasets

from keras_convmixer.data.image_data import ImageData, split_indices
from keras_convmixer.data.pictures import Pictures, untuned


def load_digits(image_size):
    """scikit-learn's digits: 8 x 8 grey levels 0..16, as RGB 0..255."""
    digits = datasets.load_digits()
    grey = np.rint(digits.images * (255 / 16)).astype("uint8")
    images = np.repeat(grey[..., None], 3, axis=-1)
    train, held_out = split_indices(digits.target, seed=0)

    files = tf.stack([tf.io.encode_png(image) for image in images])

    def part(indices):
        pairs = tf.gather(files, indices), digits.target[indices]
        return Pictures(
            rows=untuned(tf.data.Dataset.from_tensor_slices(pairs)),
            read=lambda contents: (contents, tf.constant(1)),
            buffer=len(indices),
            side=digits.images.shape[1],
        )

    return ImageData(
        name="digits",
        classes=[str(name) for name in digits.target_names],
        image_size=image_size,
        train_pictures=part(train),
        held_out_pictures=part(held_out),
        held_out_split=f"{len(held_out)} of {len(images)}, stratified",
    )
