"""What the scripts for a GPU share: problems, their votes as tensors there, and how long a fusion takes.

Where fastfuse's kernels were built for the CPU (``FASTFUSE_CUDA_ON_CPU``), arrays stand for tensors: to rehearse.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np
import torch

import common
import fastfuse
from gpu import case  # noqa: F401  (the patient comes from a file)

ON_GPU = torch.cuda.is_available()


@dataclass(frozen=True)
class Problem:
    """Votes of a kind, and how they are fused."""

    name: str
    method: str
    kind: str
    m: int = 7
    brains: int = 1
    options: dict[str, Any] = field(default_factory=dict)

    def votes(self) -> common.Votes:
        """Return one brain's votes; of many raters a slice where the CPU runs the kernels."""
        if self.m == 7:
            return common.votes_of(self.kind)
        votes = common.more_raters(self.kind, self.m)
        return votes if ON_GPU else tuple(vote[:1, :8] for vote in votes)

    def tensors(self) -> list[Any]:
        """Return all brains' votes on the device: dense ones never repeat."""
        return [on_device(vote, self.brains) for vote in self.votes()]

    def fuse(self, votes: Any, device: str | None = None) -> fastfuse.Fusion:
        """Fuse tensors where they lie, or arrays on a device."""
        if device is None and not ON_GPU:
            device = "cuda"
        fusion: fastfuse.Fusion = getattr(fastfuse, self.method)(list(votes), device=device, **self.options)
        return fusion

    def bytes_of(self, tensors: list[Any], n_iter: int) -> int:
        """Return the bytes of the votes, in every iteration if EM goes through the voxels, and of the consensus."""
        by_voxels = self.method == "simplified_soft_staple" and self.kind == "dense"
        passes = n_iter + 1 if by_voxels else 1
        return sum(tensor.nbytes for tensor in tensors) * passes + 4 * size_of(tensors[0])

    def operations(self, voxels: int) -> float | None:
        """Return what the 2^m masses of dense votes take, as ``bench_masses.py`` counts them."""
        if self.method != "soft_staple" or self.kind != "dense":
            return None
        moments = self.m / 2 if self.options.get("m_step", "paper") == "paper" else 0
        return 2 * 2**self.m * (2 + moments) * voxels


def _problems() -> dict[str, Problem]:
    em, paper, once = {"m_step": "em"}, {"m_step": "paper"}, {"max_iter": 1}
    listed = []
    for brains in (1, 8):
        at = "" if brains == 1 else f", {brains} brains"
        listed += [
            Problem(f"binary{at}", "staple", "binary", 7, brains),
            Problem(f"three-valued, em{at}", "soft_staple", "three-valued", 7, brains, em),
            Problem(f"three-valued, paper{at}", "soft_staple", "three-valued", 7, brains, paper),
            Problem(f"dense 7, em{at}", "soft_staple", "dense", 7, brains, em),
            Problem(f"dense 7, paper{at}", "soft_staple", "dense", 7, brains, paper),
            Problem(f"simplified, em{at}", "simplified_soft_staple", "dense", 7, brains, em),
        ]
    for m in (12, 16):
        listed += [
            Problem(f"dense {m}, {step['m_step']}, once", "soft_staple", "dense", m, 1, step | once)
            for step in (em, paper)
        ]
    return {problem.name: problem for problem in listed}


PROBLEMS = _problems()


def on_device(vote: Any, brains: int = 1) -> Any:
    """Return a vote on the device, ``brains`` times side by side, each a little different if it is dense."""
    if not ON_GPU:
        return np.concatenate([common.copy_of(vote, k) for k in range(brains)])
    tensor = torch.from_numpy(np.ascontiguousarray(vote)).cuda()
    if brains == 1:
        return tensor
    dense = bool(vote.min() > 0)
    return torch.cat([tensor ** (1 + k / 100) if dense else tensor for k in range(brains)])


def on_host(probability: Any) -> np.ndarray:
    """Return a fusion's probability as an array."""
    return probability if isinstance(probability, np.ndarray) else probability.cpu().numpy()


def size_of(tensor: Any) -> int:
    """Return the number of voxels."""
    return int(np.prod(tensor.shape))


def wait() -> None:
    """Wait for what is queued on the device."""
    if ON_GPU:
        torch.cuda.synchronize()


def times_of(work: Callable[[], Any], rounds: int, warm: int = 1) -> list[float]:
    """Return how long each round takes until the device is done, after some that do not count."""
    times = []
    for _ in range(warm + rounds):
        wait()
        start = time.perf_counter()
        work()
        wait()
        times.append(time.perf_counter() - start)
    return times[warm:]


def seconds(work: Callable[[], Any], rounds: int = 20, enough: float = 0.5) -> float:
    """Return the median time after a first one; the first alone if it took longer than ``enough`` seconds."""
    first = times_of(work, 1, 0)[0]
    if first > enough:
        return first
    return median(times_of(work, max(1, min(rounds, round(enough / first))), 0))
