"""Classifies photos on a Raspberry Pi, or on any other board with Linux.

    pip install ai-edge-litert pillow
    python raspberry_pi.py flowers_int8.tflite photo.jpg another.jpg

Takes every TFLite file that `export` writes, except those of `--io int8`. The
photo is resized as in evaluation: see docs/phone.md.
"""

import argparse
import zipfile

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image, ImageOps

TOP = 5


class Classifier:
    """A TFLite file as a function of photos.

    Args:
        path: The file.
        threads: How many it runs with; a Raspberry Pi 4 or 5 has four cores.
    """

    def __init__(self, path, threads=4):
        interpreter = Interpreter(path, num_threads=threads)
        self.run = interpreter.get_signature_runner("serving_default")
        image = self.run.get_input_details()["image"]
        # uint8, or float32 in the file for GPUs; the values are the same.
        self.type, self.size = image["dtype"], int(image["shape"][1])
        with zipfile.ZipFile(path) as archive:
            self.labels = archive.read("labels.txt").decode().splitlines()

    def __call__(self, photo):
        """The most probable classes of a `PIL.Image`: `[(label, score)]`."""
        pixels = middle_square(photo, self.size)
        image = np.asarray(pixels, self.type)[None]
        (scores,) = self.run(image=image)["probabilities"]
        best = np.argsort(-scores)[:TOP]
        return [(self.labels[index], float(scores[index])) for index in best]


def middle_square(photo, size):
    """The photo as evaluation sees it: upright, its middle, antialiased."""
    photo = ImageOps.exif_transpose(photo).convert("RGB")
    short = min(photo.size)
    resized = [side * size // short for side in photo.size]
    left, top = [round((side - size) / 2) for side in resized]
    photo = photo.resize(resized, Image.Resampling.BICUBIC)
    return photo.crop((left, top, left + size, top + size))


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", help="a .tflite file")
    parser.add_argument("photos", nargs="+", metavar="photo")
    args = parser.parse_args(arguments)
    classify = Classifier(args.file)
    for path in args.photos:
        with Image.open(path) as photo:
            classes = classify(photo)
        found = ", ".join(f"{label} {score:.1%}" for label, score in classes)
        print(f"{path}: {found}")


if __name__ == "__main__":
    main()
