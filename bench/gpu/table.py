"""Whole brains on a GPU: time, shares of a copy's bytes and of the multiply-add peak, torch there, and the CPU.

python -m gpu.table [PROBLEM ...]

Votes are tensors on the device already. Each consensus of one brain is held against the CPU's in the same run, and
torch's against both; a difference above LIMIT ends in a failure, after the table. Bytes are those of the votes, read
once (in every iteration for the simplified method on dense votes), and of the consensus; operations those of the 2^m
masses; both as in ``bench_cuda.py``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import bench_cuda
from fastfuse.train.results.sheets import markdown_of
from gpu import rivals as gpu_rivals
from gpu.problems import ON_GPU, PROBLEMS, Problem, on_host, seconds, size_of, wait
from tables import seconds as written

LIMIT = 1e-4  # of probabilities: where EM creeps it may stop an iteration sooner or later; else 1e-6
TORCH_LIMIT = 2e-3  # its sums are of floats
HEAD = ["", "GPU", "EM", "GB/s", "of a copy", "GFLOP/s", "of the peak", "CPU", "torch", "off the CPU"]


def main(names: list[str]) -> None:
    """Measure, print a row at a time and the table in the end."""
    unknown = [name for name in names if name not in PROBLEMS]
    if unknown:
        sys.exit(f"no problem is called {unknown[0]!r}: there are {'; '.join(PROBLEMS)}")
    rows, wrong = [], []
    for name in names or PROBLEMS:
        row, complaints = row_of(PROBLEMS[name])
        print(" | ".join(row), flush=True)
        rows.append(row)
        wrong += complaints
    print(f"\n{markdown_of(HEAD, rows)}")
    if ON_GPU:
        print(
            f"a copy: {bench_cuda.bandwidth() / 1e9:.0f} GB/s; peak: {bench_cuda.peak() / 1e12:.1f} TFLOP/s"
        )
    if wrong:
        sys.exit("\n".join(wrong))


def row_of(problem: Problem) -> tuple[list[str], list[str]]:
    """Return a problem's row, and what is wrong with its answers."""
    tensors = problem.tensors()
    there = problem.fuse(tensors)
    time = seconds(lambda: problem.fuse(tensors))
    of_cpu, off, complaints = beside_cpu(problem, there)
    of_torch, more = beside_torch(problem, tensors, there)
    row = [
        problem.name,
        written(time),
        str(there.n_iter),
        *shares(problem.bytes_of(tensors, there.n_iter) / time, 1e9, bench_cuda.bandwidth),
        *shares((problem.operations(size_of(tensors[0])) or 0) / time, 1e9, bench_cuda.peak),
        of_cpu,
        of_torch,
        off,
    ]
    return row, complaints + more


def shares(rate: float, unit: float, most: Callable[[], float]) -> list[str]:
    """Return a rate, and what part of the most it is."""
    if not rate:
        return ["", ""]
    return [f"{rate / unit:.0f}", f"{100 * rate / most():.0f} %" if ON_GPU else "?"]


def cpu_answer(problem: Problem) -> tuple[float, np.ndarray, int]:
    """Return time, probability and iterations of one brain on the CPU."""
    votes, found = problem.votes(), []
    time = seconds(lambda: found.append(problem.fuse(votes, "cpu")), 5)
    return time, np.asarray(found[-1].probability), found[-1].n_iter


def beside_cpu(problem: Problem, there: Any) -> tuple[str, str, list[str]]:
    """Return the CPU's time, the greatest difference, and what is wrong; nothing for several brains."""
    if problem.brains > 1:
        return "", "", []
    time, here, n_iter = cpu_answer(problem)
    off = float(np.abs(on_host(there.probability) - here).max())
    said = f"{off:.1e}" + ("" if n_iter == there.n_iter else f" ({n_iter} EM)")
    wrong = off > LIMIT or (off > 1e-6 and n_iter == there.n_iter)
    complaints = [f"{problem.name}: {said} off the CPU"] if wrong else []
    return written(time), said, complaints


def beside_torch(problem: Problem, tensors: list[Any], there: Any) -> tuple[str, list[str]]:
    """Return torch's time and algorithm, and what is wrong; nothing for several brains, and for many raters."""
    if problem.brains > 1 or problem.m > 7:
        return "", []
    m_step = problem.options.get("m_step", "paper")
    found = gpu_rivals.rival_of(problem.kind, problem.method, m_step)
    if found is None:
        return "", []
    name, rival = found
    flat = [torch.as_tensor(tensor).reshape(-1).float() for tensor in tensors]
    answer = rival(flat).cpu().numpy()
    off = float(np.abs(answer - on_host(there.probability).reshape(-1)).max())
    complaints = [f"{problem.name}: torch, {name}, is {off:.1e} off"] if off > TORCH_LIMIT else []
    wait()
    return f"{written(seconds(lambda: rival(flat), 5))} ({name})", complaints


if __name__ == "__main__":
    main(sys.argv[1:])
