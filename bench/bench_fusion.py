"""Whole-brain fusion, seven raters: fastfuse, its rivals, and a copy of as many bytes.

pytest bench/bench_fusion.py --benchmark-columns=median,rounds

All contestants iterate to one stopping rule. Fast ones are checked on the whole brain before they are timed; slow
ones on a block before, and on the whole brain after their one run.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fastfuse
from common import middle_of, votes_of
from contestants import RACES, check, skip_without

RUNS = [pytest.param(race, name, id=f"{race} - {name}") for race in RACES for name in RACES[race].contestants]


@pytest.fixture(scope="module")
def out() -> NDArray[np.float32]:
    """Return memory for a probability, already touched."""
    return np.ones(votes_of("binary")[0].shape, np.float32)


@cache
def answer_of(race: str, block: bool) -> fastfuse.Fusion:
    votes = votes_of(RACES[race].kind)
    return RACES[race].answer(middle_of(votes) if block else votes)


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")  # that one iteration is none too many
@pytest.mark.parametrize(("race", "name"), RUNS)
def test_race(benchmark: Any, out: NDArray[np.float32], race: str, name: str) -> None:
    benchmark.group = race
    contestant, votes = RACES[race].contestants[name], votes_of(RACES[race].kind)
    skip_without(contestant)
    first = middle_of(votes) if contestant.slow else votes
    found = contestant.fuse(first, np.empty(first[0].shape, np.float32) if contestant.slow else out)
    check(found, answer_of(race, contestant.slow), contestant.tolerance, first)
    found = benchmark.pedantic(contestant.fuse, (votes, out), rounds=contestant.rounds)
    check(found, answer_of(race, False), contestant.tolerance, votes)
    benchmark.extra_info["iterations"] = getattr(found, "n_iter", None)
