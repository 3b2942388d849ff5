"""How images are read: by how many threads, and what is kept in memory."""

from dataclasses import dataclass, field

from keras_convmixer.utils.checks import UserError
from keras_convmixer.utils.processors import num_cpus

AUTO, OFF = "auto", "off"
AUTO_BYTES = 2**30


@dataclass(frozen=True)
class Reading:
    """How images are read; it changes no value of them.

    Attributes:
        workers: Threads that decode and augment.
        cache: Bytes up to which the decoded images of a part, those to train
            on or those held out, are kept in memory.
    """

    workers: int = field(default_factory=num_cpus)
    cache: int = AUTO_BYTES


def parse_cache(text: str) -> int:
    """The bytes that `--cache` allows: of "auto", "off" or a number."""
    if text in (AUTO, OFF):
        return AUTO_BYTES if text == AUTO else 0
    try:
        if (number := int(text)) > 0:
            return number
    except ValueError:
        pass
    raise UserError(
        f"cache must be {AUTO}, {OFF} or a positive number of bytes. "
        f"Received: {text!r}",
        argument="cache",
    )
