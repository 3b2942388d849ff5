"""What a process does so that its input pipeline is faster."""

from tests.processes import run_command

# Takes and frees 40 MB several times; prints how many pages that needed.
ALLOCATE = """
import resource
from keras_convmixer.data.throughput import keep_freed_memory

def page_faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

if KEEP:
    keep_freed_memory()
bytearray(40_000_000)
before = page_faults()
for _ in range(10):
    bytearray(40_000_000)
print(page_faults() - before)
"""
THREADS = """
import tensorflow as tf
from keras_convmixer.data.throughput import one_thread_per_operator

one_thread_per_operator()
print(tf.config.threading.get_intra_op_parallelism_threads())
tf.zeros(3)
one_thread_per_operator()
"""
LATE = """
import tensorflow as tf
from keras_convmixer.data.throughput import one_thread_per_operator

tf.zeros(3)
one_thread_per_operator()
print(tf.config.threading.get_intra_op_parallelism_threads())
"""


def printed(program):
    return run_command("-c", program).stdout.split()


def test_freed_memory_is_kept():
    pages = 40_000_000 // 4096
    (kept,) = printed(ALLOCATE.replace("KEEP", "True"))
    (returned,) = printed(ALLOCATE.replace("KEEP", "False"))
    assert int(kept) < pages < int(returned)


def test_users_have_the_last_word(monkeypatch):
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "100000")
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "3")
    (returned,) = printed(ALLOCATE.replace("KEEP", "True"))
    assert int(returned) > 40_000_000 // 4096
    assert printed(THREADS) == ["0"]


def test_operators_have_one_thread(monkeypatch):
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    assert printed(THREADS) == ["1"]
    assert printed(LATE) == ["0"]
