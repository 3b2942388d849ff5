"""Interleaved timing, and results as CSV with the machine's description."""

import contextlib
import csv
import os
import platform
import re
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import numpy as np

from keras_convmixer.utils.commands import new_process
from keras_convmixer.utils.tables import markdown_table

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
TURN_SECONDS = 0.03
INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "amx_int8", "asimddp", "i8mm")
PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "onnxruntime", "torch")


def measure_networks(names, benchmark, output):
    """Measures networks one after the other; prints and writes the table.

    Args:
        names: As on the command line.
        benchmark: A function of a `Variant` that returns its rows.
        output: The CSV file.
    """
    from benchmarks.networks import parse_network

    networks = {name: parse_network(name) for name in names}
    rows = []
    for name, variant in networks.items():
        print(name, flush=True)
        rows += [{"network": name, **row} for row in benchmark(variant)]
    print(markdown_table(rows))
    write_csv(output, rows)


def interleaved(runs, threads, rounds):
    """Times functions in turns, so that all see the machine's same moods.

    What one thread runs is measured by the processor time it takes, which on
    an idle machine is the time that passes: other programs do not count.

    Args:
        runs: The functions, by name.
        threads: How many threads they use.
        rounds: How many turns each has. A turn is one call that is not
            timed, then calls for `TURN_SECONDS`, at least one.

    Returns:
        For each name a list of turns, each a list of seconds.
    """
    return in_rounds(lambda: round_of_turns(runs, threads), rounds)


def interleaved_processes(builders, threads, rounds):
    """The same for functions that must not be in one process.

    PyTorch and TensorFlow, for instance, can crash each other.

    Args:
        builders: List of `(function, arguments)`, at the top of a module. Each
            is called in a process of its own and returns functions by name.
        threads, rounds: As for `interleaved`.
    """
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(new_process(_build, *builder))
            for builder in builders
        ]

        def all_turns():
            turns = {}
            for process in processes:
                turns |= process.submit(_turns_of_built, threads).result()
            return turns

        return in_rounds(all_turns, rounds)


def in_rounds(all_turns, rounds):
    """Lists of what `all_turns` returns by name, with a progress bar."""
    import keras

    times = {}
    progress = keras.utils.Progbar(rounds, unit_name="round")
    for _ in range(rounds):
        for name, turn in all_turns().items():
            times.setdefault(name, []).append(turn)
        progress.add(1)
    return times


def round_of_turns(runs, threads):
    """Times of one turn of each function, by its name."""
    clock = time.process_time if threads == 1 else time.perf_counter
    turns = {}
    for name, run in runs.items():
        run()
        turns[name], end = [], time.perf_counter() + TURN_SECONDS
        while True:
            start = clock()
            run()
            turns[name].append(clock() - start)
            if time.perf_counter() > end:
                break
    return turns


_built = {}  # The functions of a process of `interleaved_processes`.


def _build(function, arguments):
    _built.update(function(*arguments))


def _turns_of_built(threads):
    return round_of_turns(_built, threads)


def spread(turns):
    """Median and spread of all calls, in milliseconds."""
    percentiles = 1000 * np.percentile(np.concatenate(turns), [50, 10, 90])
    names = ("median_ms", "p10_ms", "p90_ms")
    return dict(zip(names, percentiles.round(3).tolist(), strict=True))


def times_as_fast(turns, reference):
    """How often the reference's time is that of `turns`.

    Turns of the same round are compared, and the median taken: a noisy
    machine changes its speed from round to round.
    """
    if reference is None:
        return None
    rounds = zip(turns, reference, strict=True)
    ratios = [np.median(theirs) / np.median(ours) for ours, theirs in rounds]
    return round(float(np.median(ratios)), 2)


def tflite_run(contents, threads):
    """A function that runs a TFLite file of one input on random values."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=contents, num_threads=threads)
    interpreter.allocate_tensors()
    (image,) = interpreter.get_input_details()
    random = np.random.default_rng(0)
    if image["dtype"] == np.float32:
        value = np.float32(random.normal(size=image["shape"]))
    else:
        value = random.integers(0, 128, image["shape"], image["dtype"])

    def run():
        interpreter.set_tensor(image["index"], value)
        interpreter.invoke()

    return run


def onnx_run(path, threads):
    """A function that runs an ONNX file of `export` on random pixels."""
    from keras_convmixer.evaluation.runtime import OnnxFile

    file = OnnxFile(path, threads)
    shape = (1, *file.image_size, file.channels)
    random = np.random.default_rng(0)
    value = random.integers(0, 256, shape, "uint8").astype(file.image_type)
    return lambda: file(value)


def write_csv(path, rows):
    """Writes rows, each after the machine and the versions, and says so."""
    path = Path(path)
    described = [
        {"machine": machine(), "versions": versions(), **row} for row in rows
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, described[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(described)
    print(f"Written to {path}.")


def read_rows(path):
    """The rows that an earlier call wrote; none where there is no file."""
    path = Path(path)
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def rows_with(rows, values):
    """The rows that have these values; those of a CSV are text."""
    return [
        row
        for row in rows
        if all(str(row[name]) == str(value) for name, value in values.items())
    ]


def folder_name(values):
    """A name for the folder of a training with these values."""
    return re.sub(r"[^\w.]+", "_", "-".join(map(str, values)))


def run_measured(arguments):
    """Runs Python in the project's folder, to its end.

    Args:
        arguments: Those of the interpreter.

    Returns:
        The seconds that it took, starting included; a dict: `peak_mb`, the
        most memory that it held, `minutes` and `processor_minutes`.

    Raises:
        CalledProcessError: If it fails.
    """
    command = [sys.executable, *map(str, arguments)]
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT)
    # Of this process alone; in kilobytes.
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    processor_seconds = usage.ru_utime + usage.ru_stime
    return seconds, {
        "peak_mb": usage.ru_maxrss * 1024 // 10**6,
        "minutes": round(seconds / 60, 2),
        "processor_minutes": round(processor_seconds / 60, 2),
    }


def machine():
    """Processor, cores, and the instructions that matter here."""
    name, flags = platform.processor() or platform.machine(), []
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            elif key.strip() in ("flags", "Features"):
                flags = [f for f in INSTRUCTIONS if f in value.split()]
    return ", ".join([name, f"{os.cpu_count()} cores", *flags])


def versions():
    installed = {dist.name.lower() for dist in metadata.distributions()}
    return ", ".join(
        f"{name} {metadata.version(name)}"
        for name in PACKAGES
        if name in installed
    )
