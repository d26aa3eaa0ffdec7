"""A fusion of soft votes of several labels: place the votes, check them, choose the route, estimate, answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....errors import said
from ....inputs.arrays import Array, as_companion, axes_in_memory_order, coordinates, named_raters
from ....inputs.checks import check_dtype
from ....inputs.in_memory import check_in_memory
from ....inputs.names import counted
from ....inputs.threads import remarks_on_threads
from ...backends import soft_labels as core
from ...backends.soft_labels import CoreVotes, SoftConsensus
from ...case import Case, InMemory, spacing_for
from ...doubts.copies import equal_in_case
from ...messages import Complaint
from ...options import Options
from ...pipeline import fuse_votes
from ...prior_map import said_of_clamped
from ...registry import method_called
from ...votes import Votes
from ..chosen import Labels, checked_labels
from ..fuse import core_options, fusion_of, labels_of_masks
from ..options import BACKGROUND, LabelMethod, LabelOptions, check_order
from ..prior_map import is_prior_map, named_priors, prior_volumes
from ..prior_map import sentence as wrong_prior
from ..readers import Readers
from ..region import within_region
from ..remarks import remarks_on, remarks_on_copies
from ..result import LabelFusion, same_undecided
from .given import Given, read_raters
from .kinds import as_kinds

MOST_TERMS = float(1 << 28)  # tuples of labels that an iteration sums over
STEPS = 24  # by how many doublings a truncation may rise
LEAST = 1e-6  # the truncation that follows on 0


@dataclass(frozen=True, eq=False)
class SoftCase:
    """Soft votes of one shape.

    Attributes
    ----------
    case : Case
        All except the votes; its arrays are of the volume's shape.
    raters : list of Given
        The votes of those who read the case; empty where all are label maps.
    labels : Labels
    prior : list of ndarray
        The map of each label; empty if the prior is the same everywhere.
    """

    case: Case
    raters: list[Given]
    labels: Labels
    prior: list[Array] = field(default_factory=list)

    def beside(self) -> InMemory:
        """Return what lies beside the votes, its axes in the order of memory."""
        return self.case.in_memory_order()

    def in_order(self, array: Array) -> Array:
        """Return an array with its axes in the order of memory."""
        return array.transpose(self.case.axes)

    def on_grid(self, missing: str) -> CoreVotes:
        """Return the votes voxel by voxel."""
        arrays = [[self.in_order(one) for one in given.classes or [given.first]] for given in self.raters]
        kinds = [given.kinds for given in self.raters]
        prior = [self.in_order(one) for one in self.prior]
        return core.votes_of(len(self.labels.values), arrays, kinds, self.beside(), missing, prior)

    def within_region(self, options: LabelOptions) -> SoftCase:
        """Return the same with a mask that ends a margin beyond what anybody marks, if the region is a margin."""
        ground = self.labels.values.index(BACKGROUND) if BACKGROUND in self.labels.values else -1
        marked = (given.marks(ground) for given in self.raters)
        return replace(self, case=within_region(self.case, marked, self.labels, options))

    def same(self, one: int, other: int) -> bool:
        """Tell whether the raters at two places hold the same votes."""
        first, second = (self.case.given.places.index(place) for place in (one, other))
        if self.raters:
            return self.raters[first].same_as(self.raters[second], self.case.mask)
        return equal_in_case(self.case, None, one, other)

    @property
    def prior_title(self) -> str:
        """What messages call the map of priors."""
        return self.case.titles["prior"]

    def tabulated(self, raters: Sequence[Given], threads: int) -> CoreVotes:
        """Return votes that are all maps of codes as a table."""
        maps = [self.in_order(given.first) for given in raters]
        kinds = [given.kinds for given in raters if given.kinds is not None]
        return core.tabulated(len(self.labels.values), maps, kinds, self.beside(), threads)


def fuse_soft_votes(
    votes: Votes, method: LabelMethod, labels: Any, options: LabelOptions, axes: int
) -> tuple[LabelFusion, list[str]]:
    """Return the fusion of listed soft votes, whose volumes have so many axes, and what makes it doubtful."""
    if method == "staple":
        raise ValueError(
            "raters hold soft votes: staple takes label maps; soft_staple and simplified_soft_staple take soft votes"
        )
    soft = _placed(votes, labels, options, axes)
    same_undecided(options.undecided, soft.labels)
    options = options.checked()
    options.check_method(method)
    check_order(options.prior, labels)
    options.check_no_intervals("soft votes of labels")
    with refusals_explained(soft):
        if len(soft.labels.values) == 2 and options.are_binary():
            return _as_binary(soft, method, options)
        core_votes = _routed(soft, method, options)
    fusion, remarks = estimated(soft, core_votes, method, options, _model(method, options), options.m_step)
    return fusion, remarks + _on_truncation(fusion, options)


def estimated(
    soft: SoftCase, votes: CoreVotes, method: LabelMethod, options: LabelOptions, model: str, m_step: str
) -> tuple[LabelFusion, list[str]]:
    """Run EM; return the fusion, and what makes it doubtful."""
    options.check_no_intervals("soft votes of labels, and label maps with a map of priors,")
    case, readers = soft.case, Readers.of(soft.case)
    with refusals_explained(soft):
        survey = core.survey(votes, options.threads)
        asked = core_options(method, options, soft.labels, survey["volume"], survey["voxels"], readers)
        made = core.estimate(votes, asked, model, m_step)
    consensus = SoftConsensus(
        votes,
        made,
        soft.labels.values,
        case.shape,
        case.axes,
        check_dtype(case.votes.dtype),
        case.given.names,
    )
    fusion = fusion_of(made.found, survey["volume"], consensus, method, soft.labels, options, readers)
    fusion = replace(
        fusion,
        truncation=votes.truncation,
        most_dropped=survey["most_dropped"],
        mean_dropped=survey["mean_dropped"],
    )
    clamped = counted(int(survey["clamped"]), "voxel")
    on_prior = [said_of_clamped(clamped, soft.prior_title)] if survey["clamped"] else []
    soft_votes = not all(given.is_certain for given in soft.raters)
    copies = remarks_on_copies(fusion, soft.same, case.votes.files)
    remarks = remarks_on(fusion, options, case.given.places, soft=soft_votes)
    return fusion, [*case.remarks, *copies, *on_prior, *remarks, *remarks_on_threads()]


def _model(method: LabelMethod, options: LabelOptions) -> str:
    by_method = {"majority": "mean", "soft-staple": "enumeration"}
    return by_method.get(method, options.likelihood)


def _placed(votes: Votes, asked: Any, options: LabelOptions, axes: int) -> SoftCase:
    """Return the votes on one grid, the labels in ascending order."""
    chosen = checked_labels(asked)
    if chosen is None:
        chosen = Labels(tuple(range(_channels(votes, axes))))
        given_order = list(chosen.values)
    else:
        given_order = [int(label) for label in asked]
    order = [given_order.index(value) for value in chosen.values]
    mask = None
    if votes.mask is not None:
        mask = as_companion(votes.mask, "mask", _volume_shape(votes, axes))
    found = read_raters(votes, chosen, order, axes, mask, options.missing)
    raters = [one for one in found if one is not None]
    proxies = [None if one is None else np.broadcast_to(np.uint8(0), one.shape) for one in found]
    case = _case(votes, proxies, options, axes_in_memory_order(raters[0].first))
    maps: list[Array] = []
    if is_prior_map(options.prior):
        maps = prior_volumes(options.prior, chosen, asked, case.shape)
        beside = check_in_memory([("mask", votes.mask), *named_priors(options.prior)])
        case = replace(case, remarks=[*case.remarks, *beside])
    return SoftCase(case, raters, chosen, maps).within_region(options)


def _case(votes: Votes, proxies: list[Any], options: LabelOptions, axes: Sequence[int]) -> Case:
    """Return what lies beside the votes, with arrays in the place of the votes that hold nothing."""
    placed = options.of_case()
    margin = placed.margin_mm is not None
    if margin and placed.spacing_mm is None:  # images tell it
        named = [*named_raters(votes.raters), ("mask", votes.mask), *named_priors(options.prior)]
        placed = replace(placed, spacing_mm=spacing_for(placed, named))
    case = Case.of(replace(votes, raters=proxies, are_listed=True), placed)
    sides = [case.spacings[list(case.axes).index(axis)] for axis in range(len(axes))]
    return replace(case, axes=axes, spacings=[sides[axis] for axis in axes])


def _channels(votes: Votes, axes: int) -> int:
    sizes = [np.shape(one)[0] for one in votes.raters if one is not None and np.ndim(one) == axes + 1]
    if not sizes:
        raise ValueError("labels is 'all': with rings alone, give the labels, as labels=[0, 1, 2]")
    return int(sizes[0])


def _volume_shape(votes: Votes, axes: int) -> tuple[int, ...]:
    first = next(one for one in votes.raters if one is not None)
    return tuple(int(side) for side in np.shape(getattr(first, "ring", first))[-axes:])


def _routed(soft: SoftCase, method: LabelMethod, options: LabelOptions) -> CoreVotes:
    """Return the votes as tuples of codes where they have few values, else voxel by voxel."""
    in_codes = all(given.kinds is not None for given in soft.raters)
    if in_codes and not soft.prior:
        found = soft.tabulated(soft.raters, options.threads)
    else:
        found = soft.on_grid(options.missing)
        if method != "soft-staple":
            return found
        core.survey(found, options.threads)  # checks the votes
        mask = None if soft.case.mask is None else np.asarray(soft.case.mask != 0)
        kinds = [as_kinds(given, mask) for given in soft.raters]
        if all(kinds) and not soft.prior:
            found = soft.tabulated([given for given in kinds if given is not None], options.threads)
        elif not all(kinds) and options.truncation is None:
            name = soft.case.given.names[kinds.index(None)]
            raise ValueError(
                f"{name} holds probabilities of many values: the exact expectation of soft_staple goes through all tuples of "
                "labels at every voxel; simplified_soft_staple is exact for its own likelihood and fast; or give truncation=0.01"
            )
    if method == "soft-staple":
        found.truncation = _truncation(found, options)
    return found


def _truncation(votes: CoreVotes, options: LabelOptions) -> float:
    """Return the truncation that was asked for, or the next one that keeps to the budget of terms."""
    asked = options.truncation or 0.0
    steps = [asked, *(max(asked, LEAST) * 2.0**step for step in range(1, STEPS))]
    steps = [*(step for step in steps if step < 0.5), 0.5]
    terms = core.count_terms(votes, steps, options.threads)
    if terms[0] > MOST_TERMS and options.truncation is None:
        raise ValueError(
            f"soft_staple would sum over {terms[0]:.2g} tuples of labels in each iteration: simplified_soft_staple needs none; "
            "or give truncation=0.01"
        )
    return next(
        step for step, number in zip(steps, terms, strict=True) if number <= MOST_TERMS or step == 0.5
    )


def _on_truncation(fusion: LabelFusion, options: LabelOptions) -> list[str]:
    if options.truncation is None or fusion.truncation <= options.truncation:
        return []
    said = (
        f"truncation is {options.truncation:g}: it leaves more than {MOST_TERMS:.2g} tuples of labels, so it was raised to "
        f"{fusion.truncation:.3g}; probabilities are off by up to {fusion.most_dropped:.2g}, {fusion.mean_dropped:.2g} on average"
    )
    return [said]


def _as_binary(soft: SoftCase, method: LabelMethod, options: LabelOptions) -> tuple[LabelFusion, list[str]]:
    """Fuse two labels as votes for the larger one: the same bits as without ``labels``."""
    case = soft.case
    core.survey(soft.on_grid(options.missing), options.threads)  # checks the votes
    upper = iter([_upper(given) for given in soft.raters])
    read = set(case.given.places)
    raters = [next(upper) if i in read else None for i in range(case.given.count)]
    names: dict[str, Any] = {"missing": options.missing, "threads": options.threads}
    if method != "majority":
        names |= {"m_step": options.m_step, "tol": options.tol, "max_iter": options.max_iter}
        names |= {"prior": options.prior_of_larger(soft.labels, soft.prior)}
        names |= {"acceleration": options.acceleration}
    if method == "simplified-soft-staple":
        names |= {"likelihood": options.likelihood}
    votes = replace(case.votes, raters=raters, doubts=(), are_listed=True)
    fusion, remarks = fuse_votes(votes, method_called(method), Options(**names))
    volume = np.stack([fusion.n_read - fusion.volume, fusion.volume], axis=-1)
    return labels_of_masks(fusion, votes, case, soft.labels, volume), [*case.remarks, *remarks]


def _upper(given: Given) -> NDArray[Any]:
    """Return the votes for the larger label."""
    if given.kinds is None or given.codes is None:
        return given.classes[1]
    codes = given.codes
    if codes.dtype.kind != "f":
        return np.asarray(given.kinds[codes, 1].astype(np.float32))
    gone = np.isnan(codes)
    votes = given.kinds[np.where(gone, 0, codes).astype(np.intp), 1]
    return np.where(gone, np.nan, votes).astype(np.float32)


@contextmanager
def refusals_explained(soft: SoftCase) -> Iterator[None]:
    """Raise what the core refuses as sentences."""
    case = soft.case
    try:
        yield
    except core.BadInput as bad:
        kind, rater, voxel, value = bad.args
        given = case.given
        if kind in ("prior", "prior_sum"):
            place = str(coordinates(voxel, case.shape, case.axes))
            called, title = soft.labels.called, soft.prior_title
            prior = soft.prior[max(rater, 0)]
            raise ValueError(
                said(wrong_prior(kind, rater, value, place, called, title, prior, case.mask))
            ) from None
        complaint = Complaint(
            kind, rater, voxel, value, given.arrays, case.mask, case.axes, given.names, case.titles
        )
        votes = []
        if rater >= 0:
            place_of_votes = coordinates(voxel, case.shape, case.axes)
            votes = [float(one[place_of_votes]) for one in soft.raters[rater].classes]
        raise ValueError(said(core.sentence(complaint, votes))) from None
