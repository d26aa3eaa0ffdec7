"""From arrays and options to the compiled core and back: what all fusions share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .. import _core
from ..dilation.margin import within_margin
from ..errors import FastfuseError
from ..inputs.arrays import (
    TITLES,
    Array,
    as_companion,
    as_present,
    axes_in_memory_order,
    explain,
    named_raters,
    spacing_of,
)
from ..inputs.checks import (
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
from ..inputs.grids import check_in_memory
from ..inputs.output_array import Destination, check_out
from ..inputs.raters import Raters
from .backends.cuda import (
    Place,
    check_number,
    check_options,
    once_more_if_short,
    place_of,
    run,
    tensors_on_device,
)
from .diagnostics import remarks_on
from .intervals import Intervals, bootstrap, from_information
from .result import Fusion, Method


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
    device: str | None = None,
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
    given = dict(locals())
    place = place_of(raters, device)
    return _fuse_here(given) if place is None else _fuse_there(given, place)


def _fuse_here(asked: dict[str, Any]) -> tuple[Fusion, list[str]]:
    """Fuse on the CPU."""
    raters, mask, prior, names = asked["raters"], asked["mask"], asked["prior"], asked["names"]
    remarks = check_in_memory([*named_raters(raters), ("mask", mask), ("prior", prior)])
    given = Raters.of(raters, names)
    shape = given.arrays[0].shape
    axes = axes_in_memory_order(given.arrays[0])
    looked = as_present(asked["present"], given.places, given.count, shape, given.names)
    prior_number, prior_map = check_prior(prior, shape)
    region = None if mask is None else as_companion(mask, "mask", shape)
    margin, kind = check_roi(asked["roi"]), check_choice(asked["intervals"], "intervals", INTERVALS)
    spacings = _spacings(asked["spacing_mm"], raters, axes, margin)
    mrf = float(asked["mrf"]) if check_coupling(asked["mrf"], spacings, asked["acceleration"]) else 0.0
    options = _core_options(asked, prior_number)
    options.mrf, options.spacing_mm = mrf, spacings
    _check_intervals(kind, prior_map, mrf)
    replicates = check_count(asked["replicates"], "replicates", least=2)
    seed = check_count(asked["seed"], "seed", least=0)
    companions = [array for array in (region, prior_map, *looked) if array is not None]
    destination = Destination.of(asked["out"], asked["dtype"], shape, axes, [*given.arrays, *companions])
    case = Case(
        raters=[array.transpose(axes) for array in given.arrays],
        mask=None if region is None else region.transpose(axes),
        prior=None if prior_map is None else prior_map.transpose(axes),
        present=[None if array is None else array.transpose(axes) for array in looked],
    )
    try:
        if margin is not None:
            case = case.within(margin, spacings, asked["select_label"], options.threads)
        result = _core.fuse(
            case.raters,
            destination.work,
            mask=case.mask,
            prior_map=case.prior,
            present=case.present,
            options=options,
        )
    except _core.BadInput as bad:
        raise ValueError(
            explain(bad.args, given.arrays, region, axes, given.names, asked["titles"])
        ) from None
    found, resampled = _intervals(kind, result, options, replicates, seed)
    fusion = given.whole(_fusion(result, destination.finish(), asked["method"], found))
    return fusion, remarks + _remarks(fusion, result, asked, given.arrays, resampled)


def _fuse_there(asked: dict[str, Any], place: Place) -> tuple[Fusion, list[str]]:
    """Fuse on a device."""
    given = Raters.of(asked["raters"], asked["names"]) if place.library is None else None
    raters = tensors_on_device(asked["raters"]) if given is None else given.arrays
    check_number(len(raters))
    shape = tuple(raters[0].shape)
    axes = range(len(shape)) if given is None else axes_in_memory_order(given.arrays[0])
    prior_number, prior_map = check_prior(asked["prior"], shape)
    options = _core_options(asked, prior_number)
    check_choice(asked["intervals"], "intervals", INTERVALS)
    check_roi(asked["roi"])
    check_options(asked, prior_map, asked["out"], place.library)
    if asked["out"] is not None:
        check_out(asked["out"], asked["dtype"], shape)
    try:
        probability, result = once_more_if_short(
            place,
            lambda: run(raters, asked["mask"], axes, place, options, dtype=asked["dtype"], out=asked["out"]),
        )
    except _core.BadInput as bad:
        only = [np.broadcast_to(np.float64(bad.args[3]), shape)] * len(raters)  # all that is known of tensors
        nowhere = np.zeros(1, bool) if bad.args[0] == "empty_mask" else None
        names, arrays = (asked["names"], only) if given is None else (given.names, given.arrays)
        raise ValueError(explain(bad.args, arrays, nowhere, axes, names, asked["titles"])) from None
    except _core.DeviceError as error:
        raise FastfuseError(str(error)) from None
    fusion = _fusion(result, probability, asked["method"], None)
    if given is not None:
        fusion = given.whole(fusion)
    return fusion, _remarks(fusion, result, asked, [], resampled=True)


def _core_options(asked: Mapping[str, Any], prior: float | None) -> _core.Options:
    """Check the options, and return them as the core takes them."""
    options = _core.Options()
    options.method = asked["method"]
    options.m_step = check_choice(asked["m_step"], "m_step", ("paper", "em"))
    options.expectation = check_choice(asked["expectation"], "expectation", EXPECTATIONS)
    options.likelihood = check_choice(asked["likelihood"], "likelihood", LIKELIHOODS)
    if prior is not None or isinstance(asked["prior"], str):
        options.prior = asked["prior"] if prior is None else prior
    options.performance_prior = check_performance_prior(asked["performance_prior"])
    init = check_init(asked["init"])
    options.init = "vote" if init is None else init
    options.missing = "nan" if check_missing(asked["missing"]) else "error"
    options.roi = "disputed" if asked["roi"] == "disputed" else "all"
    options.intervals = check_choice(asked["intervals"], "intervals", INTERVALS)
    options.select_label = check_label(asked["select_label"])
    options.tol = check_tolerance(asked["tol"])
    options.max_iter = check_count(asked["max_iter"], "max_iter", least=1)
    options.acceleration = check_choice(asked["acceleration"], "acceleration", ACCELERATIONS)
    options.threads = check_count(asked["threads"], "threads", least=0)
    options.route = asked["route"]
    return options


def _fusion(result: _core.Result, probability: Any, method: Method, found: Intervals | None) -> Fusion:
    return Fusion(
        probability=probability,
        sensitivity=np.array(result.sensitivity),
        specificity=np.array(result.specificity),
        prior=result.prior,
        log_likelihood=np.array(result.log_likelihood, dtype=np.float64),
        n_iter=result.iterations,
        converged=result.converged,
        method=method,
        n_voxels=int(result.voxels),
        volume=np.array(result.volume),
        n_read=np.array(result.read),
        **_agreement(result),
        intervals=found,
    )


def _remarks(
    fusion: Fusion, result: _core.Result, asked: Mapping[str, Any], arrays: list[Array], resampled: bool
) -> list[str]:
    return remarks_on(
        fusion,
        disputed=result.disputed,
        lowest=result.lowest,
        highest=result.highest,
        arrays=arrays,
        max_iter=asked["max_iter"],
        label=asked["select_label"],
        names=asked["names"],
        wanted=asked["intervals"],
        resampled=resampled,
        roi=asked["roi"],
    )


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
    kind: str, result: _core.Result, options: _core.Options, replicates: int, seed: int
) -> tuple[Intervals | None, bool]:
    """Return the intervals that were asked for, and whether the votes repeat enough for them."""
    if kind == "none":
        return None, True
    sensitivity, specificity = np.array(result.sensitivity), np.array(result.specificity)
    if kind == "information":
        return from_information(result.information, result.variability, sensitivity, specificity), True
    return bootstrap(result, kind=kind, replicates=replicates, seed=seed, options=options)


def _check_intervals(kind: str, prior_map: Array | None, mrf: float) -> None:
    if kind != "none" and mrf > 0:
        raise ValueError(f"intervals is {kind!r}, mrf is set: with coupled voxels they are not defined")
    if kind in ("bootstrap", "lesions") and prior_map is not None:
        raise ValueError(f"intervals is {kind!r}, prior is a map: a bootstrap needs one prior for all voxels")


def _agreement(result: _core.Result) -> dict[str, Any]:
    """Return each rater's predictive values and Dice against the soft consensus; nan for 0/0."""
    both, seen = np.array(result.marked_by), np.array(result.seen_by)
    volume, read = np.array(result.volume), np.array(result.read)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "ppv": np.minimum(both / volume, 1),
            "npv": np.minimum((read - seen - volume + both) / (read - volume), 1),
            "dice": np.minimum(2 * both / (seen + volume), 1),
        }
