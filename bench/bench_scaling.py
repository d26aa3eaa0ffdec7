"""Cost against the number of voxels, of raters, of fractional voxels and of threads: fastfuse and its strongest rival.

pytest bench/bench_scaling.py --benchmark-columns=median,rounds

On a block of each problem fastfuse and NumPy must agree before fastfuse is timed, and the rival on all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import fastfuse
import limits
from common import SMALL, Votes, middle_of, more_raters, partly_fractional, tiled, votes_of
from contestants import RACES, Contestant, Result, check, rival, skip_without

DOUBLE = {"dtype": np.float64}


@dataclass(frozen=True)
class Problem:
    """A race, its strongest rival with the raters that it has memory for, and NumPy's way to the answer."""

    race: str
    strongest: str
    most_raters: int
    numpy: Callable[[Votes], Result]
    raters: tuple[int, ...] = (3, 7, 11, 15, 20)

    @property
    def kind(self) -> str:
        """The votes' kind."""
        return RACES[self.race].kind

    def contestant(self, name: str) -> Contestant:
        """Return fastfuse or the rival."""
        contestant = RACES[self.race].contestants["fastfuse, out=" if name == "fastfuse" else self.strongest]
        skip_without(contestant)
        return contestant


def numpy(function: str, **options: Any) -> Callable[[Votes], Result]:
    return lambda votes: rival("numpy", function, **options).fuse(votes, votes[0])


PROBLEMS = {
    "binary": Problem("binary: STAPLE", "Numba, distinct patterns", 15, numpy("staple_patterns")),
    "three-valued": Problem(
        "{0, 0.3, 1}: soft-STAPLE, em", "Numba, distinct patterns", 11, numpy("soft_masses", m_step="em", **DOUBLE)
    ),
    "dense": Problem(
        "dense: soft-STAPLE, em", "Numba, masses once", 11, numpy("soft_masses", m_step="em", **DOUBLE), (3, 7, 11, 14)
    ),
    "simplified": Problem(
        "dense: simplified-soft-STAPLE, em, 11 iterations", "Numba, one pass an iteration", 11,
        numpy("simplified", m_step="em", max_iter=11, **DOUBLE),
    ),
}  # fmt: skip
MOST = 2 if SMALL else None  # numbers of raters
NAMES = ("fastfuse", "Numba")
LIMITED = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")  # max_iter, for equal work


def compete(
    benchmark: Any, problem: Problem, name: str, votes: Votes, rounds: int = 5, brain: Votes | None = None
) -> None:
    """Check on a block of the brain against NumPy and on the whole against fastfuse, then time."""
    contestant = problem.contestant(name)
    block = middle_of(votes if brain is None else brain)
    found = contestant.fuse(block, np.empty(block[0].shape, np.float32))
    check(found, problem.numpy(block), 1e-5, block)
    out, answer = np.ones(votes[0].shape, np.float32), np.empty(votes[0].shape, np.float32)
    check(contestant.fuse(votes, out), problem.contestant("fastfuse").fuse(votes, answer), 1e-5, votes)
    benchmark.pedantic(contestant.fuse, (votes, out), rounds=rounds)


@LIMITED
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("brains", [1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_voxels(benchmark: Any, problem: str, brains: float, name: str) -> None:
    benchmark.group = f"voxels, {problem}"
    if name != "fastfuse" and brains > 2:
        pytest.skip("one row of times shows what a volume costs")
    kind = PROBLEMS[problem].kind
    votes, rounds = tiled(kind, brains), 5 if problem == "simplified" else 9
    compete(benchmark, PROBLEMS[problem], name, votes, rounds, votes if brains <= 1 else votes_of(kind))


@LIMITED
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("problem", "m"), [(problem, m) for problem in PROBLEMS for m in PROBLEMS[problem].raters[:MOST]]
)
def test_raters(benchmark: Any, problem: str, m: int, name: str) -> None:
    benchmark.group = f"raters, {problem}"
    if name != "fastfuse" and m > PROBLEMS[problem].most_raters:
        pytest.skip("its tables would take gigabytes, or it takes long")
    compete(benchmark, PROBLEMS[problem], name, more_raters(PROBLEMS[problem].kind, m), 5 if m <= 11 else 1)


@LIMITED
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("problem", ["dense", "simplified"])
@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.5, 1])
def test_fractional_voxels(benchmark: Any, share: float, problem: str, name: str) -> None:
    benchmark.group = f"share of fractional voxels, {problem}"
    compete(benchmark, PROBLEMS[problem], name, partly_fractional(share))


FUNCTIONS = {
    "binary": (fastfuse.staple, {}),
    "three-valued": (fastfuse.soft_staple, {"m_step": "em"}),
    "dense": (fastfuse.soft_staple, {"m_step": "em"}),
    "simplified": (fastfuse.simplified_soft_staple, {"m_step": "em", "max_iter": 11}),
}


@LIMITED
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("problem", FUNCTIONS)
def test_threads(benchmark: Any, problem: str, threads: int) -> None:
    benchmark.group = f"threads, {problem}"
    (fuse, options), votes = FUNCTIONS[problem], votes_of(PROBLEMS[problem].kind)
    out = np.empty(votes[0].shape, np.float32)
    answer = fuse(votes, threads=3 - threads, **options)
    work = {"threads": threads, "out": out, **options}
    np.testing.assert_array_equal(fuse(votes, **work).probability, answer.probability)
    benchmark.pedantic(fuse, (votes,), work, rounds=10)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_of_copy(benchmark: Any, threads: int) -> None:
    """What the memory gains from a second thread."""
    benchmark.group = "threads, copy"
    votes = votes_of("dense")
    out = np.ones(votes[0].shape, np.float32)
    np.testing.assert_allclose(limits.copy(votes, out), np.sum(votes, axis=0), rtol=1e-5)
    benchmark.pedantic(limits.copy, (votes, out), {"threads": threads}, rounds=10)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_of_peak(benchmark: Any, threads: int) -> None:
    """What the arithmetic gains: the same work on each thread."""
    benchmark.group = "threads, multiply-add peak (the same work on each)"
    assert benchmark.pedantic(limits.peak, ("float32", threads), rounds=5) > 0
