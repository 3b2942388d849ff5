"""The rows, the most important ones first."""

from benchmarks.gpu.steps import keras_step, pytorch_step
from benchmarks.gpu.training import fit_rate, input_rate, repeat
from benchmarks.gpu.worker import Row

# Networks and their batch; the first three are those of the goals.
NETWORKS = [
    ("256/8/k5/p2@32", 512),
    ("768/32/k7/p7/relu@224", 64),
    ("1024/20/k9/p14@224", 128),
    ("128/8/k7/p7@112", 64),
    ("128/8/k7/p7@112", 512),
]
# Where its kernels differ most, by the size of the depthwise ones: 5, 7, 9.
KERNELS = NETWORKS[:3]
WAYS = ("stock", "float32", "cudnn")  # Of depthwise convolutions.


def keras_rows(networks, precisions, xla):
    return [
        keras_row(network, batch, precision, xla)
        for precision in precisions
        for network, batch in networks
    ]


def keras_row(network, batch, precision, xla, depthwise=None):
    words = f", depthwise {depthwise}" if depthwise else ""
    policy = precision if precision == "float32" else f"mixed_{precision}"
    return Row(
        f"{network}, {batch}: TensorFlow, {precision}, XLA {xla}{words}",
        "tensorflow",
        keras_step,
        {
            "network": network,
            "batch_size": batch,
            "policy": policy,
            "xla": xla,
            "depthwise": depthwise,
        },
    )


def jax_rows(networks):
    return [
        Row(
            f"{network}, {batch}: JAX, bfloat16",
            "jax",
            keras_step,
            {
                "network": network,
                "batch_size": batch,
                "policy": "mixed_bfloat16",
                "xla": "auto",
            },
            alone=True,  # Its peak of memory is that of the process.
        )
        for network, batch in networks
    ]


def pytorch_rows(networks, **options):
    words = {
        (): "channels last",
        ("channels_last",): "NCHW",
        ("compiled",): "channels last, compiled",
    }[tuple(options)]
    return [
        Row(
            f"{network}, {batch}: PyTorch, bfloat16, {words}",
            "pytorch",
            pytorch_step,
            {"network": network, "batch_size": batch, **options},
        )
        for network, batch in networks
    ]


def uncompiled_rows(precision, ways):
    """Without XLA, in each way where the kernels differ most."""
    return [
        *(
            keras_row(network, batch, precision, "off", way)
            for network, batch in KERNELS
            for way in ways
        ),
        *keras_rows(NETWORKS[3:], [precision], "off"),
    ]


def real_row(name, measure, recipe, changes, alone=False, **options):
    return Row(
        name,
        "tensorflow",
        measure,
        {"recipe": recipe, "changes": changes, **options},
        alone,
    )


NO_NETWORK = {"dim": 8, "depth": 1}  # Where only the input is measured.
SMALL_NETWORK = {**NO_NETWORK, "kernel_size": 3, "batch_size": 4}

ROWS = [
    *keras_rows(NETWORKS, ["bfloat16"], "on"),
    *pytorch_rows(NETWORKS),
    *pytorch_rows(NETWORKS[:3], channels_last=False),
    *pytorch_rows(NETWORKS[:1], compiled=True),
    real_row("fit: cifar10@32", fit_rate, "cifar10", {}, count=2560, seconds=8),
    *(
        real_row(
            f"input: {recipe}@{side}",
            input_rate,
            recipe,
            {**NO_NETWORK, "batch_size": 128},
            count=count,
            seconds=5,
        )
        for recipe, side, count in (
            ("cifar10", 32, 2560),
            ("photographs", 112, 1200),
            ("imagenet2012", 224, 1200),
        )
    ),
    *jax_rows(NETWORKS[:3]),
    *uncompiled_rows("bfloat16", WAYS),
    *(
        real_row(
            f"repeat: cifar10@32{words}",
            repeat,
            "cifar10",
            {"batch_size": 128},
            alone=True,  # What makes it deterministic holds for the process.
            count=2560,
            steps=30,
            deterministic=deterministic,
        )
        for words, deterministic in (("", False), (", deterministic", True))
    ),
    *keras_rows(NETWORKS, ["float16", "float32"], "on"),
    *jax_rows(NETWORKS[3:]),
    *pytorch_rows(NETWORKS[1:], compiled=True),
    *uncompiled_rows("float16", WAYS),
    *uncompiled_rows("float32", ("stock", "cudnn")),
]

SMALL = [("8/1/k4/p4@8", 4)]
SMALL_ROWS = [
    keras_row(*SMALL[0], "bfloat16", "off", "float32"),
    real_row(
        "fit: cifar10@32",
        fit_rate,
        "cifar10",
        SMALL_NETWORK,
        count=40,
        seconds=1,
    ),
    real_row(
        "input: cifar10@32",
        input_rate,
        "cifar10",
        SMALL_NETWORK,
        count=40,
        seconds=1,
    ),
    real_row(
        "repeat: cifar10@32",
        repeat,
        "cifar10",
        SMALL_NETWORK,
        count=40,
        steps=3,
        deterministic=False,
    ),
    *pytorch_rows(SMALL),
    *jax_rows(SMALL),
]
