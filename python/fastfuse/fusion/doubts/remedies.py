"""What to do about a doubtful fusion: never what the options have already."""

from __future__ import annotations

import numpy as np

from ..declared import either
from .comparison import are_probabilities
from .evidence import Evidence

THE_MEAN = "take the mean (method='majority')"


def for_a_fit(evidence: Evidence) -> str:
    """Say what leads to another fit, or does without one."""
    if not evidence.method.estimates:
        return "choose another cut"
    tries = _other_fits(evidence)
    attempt = f"try {either(tries)}" if tries else ""
    if evidence.case is not None and are_probabilities(evidence.case, evidence.options):
        first = f"for networks' probabilities {THE_MEAN}"
        return f"{first}, or {attempt}" if attempt else first
    return attempt or f"{THE_MEAN} in place of a fit"


def for_slow_em(evidence: Evidence) -> str:
    """Say what makes EM converge."""
    options = evidence.options
    tries = []
    if options.acceleration == "none" and not options.mrf:
        tries.append("acceleration='squarem'")
    tries.append("a larger max_iter")
    if _can_be_masked(evidence):
        tries.append("a mask")
    if _is(options.prior, "estimate"):
        tries.append("a fixed prior, which leaves one parameter less")
    return f"try {either(tries)}"


def _other_fits(evidence: Evidence) -> list[str]:
    options = evidence.options
    tries = []
    if evidence.method.votes == "soft" and options.m_step != "em" and not _are_masks(evidence):
        tries.append("m_step='em'")
    if not _is(options.prior, "estimate"):
        tries.append("prior='estimate'")
    if _can_be_masked(evidence):
        tries.append("a mask")
    return tries


def _are_masks(evidence: Evidence) -> bool:
    """Tell binary votes, for which both M-steps are the same; votes on a device are not looked at."""
    if evidence.case is None or evidence.options.select_label is not None:
        return evidence.case is not None
    arrays = evidence.case.given.arrays
    return all(_is_mask(array) for array in arrays)


def _is_mask(array: object) -> bool:
    if not isinstance(array, np.ndarray):
        return False
    return array.dtype.kind in "bui" or not ((array > 0) & (array < 1)).any()


def _can_be_masked(evidence: Evidence) -> bool:
    """Tell whether all voxels are fused: then a mask takes background away. A table may have had one."""
    return evidence.case is not None and evidence.case.mask is None and evidence.options.margin_mm is None


def _is(prior: object, word: str) -> bool:
    return isinstance(prior, str) and prior == word


def rates_run_to_one(evidence: Evidence) -> bool:
    """Tell whether every sensitivity and specificity of a fit is next to 1."""
    rates = np.concatenate([evidence.fusion.sensitivity, evidence.fusion.specificity])
    return bool(np.all(rates[~np.isnan(rates)] > 1 - 1e-3))
