"""What kind of votes files hold: masks, masks that were softened, or a network's probabilities."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..fusion.options import Options
from ..inputs.arrays import Array
from ..inputs.rounding import ROUNDING
from .job import Inputs

Kind = Literal["masks", "soft votes", "probabilities"]
FEW_VALUES = 16  # between 0 and 1, of a mask with rings; more are a network's
SLAB_VOXELS = 1 << 18  # looked at in one piece


def kind_of(inputs: Inputs, options: Options) -> Kind:
    """Return what most raters' values are, once what is asked for has made votes of them."""
    chosen = options.binarize or options.select_label is not None
    if options.threshold is not None:
        return "masks"
    if chosen and not any(image.is_channel for image in inputs.raters):
        return "masks"
    top = _top(inputs, options)
    shades = [
        FEW_VALUES + 1 if image.is_channel and not _is_mask(votes) else _shades(votes, top)
        for image, votes in zip(inputs.raters, inputs.votes, strict=True)
    ]
    if 2 * sum(count > FEW_VALUES for count in shades) > len(shades):
        return "probabilities"
    return "soft votes" if any(shades) else "masks"


def voters_of(inputs: Inputs) -> int:
    """Return how many raters have votes of their own: not missing everywhere, and no copies."""
    own: dict[float, list[Array]] = {}  # by their sum, as few have one
    for at, votes in enumerate(inputs.votes):
        seen = inputs.present[at] if inputs.present else None
        read = votes if seen is None else votes[seen != 0]
        total = float(np.sum(read, dtype=np.float64))
        if np.isnan(total):
            total = float(np.nansum(read, dtype=np.float64))
            if np.isnan(read).all():
                continue
        alike = own.setdefault(total, [])
        if read.size and not any(
            np.array_equal(votes, one, equal_nan=one.dtype.kind == "f") for one in alike
        ):
            alike.append(votes)
    return sum(map(len, own.values()))


def blank_among(inputs: Inputs) -> int:
    """Return how many voters mark nothing, or everything, each of the two counted once, as copies are: they tell no classes."""
    found = set()
    for at, votes in enumerate(inputs.votes):
        read = votes[inputs.present[at] != 0] if inputs.present and inputs.present[at] is not None else votes
        known = read[~np.isnan(read)] if read.dtype.kind == "f" else read
        if known.size and (not known.any() or known.all()):
            found.add(bool(known.any()))
    return len(found)


def has_rings(inputs: Inputs) -> bool:
    """Tell masks that were softened by a few values, such as rings of 0.3."""
    shades = [_shades(votes, 1.0) for votes in inputs.votes if votes.dtype.kind == "f"]
    return any(shades) and max(shades) <= FEW_VALUES


def _is_mask(votes: Array) -> bool:
    """Tell the mask of a segment that was chosen from a network's channel."""
    return votes.dtype.kind in "bui" and bool(votes.max(initial=0) <= 1)


def _top(inputs: Inputs, options: Options) -> float:
    """Return the value that stands for a vote of 1."""
    if options.scale is None:
        return 1.0
    if isinstance(options.scale, str):
        return max(float(np.nanmax(votes, initial=0.0)) for votes in inputs.votes)
    return float(options.scale)


def _shades(votes: Array, top: float) -> int:
    """Return how many distinct values lie between 0 and the highest; it is enough to find one too many."""
    if votes.dtype.kind == "b":
        return 0
    found: set[float] = set()
    flat = votes.reshape(-1, order="A")
    for first in range(0, flat.size, SLAB_VOXELS):
        values = flat[first : first + SLAB_VOXELS]
        between = values[(values > ROUNDING * top) & (values < top * (1 - ROUNDING))]
        found.update(np.unique(between).tolist())
        if len(found) > FEW_VALUES:
            break
    return len(found)
