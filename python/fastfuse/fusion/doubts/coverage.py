"""How often intervals over lesions hold the rates against a truth, where that has been measured."""

from __future__ import annotations

import numpy as np

from ..fit.misfit import worst_cell
from ..options import Options
from ..result import BorderFusion, Fusion

LEAST = 0.9
# Least and greatest share of sensitivities, and of specificities, against the truth that were held in any setting: two cohorts of
# 15 cases with simulated raters, real brains at 2 mm and the phantom (bench/trust.py; WHICH.md), brain mask, 4 mm; of STAPLE, each
# with two priors.
HELD = {
    "staple": ((0.629, 0.943), (0.676, 0.790)),
    "border-staple": ((0.467, 0.829), (0.419, 0.971)),
    "border-staple, its border told by an image,": ((0.914, 1.000), (0.886, 1.000)),
}
RATES = ("sensitivities", "specificities")


def remarks_on_coverage(fusion: Fusion, options: Options) -> list[str]:
    """Say where intervals over lesions are known to hold less than nine of ten rates against a truth.

    Of STAPLE where its model does not fit, as it did not there: of raters who miss whole lesions, but agree on the rest, its
    intervals hold what they promise.
    """
    found = fusion.intervals
    if options.intervals != "lesions" or options.classes != 2 or found is None:
        return []
    if not np.isfinite(found.sensitivity).any() or (fusion.method == "staple" and _fits(fusion)):
        return []
    what = fusion.method
    if isinstance(fusion, BorderFusion) and fusion.anchor_from == "image":
        what += ", its border told by an image,"
    held = [(ends, rate) for ends, rate in zip(HELD.get(what, ()), RATES, strict=False) if ends[0] < LEAST]
    if not held:
        return []
    told = " and ".join(
        f"{100 * least:.0f} to {100 * greatest:.0f} % of {rate}" for (least, greatest), rate in held
    )
    promised = f"95 % intervals over lesions by {what} held {told} against the truth, by setting, on contours of simulated raters"
    return [
        f"{promised}: they tell how rates vary with the lesions, not how far the consensus is from the truth"
    ]


def _fits(fusion: Fusion) -> bool:
    """Tell whether the model that was used expects about the voxels that there are, or that is not known."""
    fit = fusion.own_fit
    return fit is None or fit.used is None or worst_cell(fit) is None
