"""Peak memory beyond inputs and output, each contestant in a process of its own.

pytest bench/bench_memory.py --benchmark-json=memory.json && python bench/tables.py memory.json

The times that it reports are those of whole processes, and mean nothing; the bytes are in the JSON's extra_info.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common import SMALL, votes_of
from contestants import LIMITS, RACES, skip_without
from memory import CLEAR

MEASURED = (
    "binary: STAPLE",
    "{0, 0.3, 1}: soft-STAPLE, paper",
    "dense: soft-STAPLE, paper",
    "dense: simplified-soft-STAPLE, em",
)
RUNS = [
    pytest.param(race, name, id=f"{race} - {name}")
    for race in MEASURED
    for name, contestant in RACES[race].contestants.items()
    if name not in LIMITS and not contestant.slow
]
MEMORY = str(Path(__file__).with_name("memory.py"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("votes")


@cache
def saved(folder: Path, kind: str) -> Path:
    """Write the votes, so that making them leaves no mark on the process that fuses them."""
    (folder / kind).mkdir()
    for i, vote in enumerate(votes_of(kind)):
        np.save(folder / kind / f"{i}.npy", vote)
    return folder / kind


@pytest.mark.skipif(not os.access(CLEAR, os.W_OK), reason="needs Linux's high-water mark")
@pytest.mark.parametrize(("race", "name"), RUNS)
def test_peak(benchmark: Any, folder: Path, race: str, name: str) -> None:
    """Of fastfuse at most 5 bytes a voxel, and the tables of 2^m patterns."""
    benchmark.group = f"memory, {race}"
    skip_without(RACES[race].contestants[name])
    votes = votes_of(RACES[race].kind)
    words = [sys.executable, MEMORY, race, name, str(saved(folder, RACES[race].kind))]
    run = {"capture_output": True, "text": True, "check": True}
    done = benchmark.pedantic(subprocess.run, (words,), run, rounds=1)
    peak, m, n = int(done.stdout), len(votes), votes[0].size
    benchmark.extra_info["bytes_per_voxel"] = peak / n
    if name.startswith("fastfuse") and not SMALL:  # a small block is less than what any process takes
        assert peak <= 5 * n + (m + 1) * 2**m * 8
