"""Votes that lie on a GPU: fastfuse there against what the device allows, torch there, and fastfuse on the CPU.

pytest bench/bench_cuda.py --benchmark-columns=median,rounds

Needs a GPU, PyTorch that uses it, and a fastfuse built with CUDA; skipped elsewhere. What the device allows is
measured in the same run: bytes copied from one array to another, and the multiply-adds of a product of matrices
(float32, without TensorFloat). Counted of a fusion are the votes that it cannot but read and the consensus that it
writes; of dense votes the operations that ``bench_masses.py`` counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from statistics import median
from typing import Any

import numpy as np
import pytest

import fastfuse
from common import SMALL, middle_of, more_raters, tiled, votes_of

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.skipif(not fastfuse.cuda.is_available(), reason=fastfuse.cuda.why_not() or "CUDA is there"),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this PyTorch finds no GPU"),
    pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning"),
]

COPY, PEAK = 0.6, 0.3  # shares of what the device allows that a fusion is to reach
CHUNK = 1 << 18  # voxels of torch's, at a time
SLAB = 2 if SMALL else 20  # half the slices of many raters' votes
SIDE = 1024 if SMALL else 8192  # of the matrices
COPIED = 1 << (20 if SMALL else 28)  # floats


def seconds(work: Callable[[], Any], rounds: int = 20) -> float:
    """Return the median time of what is queued on the device, after a first time that does not count."""
    times = []
    for _ in range(rounds + 1):
        torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return median(times[1:])


@cache
def bandwidth() -> float:
    """Bytes a second that a copy reads and writes."""
    source = torch.ones(COPIED, device="cuda")
    target = torch.empty_like(source)
    return 2 * 4 * COPIED / seconds(lambda: target.copy_(source))


@cache
def peak() -> float:
    """Operations a second, a multiply-add counted as two."""
    torch.backends.cuda.matmul.allow_tf32 = False
    a, b = (torch.rand(SIDE, SIDE, device="cuda") for _ in range(2))
    out = torch.empty_like(a)
    return 2 * SIDE**3 / seconds(lambda: torch.mm(a, b, out=out), 5)


def on_device(votes: Any) -> list[Any]:
    return [torch.from_numpy(np.ascontiguousarray(vote)).cuda() for vote in votes]


def fuse_there(method: str, tensors: list[Any], **options: Any) -> fastfuse.Fusion:
    fusion: fastfuse.Fusion = getattr(fastfuse, method)(tensors, **options)
    torch.cuda.synchronize()
    return fusion


def check_there(method: str, votes: Any, **options: Any) -> None:
    """Compare with the CPU, on a block."""
    block = middle_of(votes)
    there = getattr(fastfuse, method)(on_device(block), **options).probability.cpu().numpy()
    here = getattr(fastfuse, method)(block, dtype="float64", **options).probability
    np.testing.assert_allclose(there, here, atol=1e-6)


@pytest.mark.parametrize("brains", [1, 8])
@pytest.mark.parametrize("kind", ["binary", "three-valued"])
@pytest.mark.benchmark(group="GPU: few values, share of a copy's bytes a second")
def test_few_values(benchmark: Any, kind: str, brains: int) -> None:
    method, votes = "staple" if kind == "binary" else "soft_staple", tiled(kind, brains)
    check_there(method, votes)
    tensors = on_device(votes)
    benchmark.pedantic(fuse_there, (method, tensors), rounds=20, warmup_rounds=3)
    if not benchmark.disabled:
        moved = sum(vote.nbytes for vote in votes) + 4 * votes[0].size
        rate = moved / benchmark.stats["median"]
        benchmark.extra_info |= {"gbytes": rate / 1e9, "of_copy": rate / bandwidth()}
        assert SMALL or rate > COPY * bandwidth()


@pytest.mark.parametrize("m_step", ["em", "paper"])
@pytest.mark.parametrize("m", [7, 12, 16])
@pytest.mark.benchmark(group="GPU: dense soft-STAPLE, share of the peak")
def test_masses(benchmark: Any, m: int, m_step: str) -> None:
    votes, options = more_raters("dense", m), {"m_step": m_step, "max_iter": 1}
    check_there("soft_staple", tuple(vote[:4] for vote in middle_of(votes)), **options)
    tensors = on_device(votes)
    benchmark.pedantic(fuse_there, ("soft_staple", tensors), options, rounds=5, warmup_rounds=1)
    if not benchmark.disabled:
        operations = 2 * 2**m * (2 + (m / 2 if m_step == "paper" else 0)) * votes[0].size
        rate = operations / benchmark.stats["median"]
        benchmark.extra_info |= {"gflops": rate / 1e9, "of_peak": rate / peak()}
        assert SMALL or rate > PEAK * peak()


@pytest.mark.parametrize(
    "name", ["fastfuse", "fastfuse, CPU", "fastfuse, there and back", "torch, all 2^m patterns"]
)
@pytest.mark.parametrize("kind", ["three-valued", "dense"])
def test_race(benchmark: Any, kind: str, name: str) -> None:
    benchmark.group = f"GPU: soft-STAPLE, em, {kind}"
    votes, options = votes_of(kind), {"m_step": "em"}
    tensors = on_device(votes)
    here = fastfuse.soft_staple(votes, **options)
    if name.startswith("torch"):
        rivals = pytest.importorskip("rivals.in_torch")
        flat = [tensor.reshape(-1).float() for tensor in tensors]
        found = benchmark.pedantic(
            lambda: rivals.enumeration_of(flat, rivals.first_step_of(flat), "em", CHUNK), rounds=3
        )
        probability = found.probability.reshape(votes[0].shape)
    else:
        given, device = (tensors, None) if name == "fastfuse" else (votes, "cpu" if "CPU" in name else "cuda")
        found = benchmark.pedantic(
            fuse_there, ("soft_staple", given), {"device": device, **options}, rounds=10, warmup_rounds=1
        )
        probability = found.probability.cpu().numpy() if name == "fastfuse" else found.probability
    np.testing.assert_allclose(probability, here.probability, atol=2e-6)


@pytest.mark.parametrize("m", [20, 32, 64])
@pytest.mark.benchmark(group="GPU: dense soft-STAPLE by the characteristic function, one iteration")
def test_many_raters(benchmark: Any, m: int) -> None:
    options = {"m_step": "em", "max_iter": 1}
    votes = tuple(vote[len(vote) // 2 - SLAB :][: 2 * SLAB] for vote in more_raters("dense", m))
    check_there("soft_staple", tuple(vote[:4] for vote in votes), **options)
    tensors = on_device(votes)
    benchmark.pedantic(fuse_there, ("soft_staple", tensors), options, rounds=3, warmup_rounds=1)
