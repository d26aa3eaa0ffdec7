"""The models that EM fits, as mixtures of independent marks."""

from __future__ import annotations

import numpy as np

from ..backends.found import CoreEstimate
from .rows import Mixture, Numbers

LEVELS = -15 + 0.75 * np.arange(41)  # of border-STAPLE


def mixture_of(estimate: CoreEstimate) -> Mixture | None:
    """Return the mixture that was fitted; None where there is none, as of a mean vote."""
    if estimate.method == "majority" or estimate.certain:
        return None
    latent = estimate.latent
    if latent is None:
        return _of_rates(estimate)
    if "shares" in latent:
        marks, no_marks = np.array(latent["marks"]).T, np.array(latent["no_marks"]).T
        return _mixture(np.array(latent["shares"]), marks, no_marks)
    return _of_levels(latent)


def _of_rates(estimate: CoreEstimate) -> Mixture:
    """Return background and foreground, with the rates; one that nothing determines is never asked for."""
    marks = [estimate.false_positive_rate, estimate.sensitivity]
    rates = np.array([marks, [estimate.specificity, estimate.false_negative_rate]])
    rates[np.isnan(rates)] = 0.5
    prior = estimate.prior
    return _mixture(np.array([1 - prior, prior]), *rates)


def _of_levels(latent: dict[str, object]) -> Mixture:
    """Return the levels, in each of which rater i marks with γ + (ζ - γ) s(κ (u - δ)); γ = 1 - ζ = 0 of few raters."""
    offset, sharpness, false_marks, lost = (
        np.array(latent[name], np.float64) for name in ("offset", "sharpness", "false_marks", "lost")
    )
    x = sharpness * (np.asarray(latent["scale"]) * LEVELS[:, None] - offset)
    with np.errstate(invalid="ignore"):  # of a rater without votes x is nan
        log_inside, log_outside = -np.logaddexp(0, -x), -np.logaddexp(0, x)
    span = 1 - lost - false_marks
    sure = (false_marks == 0) & (lost == 0)  # of F itself a logarithm stays finite where F does not
    log_marks = np.where(
        sure, log_inside, np.log(np.maximum(false_marks + span * np.exp(log_inside), 1e-300))
    )
    log_no_marks = np.where(sure, log_outside, np.log(np.maximum(lost + span * np.exp(log_outside), 1e-300)))
    heard = np.array(latent["heard"], np.bool_)
    return Mixture(np.array(latent["weights"], np.float64), log_marks, log_no_marks, heard)


def _mixture(shares: Numbers, marks: Numbers, no_marks: Numbers) -> Mixture:
    with np.errstate(divide="ignore"):
        return Mixture(shares, np.log(marks), np.log(no_marks), np.ones(marks.shape[1], bool))
