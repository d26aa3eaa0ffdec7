"""Label maps of cases with a prior each: the oracle takes it as a map, and one case is that of the core."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

import fastfuse
from fastfuse import LabelTable, pool, tabulate
from fastfuse.cohort.apply import AskedToApply, applied_cohort
from fastfuse.cohort.estimate_file import read_estimate
from fastfuse.cohort.workers.crew import Crew
from fastfuse.fusion.labels.pooled.estimate import PooledLabelEstimate
from fastfuse.images.sidecar import read_sidecar
from fastfuse.reference import labels as reference

from .common import NAMES, cohort_of, votes_of
from .files import GLOB, consensus, fused, make_cohort, mask_path
from .files import NAMES as RATERS

Cases = dict[str, NDArray[np.float64]]
quiet = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
LABELS = [0, 1, 2, 3, 4]
WAYS: list[dict[str, Any]] = [
    {},
    {"init": "vote", "candidates": "all"},
    {"init": "itk"},
    {"confusion": "class"},
    {"performance_prior": (20.0, 0.9)},
    {"knows": {"Bob": [0, 1, 2]}, "candidates": "all"},
]


def cases_for(way: dict[str, Any], cases: Cases) -> Cases:
    """Return the cases without what a rater does not know."""
    for votes in cases.values():
        for name, known in way.get("knows", {}).items():
            own = votes[NAMES.index(name)]
            own[np.isfinite(own) & ~np.isin(own, known)] = 0
    return cases


def tables_of(cases: Cases) -> dict[str, LabelTable]:
    """Return each case's table, of those raters alone who read it, and of the labels in it."""
    tables = {}
    for case, votes in cases.items():
        read = ~np.isnan(votes).all(axis=1)
        names = [name for name, reads in zip(NAMES, read, strict=True) if reads]
        tables[case] = tabulate(list(votes[read]), names=names, labels="all")
    return tables


def pooled(tables: dict[str, LabelTable], **options: Any) -> PooledLabelEstimate:
    """Pool with what :func:`fastfuse.pool` takes, and with options of label maps that a cohort has beside it."""
    from fastfuse.fusion.labels.declared import AskedLabels
    from fastfuse.fusion.methods.pool import pooled as pooled_by
    from fastfuse.fusion.options import Options

    own = {name: options.pop(name) for name in ("candidates", "confusion", "knows") if name in options}
    given = Options(**{"performance_prior": None, **options})
    found, _ = pooled_by(tables, "staple", given, "own", asked=AskedLabels("all", **own))
    assert isinstance(found, PooledLabelEstimate)
    return found


def oracle_votes(cases: Cases) -> NDArray[np.float64]:
    codes = np.concatenate(list(cases.values()), axis=1)
    missing = np.isnan(codes)
    return reference.one_hot(np.where(missing, 0, codes).astype(int), len(LABELS), missing)


def prior_map(cases: Cases, priors: NDArray[np.float64]) -> NDArray[np.float64]:
    sizes = [votes.shape[1] for votes in cases.values()]
    return np.repeat(priors, sizes, axis=0).T


def shares(cases: Cases) -> NDArray[np.float64]:
    """Return each label's share of the votes of each case."""
    return np.array(
        [[(votes == label).sum() / np.isfinite(votes).sum() for label in LABELS] for votes in cases.values()]
    )


