"""Fuses image files into a consensus file, which appears whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..dilation.options import Dilation, DilationOptions
from ..errors import warn
from ..fusion.backends.devices import place_of
from ..fusion.declared import documented
from ..fusion.option_checks import PerformancePrior
from ..fusion.options import (
    Acceleration,
    Expectation,
    Init,
    IntervalKind,
    Likelihood,
    Missing,
    MStep,
    Options,
    Roi,
)
from ..fusion.pipeline import fuse_votes
from ..fusion.registry import Method, MethodName, method_called
from ..fusion.result import Fusion, Ties, check_ties
from ..fusion.votes import ENTRIES, Votes, method_entry
from ..images.formats.segments import with_segments
from ..images.paths import PathLike, as_path, as_paths, listed_paths, needed_path
from ..images.placing import Form, Placing, Resample
from ..images.wanted import ChannelAxis, Wanted, check_channel_axis
from ..inputs.checks import Labels, Scale, check_cut
from ..inputs.foreground import within
from ..inputs.names import grouped, listed_names
from .doubts import alike
from .facts import sidecar_of
from .growth import fuse_grown, growth_of
from .job import Inputs, Job, counts_of, marked_voxels
from .misfits import misfit_remarks
from .prior import is_plain, prior_file, prior_map, smoothing_of, word_or_number


@documented({**ENTRIES, "method": method_entry(images=True)})
def fuse_files(
    paths: Sequence[PathLike],
    output: PathLike,
    *,
    method: MethodName = "soft-staple",
    m_step: MStep = "paper",
    expectation: Expectation = "auto",
    likelihood: Likelihood = "mixture",
    prior: str | float | Path = "mean",
    init: Init = "auto",
    mask: PathLike | None = None,
    roi: Roi = "all",
    missing: Missing = "error",
    present: Sequence[PathLike | None] | None = None,
    mrf: float = 0.0,
    performance_prior: PerformancePrior = "auto",
    intervals: IntervalKind = "none",
    replicates: int = 200,
    seed: int = 0,
    tol: float = 1e-7,
    max_iter: int = 1000,
    acceleration: Acceleration = "none",
    threads: int = 0,
    device: str | None = None,
    select_label: Labels = None,
    binarize: bool = False,
    threshold: float | None = None,
    scale: Scale = None,
    select_segment: str | Sequence[str] | None = None,
    channel_axis: ChannelAxis | None = None,
    image: PathLike | None = None,
    soften: bool = False,
    dilation: DilationOptions | None = None,
    save_label: PathLike | None = None,
    cut: float = 0.5,
    ties: Ties = "foreground",
    save_counts: PathLike | None = None,
    names: Sequence[str] | None = None,
    overwrite: bool = False,
    progress: Callable[[str], None] | None = None,
    grid: PathLike | None = None,
    resample: Resample = "none",
    use: Form | None = None,
) -> Fusion:
    """Fuse image files into a consensus file, with a JSON sidecar beside it.

    Files that were cropped to what they mark are padded, and those whose axes have another order or direction are
    turned, by whole voxels: no value changes. What lies between the voxels of the others is refused.

    Parameters
    ----------
    paths : sequence of path
        One image per rater: .nii, .nii.gz, .mha, .mhd, .nrrd, .nhdr, .npy, and whatever other volumes nibabel reads;
        PNG and TIFF with Pillow; DICOM SEG with pydicom; and .npz as nnU-Net saves probabilities, with its segmentation
        beside it, of which select_label chooses the class or, by its place, the region. A 2-D image is one slice,
        (x, y, 1).
    output : path
        The consensus (.nii or .nii.gz), float32, with affine, units and codes of the grid: the first rater's, or
        that of ``grid``, of ``image``, or of the box that holds all raters and the mask where files are parts of
        one volume. Its sidecar has the same name with .json: method, options, grid, each rater's file and
        performance, prior, iterations, log-likelihood.
    prior : {"mean", "estimate"}, float or path
        p(truth 1) before any vote, as in :func:`staple`; a map is given as an image file, or as "smooth:4", the mean
        vote smoothed by 4 mm (:func:`smoothed_vote`).
    mask : path, optional
        Image of the region to fuse, 0 and 1. Without it the whole volume, whose background inflates
        specificity.
    present : sequence of m paths or None, optional
        Images of where each rater looked, 0 and 1; None for a rater who looked everywhere.
    select_segment : str or sequence of str, optional
        Name of the segment to fuse, or of several whose union is fused, of raters that name theirs (.seg.nrrd, DICOM
        SEG).
    channel_axis : {"first", "last"}, optional
        Which axis of an image of four axes holds a network's classes or regions, of which select_label chooses one. By
        default the one along which probabilities sum to 1, or a single short one.
    image, soften, dilation : path, bool, mapping
        Grow the raters' masks on ``image`` (FLAIR) by :func:`conditional_dilation` before they are fused; or, for
        "dilated-staple", which needs ``image`` too, their consensus. ``dilation`` holds options of that
        function; the voxel's size comes from the header, and ``mask`` is the roi.
    save_label, cut : path, float
        Also write the mask ``probability >= cut`` as uint8.
    ties : {"foreground", "background"}, default "foreground"
        What a voxel of that mask becomes whose probability is the cut itself, as in :meth:`Fusion.label`.
    save_counts : path
        Also write how many raters mark each voxel (vote >= 0.5) as uint8, as uint16 for more than 255 raters, 0 outside
        the mask. Masks that grow are counted as they were drawn.
    names : sequence of m str, optional
        What to call the raters in messages, tables and the sidecar; their files without it.
    overwrite : bool, default False
        Replace existing outputs.
    progress : callable, optional
        Called with a few words before each step.
    grid : path, optional
        Image whose grid all get, and the outputs have. Voxels beyond it are cut off, which is said.
    resample : {"none", "nearest"}
        What is done with a file whose voxels lie between those of the grid: it is refused, or each voxel of the grid
        takes the value of the file's nearest one.
    use : {"qform", "sform"}, optional
        Which affine of a NIfTI header counts where it has both; the sform without it.
    {options}

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
    row = method_called(method)
    cut = check_cut(cut)
    options = Options(
        prior=word_or_number(prior),
        m_step=m_step, expectation=expectation, likelihood=likelihood, init=init, roi=roi,
        missing=missing, mrf=mrf, performance_prior=performance_prior, intervals=intervals,
        replicates=replicates, seed=seed, tol=tol, max_iter=max_iter, acceleration=acceleration,
        threads=threads, device=device, select_label=select_label, binarize=binarize,
        threshold=threshold, scale=scale,
    ).checked()  # fmt: skip
    kept: Any = options.prior if is_plain(prior) else str(prior)
    asked = replace(options, prior=kept)
    asked.check_method(row, images=True)
    growth = growth_of(row, image, soften, dilation)
    segments = with_segments(options.foreground, select_segment).segments
    place_of([], device)  # which refuses a device that is not there
    if growth is not None and (growth.binarize or options.binarize):
        growth, asked = replace(growth, binarize=True), replace(asked, binarize=True).checked_selection()
        options = replace(options, binarize=True)
    job = Job(
        raters=as_paths(paths),
        mask=as_path(mask, "mask"),
        prior=prior_file(prior),
        image=as_path(image, "image"),
        consensus=needed_path(output, "output"),
        label=as_path(save_label, "save_label"),
        counts=as_path(save_counts, "save_counts"),
        present=listed_paths(present, "present"),
        cut=cut,
        ties=check_ties(ties),
        smoothing_mm=smoothing_of(prior),
        channel_axis=check_channel_axis(channel_axis),
        segments=segments,
        overwrite=overwrite,
        called=listed_names(names),
        placing=Placing.checked(grid, resample, use),
    )
    job.check()
    return _done(job, row, options, asked, growth, progress or (lambda _: None))


