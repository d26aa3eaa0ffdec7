"""What a call costs on a GPU whatever it fuses, in microseconds, and what of.

python -m gpu.cost

One whole brain of seven masks, whose bytes take an H100 some 40 µs, and a volume so small that all is fixed cost:
the time of a call, that between two events on the stream, and, by torch's profiler, of each kernel and of each call of
CUDA's runtime; of the rest, which is Python's and the core's, what Python's own profiler sees.
"""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import torch

import fastfuse
from gpu.problems import ON_GPU, PROBLEMS, on_device, times_of

CALLS = 200 if ON_GPU else 5
PROFILED = 20 if ON_GPU else 2
LINES = 14
TARGET_US = 100.0
WHOLE = (
    "binary, 8 brains",
    "three-valued, em, 8 brains",
    "dense 7, em",
    "dense 7, em, 8 brains",
    "dense 7, paper",
    "simplified, em",
    "dense 12, em, once",
    "dense 12, paper, once",
    "dense 16, em, once",
)  # whose kernels are told apart


def main() -> None:
    """Print the times of both volumes."""
    whole, small = PROBLEMS["binary"].tensors(), [on_device(vote) for vote in small_masks()]
    for name, tensors in (("one whole brain", whole), ("4,096 voxels", small)):
        report(f"STAPLE, 7 masks, {name}", lambda tensors=tensors: PROBLEMS["binary"].fuse(tensors))
    dense = [on_device(vote) for vote in small_dense()]
    report("soft-STAPLE, 7 dense votes, em, 4,096 voxels", lambda: PROBLEMS["dense 7, em"].fuse(dense))
    for name in WHOLE:
        tensors = PROBLEMS[name].tensors()
        report_kernels(name, lambda name=name, tensors=tensors: PROBLEMS[name].fuse(tensors))  # type: ignore[misc]
    print(f"fastfuse {fastfuse.__version__}; the target for one whole brain: {TARGET_US:g} µs a call")


def small_masks() -> np.ndarray:
    """Return seven masks of 16³ voxels around one truth."""
    rng = np.random.default_rng(0)
    truth = np.zeros((16, 16, 16), bool)
    truth[4:10, 4:10, 4:10] = True
    return np.stack([truth ^ (rng.random(truth.shape) < 0.05) for _ in range(7)]).astype(np.uint8)


def small_dense() -> np.ndarray:
    """Return seven raters' probabilities for them."""
    noise = np.random.default_rng(1).uniform(0.01, 0.3, (7, 16, 16, 16))
    return np.where(small_masks() == 1, 1 - noise, noise).astype(np.float32)


def report(name: str, work: Callable[[], Any]) -> None:
    """Print what a call of ``work`` takes."""
    times = sorted(times_of(work, CALLS, 5))
    low, high = times[len(times) // 20], times[-1 - len(times) // 20]
    print(f"## {name}")
    print(
        f"{micro(median(times))} µs a call, median of {CALLS} ({micro(low)} to {micro(high)} in nine of ten)"
    )
    if ON_GPU:
        print(f"{between_events(work):.1f} µs between two events on the stream around a call, median")
        on_the_device(work)
    in_python(work)
    print(flush=True)


def report_kernels(name: str, work: Callable[[], Any]) -> None:
    """Print what a call of ``work`` on many voxels takes, and each kernel of it."""
    print(f"## {name}")
    print(f"{micro(median(times_of(work, 10 if ON_GPU else 1, 2)))} µs a call, median")
    if ON_GPU:
        on_the_device(work)
    print(flush=True)


def micro(value: float) -> str:
    """Return seconds as microseconds."""
    return f"{1e6 * value:.1f}"


def between_events(work: Callable[[], Any]) -> float:
    """Return the median time in microseconds that the stream saw pass around a call."""
    found = []
    for _ in range(CALLS):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        work()
        end.record()
        end.synchronize()
        found.append(1e3 * begin.elapsed_time(end))
    return median(found)


def on_the_device(work: Callable[[], Any]) -> None:
    """Print the kernels and copies, and the calls of CUDA's runtime, by the time that a fusion spends in each."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as recorded:
        for _ in range(PROFILED):
            work()
        torch.cuda.synchronize()
    events = recorded.key_averages()
    kernels = [(e.key, e.count, e.self_device_time_total) for e in events if "CUDA" in str(e.device_type)]
    calls = [(e.key, e.count, e.self_cpu_time_total) for e in events if e.key.startswith("cu")]
    for title, rows in (("kernels and copies", kernels), ("CUDA's runtime, on the host", calls)):
        total = sum(time for _, _, time in rows) / PROFILED
        print(f"{title}: {total:.1f} µs a fusion, under the profiler")
        for key, count, time in sorted(rows, key=lambda row: -row[2])[:LINES]:
            print(f"  {time / PROFILED:8.1f} µs in {count / PROFILED:5.1f}  {key[:90]}")


def in_python(work: Callable[[], Any]) -> None:
    """Print the functions in which Python's own profiler, itself not free, sees most time pass."""
    seen = cProfile.Profile()
    seen.enable()
    for _ in range(PROFILED):
        work()
    seen.disable()
    rows: Any = pstats.Stats(seen).stats  # type: ignore[attr-defined]
    print(f"Python's profiler: {micro(sum(row[2] for row in rows.values()) / PROFILED)} µs a fusion")
    for (file, line, function), (_, count, own, _, _) in sorted(rows.items(), key=lambda row: -row[1][2])[
        :LINES
    ]:
        where = f"{file.rpartition('/')[2]}:{line} {function}"
        print(f"  {micro(own / PROFILED):>8} µs in {count / PROFILED:5.1f}  {where[:90]}")


if __name__ == "__main__":
    main()
