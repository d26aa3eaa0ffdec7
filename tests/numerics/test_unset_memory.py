"""No result depends on what memory held before: glibc fills what it hands out with a pattern, if it is asked to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PROGRAM = """
import sys, warnings
import numpy as np
import fastfuse
from fastfuse.fusion.options import Options
from fastfuse.fusion.pipeline import fuse_votes
from fastfuse.fusion.registry import method_called
from fastfuse.fusion.votes import Votes

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
found = {}
dense = rng.random((4, 6000)).astype("float32")
dense[:, 1000:3500] = 0
masks = np.round(dense)
missing = masks.copy()
missing[1, ::3] = np.nan
mask = np.ones(6000, bool)
mask[1500:2100] = mask[3400:3600] = False
for kind, votes, method in [
    ("dense", dense, "soft-staple"), ("dense", dense, "simplified-soft-staple"), ("dense", dense, "majority"),
    ("masks", masks, "staple"), ("masks", masks, "majority"), ("missing", missing, "soft-staple"),
]:
    for route in ("auto", "patterns", "lanes", "rows"):
        options = Options(route=route, missing="nan" if kind == "missing" else "error", threads=2)
        try:
            fusion, _ = fuse_votes(Votes(list(votes), mask), method_called(method), options)
        except ValueError:
            continue  # a route that these votes do not take
        found[f"{kind} {method} {route}"] = np.concatenate([fusion.probability, fusion.sensitivity, fusion.dice])
cube = np.round(dense[:, :5832]).reshape(4, 18, 18, 18)
found["field"] = fastfuse.staple(list(cube), mrf=0.5, spacing_mm=(1, 1, 1)).probability
found["dilation"] = fastfuse.conditional_dilation(cube[0], rng.random((18, 18, 18)), threshold="exact").values
labels = [np.where(one > 0, rng.integers(1, 5, one.shape), 0) for one in cube]
for options in ({}, {"init": "vote", "candidates": "all", "performance_prior": None}):
    fusion = fastfuse.staple(labels, labels="all", **options)
    found[f"labels {len(options)}"] = np.concatenate([fusion.probability(1).ravel(), fusion.confusion.ravel()])
found["border"] = fastfuse.border_staple(list(cube), roi="all").probability
found["classes"] = fastfuse.staple(list(cube), classes=3).probability
np.savez(sys.argv[1], **found)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of glibc")
def test_results_do_not_depend_on_memory(tmp_path: Path) -> None:
    results = []
    for pattern in ("0", "65", "190"):
        path = tmp_path / f"{pattern}.npz"
        environment = {**os.environ, "MALLOC_PERTURB_": pattern}
        subprocess.run([sys.executable, "-c", PROGRAM, path], env=environment, check=True, timeout=300)
        with np.load(path) as found:
            results.append({name: found[name] for name in found.files})
    assert len(results[0]) > 20
    for other in results[1:]:
        assert other.keys() == results[0].keys()
        for name, values in results[0].items():
            np.testing.assert_array_equal(other[name], values, err_msg=name)
