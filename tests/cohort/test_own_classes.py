"""Three classes with the shares of each case, against plain NumPy on voxels, and one case against the core."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

import fastfuse
from fastfuse import VoteTable, pool, tabulate
from fastfuse.cohort.apply import AskedToApply, applied_cohort
from fastfuse.cohort.estimate_file import read_estimate
from fastfuse.cohort.workers.crew import Crew
from fastfuse.fusion.pooled.classes import PooledClassEstimate
from fastfuse.reference import classes as reference

from .files import GLOB, SHAPE, consensus, fused, save

RATERS = list("ABCDE")
quiet = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
MARKS = np.array(
    [[0.01, 0.5, 0.95], [0.02, 0.3, 0.9], [0.01, 0.7, 0.97], [0.03, 0.4, 0.92], [0.02, 0.6, 0.9]]
)


def votes_of(seed: int, shares: tuple[float, ...], voxels: int = 1500) -> NDArray[np.float64]:
    """Return masks of five raters who differ at borders."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, voxels, p=shares)
    return (rng.random((5, voxels)) < MARKS[:, truth]).astype(np.float64)


def cases_of(*, absent: bool = False) -> dict[str, NDArray[np.float64]]:
    shares = ((0.9, 0.06, 0.04), (0.7, 0.2, 0.1), (0.95, 0.02, 0.03))
    cases = {f"case {k}": votes_of(k, share) for k, share in enumerate(shares)}
    if absent:
        cases["case 1"][2] = np.nan
    return cases


def tables_of(cases: dict[str, NDArray[np.float64]]) -> dict[str, VoteTable]:
    tables = {}
    for case, votes in cases.items():
        read = ~np.isnan(votes).all(axis=1)
        names = [name for name, reads in zip(RATERS, read, strict=True) if reads]
        tables[case] = tabulate(list(votes[read]), names=names)
    return tables


def by_hand(cases: list[NDArray[np.float64]]) -> tuple[Any, Any, int]:
    """Fit voxel by voxel: marks of all, shares of each case, and the number of steps."""
    yes = [np.nan_to_num(q) for q in cases]
    no = [np.where(np.isnan(q), 0, 1 - q) for q in cases]
    p, steps, moved = np.tile(reference.FIRST_MARKS, (5, 1)), 0, np.inf
    shares = [reference.FIRST_MASSES / reference.FIRST_MASSES.sum()] * len(cases)
    while moved > 1e-7:
        r = [
            reference.posterior(one, other, p, 1 - p, share)
            for one, other, share in zip(yes, no, shares, strict=True)
        ]
        shares = [(one.sum(axis=0) + 0.5) / (one.sum() + 1.5) for one in r]
        marks = sum(one @ w for one, w in zip(yes, r, strict=True)) + 0.5
        empty = sum(one @ w for one, w in zip(no, r, strict=True)) + 0.5
        before, p = p, marks / (marks + empty)
        moved, steps = np.abs(p - before).max(), steps + 1
    return p, np.array(shares), steps


def pooled(tables: dict[str, VoteTable], **options: Any) -> PooledClassEstimate:
    found = pool(tables, "staple", classes=3, priors="own", **options)
    assert isinstance(found, PooledClassEstimate)
    return found


@pytest.mark.parametrize("absent", [False, True])
def test_shares_are_those_of_each_case(absent: bool) -> None:
    cases = cases_of(absent=absent)
    found = pooled(tables_of(cases))
    marks, shares, steps = by_hand(list(cases.values()))
    assert (found.n_iter, found.converged) == (steps, True)
    np.testing.assert_allclose(found._marks.yes, marks, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.shares, shares, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.prior, shares[:, 2] + shares[:, 1] / 2, rtol=0, atol=1e-10)
    assert np.ptp(found.shares[:, 1]) > 0.1
    shared = pool(tables_of(cases), "staple", classes=3)
    assert isinstance(shared, fastfuse.PooledEstimate)
    assert shared.priors == "shared"


