"""``compare``: every way to a consensus in one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..dilation.guide import check_order
from ..errors import warn
from ..evaluation.evaluate import marked_in, on_nothing
from ..evaluation.options import CUT
from ..fusion.declared import documented
from ..fusion.options import Options
from ..fusion.result import divided
from ..fusion.votes import ENTRIES, Votes
from ..inputs.arrays import as_companion
from ..inputs.checks import Labels, Scale, check_margin
from ..inputs.foreground import Foreground
from ..inputs.in_memory import check_in_memory
from ..inputs.kinds import RatersLike, Sides, VoxelsLike
from ..inputs.names import counted, listed_names
from .problem import Mask, Problem
from .scores import Scores, scores_of
from .ways import Made, Way, made_by, ways_for

ADVICE = "give it as a mask (binarize=True, --binarize, counts whatever is above 0), as of a label map image == K ('fastfuse fuse FILE --select-label K --method majority -o TRUTH.nii.gz')"
SURELY = (0.1, 0.9)  # what lies between is in doubt
Say = Callable[[str], None]
Region = Literal["all"] | float


@dataclass(frozen=True)
class Consensus:
    """One way to a consensus, by :func:`compare`.

    Attributes
    ----------
    method : str
    prior : str
        "mean" or "estimate"; "" for a method that has none.
    voxels : int
        Of its mask: what has at least 0.5, unless the method says otherwise.
    doubtful : int or None
        Voxels whose probability lies between 0.1 and 0.9; None for a method that gives a mask alone.
    log_likelihood : float
        ln p of the marks under the method's model, in nats a voxel that anybody marks, as in :attr:`Fusion.fit`; nan for a
        method without one, and of other votes or another region. Only differences tell something.
    scores : Scores
        Against the truth; all nan without one.
    """

    method: str
    prior: str
    voxels: int
    doubtful: int | None
    log_likelihood: float
    scores: Scores

    @property
    def title(self) -> str:
        """Method and prior."""
        return f"{self.method}, prior {self.prior}" if self.prior else self.method


@dataclass(frozen=True, eq=False)
class Comparison:
    """Every way to a consensus of the same masks, by :func:`compare`.

    Attributes
    ----------
    ways : tuple of n Consensus
    dice : ndarray of float64, shape (n, n)
        Dice's coefficient of each two masks; nan where both are empty.
    disputed : int
        Voxels on which raters differ.
    differing : int
        Voxels on which the ways' masks differ.
    region : int
        Voxels of the region that is fused.
    truth : int or None
        Voxels of the truth inside the mask; None without one.
    voxel_ml : float
        Volume of a voxel; nan where nothing tells it.
    left_out : dict of str to str
        Methods that could not be used here, and why.
    names : tuple of m str
        What the raters are called.
    """

    ways: tuple[Consensus, ...]
    dice: NDArray[np.float64]
    disputed: int
    differing: int
    region: int
    truth: int | None
    voxel_ml: float
    left_out: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()

    def __repr__(self) -> str:
        label = max((len(way.title) for way in self.ways), default=0)
        scored = self.truth is not None
        rows = [
            f"  {way.title:{label}}  {way.voxels:>9,}" + (f"  {way.scores.dice:.4f}" if scored else "")
            for way in self.ways
        ]
        head = (
            f"Comparison({counted(len(self.names), 'rater')}, {len(self.ways)} ways, {self.disputed:,} voxels disputed; "
            f"voxels of each mask{' and its Dice with the truth' if scored else ''})"
        )
        return "\n".join([head, *rows])


@documented(ENTRIES)
def compare(
    raters: RatersLike,
    image: VoxelsLike | None = None,
    *,
    truth: VoxelsLike | None = None,
    axis: int | None = None,
    mask: VoxelsLike | None = None,
    roi: Region = 4.0,
    spacing_mm: Sides | None = None,
    threads: int = 0,
    select_label: Labels = None,
    binarize: bool = False,
    threshold: float | None = None,
    scale: Scale = None,
    names: Sequence[str] | None = None,
) -> Comparison:
    """Make every consensus of the same masks, and hold each against the others, and against a truth.

    STAPLE comes with both priors, and without the margin, as ITK has it; with an image come border-STAPLE's anchor and
    evidence, and the methods whose masks grow (:func:`soften`, by its defaults). The mean vote is cut at 0.5 and for Dice;
    SIMPLE and shape-based averaging are here for comparison alone. The smoothed mean vote as prior, which counts the votes
    twice, is left out.

    Parameters
    ----------
    image : array_like of the raters' shape, optional
        Image on which foreground is bright.
    truth : array_like of the raters' shape, optional
        What is true: 0 and 1, or what ``select_label`` or ``binarize`` takes of it. For the log score probabilities are
        kept 0.001 away from 0 and 1: a voxel costs at most 6.9.
    roi : {"all"} or float, default 4.0
        Where to fuse, inside the mask: a margin in mm around what anybody marks, or all.
    {options}

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError, TypeError
        As :func:`staple`; for one rater alone, votes other than 0 and 1, and missing votes.
    GridError
        If images lie on different grids.

    Warns
    -----
    FusionWarning
        As :func:`staple`, of the masks and of each method, which is named before what is said of it.

    Examples
    --------
    >>> import fastfuse
    >>> masks = [[0, 1, 1, 1, 0], [0, 0, 1, 1, 0], [0, 1, 1, 1, 1]]
    >>> found = fastfuse.compare(masks, roi="all", spacing_mm=[1.0], truth=[0, 1, 1, 1, 0])
    >>> [(way.method, way.voxels) for way in found.ways][:3]
    [('mean vote', 3), ("mean vote, Dice's cut", 3), ('mean-Dice mask', 3)]
    """
    called = listed_names(names)
    options = Options(
        spacing_mm=spacing_mm, threads=threads, select_label=select_label, binarize=binarize,
        threshold=threshold, scale=scale,
    ).checked()  # fmt: skip
    margin = margin_of(roi)
    check_order(raters, image, "compare")
    votes = Votes(raters, mask, axis=axis, names=called, image=image).listed()
    remarks = [] if truth is None else check_in_memory([("truth", truth), ("rater 0", votes.raters[0])])
    found, doubts = comparison_of(votes, options, margin, truth, called, options.foreground)
    warn([*remarks, *doubts])
    return found


def margin_of(roi: Any) -> float | None:
    """Return the margin of the region in mm; None for all."""
    if isinstance(roi, str) and roi == "all":
        return None
    if roi is None or isinstance(roi, str):
        raise ValueError(f"roi is {roi!r}: it must be 'all' or a margin in mm of at least 0")
    return check_margin(roi)


def comparison_of(
    votes: Votes,
    options: Options,
    margin: float | None,
    truth: Any,
    called: Sequence[str] | None,
    of_truth: Foreground,
    truth_name: str = "truth",
    say: Say = lambda _: None,
    *,
    upright: bool = True,
) -> tuple[Comparison, list[str]]:
    """Return the comparison of votes, and what makes it doubtful; ``of_truth``: what of the truth is foreground.

    ``upright``: whether axes are at right angles, as distances in mm need.
    """
    problem, remarks = Problem.of(votes, options, margin, called, upright=upright)
    true = None if truth is None else _truth(truth, truth_name, problem, of_truth, remarks)
    ways: list[Consensus] = []
    labels: list[NDArray[np.uint8]] = []
    left_out: dict[str, str] = {}
    said: dict[str, list[str]] = {}
    fusions = 0
    for way in ways_for(problem):
        say(way.method)
        made = made_by(way, problem)
        if isinstance(made, str):
            left_out[way.method] = made
            continue
        row = _row(way, made, true, problem)
        fusions += made.fusion is not None
        for remark in made.remarks:
            said.setdefault(remark, []).append(row.title)
        ways.append(row)
        labels.append(np.packbits(made.label))
    remarks += _by_method(said, fusions, remarks)
    sides = problem.sides
    return (
        Comparison(
            ways=tuple(ways),
            dice=_dice(labels),
            disputed=_differing([np.packbits(mask) for mask in problem.masks]),
            differing=_differing(labels),
            region=int(np.count_nonzero(problem.near)),
            truth=None if true is None else int(np.count_nonzero(true)),
            voxel_ml=float(np.prod(sides)) / 1000 if sides and len(sides) == 3 else float("nan"),
            left_out=left_out,
            names=tuple(problem.names),
        ),
        remarks,
    )


def _truth(truth: Any, name: str, problem: Problem, foreground: Foreground, remarks: list[str]) -> Mask:
    """Return the truth inside the mask."""
    array = as_companion(truth, name, problem.shape)
    chosen = Foreground(labels=foreground.labels, binarize=foreground.binarize)
    votes = chosen.votes(array, name, inside=problem.mask, remarks=remarks)
    marked = marked_in(votes, name, CUT, problem.mask, ADVICE)
    soft = (votes > 0) & (votes < 1)
    if problem.mask is not None:
        soft &= problem.mask
    if soft.any() and not marked.any():
        remarks.append(
            f"{name}: its highest value is {votes[soft].max():.3g}, and so none reaches the cut {CUT:g}: it is taken as empty; "
            "binarize=True (--binarize) takes all that is above 0, of the raters too"
        )
    elif not marked.any():
        remarks += on_nothing(array, votes, name, chosen, CUT, problem.mask)
    elif soft.any():
        remarks.append(
            f"{name}: {counted(int(np.count_nonzero(soft)), 'voxel')} with values between 0 and 1: what is at least {CUT:g} is taken as true"
        )
    return marked


def _by_method(said: Mapping[str, Sequence[str]], fusions: int, known: Sequence[str]) -> list[str]:
    """Return what is said of the methods, each with those that it is said of, unless these are all of the fusions."""
    return [
        remark if len(titles) == fusions else f"{'; '.join(titles)}: {remark}"
        for remark, titles in said.items()
        if remark not in known
    ]


def _row(way: Way, made: Made, truth: Mask | None, problem: Problem) -> Consensus:
    p = made.probability
    low, high = SURELY
    return Consensus(
        way.method,
        way.prior,
        int(np.count_nonzero(made.label)),
        None if p is None else int(np.count_nonzero((p > low) & (p < high))),
        made.log_likelihood,
        Scores() if truth is None else scores_of(made.label, p, truth, problem.near),
    )


def _dice(labels: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """Return the Dice of each two masks, packed to bits."""
    both = np.array([[_count(one & other) for other in labels] for one in labels], np.float64)
    sizes = np.diagonal(both)
    return divided(2 * both, sizes[:, None] + sizes)


def _differing(labels: Sequence[NDArray[np.uint8]]) -> int:
    """Return on how many voxels masks, packed to bits, are not all alike."""
    return _count(np.bitwise_or.reduce(labels) & ~np.bitwise_and.reduce(labels))


def _count(packed: NDArray[np.uint8]) -> int:
    return int(BITS[packed].sum(dtype=np.int64))


BITS = np.array([(byte).bit_count() for byte in range(256)], np.uint8)
