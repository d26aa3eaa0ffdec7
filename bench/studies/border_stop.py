"""When border-STAPLE stops, and what iterations beyond that change: python bench/studies/border_stop.py [CASES].

Synthetic cases at 2 mm, each with seven simulated raters, from seed 101 on. All beside the fit that stops at 1e-6.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np

import fastfuse

SHAPE, SIDE_MM = (91, 109, 91), 2.0
FIRST_SEED = 101
TIGHT = 1e-6
STOPS = (1e-3, 1e-4, 1e-5, TIGHT)


def fits_of(seed: int) -> tuple[dict[float, Any], Any, Any]:
    """Return a fit for each tolerance, the true lesions, and the voxels that were fused."""
    case = fastfuse.phantom.make_case(seed, shape=SHAPE, spacing_mm=SIDE_MM)
    given: dict[str, Any] = {"mask": case.brain, "spacing_mm": 3 * (SIDE_MM,), "max_iter": 20_000}
    fits = {tol: fastfuse.border_staple(case.masks, case.images["FLAIR"], tol=tol, **given) for tol in STOPS}
    return fits, case.lesions > 0, fits[TIGHT].probability > 0


def figures(fit: Any, last: Any, truth: Any, inside: Any) -> list[float]:
    """Return what a row of the table shows."""
    w, label = fit.probability[inside].astype(float), fit.label()
    dice = 2 * (label & truth).sum() / (label.sum() + truth.sum())
    brier = ((w - truth[inside]) ** 2).sum() / truth.sum()
    moved = np.abs(fit.probability - last.probability).max()
    changed = (label != last.label()).sum() / last.label().sum()
    borders, ends = fit.offsets - fit.anchor, last.offsets - last.anchor
    return [fit.n_iter, dice, brier, moved, 100 * changed, np.abs(borders - ends).max(), fit.anchor]


def main(cases: int) -> None:
    """Print means over the cases, and the greatest changes of any."""
    warnings.simplefilter("ignore", fastfuse.FusionWarning)
    found: dict[float, list[list[float]]] = {tol: [] for tol in STOPS}
    for seed in range(FIRST_SEED, FIRST_SEED + cases):
        fits, truth, inside = fits_of(seed)
        for tol, fit in fits.items():
            found[tol].append(figures(fit, fits[TIGHT], truth, inside))
    print("  tol  iterations   Dice   Brier | most: w moved  mask changed  border moved | anchor")
    for tol, rows in found.items():
        n, dice, brier, *_, anchor = np.mean(rows, axis=0)
        moved, changed, border = np.max(rows, axis=0)[3:6]
        print(
            f"{tol:5.0e}  {n:10.0f}  {dice:.4f}  {brier:.4f} | {moved:13.3f}  {changed:10.2f} %"
            f"  {border:12.2f} | {anchor:6.2f}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8)
