"""Every bench runs, and every contestant finds the answer, on small problems and without timing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SLOW = "Numba or torch or memory or dilation"
ROOT = Path(__file__).parents[2]
pytest.importorskip("pytest_benchmark")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=1800
    )


def run_benches(*words: str) -> None:
    done = run("-m", "pytest", "bench", "--small", "--benchmark-disable", "-q", *words)
    assert done.returncode == 0, done.stdout[-4000:]


def test_benches_run_once() -> None:
    """But for those with processes or a whole brain of their own, and rivals that compile for minutes."""
    run_benches("-k", f"not ({SLOW})")


@pytest.mark.slow
def test_all_contestants_run_once() -> None:
    run_benches("-k", SLOW)


def test_tables(tmp_path: Path) -> None:
    """A group becomes a table, with ratios to fastfuse."""
    benches = [
        {"group": "g", "name": name, "params": {"name": name}, "extra_info": {}, "stats": {"median": seconds}}
        for name, seconds in {"copy": 0.004, "fastfuse": 0.005, "rival": 0.02}.items()
    ]
    info = {"python_version": "3.12", "cpu": {"brand_raw": "CPU", "count": 2}}
    results, readme = tmp_path / "results.json", tmp_path / "README.md"
    results.write_text(json.dumps({"benchmarks": benches, "machine_info": info, "datetime": "2020-01-01T00"}))
    readme.write_text("text\n<!-- tables -->\nold\n")
    assert run("bench/tables.py", str(results), str(readme)).returncode == 0
    text = readme.read_text()
    assert "old" not in text
    assert "| rival | 20 ms | × 4 |" in text
    assert "CPU, 2 cores" in text
