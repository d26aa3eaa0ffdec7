"""Tables of votes that do not repeat: masses of binary patterns, against the oracle and sums by hand."""

from __future__ import annotations

import itertools
import pickle
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fastfuse
from fastfuse import FastfuseError, VoteTable, estimate, reference, tabulate
from fastfuse.fusion.masses.table import MassTable

NAMES = ["Ann", "Bob", "Eve"]
DENSE = 140_000  # voxels, of which each has a pattern of its own: more than a table of counts holds


def dense_votes(seed: int, voxels: int = DENSE, raters: int = 3) -> NDArray[np.float64]:
    """Return probabilities near a truth that all raters see dimly; some voxels are certain."""
    rng = np.random.default_rng(seed)
    truth = rng.random(voxels) < 0.2
    votes = np.where(truth, rng.beta(5, 2, (raters, voxels)), rng.beta(1, 8, (raters, voxels)))
    votes[:, : voxels // 20] = rng.random((raters, voxels // 20)) < 0.3
    return votes


def masses_by_hand(votes: NDArray[np.float64]) -> dict[tuple[int, ...], Fraction]:
    """Return N(B) and M_i(B) as fractions, by B and then 0 for N or 1 + i; missing votes are -1."""
    found: dict[tuple[int, ...], Fraction] = {}
    for voxel in votes.T.tolist():
        if np.isnan(voxel).all():
            continue  # as in a table of counts
        there = [not np.isnan(q) for q in voxel]
        for bits in itertools.product(*[(0, 1) if one else (-1,) for one in there]):
            weight = Fraction(1)
            for bit, q in zip(bits, voxel, strict=True):
                if bit >= 0:
                    weight *= Fraction(q) if bit else 1 - Fraction(q)
            if weight:
                for place, q in enumerate([1.0, *voxel]):
                    key = (*bits, place)
                    found[key] = found.get(key, Fraction(0)) + (
                        weight * Fraction(q) if not np.isnan(q) else 0
                    )
    return found


def test_sums_are_those_of_the_voxels() -> None:
    votes = dense_votes(0, 60)
    votes[1, 3:9] = np.nan
    votes[:, 50] = np.nan
    table = MassTable.of(tabulate(list(votes), missing="nan", names=NAMES))
    by_hand = masses_by_hand(votes)
    assert len(table.masses) == len({key[:-1] for key in by_hand})
    for pattern, mass, moments in zip(table.patterns, table.masses, table.moments, strict=True):
        bits = tuple(np.where(np.isnan(pattern), -1, pattern).astype(int).tolist())
        for place, value in enumerate([mass, *moments]):
            assert abs(Fraction(float(value)) - by_hand[(*bits, place)]) < Fraction(60, 2**52)
    assert table.voxels == 59


@pytest.mark.parametrize("threads", [1, 2])
def test_sum_of_tables_is_the_table_of_both(threads: int) -> None:
    """Bit for bit, in any order and by any threads, with a table of counts among them."""
    a, b, c = dense_votes(1), dense_votes(2), dense_votes(3, 500)
    parts = [tabulate(list(votes), names=NAMES, threads=threads) for votes in (a, b, c)]
    assert [type(part) for part in parts] == [MassTable, MassTable, VoteTable]
    of_all = tabulate(list(np.concatenate([a, b, c], axis=1)), names=NAMES)
    for order in itertools.permutations(parts):
        assert sum(order) == of_all
    assert of_all != parts[0]
    assert of_all != parts[2]
    assert parts[2] != of_all
    one, other = estimate(parts[0] + parts[1] + parts[2]), estimate(of_all)
    np.testing.assert_array_equal(one.sensitivity, other.sensitivity)


def test_rater_who_is_absent_from_one() -> None:
    a, b = dense_votes(4), dense_votes(5)
    b[1] = np.nan
    whole = tabulate(list(a), names=NAMES) + tabulate(list(b[[0, 2]]), names=["Ann", "Eve"])
    of_all = tabulate(np.concatenate([a, b], axis=1), axis=0, missing="nan", names=NAMES)
    assert isinstance(whole, MassTable)
    assert whole == of_all
    assert tabulate([a[0], None, a[2]], names=NAMES) == tabulate(
        list(a[[0, 2]]), names=["Ann", "Eve"]
    ).of_raters(NAMES)


@pytest.mark.parametrize(
    "options", [{}, {"prior": "estimate"}, {"prior": 0.3}, {"init": 0.9}, {"performance_prior": (5, 1.5)}]
)
@pytest.mark.parametrize("m_step", ["paper", "em"])
def test_estimate_is_that_of_the_oracle(m_step: Any, options: dict[str, Any]) -> None:
    votes = dense_votes(6, 400)
    found = estimate(MassTable.of(tabulate(list(votes))), m_step=m_step, **options)
    oracle = reference.fuse(votes, method="soft-staple", m_step=m_step, **options)
    assert (found.n_iter, found.converged) == (oracle.n_iter, oracle.converged)
    np.testing.assert_allclose(found.sensitivity, oracle.sensitivity, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.specificity, oracle.specificity, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.log_likelihood, oracle.log_likelihood, rtol=1e-12)
    assert found.prior == pytest.approx(np.mean(oracle.prior), abs=1e-12)


@pytest.mark.parametrize("m_step", ["paper", "em"])
def test_missing_votes_are_those_of_the_oracle(m_step: Any) -> None:
    votes = dense_votes(7, 400)
    votes[1, :150] = np.nan
    votes[:, 200:220] = np.nan
    found = estimate(MassTable.of(tabulate(list(votes), missing="nan")), m_step=m_step)
    oracle = reference.fuse(votes, method="soft-staple", m_step=m_step)
    assert found.n_iter == oracle.n_iter
    np.testing.assert_allclose(found.sensitivity, oracle.sensitivity, rtol=0, atol=1e-12)
    assert found.n_voxels == 380


@pytest.mark.parametrize("m_step", ["paper", "em"])
def test_three_verbs_are_a_fusion(m_step: Any) -> None:
    votes = dense_votes(8)
    table = tabulate(list(votes))
    fused = fastfuse.soft_staple(list(votes), m_step=m_step, dtype="float64")
    applied = estimate(table, m_step=m_step).apply(list(votes), dtype="float64")
    assert applied.n_iter == fused.n_iter
    np.testing.assert_allclose(applied.sensitivity, fused.sensitivity, rtol=0, atol=1e-12)
    np.testing.assert_allclose(applied.probability, fused.probability, rtol=0, atol=1e-10)


def test_dropped_rater() -> None:
    votes = dense_votes(9, 3000)
    table = MassTable.of(tabulate(list(votes), names=NAMES))
    without, others = table.drop("Bob"), MassTable.of(tabulate(list(votes[[0, 2]]), names=["Ann", "Eve"]))
    assert isinstance(without, MassTable)
    assert without.names == others.names
    np.testing.assert_array_equal(without.patterns, others.patterns)
    np.testing.assert_allclose(without.masses, others.masses, rtol=0, atol=3000 * 2.0**-52)
    np.testing.assert_allclose(without.moments, others.moments, rtol=0, atol=3000 * 2.0**-52)
    with pytest.raises(ValueError, match="there is no rater 'Max': the table has Ann, Bob, Eve"):
        table.drop("Max")


def test_masks_that_are_left_have_a_table_of_votes() -> None:
    votes = dense_votes(10, 2000)
    votes[:2] = votes[:2] > 0.5
    table = MassTable.of(tabulate(list(votes), names=NAMES)).drop("Eve")
    assert table.as_votes() == tabulate(list(votes[:2]), names=NAMES[:2])
    assert MassTable.of(tabulate(list(votes))).as_votes() is None
    one, other = estimate(table, "staple"), estimate(tabulate(list(votes[:2]), names=NAMES[:2]), "staple")
    np.testing.assert_array_equal(one.sensitivity, other.sensitivity)


def test_file(tmp_path: Path) -> None:
    votes = dense_votes(11, 500)
    table = MassTable.of(tabulate(list(votes), names=NAMES))
    table.save(tmp_path / "masses.npz")
    loaded = VoteTable.load(tmp_path / "masses.npz")
    assert isinstance(loaded, MassTable)
    assert loaded == table
    assert MassTable.load(tmp_path / "masses.npz") == table
    assert pickle.loads(pickle.dumps(table)) == table
    kept = dict(np.load(tmp_path / "masses.npz"))
    for name, wrong, why in [
        ("codes", kept["codes"] + 1, "codes holds"),
        ("codes", kept["codes"] * 0, "a pattern occurs twice"),
        ("part", kept["part"] + 2**53, "part holds a whole voxel"),
        ("whole", -kept["whole"] - 1, "whole holds"),
        ("whole", kept["whole"][:, ::-1], "a moment is more than its mass|not those of so many"),
        ("voxels", kept["voxels"] + 1, "the masses are not those of so many voxels"),
        ("names", kept["names"][:2], "names has 2 entries"),
    ]:
        np.savez(tmp_path / "damaged.npz", **kept | {name: wrong})
        with pytest.raises(FastfuseError, match=f"damaged.npz: is damaged .*({why})"):
            VoteTable.load(tmp_path / "damaged.npz")
    with pytest.raises(
        FastfuseError, match=r"is a mass table, not a label table: fastfuse\.VoteTable\.load reads it"
    ):
        fastfuse.LabelTable.load(tmp_path / "masses.npz")


def test_what_masses_do_not_tell() -> None:
    table = tabulate(list(dense_votes(12)), names=NAMES)
    assert repr(table).splitlines()[0] == "MassTable(3 raters, 140000 voxels, 8 binary patterns)"
    for call in (
        lambda: table.counts,
        lambda: fastfuse.agreement(table),
        lambda: fastfuse.estimate(table, "auto"),
    ):
        with pytest.raises(
            ValueError, match="their table holds masses, which soft-staple takes alone; round"
        ):
            call()
    with pytest.raises(
        ValueError, match="too many distinct patterns for simplified-soft-staple, which has no finite table"
    ):
        estimate(table, "simplified-soft-staple")
    with pytest.raises(ValueError, match="holds masses of soft votes: staple takes votes 0 and 1"):
        estimate(table, "staple")
    with pytest.raises(ValueError, match="intervals is 'bootstrap': masses tell none over voxels; pool"):
        estimate(table, intervals="bootstrap")
    with pytest.raises(
        ValueError, match=r"groups of raters who looked elsewhere, than one of masses \(12 raters\)"
    ):
        tabulate(list(np.random.default_rng(0).random((13, DENSE), np.float32)))
    with pytest.raises(ValueError, match="more distinct patterns than a table holds"):
        fastfuse.agreement(list(dense_votes(12)))


def test_warm_start() -> None:
    table = tabulate(list(dense_votes(13)), names=NAMES)
    before = estimate(table)
    assert estimate(table, start=before).n_iter == 1
    np.testing.assert_allclose(
        estimate(table, start=before).sensitivity, before.sensitivity, rtol=0, atol=1e-6
    )
