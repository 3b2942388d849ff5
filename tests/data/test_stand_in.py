"""ImageNet's stand-in is read as ImageNet would be."""

import numpy as np

from benchmarks.stand_in import (
    StandIn,
    write_image_folder,
    write_pictures,
    write_tfds,
)
from keras_convmixer.data.image_data import as_arrays
from keras_convmixer.data.source import Source


def test_a_prepared_imagenet_and_a_folder_of_its_shape(tmp_path):
    stand_in = StandIn(train=12, validation=6, classes=3)
    paths = write_pictures(tmp_path / "distinct", count=4)
    write_tfds(tmp_path / "tfds", paths, stand_in)
    write_image_folder(tmp_path / "photos", paths, stand_in)
    for source, classes in (
        (Source("imagenet2012", data_dir=str(tmp_path / "tfds")), 1000),
        (Source(image_folder=str(tmp_path / "photos")), 3),
    ):
        data = source.load(32)
        assert len(data.classes) == classes
        assert (data.num_train, data.num_held_out) == (12, 6)
        pixels, labels = as_arrays(data.held_out)
        assert np.bincount(labels).tolist() == [2, 2, 2]
        assert len(np.unique(pixels.reshape(6, -1), axis=0)) == 4
