"""Threads, signals, forks and memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

import fastfuse

from ..doors import fuse_by_name
from ..problems import METHODS, simulated_raters, soften

VOXELS = 150_001  # many blocks, and a last one that is not full


@pytest.fixture(scope="module")
def masks() -> np.ndarray:
    return simulated_raters(np.random.default_rng(0), 6, VOXELS, prevalence=0.02)


def bits(fused: fastfuse.Fusion) -> tuple[bytes, ...]:
    numbers = (fused.probability, fused.sensitivity, fused.specificity, fused.log_likelihood)
    return tuple(np.asarray(array).tobytes() for array in numbers)


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("m_step", ["paper", "em"])
@pytest.mark.parametrize("kind", ["three-valued", "dense"])
@pytest.mark.parametrize("method", METHODS)
def test_same_bits_for_every_thread_count_and_run(
    masks: np.ndarray, method: str, kind: str, m_step: str
) -> None:
    votes = masks if method == "staple" else soften(np.random.default_rng(1), masks, kind)
    prior = np.random.default_rng(2).choice([0.01, 0.02, 0.05], VOXELS)
    for chosen_prior in ("estimate", prior):
        options = {"m_step": m_step, "prior": chosen_prior, "max_iter": 8, "dtype": "float64"}
        results = [bits(fuse_by_name(votes, method, threads=n, **options)) for n in (1, 2, 7)]
        assert len(set(results)) == 1


@pytest.mark.parametrize("m_step", ["paper", "em"])
def test_same_bits_with_many_raters(m_step: str) -> None:
    """Eleven raters: the masses are cut into jobs by pattern, not by voxel."""
    rng = np.random.default_rng(3)
    votes = soften(rng, simulated_raters(rng, 11, 3000), "dense")
    results = {bits(fastfuse.soft_staple(votes, m_step=m_step, threads=threads)) for threads in (1, 2, 1)}
    assert len(results) == 1


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_several_python_threads_at_once(masks: np.ndarray) -> None:
    votes = soften(np.random.default_rng(1), masks, "three-valued")
    jobs = [
        (fuse, size) for fuse in (fastfuse.soft_staple, fastfuse.simplified_soft_staple) for size in (5, 6)
    ]
    expected = [bits(fuse(votes[:size])) for fuse, size in jobs]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            assert list(pool.map(lambda job: bits(job[0](votes[: job[1]])), jobs)) == expected


def test_python_threads_run_meanwhile() -> None:
    """The GIL is released: another thread keeps counting while a fusion runs."""
    rng = np.random.default_rng(0)
    votes = soften(rng, simulated_raters(rng, 13, 100_000), "dense")
    ticks = 0
    done = threading.Event()

    def count() -> None:
        nonlocal ticks
        while not done.is_set():
            ticks += 1
            time.sleep(0.005)

    other = threading.Thread(target=count)
    other.start()
    begin = time.perf_counter()
    fastfuse.soft_staple(votes, max_iter=1000)
    seconds = time.perf_counter() - begin
    done.set()
    other.join(60)
    assert seconds > 0.1, "too short to show anything"
    assert ticks >= seconds / 0.005 / 10


@contextmanager
def started(script: str) -> Iterator[subprocess.Popen[str]]:
    """Start a script that writes lines; kill it where it hangs, which ends a wait for its next line."""
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        watch = threading.Timer(120, process.kill)
        watch.start()
        try:
            yield process
            process.wait(120)
        finally:
            watch.cancel()
            process.kill()


INTERRUPTED = """
    import numpy as np, fastfuse, time, sys
    rng = np.random.default_rng(0)
    votes = rng.random(({m}, {n}))
    {wait_for_signal}
    try:
        begin = time.perf_counter()
        {call}
        print("finished", time.perf_counter() - begin)
    except KeyboardInterrupt:
        print("interrupted", time.time())
        small = fastfuse.staple(np.eye(3) + np.eye(3)[::-1] > 0)  # the process is healthy
        print(small.probability.shape, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(
    ("m", "n", "call"),
    [
        (20, 40_000, "fastfuse.soft_staple(votes, expectation='enumerate')"),
        (14, 400_000, "fastfuse.soft_staple(votes, prior=np.full(400_000, 0.3), expectation='enumerate')"),
        (12, 1_000_000, "fastfuse.simplified_soft_staple(votes, tol=0, max_iter=100_000)"),
    ],
    ids=["masses", "terms", "product"],
)
@pytest.mark.parametrize("threads", [2, pytest.param(1, marks=pytest.mark.slow)])
def test_ctrl_c(m: int, n: int, call: str, threads: int) -> None:
    call = call.replace("votes,", f"votes, threads={threads},").replace(
        "votes)", f"votes, threads={threads})"
    )
    script = INTERRUPTED.format(m=m, n=n, call=call, wait_for_signal='print("ready", flush=True)')
    with started(script) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.5)
        sent = time.time()
        process.send_signal(signal.SIGINT)
        word, when = process.stdout.readline().split()
        assert word == "interrupted"
        assert float(when) - sent < 1
        assert process.stdout.readline() == "(3,)\n"
    assert process.returncode == 0


