"""Options in combination, drawn at random: against the reference, and by what must not change a consensus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fastfuse
from fastfuse import reference
from fastfuse.reference.fusion import region_of

from ..draws import mostly_slow
from ..problems import METHODS, simulated_raters, soften

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning", "error::RuntimeWarning")

Array = NDArray[Any]
PER_RATER = ("sensitivity", "specificity", "ppv", "npv", "dice", "volume", "n_read")
OF_VOXELS = ("mask", "prior")  # options that may hold a value for each voxel
BETAS = (None, (5, 1.5), ((2.0, 1.0), (10.0, 2.0)), (1.0, 3.0))
SEEDS = mostly_slow(range(600), 80)


@dataclass
class Drawn:
    """Votes (m, ...), a method, and options."""

    votes: Array
    method: str
    options: dict[str, Any]

    def fused(self, **more: Any) -> fastfuse.Fusion:
        given: dict[str, Any] = {"dtype": "float64", "axis": 0, "tol": 0, **self.options, **more}
        fused: fastfuse.Fusion = fastfuse.fuse(list(self.votes), self.method, **given)  # type: ignore[call-overload]
        return fused

    def moved(self, move: Callable[[Array], Array], **more: Any) -> Drawn:
        """Return the same with what is given for each voxel moved."""
        options = {
            name: move(np.asarray(value)) if name in OF_VOXELS and np.ndim(value) else value
            for name, value in {**self.options, **more}.items()
        }
        return Drawn(np.stack([move(one) for one in self.votes]), self.method, options)

    @property
    def inside(self) -> Array:
        return np.asarray(self.options.get("mask", np.ones(self.votes.shape[1:], bool)))

    @property
    def is_certain(self) -> bool:
        """Whether nobody marks anything, or everybody everything, where it counts."""
        roi, spacing = self.options.get("roi", "all"), self.options.get("spacing_mm", 1)
        region = region_of(self.votes, self.inside, roi, np.broadcast_to(spacing, self.inside.ndim))
        votes = self.votes[:, region.free]
        votes = votes[~np.isnan(votes)]
        return not votes.any() or bool((votes == 1).all())


def drawn(seed: int, *, neighbours: bool = True, odd: bool = False) -> Drawn:
    """Return a small problem; ``odd``: the sides are, so that a mirrored checkerboard is the same."""
    rng = np.random.default_rng(seed)
    method = METHODS[seed % 3]
    sides = (1, 3, 5, 7, 9) if odd else range(1, 11)
    shape = tuple(int(side) for side in rng.choice(sides, rng.integers(1, 4)))
    m = int(rng.integers(2, 7))
    masks = simulated_raters(rng, m, int(np.prod(shape)), prevalence=rng.choice([0.05, 0.3, 0.8]))
    votes = (
        masks if method == "staple" else soften(rng, masks, rng.choice(["three-valued", "dense", "binary"]))
    )
    votes = votes.reshape(m, *shape)
    options: dict[str, Any] = {"max_iter": int(rng.choice([1, 2, 5]))}
    if rng.random() < 0.35:
        options["missing"] = "nan"
        votes[rng.random(votes.shape) < rng.choice([0.1, 0.6])] = np.nan
        votes[int(rng.integers(m)), ..., : int(rng.integers(shape[-1] + 1))] = np.nan
    if rng.random() < 0.4:
        options["mask"] = rng.random(shape) < 0.7
    prior = (
        "mean",
        "mean",
        "estimate",
        0.2,
        1e-6,
        rng.uniform(0.05, 0.6, shape),
        rng.choice([0.1, 0.4], shape),
    )
    options["prior"] = prior[rng.integers(len(prior))]
    options["init"] = ("vote", "vote", 0.9)[rng.integers(3)]
    options["performance_prior"] = BETAS[rng.integers(len(BETAS))]
    if method != "staple":
        options["m_step"] = rng.choice(["paper", "em"])
    if method == "soft-staple":
        options["expectation"] = rng.choice(["auto", "enumerate", "characteristic"])
    if method == "simplified-soft-staple":
        options["likelihood"] = rng.choice(["mixture", "log_linear"])
    if neighbours:
        options["roi"] = ("all", "all", "disputed", 0.0, 1.0, 2.5)[rng.integers(6)]
        options["mrf"] = (0.0, 0.0, 0.0, 0.5, 2.0)[rng.integers(5)]
        options["spacing_mm"] = tuple(float(side) for side in rng.choice([1, 0.5, 2], len(shape)))
    problem = Drawn(votes, method, options)
    if problem.is_certain:  # of which there is no model
        return drawn(seed + 10_000, neighbours=neighbours, odd=odd)
    return problem


def assert_close(found: Any, wanted: Any, names: tuple[str, ...], tolerance: float = 1e-9) -> None:
    for name in names:
        ours, theirs = np.asarray(getattr(found, name)), np.asarray(getattr(wanted, name))
        if name == "log_likelihood":  # at an exact fixed point one may stop a step earlier
            steps = min(len(ours), len(theirs))
            ours, theirs = ours[:steps], theirs[:steps]
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance, err_msg=name)


def ended_apart(one: Any, other: Any) -> bool:
    """Tell whether rates stood still in one of them an iteration earlier, by rounding: the field still moves then."""
    if one.n_iter == other.n_iter:
        return False
    np.testing.assert_allclose(one.sensitivity, other.sensitivity, rtol=0, atol=1e-9)
    np.testing.assert_allclose(one.specificity, other.specificity, rtol=0, atol=1e-9)
    return True


@pytest.mark.parametrize("seed", SEEDS)
def test_reference(seed: int) -> None:
    problem = drawn(seed)
    found = problem.fused()
    options = {k: v for k, v in problem.options.items() if k not in ("missing", "expectation")}
    with np.errstate(all="ignore"):
        wanted = reference.fuse(problem.votes, method=problem.method, tol=0, **options)
    if not wanted.n_voxels or ended_apart(found, wanted):  # nothing in dispute: the reference has no numbers
        return
    assert_close(
        found, wanted, ("probability", "sensitivity", "specificity", "prior", "log_likelihood"), 1e-8
    )
    assert found.n_voxels == wanted.n_voxels
    assert ((found.probability >= 0) & (found.probability <= 1)).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_raters_in_another_order_and_volumes_mirrored(seed: int) -> None:
    problem, rng = drawn(seed, odd=True), np.random.default_rng(seed)
    count = problem.votes.ndim - 1
    raters, axes = rng.permutation(len(problem.votes)), rng.permutation(count)
    flipped = tuple(int(axis) for axis in np.flatnonzero(rng.random(count) < 0.5))

    def turned(one: Array) -> Array:
        return np.flip(one.transpose(axes), flipped)

    spacing = tuple(3 * problem.options["spacing_mm"][axis] for axis in axes)
    roi = problem.options["roi"]
    other = problem.moved(turned, spacing_mm=spacing, roi=roi if isinstance(roi, str) else 3 * roi)
    straight, turned_one = problem.fused(), replace(other, votes=other.votes[raters]).fused()
    np.testing.assert_allclose(turned_one.probability, turned(straight.probability), rtol=0, atol=1e-8)
    for name in PER_RATER:
        before = getattr(straight, name)[raters]
        np.testing.assert_allclose(getattr(turned_one, name), before, rtol=1e-8, atol=1e-8, err_msg=name)
    assert_close(turned_one, straight, ("prior", "log_likelihood"), 1e-8)


@pytest.mark.parametrize("seed", SEEDS)
def test_foreground_for_background(seed: int) -> None:
    """Sensitivity is specificity, and PPV is NPV."""
    problem = drawn(seed)
    options = dict(problem.options)
    options["roi"] = options["roi"] if isinstance(options["roi"], str) else "all"  # a margin is around marks
    straight = Drawn(problem.votes, problem.method, options).fused()
    beta, prior = options["performance_prior"], options["prior"]
    if beta is not None and np.ndim(beta) == 2:
        options["performance_prior"] = beta[::-1]
    options["prior"] = prior if isinstance(prior, str) else 1 - prior
    swapped = Drawn(1 - problem.votes, problem.method, options)
    if Drawn(problem.votes, problem.method, options).is_certain:
        return
    found, inside = swapped.fused(), problem.inside
    if ended_apart(
        found, replace(straight, sensitivity=straight.specificity, specificity=straight.sensitivity)
    ):
        return
    np.testing.assert_allclose(found.probability[inside], 1 - straight.probability[inside], rtol=0, atol=1e-8)
    for one, other in (("sensitivity", "specificity"), ("ppv", "npv")):
        np.testing.assert_allclose(getattr(found, one), getattr(straight, other), rtol=0, atol=1e-8)
        np.testing.assert_allclose(getattr(found, other), getattr(straight, one), rtol=0, atol=1e-8)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_lies_outside_the_mask_and_how_votes_lie_in_memory(seed: int) -> None:
    problem, rng = drawn(seed), np.random.default_rng(seed)
    wide = [(2, 2)] * (problem.votes.ndim - 1)  # an even number of voxels: the same checkerboard
    junk = rng.choice([np.nan, 7.0, 0.3, 1.0])

    def padded(one: Array) -> Array:
        fill = False if one.dtype == bool else 0.5
        return np.asfortranarray(np.pad(one, wide, constant_values=fill))

    whole = problem.moved(padded, mask=problem.inside)
    outside = ~np.pad(np.ones(problem.inside.shape, bool), wide)
    whole.votes[:, outside] = junk
    whole.votes = whole.votes.astype(">f8" if seed % 2 else "f8")
    straight, found = problem.fused(), whole.fused(threads=2)
    np.testing.assert_allclose(found.probability[~outside], straight.probability.ravel(), rtol=0, atol=1e-9)
    assert not found.probability[outside].any()
    assert_close(found, straight, ("prior", "n_voxels", "log_likelihood", *PER_RATER))
    for threads in (1, 3):
        np.testing.assert_array_equal(whole.fused(threads=threads).probability, found.probability)
