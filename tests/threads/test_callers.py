"""Many threads and forked processes that call at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import fastfuse

pytestmark = pytest.mark.filterwarnings(
    "ignore::fastfuse.FusionWarning", "ignore:.*fork.*:DeprecationWarning"
)
SHAPE = (40, 50, 60)
CALLERS = 16


def volume(*, soft: bool = False) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    votes = rng.random((5, *SHAPE)) < 0.2 + 0.6 * (np.indices(SHAPE)[0] > 20)
    return [(vote * (0.3 if soft and i % 2 else 1)).astype(np.float32) for i, vote in enumerate(votes)]


CALLS: dict[str, Callable[..., Any]] = {
    "staple": lambda threads: fastfuse.staple(volume(), threads=threads).probability,
    "soft-staple": lambda threads: fastfuse.soft_staple(volume(soft=True), threads=threads).probability,
    "mrf": lambda threads: fastfuse.staple(volume(), mrf=0.3, max_iter=5, threads=threads).probability,
    "labels": lambda threads: fastfuse.staple(volume(), labels=[0, 1], threads=threads).probability(1),
    "blocks": lambda threads: fastfuse.staple(volume(), threads=threads, max_memory="4M").probability,
    "rings": lambda threads: (
        fastfuse.conditional_dilation(volume()[0], np.indices(SHAPE, dtype=np.float32)[0]).values
    ),
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("name", CALLS)
def test_forked_child_answers(name: str) -> None:
    """After threads ran in the parent, whose threads do not exist in the child: the same bits, and no waiting for them."""
    expected = CALLS[name](2).tobytes()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if CALLS[name](2).tobytes() == expected else 3
        finally:
            os._exit(code)
    assert exit_code(child) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_child_forked_while_others_fuse() -> None:
    """Another thread of the parent is inside of a fusion, and holds its locks, at the fork."""
    code = """
        import os, signal, threading, time, warnings
        import numpy as np, fastfuse
        warnings.simplefilter("ignore")
        votes = np.random.default_rng(0).random((8, 60_000))
        masks = (votes > 0.5)[:, :5000].astype("u1")
        fastfuse.soft_staple(votes[:, :100]), fastfuse.staple(masks)  # imports hold locks that Python does not free in a child
        busy = threading.Event()
        def work():
            while not busy.is_set():
                fastfuse.soft_staple(votes, max_iter=3)
        others = [threading.Thread(target=work) for _ in range(3)]
        for one in others: one.start()
        for _ in range(6):
            time.sleep(0.05)
            child = os.fork()
            if child == 0:
                signal.alarm(30)
                fastfuse.staple(masks)
                os._exit(0)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        busy.set()
        for one in others: one.join()
    """
    run = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(run, capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.split() == ["0"] * 6


def exit_code(child: int, seconds: float = 60) -> int:
    """Wait for a process, but not for ever."""
    deadline = time.time() + seconds
    while time.time() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    pytest.fail("the child hangs")


@pytest.mark.parametrize("name", ["staple", "soft-staple", "blocks"])
def test_sixteen_callers_have_the_same_bits(name: str) -> None:
    expected = CALLS[name](0).tobytes()
    with ThreadPoolExecutor(CALLERS) as callers:
        found = list(callers.map(lambda _: CALLS[name](1).tobytes(), range(2 * CALLERS)))
    assert set(found) == {expected}


@pytest.mark.skipif(sys.platform != "linux", reason="counts a process's threads by /proc")
def test_sixteen_callers_make_no_more_threads() -> None:
    """With threads=1 nobody but the callers works, and they work at once: no lock of the interpreter is held."""
    code = """
        import os, threading, time, warnings
        import numpy as np, fastfuse
        warnings.simplefilter("ignore")
        votes = np.random.default_rng(0).random((6, 400_000)).astype("f4")
        fastfuse.soft_staple(votes[:, :100], threads=1)
        before = len(os.listdir("/proc/self/task"))
        inside, most, guard, threads = [0], [0], threading.Lock(), [0]
        seen, begin = threading.Event(), time.monotonic()
        def call():
            fastfuse.soft_staple(votes, threads=1, max_iter=20)
            while not seen.is_set() and time.monotonic() - begin < 30:
                fastfuse.soft_staple(votes, threads=1, max_iter=20)
        def state(task):
            try:
                return open(f"/proc/self/task/{task}/stat").read().rpartition(")")[2].split()[0]
            except OSError:
                return "-"
        callers = [threading.Thread(target=call) for _ in range(16)]
        for one in callers: one.start()
        main = str(threading.get_native_id())
        while any(one.is_alive() for one in callers):
            tasks = os.listdir("/proc/self/task")
            threads[0] = max(threads[0], len(tasks) - before)
            most[0] = max(most[0], sum(state(task) == "R" for task in tasks if task != main))
            if most[0] > 1:
                seen.set()  # the main thread may have been waiting for a processor while they worked
        print(threads[0], most[0])
    """
    run = [sys.executable, "-c", textwrap.dedent(code)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(run, capture_output=True, text=True, check=True, timeout=300, env=environment)
    threads, running = map(int, done.stdout.split())
    assert threads <= CALLERS
    assert running <= CALLERS
    if len(os.sched_getaffinity(0)) > 1:
        assert running > 1
