"""Who competes in the fusion of which votes. Every contestant fuses the votes, and may write into ``out``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fastfuse
from common import Votes

Volume = NDArray[Any]
Result = Any  # an answer, with the names of fastfuse.Fusion
M_STEPS = ("paper", "em")


@dataclass(frozen=True)
class Contestant:
    """A way to fuse, how often it is timed, and how near its probabilities must come."""

    fuse: Callable[[Votes, Volume], Result]
    rounds: int = 5
    tolerance: float = 1e-6
    needs: str = "numpy"

    @property
    def slow(self) -> bool:
        """Whether it runs once on the whole brain, having been checked on a block."""
        return self.rounds == 1


@dataclass(frozen=True)
class Race:
    """A problem, and its contestants by name; the first is fastfuse."""

    kind: str
    contestants: dict[str, Contestant]

    def answer(self, votes: Votes) -> fastfuse.Fusion:
        """Return what all must find."""
        exact = self.contestants["fastfuse, out="].fuse
        return exact(votes, np.empty(votes[0].shape, np.float64))


def ours(function: str, rounds: int = 20, tolerance: float = 1e-6, **options: Any) -> Contestant:
    """Return fastfuse as it is called most often: it takes new memory for the probability."""
    return Contestant(lambda votes, out: getattr(fastfuse, function)(votes, **options), rounds, tolerance)


def into_out(function: str, rounds: int = 20, tolerance: float = 1e-6, **options: Any) -> Contestant:
    """Return fastfuse, writing into ``out``."""
    return Contestant(
        lambda votes, out: getattr(fastfuse, function)(votes, out=out, dtype=out.dtype, **options),
        rounds,
        tolerance,
    )


def squarem(function: str, m_step: str) -> Contestant:
    """Return fastfuse with its acceleration: it stops nearer to the end than iterations that crawl."""
    return ours(function, 10, 1e-4, m_step=m_step, acceleration="squarem")


def rival(
    package: str,
    function: str,
    rounds: int = 3,
    tolerance: float = 1e-6,
    *,
    takes_out: bool = False,
    **options: Any,
) -> Contestant:
    """Return a function of ``rivals.in_<package>``, imported when it runs; a second word divides a long file."""

    def fuse(votes: Votes, out: Volume) -> Result:
        work = getattr(import_module(f"rivals.in_{package}"), function)
        return work(votes, **options, **({"out": out} if takes_out else {}))

    return Contestant(fuse, rounds, tolerance, "SimpleITK" if package == "itk" else package.split("_")[0])


def _copy(votes: Votes, out: Volume, *, streams: bool) -> Volume:
    copied: Volume = import_module("limits").copy(votes, out, streams=streams)
    return copied


LIMITS = {
    "copy": Contestant(partial(_copy, streams=False), 20, needs="limits"),
    "limit": Contestant(partial(_copy, streams=True), 20, needs="limits"),
}


def staple() -> Race:
    """STAPLE of binary masks."""
    return Race(
        "binary",
        {
            "fastfuse": ours("staple"),
            "fastfuse, out=": into_out("staple"),
            "Numba, distinct patterns": rival("numba_patterns", "patterns", rounds=20, takes_out=True),
            "NumPy, distinct patterns, empty words skipped": rival(
                "numpy", "staple_busy_words", rounds=10, takes_out=True
            ),
            "NumPy, distinct patterns": rival("numpy", "staple_patterns", rounds=5),
            "NumPy, every voxel": rival("numpy", "staple_over_voxels", rounds=1),
            "SimpleITK": rival("itk", "staple", rounds=3),
            **LIMITS,
        },
    )


def soft_of_few_values(m_step: str) -> Race:
    """soft-STAPLE of votes in {0, 0.3, 1}."""
    return Race(
        "three-valued",
        {
            "fastfuse": ours("soft_staple", m_step=m_step),
            "fastfuse, out=": into_out("soft_staple", m_step=m_step),
            "Numba, distinct patterns": rival(
                "numba_patterns", "patterns", rounds=20, takes_out=True, method="soft", m_step=m_step
            ),
            "NumPy, distinct patterns, empty words skipped": rival(
                "numpy", "busy_words_of_levels", rounds=10, takes_out=True, method="soft", m_step=m_step
            ),
            "NumPy, distinct patterns": rival("numpy", "patterns_of_levels", method="soft", m_step=m_step),
            **enumerations(m_step),
            **LIMITS,
        },
    )


def soft_of_probabilities(m_step: str) -> Race:
    """soft-STAPLE of dense votes."""
    return Race(
        "dense",
        {
            "fastfuse": ours("soft_staple", rounds=10, m_step=m_step),
            "fastfuse, out=": into_out("soft_staple", rounds=10, m_step=m_step),
            "fastfuse, SQUAREM": squarem("soft_staple", m_step),
            **enumerations(m_step),
            **LIMITS,
        },
    )


def enumerations(m_step: str) -> dict[str, Contestant]:
    """Return the rivals that go through all 2^m patterns of a voxel, in every iteration or once.

    The slower ones for one M-step only: the other takes as long.
    """
    slow = partial(rival, rounds=1, m_step=m_step)
    once = {
        "Numba, masses once": rival("numba", "masses", rounds=10, takes_out=True, m_step=m_step),
        "NumPy, masses once": rival("numpy", "soft_masses", tolerance=1e-5, m_step=m_step, dtype=np.float32),
        "NumPy, enumeration, float64": slow("numpy", "soft_enumeration", tolerance=1e-4, dtype=np.float64),
    }
    if m_step == "paper":
        return once
    return once | {
        "Numba, enumeration": slow("numba", "enumeration", tolerance=1e-4, takes_out=True),
        "NumPy, enumeration": slow("numpy", "soft_enumeration", tolerance=1e-4, dtype=np.float32),
        "torch, enumeration": slow("torch", "enumeration", tolerance=1e-4),
    }


def simplified(kind: str, m_step: str, **options: Any) -> Race:
    """simplified-soft-STAPLE, of votes in {0, 0.3, 1} or dense ones, to convergence unless ``max_iter`` is given."""
    contestants = {
        name: kind_of("simplified_soft_staple", rounds=10, m_step=m_step, **options)
        for name, kind_of in (("fastfuse", ours), ("fastfuse, out=", into_out))
    }
    if not options:
        contestants |= {"fastfuse, SQUAREM": squarem("simplified_soft_staple", m_step)}
    contestants["Numba, one pass an iteration"] = rival(
        "numba_simplified", "simplified", rounds=5, takes_out=True, m_step=m_step, **options
    )
    if kind == "three-valued":
        patterns = {"method": "simplified", "m_step": m_step}
        contestants |= {
            "Numba, distinct patterns": rival(
                "numba_patterns", "patterns", rounds=20, takes_out=True, **patterns
            ),
            "NumPy, distinct patterns, empty words skipped": rival(
                "numpy", "busy_words_of_levels", rounds=10, takes_out=True, **patterns
            ),
            "NumPy, distinct patterns": rival("numpy", "patterns_of_levels", **patterns),
        }
    double = rival("numpy", "simplified", rounds=1, m_step=m_step, dtype=np.float64, **options)
    contestants["NumPy, every voxel, float64"] = double
    if kind == "dense" and not options:
        single = rival("numpy", "simplified", 1, 2e-3, m_step=m_step, dtype=np.float32, **options)
        contestants["NumPy, every voxel"] = single
    return Race(kind, {**contestants, **LIMITS})


RACES = {
    "binary: STAPLE": staple(),
    **{f"{{0, 0.3, 1}}: soft-STAPLE, {m_step}": soft_of_few_values(m_step) for m_step in M_STEPS},
    **{f"dense: soft-STAPLE, {m_step}": soft_of_probabilities(m_step) for m_step in M_STEPS},
    "dense: simplified-soft-STAPLE, em": simplified("dense", "em"),
    **{
        f"dense: simplified-soft-STAPLE, em, {n} iteration{'s' * (n > 1)}": simplified(
            "dense", "em", max_iter=n
        )
        for n in (1, 11)
    },
    **{
        f"{{0, 0.3, 1}}: simplified-soft-STAPLE, {m_step}": simplified("three-valued", m_step)
        for m_step in M_STEPS
    },
}


def check(found: Result, answer: fastfuse.Fusion, tolerance: float, votes: Votes) -> None:
    """Assert that a contestant found the answer, and that a copy is the sum of the votes."""
    if isinstance(found, np.ndarray):
        np.testing.assert_allclose(found, np.sum(votes, axis=0, dtype=np.float64), rtol=1e-6, err_msg="copy")
        return
    for name in ("sensitivity", "specificity", "probability"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(answer, name), rtol=0, atol=tolerance, err_msg=name
        )


def skip_without(contestant: Contestant) -> None:
    """Skip with the reason where what the contestant needs is not installed."""
    pytest.importorskip(contestant.needs, reason=f"needs {contestant.needs}: pip install '.[bench]'")
