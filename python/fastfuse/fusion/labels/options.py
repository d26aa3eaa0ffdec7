"""The options of a fusion of label maps, checked against its raters and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ...errors import said
from ...inputs.checks import check_choice, check_count, check_number, check_roi, check_tolerance, whole_number
from ...inputs.kinds import Sides
from ...inputs.names import counted, enumerated, quoted
from ..option_checks import check_intervals
from ..options import Acceleration, IntervalKind, Likelihood, Missing, MStep, Options
from ..prior_map import LEAST
from .chosen import Labels
from .declared import SHARED, AskedLabels, Candidates, ConfusionModel, Knows, LabelInit
from .prior_map import is_prior_map, of_larger

LabelMethod = Literal["staple", "majority", "soft-staple", "simplified-soft-staple"]

OF_MEAN_LABEL = 0.05  # of the mean voxels of a foreground label: the belief of performance_prior "auto"
ON_DIAGONAL = 0.9
BACKGROUND = 0
WORDS = {
    "init": LabelInit,
    "candidates": Candidates,
    "confusion": ConfusionModel,
    "missing": Missing,
    "acceleration": Acceleration,
    "intervals": IntervalKind,
    "m_step": MStep,
    "likelihood": Likelihood,
}
ROUNDING = 1e-6  # by which a prior's sum may miss 1


@dataclass(frozen=True)
class LabelOptions:
    """The options of a fusion of label maps; "auto" where the default depends on the number of labels."""

    init: LabelInit = "auto"
    candidates: Candidates = "auto"
    confusion: ConfusionModel = "full"
    prior: Any = "mean"
    performance_prior: Any = "auto"
    knows: Knows = field(default_factory=dict)
    weights: Sequence[float] | None = None
    undecided: int | None = None
    roi: Any = "all"
    spacing_mm: Sides | None = None
    m_step: MStep = "paper"
    likelihood: Likelihood = "mixture"
    truncation: float | None = None
    decisions: Any = None  # an array of labels, see decisions.py
    missing: Missing = "error"
    tol: float = 1e-7
    max_iter: int = 1000
    acceleration: Acceleration = "none"
    intervals: IntervalKind = "none"
    replicates: int = 200
    seed: int = 0
    threads: int = 0

    @classmethod
    def of(cls, options: Options, asked: AskedLabels) -> LabelOptions:
        """Take those of all fusions, and what is asked of label maps beside them."""
        shared = {name: getattr(options, name) for name in SHARED}
        return cls(
            **shared,
            candidates=asked.candidates,
            confusion=asked.confusion,
            knows={} if asked.knows is None else asked.knows,
            weights=asked.weights,
            undecided=asked.undecided,
            m_step=options.m_step,
            likelihood=options.likelihood,
            truncation=asked.truncation,
        )

    def checked(self) -> LabelOptions:
        """Check what can be checked without the votes."""
        for name, kind in WORDS.items():
            check_choice(getattr(self, name), name, get_args(kind))
        undecided = None if self.undecided is None else whole_number(self.undecided, "undecided")
        if not isinstance(self.knows, Mapping):
            raise TypeError(f"knows is {quoted(self.knows)}: it must map raters to the labels that they know")
        if self.intervals in ("information", "lesions"):
            raise ValueError(
                f"intervals is {quoted(self.intervals)}: label maps have those of 'bootstrap'; others are of masks, as of one label at "
                "a time by select_label in the place of labels"
            )
        checked = replace(
            self,
            undecided=undecided,
            roi=_checked_roi(self.roi),
            performance_prior=_checked_dirichlet(self.performance_prior),
            truncation=_checked_truncation(self.truncation),
            tol=check_tolerance(self.tol),
            max_iter=check_count(self.max_iter, "max_iter", least=1),
            replicates=check_count(self.replicates, "replicates", least=2),
            seed=check_count(self.seed, "seed", least=0),
            threads=check_count(self.threads, "threads", least=0),
        )
        check_intervals(checked.intervals, checked.replicates, checked.seed)
        return checked

    def check_no_intervals(self, what: str) -> None:
        """Refuse intervals; ``what`` has none."""
        if self.intervals != "none":
            raise ValueError(
                f"intervals is {quoted(self.intervals)}: {what} have none, as their votes hardly repeat; leave it out"
            )

    def of_case(self) -> Options:
        """Return what a case is placed by."""
        return Options(roi=self.roi, spacing_mm=self.spacing_mm, missing=self.missing, threads=self.threads)

    def are_binary(self) -> bool:
        """Tell whether the fusion of two labels is that of masks."""
        return (
            self.init in ("auto", "vote")
            and self.candidates in ("auto", "all")
            and self.confusion == "full"
            and self.performance_prior in (None, "auto")
            and not self.knows
            and self.weights is None
            and self.undecided is None
        )

    def candidates_of(self, labels: Labels) -> str:
        """Return which labels may be true at a voxel, by default as their number asks for."""
        if self.candidates == "auto":
            return "voted" if len(labels.values) > 2 else "all"
        return self.candidates

    def prior_of_larger(self, labels: Labels, maps: Sequence[NDArray[Any]] = ()) -> Any:
        """Return the prior of the larger of two labels, or the word for it; ``maps``: the priors of each label."""
        if maps:
            return of_larger(maps)
        given = prior_for(self.prior, labels)
        return given[1] if given else self.prior

    def check_method(self, method: LabelMethod) -> None:
        """Refuse options that the method does not have."""
        if method != "majority":
            if self.weights is not None:
                raise ValueError(
                    f"weights are given: {method} finds how much each rater counts; choose majority"
                )
            return
        plain = LabelOptions()
        for name in ("init", "candidates", "confusion", "prior", "performance_prior", "knows", "roi"):
            value = getattr(self, name)
            words = isinstance(value, str) or name != "prior"
            if not words or value != getattr(plain, name):
                raise ValueError(
                    f"{name} is {quoted(value)}: majority has no such option; leave it out, or choose staple"
                )


def _checked_roi(roi: Any) -> Any:
    """Return "all", or the margin in mm; refuse a region that has another name."""
    margin = check_roi(roi)
    if margin is None and roi != "all":
        raise ValueError(f"roi is {quoted(roi)}: label maps take a margin in mm, or 'all'")
    return roi if margin is None else margin


def _checked_truncation(truncation: float | None) -> float | None:
    if truncation is None:
        return None
    return check_number(truncation, "truncation", "a number in [0, 0.5]", lambda x: 0 <= x <= 0.5)


def _checked_dirichlet(prior: Any) -> Any:
    """Return "auto", None, or the belief in voxels and the share of it on the diagonal."""
    if prior is None or (isinstance(prior, str) and prior == "auto"):
        return prior
    what = (
        f"performance_prior is {quoted(prior)}: of label maps it must be 'auto', None, or (s, d): s voxels of belief, more than "
        "0, and the share d of them on the diagonal, from 0 to 1"
    )
    try:
        belief, diagonal = prior
        belief = check_number(belief, "s", "positive", lambda x: 0 < x <= 1e12)
        diagonal = check_number(diagonal, "d", "a share", lambda x: 0 <= x <= 1)
    except (TypeError, ValueError):
        raise ValueError(what) from None
    return belief, diagonal


def dirichlet_for(
    asked: Any, labels: Labels, volume: NDArray[np.float64], voxels: float, background: int = BACKGROUND
) -> tuple[float, float] | None:
    """Return the belief in voxels and the share of it on the diagonal; None for none."""
    if asked is None or isinstance(asked, tuple):
        return asked
    if len(labels.values) <= 2 or not volume.any():
        return None
    shares = volume.sum(axis=0) / volume.sum()
    foreground = [
        share for label, share in zip(labels.values, shares, strict=True) if label != background and share
    ]
    if not foreground:
        return None
    return OF_MEAN_LABEL * float(np.mean(foreground)) * voxels, ON_DIAGONAL


def start_of(options: LabelOptions, labels: Labels) -> str:
    """Return where EM starts, by default as the number of labels asks for."""
    if options.init == "auto":
        return "plurality" if len(labels.values) > 2 else "vote"
    return options.init


def prior_for(asked: Any, labels: Labels) -> list[float]:
    """Return the prior of each label; nothing for "mean", "estimate", and maps."""
    if isinstance(asked, str):
        check_choice(asked, "prior", ("mean", "estimate"), "a probability for each label")
        return []
    if is_prior_map(asked):
        return []
    if isinstance(asked, Mapping):
        codes = [labels.code(label, "prior") for label in asked]
        given = np.full(len(labels.values), np.nan)
        given[codes] = list(asked.values())
        if np.isnan(given).any():
            lacking = labels.called[int(np.isnan(given).argmax())]
            raise ValueError(f"prior has no probability for label {lacking}: give one for each label")
    else:
        given = _numbers(asked, "prior")
    if given.shape != (len(labels.values),):
        raise ValueError(
            f"prior has shape {given.shape}: with {counted(len(labels.values), 'label')} it must be 'mean', 'estimate' or "
            f"{counted(len(labels.values), 'probability')}, in the order {enumerated(labels.called)}"
        )
    if not (given >= 0).all() or abs(given.sum() - 1) > ROUNDING:
        raise ValueError(f"prior is {quoted(given)}: its entries must be probabilities that sum to 1")
    return [float(value) for value in given / given.sum()]


def check_order(prior: Any, labels: Any) -> None:
    """Refuse a probability for each of labels in another order than the ascending one: nobody knows in which they come."""
    if prior is None or isinstance(prior, (str, Mapping)) or isinstance(labels, str) or is_prior_map(prior):
        return
    given = list(labels)
    if given != sorted(given):
        raise ValueError(
            said(
                f"prior holds a probability for each label, and labels is {given}, not in ascending order: give a mapping of labels "
                "to probabilities (--prior K=P,K=P,...)"
            )
        )


def clamped(prior: list[float], volume: NDArray[np.float64]) -> list[float]:
    """Return a prior without zeros of labels that somebody votes: where all vote for one, nothing would be possible."""
    excluded = excluded_by(prior, volume)
    if not excluded:
        return prior
    given = [LEAST if code in excluded else share for code, share in enumerate(prior)]
    return [share / sum(given) for share in given]


def excluded_by(prior: Sequence[float], volume: NDArray[np.float64]) -> list[int]:
    """Return the codes of labels that somebody votes and a prior excludes."""
    return [code for code, share in enumerate(prior) if share == 0 and volume[:, code].any()]


def _numbers(values: Any, name: str) -> NDArray[np.float64]:
    """Return numbers as an array."""
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name} is {quoted(values)}: it must hold numbers") from None


def unknown_for(
    knows: Knows, labels: Labels, names: Sequence[str], volume: NDArray[np.float64]
) -> list[list[int]]:
    """Return the codes of the labels that each rater does not know; nothing where all know all."""
    if not knows:
        return []
    unknown: list[list[int]] = [[] for _ in names]
    places: set[int] = set()
    for rater, known in knows.items():
        place = _place_of(rater, names)
        if place in places:
            raise ValueError(f"knows names {names[place]} twice: give all their labels at once")
        places.add(place)
        codes = labels.codes(known, f"knows[{quoted(names[place])}]")
        unknown[place] = [code for code in range(len(labels.values)) if code not in codes]
        for code in unknown[place]:
            if volume[place, code]:
                or_none = "" if labels.values[code] == BACKGROUND else ", or set it to 0 in their map"
                raise ValueError(
                    f"{names[place]} holds label {labels.called[code]} at {counted(volume[place, code], 'voxel', '.0f')}: knows says that "
                    f"they do not know it; add it there{or_none}"
                )
    return unknown


def unknown_flags(
    knows: Knows, labels: Labels, names: Sequence[str], volume: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return which labels each rater does not know, shape (m, K)."""
    flags = np.zeros((len(names), len(labels.values)), bool)
    for of_rater, codes in zip(flags, unknown_for(knows, labels, names, volume), strict=False):
        of_rater[codes] = True
    return flags


def known_by_name(knows: Knows, names: Sequence[str]) -> Knows:
    """Return the labels that raters know by the raters' names."""
    return {names[_place_of(rater, names)]: known for rater, known in knows.items()}


def weights_for(weights: Sequence[float] | None, raters: int) -> list[float]:
    """Return the weight of each rater's vote; nothing where all count alike."""
    if weights is None:
        return []
    given = _numbers(weights, "weights")
    if given.shape != (raters,) or not (np.isfinite(given) & (given > 0)).all():
        raise ValueError(
            f"weights is {quoted(weights)}: it must hold a positive number for each of the {raters} raters"
        )
    with np.errstate(over="ignore"):
        scale = given.max() if np.isinf(given.sum()) else 1.0  # only their ratios count
    return [float(weight) for weight in given / scale]


def _place_of(rater: Any, names: Sequence[str]) -> int:
    if isinstance(rater, str):
        if rater not in names:
            raise ValueError(f"knows names {quoted(rater)}: the raters are {enumerated(names)}")
        return list(names).index(rater)
    place = whole_number(rater, "a rater in knows")
    if not 0 <= place < len(names):
        raise ValueError(f"knows names rater {place}: there are {len(names)}, from 0 to {len(names) - 1}")
    return place
