"""Our augmentation beside timm's: statistics of the images, and a picture.

python -m benchmarks.augmentation photos/ --timm ENVIRONMENT/bin/python
python -m benchmarks.augmentation --timm ENVIRONMENT/bin/python

The first compares brightness, contrast and edges of 7,000 images of a folder,
augmented as `imagenet2012` is, but not mixed; the second draws 60 of
scikit-learn's two photographs. timm is run by a Python that has it.
"""

import os
import subprocess
import tempfile
from pathlib import Path

from benchmarks.measure import RESULTS, write_csv
from keras_convmixer.utils.commands import (
    Parser,
    one_line_errors,
    positive_int,
    quiet_tensorflow,
)
from keras_convmixer.utils.tables import markdown_table

LOADER = Path(__file__).parent / "timm_loader.py"
PICTURE = Path(__file__).parent.parent / "docs/images/augmentation.jpg"
COLUMNS, ROWS, TILE, GAP = 12, 5, 84, 4
BATCH = 30  # Divides what is drawn, and all that is measured but for a rest.


def main(arguments=None):
    parser = Parser(description="Compares our augmentation with timm's.")
    add = parser.add_argument
    add("folder", nargs="?", type=Path, help="of a folder per class")
    add("--timm", required=True, help="a Python that has timm")
    add(
        "--sizes",
        type=positive_int,
        nargs="+",
        default=[224, 32],
        help="pixels",
    )
    add("--count", type=positive_int, default=7000, help="images of each")
    add("--output", type=Path, default=RESULTS / "augmentation.csv")
    args = parser.parse_args(arguments)
    with one_line_errors(), tempfile.TemporaryDirectory() as folder:
        quiet_tensorflow()
        if args.folder is None:
            draw(Path(folder), args.timm)
            return
        lay_out(args.folder.resolve(), Path(folder))
        rows = []
        for size in args.sizes:
            ours, timms = both(Path(folder), args.timm, args.count, size)
            rows += [{"image_size": size} | row for row in compare(ours, timms)]
        print(markdown_table(rows))
        write_csv(args.output, rows)


def lay_out(photos, folder):
    """Links to all pictures in "train", to one of each class in "val"."""
    for place in sorted(path for path in photos.iterdir() if path.is_dir()):
        files = sorted(place.iterdir())
        for part, chosen in (("train", files), ("val", files[:1])):
            (folder / part / place.name).mkdir(parents=True)
            for file in chosen:
                os.symlink(file, folder / part / place.name / file.name)


def both(folder, python, count, size):
    """uint8 `[count, size, size, 3]` of our augmentation and of timm's."""
    saved = folder / "timm.npy"
    options = ["--size", str(size), "--save", saved, "--count", str(count)]
    subprocess.run([python, LOADER, folder / "train", *options], check=True)
    import numpy as np

    return ours_of(folder, count, size), np.load(saved, mmap_mode="r")


def ours_of(folder, count, size):
    import numpy as np

    from keras_convmixer.data import Source
    from keras_convmixer.data.augmentation import Augmentation
    from keras_convmixer.data.batches import steps_in_epoch, training_batches
    from keras_convmixer.training.recipes import RECIPES

    recipe = RECIPES["imagenet2012"].replace(image_size=size, mixup=0, cutmix=0)
    data = Source(image_folder=str(folder)).load(size)
    batches = training_batches(
        data,
        batch_size=BATCH,
        steps=steps_in_epoch(data, BATCH),
        seed=0,
        augmentation=Augmentation(recipe),
    )
    images = [images for images, _ in batches.take(-(-count // BATCH))]
    return np.concatenate(images)[:count]


def compare(ours, timms):
    """A row for mean and deviation of each measure."""
    rows = []
    for name, measure in MEASURES.items():
        both = [[measure(grey(i)) for i in images] for images in (ours, timms)]
        for statistic in ("mean", "std"):
            own, theirs = (float(statistic_of(v, statistic)) for v in both)
            rows.append(
                {
                    "measure": name,
                    "over_images": statistic,
                    "images": len(ours),
                    "ours": round(own, 2),
                    "timm": round(theirs, 2),
                    "difference_percent": round(100 * (own / theirs - 1), 1),
                }
            )
    return rows


def statistic_of(values, name):
    import numpy as np

    return getattr(np, name)(values)


def grey(image):
    """float32 `[H, W]`, 0 to 255."""
    return image.mean(-1, dtype="float32")


def edges(image):
    """Mean step from a pixel to the next, to the right and down."""
    import numpy as np

    return sum(np.abs(np.diff(image, axis=axis)).mean() for axis in (0, 1)) / 2


MEASURES = {
    "brightness": lambda image: image.mean(),
    "contrast": lambda image: image.std(),
    "edges": edges,
}


def draw(folder, python):
    """Writes the picture: columns of ours and of timm's in turn."""
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_sample_image

    for name in ("china", "flower"):
        image = Image.fromarray(load_sample_image(f"{name}.jpg"))
        for part, count in (("train", BATCH // 2), ("val", 1)):
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                image.save(folder / part / name / f"{number}.jpg", quality=95)
    columns = [
        images.reshape(-1, ROWS, *images.shape[1:])
        for images in both(folder, python, BATCH, TILE)
    ]
    sheet = np.full(
        (ROWS * (TILE + GAP), COLUMNS * (TILE + GAP), 3), 255, "uint8"
    )
    for column in range(COLUMNS):
        for row in range(ROWS):
            top, left = row * (TILE + GAP), column * (TILE + GAP)
            tile = columns[column % 2][column // 2, row]
            sheet[top : top + TILE, left : left + TILE] = tile
    Image.fromarray(sheet[:-GAP, :-GAP]).save(PICTURE, quality=85)
    print(f"Written to {PICTURE}.")


if __name__ == "__main__":
    main()
