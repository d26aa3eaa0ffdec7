"""How far raters agree, against other packages and by hand."""

from __future__ import annotations

import doctest
import re
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fastfuse
from fastfuse.fusion.of_raters.agreement import coefficients


def drawn(seed: int) -> NDArray[np.float64]:
    """Return masks of raters who agree on some voxels."""
    rng = np.random.default_rng(seed)
    votes = (rng.random((rng.integers(2, 8), 400)) < rng.uniform(0.1, 0.6)).astype(float)
    votes[:, :200] = votes[0, :200]
    return votes


@pytest.mark.parametrize("seed", range(10))
def test_fleiss_kappa_is_that_of_statsmodels(seed: int) -> None:
    inter_rater = pytest.importorskip("statsmodels.stats.inter_rater")
    votes = drawn(seed)
    wanted = inter_rater.fleiss_kappa(inter_rater.aggregate_raters(votes.T)[0])
    assert fastfuse.agreement(list(votes)).everywhere.fleiss_kappa == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("missing", [0, 0.2])
def test_alpha_is_that_of_krippendorff(seed: int, missing: float) -> None:
    krippendorff = pytest.importorskip("krippendorff")
    votes = drawn(seed)
    votes[np.random.default_rng(seed).random(votes.shape) < missing] = np.nan
    wanted = krippendorff.alpha(reliability_data=votes, level_of_measurement="nominal")
    found = fastfuse.agreement(list(votes), missing="nan")
    assert found.everywhere.krippendorff_alpha == pytest.approx(wanted, abs=1e-9)


def test_examples() -> None:
    for name in ("fusion.of_raters.agreement", "fusion.of_raters.mean_dice", "evaluation.raters.evaluate"):
        failed, tried = doctest.testmod(import_module(f"fastfuse.{name}"))
        assert (failed, tried > 1) == (0, True)


def test_by_hand() -> None:
    """Three raters, four voxels: marks 0, 1, 3, 3. Pairs that agree: 1, 1/3, 1, 1; p = 7/12."""
    found = fastfuse.agreement([[0, 0, 1, 1], [0, 1, 1, 1], [0, 0, 1, 1]])
    observed, p = 10 / 12, 7 / 12
    kappa, ac1 = p**2 + (1 - p) ** 2, 2 * p * (1 - p)
    assert found.everywhere.fleiss_kappa == pytest.approx((observed - kappa) / (1 - kappa), abs=1e-12)
    assert found.everywhere.gwet_ac1 == pytest.approx((observed - ac1) / (1 - ac1), abs=1e-12)
    disagreed, expected = (2 * 1 * 2 / 2) / 12, 2 * 7 * 5 / (12 * 11)
    assert found.everywhere.krippendorff_alpha == pytest.approx(1 - disagreed / expected, abs=1e-12)
    np.testing.assert_allclose(found.dice, [[1, 0.8, 1], [0.8, 1, 0.8], [1, 0.8, 1]])
    assert found.conformity == pytest.approx((2 + 2 + 2) / (3 + 2 + 3))
    assert found.mean_dice == pytest.approx(2.6 / 3)
    assert found.region.n_voxels == 3


def chance_corrected(votes: NDArray[np.float64]) -> tuple[float, float]:
    """Return kappa and AC1 with missing votes, voxel by voxel, as Gwet's irrCAC 1.0 has them."""
    agreed, shares = [], []
    for of_one in votes.T:
        given = of_one[~np.isnan(of_one)]
        if len(given):
            shares.append(given.mean())
        if len(given) > 1:
            pairs = [a == b for i, a in enumerate(given) for b in given[:i]]
            agreed.append(np.mean(pairs))
    p, observed = np.mean(shares), np.mean(agreed)
    kappa, ac1 = p**2 + (1 - p) ** 2, 2 * p * (1 - p)
    return float((observed - kappa) / (1 - kappa)), float((observed - ac1) / (1 - ac1))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("missing", [0, 0.2, 0.6])
def test_kappa_and_ac1_voxel_by_voxel(seed: int, missing: float) -> None:
    votes = drawn(seed)
    votes[np.random.default_rng(seed).random(votes.shape) < missing] = np.nan
    found = fastfuse.agreement(list(votes), missing="nan").everywhere
    assert (found.fleiss_kappa, found.gwet_ac1) == pytest.approx(chance_corrected(votes), abs=1e-9)


def test_a_doubt_is_told_once() -> None:
    nib = pytest.importorskip("nibabel")
    shifted = np.eye(4)
    shifted[0, 3] = 0.05
    votes = np.zeros((2, 6, 6, 6), np.uint8)
    votes[:, 2:4, 2:4, 2:4] = 1
    images = [nib.Nifti1Image(one, at) for one, at in zip(votes, (np.eye(4), shifted), strict=True)]
    with pytest.warns(fastfuse.FusionWarning) as told:
        found = fastfuse.agreement(images, roi=1)
    assert len(told) == 1
    assert found.region.n_voxels == 8 + 6 * 4


