"""`python -m benchmarks.gpu`, with tiny networks on a CPU."""

import os
import subprocess
import tempfile

import pytest

from benchmarks.gpu import rows
from benchmarks.gpu.__main__ import main, measure
from benchmarks.gpu.worker import Row
from benchmarks.measure import read_rows
from tests.helpers import run_program

SLEEP = ["sleep", "60"]


@pytest.fixture(scope="module", autouse=True)
def folder_of_images(tmp_path_factory):
    """Not that of other processes, which would write it at the same time."""
    folder = tmp_path_factory.mktemp("images")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder))
        yield


@pytest.mark.slow
@pytest.mark.parametrize(
    "row",
    [row for row in rows.SMALL_ROWS if row.framework == "tensorflow"],
    ids=lambda row: row.name,
)
def test_a_small_row_is_measured(row):
    result = row.measure(**row.arguments)
    if row.measure is rows.repeat:
        assert result["difference"] == 0  # On a CPU.
    else:
        assert result["images_a_second"] > 0
    if row.measure in (rows.keras_step, rows.fit_rate):
        assert result["device"] == "CPU"
        assert result["step_ms"] > 0


@pytest.mark.slow
def test_jax_has_a_process_of_its_own_and_rows_are_written(tmp_path):
    output = tmp_path / "gpu.csv"
    printed = run_program(
        main, "--small", "--only", "JAX", "--seconds", 600, "--output", output
    )
    (row,) = read_rows(output)
    assert row["row"] == "8/1/k4/p4@8, 4: JAX, bfloat16"
    assert not row["error"]
    assert int(row["images_a_second"]) > 0
    assert row["row"] in printed


def test_a_row_that_fails_costs_itself(tmp_path):
    output = tmp_path / "gpu.csv"
    done = measure(
        [
            Row("crash", "pytorch", os._exit, {"status": 3}),
            Row("raise", "pytorch", int, {"base": 2}),
            Row("good", "pytorch", dict, {"images_a_second": 7}),
        ],
        seconds=600,
        output=output,
    )
    assert len(done) == 3
    crash, error, good = read_rows(output)
    assert crash["error"] == "the process ended with status 3"
    assert error["error"].startswith("TypeError: int() missing")
    assert (good["error"], good["images_a_second"]) == ("", "7")


def test_a_call_ends_when_its_seconds_are_over(tmp_path, capsys):
    output = tmp_path / "gpu.csv"
    slow = [
        Row(f"slow {number}", "pytorch", subprocess.run, {"args": SLEEP})
        for number in range(2)
    ]
    (row,) = measure(slow, seconds=1, output=output)
    assert row["error"] == "took more than 1 s"
    assert len(read_rows(output)) == 1


def test_what_the_file_lacks_is_measured(tmp_path):
    output = tmp_path / "gpu.csv"
    first, second = (f'"{row.name}"' for row in rows.ROWS[:2])
    output.write_text(f"row,error\n{first},\n{second},out of memory\n")
    names = run_program(main, "--rest", "--list", "--output", output)
    assert names.splitlines() == [row.name for row in rows.ROWS[1:]]
    assert len(set(names.splitlines())) == len(rows.ROWS) - 1


def test_an_unknown_row_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--only", "256/9"])
    assert "--list prints the names" in capsys.readouterr().err
