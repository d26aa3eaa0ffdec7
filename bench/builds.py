"""Times two or more builds of the package against each other: whole brains, one and two threads.

    python bench/builds.py main=/path/to/one/site here=/path/to/another [--rounds 15] [--case "dense: soft-STAPLE"]

Each path is a folder in which a package ``fastfuse`` lies. Each build has a process of its own, which keeps the votes;
they take turns, a fusion each, so that whatever else the machine does meets all alike. Prints medians, each build's
ratio to the first, and what the second thread brings.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

CASES = {
    "binary: STAPLE": ("binary", "staple", {}),
    "three-valued: soft-STAPLE": ("three-valued", "soft_staple", {}),
    "dense: soft-STAPLE": ("dense", "soft_staple", {}),
    "dense: soft-STAPLE, em": ("dense", "soft_staple", {"m_step": "em"}),
    "dense: simplified-soft-STAPLE": ("dense", "simplified_soft_staple", {"m_step": "em", "max_iter": 11}),
    "binary: STAPLE, field": ("binary", "staple", {"mrf": 0.3, "spacing_mm": (1, 1, 1), "max_iter": 5}),
    "1,000 voxels: STAPLE": ("small", "staple", {"max_iter": 20}),
    "40,000 voxels: simplified": ("middle", "simplified_soft_staple", {"max_iter": 50, "tol": 0}),
}


def write_votes(folder: Path) -> None:
    """Write the votes of each kind, for all builds to map."""
    from common import binary_votes, dense_votes, soft_votes

    rng = np.random.default_rng(0)
    np.save(folder / "binary.npy", np.stack(binary_votes()))
    np.save(folder / "three-valued.npy", np.stack(soft_votes()))
    np.save(folder / "dense.npy", np.stack(dense_votes()))
    np.save(folder / "small.npy", (rng.random((7, 1000)) < 0.3).astype(np.uint8))
    np.save(folder / "middle.npy", rng.random((7, 40_000), np.float32))


def serve(folder: Path) -> None:
    """Time the fusions that are asked for, line by line."""
    import warnings

    import fastfuse

    warnings.simplefilter("ignore")
    votes = {path.stem: list(np.load(path)) for path in folder.glob("*.npy")}
    for line in sys.stdin:
        case, threads = line.strip().split("\t")
        kind, name, options = CASES[case]
        out = np.zeros(votes[kind][0].shape, np.float32)
        start = time.perf_counter()
        getattr(fastfuse, name)(votes[kind], out=out, threads=int(threads), **options)
        print(time.perf_counter() - start, flush=True)


def seconds(process: subprocess.Popen[str], case: str, threads: int) -> float:
    assert process.stdin is not None
    assert process.stdout is not None
    time.sleep(0.01)  # the other build's threads lie down
    process.stdin.write(f"{case}\t{threads}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def compare(builds: dict[str, subprocess.Popen[str]], case: str, rounds: int) -> None:
    """Print a line for each build and number of threads."""
    taken: dict[tuple[str, int], list[float]] = {(name, n): [] for name in builds for n in (1, 2)}
    for turn in range(rounds + 1):
        for n in (1, 2):
            for name, process in builds.items():
                time_taken = seconds(process, case, n)
                if turn:  # the first one warms up
                    taken[name, n].append(time_taken)
    median = {key: statistics.median(column) for key, column in taken.items()}
    first = next(iter(builds))
    for name in builds:
        one, two = median[name, 1], median[name, 2]
        ratios = " ".join(f"{median[name, n] / median[first, n]:6.3f}" for n in (1, 2))
        print(f"{case:32} {name:10} {1e3 * one:9.2f} {1e3 * two:9.2f} ms  x {ratios}  two: {one / two:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("builds", nargs="*", metavar="NAME=FOLDER")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        return serve(given.serve)
    with tempfile.TemporaryDirectory() as temporary:
        write_votes(Path(temporary))
        builds = {}
        for one in given.builds:
            name, _, site = one.partition("=")
            command = [sys.executable, __file__, "--serve", temporary]
            builds[name] = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": str(Path(site).resolve())},
            )
        print(
            f"{'':32} {'':10} {'1 thread':>9} {'2 threads':>9}     ratio to the first, what two threads bring"
        )
        for case in given.case or CASES:
            compare(builds, case, given.rounds)
        for process in builds.values():
            process.communicate()
    return None


if __name__ == "__main__":
    main()
