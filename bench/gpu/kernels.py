"""One fusion of each problem, marked for a profiler that starts where it is told to.

ncu --profile-from-start off ... python -m gpu.kernels [PROBLEM ...]

Without a name: one problem for each of the kernels that go through the voxels. EM stops after two iterations.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import torch

from gpu.problems import ON_GPU, PROBLEMS, wait

USUAL = ("binary, 8 brains", "dense 7, em", "dense 7, paper", "dense 12, em, once", "simplified, em")


def main(names: list[str]) -> None:
    """Fuse each once before the profiler looks, and once while it does."""
    unknown = [name for name in names if name not in PROBLEMS]
    if unknown:
        sys.exit(f"no problem is called {unknown[0]!r}: there are {'; '.join(PROBLEMS)}")
    for name in names or USUAL:
        problem = replace(PROBLEMS[name], options=PROBLEMS[name].options | {"max_iter": 2})
        tensors = problem.tensors()
        problem.fuse(tensors)
        wait()
        print(f"profiling {name}", flush=True)
        if ON_GPU:
            torch.cuda.cudart().cudaProfilerStart()
        problem.fuse(tensors)
        wait()
        if ON_GPU:
            torch.cuda.cudart().cudaProfilerStop()


if __name__ == "__main__":
    main(sys.argv[1:])
