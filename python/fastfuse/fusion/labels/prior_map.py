"""A map of priors for each label: an atlas, as the caller gives it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ...inputs.arrays import Array, as_array, as_companion
from ...inputs.names import counted
from ..messages import OF_A_PRIOR, for_a_prior
from .chosen import Labels

SUM = 1e-3  # by which its sum may miss 1
EXACT = 1e-6  # up to this a sum is 1 but for rounding


def is_prior_map(prior: Any) -> bool:
    """Tell maps of priors, one for each label, from a word and from one probability for each label."""
    if prior is None or isinstance(prior, (str, bytes)):
        return False
    if isinstance(prior, Mapping):
        return any(_is_volume(value) for value in prior.values())
    if isinstance(prior, (list, tuple)):
        return any(_is_volume(value) for value in prior)
    return _is_volume(prior) and np.ndim(prior) != 1


def _is_volume(value: Any) -> bool:
    if isinstance(value, (str, bytes, int, float, np.generic)):
        return False
    return not np.isscalar(value) and (np.ndim(value) > 0 or hasattr(value, "GetSize"))


def named_priors(prior: Any) -> list[tuple[str, Any]]:
    """Return the maps that may be images, with what messages call them."""
    if isinstance(prior, Mapping):
        return [(title(label), value) for label, value in prior.items()]
    if isinstance(prior, (list, tuple)):
        return [(f"prior[{place}]", value) for place, value in enumerate(prior)]
    return []


def title(label: Any) -> str:
    """Return what messages call a label's map."""
    return f"the prior of label {label}"


def prior_volumes(prior: Any, labels: Labels, asked: Any, shape: tuple[int, ...]) -> list[Array]:
    """Return the map of each label, in ascending order of the labels.

    Parameters
    ----------
    prior : mapping of labels to maps, or array_like of shape (K, ...)
    labels : Labels
    asked : "all", sequence of int, or mapping
        The labels as the caller gave them.
    shape : tuple of int
        Of the volume.

    Raises
    ------
    ValueError, TypeError
        Naming a label that lacks a map, or a shape that does not fit.
    """
    count = len(labels.values)
    if isinstance(prior, Mapping):
        by_code = {labels.code(label, "prior"): value for label, value in prior.items()}
        lacking = [labels.called[code] for code in range(count) if code not in by_code]
        if lacking:
            raise ValueError(f"prior has no map for label {lacking[0]}: give one for each label")
        return [as_companion(by_code[code], title(labels.called[code]), shape) for code in range(count)]
    _check_order(asked)
    if isinstance(prior, (list, tuple)):
        if len(prior) != count:
            raise ValueError(
                f"prior holds {counted(len(prior), 'map')}, and there are {counted(count, 'label')}: give one for each"
            )
        return [
            as_companion(value, title(name), shape) for name, value in zip(labels.called, prior, strict=True)
        ]
    whole = as_array(prior, "prior")
    if whole.shape != (count, *shape):
        raise ValueError(
            f"prior has shape {whole.shape}: a map of {counted(count, 'label')} has shape {(count, *shape)}, the labels "
            "first; or give a mapping of labels to maps"
        )
    return list(whole)


def _check_order(asked: Any) -> None:
    """Refuse labels in another order than the ascending one: nobody knows in which the maps come."""
    if isinstance(asked, str) or not isinstance(asked, Iterable):
        return
    given = list(asked)
    if given != sorted(given):
        raise ValueError(
            f"prior is a stack of maps, and labels is {given}, not in ascending order: give a mapping of labels to maps"
        )


def of_larger(maps: Sequence[Array]) -> Array:
    """Return the map of the larger of two labels, as a map of masks has it."""
    low, high = maps
    sums = low.astype(np.float64) + high
    with np.errstate(invalid="ignore", divide="ignore"):
        exact = np.abs(sums - 1) <= EXACT
        return high if exact.all() else np.where(exact, high, high / sums)


def sentence(
    kind: str,
    label: int,
    value: float,
    place: str,
    called: Sequence[str],
    what: str,
    prior: Array,
    mask: Array | None,
) -> str:
    """Say what is wrong with a label's map of priors; ``what`` is what messages call it, ``place`` the voxel."""
    if kind == "prior_sum":
        return (
            f"{what} sums to {value:.6g} at voxel {place}, not to 1: of the labels {', '.join(called[:8])}"
            f"{', ...' if len(called) > 8 else ''} one is true everywhere; background has a map, too"
        )
    remedy = for_a_prior(value, prior, mask)
    return f"{what} of label {called[label]} holds {value:g} at voxel {place}: {OF_A_PRIOR}; {remedy}"
