"""What a case costs beside its work, through dask's scheduler: the script that measures it runs, and its bounds hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"
MOST_MS = 10  # a case of 1 ms
MOST_BYTES = {"masks": 4096, "maps of 101 labels": 2**20}  # a case, from one process to another, all together


@pytest.mark.slow
def test_a_case_of_a_millisecond() -> None:
    pytest.importorskip("distributed", reason="needs distributed: pip install fastfuse[distributed]")
    pytest.importorskip("scipy")
    run = [sys.executable, "-W", "ignore", "-m", "cohorts.scheduling", "1000"]
    done = subprocess.run(run, cwd=BENCH, capture_output=True, text=True, check=False, timeout=1800)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()[4:]]
    assert {row[0] for row in rows} == set(MOST_BYTES)
    for kind, _, milliseconds, *_, sent in rows:
        assert int(sent.replace(",", "")) <= MOST_BYTES[kind]
        if kind == "masks":
            assert float(milliseconds) <= MOST_MS
