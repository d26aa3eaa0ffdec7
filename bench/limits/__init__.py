"""What the machine allows: one pass over the votes, and multiply-adds from registers. Compiled when first used."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray


def processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def library() -> ctypes.CDLL:
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        pytest.skip("needs a C++ compiler")
    source = Path(__file__).with_name("limits.cpp")
    built = Path(tempfile.mkdtemp(prefix="fastfuse-limits-")) / "limits.so"
    flags = ["-std=c++17", "-O3", "-march=native", "-fopenmp", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, str(source), "-o", str(built)], check=True, timeout=300)
    loaded = ctypes.CDLL(str(built))
    loaded.peak_f32.restype = loaded.peak_f64.restype = ctypes.c_double
    return loaded


def copy(
    votes: Sequence[NDArray[Any]], out: NDArray[np.float32] | None = None, threads: int | None = None
) -> NDArray[np.float32]:
    """Sum the votes (uint8 or float32, contiguous) into a volume: freshly allocated, as a fusion's, unless given."""
    total = np.empty(votes[0].shape, np.float32) if out is None else out
    run = {"uint8": library().copy_u8, "float32": library().copy_f32}[votes[0].dtype.name]
    pointers = (ctypes.c_void_p * len(votes))(*[vote.ctypes.data for vote in votes])
    voxels = ctypes.c_int64(votes[0].size)
    run(pointers, len(votes), voxels, ctypes.c_void_p(total.ctypes.data), threads or processors())
    return total


def peak(dtype: str = "float32", threads: int | None = None) -> float:
    """Measure the floating-point operations a second, a multiply-add counted as two."""
    run = {"float32": library().peak_f32, "float64": library().peak_f64}[dtype]
    return max(float(run(threads or processors())) for _ in range(3))