def _done(
    job: Job,
    method: Method,
    options: Options,
    asked: Options,
    growth: Dilation | None,
    say: Callable[[str], None],
) -> Fusion:
    """Read, fuse, write; ``asked`` are the options as the sidecar keeps them."""
    from ..images.structures import check_is_mask

    place = place_of([], options.device)
    foreground = replace(options.foreground, segments=job.segments)
    wanted = Wanted(foreground, job.channel_axis, use=job.placing.use, offers_use=True)
    inputs = job.read(say, options.threads, wanted)
    options = _of_inputs(options, method, job, inputs, on_device=place is not None)
    if growth is not None or method.votes == "binary":
        for image, read, name in zip(inputs.raters, inputs.votes, job.holders, strict=True):
            check_is_mask(image, read, name, wanted.foreground)
    a_map = prior_map(job, inputs, options.core_label, options.threads, say)
    options = options if a_map is None else replace(options, prior=a_map)
    votes = Votes(
        inputs.votes, inputs.region, inputs.present or None, axis=0, names=job.holders, titles=job.titles,
        scaled_by=asked.scale if isinstance(asked.scale, float) else None,
    )  # fmt: skip
    if growth is None:
        say("fusing")
        fusion, doubts = fuse_votes(votes, method, options, cut=job.least_marked, ties=job.ties)
        grown = None
    else:
        fusion, grown, doubts = fuse_grown(votes, method, options, growth, job, inputs, say)
    remarks = [
        *grouped(inputs.remarks),
        *alike(job.raters, job.holders, inputs.votes, fusion.volume.tolist()),
        *doubts,
        *misfit_remarks(job, inputs, fusion, options.core_label),
    ]
    where = "cpu" if place is None else f"cuda:{place.device}"
    by_name = {"select_segment": list(job.segments)} if job.segments else {}
    facts = {
        **asked.recorded(method),
        **asked.selection,
        **by_name,
        "device": where,
        "cut": job.cut,
        **({} if job.ties == "foreground" else {"ties": job.ties}),
    }
    marked = marked_voxels(inputs, options.core_label, fusion, grown=growth is not None)
    sidecar = sidecar_of(fusion, job, inputs, facts, grown, remarks, marked)
    counts = None if job.counts is None else counts_of(inputs, options.core_label)
    job.write(fusion, counts, inputs.common.like, sidecar, say)
    warn(remarks, callers=2)
    return fusion


