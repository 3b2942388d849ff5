"""One recipe per data set: which network, trained how, and what it reaches."""

import dataclasses
from dataclasses import dataclass

from keras_convmixer.utils.checks import (
    POSITIVE_INTEGER,
    POSITIVE_NUMBER,
    POSITIVE_SHARE,
    SHARE,
    check_choice,
    check_limits,
    integers,
    limited,
    numbers_from_0_to,
)
from keras_convmixer.variants import DEPTHWISE_INITIALIZERS, NETWORK, VARIANTS


@dataclass(frozen=True)
class Recipe:
    """A network and its training.

    Attributes:
        dim, depth, kernel_size, patch_size, activation: The `ConvMixer`.
        image_size: Height and width in pixels of its images.
        epochs: Times that the training images are gone through.
        batch_size: Images a step, over all replicas together.
        learning_rate: The peak of the schedule.
        weight_decay: AdamW's, on kernels only.
        epsilon: AdamW's.
        ema: Share of the moving average of the weights that each step keeps,
            of an average of n steps n / (n + 9) at most; 0 for no average.
            Where there is one, it is what is evaluated and saved.
        accumulation: Batches whose gradients make one step of AdamW.
        depthwise_initializer: How the depthwise kernels are drawn, "uniform"
            or "covariance".
        label_smoothing: Share of a label that is spread over all classes.
        flip: Whether images are mirrored left to right at random.
        shift: Largest random shift, as a share of the image's side.
        crop: Least share of the picture's area that a random crop keeps; 1
            for its middle square.
        rand_augment: RandAugment's mean magnitude, from 0 (none) to 10.
        erasing: Share of the images of which a part is erased by noise.
        mixup, cutmix: Alpha of either, 0 for none; half of the batches have
            one of them and half the other.

    Raises:
        UserError: If a number is out of its range.

    Example:
        >>> from keras_convmixer.training import RECIPES
        >>> RECIPES["digits"].replace(epochs=5).epochs
        5
    """

    dim: int = limited(POSITIVE_INTEGER)
    depth: int = limited(POSITIVE_INTEGER)
    kernel_size: int = limited(POSITIVE_INTEGER)
    patch_size: int = limited(POSITIVE_INTEGER)
    image_size: int = limited(integers(1, 4096))
    epochs: int = limited(POSITIVE_INTEGER)
    batch_size: int = limited(POSITIVE_INTEGER)
    learning_rate: float = limited(POSITIVE_NUMBER)
    weight_decay: float = limited(SHARE)
    activation: str = "gelu"
    depthwise_initializer: str = "uniform"
    epsilon: float = limited(POSITIVE_NUMBER, default=1e-7)
    ema: float = limited(SHARE, default=0.0)
    accumulation: int = limited(POSITIVE_INTEGER, default=1)
    label_smoothing: float = limited(SHARE, default=0.0)
    flip: bool = True
    shift: float = limited(SHARE, default=0.1)
    crop: float = limited(POSITIVE_SHARE, default=1.0)
    rand_augment: float = limited(numbers_from_0_to(10), default=0.0)
    erasing: float = limited(SHARE, default=0.0)
    mixup: float = limited(SHARE, default=0.0)
    cutmix: float = limited(SHARE, default=0.0)

    def __post_init__(self):
        check_limits(self)
        check_choice(
            "depthwise_initializer",
            self.depthwise_initializer,
            DEPTHWISE_INITIALIZERS,
        )

    @property
    def network(self):
        """The arguments of `ConvMixer` that its weights depend on."""
        return {name: getattr(self, name) for name in NETWORK}

    def build(self, classes, weights=None, classifier_activation="softmax"):
        """The recipe's network for that number of classes."""
        from keras_convmixer.convmixer import ConvMixer

        return ConvMixer(
            **self.network,
            depthwise_initializer=self.depthwise_initializer,
            weights=weights,
            input_shape=(self.image_size, self.image_size, 3),
            classes=classes,
            classifier_activation=classifier_activation,
        )

    def replace(self, **changes):
        """This recipe with the `changes` that are not None."""
        given = {k: v for k, v in changes.items() if v is not None}
        return dataclasses.replace(self, **given)

    def with_variant(self, variant):
        """This recipe with the network, and its image size if it has one."""
        return self.replace(**variant.arguments, image_size=variant.image_size)


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
    dim=256,
    depth=8,
    kernel_size=5,
    patch_size=2,
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
    dim=1536,
    depth=20,
    kernel_size=9,
    patch_size=7,
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


def recipe_for(dataset, native_size=None, name=None):
    """The recipe of a data set.

    Args:
        dataset: Name of a data set, or None for a folder of images.
        native_size: Side of its images in pixels where all have the same.
        name: The name of another one in `RECIPES`.
    """
    small = native_size is not None and native_size <= 64
    name = name or (dataset if dataset in RECIPES else None)
    name = name or ("thumbnails" if small else "photographs")
    recipe = RECIPES[check_choice("recipe", name, RECIPES)]
    if name == "thumbnails" and small:
        patches = native_size // recipe.patch_size
        return recipe.replace(image_size=patches * recipe.patch_size)
    return recipe
