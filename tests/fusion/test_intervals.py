"""Standard errors and intervals: the core against the reference, and how often they cover the truth."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse import reference
from fastfuse.fusion.intervals import Intervals, from_information

from ..doors import fuse_arrays
from ..problems import dense, soften

FIELDS = ("sensitivity_error", "specificity_error", "sensitivity", "specificity")
quiet = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")

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


def study(
    rng: np.random.Generator, m: int = 5, n: int = 2000, prevalence: float = 0.3
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return binary votes (m, n) of independent voxels, and the true sensitivities and specificities."""
    sensitivity, specificity = rng.uniform(0.7, 0.95, m), rng.uniform(0.8, 0.97, m)
    truth = rng.random(n) < prevalence
    marks = rng.random((m, n)) < np.where(truth, sensitivity[:, None], 1 - specificity[:, None])
    return marks.astype(np.float64), sensitivity, specificity


def covered(found: Intervals, sensitivity: Any, specificity: Any) -> np.ndarray:
    """Return whether each interval holds the truth, of sensitivities and specificities (2, m)."""
    ends = np.stack([found.sensitivity, found.specificity])
    truth = np.broadcast_to(np.stack([sensitivity, specificity]), ends.shape[:2])
    return np.asarray((ends[..., 0] <= truth) & (truth <= ends[..., 1]))


def assert_equal(a: Intervals, b: Intervals) -> None:
    assert a.kind == b.kind
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(a, field), getattr(b, field))


def intervals_of(votes: Any, **options: Any) -> Intervals:
    found = fastfuse.staple(votes, **options).intervals
    assert found is not None
    return found


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
    with pytest.raises(ValueError, match=f"intervals is '{kind}', mrf is set"):
        fastfuse.staple(votes_of("binary", seed=0), mrf=0.5, intervals=kind)


@pytest.mark.parametrize("kind", ["bootstrap", "lesions"])
def test_bootstrap_refused_with_a_prior_map(kind: str) -> None:
    votes = votes_of("binary", seed=0)
    with pytest.raises(ValueError, match=f"intervals is '{kind}', prior is a map"):
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


# --- the bootstrap -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bootstrap", "lesions"])
def test_bootstrap_is_that_of_its_seed(kind: str) -> None:
    votes = votes_of("binary", seed=5)
    first = intervals_of(votes, intervals=kind, replicates=30, seed=1)
    assert_equal(first, intervals_of(votes, intervals=kind, replicates=30, seed=1, threads=2))
    for more in ({"seed": 2, "replicates": 30}, {"seed": 1, "replicates": 31}):
        other = intervals_of(votes, intervals=kind, **more)
        assert (first.sensitivity_error != other.sensitivity_error).any()


@pytest.mark.parametrize("prior", ["estimate", "mean", 0.3])
def test_bootstrap_agrees_with_the_information(prior: str | float) -> None:
    """Of independent voxels both measure the same; "mean" moves with the sample, and may do so here."""
    votes, _, _ = study(np.random.default_rng(6), n=20_000)
    drawn = intervals_of(votes, prior=prior, intervals="bootstrap", replicates=600)
    known = intervals_of(votes, prior=prior, intervals="information")
    for field in ("sensitivity_error", "specificity_error"):
        np.testing.assert_allclose(getattr(drawn, field), getattr(known, field), rtol=0.15)


@quiet
@pytest.mark.parametrize("fuse", [fastfuse.soft_staple, fastfuse.simplified_soft_staple])
@pytest.mark.parametrize("m_step", ["paper", "em"])
def test_bootstrap_of_soft_votes_is_defined(fuse: Any, m_step: str) -> None:
    fused = fuse(votes_of("three-valued", seed=7), m_step=m_step, intervals="bootstrap", replicates=30)
    for ends, rate in (
        (fused.intervals.sensitivity, fused.sensitivity),
        (fused.intervals.specificity, fused.specificity),
    ):
        assert ((ends[:, 0] < rate) & (rate < ends[:, 1])).all()