def _of_inputs(options: Options, method: Method, job: Job, inputs: Inputs, *, on_device: bool) -> Options:
    """Return the options for the votes that were read; make votes of values where the core would not."""
    from ..images.structures import check_one_structure

    in_mm = method.estimates and (options.margin_mm is not None or options.mrf)
    options = replace(options, spacing_mm=inputs.grid.spacing_mm if in_mm else None)
    if not options.foreground.selects:
        return options
    of_networks = any(image.is_channel for image in inputs.raters)
    maps = [at for at, image in enumerate(inputs.raters) if not image.is_channel]
    inputs.remarks += options.foreground.said_of_each(
        [inputs.votes[at] for at in maps], [job.holders[at] for at in maps], inputs.region
    )
    if options.core_label is not None and not of_networks and not on_device:  # a device takes votes
        return options
    check_one_structure(options.foreground.labels, inputs.raters, job.holders)
    foreground, said = options.foreground.settled(inputs.votes, job.holders, inputs.region)
    inputs.remarks += said
    values = inputs.votes
    looked = inputs.present or [None] * len(values)
    inputs.votes = [
        (foreground.of_channel if image.is_channel else foreground).votes(
            votes, name, inside=within(inputs.region, seen), remarks=inputs.remarks
        )
        for votes, image, name, seen in zip(values, inputs.raters, job.holders, looked, strict=True)
    ]
    if not of_networks:
        inputs.remarks += foreground.said_of_missing(values, inputs.region)
        if not any(votes.any() for votes in inputs.votes):
            inputs.remarks.append(foreground.said_of_nothing(values))
    return options.as_votes
