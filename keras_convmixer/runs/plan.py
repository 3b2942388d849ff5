"""What is to be trained, on what, how: all that a training depends on."""

from dataclasses import dataclass, field

from keras_convmixer.data.reading import AUTO, Reading, parse_cache
from keras_convmixer.data.source import Source
from keras_convmixer.runs.recipe import Recipe
from keras_convmixer.utils.checks import (
    POSITIVE_INTEGER,
    POSITIVE_NUMBER,
    check_choice,
    check_limits,
    integers,
    limited,
)
from keras_convmixer.utils.processors import num_cpus

MIXED_PRECISIONS = ("float16", "bfloat16", "auto")
XLA = ("auto", "on", "off")
CLASS_WEIGHTS = ("balanced",)
# Which epoch's model is kept.
KEEP = ("last", "best")


@dataclass(frozen=True)
class Plan:
    """All that a training depends on.

    Attributes:
        recipe: A `Recipe`.
        source: The `Source` of the images.
        seed: Of the weights, the order and the augmentation.
        weights: What to start from: a name, a file or None.
        limit_steps: Steps an epoch at most, or None.
        replicas: Their number; None for all GPUs, or one CPU.
        freeze: Blocks that stay as they are, with the stem; None for no stem.
        mixed_precision: "float16", "bfloat16", "auto" for what the GPU is
            made for, or None.
        xla: Whether XLA compiles the training step: "on", "off", or "auto"
            for on GPUs only.
        deterministic: Whether GPUs compute the same bits in every run, as one
            CPU does anyway.
        rematerialize: Whether activations are computed again for the
            gradient, which takes less memory and more time.
        backup_minutes: Between two backups within an epoch. There is one at
            the end of each epoch anyway.
        tensorboard: Whether TensorBoard's logs are written.
        keep: The epoch whose model is kept: the "last", whose held-out
            accuracy is unbiased since the held-out images chose nothing, or
            the "best" by that accuracy.
        class_weights: "balanced" for a loss in which all classes count the
            same, however many images they have; None for all images.
        calibrate: Whether a temperature that fits the held-out images is
            folded into the trained model, so that its probabilities mean
            what they say.
        workers: Threads that decode and augment images; None for one per CPU
            that this process may use. It changes no value.
        cache: Bytes up to which decoded images stay in memory, "auto" or
            "off". It changes no value.
    """

    recipe: Recipe
    source: Source
    seed: int = field(default=0, metadata=limited(integers(0, 2**32 - 1)))
    weights: str | None = None
    limit_steps: int | None = field(
        default=None, metadata=limited(POSITIVE_INTEGER)
    )
    replicas: int | None = field(
        default=None, metadata=limited(POSITIVE_INTEGER)
    )
    freeze: int | None = field(
        default=None, metadata=limited(integers(0, 1000))
    )
    mixed_precision: str | None = None
    xla: str = "auto"
    deterministic: bool = False
    rematerialize: bool = False
    backup_minutes: float = field(
        default=10.0, metadata=limited(POSITIVE_NUMBER)
    )
    tensorboard: bool = False
    keep: str = "last"
    class_weights: str | None = None
    calibrate: bool = True
    workers: int | None = field(
        default=None, metadata=limited(POSITIVE_INTEGER)
    )
    cache: str = AUTO

    def __post_init__(self) -> None:
        check_limits(self)
        parse_cache(self.cache)
        check_choice("keep", self.keep, KEEP)
        check_choice("xla", self.xla, XLA)
        for name, allowed in {
            "mixed_precision": MIXED_PRECISIONS,
            "class_weights": CLASS_WEIGHTS,
        }.items():
            if (value := getattr(self, name)) is not None:
                check_choice(name, value, allowed)

    @property
    def reading(self) -> Reading:
        """How this machine reads the images, a `Reading`."""
        return Reading(self.workers or num_cpus(), parse_cache(self.cache))

    @property
    def held_out_used_for(self) -> str:
        """What the held-out images decided, in words."""
        decided = ["the epoch that was kept"] if self.keep == "best" else []
        if self.calibrate:
            decided.append("the temperature")
        return " and ".join(decided) or "nothing"
