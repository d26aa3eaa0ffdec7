"""The ways to a consensus that are compared, and what each makes of the masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray

from ..errors import FastfuseError
from ..fusion.of_raters.mean_dice import best_patterns
from ..fusion.option_checks import FEWEST_OF_CLASSES
from ..fusion.result import Fusion
from .problem import Mask, Problem
from .shapes import shape_average
from .simple import simple

BORDER_TOL = 1e-4
FEWEST_OF_LEVELS = 3
SHEARED = "needs axes at right angles"


@dataclass(frozen=True, eq=False)
class Made:
    """A mask, and the probability it was cut from, if there is one.

    Attributes
    ----------
    label : ndarray of bool
    probability : ndarray or None
    log_likelihood : float
        Of the marks, in nats a marked voxel, where the fusion tells it; nan otherwise.
    remarks : list of str
    fusion : Fusion or None
        What it was made of, if that tells the raters' performance.
    """

    label: Mask
    probability: NDArray[Any] | None = None
    log_likelihood: float = float("nan")
    remarks: list[str] = field(default_factory=list)
    fusion: Fusion | None = None


@dataclass(frozen=True)
class Way:
    """One way to a consensus.

    Attributes
    ----------
    method : str
        What tables call it.
    prior : str
        "mean" or "estimate"; "" without one.
    make : callable
        Makes the consensus of a problem.
    lacks : str
        Why there is none for this problem; "" where there is one.
    """

    method: str
    prior: str
    make: Callable[[Problem], Made]
    lacks: str = ""


def ways_for(problem: Problem) -> Iterator[Way]:
    """Yield all ways, those for which the problem lacks something included."""
    yield Way("mean vote", "", lambda one: _cut(one.fuse("majority", everywhere=True)))
    yield Way("mean vote, Dice's cut", "", lambda one: _cut(one.fuse("majority", everywhere=True), "dice"))
    yield Way("mean-Dice mask", "", _mean_dice)
    yield Way("SIMPLE", "", _simple)
    yield Way("shape-based average", "", _shapes, "" if problem.upright else SHEARED)
    if problem.margin is not None:
        yield Way("staple, no margin", "mean", lambda one: _unfitted(one.fuse("staple", everywhere=True)))
    yield Way("staple", "mean", lambda one: _cut(one.fuse("staple", prior="mean")))
    yield Way("staple", "estimate", lambda one: _cut(one.fuse("staple", prior="estimate")))
    few = f"needs {FEWEST_OF_CLASSES} raters" if problem.raters < FEWEST_OF_CLASSES else ""
    yield Way("staple, three classes", "", lambda one: _cut(one.fuse("staple", classes=3)), few)
    yield from _of_softened(problem)
    yield from _of_levels(problem)


def _of_softened(problem: Problem) -> Iterator[Way]:
    """Yield the methods whose masks, or consensus, grow on an image; of masks alone, soft votes are STAPLE's."""
    lacks = "" if problem.image is not None else "needs an image"
    if not lacks and len(problem.shape) != 3:
        lacks = "grows in three dimensions"
    for method in ("soft-staple", "simplified-soft-staple"):
        for prior in ("mean", "estimate"):

            def make(one: Problem, method: str = method, prior: str = prior) -> Made:
                made = _unfitted(one.fuse(method, votes=[soft.values for soft in one.softened], prior=prior))
                return replace(made, remarks=made.remarks + one.doubts(one.softened))

            yield Way(method, prior, make, lacks)
    yield Way("dilated-staple", "mean", _dilated, lacks)


def _of_levels(problem: Problem) -> Iterator[Way]:
    few = f"needs {FEWEST_OF_LEVELS} raters" if problem.raters < FEWEST_OF_LEVELS else ""
    lacks = few or ("" if problem.image is not None else "needs an image")
    lacks = lacks or ("" if problem.upright else SHEARED)
    kinds: list[tuple[str, dict[str, Any], str]] = [
        ("border-staple", {}, few),
        ("border-staple, image", {"with_image": True}, lacks),
        ("border-staple, evidence", {"with_image": True, "evidence": True}, lacks),
    ]
    for title, options, missing in kinds:

        def make(one: Problem, options: dict[str, Any] = options) -> Made:
            return _cut(one.fuse("border-staple", tol=BORDER_TOL, **options))

        yield Way(title, "", make, missing)


def made_by(way: Way, problem: Problem) -> Made | str:
    """Return what a way makes; why not, where it cannot."""
    if way.lacks:
        return way.lacks
    try:
        return way.make(problem)
    except (
        ValueError,
        FastfuseError,
    ) as error:  # the votes are checked: it is this way that does not take them
        return str(error)


def _cut(fused: tuple[Fusion, list[str]], cut: Any = 0.5) -> Made:
    """Return the consensus of a fusion."""
    fusion, remarks = fused
    fit = fusion.own_fit
    of_model = None if fit is None or fit.used is None else fit.models.get(fit.used)
    told = float("nan") if of_model is None else float(of_model.log_likelihood_per_mark)
    return Made(fusion.label(cut) != 0, fusion.probability, told, remarks, fusion)


def _unfitted(fused: tuple[Fusion, list[str]]) -> Made:
    """Return the same without a likelihood, where that is of other voxels, or of other votes, than the rest's."""
    return replace(_cut(fused), log_likelihood=float("nan"))


def _mean_dice(one: Problem) -> Made:
    patterns, counts, _ = one.patterns
    return Made(one.on_marks(best_patterns(patterns, counts)) if len(counts) else one.anywhere)


def _simple(one: Problem) -> Made:
    patterns, counts, _ = one.patterns
    share = one.on_marks(simple(patterns, counts).share)
    return Made((share >= 0.5) & one.anywhere, share)


def _shapes(one: Problem) -> Made:
    average = shape_average(one.masks, one.sides or [1.0] * len(one.shape))
    return Made(average if one.mask is None else average & one.mask)


def _dilated(one: Problem) -> Made:
    staple = _cut(one.fuse("staple"))
    soft = one.guide.dilate(staple.label, "the consensus")
    remarks = staple.remarks + one.doubts([soft])
    return Made(soft.values >= 0.5, soft.values, staple.log_likelihood, remarks, staple.fusion)
