"""Probabilities whose patterns do not repeat are pooled by their masses."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

import fastfuse
from fastfuse import CohortError, VoteTable, pool, reference, tabulate
from fastfuse.cohort.apply import AskedToApply, applied_cohort
from fastfuse.cohort.export import export_of
from fastfuse.cohort.workers.crew import Crew
from fastfuse.fusion.masses.table import MassTable
from fastfuse.fusion.pooled import rows

from .common import NAMES
from .files import GLOB, consensus, contents, fused, save

SHAPE = (56, 50, 50)
READERS = NAMES[:3]
quiet = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


def dense_votes(seed: int, prevalence: float, voxels: int) -> NDArray[np.float64]:
    """Return probabilities of four raters, near a truth."""
    rng = np.random.default_rng(seed)
    truth = rng.random(voxels) < prevalence
    return np.where(truth, rng.beta(5, 2, (4, voxels)), rng.beta(1, 8, (4, voxels)))


def cases_of(*, absent: bool) -> dict[str, NDArray[np.float64]]:
    cases = {f"case {k}": dense_votes(k, prevalence, 300) for k, prevalence in enumerate((0.1, 0.02, 0.3))}
    if absent:
        cases["case 1"][2] = np.nan
    return cases


def masses_of(cases: dict[str, NDArray[np.float64]]) -> dict[str, VoteTable]:
    """Return a mass table of each case, of those raters alone who read it; the last is one of counts."""
    tables: dict[str, VoteTable] = {}
    for case, votes in cases.items():
        read = ~np.isnan(votes).all(axis=1)
        names = [name for name, reads in zip(NAMES, read, strict=True) if reads]
        tables[case] = tabulate(list(votes[read]), names=names)
        if case != "case 2":
            tables[case] = MassTable.of(tables[case])
    return tables


def joined(cases: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.concatenate(list(cases.values()), axis=1)


@pytest.mark.parametrize("absent", [False, True])
@pytest.mark.parametrize("m_step", ["paper", "em"])
def test_own_priors_are_those_of_the_reference(m_step: Any, absent: bool) -> None:
    """The oracle takes the prior of each voxel's case as a map."""
    cases = cases_of(absent=absent)
    means = [np.full(votes.shape[1], np.nanmean(np.nanmean(votes, axis=0))) for votes in cases.values()]
    found = pool(masses_of(cases), m_step=m_step)
    oracle = reference.fuse(joined(cases), method="soft-staple", prior=np.concatenate(means), m_step=m_step)
    assert (found.n_iter, found.converged, found.n_voxels) == (oracle.n_iter, oracle.converged, 900)
    np.testing.assert_allclose(found.sensitivity, oracle.sensitivity, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.specificity, oracle.specificity, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.log_likelihood, oracle.log_likelihood, rtol=1e-12)


@pytest.mark.parametrize("m_step", ["paper", "em"])
def test_jumps_end_where_steps_do(m_step: Any) -> None:
    tables = masses_of(cases_of(absent=True))
    plain = pool(tables, m_step=m_step, tol=1e-10)
    found = pool(tables, m_step=m_step, tol=1e-10, acceleration="squarem")
    assert found.n_iter < plain.n_iter
    np.testing.assert_allclose(found.sensitivity, plain.sensitivity, rtol=0, atol=1e-6)


@pytest.mark.parametrize("absent", [False, True])
@pytest.mark.parametrize("m_step", ["paper", "em"])
def test_shared_prior_is_a_fusion_of_all_voxels(m_step: Any, absent: bool) -> None:
    cases = cases_of(absent=absent)
    found = pool(masses_of(cases), m_step=m_step, priors="shared")
    oracle = reference.fuse(joined(cases), method="soft-staple", m_step=m_step)
    np.testing.assert_allclose(found.sensitivity, oracle.sensitivity, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.specificity, oracle.specificity, rtol=0, atol=1e-12)
    assert found.prior == pytest.approx(np.mean(oracle.prior), abs=1e-12)


@pytest.mark.parametrize("priors", ["own", "shared"])
def test_order_of_arrival_changes_no_bit(priors: Any) -> None:
    tables = masses_of(cases_of(absent=True))
    found = [
        pool(dict(order), priors=priors, intervals="bootstrap", replicates=5)
        for order in itertools.permutations(tables.items())
    ]
    for other in found[1:]:
        for name in ("sensitivity", "specificity", "prior", "log_likelihood"):
            np.testing.assert_array_equal(getattr(other, name), getattr(found[0], name))
        assert found[0].intervals is not None
        assert other.intervals is not None
        np.testing.assert_array_equal(other.intervals.sensitivity, found[0].intervals.sensitivity)