def cubes(*corners: tuple[int, int, int]) -> list[np.ndarray]:
    """Return three masks of cubes of 3^3 voxels, each rater missing other voxels of each."""
    rng = np.random.default_rng(11)
    votes = np.zeros((3, 24, 24, 24))
    for k, (x, y, z) in enumerate(corners):
        cube = votes[:, x : x + 3, y : y + 3, z : z + 3]
        cube[:] = rng.random(cube.shape) < 0.95 - 0.1 * (k % 4)
        cube[0, [0, -1], [0, -1], [0, -1]] = 1
    return list(votes)


@quiet
def test_lesions_are_connected_across_corners() -> None:
    """Two that touch at a corner are drawn as one: of nothing else, they do not vary; apart, they do."""
    touching = intervals_of(cubes((2, 2, 2), (5, 5, 5)), intervals="lesions", replicates=20)
    np.testing.assert_allclose(np.nan_to_num(touching.sensitivity_error), 0, atol=1e-6)
    apart = intervals_of(cubes((2, 2, 2), (6, 6, 6)), intervals="lesions", replicates=20)
    assert apart.sensitivity_error.max() > 1e-3


@quiet
@pytest.mark.parametrize("case", ["one lesion", "every vote above 0"])
def test_one_lesion_is_not_known_for_sure(case: str) -> None:
    """Drawn again and again it does not vary: that is no interval of no width, but none at all."""
    votes = cubes((2, 2, 2))
    if case == "one lesion":
        found = intervals_of(votes, intervals="lesions", replicates=20)
    else:
        soft = [np.clip(array, 0.05, 0.95) for array in cubes((2, 2, 2), (10, 10, 10), (18, 2, 9))]
        fused = fastfuse.soft_staple(soft, m_step="em", intervals="lesions", replicates=20)
        assert fused.intervals is not None
        found = fused.intervals
    assert not (np.diff(found.sensitivity) < 1e-9).any()


PLACES = [(x, y, z) for x in (0, 7, 14) for y in (1, 9, 19) for z in (2, 10, 18)]


@pytest.mark.parametrize("kind", ["bootstrap", "lesions"])
def test_lesions_are_of_the_label_selected(kind: str) -> None:
    masks = cubes(*PLACES)
    maps = [np.where(mask == 1, 3, 2) for mask in masks]
    options: dict[str, Any] = {"intervals": kind, "replicates": 20}
    assert_equal(intervals_of(maps, select_label=3, **options), intervals_of(masks, **options))


@pytest.mark.parametrize("junk", [7.0, np.nan])
@pytest.mark.parametrize("kind", ["bootstrap", "lesions"])
def test_lesions_are_of_what_was_looked_at(kind: str, junk: float) -> None:
    masks = cubes(*PLACES)
    looked = list(np.random.default_rng(12).random((3, 24, 24, 24)) < 0.8)
    options: dict[str, Any] = {"intervals": kind, "replicates": 20, "present": looked}
    dirty = [np.where(there, mask, junk) for there, mask in zip(looked, masks, strict=True)]
    clean = [np.where(there, mask, 0) for there, mask in zip(looked, masks, strict=True)]
    assert_equal(intervals_of(dirty, **options), intervals_of(clean, **options))


@pytest.mark.parametrize("kind", ["bootstrap", "lesions"])
def test_lesions_are_of_what_is_in_the_mask(kind: str) -> None:
    masks = cubes(*PLACES)
    mask = np.zeros((24, 24, 24), bool)
    mask[:, :, :20] = True
    options: dict[str, Any] = {"intervals": kind, "replicates": 20, "mask": mask}
    dirty = [np.where(mask, array, 1) for array in masks]
    clean = [np.where(mask, array, 0) for array in masks]
    assert_equal(intervals_of(dirty, **options), intervals_of(clean, **options))