def test_rows_of_a_table_count() -> None:
    patterns = np.array([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]], float)
    found = coefficients(patterns, np.array([5.0, 3, 2, 4, 6]))
    agreed, p = (5 + 3 / 2 + 2 / 3 + 4 / 2 + 6) / 20, (5 * 4 + 3 * 3 + 2 * 2 + 4 * 1) / 80
    chance = p**2 + (1 - p) ** 2
    assert found.fleiss_kappa == pytest.approx((agreed - chance) / (1 - chance), abs=1e-12)


def test_region_within_a_margin() -> None:
    votes = np.zeros((2, 20, 20, 20))
    votes[0, 8:12, 8:12, 8:12] = 1
    votes[1, 9:12, 8:12, 8:12] = 1
    of_marks = fastfuse.agreement(list(votes))
    near = fastfuse.agreement(list(votes), roi=3, spacing_mm=(1, 1, 1))
    assert of_marks.region.n_voxels == 64
    assert 64 < near.region.n_voxels < 8000 == near.everywhere.n_voxels
    assert of_marks.region.fleiss_kappa < near.region.fleiss_kappa < near.everywhere.fleiss_kappa


@pytest.mark.parametrize("seed", range(10))
def test_coefficients_rise_with_background(seed: int) -> None:
    """To 1 - D / 2M, D the share of pairs that differ and M that of marks, and AC1 to 1."""
    votes = drawn(seed)
    found = [
        fastfuse.agreement(list(np.pad(votes, ((0, 0), (0, more))))).everywhere
        for more in (0, 100, 10_000, 10_000_000)
    ]
    for name in ("fleiss_kappa", "krippendorff_alpha", "gwet_ac1"):
        values = [getattr(one, name) for one in found]
        assert values == sorted(values)
    m = len(votes)
    pairs = [np.mean(votes[i] != votes[j]) for i in range(m) for j in range(i)]
    assert found[-1].fleiss_kappa == pytest.approx(1 - np.mean(pairs) / (2 * votes.mean()), abs=1e-4)
    assert found[-1].gwet_ac1 > 0.999


def test_a_table_is_as_its_votes() -> None:
    votes = drawn(3)
    table = fastfuse.tabulate(list(votes))
    found, wanted = fastfuse.agreement(table), fastfuse.agreement(list(votes))
    assert found.everywhere == wanted.everywhere
    np.testing.assert_array_equal(found.dice, wanted.dice)
    assert fastfuse.agreement(table + table).conformity == pytest.approx(wanted.conformity)


def test_nobody_marks_anything_or_all_do() -> None:
    with pytest.warns(fastfuse.FusionWarning, match="rater 0, rater 1 and rater 2 mark nothing"):
        empty = fastfuse.agreement(np.zeros((3, 5)), axis=0)
    assert np.isnan(empty.everywhere.fleiss_kappa)
    assert np.isnan(empty.everywhere.krippendorff_alpha)
    assert empty.everywhere.gwet_ac1 == 1
    assert np.isnan(empty.dice).all()
    assert np.isnan(empty.conformity)
    assert np.isnan(empty.mean_dice)
    assert empty.region.n_voxels == 0
    with pytest.warns(fastfuse.FusionWarning, match="rater 0, rater 1 and rater 2 mark everything"):
        full = fastfuse.agreement(np.ones((3, 5)), axis=0)
    assert full.conformity == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"raters": [[0, 1, 1]]}, "there is 1 rater who votes (rater 0): agreement takes at least two"),
        ({"raters": [[0, 1, 1], [0, 0.3, 1]]}, "rater 1: a vote is 0.3: agreement takes masks"),
        ({"raters": fastfuse.tabulate([[0, 1], [1, 1]]), "threshold": 0.5}, "threshold is set, and raters is a table"),
        ({"raters": [[0, 1, 1], [0, np.nan, 1]]}, "rater 1"),
        ({"raters": [None, [0, 1, 1]]}, "there is 1 rater who votes (rater 1)"),
        ({"raters": fastfuse.tabulate([[0, 1], [1, 1]]), "missing": "nan"}, "missing is set, and raters is a table"),
        ({"raters": [[0, 1, 1], [0, 1, 1]], "roi": "disputed"}, "roi is 'disputed': it must be a margin in mm"),
        ({"raters": [[0, 1, 1], [0, 1, 1]], "roi": -1}, "roi is -1: it must be a margin in mm of at least 0"),
    ],
)  # fmt: skip
def test_refusals(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        fastfuse.agreement(**given)


def test_what_is_printed_fits_a_terminal() -> None:
    masks = np.zeros((4, 2000), np.uint8)
    masks[:, 5:9] = 1
    masks[0, 8] = 0
    lines = repr(fastfuse.agreement(list(masks))).splitlines()
    assert lines[0].startswith("Agreement(4 raters, mean Dice 0.9")
    assert lines[1].endswith("of 2,000 voxels")
    assert lines[2].endswith("of 4 voxels")
    assert max(map(len, lines)) <= 90
