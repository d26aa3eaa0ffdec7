"""Without OpenMP, threads of our own: the same bits, forks, Ctrl-C and limits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..builds import ROOT, installed

BITS = """
    import hashlib, json, warnings
    from fastfuse import _core
    from tests.golden.bits import fused
    from tests.golden.cases import FUSIONS, ROUTES
    from tests.golden.facts import outcome_of
    warnings.simplefilter("ignore")
    for case in FUSIONS:
        for route in ROUTES:
            facts = outcome_of(lambda: fused(case, route, 2))
            print(case.name, route, hashlib.sha256(json.dumps(facts).encode()).hexdigest())
    print(_core.threads_by)
"""


def printed(environment: dict[str, str]) -> list[str]:
    code = "\n".join(line[4:] for line in BITS.splitlines())
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        cwd=ROOT,
        timeout=1800,
    )
    return done.stdout.splitlines()


@pytest.mark.slow
def test_own_threads(tmp_path: Path) -> None:
    """By every route a fusion has the bits that it has with OpenMP; the tests of threads pass."""
    own = installed(tmp_path, "-O3", "FASTFUSE_OPENMP=OFF")
    *here, team = printed(dict(os.environ))
    *there, other = printed(own)
    assert other == "std::thread"
    assert len(here) > 100
    assert here == there, f"{team} and {other} differ"
    tests = [str(ROOT / "tests" / "fusion" / "test_threads.py"), str(ROOT / "tests" / "threads")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        capture_output=True,
        text=True,
        check=False,
        env=own,
        cwd=ROOT,
        timeout=1800,
    )
    assert done.returncode == 0, done.stdout[-4000:]