def test_one_case_is_that_of_the_core() -> None:
    votes = cases_of()["case 1"]
    found = pooled({"one": tabulate(list(votes), names=RATERS)})
    alone = fastfuse.staple(list(votes), classes=3, dtype="float64")
    assert isinstance(alone, fastfuse.ClassFusion)
    assert found.n_iter == alone.n_iter
    np.testing.assert_allclose(found._marks.yes, alone.marks, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.shares[0], alone.shares, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.sensitivity, alone.sensitivity, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.specificity, alone.specificity, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.log_likelihood, alone.log_likelihood, rtol=1e-10)
    applied = found.of("one").apply(list(votes), dtype="float64")
    assert isinstance(applied, fastfuse.ClassFusion)
    np.testing.assert_allclose(applied.probability, alone.probability, rtol=0, atol=1e-9)


def test_consensus_of_a_case_and_of_a_new_one() -> None:
    cases = cases_of(absent=True)
    tables = tables_of(cases)
    found = pooled(tables)
    names, votes = tables["case 1"].names, cases["case 1"]
    applied = found.of("case 1").of_raters(names).apply([v for v in votes if np.isfinite(v).all()])
    yes, no = np.nan_to_num(votes), np.where(np.isnan(votes), 0, 1 - votes)
    r = reference.posterior(yes, no, found._marks.yes, found._marks.no, found.shares[1])
    np.testing.assert_allclose(applied.probability, r @ reference.FOREGROUND, rtol=0, atol=1e-6)
    of_new = found.on(tables["case 0"])
    assert of_new.prior == pytest.approx(found.of("case 0").prior, abs=1e-5)
    assert of_new.sensitivity[0] != found.of("case 2").sensitivity[0]  # more of its foreground is border


@quiet
def test_order_of_arrival_and_intervals() -> None:
    tables = tables_of(cases_of())
    found = [
        pooled(dict(order), intervals="bootstrap", replicates=6)
        for order in itertools.islice(itertools.permutations(tables.items()), 3)
    ]
    for one in found:
        assert one.intervals is not None
        assert found[0].intervals is not None
        np.testing.assert_array_equal(one.sensitivity, found[0].sensitivity)
        np.testing.assert_array_equal(one.intervals.sensitivity, found[0].intervals.sensitivity)
        assert (one.intervals.sensitivity[:, 0] < one.intervals.sensitivity[:, 1]).all()


def test_refusals() -> None:
    tables = tables_of(cases_of())
    few = {case: table.drop("A").drop("B") for case, table in tables.items()}
    with pytest.raises(ValueError, match="classes=3 needs the votes of four raters or more"):
        pooled(few)
    with pytest.raises(ValueError, match=r"agree that there is nothing.*give priors='shared'"):
        pooled({"none": tabulate([[0, 0]] * 4, names=RATERS[:4])})


@quiet
def test_cohort(tmp_path: Path) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    for k, votes in enumerate(cases_of().values()):
        for name, mask in zip(RATERS, votes[:, : int(np.prod(SHAPE))].reshape(5, *SHAPE), strict=True):
            save(root / f"case-{k:02}" / "masks" / f"{name}.nii.gz", mask.astype(np.uint8))
    found = fused(root, out, classes=3, priors="own", replicates=3)
    assert not found.failed
    kept = read_estimate(out / "estimate.json").estimate
    assert isinstance(kept, PooledClassEstimate)
    assert isinstance(found.estimate, PooledClassEstimate)
    np.testing.assert_array_equal(kept.shares, found.estimate.shares)
    masks = [np.asanyarray(nib.load(root / "case-01" / "masks" / f"{n}.nii.gz").dataobj) for n in RATERS]
    applied = kept.of("case-01").apply(masks)
    np.testing.assert_array_equal(consensus(out, "case-01"), applied.probability)
    new = AskedToApply(out / "estimate.json", root, tmp_path / "new", glob=GLOB)
    made, _ = applied_cohort(new, Crew(None, 1), lambda _: None)
    assert not made.failed
    np.testing.assert_allclose(
        consensus(tmp_path / "new", "case-01"), consensus(out, "case-01"), rtol=0, atol=1e-4
    )
