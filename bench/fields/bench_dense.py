"""A Markov random field on dense votes, beside a plain fusion: processor time on one thread, by turns.

pytest bench/fields/bench_dense.py --benchmark-columns=median,rounds

A block of 60 x 70 x 60 voxels out of the whole brain, seven raters; as many iterations as by default, and two.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np
import pytest

import fastfuse
from common import SMALL, Votes, by_turns, dense_votes

SHAPE = (60, 70, 60)
ROUNDS = 2 if SMALL else 9
METHODS = {"soft-STAPLE": fastfuse.soft_staple, "simplified-soft-STAPLE": fastfuse.simplified_soft_staple}
FIELD, TWO = "with mrf", "with mrf, two iterations"
AIM = 60  # at most so many times the plain fusion
MISSED = {
    ("soft-STAPLE", "em", FIELD): 100
}  # and the bound that holds in its place: each sweep takes all terms


@cache
def votes() -> Votes:
    given = dense_votes()
    cut = tuple(
        slice(max(0, (have - want) // 2), (have + want) // 2)
        for have, want in zip(given[0].shape, SHAPE, strict=True)
    )
    return tuple(np.ascontiguousarray(vote[cut]) for vote in given)


@cache
def medians(method: str, m_step: str) -> dict[str, float]:
    """Run the plain fusion and the two with a field by turns; return each one's median of processor time."""
    out = np.ones(votes()[0].shape, np.float32)
    fuse = partial(METHODS[method], votes(), out=out, threads=1, m_step=m_step)
    calls = {"plain": fuse, FIELD: partial(fuse, mrf=0.3), TWO: partial(fuse, mrf=0.3, max_iter=2)}
    return by_turns(calls, ROUNDS)


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("contestant", ["plain", FIELD, TWO])
@pytest.mark.parametrize("m_step", ["em", "paper"])
@pytest.mark.parametrize("method", METHODS)
def test_turns(benchmark: Any, method: str, m_step: str, contestant: str) -> None:
    benchmark.group = f"dense votes, {method}, {m_step}, processor time"
    found = benchmark.pedantic(medians, (method, m_step), rounds=1)
    ratio = found[contestant] / found["plain"]
    benchmark.extra_info |= {"cpu": found[contestant], "ratio": ratio}
    if not benchmark.disabled:
        assert SMALL or ratio <= MISSED.get((method, m_step, contestant), AIM)
