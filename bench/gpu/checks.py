"""What only a real GPU can show: other libraries' tensors and streams, graph capture, threads, little memory, fork.

python -m pytest bench/gpu/checks.py

Skipped where there is no GPU; what needs CuPy or JAX is skipped without them. Give JAX's share of the memory back first:
``XLA_PYTHON_CLIENT_PREALLOCATE=false``.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastfuse

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.skipif(not fastfuse.cuda.is_available(), reason=fastfuse.cuda.why_not() or "CUDA is there"),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this PyTorch finds no GPU"),
    pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning"),
]

SHAPE = (64, 64, 64)
KINDS = ("binary", "three-valued", "dense", "simplified")
MIB = 1 << 20
ERRORS = (fastfuse.FastfuseError, BufferError, RuntimeError, TypeError, ValueError)


def votes_of(kind: str, seed: int = 0, shape: tuple[int, ...] = SHAPE, m: int = 4) -> np.ndarray:
    """Return raters' votes around one truth; raters err independently."""
    rng = np.random.default_rng(seed)
    truth = rng.random(shape) < 0.2
    masks = truth ^ (rng.random((m, *shape)) < rng.uniform(0.02, 0.1, (m, *[1] * len(shape))))
    if kind == "binary":
        return masks.astype(np.uint8)
    ring = np.where(~masks & (rng.random(masks.shape) < 0.1), 0.3, masks)
    noise = rng.uniform(0.01, 0.4, masks.shape)
    return (ring if kind == "three-valued" else np.where(masks, 1 - noise, noise)).astype(np.float32)


def fuse(kind: str, votes: Any, **options: Any) -> fastfuse.Fusion:
    """Fuse by the method that suits the kind, few iterations, so that all stop at the same."""
    if kind == "binary":
        return fastfuse.staple(list(votes), **options)
    method = fastfuse.simplified_soft_staple if kind == "simplified" else fastfuse.soft_staple
    return method(list(votes), m_step="em", max_iter=6, **options)


def on_cpu(kind: str, votes: Any) -> np.ndarray:
    return np.asarray(fuse(kind, votes, device="cpu").probability)


def assert_close(found: Any, kind: str, votes: Any) -> None:
    np.testing.assert_allclose(found, on_cpu(kind, votes), rtol=0, atol=1e-6)


def to_torch(votes: Any) -> list[Any]:
    return [torch.from_numpy(vote).cuda() for vote in votes]


# --- tensors in place, on their libraries' streams -------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_torch_on_a_stream_of_its_own(kind: str) -> None:
    """Votes that are still being made when they are given, and a consensus that is used at once."""
    votes = votes_of(kind)
    given = to_torch(votes)
    late = [torch.zeros_like(tensor) for tensor in given]
    torch.cuda.synchronize()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(200_000_000)  # cycles: a tenth of a second
        for tensor, value in zip(late, given, strict=True):
            tensor.copy_(value)
        before = [tensor.data_ptr() for tensor in late]
        fusion = fuse(kind, late)
        doubled = 2 * fusion.probability
    stream.synchronize()
    assert [tensor.data_ptr() for tensor in late] == before
    assert fusion.probability.device == late[0].device
    assert_close(doubled.cpu().numpy() / 2, kind, votes)
    for tensor, value in zip(late, votes, strict=True):
        np.testing.assert_array_equal(tensor.cpu().numpy(), value)  # read, not written


@pytest.mark.parametrize("kind", KINDS)
def test_cupy_on_a_stream_of_its_own(kind: str) -> None:
    cupy = pytest.importorskip("cupy")
    votes = votes_of(kind)
    given = [cupy.asarray(vote) for vote in votes]
    busy = cupy.ones((4096, 4096), cupy.float32)
    late = [cupy.zeros_like(tensor) for tensor in given]
    cupy.cuda.Device().synchronize()
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        for _ in range(20):
            busy = busy * 1.0000001 + 1e-9
        for tensor, value in zip(late, given, strict=True):
            cupy.copyto(tensor, value)
        fusion = fuse(kind, late)
        doubled = 2 * fusion.probability
    stream.synchronize()
    assert isinstance(fusion.probability, cupy.ndarray)
    assert_close(cupy.asnumpy(doubled) / 2, kind, votes)


