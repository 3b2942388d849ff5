"""One recipe per data set: which network, trained how, and what it reaches."""

from keras_convmixer.runs.recipe import Recipe
from keras_convmixer.utils.checks import check_choice
from keras_convmixer.variants import VARIANTS

# 1,797 digits of 8 x 8 pixels; 1,437 to train on, 360 held out: 98.3 to 99.7 %
# with the seeds 0, 1 and 2, 99.1 % on average, in a minute on two cores.
#   python train.py
DIGITS = Recipe(
    dim=64,
    depth=4,
    kernel_size=7,
    patch_size=1,
    image_size=8,
    epochs=30,
    batch_size=64,
    learning_rate=0.01,
    weight_decay=0.005,
    flip=False,
)

# The paper's CIFAR-10 training; its table 4 has 95.21 % for this network, and
# 95.88 % with `--model 256/8/k9/p1`. It is for a GPU: two cores take 12 minutes
# an epoch.
#   python train.py --dataset cifar10 --mixed-precision auto
CIFAR10 = Recipe(
    **VARIANTS["convmixer_256_8"].arguments,
    image_size=32,
    epochs=200,
    batch_size=512,
    learning_rate=0.01,
    weight_decay=0.01,
    shift=0.0,
    crop=0.75,
    rand_augment=9.0,
    erasing=0.25,
    mixup=0.5,
    cutmix=0.5,
)

# What one core can do in 133 minutes: 91.5 % (see weights/shipped_files/). So
# short a training wants a higher rate and less augmentation, as the authors'
# small repository has them.
#   python train.py --dataset cifar10 --recipe cifar10_cpu \
#       --mixed-precision bfloat16
CIFAR10_CPU = CIFAR10.replace(
    dim=128,
    kernel_size=7,
    epochs=30,
    batch_size=128,
    learning_rate=0.02,
    weight_decay=0.005,
    crop=1.0,
    rand_augment=4.0,
    erasing=0.0,
    mixup=0.0,
    cutmix=0.0,
)

# Any other data set whose images are 64 pixels or less.
#   python train.py --dataset NAME
THUMBNAILS = CIFAR10_CPU.replace(
    dim=256,
    kernel_size=5,
    epochs=25,
    learning_rate=0.01,
    crop=0.75,
    rand_augment=0.0,
)

# Any other data set, and folders of images. Of few photographs a network that
# is trained from nothing learns more the longer it sees them changed.
#   python train.py --image-folder photos/
PHOTOGRAPHS = Recipe(
    dim=128,
    depth=8,
    kernel_size=7,
    patch_size=7,
    image_size=112,
    epochs=100,
    batch_size=64,
    learning_rate=0.01,
    weight_decay=0.005,
    shift=0.0,
    crop=0.35,
    rand_augment=5.0,
    erasing=0.25,
)

# A network that was trained on ImageNet goes on with other photographs. This
# is the one of the released three for a phone: `--model convmixer_768_32` takes
# four times as long and knows ImageNet better (80.16 % in place of 76.94 %).
#   python train.py --image-folder photos/ --recipe fine_tuning \
#       --weights imagenet
FINE_TUNING = PHOTOGRAPHS.with_variant(VARIANTS["convmixer_1024_20"]).replace(
    epochs=10,
    batch_size=32,
    learning_rate=0.001,
    crop=0.75,
    rand_augment=0.0,
    erasing=0.0,
)

# The authors' ImageNet training, for ten GPUs: 81.37 % top-1. They train the
# 768/32 with ReLU for 300 epochs.
#   python train.py --dataset imagenet2012 --mixed-precision auto
IMAGENET = Recipe(
    **VARIANTS["convmixer_1536_20"].arguments,
    image_size=224,
    epochs=150,
    batch_size=640,
    learning_rate=0.01,
    weight_decay=2e-5,
    epsilon=1e-3,
    label_smoothing=0.1,
    shift=0.0,
    crop=0.08,
    rand_augment=9.0,
    erasing=0.25,
    mixup=0.5,
    cutmix=0.5,
)

RECIPES = {
    "digits": DIGITS,
    "cifar10": CIFAR10,
    "cifar10_cpu": CIFAR10_CPU,
    "thumbnails": THUMBNAILS,
    "photographs": PHOTOGRAPHS,
    "fine_tuning": FINE_TUNING,
    "imagenet2012": IMAGENET,
}


def recipe_for(
    dataset: str | None,
    native_size: int | None = None,
    name: str | None = None,
) -> Recipe:
    """The recipe of a data set.

    Args:
        dataset: Name of a data set, or None for a folder of images.
        native_size: Side of its images in pixels where all have the same.
        name: The name of another one in `RECIPES`.
    """
    is_small = native_size is not None and native_size <= 64
    small = native_size if is_small else None
    name = name or (dataset if dataset in RECIPES else None)
    name = name or ("thumbnails" if small else "photographs")
    recipe = RECIPES[check_choice("recipe", name, RECIPES)]
    if name == "thumbnails" and small:
        patches = small // recipe.patch_size
        return recipe.replace(image_size=patches * recipe.patch_size)
    return recipe
