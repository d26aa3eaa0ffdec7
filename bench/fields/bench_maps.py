"""A prior map, and a Markov random field, beside a plain fusion: processor time on one thread, by turns.

pytest bench/fields/bench_maps.py --benchmark-columns=median,rounds
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

import fastfuse
from common import SMALL, binary_votes, by_turns, votes_of
from memory import CLEAR, resident

ROUNDS = {"binary": 9, "three-valued": 9, "dense": 3}
FUSIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "masks: STAPLE": ("binary", {}),
    "{0, 0.3, 1}: soft-STAPLE, em": ("three-valued", {"m_step": "em"}),
    "dense: soft-STAPLE, em": ("dense", {"m_step": "em"}),
    "dense: soft-STAPLE, paper": ("dense", {"m_step": "paper"}),
}
MAP, SMOOTHED, FIELD = "with a prior map", "with a smoothed vote as prior", "with mrf"
ANY = "with a map of all priors"
BOTH = "with mrf and a prior map, ten iterations"
AIMS = {  # at most so many times the plain fusion
    ("masks: STAPLE", MAP): 6,
    ("{0, 0.3, 1}: soft-STAPLE, em", MAP): 10,
    ("dense: soft-STAPLE, em", MAP): 40,
    ("dense: soft-STAPLE, paper", MAP): 40,
    ("dense: soft-STAPLE, em", ANY): 40,
    ("dense: soft-STAPLE, paper", ANY): 40,
    ("masks: STAPLE", SMOOTHED): 6,
    ("{0, 0.3, 1}: soft-STAPLE, em", SMOOTHED): 10,
    ("masks: STAPLE", FIELD): 60,
    ("{0, 0.3, 1}: soft-STAPLE, em", FIELD): 60,
    ("masks: STAPLE", BOTH): 120,  # no aim: what was found shows what becomes slower
}
MOST_MEMORY = 45e6  # bytes of the field beyond votes and output


@cache
def atlas() -> NDArray[np.float32]:
    """Return a map such as an atlas is: the mean mask, smoothed, and a lesion in 1,000 voxels elsewhere."""
    mean = np.mean(binary_votes(), axis=0, dtype=np.float32)
    atlas: NDArray[np.float32] = 0.8 * ndimage.gaussian_filter(mean, 2) + np.float32(0.001)
    return np.clip(atlas, np.float32(1e-4), np.float32(1 - 1e-4))


def fuse(name: str, out: NDArray[np.float32], **more: Any) -> fastfuse.Fusion:
    kind, options = FUSIONS[name]
    function = fastfuse.staple if kind == "binary" else fastfuse.soft_staple
    found: fastfuse.Fusion = function(votes_of(kind), out=out, threads=1, **options, **more)
    return found


@cache
def smoothed() -> NDArray[np.float32]:
    """Return a map that is one value in most voxels, and repeats many elsewhere."""
    return fastfuse.smoothed_vote(binary_votes(), 4.0, spacing_mm=(1, 1, 1))


@cache
def any_prior() -> NDArray[np.float32]:
    """Return a map that has every prior from 1e-3 to 1 - 1e-3, next to any other."""
    return np.random.default_rng(0).uniform(1e-3, 1 - 1e-3, atlas().shape).astype(np.float32)


def options_of(contestant: str) -> dict[str, Any]:
    prior = {MAP: atlas, BOTH: atlas, SMOOTHED: smoothed, ANY: any_prior}.get(contestant)
    return (
        ({"prior": prior()} if prior else {})
        | ({"mrf": 0.3} if contestant in (FIELD, BOTH) else {})
        | ({"max_iter": 10} if contestant == BOTH else {})
    )


def contestants(name: str) -> list[str]:
    return ["plain", *(which for fusion, which in AIMS if fusion == name)]


@cache
def medians(name: str) -> dict[str, float]:
    """Run a fusion's contestants by turns; return each one's median of processor time."""
    out = np.ones(atlas().shape, np.float32)
    works = {which: partial(fuse, name, out, **options_of(which)) for which in contestants(name)}
    return by_turns(works, 2 if SMALL else ROUNDS[FUSIONS[name][0]])


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize(
    ("name", "contestant"), [(name, which) for name in FUSIONS for which in contestants(name)]
)
def test_turns(benchmark: Any, name: str, contestant: str) -> None:
    benchmark.group = f"{name}, maps and fields, processor time"
    found = benchmark.pedantic(medians, (name,), rounds=1)
    ratio = found[contestant] / found["plain"]
    benchmark.extra_info |= {"cpu": found[contestant], "ratio": ratio}
    if not benchmark.disabled:
        assert SMALL or ratio <= AIMS.get((name, contestant), 1)


@pytest.mark.skipif(not os.access(CLEAR, os.W_OK), reason="needs Linux's high-water mark")
def test_memory_of_the_field(benchmark: Any, tmp_path: Path) -> None:
    """In a process of its own, whose memory is new."""
    for i, vote in enumerate(binary_votes()):
        np.save(tmp_path / f"{i}.npy", vote)
    words = [sys.executable, __file__, str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = {"capture_output": True, "text": True, "check": True, "env": env}
    done = benchmark.pedantic(subprocess.run, (words,), run, rounds=1)
    benchmark.extra_info["bytes"] = int(done.stdout)
    if not benchmark.disabled:
        assert SMALL or benchmark.extra_info["bytes"] <= MOST_MEMORY


def main(folder: Path) -> None:
    """Fuse the masks with a field, and print the peak of memory beside them and the consensus."""
    votes = [np.load(path) for path in sorted(folder.glob("*.npy"))]
    out = np.ones(votes[0].shape, np.float32)
    warnings.simplefilter("ignore")
    fastfuse.staple(votes, out=out, threads=1, max_iter=2)
    CLEAR.write_text("5")
    before = resident("VmRSS")
    fastfuse.staple(votes, out=out, threads=1, mrf=0.3, max_iter=2)
    print(resident("VmHWM") - before)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
