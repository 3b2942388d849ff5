"""A network and how it is trained."""

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from keras_convmixer.utils.checks import (
    POSITIVE_INTEGER,
    POSITIVE_NUMBER,
    POSITIVE_SHARE,
    SHARE,
    UserError,
    check_choice,
    check_limits,
    integers,
    limited,
    numbers_from_0_to,
)
from keras_convmixer.utils.types import StrPath
from keras_convmixer.variants import DEPTHWISE_INITIALIZERS, NETWORK, Variant

if TYPE_CHECKING:
    import keras


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
        crop: Least share of the image's area that a random crop keeps; 1
            for its middle square.
        aliased_resize: Share of the images whose crop is resized without
            antialiasing, as many apps resize photos: half of them bilinearly,
            half by nearest neighbour. It needs a crop below 1.
        rand_augment: RandAugment's mean magnitude, from 0 (none) to 10.
        erasing: Share of the images of which a part is erased by noise.
        mixup, cutmix: Alpha of either, 0 for none; half of the batches have
            one of them and half the other.

    Raises:
        UserError: If a number is out of its range, or `aliased_resize` is
            set without random crops.

    Example:
        >>> from keras_convmixer.training import RECIPES
        >>> RECIPES["digits"].replace(epochs=5).epochs
        5
    """

    dim: int = field(metadata=limited(POSITIVE_INTEGER))
    depth: int = field(metadata=limited(POSITIVE_INTEGER))
    kernel_size: int = field(metadata=limited(POSITIVE_INTEGER))
    patch_size: int = field(metadata=limited(POSITIVE_INTEGER))
    image_size: int = field(metadata=limited(integers(1, 4096)))
    epochs: int = field(metadata=limited(POSITIVE_INTEGER))
    batch_size: int = field(metadata=limited(POSITIVE_INTEGER))
    learning_rate: float = field(metadata=limited(POSITIVE_NUMBER))
    weight_decay: float = field(metadata=limited(SHARE))
    activation: str = "gelu"
    depthwise_initializer: str = "uniform"
    epsilon: float = field(default=1e-7, metadata=limited(POSITIVE_NUMBER))
    ema: float = field(default=0.0, metadata=limited(SHARE))
    accumulation: int = field(default=1, metadata=limited(POSITIVE_INTEGER))
    label_smoothing: float = field(default=0.0, metadata=limited(SHARE))
    flip: bool = True
    shift: float = field(default=0.1, metadata=limited(SHARE))
    crop: float = field(default=1.0, metadata=limited(POSITIVE_SHARE))
    aliased_resize: float = field(default=0.0, metadata=limited(SHARE))
    rand_augment: float = field(
        default=0.0, metadata=limited(numbers_from_0_to(10))
    )
    erasing: float = field(default=0.0, metadata=limited(SHARE))
    mixup: float = field(default=0.0, metadata=limited(SHARE))
    cutmix: float = field(default=0.0, metadata=limited(SHARE))

    def __post_init__(self) -> None:
        check_limits(self)
        check_choice(
            "depthwise_initializer",
            self.depthwise_initializer,
            DEPTHWISE_INITIALIZERS,
        )
        if self.aliased_resize and self.crop == 1:
            raise UserError(
                "aliased_resize needs random crops: crop must be below 1. "
                f"Received: {self.crop!r}",
                argument="crop",
            )

    @property
    def network(self) -> dict[str, Any]:
        """The arguments of `ConvMixer` that its weights depend on."""
        return {name: getattr(self, name) for name in NETWORK}

    def build(
        self,
        classes: int,
        weights: StrPath | None = None,
        classifier_activation: str | None = "softmax",
    ) -> "keras.Model":
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

    def replace(self, **changes: Any) -> "Recipe":
        """This recipe with the `changes` that are not None."""
        given = {k: v for k, v in changes.items() if v is not None}
        return dataclasses.replace(self, **given)

    def with_variant(self, variant: Variant) -> "Recipe":
        """This recipe with the network, and its image size if it has one."""
        return self.replace(**variant.arguments, image_size=variant.image_size)
