"""The whole method in plain NumPy, written from the equations: the tests' oracle, which shares nothing with the rest."""

from .dilation import ReferenceSoftMask, conditional_dilation
from .fusion import (
    EPSILON,
    ReferenceFusion,
    agreement,
    characteristic,
    fuse,
    information,
    logit_interval,
    monte_carlo,
    posterior,
    soft_expectation,
    standard_errors,
    vote_likelihoods,
)

__all__ = [
    "EPSILON",
    "ReferenceFusion",
    "ReferenceSoftMask",
    "agreement",
    "characteristic",
    "conditional_dilation",
    "fuse",
    "information",
    "logit_interval",
    "monte_carlo",
    "posterior",
    "soft_expectation",
    "standard_errors",
    "vote_likelihoods",
]