@pytest.mark.parametrize("kind", KINDS)
def test_jax(kind: str) -> None:
    """Its arrays are made when they are needed, and it tells nobody its stream."""
    jax = pytest.importorskip("jax")
    try:
        device = jax.devices("gpu")[0]
    except RuntimeError as error:
        pytest.skip(f"this JAX finds no GPU ({error})")
    votes = votes_of(kind)
    given = [jax.device_put(vote, device) for vote in votes]
    late = jax.jit(lambda tensors: [tensor + 0 for tensor in tensors])(given)  # not waited for
    fusion = fuse(kind, late)
    assert isinstance(fusion.probability, jax.Array)
    assert next(iter(fusion.probability.devices())) == device
    assert_close(np.asarray(2 * fusion.probability) / 2, kind, votes)


def test_masks_beside_tensors() -> None:
    votes = votes_of("dense")
    mask = np.random.default_rng(5).random(SHAPE) < 0.5
    there = fuse("dense", to_torch(votes), mask=torch.from_numpy(mask).cuda())
    np.testing.assert_allclose(
        there.probability.cpu().numpy(),
        fuse("dense", votes, mask=mask, device="cpu").probability,
        rtol=0,
        atol=1e-6,
    )


# --- capture and threads ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["binary", "dense"])
@pytest.mark.parametrize("side", [40, 41])
def test_refused_inside_a_capture(kind: str, side: int) -> None:
    """In a process of its own, which ends at once: PyTorch before 2.13 cannot tidy up after a capture that failed.

    Of side 40 the memory is there from an earlier fusion, of 41 it has to be asked for.
    """
    program = (
        "import os, sys; from gpu import checks; checks.capture(sys.argv[1], int(sys.argv[2])); os._exit(0)"
    )
    done = python(program, kind, str(side))
    assert done.returncode == 0, done.stdout + done.stderr


def capture(kind: str, side: int) -> None:
    """Fuse while a graph is captured, which forbids to wait for the device; then as if nothing had been."""
    votes = votes_of(kind, shape=(40, 40, side))
    tensors = to_torch(votes)
    if side == 40:
        fuse(kind, tensors)
    torch.cuda.synchronize()
    refused, graph = None, torch.cuda.CUDAGraph()
    with contextlib.suppress(RuntimeError), torch.cuda.graph(graph):  # its end complains as well
        try:
            fuse(kind, tensors)
        except ERRORS as error:
            refused = error
    assert isinstance(refused, fastfuse.FastfuseError), repr(refused)
    assert "captur" in str(refused), str(refused)
    torch.cuda.synchronize()
    assert_close(fuse(kind, votes, device="cuda").probability, kind, votes)
    assert_close(fuse(kind, tensors).probability.cpu().numpy(), kind, votes)