INTERRUPTED_LATE = """
    import numpy as np, fastfuse, time
    rng = np.random.default_rng(0)
    heavy = rng.random((20, 4096))
    light = (rng.random((20, 4096)) < 0.5).astype(float)
    votes = np.concatenate({halves}, axis=1)
    print("ready", flush=True)
    try:
        fastfuse.soft_staple(votes, threads=2, prior=np.full(8192, 0.3), expectation="enumerate")
        print("finished", time.time())
    except KeyboardInterrupt:
        print("interrupted", time.time())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("halves", ["(heavy, light)", "(light, heavy)"])
def test_ctrl_c_while_another_thread_has_the_only_work(halves: str) -> None:
    """Of binary votes no pattern is mixed: those of half of the voxels take milliseconds, the others a minute."""
    assert seconds_to_interrupt(INTERRUPTED_LATE.format(halves=halves), wait=0.5) < 1


INTERRUPTED_LAST = """
    import numpy as np, fastfuse, time
    votes = np.random.default_rng(0).random((20, 100_000))
    table = fastfuse.tabulate(votes[:, :20])
    known = fastfuse.estimate(table, "soft-staple", m_step="em", max_iter=1, expectation="enumerate")
    print("ready", flush=True)
    try:
        known.apply(votes, threads=2)
        print("finished", time.time())
    except KeyboardInterrupt:
        print("interrupted", time.time())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(
    "wait", [0.5, pytest.param(0.25, marks=pytest.mark.slow), pytest.param(2.0, marks=pytest.mark.slow)]
)
def test_ctrl_c_while_the_consensus_is_written(wait: float) -> None:
    """Of rates that are known, all the time goes into the voxels' own mixtures."""
    assert seconds_to_interrupt(INTERRUPTED_LAST, wait) < 1


def seconds_to_interrupt(script: str, wait: float) -> float:
    """Run a script that says "ready", send SIGINT a while later, and tell how long it went on."""
    with started(script) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(wait)
        sent = time.time()
        process.send_signal(signal.SIGINT)
        word, when = process.stdout.readline().split()
        assert word == "interrupted"
        return float(when) - sent


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX exit codes")
def test_exit_while_a_daemon_thread_fuses() -> None:
    code = """
        import threading, time, numpy as np, fastfuse
        votes = np.random.default_rng(0).random((16, 100_000))
        threading.Thread(target=fastfuse.soft_staple, args=(votes,), daemon=True).start()
        time.sleep(0.3)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*the model does not fit")
def test_forked_child_does_not_hang(masks: np.ndarray) -> None:
    """OpenMP's threads do not survive a fork; the child goes on with one thread."""
    expected = bits(fastfuse.staple(masks, threads=2))
    child = os.fork()
    if child == 0:
        os._exit(0 if bits(fastfuse.staple(masks, threads=2)) == expected else 1)
    deadline = time.time() + 20
    while time.time() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    pytest.fail("the child hangs")


