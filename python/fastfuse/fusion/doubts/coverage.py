"""How often intervals over lesions hold the rates against a truth, where that has been measured."""

from __future__ import annotations

import numpy as np

from ..fit.misfit import worst_cell
from ..options import Options
from ..result import BorderFusion, Fusion

LEAST = 0.9
# Share of sensitivities and specificities against the truth that were held, in the worse of two cohorts of 15 cases with
# simulated raters, the real brains at 2 mm and the phantom's (bench/trust.py; WHICH.md): brain mask, 4 mm, STAPLE with either prior.
HELD = {
    "staple": (0.629, 0.676),
    "border-staple": (0.467, 0.419),
    "border-staple, its border told by an image,": (0.914, 0.886),
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
    low = [(share, rate) for share, rate in zip(HELD.get(what, ()), RATES, strict=False) if share < LEAST]
    if not low:
        return []
    told = " and ".join(f"{100 * share:.0f} % of {rate}" for share, rate in low)
    promised = f"95 % intervals over lesions by {what} held {told} against the truth, on contours of simulated raters"
    return [
        f"{promised}: they tell how rates vary with the lesions, not how far the consensus is from the truth"
    ]


def _fits(fusion: Fusion) -> bool:
    """Tell whether the model that was used expects about the voxels that there are, or that is not known."""
    fit = fusion.own_fit
    return fit is None or fit.used is None or worst_cell(fit) is None