def python(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a program that may import this file."""
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-W", "ignore", "-c", program, *words]
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)


def test_two_streams_at_once() -> None:
    """Each thread with a stream and votes of its own, of all kinds in turn: the bits that it finds alone."""
    work = [[(kind, to_torch(votes_of(kind, seed))) for kind in KINDS] for seed in (1, 2)]
    alone = [[fuse(kind, tensors).probability.clone() for kind, tensors in jobs] for jobs in work]
    torch.cuda.synchronize()
    wrong: list[str] = []

    def go(number: int) -> None:
        try:
            stream = torch.cuda.Stream()
            with torch.cuda.stream(stream):
                for turn in range(20):
                    for (kind, tensors), expected in zip(work[number], alone[number], strict=True):
                        if not torch.equal(fuse(kind, tensors).probability, expected):
                            wrong.append(f"thread {number}, turn {turn}, {kind}")
        except ERRORS as error:
            wrong.append(f"thread {number}: {error!r}")

    threads = [threading.Thread(target=go, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# --- little memory ---------------------------------------------------------------------------------------------


def free_bytes() -> int:
    return int(torch.cuda.mem_get_info()[0])


@contextlib.contextmanager
def all_but(left: int) -> Iterator[None]:
    """Allocate the device's memory except about ``left`` bytes; free it at the end."""
    torch.cuda.empty_cache()
    taken = []
    for piece in (1024 * MIB, 64 * MIB, 8 * MIB):
        while free_bytes() > left + piece:
            try:
                taken.append(torch.empty(piece, dtype=torch.uint8, device="cuda"))
            except torch.cuda.OutOfMemoryError:
                break
    try:
        yield
    finally:
        taken.clear()
        torch.cuda.empty_cache()


@pytest.mark.parametrize("kind", KINDS)
def test_out_of_memory(kind: str) -> None:
    """One sentence for arrays, which need the most, and one for tensors; then all goes on."""
    votes = votes_of(kind, shape=(256, 256, 256), m=2)
    tensors = to_torch(votes)
    with all_but(32 * MIB):
        with pytest.raises(fastfuse.FastfuseError, match="out of memory"):
            fuse(kind, votes, device="cuda")
        with pytest.raises((fastfuse.FastfuseError, torch.cuda.OutOfMemoryError), match="out of memory"):
            fuse(kind, tensors)
    assert_close(fuse(kind, tensors).probability.cpu().numpy(), kind, votes)


def test_memory_that_torch_keeps() -> None:
    """What it holds for later, and does not use, is no reason to fail."""
    votes = votes_of("three-valued", shape=(256, 256, 256), m=2)
    tensors = to_torch(votes)
    with all_but(96 * MIB):
        pass
    kept = torch.empty(free_bytes() - 48 * MIB, dtype=torch.uint8, device="cuda")
    del kept  # torch's, but unused
    assert free_bytes() < 256 * MIB
    assert_close(fuse("three-valued", tensors).probability.cpu().numpy(), "three-valued", votes)
    torch.cuda.empty_cache()


# --- processes -------------------------------------------------------------------------------------------------

FORK = """
import os, signal, sys
import numpy as np
import fastfuse

def fuse():
    votes = [np.eye(16, dtype=np.uint8), np.tri(16, dtype=np.uint8)]
    return fastfuse.staple(votes, device="cuda").sensitivity

def child():
    signal.alarm(60)
    try:
        print("child", fuse())
    except fastfuse.FastfuseError as error:
        print("child refused:", error)
    sys.stdout.flush()
    os._exit(0)

if sys.argv[1] == "after":
    print("parent", fuse(), flush=True)
number = os.fork()
if number == 0:
    child()
status = os.waitpid(number, 0)[1]
print("parent", fuse())
sys.exit(status != 0)
"""


def lines_of_fork(when: str) -> list[str]:
    done = python(FORK, when)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_fork_before_cuda_is_used() -> None:
    """Both processes use it."""
    child, parent = lines_of_fork("before")
    assert child.removeprefix("child") == parent.removeprefix("parent")


def test_fork_after_cuda_was_used() -> None:
    """CUDA cannot be used in the child: one sentence says so, and the parent goes on."""
    first, child, second = lines_of_fork("after")
    assert child.startswith("child refused: ")
    assert "CUDA" in child
    assert first == second


# --- the process's end -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("last", ["fusion", "thread"])
def test_the_end_of_a_process_is_quiet(last: str) -> None:
    """Memory that is kept, a consensus that is still held, and a thread that has just fused."""
    words = {
        "fusion": "kept = fastfuse.soft_staple(votes)",
        "thread": "t = threading.Thread(target=lambda: fastfuse.soft_staple(votes)); t.start(); t.join()",
    }[last]
    program = (
        "import threading, torch, fastfuse\n"
        f"votes = [torch.rand(32, 32, 32, device='cuda') for _ in range(3)]\n{words}\n"
    )
    done = python(program)
    assert (done.returncode, done.stderr) == (0, "")