def test_many_fractional_votes_are_pooled_by_masses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of counts whose terms would not fit: the same rates, and no refusal."""
    tables = {case: tabulate(list(votes), names=NAMES) for case, votes in cases_of(absent=False).items()}
    expected = pool(tables)
    monkeypatch.setattr(rows, "MOST_TERMS", 1000)
    found = pool(tables)
    np.testing.assert_allclose(found.sensitivity, expected.sensitivity, rtol=0, atol=1e-12)
    assert found.on(tables["case 0"]).prior == pytest.approx(expected.prior[0], abs=1e-12)
    fastfuse.deviation(tables["case 0"], found)


def test_deviation_and_prior_of_a_new_case() -> None:
    """As of the same votes counted pattern by pattern."""
    cases = cases_of(absent=False)
    masses = masses_of(cases)
    counts = {case: tabulate(list(votes), names=NAMES) for case, votes in cases.items()}
    found, expected = pool(masses, m_step="em"), pool(counts, m_step="em")
    one, other = fastfuse.deviation(masses["case 0"], found), fastfuse.deviation(counts["case 0"], expected)
    np.testing.assert_allclose(one.log_ratio, other.log_ratio, rtol=1e-6)
    np.testing.assert_allclose(one.sensitivity, other.sensitivity, rtol=0, atol=1e-8)
    new = dense_votes(9, 0.2, 300)
    counted = tabulate(list(new), names=NAMES)
    assert found.on(MassTable.of(counted)).prior == pytest.approx(new.mean(), abs=1e-12)


def make_dense(root: Path, cases: int) -> Path:
    for number in range(cases):
        votes = dense_votes(number, 0.1 + 0.1 * number, int(np.prod(SHAPE)))[:3].astype(np.float32)
        for name, vote in zip(READERS, votes.reshape(3, *SHAPE), strict=True):
            save(root / f"case-{number:02}" / "masks" / f"{name}.nii.gz", vote)
    return root


@quiet
def test_cohort_of_probabilities(tmp_path: Path) -> None:
    root, out = make_dense(tmp_path / "in", 3), tmp_path / "out"
    found = fused(root, out, method="soft-staple", replicates=3)
    assert not found.failed
    votes = {
        f"case-{k:02}": [
            np.asanyarray(nib.load(root / f"case-{k:02}" / "masks" / f"{name}.nii.gz").dataobj)
            for name in READERS
        ]
        for k in range(3)
    }
    tables = {case: tabulate(given, names=READERS) for case, given in votes.items()}
    assert all(isinstance(table, MassTable) for table in tables.values())
    assert VoteTable.load(out / "tables" / "case-01.npz") == tables["case-01"]
    assert (out / "tables" / "case-01.npz").stat().st_size < 4096
    expected = pool(tables)
    assert isinstance(found.estimate, fastfuse.PooledEstimate)
    np.testing.assert_array_equal(found.estimate.sensitivity, expected.sensitivity)
    applied = expected.of("case-01").apply(votes["case-01"])
    np.testing.assert_array_equal(consensus(out, "case-01"), applied.probability)
    assert len((out / "deviations.csv").read_text().splitlines()) == 1 + 3 * 3
    with pytest.raises(
        CohortError, match="case-00, case-01, case-02: the votes are probabilities, whose masses no"
    ):
        export_of(out)
    before = contents(out)
    again = fused(root, out, method="soft-staple", replicates=3)
    assert again.facts["counted"] == []
    assert contents(out) == before
    new = AskedToApply(out / "estimate.json", root, tmp_path / "new", glob=GLOB)
    made, _ = applied_cohort(new, Crew(None, 1), lambda _: None)
    assert not made.failed
    np.testing.assert_allclose(consensus(tmp_path / "new", "case-01"), applied.probability, rtol=0, atol=1e-6)


@quiet
def test_methods_without_a_table_say_so(tmp_path: Path) -> None:
    root = make_dense(tmp_path / "in", 1)
    found = fused(root, tmp_path / "out", method="simplified-soft-staple")
    assert (
        "for simplified-soft-staple, which has no finite table then: choose soft-staple"
        in found.failed["case-00"]
    )
    alone = fused(root, tmp_path / "alone", method="simplified-soft-staple", pool="none")
    assert not alone.failed