MEMORY = """
    import numpy as np, fastfuse
    shape = (128, 160, 128)
    rng = np.random.default_rng(0)
    votes = [{make} for _ in range(5)]
    fastfuse.{method}([vote[:4] for vote in votes], **{options})  # what is loaded once
    open("/proc/self/clear_refs", "w").write("5")  # the high-water mark begins anew
    def status(field):
        lines = open("/proc/self/status").read().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith(field)).split()[1])
    before = status("VmRSS")
    fused = fastfuse.{method}(votes, **{options})
    print((status("VmHWM") - before - fused.probability.nbytes) / np.prod(shape))
"""


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="needs Linux's high-water mark")
@pytest.mark.parametrize(
    ("method", "make", "options"),
    [
        ("staple", "(rng.random(shape) < 0.02).astype('u1')", {}),
        ("staple", "(rng.random(shape) < 0.02)[::-1, :, ::-1]", {}),
        ("soft_staple", "rng.choice([0, .3, 1], shape).astype('>f4')", {}),
        ("soft_staple", "rng.random(shape, dtype='f4')", {}),
        ("soft_staple", "rng.random(shape, dtype='f4')", {"prior": 0.3, "m_step": "em"}),
        ("simplified_soft_staple", "rng.random(shape, dtype='f4').T.copy().T", {"max_iter": 3}),
        ("soft_staple", "rng.integers(0, 10, shape).astype('f4') / 9", {"max_iter": 3}),
        ("simplified_soft_staple", "rng.integers(0, 30, shape).astype('f4') / 29", {"max_iter": 3}),
    ],
    ids=[
        "binary",
        "strided",
        "swapped",
        "dense",
        "dense em",
        "fortran",
        "many patterns",
        "too many patterns",
    ],
)
def test_peak_memory(method: str, make: str, options: dict[str, int]) -> None:
    """At most 8 bytes a voxel beyond inputs and output."""
    script = MEMORY.format(method=method, make=make, options=options)
    run = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)]
    # No heap: every array is mapped by itself, so that what is freed leaves the count.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    output = subprocess.run(
        run, check=True, capture_output=True, text=True, env=environment, timeout=300
    ).stdout
    bytes_per_voxel = float(output)
    print(f"{bytes_per_voxel:.2f} bytes a voxel")
    assert -1 < bytes_per_voxel <= 8


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="needs Linux's high-water mark")
def test_peak_memory_with_many_raters() -> None:
    """Beyond 8 bytes a voxel: (m + 1) 2^m doubles, here of 18 raters, and the threads' blocks of 4096 voxels."""
    script = MEMORY.replace("(128, 160, 128)", "(4, 5, 5)").replace("range(5)", "range(18)")
    script = script.format(
        method="soft_staple",
        make="rng.random(shape)",
        options={"threads": 2, "max_iter": 1, "expectation": "enumerate"},
    )
    script = script.replace("[vote[:4] for vote in votes]", "votes[:3]")
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    run = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)]
    beyond = 100 * float(
        subprocess.run(run, check=True, capture_output=True, text=True, env=environment, timeout=300).stdout
    )
    tables, blocks = 19 * 2**18 * 8, 2 * 3 * 18 * 4096 * 8
    assert tables / 2 < beyond < tables + blocks


SWALLOWED = """
    import os, signal, threading, time, numpy as np, fastfuse
    rng = np.random.default_rng(0)
    n = 12_000_000
    votes = np.round(rng.random((2, n), dtype="f4"))  # few patterns, and then more than the first table holds
    votes[:, n // 2 :] = np.round(rng.random((2, n - n // 2), dtype="f4") * 1000) / 1000
    def slowly(number, frame):
        time.sleep(0.2)
        raise KeyboardInterrupt
    signal.signal(signal.SIGINT, slowly)
    for wait in (0.05, 0.1, 0.15):
        threading.Timer(wait, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            fastfuse.simplified_soft_staple(votes, threads=2, max_iter=30, tol=0)
            print("finished")
        except KeyboardInterrupt:
            print("interrupted")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_is_not_lost_when_the_table_overflows() -> None:
    run = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(SWALLOWED)]
    done = subprocess.run(run, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted\n" * 3, "")


SLOW_DILATION = """
    import numpy as np, fastfuse, time
    rng = np.random.default_rng(0)
    mask, image = rng.random((200, 200, 200)) < 0.02, rng.random((200, 200, 200))
    print("ready", flush=True)
    try:
        fastfuse.conditional_dilation(mask, image, {options})
        print("finished", time.time())
    except KeyboardInterrupt:
        print("interrupted", time.time())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(
    "how", ["scope='volume', threshold='exact', connected=True", "scope='lesion'"], ids=["volume", "lesion"]
)
def test_ctrl_c_during_a_dilation(how: str) -> None:
    options = f"{how}, radius_mm=40, spacing_mm=(1, 1, 1), normalize=False"
    assert seconds_to_interrupt(SLOW_DILATION.format(options=options), wait=0.3) < 1


@pytest.mark.filterwarnings("ignore:grown far beyond:fastfuse.FusionWarning")
def test_several_dilations_at_once() -> None:
    rng = np.random.default_rng(0)
    masks, image = rng.random((4, 40, 40, 40)) < 0.03, rng.random((40, 40, 40))
    expected = [soft.values.tobytes() for soft in fastfuse.soften(masks, image, scope="lesion")]

    def dilate(mask: np.ndarray) -> bytes:
        return fastfuse.conditional_dilation(mask, image, scope="lesion").values.tobytes()

    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            assert list(pool.map(dilate, masks)) == expected
