"""What to do about a doubtful fusion: never what the options have already."""

from __future__ import annotations

import numpy as np

from ...inputs.looks import ROUNDED, SCALES
from ...inputs.names import counted
from ..declared import either
from ..option_checks import FEWEST_OF_CLASSES, is_map
from .comparison import are_probabilities
from .evidence import Evidence

HALF = 0.5  # the cut that is taken without one
IF_EMPTY = "leave them out if they did not read, keep them if they did"
THE_MEAN = "take the mean (method='majority')"


def for_a_fit(evidence: Evidence) -> str:
    """Return, after a colon, what :func:`_for_a_fit` says; nothing where no option can be chosen."""
    return f": {_for_a_fit(evidence)}" if evidence.advises else ""


def _for_a_fit(evidence: Evidence) -> str:
    """Say what leads to another fit, or does without one; first of all, of a scale that is none of the votes'."""
    scale = _wrong_scale(evidence)
    if scale:
        return scale
    if not evidence.method.estimates:
        return f"choose another cut{_instead(evidence)}"
    if evidence.lowest < HALF <= evidence.highest and (evidence.is_empty or evidence.is_full):
        side = "lower" if evidence.is_empty else "higher"  # at 0.5 it is neither
        return f"choose a {side} cut{_instead(evidence)}"
    of_networks = evidence.case is not None and are_probabilities(evidence.case, evidence.options)
    tries = _other_fits(evidence, of_networks=of_networks)
    attempt = f"try {either(tries)}" if tries else ""
    if of_networks:
        first = f"for networks' probabilities {THE_MEAN}"
        return f"{first}, or {attempt}" if attempt else first
    return attempt or f"{THE_MEAN} in place of a fit"


def _instead(evidence: Evidence) -> str:
    return ", in place of the one found for Dice" if evidence.for_dice else ""


def _wrong_scale(evidence: Evidence) -> str:
    """Say what to do about a scale by which no vote reaches the cut; nothing where there is none such."""
    if evidence.case is None:
        return ""
    given = evidence.case.votes.scaled_by or evidence.options.scale
    arrays = evidence.case.given.arrays
    if (
        not isinstance(given, (int, float))
        or given <= 1
        or not all(isinstance(one, np.ndarray) for one in arrays)
    ):
        return ""
    highest = max(float(np.nanmax(array, initial=0.0)) for array in arrays)
    if not highest < evidence.cut:
        return ""
    fitting = next((scale for scale in SCALES if highest * given <= scale * (1 + ROUNDED)), given)
    remedy = "leave it out" if fitting == 1 else f"give {_as_option(fitting)}"
    return (
        f"{_as_option(given)} makes votes of at most {highest:.2g} of values up to {highest * given:.4g}: it seems to be "
        f"wrong; {remedy if fitting < given else 'give the value that stands for a vote of 1'}"
    )


def _as_option(scale: float) -> str:
    return f"scale={scale:g} (--scale {scale:g})"


def for_slow_em(evidence: Evidence) -> str:
    """Say, after a colon, what makes EM converge; nothing where no option can be chosen."""
    options, telling = evidence.options, _who_tell(evidence)
    if options.classes > 2 and telling < FEWEST_OF_CLASSES:
        remedy = ", or choose classes=2 (--classes 2)" if evidence.advises else ""
        return (
            f": {counted(telling, 'rater')} who mark{'s' * (telling == 1)} some voxels and not others do not determine "
            f"{options.classes} classes, and more iterations hardly move the consensus; leave out who marks nothing, or everything{remedy}"
        )
    if not evidence.advises:
        return ""
    tries = []
    if options.acceleration != "squarem" and not options.mrf and not _is_latent(evidence):
        tries.append("acceleration='squarem'")
    tries.append("a larger max_iter")
    if telling < np.count_nonzero(evidence.fusion.n_read) and _is_latent(evidence):
        tries.append("without who marks nothing, or everything")
    if _can_be_masked(evidence):
        tries.append("a mask")
    if _is(options.prior, "estimate"):
        tries.append("a fixed prior, which leaves one parameter less")
    return f": try {either(tries)}"


def _who_tell(evidence: Evidence) -> int:
    """Return how many raters mark some voxels and not others; a constant vote tells nothing about classes or levels."""
    volume, read = evidence.fusion.volume, evidence.fusion.n_read
    return int(np.count_nonzero((volume > 0) & (volume < read)))


def _other_fits(evidence: Evidence, *, of_networks: bool) -> list[str]:
    """Return what leads to another fit; of networks' votes an estimated prior runs to 0 with the consensus."""
    options = evidence.options
    tries: list[str] = []
    if _is_latent(evidence):
        return tries
    if not _is(options.performance_prior, "auto"):
        tries.append("a weaker performance_prior")
    if evidence.method.votes == "soft" and options.m_step != "em" and not _are_masks(evidence):
        tries.append("m_step='em'")
    if not _is(options.prior, "estimate") and not of_networks:
        tries.append("prior='estimate'" + " in place of the map" * is_map(options.prior))
    if _can_be_masked(evidence):
        tries.append("a mask")
    return tries


def _is_latent(evidence: Evidence) -> bool:
    """Tell whether the truth is more than two classes: priors and jumps are for two."""
    return evidence.method.of_levels or evidence.options.classes > 2


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
    rates = (*evidence.fusion.sensitivity.tolist(), *evidence.fusion.specificity.tolist())
    return not any(rate <= 1 - 1e-3 for rate in rates)  # nan is none
