"""Every number at both ends of its documented range: a finite consensus in [0, 1]."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import fastfuse

from ..doors import fuse_arrays
from ..draws import mostly_slow

ROUTES = ("patterns", "lanes", "rows")
METHODS = ("staple", "soft-staple", "simplified-soft-staple")
TINY = float(np.finfo(np.float64).smallest_subnormal)
BELOW_ONE = 1 - 2.0**-53
HUGE = float(np.finfo(np.float64).max)

ENDS: dict[str, tuple[Any, ...]] = {
    "prior": (TINY, 1e-300, BELOW_ONE),
    "init": (0.5 + 2.0**-53, BELOW_ONE),
    "mrf": (TINY, 400.0, HUGE),
    "performance_prior": ((1, 1e12), (1e12, 1), (1e12, 1e12)),
    "tol": (0.0, HUGE),
    "max_iter": (1,),
    "roi": (0.0, TINY, 3.0),
    "spacing_mm": ([TINY, TINY], [HUGE, HUGE], [TINY, HUGE]),
}
ALONE = [{name: value} for name, values in ENDS.items() for value in values]
TOGETHER = [
    {"prior": prior, "init": BELOW_ONE, **more}
    for prior in (TINY, 1e-300, BELOW_ONE)
    for more in ({}, {"mrf": 400.0}, {"mrf": HUGE}, {"m_step": "em"}, {"likelihood": "log_linear"})
]


def votes_of(kind: str, raters: int) -> np.ndarray:
    rng = np.random.default_rng(raters)
    votes = (rng.random((raters, 3, 12)) < np.where(rng.random((3, 12)) < 0.3, 0.8, 0.1)).astype(np.float64)
    votes[:, 0, 0], votes[:, 0, 1] = 0, 1
    if kind == "dense":
        votes = np.where(votes == 1, rng.uniform(0.4, 1, votes.shape), rng.uniform(0, 0.5, votes.shape))
        votes[:, 0, 2], votes[:, 0, 3] = TINY, BELOW_ONE
    return votes


def taken(options: dict[str, Any], method: str, route: str) -> dict[str, Any]:
    """Return the options that the method has, in a problem small enough for all of them."""
    skipped = {"staple": ("m_step", "likelihood"), "soft-staple": ("likelihood",)}.get(method, ())
    given = {name: value for name, value in options.items() if name not in skipped}
    sides = {"spacing_mm": [1.0, 2.0]} if "roi" in given else {}
    return {"max_iter": 4, **sides, **given, "route": route}


@pytest.mark.parametrize("raters", mostly_slow([64, 1, 17, 2, 16, 200], 2))
@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("method", METHODS)
def test_consensus_is_a_probability(method: str, route: str, raters: int) -> None:
    for kind in ("binary", "dense") if method != "staple" else ("binary",):
        votes = votes_of(kind, raters)
        for options in [*ALONE, *TOGETHER]:
            asked = taken(options, method, route)
            what = f"{kind} {options}"
            fused, remarks = fuse_arrays(votes, method, axis=0, dtype="float64", **asked)
            assert ((fused.probability >= 0) & (fused.probability <= 1)).all(), what
            told = (fused.volume > 0) & (fused.volume < fused.n_read)
            for rates in (fused.sensitivity, fused.specificity):
                assert ((rates >= 0) & (rates <= 1))[told].all(), what
            assert not np.isnan(fused.log_likelihood).any(), what
            assert 0 <= fused.prior <= 1, what
            assert not any("nan" in remark for remark in remarks), what


@pytest.mark.parametrize("value", [TINY, 1e-300, BELOW_ONE])
@pytest.mark.parametrize("method", METHODS)
def test_maps_at_the_ends(method: str, value: float) -> None:
    for raters in (2, 64):
        votes = votes_of("binary", raters)
        prior = np.full(votes.shape[1:], value)
        for mrf in (0.0, 400.0):
            fused, _ = fuse_arrays(list(votes), method, prior=prior, mrf=mrf, init=BELOW_ONE, dtype="float64")
            assert ((fused.probability >= 0) & (fused.probability <= 1)).all()


def test_likelihood_decides_against_the_least_prior() -> None:
    """64 raters who all mark a voxel outweigh a prior of 1e-300; where half of them do, the prior does."""
    votes = np.zeros((64, 4))
    votes[:, 1] = 1
    votes[:32, 2] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fastfuse.FusionWarning)
        fused = fastfuse.staple(votes, prior=1e-300, init=BELOW_ONE, max_iter=1)
    np.testing.assert_allclose(fused.probability, [0, 1, 0, 0], atol=1e-12)
