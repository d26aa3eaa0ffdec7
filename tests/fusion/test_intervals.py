"""Standard errors and intervals from the information, against the reference."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse import reference
from fastfuse.fusion.intervals import from_information

from ..doors import fuse_arrays
from ..problems import dense, soften
from .studies import FIELDS, intervals_of, quiet, study

VARIANTS: list[tuple[str, str, dict[str, Any]]] = [
    ("staple", "binary", {"prior": "mean"}),
    ("staple", "binary", {"prior": 0.3}),
    ("staple", "binary", {"prior": "estimate"}),
    ("staple", "missing", {"prior": "estimate", "missing": "nan"}),
    ("staple", "missing", {"prior": 0.3, "missing": "nan"}),
    ("staple", "binary", {"prior": "map"}),
    ("simplified-soft-staple", "dense", {"m_step": "em", "prior": "estimate"}),
    ("simplified-soft-staple", "three-valued", {"m_step": "em", "prior": 0.3}),
    ("simplified-soft-staple", "dense", {"likelihood": "log_linear", "prior": "estimate"}),
    ("simplified-soft-staple", "three-valued", {"likelihood": "log_linear", "prior": 0.3}),
    ("soft-staple", "dense", {"m_step": "em", "prior": "estimate"}),
    ("soft-staple", "dense", {"m_step": "em", "prior": 0.3}),
    ("soft-staple", "three-valued", {"m_step": "em", "prior": "estimate"}),
    ("soft-staple", "binary", {"m_step": "paper", "prior": "estimate"}),
]


def votes_of(kind: str, seed: int, m: int = 5, n: int = 400) -> np.ndarray:
    """Return votes whose raters are neither perfect nor useless, so that every rate is an inner one."""
    rng = np.random.default_rng(seed)
    votes, _, _ = study(rng, m, n)
    if kind == "missing":
        votes[rng.random(votes.shape) < 0.3] = np.nan
        votes[:, :3] = np.nan
        return votes
    if kind == "dense":  # near 0 and 1: of vaguer ones the likeliest rates are 1
        return np.where(votes == 1, rng.uniform(0.96, 1, votes.shape), rng.uniform(0, 0.04, votes.shape))
    return soften(rng, votes, kind)


# --- the information against the reference -------------------------------------------------------------------


@quiet
@pytest.mark.parametrize("beta", [None, (5, 1.5), ((3, 2), (2, 1))])
@pytest.mark.parametrize("route", ["auto", "rows"])
@pytest.mark.parametrize(("method", "kind", "options"), VARIANTS)
def test_information_equals_reference(
    method: str, kind: str, options: dict[str, Any], route: str, beta: Any
) -> None:
    votes = votes_of(kind, seed=len(kind))
    m, n = votes.shape
    given = {k: v for k, v in options.items() if k != "prior"}
    prior = np.linspace(0.1, 0.5, n) if options["prior"] == "map" else options["prior"]
    fused, _ = fuse_arrays(
        list(votes),
        method,
        prior=prior,
        performance_prior=beta,
        intervals="information",
        route=route,
        **given,
    )
    information, variability = reference.information(
        votes,
        method=method,
        sensitivity=fused.sensitivity,
        specificity=fused.specificity,
        prior=prior if isinstance(prior, np.ndarray) else fused.prior,
        estimate_prior=isinstance(prior, str) and prior == "estimate",
        likelihood=options.get("likelihood", "mixture"),
        performance_prior=beta,
    )
    fractional = ((votes > 0) & (votes < 1)).any()
    errors = reference.standard_errors(information, variability if fractional else None)
    found = fused.intervals
    assert found is not None
    assert np.isfinite(errors).all()
    np.testing.assert_allclose(found.sensitivity_error, errors[:m], rtol=1e-6)
    np.testing.assert_allclose(found.specificity_error, errors[m : 2 * m], rtol=1e-6)
    for ends, rate, error in (
        (found.sensitivity, fused.sensitivity, errors[:m]),
        (found.specificity, fused.specificity, errors[m : 2 * m]),
    ):
        np.testing.assert_allclose(ends.T, reference.logit_interval(rate, error), rtol=1e-6)


@quiet
@pytest.mark.parametrize(
    ("fuse", "options"),
    [
        (fastfuse.soft_staple, {"m_step": "em"}),
        (fastfuse.simplified_soft_staple, {"m_step": "em"}),
        (fastfuse.simplified_soft_staple, {"likelihood": "log_linear"}),
    ],
)
@pytest.mark.parametrize("kind", ["dense", "three-valued"])
def test_errors_of_fractional_votes_are_those_of_repeated_studies(
    fuse: Any, options: dict[str, Any], kind: str
) -> None:
    """The curvature alone takes a vote for the marks that it stands for, and comes out up to twice as large."""
    rng = np.random.default_rng(8)
    rates, errors = [], []
    for _ in range(150):
        truth = rng.random(1500) < 0.4
        marks = rng.random((4, 1500)) < np.where(truth, 0.85, 0.1)
        if kind == "dense":
            votes = np.abs(marks - rng.uniform(0, 0.15, marks.shape))
        else:
            votes = soften(rng, marks.astype(np.float64), kind)
        found = fuse(votes, prior=0.4, intervals="information", dtype="float64", **options)
        rates.append([found.sensitivity, found.specificity])
        errors.append([found.intervals.sensitivity_error, found.intervals.specificity_error])
    ratio = np.mean(errors, axis=0) / np.std(rates, axis=0, ddof=1)
    assert 0.9 < ratio.mean() < 1.1, ratio
    assert (ratio > 0.75).all(), ratio
    assert (ratio < 1.3).all(), ratio


def test_information_in_a_mask_is_that_of_its_voxels() -> None:
    votes = votes_of("binary", seed=1)
    mask = np.random.default_rng(1).random(votes.shape[1]) < 0.6
    options: dict[str, Any] = {"prior": "estimate", "intervals": "information"}
    inside, alone = intervals_of(votes, mask=mask, **options), intervals_of(votes[:, mask], **options)
    for field in FIELDS:
        np.testing.assert_allclose(getattr(inside, field), getattr(alone, field), rtol=1e-9)


def test_interval_of_a_rate_almost_at_its_end() -> None:
    """On the logit scale it is as good as all of [0, 1]: the ends say so, and nothing overflows."""
    rate = 1 - 1e-5
    found = from_information(np.diag([100.0, 100.0]), np.empty((0, 0)), np.array([rate]), np.array([0.9]))
    assert found.sensitivity_error[0] == pytest.approx(0.1)
    np.testing.assert_allclose(found.sensitivity[0], [0, 1], atol=1e-12)
    np.testing.assert_allclose(found.specificity[0], reference.logit_interval(0.9, 0.1), rtol=1e-9)


def test_no_interval_of_a_rate_at_its_end() -> None:
    found = from_information(np.diag([100.0, 25.0]), np.empty((0, 0)), np.array([1 - 1e-12]), np.array([0.9]))
    assert np.isnan([found.sensitivity_error[0], *found.sensitivity[0]]).all()
    assert found.specificity_error[0] == pytest.approx(0.2)


# --- where there are none ------------------------------------------------------------------------------------


def test_none_unless_asked() -> None:
    assert fastfuse.staple(votes_of("binary", seed=0)).intervals is None
    assert fastfuse.majority_vote(votes_of("binary", seed=0)).intervals is None


@pytest.mark.parametrize("fuse", [fastfuse.soft_staple, fastfuse.simplified_soft_staple])
@pytest.mark.parametrize("kind", ["dense", "three-valued"])
def test_undefined_for_the_papers_m_step_on_fractional_votes(fuse: Any, kind: str) -> None:
    with pytest.warns(fastfuse.FusionWarning, match=r"information.* not defined here: EM ends at no maximum"):
        found = fuse(votes_of(kind, seed=2), m_step="paper", intervals="information").intervals
    assert found.kind == "information"
    for field in FIELDS:
        assert np.isnan(getattr(found, field)).all()


@quiet
@pytest.mark.parametrize("case", ["missing", "prior map", "21 raters"])
def test_undefined_for_soft_staple(case: str) -> None:
    """What the help names: missing votes, a prior map, more than 20 raters, where votes are fractional."""
    votes = votes_of("dense", seed=3, m=21 if case == "21 raters" else 4, n=60)
    options: dict[str, Any] = {}
    if case == "missing":
        votes[0, :9] = np.nan
        options["missing"] = "nan"
    if case == "prior map":
        options["prior"] = np.full(60, 0.3)
    found = fastfuse.soft_staple(votes, m_step="em", intervals="information", **options).intervals
    assert found is not None
    assert np.isnan(found.sensitivity).all()


@pytest.mark.parametrize("kind", ["information", "bootstrap", "lesions"])
def test_refused_with_a_random_field(kind: str) -> None:
    with pytest.raises(ValueError, match=f"intervals is '{kind}', and mrf is set"):
        fastfuse.staple(votes_of("binary", seed=0), mrf=0.5, intervals=kind)


@pytest.mark.parametrize("kind", ["bootstrap", "lesions"])
def test_bootstrap_refused_with_a_prior_map(kind: str) -> None:
    votes = votes_of("binary", seed=0)
    with pytest.raises(ValueError, match=f"intervals is '{kind}', and prior is a map"):
        fastfuse.staple(votes, prior=np.full(votes.shape[1], 0.3), intervals=kind)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"intervals": "wald"}, "intervals is 'wald': it must be 'none' or 'information'"),
        ({"intervals": "bootstrap", "replicates": 1}, "replicates is 1: it must be at least 2"),
        ({"intervals": "bootstrap", "seed": -1}, "seed is -1: it must be at least 0"),
    ],
)
def test_refused_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        fastfuse.staple(votes_of("binary", seed=0), **options)


@pytest.mark.filterwarnings("ignore:rater 1 has no vote:fastfuse.FusionWarning")
@pytest.mark.parametrize("kind", ["information", "bootstrap", "lesions"])
def test_rater_who_is_not_there_has_nan(kind: str) -> None:
    votes = list(votes_of("binary", seed=4))
    found = intervals_of([votes[0], None, *votes[1:]], intervals=kind)
    without = intervals_of(votes, intervals=kind)
    for field in FIELDS:
        assert np.isnan(getattr(found, field)[1]).all()
        np.testing.assert_array_equal(np.delete(getattr(found, field), 1, axis=0), getattr(without, field))


@pytest.mark.parametrize("kind", ["bootstrap", "lesions"])
@pytest.mark.parametrize("fuse", [fastfuse.soft_staple, fastfuse.simplified_soft_staple])
def test_no_bootstrap_of_votes_that_do_not_repeat(fuse: Any, kind: str) -> None:
    with pytest.warns(fastfuse.FusionWarning, match="hardly repeat from voxel to voxel"):
        fused = fuse(dense(2, 200_000), intervals=kind, m_step="em", tol=1e-3)
    assert fused.intervals.kind == kind
    assert np.isnan(fused.intervals.sensitivity).all()


@quiet
@pytest.mark.parametrize("kind", ["information", "bootstrap", "lesions"])
@pytest.mark.parametrize("case", ["nobody marks", "one rater", "one rater is there"])
def test_undefined_where_nothing_tells(case: str, kind: str) -> None:
    """Resampling an estimate that nothing determines would make it look certain."""
    votes: list[Any] = list(votes_of("binary", seed=1))
    if case == "nobody marks":
        votes = [0 * vote for vote in votes]
    elif case == "one rater":
        votes = votes[:1]
    else:
        votes[1:] = [None] * (len(votes) - 1)
    found = intervals_of(votes, intervals=kind)
    for field in FIELDS:
        assert np.isnan(getattr(found, field)).all()
