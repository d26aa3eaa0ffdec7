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
from .region import within_margin
from .remarks import remarks_on
from .result import Fusion, Method
from .votes import (
    TITLES,
    Array,
    as_companion,
    as_present,
    as_raters,
    axes_in_memory_order,
    explain,
    name_of,
    named_raters,
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
    arrays, shape = given.arrays, given.arrays[0].shape
    axes = axes_in_memory_order(arrays[0])
    looked = as_present(present, given.places, given.count, shape, given.names)
    prior_number, prior_map = check_prior(prior, shape)
    region = None if mask is None else as_companion(mask, "mask", shape)
    margin = check_roi(roi)
    kind = check_choice(intervals, "intervals", INTERVALS)
    if margin is not None and spacing_mm is None:
        raise ValueError(f"roi is {roi!r}, a margin in mm: give spacing_mm, the voxel's size along each axis")
    sides = check_spacings(spacing_mm, len(shape))
    spacings = [sides[axis] for axis in axes]
    threads = check_count(threads, "threads", least=0)
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
        "threads": threads,
        "route": route,
    }
    _check_intervals(kind, prior_map, options["coupling"])
    replicates, seed = check_count(replicates, "replicates", least=2), check_count(seed, "seed", least=0)
    companions = [array for array in (region, prior_map, *looked) if array is not None]
    destination = Destination.of(out, dtype, shape, axes, [*arrays, *companions])
    in_order = [array.transpose(axes) for array in arrays]
    seen = [None if array is None else array.transpose(axes) for array in looked]
    inside = None if region is None else region.transpose(axes)
    try:
        if margin is not None:
            inside = within_margin(in_order, margin, spacings, inside, threads)
        result = _core.fuse(
            in_order,
            destination.work,
            mask=inside,
            prior_map=None if prior_map is None else prior_map.transpose(axes),
            present=seen,
            options=options,
        )
    except _core.BadInput as bad:
        raise ValueError(explain(bad.args, arrays, region, axes, given.names, titles)) from None
    sensitivity, specificity = np.array(result["sensitivity"]), np.array(result["specificity"])
    found: Intervals | None = None
    if kind == "information":
        found = from_information(result["information"], sensitivity, specificity)
    elif kind != "none":
        found = bootstrap(
            in_order,
            kind=kind,
            sensitivity=sensitivity,
            specificity=specificity,
            prior=result["prior"],
            replicates=replicates,
            seed=seed,
            mask=inside,
            present=seen,
            options=options,
        )
    fusion = given.whole(
        Fusion(
            probability=destination.finish(),
            sensitivity=sensitivity,
            specificity=specificity,
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
        arrays=arrays,
        max_iter=max_iter,
        label=select_label,
        names=names,
        wanted=kind,
    )
    return fusion, remarks


@dataclass(frozen=True)
class Raters:
    """Those who read the case, and how many there are in all."""

    arrays: list[Array]
    places: list[int]
    count: int
    names: list[str]

    @classmethod
    def of(cls, raters: Any, names: Sequence[str] | None = None) -> Raters:
        """Take the votes as the caller has them.

        Raises
        ------
        TypeError, ValueError
            As :func:`as_raters`, and if all are None.
        """
        if isinstance(raters, (list, tuple)):
            places = [i for i, rater in enumerate(raters) if rater is not None]
            if raters and not places:
                raise ValueError("all raters are None: give at least one array of votes")
            called = [name_of(i, names) for i in places]
            return cls(as_raters([raters[i] for i in places], called), places, len(raters), called)
        arrays = as_raters(raters, names)
        called = [name_of(i, names) for i in range(len(arrays))]
        return cls(arrays, list(range(len(arrays))), len(arrays), called)

    def listed(self) -> list[Array | None]:
        """Return all raters' arrays, None for one who did not read the case."""
        read = dict(zip(self.places, self.arrays, strict=True))
        return [read.get(i) for i in range(self.count)]

    def whole(self, fusion: Fusion) -> Fusion:
        """Return the fusion with entries for those who did not read the case, too."""
        if len(self.places) == self.count:
            return fusion
        parts: dict[str, Any] = {}
        for name in ("sensitivity", "specificity", "ppv", "npv", "dice", "volume", "n_read"):
            parts[name] = np.full(self.count, 0.0 if name in ("volume", "n_read") else np.nan)
            parts[name][self.places] = getattr(fusion, name)
        if fusion.intervals is not None:
            parts["intervals"] = fusion.intervals.of_all(self.places, self.count)
        return replace(fusion, **parts)


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
