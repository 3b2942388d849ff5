"""The tables of README and docs, from `benchmarks/results/`.

python -m benchmarks.tables
"""

from functools import partial

from benchmarks.tables import files, study, training, trust

TABLES = (
    files.highlights,
    files.leaderboard,
    training.speed,
    training.pipeline,
    training.augmentation,
    training.rehearsal,
    training.ways,
    training.fine_tuning,
    training.resizing,
    training.resizing_cost,
    files.accuracy,
    files.stock_int8,
    files.compression,
    files.latency,
    files.full_size,
    files.arm64,
    files.alternatives,
    files.alternatives_files,
    files.onnx,
    trust.calibration,
    trust.unknown,
    trust.other_class,
    study.beside_timm,
    *(partial(study.answers, question) for question in study.answered()),
)
