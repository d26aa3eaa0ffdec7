"""The random field: it removes isolated voxels, never breaks, and refuses what it cannot do."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import fastfuse

from ..problems import soften

EM = (fastfuse.staple, fastfuse.soft_staple, fastfuse.simplified_soft_staple)
STRENGTHS = (1e-3, 0.1, 1.0, 30.0, 1e4)
FACES = ndimage.generate_binary_structure(3, 1)
FACES[1, 1, 1] = False

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


def noisy_masks(seed: int, m: int = 4, side: int = 20) -> np.ndarray:
    """Return masks (m, side, side, side) of a ball, in which each voxel errs on its own."""
    rng = np.random.default_rng(seed)
    centred = np.indices((side,) * 3) - side / 2 + 0.5
    ball = (centred**2).sum(axis=0) < (side / 3) ** 2
    flips = rng.random((m, side, side, side)) < 0.15
    return np.asarray(ball ^ flips, dtype=np.float64)


def isolated(mask: np.ndarray) -> int:
    """Count marked voxels of which no face neighbour is marked."""
    neighbours = ndimage.convolve(mask.astype(int), FACES.astype(int), mode="constant")
    return int(((mask == 1) & (neighbours == 0)).sum())


def votes_for(fuse: Any, seed: int, kind: str = "dense") -> list[np.ndarray]:
    masks = noisy_masks(seed, side=9)
    return list(masks if fuse is fastfuse.staple else soften(np.random.default_rng(seed), masks, kind))


def assert_sound(fused: fastfuse.Fusion, *, rates: bool = True) -> None:
    """All is a number within its bounds."""
    assert np.isfinite(fused.probability).all()
    assert fused.probability.min() >= 0
    assert fused.probability.max() <= 1
    assert np.isfinite(fused.log_likelihood).all()
    assert np.isfinite(fused.prior)
    if rates:
        for rate in (fused.sensitivity, fused.specificity):
            assert ((rate >= 0) & (rate <= 1)).all()


def bits(fused: fastfuse.Fusion) -> tuple[bytes, ...]:
    fields = ("probability", "sensitivity", "specificity", "log_likelihood", "ppv", "npv", "dice")
    return (np.float64(fused.prior).tobytes(), *(getattr(fused, name).tobytes() for name in fields))


# --- what it is for ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("fuse", EM)
def test_fewer_isolated_voxels(fuse: Any, seed: int) -> None:
    votes = list(noisy_masks(seed))
    options: dict[str, Any] = {"prior": "estimate"}
    without, with_field = fuse(votes, **options).label(), fuse(votes, mrf=0.5, **options).label()
    assert isolated(without) > 20
    assert isolated(with_field) < isolated(without) / 4
    assert isolated(1 - with_field) < isolated(1 - without)  # holes, too
    truth = ndimage.median_filter(np.mean(votes, axis=0) > 0.5, 3)
    assert (with_field != truth).sum() < (without != truth).sum()


def logit(p: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(p / (1 - p)))


@pytest.mark.parametrize("side", [1, 2, 4])
def test_neighbours_across_a_long_side_pull_less(side: float) -> None:
    """Two doubtful voxels: one has its two marked neighbours along the long side, the other has unmarked ones."""
    votes = np.zeros((4, 9, 9, 9))
    votes[:, 3:6, 1, 1] = votes[:, 5, 5, 3:6] = 1
    far, near = (4, 1, 1), (5, 5, 4)
    for voxel in (far, near):
        votes[:2, voxel[0], voxel[1], voxel[2]] = 0
    options: dict[str, Any] = {"prior": 0.5, "max_iter": 1, "dtype": "float64"}
    fused = fastfuse.staple(list(votes), mrf=0.3, spacing_mm=(side, 1, 1), **options)
    found = logit(fused.probability[near]) - logit(fused.probability[far])
    assert found == pytest.approx(0.3 * 4 * (1 - 1 / side), abs=1e-6)


def test_only_the_ratio_of_sides_counts() -> None:
    votes = votes_for(fastfuse.staple, 0)
    plain = fastfuse.staple(votes, mrf=0.4)
    assert bits(fastfuse.staple(votes, mrf=0.4, spacing_mm=(2, 2, 2))) == bits(plain)
    assert bits(fastfuse.staple(votes, mrf=0.4, spacing_mm=(1, 1, 2))) != bits(plain)


# --- never a nan ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mrf", STRENGTHS)
@pytest.mark.parametrize("kind", ["binary", "three-valued", "dense"])
@pytest.mark.parametrize("fuse", EM)
def test_sound_for_every_strength(fuse: Any, kind: str, mrf: float) -> None:
    votes = votes_for(fuse, 0, kind)
    shape = votes[0].shape
    rng = np.random.default_rng(1)
    mask = rng.random(shape) < 0.6
    looked = rng.random((len(votes), *shape)) < 0.7
    for options in (
        {},
        {"prior": "estimate"},
        {"prior": 1e-9, "init": 1 - 1e-9},
        {"prior": rng.uniform(1e-6, 1 - 1e-6, shape)},
        {"mask": mask},
        {"present": list(looked), "mask": mask},
        {"spacing_mm": (0.01, 1, 100)},
        {"roi": "disputed"},
        {"roi": 1.0, "spacing_mm": (1, 0.5, 3)},
        {"performance_prior": (5, 1.5)},
    ):
        assert_sound(fuse(votes, mrf=mrf, max_iter=30, **options))


@pytest.mark.parametrize("m_step", ["paper", "em"])
@pytest.mark.parametrize("mrf", STRENGTHS)
@pytest.mark.parametrize("fuse", EM[1:])
def test_sound_for_every_m_step(fuse: Any, mrf: float, m_step: str) -> None:
    votes = votes_for(fuse, 2)
    options: dict[str, Any] = {"m_step": m_step, "mrf": mrf, "max_iter": 30}
    assert_sound(fuse(votes, **options))
    if fuse is fastfuse.soft_staple:
        assert_sound(fuse(votes, expectation="characteristic", **options))


@pytest.mark.parametrize("mrf", STRENGTHS)
@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize("fuse", EM)
def test_sound_where_all_say_the_same(fuse: Any, value: int, mrf: float) -> None:
    fused = fuse([np.full((3, 4, 5), value)] * 3, mrf=mrf)
    assert_sound(fused, rates=False)
    assert (fused.probability == value).all()


@pytest.mark.parametrize("mrf", STRENGTHS)
@pytest.mark.parametrize("shape", [(40,), (7, 6), (1, 9, 1), (3, 3, 3, 3)])
@pytest.mark.parametrize("m", [1, 2, 70])
@pytest.mark.parametrize("fuse", EM)
def test_sound_for_odd_shapes_and_numbers(fuse: Any, m: int, shape: tuple[int, ...], mrf: float) -> None:
    rng = np.random.default_rng(m)
    votes = (rng.random((m, *shape)) < 0.4).astype(np.float64)
    votes.reshape(m, -1)[:, :2] = 0, 1
    assert_sound(fuse(list(votes), axis=0, mrf=mrf, max_iter=30))


@pytest.mark.parametrize("fuse", EM)
def test_sound_for_a_single_voxel_in_the_mask(fuse: Any) -> None:
    votes, mask = votes_for(fuse, 3, "binary"), np.zeros((9, 9, 9), bool)
    mask[4, 4, 4] = True
    assert_sound(fuse(votes, mrf=5.0, mask=mask), rates=False)


# --- the same bits -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["three-valued", "dense"])
@pytest.mark.parametrize("fuse", EM)
def test_none_of_it_is_none(fuse: Any, kind: str) -> None:
    votes = votes_for(fuse, 4, kind)
    for spacing in (None, (1, 2, 3)):
        for zero in (0, 0.0, np.float32(0)):
            assert bits(fuse(votes, mrf=zero, spacing_mm=spacing)) == bits(fuse(votes))
    assert bits(fuse(votes, mrf=0, acceleration="squarem")) == bits(fuse(votes, acceleration="squarem"))


@pytest.mark.parametrize("kind", ["three-valued", "dense"])
@pytest.mark.parametrize("fuse", EM)
def test_same_bits_for_every_thread_count(fuse: Any, kind: str) -> None:
    masks = noisy_masks(5, side=30)
    votes = list(masks if fuse is fastfuse.staple else soften(np.random.default_rng(5), masks, kind))
    results = {bits(fuse(votes, mrf=0.5, max_iter=10, threads=threads)) for threads in (1, 2, 1)}
    assert len(results) == 1


@pytest.mark.parametrize("fuse", EM)
def test_memory_order_is_only_that(fuse: Any) -> None:
    votes = votes_for(fuse, 6)
    options: dict[str, Any] = {"mrf": 0.5, "spacing_mm": (1, 2, 3), "dtype": "float64", "max_iter": 20}
    plain = fuse(votes, **options)
    other = fuse([np.asfortranarray(array) for array in votes], **options)
    np.testing.assert_allclose(other.probability, plain.probability, rtol=0, atol=1e-9)


# --- what is refused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fuse", EM)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mrf": -0.1}, "mrf is -0.1: it must be a number of at least 0"),
        ({"mrf": float("nan")}, "mrf is nan: it must be a number of at least 0"),
        ({"mrf": float("inf")}, "mrf is inf: it must be a number of at least 0"),
        ({"mrf": "strong"}, "mrf is 'strong': it must be a number of at least 0"),
        ({"mrf": None}, "mrf is None: it must be a number of at least 0"),
        ({"mrf": True}, "mrf is True: it must be a number of at least 0"),
        (
            {"mrf": 0.5, "acceleration": "squarem"},
            "acceleration is 'squarem', and mrf is set: with coupled voxels",
        ),
        ({"mrf": 0.5, "spacing_mm": (1, 1)}, "spacing_mm is (1, 1): it must hold 3 numbers, one per axis"),
        ({"mrf": 0.5, "spacing_mm": 2}, "spacing_mm is 2: it must hold 3 numbers, one per axis"),
        ({"mrf": 0.5, "spacing_mm": (1, 0, 1)}, "spacing_mm[1] is 0: it must be a number above 0"),
        ({"mrf": 0.5, "spacing_mm": (1, 1, -2)}, "spacing_mm[2] is -2: it must be a number above 0"),
        ({"mrf": 0.5, "spacing_mm": (float("nan"), 1, 1)}, "spacing_mm[0] is nan: it must be a number above"),
    ],
)
def test_refused(fuse: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        fuse(votes_for(fuse, 0), **options)
