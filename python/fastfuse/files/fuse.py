"""From image files to a consensus file, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..dilation.guide import Guide
from ..dilation.options import Dilation
from ..errors import warn
from ..fusion.backends.cuda import place_of
from ..fusion.dilated import dilate_fusion
from ..fusion.intervals import Intervals
from ..fusion.pipeline import fuse_arrays
from ..fusion.result import METHODS, Fusion, Method
from ..fusion.smoothing import smoothed_vote
from ..images.paths import PathLike, as_path, as_paths, recorded
from ..images.sidecar import number_or_null
from ..inputs.arrays import selected
from ..inputs.checks import (
    check_choice,
    check_count,
    check_cut,
    check_flag,
    check_label,
    check_one_selection,
)
from .job import Inputs, Job
from .options import checked_options, prior_file, smoothing_of
from .soften import dilation_facts, dilation_options, soft_facts


def fuse_files(
    paths: Sequence[PathLike],
    output: PathLike,
    *,
    method: str = "soft-staple",
    m_step: str = "paper",
    expectation: str = "auto",
    likelihood: str = "mixture",
    prior: str | float | Path = "mean",
    init: str | float = "vote",
    mask: PathLike | None = None,
    roi: str | float = "all",
    missing: str = "error",
    present: Sequence[PathLike | None] | None = None,
    mrf: float = 0.0,
    performance_prior: Any = None,
    intervals: str = "none",
    replicates: int = 200,
    seed: int = 0,
    tol: float = 1e-7,
    max_iter: int = 1000,
    acceleration: str = "none",
    threads: int = 0,
    device: str | None = None,
    select_label: int | None = None,
    image: PathLike | None = None,
    soften: bool = False,
    dilation: Mapping[str, Any] | None = None,
    save_label: PathLike | None = None,
    cut: float = 0.5,
    save_counts: PathLike | None = None,
    overwrite: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Fusion:
    """Fuse image files of one grid into a consensus file, with a JSON sidecar beside it.

    Parameters
    ----------
    paths : sequence of path
        One image per rater: .nii, .nii.gz, whatever else nibabel reads; .nrrd and .mha with SimpleITK; and .npz as
        nnU-Net saves probabilities, with its segmentation beside it, of which select_label chooses the class.
    output : path
        The consensus (.nii or .nii.gz), float32, with the first rater's affine, units and codes. Its sidecar
        has the same name with .json: method, options, each rater's file and performance, prior,
        iterations, log-likelihood.
    method : {"soft-staple", "simplified-soft-staple", "staple", "dilated-staple", "majority"}
        The functions :func:`soft_staple`, :func:`simplified_soft_staple`, :func:`staple`, :func:`dilated_staple`
        and :func:`majority_vote`, which explain m_step, expectation, likelihood, init, roi, missing, mrf,
        performance_prior, intervals, replicates, seed, tol, max_iter, acceleration, threads, device and select_label. The
        voxel's size comes from the header.
    prior : {"mean", "estimate"}, float or path
        As there; a map is given as an image file, or as "smooth:4", the mean vote smoothed by 4 mm
        (:func:`smoothed_vote`).
    mask : path, optional
        Image of the region to fuse, 0 and 1. Without it the whole volume, whose background inflates
        specificity.
    present : sequence of m paths or None, optional
        Images of where each rater looked, 0 and 1; None for a rater who looked everywhere.
    image, soften, dilation : path, bool, mapping
        Grow the raters' masks on ``image`` (FLAIR) by :func:`conditional_dilation` before they are fused; or, for
        "dilated-staple", which needs ``image`` too, their consensus. ``dilation`` holds options of that
        function; the voxel's size comes from the header, and ``mask`` is the roi.
    save_label, cut : path, float
        Also write the mask ``probability >= cut`` as uint8.
    save_counts : path
        Also write how many raters mark each voxel (vote >= 0.5) as uint8, as uint16 for more than 255 raters, 0 outside
        the mask.
    overwrite : bool, default False
        Replace existing outputs.
    progress : callable, optional
        Called with a few words before each step.

    Returns
    -------
    Fusion

    Raises
    ------
    ImageError, GridError, OutputError
        Naming the file. No existing file is touched before all outputs are complete.
    ValueError, TypeError
        As the functions on arrays.

    Warns
    -----
    FusionWarning
        As the functions on arrays, and for grids that differ by up to a tenth of a voxel.
    """
    check_choice(method, "method", METHODS)
    cut = check_cut(cut)
    say = progress or (lambda _: None)
    options = checked_options(
        method,
        m_step=m_step,
        expectation=expectation,
        likelihood=likelihood,
        prior=prior,
        init=init,
        roi=roi,
        missing=missing,
        mrf=mrf,
        performance_prior=performance_prior,
        intervals=intervals,
        replicates=replicates,
        seed=seed,
        tol=tol,
        max_iter=max_iter,
        acceleration=acceleration,
    )
    growth = _checked_growth(method, image, soften, dilation)
    check_label(select_label)
    threads = check_count(threads, "threads", least=0)
    place = place_of([], device)
    check_one_selection(select_label, binarize=growth is not None and growth.binarize)
    job = Job(
        raters=as_paths(paths),
        mask=as_path(mask, "mask"),
        prior=prior_file(prior),
        image=as_path(image, "image"),
        consensus=as_path(output, "output"),
        label=as_path(save_label, "save_label"),
        counts=as_path(save_counts, "save_counts"),
        present=[as_path(path, "present") for path in present or ()],
    )
    job.check(overwrite=overwrite)
    label = None if select_label is None else int(select_label)
    inputs = job.read(say, threads, label)
    options["select_label"] = label
    if label is not None and job.of_networks:  # reading has taken that class of these
        inputs.votes = [
            vote if is_network else selected(vote, label)
            for vote, is_network in zip(inputs.votes, job.of_networks, strict=True)
        ]
        label = None
    if place is not None and label is not None:  # a device takes votes
        inputs.votes, label = [selected(vote, label) for vote in inputs.votes], None
    shared = {
        **options,
        "mask": inputs.region,
        "present": inputs.present or None,
        "threads": threads,
        "device": device,
        "select_label": label,
        "names": job.names,
        "titles": job.titles,
    }
    if inputs.prior is not None:
        shared["prior"] = inputs.prior
    sigma = smoothing_of(prior)
    if sigma is not None:
        say("smoothing the votes")
        voting = inputs.votes if label is None else [selected(vote, label) for vote in inputs.votes]
        shared["prior"] = smoothed_vote(
            voting, sigma, spacing_mm=inputs.raters[0].grid.spacing_mm, mask=inputs.region
        )
    if method != "majority" and inputs.raters:
        shared["spacing_mm"] = inputs.raters[0].grid.spacing_mm
    if growth is None:
        say("fusing")
        fusion, doubts = fuse_arrays(inputs.votes, cast(Method, method), **shared)
        grown = None
    else:
        growth = replace(growth, spacing_mm=inputs.raters[0].grid.spacing_mm)
        fusion, grown, doubts = _fuse_grown(inputs, job, cast(Method, method), growth, shared, say)
    remarks = inputs.remarks + doubts
    where = "cpu" if place is None else f"cuda:{place.device}"
    sidecar = _sidecar(fusion, job, inputs, {**options, "device": where, "cut": cut}, grown, remarks)
    counts = None if job.counts is None else _counts(inputs, label)
    job.write(fusion, counts, cut, inputs.raters[0], sidecar, say, overwrite=overwrite)
    warn(remarks)
    return fusion


def _checked_growth(
    method: str, image: PathLike | None, soften: Any, dilation: Mapping[str, Any] | None
) -> Dilation | None:
    """Return how masks, or their consensus, are to grow; None if they are not."""
    if check_flag(soften, "soften") and method in ("staple", "dilated-staple"):
        raise ValueError(
            f"soften is set, but {method} takes masks of 0 and 1: fuse soft votes by soft-staple"
        )
    grows = soften or method == "dilated-staple"
    if grows and image is None:
        raise ValueError(
            f"{'soften' if soften else method} needs image (--image), the FLAIR that masks grow on"
        )
    if not grows and (image is not None or dilation):
        given = "image" if image is not None else "options of a dilation"
        raise ValueError(f"{given} given, but nothing grows: add soften (--soften), or choose dilated-staple")
    return dilation_options(dilation or {}) if grows else None


def _fuse_grown(
    inputs: Inputs,
    job: Job,
    method: Method,
    growth: Dilation,
    shared: dict[str, Any],
    say: Callable[[str], None],
) -> tuple[Fusion, dict[str, Any], list[str]]:
    """Fuse masks that grow before, or whose consensus grows after; return what the sidecar says of it too."""
    guide = Guide.of(
        inputs.image,
        inputs.region,
        growth,
        threads=shared["threads"],
        image_name=job.titles["image"],
        roi_name=job.titles["mask"],
    )
    facts = dilation_facts(guide, cast(Path, job.image), job.mask)
    if method == "dilated-staple":
        say("fusing")
        fusion, soft, remarks = dilate_fusion(inputs.votes, guide, **shared)
        return fusion, {**facts, "consensus": soft_facts(soft)}, remarks
    say("softening")
    label = shared.pop("select_label")
    remarks = list(guide.remarks)
    masks = inputs.votes
    if label is not None:
        masks = [selected(vote, label) for vote in inputs.votes]
        if not any(mask.any() for mask in masks):
            remarks.append(f"label {label} does not occur")
    softened = guide.dilate_all(masks, job.names)
    say("fusing")
    fusion, doubts = fuse_arrays([soft.values for soft in softened], method, **shared)
    return fusion, {**facts, "raters": [soft_facts(soft) for soft in softened]}, remarks + doubts


def _counts(inputs: Inputs, label: int | None) -> NDArray[Any]:
    """Count the raters who mark each voxel that they looked at."""
    votes, most = inputs.votes, np.iinfo(np.uint8).max
    counts: NDArray[Any] = np.zeros_like(votes[0], dtype=np.uint8 if len(votes) <= most else np.uint16)
    for vote, seen in zip(votes, inputs.present or [None] * len(votes), strict=True):
        marked = vote >= 0.5 if label is None else selected(vote, label)
        np.add(counts, marked if seen is None else marked & (seen != 0), out=counts)
    if inputs.region is not None:
        counts[inputs.region == 0] = 0
    return counts


def _sidecar(
    fusion: Fusion,
    job: Job,
    inputs: Inputs,
    options: dict[str, Any],
    grown: dict[str, Any] | None,
    remarks: list[str],
) -> dict[str, Any]:
    from importlib.metadata import version

    foreground = int(np.count_nonzero(fusion.probability >= options["cut"]))
    outputs = {"consensus": job.consensus, "label": job.label, "counts": job.counts}
    voxel_ml = inputs.raters[0].voxel_ml
    return {
        "fastfuse": version("fastfuse"),
        "method": fusion.method,
        "options": options,
        "outputs": {what: recorded(path.name) for what, path in outputs.items() if path is not None},
        "raters": [
            {
                "file": recorded(path),
                "sensitivity": number_or_null(fusion.sensitivity[i]),
                "specificity": number_or_null(fusion.specificity[i]),
                **_interval_facts(fusion.intervals, i),
                "ppv": number_or_null(fusion.ppv[i]),
                "npv": number_or_null(fusion.npv[i]),
                "dice": number_or_null(fusion.dice[i]),
                "voxels_read": int(fusion.n_read[i]),
                "volume_voxels": number_or_null(fusion.volume[i]),
                "volume_ml": round(float(fusion.volume[i]) * voxel_ml, 6),
            }
            for i, path in enumerate(job.raters)
        ],
        **({"present": [path and recorded(path) for path in job.present]} if job.present else {}),
        **({} if grown is None else {"dilation": grown}),
        "foreground": {"voxels": foreground, "ml": round(foreground * voxel_ml, 6)},
        "region": {"mask": None if job.mask is None else recorded(job.mask), "voxels": fusion.n_voxels},
        "prior": number_or_null(fusion.prior),
        "n_iter": fusion.n_iter,
        "converged": fusion.converged,
        "log_likelihood": fusion.log_likelihood.tolist(),
        "warnings": remarks,
    }


def _interval_facts(intervals: Intervals | None, rater: int) -> dict[str, Any]:
    """Return a rater's standard errors and 95 % intervals as the sidecar keeps them."""
    if intervals is None:
        return {}
    return {
        "sensitivity_error": number_or_null(intervals.sensitivity_error[rater]),
        "sensitivity_95": number_or_null(intervals.sensitivity[rater]),
        "specificity_error": number_or_null(intervals.specificity_error[rater]),
        "specificity_95": number_or_null(intervals.specificity[rater]),
    }
