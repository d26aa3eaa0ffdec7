"""From arrays and options to the compiled core and back: what all fusions share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from . import _core
from .destination import Destination
from .grids import check_in_memory
from .intervals import Intervals, bootstrap, from_information
from .options import (
    ACCELERATIONS,
    EXPECTATIONS,
    INTERVALS,
    LIKELIHOODS,
    check_choice,
    check_count,
    check_coupling,
    check_init,
    check_label,
    check_missing,
    check_performance_prior,
    check_prior,
    check_roi,
    check_spacings,
    check_tolerance,
)
from .raters import Raters
from .region import within_margin
from .remarks import remarks_on
from .result import Fusion, Method
from .votes import (
    TITLES,
    Array,
    as_companion,
    as_present,
    axes_in_memory_order,
    explain,
    named_raters,
    spacing_of,
)


def fuse_arrays(
    raters: Any,
    method: Method,
    *,
    m_step: str = "paper",
    expectation: str = "auto",
    likelihood: str = "mixture",
    prior: str | float | ArrayLike = "mean",
    init: str | float = "vote",
    mask: ArrayLike | None = None,
    roi: str | float = "all",
    spacing_mm: Sequence[float] | None = None,
    missing: str = "error",
    present: Any = None,
    mrf: float = 0.0,
    performance_prior: Any = None,
    intervals: str = "none",
    replicates: int = 200,
    seed: int = 0,
    tol: float = 1e-7,
    max_iter: int = 1000,
    acceleration: str = "none",
    dtype: DTypeLike = "float32",
    out: NDArray[Any] | None = None,
    threads: int = 0,
    select_label: int | None = None,
    names: Sequence[str] | None = None,
    titles: Mapping[str, str] = TITLES,
    route: str = "auto",
) -> tuple[Fusion, list[str]]:
    """Check, call the core, wrap; options as in :func:`fastfuse.staple` and its kin.

    ``names`` and ``titles`` are what messages call the raters, the mask and the prior; ``route``
    is what EM runs on: "patterns", the distinct vote patterns; "lanes", the voxels in vectors; "rows", the voxels
    one by one; "auto", whichever suits the votes. Returns the fusion, and what
    makes it doubtful.
    """
    remarks = check_in_memory([*named_raters(raters), ("mask", mask), ("prior", prior)])
    given = Raters.of(raters, names)
    shape = given.arrays[0].shape
    axes = axes_in_memory_order(given.arrays[0])
    looked = as_present(present, given.places, given.count, shape, given.names)
    prior_number, prior_map = check_prior(prior, shape)
    region = None if mask is None else as_companion(mask, "mask", shape)
    margin, kind = check_roi(roi), check_choice(intervals, "intervals", INTERVALS)
    spacings = _spacings(spacing_mm, raters, axes, margin)
    options: dict[str, Any] = {
        "method": method,
        "em_m_step": check_choice(m_step, "m_step", ("paper", "em")) == "em",
        "expectation": check_choice(expectation, "expectation", EXPECTATIONS),
        "log_linear": check_choice(likelihood, "likelihood", LIKELIHOODS) == "log_linear",
        "prior": prior_number,
        "estimate_prior": isinstance(prior, str) and prior == "estimate",
        "performance_prior": check_performance_prior(performance_prior),
        "init": check_init(init),
        "nan_is_missing": check_missing(missing),
        "disputed_only": roi == "disputed",
        "coupling": check_coupling(mrf, spacings, acceleration),
        "inform": kind == "information",
        "select_label": check_label(select_label),
        "tol": check_tolerance(tol),
        "max_iter": check_count(max_iter, "max_iter", least=1),
        "accelerate": check_choice(acceleration, "acceleration", ACCELERATIONS) == "squarem",
        "threads": check_count(threads, "threads", least=0),
        "route": route,
    }
    _check_intervals(kind, prior_map, options["coupling"])
    replicates, seed = check_count(replicates, "replicates", least=2), check_count(seed, "seed", least=0)
    companions = [array for array in (region, prior_map, *looked) if array is not None]
    destination = Destination.of(out, dtype, shape, axes, [*given.arrays, *companions])
    case = Case(
        raters=[array.transpose(axes) for array in given.arrays],
        mask=None if region is None else region.transpose(axes),
        prior=None if prior_map is None else prior_map.transpose(axes),
        present=[None if array is None else array.transpose(axes) for array in looked],
    )
    try:
        if margin is not None:
            case = case.within(margin, spacings, select_label, threads)
        result = _core.fuse(
            case.raters,
            destination.work,
            mask=case.mask,
            prior_map=case.prior,
            present=case.present,
            options=options,
        )
    except _core.BadInput as bad:
        raise ValueError(explain(bad.args, given.arrays, region, axes, given.names, titles)) from None
    found, resampled = _intervals(kind, result, case, options, replicates, seed)
    fusion = given.whole(
        Fusion(
            probability=destination.finish(),
            sensitivity=np.array(result["sensitivity"]),
            specificity=np.array(result["specificity"]),
            prior=result["prior"],
            log_likelihood=np.array(result["log_likelihood"], dtype=np.float64),
            n_iter=result["iterations"],
            converged=result["converged"],
            method=method,
            n_voxels=int(result["voxels"]),
            volume=np.array(result["volume"]),
            n_read=np.array(result["read"]),
            **_agreement(result),
            intervals=found,
        )
    )
    remarks += remarks_on(
        fusion,
        disputed=result["disputed"],
        lowest=result["lowest"],
        highest=result["highest"],
        arrays=given.arrays,
        max_iter=max_iter,
        label=select_label,
        names=names,
        wanted=kind,
        resampled=resampled,
        roi=roi,
    )
    return fusion, remarks


@dataclass(frozen=True)
class Case:
    """Arrays as the core takes them: of one shape, their axes in the order in which they lie in memory."""

    raters: list[Array]
    mask: Array | None
    prior: Array | None
    present: list[Array | None]  # empty if all raters looked everywhere

    def within(self, margin_mm: float, spacings: list[float], label: int | None, threads: int) -> Case:
        """Return the same with a mask that ends a margin beyond what anybody marks."""
        mask = within_margin(
            self.raters,
            margin_mm,
            spacings,
            mask=self.mask,
            present=self.present,
            label=label,
            threads=threads,
        )
        return replace(self, mask=mask)


def _spacings(
    spacing_mm: Sequence[float] | None, raters: Any, axes: Sequence[int], margin: float | None
) -> list[float]:
    """Return a voxel's size along the axes in memory order: as given, or as in an image's header, or 1."""
    sizes = spacing_of(raters) if spacing_mm is None else spacing_mm
    if margin is not None and sizes is None:
        raise ValueError(
            f"roi is {margin!r}, a margin in mm: give spacing_mm, the voxel's size along each axis"
        )
    sides = check_spacings(sizes, len(axes))
    return [sides[axis] for axis in axes]


def _intervals(
    kind: str, result: Mapping[str, Any], case: Case, options: dict[str, Any], replicates: int, seed: int
) -> tuple[Intervals | None, bool]:
    """Return the intervals that were asked for, and whether the votes repeat enough for them."""
    if kind == "none":
        return None, True
    sensitivity, specificity = np.array(result["sensitivity"]), np.array(result["specificity"])
    if kind == "information":
        return from_information(result["information"], result["variability"], sensitivity, specificity), True
    return bootstrap(
        case.raters,
        kind=kind,
        sensitivity=sensitivity,
        specificity=specificity,
        prior=result["prior"],
        replicates=replicates,
        seed=seed,
        mask=case.mask,
        present=case.present,
        options=options,
    )


def _check_intervals(kind: str, prior_map: Array | None, coupling: list[float]) -> None:
    if kind != "none" and coupling:
        raise ValueError(f"intervals is {kind!r}, mrf is set: with coupled voxels they are not defined")
    if kind in ("bootstrap", "lesions") and prior_map is not None:
        raise ValueError(f"intervals is {kind!r}, prior is a map: a bootstrap needs one prior for all voxels")


def _agreement(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return each rater's predictive values and Dice against the soft consensus; nan for 0/0."""
    both, seen = np.array(result["marked_by"]), np.array(result["seen_by"])
    volume, read = np.array(result["volume"]), np.array(result["read"])
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "ppv": np.minimum(both / volume, 1),
            "npv": np.minimum((read - seen - volume + both) / (read - volume), 1),
            "dice": np.minimum(2 * both / (seen + volume), 1),
        }