@quiet
@pytest.mark.parametrize("absent", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_priors_are_those_of_the_reference(way: dict[str, Any], absent: bool) -> None:
    cases = cases_for(way, cohort_of("labels", absent=absent))
    found = pooled(tables_of(cases), **way)
    given = {"knows": {NAMES.index(name): known for name, known in way.get("knows", {}).items()}}
    oracle = reference.fuse_labels(
        oracle_votes(cases),
        prior=prior_map(cases, shares(cases)),
        max_iter=1000,
        **{"candidates": "voted", "init": "plurality", **way, **given},
    )
    assert (found.n_iter, found.converged) == (oracle.n_iter, oracle.converged)
    np.testing.assert_allclose(found.case_prior, shares(cases), rtol=0, atol=1e-12)
    np.testing.assert_allclose(found._rates, oracle.confusion, rtol=0, atol=1e-10)
    unknown = np.zeros(found.sensitivity.shape, bool)
    for rater, known in given["knows"].items():
        unknown[rater] = ~np.isin(LABELS, known)
    np.testing.assert_array_equal(found.confusion, np.where(unknown[:, :, None], np.nan, found._rates))
    np.testing.assert_allclose(found.log_likelihood + found.log_prior, oracle.objective, rtol=1e-10)


@quiet
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("prior", ["mean", "estimate", [0.6, 0.1, 0.1, 0.1, 0.1]])
def test_one_case_is_that_of_the_core(prior: Any, way: dict[str, Any]) -> None:
    votes = cases_for(way, {"one": votes_of("labels", 1, 0.3)})["one"]
    table = tabulate(votes, axis=0, names=NAMES, labels="all")
    found = pooled({"one": table}, prior=prior, **way)
    alone = fastfuse.estimate(table, "staple", prior=prior, **{"performance_prior": None, **way})
    assert found.n_iter == alone.n_iter
    np.testing.assert_allclose(found.confusion, alone.confusion, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.case_prior[0], alone.prior, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.log_likelihood, alone.log_likelihood, rtol=1e-10)
    np.testing.assert_allclose(found.log_prior, alone.log_prior, rtol=1e-10, atol=1e-10)


@quiet
def test_estimated_priors_are_a_fixed_point_of_the_oracle() -> None:
    cases = cohort_of("labels", absent=True)
    found = pooled(tables_of(cases), prior="estimate", tol=1e-10)
    q = oracle_votes(cases)
    present = ~np.isnan(q).any(axis=1)
    allowed = np.nan_to_num(q).sum(axis=0) > 0
    at = prior_map(cases, found.case_prior)
    w, counts, _ = reference.expectation(q, present, found.confusion, at, allowed, "staple", voted=True)
    theta = counts / counts.sum(axis=2, keepdims=True)
    np.testing.assert_allclose(found.confusion, theta, rtol=0, atol=1e-8)
    ends = np.cumsum([votes.shape[1] for votes in cases.values()])[:-1]
    means = np.array([part.mean(axis=1) for part in np.split(w, ends, axis=1)])
    np.testing.assert_allclose(found.case_prior, means, rtol=0, atol=1e-8)
    assert np.abs(found.case_prior[0] - found.case_prior[2]).max() > 0.1


@quiet
def test_consensus_of_a_case_and_of_a_new_one() -> None:
    cases = cohort_of("labels", absent=True)
    tables = tables_of(cases)
    found = pool(tables, "staple", priors="own")
    assert isinstance(found, PooledLabelEstimate)
    votes = list(cases["case 0"])
    applied = found.of("case 0").of_raters(NAMES).apply(votes)
    present, theta = np.ones((4, votes[0].size), bool), np.clip(found.confusion, 1e-12, 1)
    q = reference.one_hot(np.array(votes).astype(int), 5)
    w, _, _ = reference.expectation(
        q, present, theta, found.case_prior[0], q.sum(axis=0) > 0, "staple", voted=True
    )
    np.testing.assert_allclose(applied.probability(3), w[3], rtol=0, atol=1e-6)
    new = votes_of("labels", 9, 0.2)
    table = tabulate(list(new[:3]), names=NAMES[:3], labels="all")
    prior = found.on(table).prior
    np.testing.assert_allclose(prior, shares({"new": new[:3]})[0], rtol=0, atol=1e-12)
    by_em = pool(tables, "staple", priors="own", prior="estimate")
    assert isinstance(by_em, PooledLabelEstimate)
    np.testing.assert_allclose(by_em.on(tables["case 1"]).prior, by_em.of("case 1").prior, rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match="label 7 is in no case that was pooled"):
        found.on(tabulate([[0, 7]], names=["Ann"], labels="all"))
    with pytest.raises(ValueError, match="knows nothing of Max"):
        found.on(tabulate([[0, 1]], names=["Max"], labels="all"))
    with pytest.raises(ValueError, match="no case 'new' among those that were pooled"):
        found.of("new")


@quiet
def test_two_labels_are_masks() -> None:
    cases = cohort_of("masks", absent=True)
    maps = {
        case: tabulate(list(3 * v), names=NAMES, missing="nan", labels="all") for case, v in cases.items()
    }
    masks = {case: tabulate(list(v), names=NAMES, missing="nan") for case, v in cases.items()}
    found, expected = pool(maps, "staple", priors="own"), pool(masks, "staple")
    assert isinstance(found, PooledLabelEstimate)
    np.testing.assert_array_equal(found.confusion[:, 1, 1], expected.sensitivity)
    np.testing.assert_array_equal(found.case_prior[:, 1], expected.prior)
    votes = list(cases["case 0"])
    one, other = found.of("case 0").apply([3 * v for v in votes]), expected.of("case 0").apply(votes)
    np.testing.assert_array_equal(one.probability(3), other.probability)
    assert found.on(maps["case 0"]).prior[1] == pytest.approx(expected.prior[0], abs=1e-12)


@quiet
def test_order_of_arrival_changes_no_bit_and_intervals_are_over_cases() -> None:
    tables = {f"{k}": tabulate(list(votes_of("labels", k, 0.3)), names=NAMES, labels="all") for k in range(4)}
    found = [
        pool(dict(order), "staple", priors="own", intervals="bootstrap", replicates=8)
        for order in itertools.islice(itertools.permutations(tables.items()), 0, 24, 7)
    ]
    for one in found:
        assert isinstance(one, PooledLabelEstimate)
        assert one.intervals is not None
        assert found[0].intervals is not None
        assert one.intervals.kind == "cases"
        np.testing.assert_array_equal(one.confusion, found[0].confusion)
        np.testing.assert_array_equal(one.intervals.sensitivity, found[0].intervals.sensitivity)
        low, high = np.moveaxis(one.intervals.sensitivity, -1, 0)
        assert (low < high).all()
        assert (low <= one.sensitivity + 0.02).all()
        assert (one.sensitivity - 0.02 <= high).all()


@quiet
@pytest.mark.parametrize("priors", ["own", "shared"])
@pytest.mark.parametrize("of_label", [0, 1])
def test_no_interval_by_the_belief_alone(priors: Any, of_label: int) -> None:
    """Who read no case, or one alone, of those that hold a label has no interval for it; all others have one."""
    tables = {}
    for k in range(8):
        votes = votes_of("labels", k, 0.3)
        if k > 2:
            votes = votes[1:]  # Ann reads three cases
        elif k >= of_label:
            votes[votes == 4] = 0
        tables[f"{k}"] = tabulate(list(votes), names=NAMES[-len(votes) :], labels="all")
    found: Any = pool(tables, "staple", priors=priors, intervals="bootstrap", replicates=60)
    lacking = np.zeros(found.sensitivity.shape, bool)
    lacking[0, found.labels.index(4)] = True
    np.testing.assert_array_equal(np.isnan(found.intervals.sensitivity).all(axis=-1), lacking)
    np.testing.assert_array_equal(np.isnan(found.sensitivity), lacking & (of_label == 0))


def test_refusals() -> None:
    tables = tables_of(cohort_of("labels", absent=False))
    with pytest.raises(ValueError, match=r"method is 'majority': .* give priors='shared'"):
        pool(tables, "majority", priors="own")
    with pytest.raises(ValueError, match=r"acceleration is 'squarem': label maps with a prior of each case"):
        pool(tables, "staple", priors="own", acceleration="squarem")
    with pytest.raises(ValueError, match="the table holds no vote"):
        pool({"none": tables["case 0"].emptied()}, "staple", priors="own")


@quiet
def test_cohort_of_label_maps(tmp_path: Path) -> None:
    root, out = make_cohort(tmp_path / "in", 4, labels=True), tmp_path / "out"
    found = fused(root, out, labels="all", priors="own", replicates=3)
    assert not found.failed
    tables = {name: LabelTable.load(out / "tables" / f"{name}.npz") for name in found.cases}
    expected = pool(tables, "staple", priors="own")
    kept = read_estimate(out / "estimate.json").estimate
    assert isinstance(expected, PooledLabelEstimate)
    assert isinstance(kept, PooledLabelEstimate)
    np.testing.assert_array_equal(kept.confusion, expected.confusion)
    np.testing.assert_array_equal(kept.case_prior, expected.case_prior)
    assert found.facts["estimate"]["priors"] == "own"
    before = consensus(out, "case-01")
    new = AskedToApply(out / "estimate.json", root, tmp_path / "new", glob=GLOB)
    made, _ = applied_cohort(new, Crew(None, 1), lambda _: None)
    assert not made.failed
    np.testing.assert_array_equal(consensus(tmp_path / "new", "case-01"), before)
    two = fused(root, tmp_path / "two", labels={0: "none", 1: "one"}, priors="own", replicates=3)
    assert set(two.failed) == set(two.cases)  # the maps hold other labels


@quiet
def test_sidecars_tell_the_belief_of_the_rates(tmp_path: Path) -> None:
    """The belief that a case's sidecar tells makes the rates in it: that of all cases, not of the case's own votes."""
    root, out = make_cohort(tmp_path / "in", 3, labels=True), tmp_path / "out"
    made = fused(root, out, labels="all", priors="shared", replicates=3)
    tables = {name: LabelTable.load(out / "tables" / f"{name}.npz") for name in made.cases}
    told = made.facts["options"]["performance_prior"]
    again = pool(tables, "staple", priors="shared", performance_prior=tuple(told))
    assert isinstance(made.estimate, fastfuse.LabelEstimate)
    np.testing.assert_array_equal(again.confusion, made.estimate.confusion)

    asked = AskedToApply(out / "estimate.json", root, tmp_path / "new", glob=GLOB)
    applied_cohort(asked, Crew(None, 1), lambda _: None)
    for folder in (out, tmp_path / "new"):
        facts = read_sidecar(folder / "cases" / "case-01" / "consensus.nii.gz")
        assert facts["options"]["performance_prior"] == told

    votes = [nib.load(mask_path(root, "case-01", name)) for name in RATERS]
    some = made.estimate.of_raters(RATERS[:2]).apply(votes[:2])
    some.save(tmp_path / "some.nii.gz")
    assert read_sidecar(tmp_path / "some.nii.gz")["options"]["performance_prior"] == told

    alone = fused(root, tmp_path / "alone", labels="all", pool="none", replicates=3)
    assert alone.facts["options"]["performance_prior"] == "differs from case to case"


@quiet
def test_estimate_of_two_labels_is_kept(tmp_path: Path) -> None:
    root, out = make_cohort(tmp_path / "in", 3), tmp_path / "out"
    found = fused(root, out, labels="all", priors="own", replicates=3)
    kept = read_estimate(out / "estimate.json").estimate
    assert isinstance(found.estimate, PooledLabelEstimate)
    assert isinstance(kept, PooledLabelEstimate)
    np.testing.assert_array_equal(kept.of("case-01").prior, found.estimate.of("case-01").prior)
    assert kept.of("case-01")._masks is not None
    mask_path(root, "case-01", "Ann").rename(mask_path(root, "case-01", "Zed"))
    asked = AskedToApply(out / "estimate.json", root, tmp_path / "new", glob=GLOB, called={"Zed": "Ann"})
    made, _ = applied_cohort(asked, Crew(None, 1), lambda _: None)
    assert sorted(made.failed) == ["case-00", "case-02"]  # whose files name Ann
    np.testing.assert_array_equal(consensus(tmp_path / "new", "case-01"), consensus(out, "case-01"))
