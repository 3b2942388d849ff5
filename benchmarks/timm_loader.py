"""How many images a second timm's loader gives, with the authors' arguments.

In an environment that has timm, PyTorch and torchvision:

python benchmarks/timm_loader.py photos/

With --save it keeps augmented images, not mixed, instead: for
`benchmarks.augmentation`.
"""

import argparse
import os
import time

import numpy as np
import torch
from timm.data import Mixup, create_dataset, create_loader
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

BATCH_SIZE = 128
MEASURED_SECONDS = 20


def main():
    parser = argparse.ArgumentParser(description="Times timm's loader.")
    parser.add_argument("folder", help="with a folder of pictures per class")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--save", help="a .npy file: uint8 [N, H, W, 3]")
    parser.add_argument("--count", type=int, help="how many are saved")
    args = parser.parse_args()
    torch.manual_seed(0)
    dataset = create_dataset("", root=args.folder, split="train")
    loader = create_loader(
        dataset,
        input_size=(3, args.size, args.size),
        batch_size=min(BATCH_SIZE, args.count or BATCH_SIZE),
        is_training=True,
        scale=(0.08, 1.0),
        ratio=(3 / 4, 4 / 3),
        hflip=0.5,
        auto_augment="rand-m9-mstd0.5-inc1",
        interpolation="random",
        re_prob=0.25,
        re_mode="pixel",
        num_workers=len(os.sched_getaffinity(0)),
        persistent_workers=True,
        device=torch.device("cpu"),
    )
    if args.save:
        np.save(args.save, images_of(loader, args.count))
    else:
        print(f"timm {args.size} px: {images_a_second(loader):.0f} images/s")


def images_a_second(loader):
    """Mixing included, over epochs that follow the first."""
    mix = Mixup(mixup_alpha=0.5, cutmix_alpha=0.5, num_classes=10)
    for images, labels in loader:  # Its workers start.
        mix(images, labels)
    count, start = 0, time.perf_counter()
    while (seconds := time.perf_counter() - start) < MEASURED_SECONDS:
        for images, labels in loader:
            mix(images, labels)
            count += len(images)
    return count / seconds


def images_of(loader, count):
    """The first images, as they are before they are normalised."""
    found = []
    while len(found) < count:
        for images, _ in loader:
            pixels = images.numpy().transpose(0, 2, 3, 1)
            pixels = pixels * IMAGENET_DEFAULT_STD + IMAGENET_DEFAULT_MEAN
            found += list(np.uint8(np.rint(255 * pixels.clip(0, 1))))
    return np.stack(found[:count])


if __name__ == "__main__":
    main()
