"""What is told of rates that are applied to a case: which ones the belief in raters alone makes."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from ...fusion.labels.chosen import Labels
from ...fusion.labels.estimate import LabelEstimate
from ...fusion.labels.knowledge import belief_told


def on_belief_in(estimate: LabelEstimate, readers: Collection[str]) -> list[str]:
    """Say which sensitivities of these raters, in rates that are applied, the belief in raters alone makes."""
    labels = Labels(estimate.labels, estimate.label_names)
    if estimate.method == "majority" or estimate._belief is None:
        return []
    read = np.array([name in readers for name in estimate.names])[:, None]
    held = estimate.prior * estimate.n_voxels >= 1
    made = read & (estimate.volume == 0) & np.isfinite(estimate.sensitivity) & held
    return belief_told(estimate.names, labels, estimate.sensitivity, made)
