"""Scanners: each centre's way to turn a head into images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .geometry import Noise
from .head import Head
from .tissue import MODALITIES


@dataclass(frozen=True)
class Scanner:
    """The look of one centre's images."""

    name: str  #: name of the centre
    noise: float  #: standard deviation of the noise, relative to brightness 1
    bias: float  #: relative standard deviation of the smooth inhomogeneity
    scale: float  #: stored value of brightness 1
    exponent: float  #: power applied to brightness; above 1 raises the contrast
    blur_mm: float  #: standard deviation of the point spread


SCANNERS: tuple[Scanner, ...] = (
    Scanner("Center_01", 0.020, 0.05, 900.0, 1.0, 0.45),
    Scanner("Center_07", 0.035, 0.09, 420.0, 1.2, 0.60),
    Scanner("Center_08", 0.028, 0.07, 2400.0, 0.85, 0.75),
)


def scan(rng: np.random.Generator, scanner: Scanner, head: Head) -> dict[str, NDArray[np.int16]]:
    """Images of the painted head as a centre's scanner would store them."""
    shading = np.exp(np.float32(scanner.bias) * Noise(rng, 170.0)(head.at))
    images = {}
    for name, channel in zip(MODALITIES, head.paint, strict=False):
        signal = np.maximum(channel, 0.0) ** np.float32(scanner.exponent)
        signal = ndimage.gaussian_filter(signal, scanner.blur_mm / head.step) * shading
        for quadrature in range(2):
            grain = rng.standard_normal(signal.shape, dtype=np.float32)
            grain *= np.float32(scanner.noise)
            signal = np.hypot(signal, grain) if quadrature else signal + grain
        images[name] = np.clip(signal * scanner.scale, 0, 32767).astype(np.int16)
    return images
