"""Every call of the core that may last looks at signals, however large what it is given."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse import VoteTable

pytestmark = [
    pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="POSIX timers"),
    pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning"),
]


def longest_wait(call: Callable[[], Any]) -> tuple[float, float]:
    """Return the longest time that signals had to wait during a call, and how long the call took.

    In seconds of this thread's work, which other programs do not lengthen.
    """
    heard: list[float] = []
    before = signal.signal(signal.SIGALRM, lambda *_: heard.append(time.thread_time()))
    signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
    start = time.thread_time()
    try:
        call()
    finally:
        end = time.thread_time()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return float(np.diff([start, *heard, end]).max()), end - start


def _table(rows: int, raters: int) -> VoteTable:
    votes = np.random.default_rng(0).integers(0, 10, (rows, raters)) / 9
    return VoteTable(votes, np.ones(rows))


def make_a_table() -> Callable[[], Any]:
    votes = np.random.default_rng(0).integers(0, 10, (900_000, 12)) / 9
    return lambda: VoteTable(votes, np.ones(len(votes)))


def add_tables() -> Callable[[], Any]:
    one, other = _table(1000, 12).in_core, _table(900_000, 12).in_core
    return lambda: one.add(other)


def drop_a_rater() -> Callable[[], Any]:
    table = _table(1_500_000, 12).in_core
    return lambda: table.drop(11)


def read_a_table() -> Callable[[], Any]:
    table = _table(400_000, 40).in_core
    return lambda: [table.patterns for _ in range(8)]


def enumerate_many_raters() -> Callable[[], Any]:
    votes = np.random.default_rng(0).random((20, 40), np.float32)
    return lambda: fastfuse.soft_staple(votes, max_iter=1, expectation="enumerate", threads=1)


def dilate(options: dict[str, Any]) -> Callable[[], Any]:
    rng = np.random.default_rng(0)
    shape = (300, 300, 200)
    mask, image = rng.random(shape) < 0.02, rng.random(shape, np.float32)
    return lambda: fastfuse.conditional_dilation(mask, image, threads=1, size=1.9, **options)


def dilate_a_whole_volume(options: dict[str, Any]) -> Callable[[], Any]:
    mask = np.zeros((300, 300, 260), bool)
    mask[1:-1, 1:-1, 1:-1] = True
    image = np.zeros(mask.shape, np.float32)
    return lambda: fastfuse.conditional_dilation(
        mask, image, threads=1, normalize=False, spacing_mm=(1, 1, 1), **options
    )


CALLS = {
    "make a table": make_a_table,
    "add tables": add_tables,
    "drop a rater": drop_a_rater,
    "read a table": read_a_table,
    "enumerate": enumerate_many_raters,
    "dilate": lambda: dilate({}),
    "dilate, exact": lambda: dilate({"threshold": "exact"}),
    "dilate, exact, connected": lambda: dilate({"threshold": "exact", "connected": True}),
    "dilate, lesions": lambda: dilate({"scope": "lesion"}),
    "dilate a volume": lambda: dilate_a_whole_volume({}),
    "dilate a volume by a ball": lambda: dilate_a_whole_volume({"radius_mm": 2}),
    "dilate a volume, one lesion": lambda: dilate_a_whole_volume({"scope": "lesion"}),
}


# One of tables, and two of dilations, are enough for every day.
SELDOM = ("drop a rater", "read a table", "dilate", "dilate, exact", "dilate, lesions", "dilate a volume")


@pytest.mark.parametrize(
    "call", [pytest.param(call, marks=pytest.mark.slow) if call in SELDOM else call for call in CALLS]
)
def test_signals_are_heard(call: str) -> None:
    waited, took = longest_wait(CALLS[call]())
    print(f"{took:.2f} s, heard after {waited:.2f} s at most")
    assert took > 0.3, "too short to show anything"
    assert waited < 0.5