@quiet
@pytest.mark.parametrize("roi", ["all", "disputed"])
@pytest.mark.parametrize("case", ["nobody", "everybody", "agreement", "one rater"])
@pytest.mark.parametrize("kind", ["information", "bootstrap", "lesions"])
def test_nothing_to_learn(kind: str, case: str, roi: str) -> None:
    """Where no rate has an interval there is nan or nothing, and never an error of NumPy's."""
    votes = cubes(*PLACES[:5])
    raters = {
        "nobody": [0 * votes[0]] * 3,
        "everybody": [0 * votes[0] + 1] * 3,
        "agreement": [votes[0]] * 3,
        "one rater": votes[:1],
    }[case]
    fused = fastfuse.staple(raters, intervals=kind, replicates=10, roi=roi)
    assert fused.intervals is None or fused.intervals.sensitivity.shape == (len(raters), 2)


# --- how often they cover the truth --------------------------------------------------------------------------


def test_information_covers() -> None:
    rng = np.random.default_rng(8)
    hits = []
    for _ in range(500):
        votes, sensitivity, specificity = study(rng)
        found = intervals_of(votes.astype(np.uint8), prior="estimate", intervals="information", threads=1)
        hits.append(covered(found, sensitivity, specificity))
    coverage = float(np.mean(hits))
    print(f"information covers {coverage:.4f} (sensitivity, specificity: {np.mean(hits, axis=(0, 2))})")
    assert 0.93 <= coverage <= 0.97


def test_bootstrap_covers() -> None:
    rng = np.random.default_rng(9)
    hits = []
    for _ in range(60):
        votes, sensitivity, specificity = study(rng)
        found = intervals_of(votes.astype(np.uint8), prior="estimate", intervals="bootstrap", threads=1)
        hits.append(covered(found, sensitivity, specificity))
    coverage = float(np.mean(hits))
    print(f"bootstrap covers {coverage:.4f} (sensitivity, specificity: {np.mean(hits, axis=(0, 2))})")
    assert 0.88 <= coverage <= 0.99


SIDE, CELL, LESIONS = 40, 5, 40


def whole_lesions(rng: np.random.Generator, missed: np.ndarray, false: float) -> np.ndarray:
    """Return masks of raters who miss whole lesions, and mark whole cubes where nothing is.

    The volume is made of cells of 5^3 voxels; a lesion is a cube of 2 to 4 voxels a side in one of them, so that no
    two touch. A rater finds it or not; what he finds, he marks voxel by voxel with probability 0.95.
    """
    cells = (SIDE // CELL) ** 3
    lesion = np.isin(np.arange(cells), rng.choice(cells, LESIONS, replace=False))
    place = np.stack(np.unravel_index(np.arange(cells), (SIDE // CELL,) * 3), axis=1) * CELL
    size = rng.integers(2, 5, cells)
    masks = np.zeros((len(missed), SIDE, SIDE, SIDE), np.uint8)
    for mask, miss in zip(masks, missed, strict=True):
        for cell in np.flatnonzero(rng.random(cells) < np.where(lesion, 1 - miss, false)):
            corner = place[cell]
            cube = tuple(slice(at, at + size[cell]) for at in corner)
            mask[cube] = rng.random((size[cell],) * 3) < 0.95
    return masks


def test_lesions_cover_where_voxels_share_their_errors() -> None:
    rng = np.random.default_rng(10)
    missed = np.array([0.1, 0.15, 0.2, 0.25, 0.3])
    truth = 0.95 * (1 - missed)
    kinds = ("information", "lesions")
    hits, widths = np.zeros((2, 100, 5)), np.zeros((2, 100, 5))
    for sample in range(100):
        masks = list(whole_lesions(rng, missed, false=0.01))
        for k, kind in enumerate(kinds):
            found = intervals_of(masks, prior="estimate", intervals=kind, threads=1)
            hits[k, sample] = covered(found, truth, truth)[0]
            widths[k, sample] = np.diff(found.sensitivity)[:, 0]
    coverage, width = hits.mean(axis=(1, 2)), widths.mean(axis=(1, 2))
    print(f"{kinds} cover {coverage}, mean width {width}")
    assert width[1] > 2 * width[0]
    assert coverage[1] > coverage[0]
