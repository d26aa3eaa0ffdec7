"""How bright each tissue is in each modality, and the brush that paints it."""

from __future__ import annotations

import numpy as np

from .geometry import Volume

MODALITIES = ("FLAIR", "T1", "GADO", "DP", "T2")


# Relative brightness of each tissue in the order of MODALITIES.
TISSUE = {
    "scalp": (0.30, 0.62, 0.64, 0.38, 0.34),
    "skull": (0.05, 0.10, 0.10, 0.10, 0.06),
    "csf": (0.09, 0.17, 0.17, 0.66, 1.00),
    "grey": (0.59, 0.50, 0.51, 0.80, 0.62),
    "white": (0.47, 0.80, 0.81, 0.62, 0.40),
    "striatum": (0.57, 0.57, 0.58, 0.73, 0.53),
    "thalamus": (0.53, 0.64, 0.65, 0.70, 0.48),
    "pallidum": (0.45, 0.72, 0.73, 0.60, 0.34),
    "lesion": (0.95, 0.38, 0.40, 1.00, 0.92),
    "vessel": (0.10, 0.15, 1.15, 0.15, 0.08),
}


def stroke(paint: Volume, cover: Volume, tissue: str) -> None:
    """Paint a tissue over all channels: the modalities, then CSF and white matter."""
    values = (*TISSUE[tissue], float(tissue == "csf"), float(tissue == "white"))
    for channel, value in zip(paint, values, strict=True):
        channel += cover * (np.float32(value) - channel)
