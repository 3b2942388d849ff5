"""How many images a second timm's loader gives, with the authors' arguments.

In an environment that has timm, PyTorch and torchvision:

python benchmarks/timm_loader.py photos/
"""

import argparse
import os
import time

import torch
from timm.data import Mixup, create_dataset, create_loader

BATCH_SIZE = 128
MEASURED_SECONDS = 20


def main():
    parser = argparse.ArgumentParser(description="Times timm's loader.")
    parser.add_argument("folder", help="with a folder of pictures per class")
    parser.add_argument("--size", type=int, default=224)
    args = parser.parse_args()
    dataset = create_dataset("", root=args.folder, split="train")
    loader = create_loader(
        dataset,
        input_size=(3, args.size, args.size),
        batch_size=BATCH_SIZE,
        is_training=True,
        scale=(0.08, 1.0),
        ratio=(3 / 4, 4 / 3),
        hflip=0.5,
        auto_augment="rand-m9-mstd0.5-inc1",
        interpolation="random",
        re_prob=0.25,
        re_mode="pixel",
        num_workers=os.cpu_count(),
        persistent_workers=True,
        device=torch.device("cpu"),
    )
    mix = Mixup(mixup_alpha=0.5, cutmix_alpha=0.5, num_classes=10)
    for images, labels in loader:  # Its workers start.
        mix(images, labels)
    count, start = 0, time.perf_counter()
    while (seconds := time.perf_counter() - start) < MEASURED_SECONDS:
        for images, labels in loader:
            mix(images, labels)
            count += len(images)
    print(f"timm {args.size} px: {count / seconds:.0f} images/s")


if __name__ == "__main__":
    main()
