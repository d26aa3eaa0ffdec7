"""The options of a fusion of files, as the sidecar keeps them."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..inputs.checks import (
    ACCELERATIONS,
    EXPECTATIONS,
    INTERVALS,
    LIKELIHOODS,
    MISSING,
    check_choice,
    check_count,
    check_coupling,
    check_init,
    check_performance_prior,
    check_prior,
    check_roi,
    check_tolerance,
)

IMAGE_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".mgz", ".mgh", ".img", ".hdr")

DEFAULTS: dict[str, Any] = {
    "m_step": "paper",
    "expectation": "auto",
    "likelihood": "mixture",
    "prior": "mean",
    "init": "vote",
    "roi": "all",
    "missing": "error",
    "mrf": 0.0,
    "performance_prior": None,
    "intervals": "none",
    "replicates": 200,
    "seed": 0,
    "tol": 1e-7,
    "max_iter": 1000,
    "acceleration": "none",
}
# What a method does not have.
FOREIGN = {
    "majority": [name for name in DEFAULTS if name != "missing"],
    "staple": ["m_step", "expectation", "likelihood"],
    "dilated-staple": ["m_step", "expectation", "likelihood"],
    "soft-staple": ["likelihood"],
    "simplified-soft-staple": ["expectation"],
}


def prior_file(prior: Any) -> Path | None:
    """Tell a prior map's file from a number or a word."""
    if isinstance(prior, Path):
        return prior
    if isinstance(prior, str):
        with suppress(OSError):  # too long for a file's name: it is none
            if prior.lower().endswith(IMAGE_SUFFIXES) or Path(prior).is_file():
                return Path(prior)
    return None


def smoothing_of(prior: Any) -> float | None:
    """Return the sigma in mm of a prior that is the smoothed mean vote, as "smooth:4" asks for."""
    if not isinstance(prior, str) or not prior.startswith("smooth:"):
        return None
    try:
        sigma = float(prior.removeprefix("smooth:"))
    except ValueError:
        sigma = math.nan
    if not (0 < sigma < math.inf):
        raise ValueError(f"prior is {prior!r}: after smooth: comes a number of mm above 0")
    return sigma


def checked_options(method: str, **given: Any) -> dict[str, Any]:
    """Return the method's options, checked; those that it does not have must be at default."""
    options = {**given, **_checked(given)}
    for name in FOREIGN[method]:
        if options[name] != DEFAULTS[name]:
            raise ValueError(f"{name} is {options[name]!r}: {method} has no such option")
        del options[name]
    return options


def _checked(given: dict[str, Any]) -> dict[str, Any]:
    prior = given["prior"]
    if not isinstance(prior, str) and np.ndim(prior):
        raise TypeError("prior is an array: fuse_files takes a prior map as an image file")
    a_map = prior_file(prior) or smoothing_of(prior)
    number, _ = (None, None) if a_map else check_prior(prior, ())
    start, margin = check_init(given["init"]), check_roi(given["roi"])
    acceleration = check_choice(given["acceleration"], "acceleration", ACCELERATIONS)
    coupling = check_coupling(given["mrf"], [1.0], acceleration)
    beta = given["performance_prior"]
    return {
        "m_step": check_choice(given["m_step"], "m_step", ("paper", "em")),
        "expectation": check_choice(given["expectation"], "expectation", EXPECTATIONS),
        "likelihood": check_choice(given["likelihood"], "likelihood", LIKELIHOODS),
        "prior": str(prior) if number is None else number,
        "init": "vote" if start is None else start,
        "roi": given["roi"] if margin is None else margin,
        "missing": check_choice(given["missing"], "missing", MISSING),
        "mrf": coupling[0] if coupling else 0.0,
        "performance_prior": None if beta is None else check_performance_prior(beta),
        "intervals": check_choice(given["intervals"], "intervals", INTERVALS),
        "replicates": check_count(given["replicates"], "replicates", least=2),
        "seed": check_count(given["seed"], "seed", least=0),
        "tol": check_tolerance(given["tol"]),
        "max_iter": check_count(given["max_iter"], "max_iter", least=1),
        "acceleration": acceleration,
    }
