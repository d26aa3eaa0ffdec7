"""Reliability diagram: the share of experts who mark what the networks give a probability of p."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ....report.plots.pictures import save_anew
from ..entries import Entry
from ..reliability import BINS, together
from .palette import hue, numbers, plain, shape


def draw_reliability(path: Path, entries: Sequence[Entry]) -> None:
    """Draw the voxels of all cases and seeds together: votes against probability, and how many voxels there are."""
    figure = Figure(figsize=(6.4, 6.6), layout="constrained")
    curve, counts = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    curve.plot([0, 1], [0, 1], color="#777777", lw=1, ls="--", label="calibrated")
    for at, entry in zip(numbers(entries), entries, strict=True):
        found = [one for run in entry.by_seed.values() for one in run.reliability.values()]
        if not found:
            continue
        all_cases = together(found)
        voxels = np.array(all_cases.voxels)
        held = voxels > 0
        x, y = (np.array(sums)[held] / voxels[held] for sums in (all_cases.predicted, all_cases.voted))
        name = f"{entry.title}: Brier {100 * all_cases.brier:.3f} %, ECE {100 * all_cases.ece:.3f} %"
        curve.plot(x, y, color=hue(at), marker=shape(at), ms=5, lw=1.5, label=name)
        counts.stairs(np.maximum(voxels, 0.5), np.linspace(0, 1, BINS + 1), color=hue(at), lw=1.5)
    counts.set_yscale("log")
    counts.set_ylabel("voxels")
    counts.set_xlabel("probability of the network, in ten bins")
    curve.set_ylabel("share of the experts who mark the voxel")
    curve.set_xlim(-0.015, 1.015)
    curve.set_ylim(-0.015, 1.015)
    curve.legend(frameon=False, fontsize="small", loc="upper left")
    curve.set_title("all voxels of the brain, all cases together", loc="left", fontsize="medium")
    plain((curve, counts), "both")
    save_anew(figure, path)
