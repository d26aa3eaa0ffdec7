"""The door to the compiled core: options in, results and sentences out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ... import _core
from ...errors import FastfuseError
from ...inputs.arrays import Array
from ...inputs.checks import check_performance_prior
from ..case import Case, InMemory
from ..messages import Complaint
from ..options import Options
from ..registry import Method
from ..result import Found


def core_options(method: Method, options: Options, spacings: list[float]) -> dict[str, Any]:
    """Return options as the core takes them; ``spacings`` are along the axes in the order of memory."""
    strength = options.mrf * min(spacings)
    word = isinstance(options.prior, (str, np.ndarray)) or np.ndim(options.prior) > 0
    return {
        "method": method.core,
        "em_m_step": options.m_step == "em",
        "expectation": options.expectation,
        "log_linear": options.likelihood == "log_linear",
        "prior": None if word else options.prior,
        "estimate_prior": isinstance(options.prior, str) and options.prior == "estimate",
        "performance_prior": check_performance_prior(options.performance_prior),
        "init": None if isinstance(options.init, str) else options.init,
        "nan_is_missing": options.missing == "nan",
        "disputed_only": options.roi == "disputed",
        "coupling": [strength / side for side in spacings] if options.mrf else [],
        "inform": options.intervals == "information",
        "select_label": None if options.select_label is None else float(options.select_label),
        "tol": options.tol,
        "max_iter": options.max_iter,
        "accelerate": options.acceleration == "squarem",
        "threads": options.threads,
        "route": options.route,
    }


def found_in(result: _core.Result) -> Found:
    """Return the core's result."""
    return Found(
        sensitivity=np.array(result["sensitivity"]),
        specificity=np.array(result["specificity"]),
        prior=result["prior"],
        log_likelihood=np.array(result["log_likelihood"], np.float64),
        iterations=result["iterations"],
        converged=result["converged"],
        voxels=result["voxels"],
        disputed=result["disputed"],
        volume=np.array(result["volume"]),
        read=np.array(result["read"]),
        marked_by=np.array(result["marked_by"]),
        seen_by=np.array(result["seen_by"]),
        lowest=result["lowest"],
        highest=result["highest"],
        information=result["information"],
        variability=result["variability"],
    )


def fuse(arrays: InMemory, out: Array, options: dict[str, Any]) -> Found:
    """Fuse on the CPU."""
    return found_in(
        _core.fuse(
            arrays.raters,
            out,
            mask=arrays.mask,
            prior_map=arrays.prior_map,
            present=arrays.present,
            options=options,
        )
    )


def tabulate(arrays: InMemory, options: dict[str, Any]) -> Any:
    """Return the table of vote patterns."""
    return _core.tabulate(arrays.raters, mask=arrays.mask, present=arrays.present, options=options)


def fit(*given: Any, options: dict[str, Any]) -> Any:
    """Fit rates to a table."""
    return _core.fit(*given, options=options)


@contextmanager
def refusals_explained(case: Case, *, seen: bool) -> Iterator[None]:
    """Raise what the core refuses as sentences; ``seen`` is False for votes that only the device can read."""
    try:
        yield
    except _core.BadInput as bad:
        kind, rater, voxel, value = bad.args
        arrays, mask = case.given.arrays, case.mask
        if not seen:  # the value is all that is known of tensors
            arrays = [np.broadcast_to(np.float64(value), case.shape)] * len(arrays)
            mask = np.zeros(1, bool) if kind == "empty_mask" else None
        complaint = Complaint(
            kind, rater, voxel, value, arrays, mask, case.axes, case.given.names, case.titles
        )
        raise ValueError(complaint.sentence()) from None
    except _core.DeviceError as error:
        raise FastfuseError(str(error)) from None
