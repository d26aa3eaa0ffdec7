"""Votes that are not there: raters who did not read, fields of view, and what is refused."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import fastfuse
from tests.problems import simulated_raters, soften

ALL = (fastfuse.staple, fastfuse.soft_staple, fastfuse.simplified_soft_staple, fastfuse.majority_vote)
EM = ALL[:-1]
NAN = np.nan
PER_RATER = ("sensitivity", "specificity", "ppv", "npv", "dice", "volume", "n_read")

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


def votes_for(
    fuse: Any, seed: int = 0, m: int = 4, shape: tuple[int, ...] = (6, 5, 7), kind: str = "three-valued"
) -> np.ndarray:
    """Return votes (m, ...): binary ones for STAPLE, soft ones for the others."""
    rng = np.random.default_rng(seed)
    votes = simulated_raters(rng, m, int(np.prod(shape)))
    return (votes if fuse is fastfuse.staple else soften(rng, votes, kind)).reshape(m, *shape)


def holes(votes: np.ndarray, seed: int = 1, share: float = 0.3) -> np.ndarray:
    """Return where each rater looked: at most voxels, and none at the first three."""
    looked = np.random.default_rng(seed).random(votes.shape) >= share
    looked.reshape(len(votes), -1)[:, :3] = False
    return np.asarray(looked)


def assert_identical(a: fastfuse.Fusion, b: fastfuse.Fusion, tolerance: float = 0) -> None:
    """Compare all that two fusions say, bit for bit, or to rounding where sums run in another order."""
    for name in ("probability", "log_likelihood", "prior", *PER_RATER):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=tolerance, atol=tolerance)
    assert (a.n_iter, a.converged, a.n_voxels) == (b.n_iter, b.converged, b.n_voxels)


def without_rater(fused: fastfuse.Fusion, i: int) -> fastfuse.Fusion:
    parts: dict[str, Any] = {name: np.delete(getattr(fused, name), i) for name in PER_RATER}
    return replace(fused, **parts)


# --- a rater without votes -----------------------------------------------------------------------------------


def without_votes(way: str, votes: np.ndarray, i: int) -> tuple[list[Any], dict[str, Any]]:
    """Return the raters and options that say, in one of three ways, that rater ``i`` has no vote."""
    raters: list[Any] = list(votes)
    if way == "nan":
        raters[i] = np.full(votes.shape[1:], NAN)
        return raters, {"missing": "nan"}
    if way == "present":
        looked: list[Any] = [None] * len(votes)
        looked[i] = np.zeros(votes.shape[1:], bool)
        return raters, {"present": looked}
    raters[i] = None
    return raters, {}


@pytest.mark.parametrize("kind", ["three-valued", "dense"])
@pytest.mark.parametrize("way", ["nan", "present", "none"])
@pytest.mark.parametrize("i", [0, 2])
@pytest.mark.parametrize("fuse", ALL)
def test_rater_without_votes_is_left_out(fuse: Any, i: int, way: str, kind: str) -> None:
    votes = votes_for(fuse, kind=kind)
    raters, options = without_votes(way, votes, i)
    with_him = fuse(raters, dtype="float64", **options)
    without = fuse(list(np.delete(votes, i, axis=0)), dtype="float64")
    assert_identical(without_rater(with_him, i), without, tolerance=0 if way == "none" else 1e-12)
    assert (with_him.volume[i], with_him.n_read[i]) == (0, 0)
    for name in ("sensitivity", "specificity", "ppv", "npv", "dice"):
        assert np.isnan(getattr(with_him, name)[i])


@pytest.mark.parametrize("fuse", ALL)
def test_nobody_there(fuse: Any) -> None:
    with pytest.raises(ValueError, match="all raters are None: give at least one"):
        fuse([None, None])


@pytest.mark.parametrize("fuse", ALL)
def test_all_there_is_as_without_the_option(fuse: Any) -> None:
    votes = list(votes_for(fuse))
    whole = fuse(votes, dtype="float64")
    everywhere = np.ones((4, 6, 5, 7), bool)
    for options in ({"missing": "nan"}, {"present": [None] * 4}, {"present": everywhere}):
        assert_identical(fuse(votes, dtype="float64", **options), whole, tolerance=1e-12)


@pytest.mark.parametrize("fuse", ALL[1:])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_dense_votes_of_which_none_is_missing(fuse: Any, dtype: str, order: str) -> None:
    """The same bits, so that what is asked for in vain costs no slower way; one that is missing counts."""
    votes = np.random.default_rng(3).uniform(0.01, 0.99, (5, 20, 16, 18)).astype(dtype)
    arrays = [np.asarray(vote, order=order) for vote in votes]
    plain = fuse(arrays, dtype=dtype)
    looked: list[Any] = [
        np.ones(arrays[0].shape, bool, order),
        None,
        *[np.ones(arrays[0].shape, np.uint8)] * 3,
    ]
    assert_identical(fuse(arrays, missing="nan", dtype=dtype), plain)
    assert_identical(fuse(arrays, present=looked, dtype=dtype), plain)
    assert_identical(fuse(arrays, present=looked, missing="nan", dtype=dtype), plain)
    arrays[2][19, 15, 17] = NAN
    assert fuse(arrays, missing="nan", dtype=dtype).n_read[2] == plain.n_read[2] - 1
    looked[2] = np.ones(arrays[0].shape, bool)
    looked[2][19, 15, 17] = False
    assert fuse(arrays, present=looked, dtype=dtype).n_read[2] == plain.n_read[2] - 1


@pytest.mark.parametrize("kind", ["three-valued", "dense"])
@pytest.mark.parametrize("fuse", ALL)
def test_nan_and_present_say_the_same(fuse: Any, kind: str) -> None:
    votes = votes_for(fuse, kind=kind)
    looked = holes(votes)
    by_nan = fuse(list(np.where(looked, votes, NAN)), missing="nan", dtype="float64")
    by_present = fuse(list(votes), present=list(looked), dtype="float64")
    some = fuse(
        [np.where(looked[0], votes[0], NAN), *votes[1:]],
        missing="nan",
        present=[None, *looked[1:].astype(np.uint8)],
        dtype="float64",
    )
    assert_identical(by_nan, by_present)
    assert_identical(some, by_present)
    np.testing.assert_array_equal(by_nan.n_read, looked.reshape(4, -1).sum(axis=1))


# --- simulated truth -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["random", "field of view"])
@pytest.mark.parametrize("seed", range(5))
def test_rates_of_a_rater_half_of_whose_votes_are_missing(seed: int, case: str) -> None:
    rng = np.random.default_rng(seed)
    m, n = 5, 20_000
    sensitivity, specificity = rng.uniform(0.7, 0.95, m), rng.uniform(0.8, 0.97, m)
    truth = rng.random(n) < 0.3
    votes = (rng.random((m, n)) < np.where(truth, sensitivity[:, None], 1 - specificity[:, None])) * 1.0
    votes[0, rng.random(n) < 0.5 if case == "random" else slice(n // 2, n)] = NAN
    fused = fastfuse.staple(list(votes), missing="nan", prior="estimate", intervals="information", tol=1e-9)
    known = fused.intervals
    assert known is not None
    assert (np.abs(fused.sensitivity - sensitivity) <= 4 * known.sensitivity_error).all()
    assert (np.abs(fused.specificity - specificity) <= 4 * known.specificity_error).all()
    assert known.sensitivity_error.max() < 0.03


def test_half_a_rater_is_known_less_well() -> None:
    votes = simulated_raters(np.random.default_rng(3), 5, 20_000)
    options: dict[str, Any] = {"missing": "nan", "prior": "estimate", "intervals": "information"}
    whole = fastfuse.staple(list(votes), **options).intervals
    votes[0, ::2] = NAN
    half = fastfuse.staple(list(votes), **options).intervals
    assert whole is not None
    assert half is not None
    assert half.sensitivity_error[0] > 1.2 * whole.sensitivity_error[0]
    np.testing.assert_allclose(half.sensitivity_error[1:], whole.sensitivity_error[1:], rtol=0.2)


# --- what is refused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fuse", ALL)
def test_nan_is_refused_with_the_remedy(fuse: Any) -> None:
    votes = votes_for(fuse)
    votes[1, 2, 3, 4] = NAN
    message = r"rater 1 holds nan at voxel (2, 3, 4): votes must be finite; missing='nan'"
    with pytest.raises(ValueError, match=re.escape(message)):
        fuse(list(votes))


@pytest.mark.parametrize("value", [np.inf, -np.inf, 2.0, -0.5])
@pytest.mark.parametrize("fuse", ALL)
def test_what_is_no_vote_is_refused_beside_nan_too(fuse: Any, value: float) -> None:
    votes = votes_for(fuse)
    votes[0, 0], votes[2, 1, 1, 1] = NAN, value
    with pytest.raises(ValueError, match=r"rater 2 holds .* at voxel \(1, 1, 1\)"):
        fuse(list(votes), missing="nan")


@pytest.mark.parametrize("fuse", ALL)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p[:3], "present has 3 entries for 4 raters: give one for each"),
        (lambda p: [*p, None], "present has 5 entries for 4 raters"),
        (lambda p: [p[0], p[1][1:], *p[2:]], "present of rater 1 has shape (5, 5, 7), the raters have shape"),
        (lambda p: [*p[:2], p[2] * 2, p[3]], "present of rater 2 holds 2 at voxel"),
        (lambda p: [*p[:2], p[2] * 0.5, p[3]], "present of rater 2 holds 0.5 at voxel"),
        (lambda p: [*p[:3], p[3] * NAN], "present of rater 3 holds nan at voxel"),
    ],
)
def test_present_that_is_none(fuse: Any, change: Any, message: str) -> None:
    looked = list(np.ones((4, 6, 5, 7), np.uint8))
    with pytest.raises(ValueError, match=re.escape(message)):
        fuse(list(votes_for(fuse)), present=change(looked))


@pytest.mark.parametrize("fuse", ALL)
def test_present_counts_raters_who_are_not_there(fuse: Any) -> None:
    votes = list(votes_for(fuse))
    raters, looked = [votes[0], None, *votes[1:]], np.ones((6, 5, 7), bool)
    fuse(raters, present=[None, None, looked, None, looked])
    with pytest.raises(ValueError, match="present has 4 entries for 5 raters"):
        fuse(raters, present=[looked] * 4)
    with pytest.raises(ValueError, match=r"present of rater 2 has shape \(2,\)"):
        fuse(raters, present=[None, None, looked[0, 0, :2], None, None])


@pytest.mark.parametrize("missing", ["no", None, True, 3])
@pytest.mark.parametrize("fuse", ALL)
def test_missing_is_a_choice(fuse: Any, missing: Any) -> None:
    with pytest.raises(ValueError, match=f"missing is {missing!r}: it must be 'error' or 'nan'"):
        fuse(list(votes_for(fuse)), missing=missing)


@pytest.mark.parametrize("junk", [-5.0, NAN, np.inf, 0.5, 255.0])
@pytest.mark.parametrize("fuse", ALL)
def test_what_nobody_looked_at_is_not_checked(fuse: Any, junk: float) -> None:
    votes = votes_for(fuse)
    looked = holes(votes)
    clean = fuse(list(np.where(looked, votes, 0)), present=list(looked), dtype="float64")
    dirty = fuse(list(np.where(looked, votes, junk)), present=list(looked), dtype="float64")
    assert_identical(dirty, clean)


# --- voxels that nobody reads --------------------------------------------------------------------------------


@pytest.mark.parametrize("prior", ["mean", "estimate", 0.2, "map"])
@pytest.mark.parametrize("fuse", EM)
def test_unread_voxels_get_the_prior(fuse: Any, prior: Any) -> None:
    votes = votes_for(fuse)
    looked = holes(votes)
    given = np.random.default_rng(2).uniform(0.1, 0.5, (6, 5, 7)) if prior == "map" else prior
    fused = fuse(list(votes), present=list(looked), prior=given, dtype="float64")
    unread = ~looked.any(axis=0)
    expected = given[unread] if prior == "map" else fused.prior
    np.testing.assert_allclose(fused.probability[unread], expected, rtol=0, atol=1e-12)
    assert fused.n_voxels == (~unread).sum()


@pytest.mark.parametrize("marked", [0.0, 1.0])
@pytest.mark.parametrize("fuse", EM)
def test_unread_voxels_have_none_where_all_is_certain(fuse: Any, marked: float) -> None:
    """By votes that are all alike there is no model, and no prior of it."""
    votes = np.full((3, 4, 5), marked)
    votes[:, 1] = np.nan
    with pytest.warns(fastfuse.FusionWarning, match="nobody marks anything|everybody marks everything"):
        fused = fuse(list(votes), missing="nan", prior=0.3)
    assert not fused.probability[1].any()
    assert (np.delete(fused.probability, 1, axis=0) == marked).all()


@pytest.mark.parametrize("fuse", EM)
def test_unread_voxels_are_as_if_masked(fuse: Any) -> None:
    votes = votes_for(fuse)
    looked = holes(votes)
    read = looked.any(axis=0)
    whole = fuse(list(votes), present=list(looked), dtype="float64")
    masked = fuse(list(votes), present=list(looked), mask=read, dtype="float64")
    np.testing.assert_allclose(whole.probability[read], masked.probability[read], rtol=0, atol=1e-12)
    np.testing.assert_allclose(whole.sensitivity, masked.sensitivity, rtol=0, atol=1e-12)
    assert (masked.probability[~read] == 0).all()
    assert masked.n_voxels == whole.n_voxels


# --- label maps, the mean vote, memory -----------------------------------------------------------------------


@pytest.mark.parametrize("label", [1, 3])
@pytest.mark.parametrize("fuse", ALL)
def test_select_label(fuse: Any, label: int) -> None:
    rng = np.random.default_rng(5)
    masks = simulated_raters(rng, 4, 300)
    maps = np.where(masks == 1, label, rng.choice([0, 2], masks.shape))
    looked = holes(masks)
    expected = fuse(list(masks), present=list(looked), dtype="float64")
    by_nan = fuse(list(np.where(looked, maps, NAN)), missing="nan", select_label=label, dtype="float64")
    by_present = fuse(
        list(np.where(looked, maps, 99).astype(np.int16)),
        present=list(looked),
        select_label=label,
        dtype="float64",
    )
    assert_identical(by_nan, expected)
    assert_identical(by_present, expected)


@pytest.mark.parametrize("kind", ["binary", "three-valued", "dense"])
def test_majority_is_the_mean_of_the_votes_that_are_there(kind: str) -> None:
    votes = votes_for(fastfuse.majority_vote, kind=kind)
    looked = holes(votes)
    fused = fastfuse.majority_vote(list(np.where(looked, votes, NAN)), missing="nan", dtype="float64")
    count = looked.sum(axis=0)
    mean = np.divide((votes * looked).sum(axis=0), count, out=np.zeros(count.shape), where=count > 0)
    np.testing.assert_allclose(fused.probability, mean, rtol=0, atol=1e-14)
    for i, there in enumerate(looked):
        q, w = votes[i, there], mean[there]
        assert fused.sensitivity[i] == pytest.approx((w * q).sum() / w.sum(), abs=1e-12)
        assert fused.specificity[i] == pytest.approx(((1 - w) * (1 - q)).sum() / (1 - w).sum(), abs=1e-12)
    assert fused.n_voxels == (count > 0).sum()


@pytest.mark.parametrize("order", ["Fortran", "strided", "reversed", "mixed"])
@pytest.mark.parametrize("fuse", ALL)
def test_memory(fuse: Any, order: str) -> None:
    votes = votes_for(fuse)
    looked = holes(votes)

    def laid_out(array: np.ndarray, i: int) -> np.ndarray:
        if order == "Fortran" or (order == "mixed" and i % 2):
            return np.asfortranarray(array)
        if order == "strided":
            return np.repeat(np.repeat(array, 2, axis=1), 3, axis=2)[:, ::2, ::3]
        if order == "reversed":
            return np.ascontiguousarray(array[::-1, :, ::-1])[::-1, :, ::-1]
        return array

    plain = fuse(list(votes), present=list(looked), dtype="float64")
    raters = [laid_out(array, i) for i, array in enumerate(votes)]
    seen = [laid_out(array, i + 1) for i, array in enumerate(looked)]
    with_nan = [
        laid_out(np.where(there, array, NAN), i)
        for i, (there, array) in enumerate(zip(looked, votes, strict=True))
    ]
    for other in (
        fuse(raters, present=seen, dtype="float64"),
        fuse(with_nan, missing="nan", dtype="float64"),
    ):
        np.testing.assert_allclose(other.probability, plain.probability, rtol=0, atol=1e-12)
        np.testing.assert_allclose(other.sensitivity, plain.sensitivity, rtol=0, atol=1e-12)
        np.testing.assert_allclose(other.specificity, plain.specificity, rtol=0, atol=1e-12)
        assert other.n_voxels == plain.n_voxels


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16, np.float32, np.float64])
def test_types(dtype: Any) -> None:
    votes = votes_for(fastfuse.staple)
    looked = holes(votes)
    plain = fastfuse.staple(list(votes), present=list(looked), dtype="float64")
    typed = fastfuse.staple(list(votes.astype(dtype)), present=list(looked.astype(dtype)), dtype="float64")
    assert_identical(typed, plain)
    if np.dtype(dtype).kind == "f":
        with_nan = [
            np.where(there, array, NAN).astype(dtype) for array, there in zip(votes, looked, strict=True)
        ]
        assert_identical(fastfuse.staple(with_nan, missing="nan", dtype="float64"), plain)
