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
    votes: Sequence[NDArray[Any]],
    out: NDArray[np.float32],
    threads: int | None = None,
    *,
    streams: bool = False,
) -> NDArray[np.float32]:
    """Sum the votes (uint8 or float32, contiguous) into a volume that was written before: by ordinary stores, or past the caches."""
    name = ("limit" if streams else "copy") + {"uint8": "_u8", "float32": "_f32"}[votes[0].dtype.name]
    pointers = (ctypes.c_void_p * len(votes))(*[vote.ctypes.data for vote in votes])
    voxels = ctypes.c_int64(votes[0].size)
    getattr(library(), name)(
        pointers, len(votes), voxels, ctypes.c_void_p(out.ctypes.data), threads or processors()
    )
    return out


def peak(dtype: str = "float32", threads: int | None = None) -> float:
    """Measure the floating-point operations a second, a multiply-add counted as two."""
    run = {"float32": library().peak_f32, "float64": library().peak_f64}[dtype]
    return max(float(run(threads or processors())) for _ in range(3))
