"""Fuses image files into a consensus file, which appears whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from ..dilation.options import DilationOptions
from ..fusion.declared import documented
from ..fusion.labels.declared import (
    AskedLabels,
    Candidates,
    ConfusionModel,
    Dirichlet,
    Knows,
    Label,
    LabelInit,
    LabelPrior,
    LabelRoi,
    LabelsLike,
)
from ..fusion.option_checks import PerformancePrior, check_flag
from ..fusion.options import (
    Acceleration,
    Expectation,
    Init,
    IntervalKind,
    Likelihood,
    Missing,
    MStep,
    Options,
    Prior,
    Roi,
)
from ..fusion.registry import MethodName, keeping_given, method_called
from ..fusion.result import DiceRule, Fusion, Ties
from ..fusion.streamed.declared import Memory
from ..fusion.votes import ENTRIES, method_entry
from ..images.formats.segments import with_segments
from ..images.paths import PathLike
from ..images.placing import Form, Placing, Resample
from ..images.wanted import ChannelAxis
from ..inputs.checks import Labels, Scale
from .job import vote_job
from .labels.applies import check_for_masks, labels_asked
from .preset import ENTRY as PRESET
from .preset import PresetName, check_preset, noting_given
from .prior import prior_file, smoothing_of
from .recipe import keeping_call
from .votes import check_order, fuse_vote_files

if TYPE_CHECKING:
    from ..fusion.labels.overlap import Overlapping
    from ..fusion.labels.result import LabelFusion

OF_FILES = (
    method_entry(images=True) + """ Of label maps by default "staple", of networks' classes "majority"."""
)


@overload
def fuse_files(
    paths: Sequence[PathLike],
    output: PathLike,
    *,
    method: MethodName | None = None,
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
    max_memory: Memory = None,
    device: str | None = None,
    select_label: Labels = None,
    binarize: bool = False,
    threshold: float | None = None,
    scale: Scale = None,
    evidence: bool = False,
    classes: Literal[2, 3] = 2,
    select_segment: str | Sequence[str] | None = None,
    channel_axis: ChannelAxis | None = None,
    image: PathLike | None = None,
    soften: bool = False,
    dilation: DilationOptions | None = None,
    save_label: PathLike | None = None,
    cut: float | DiceRule = 0.5,
    ties: Ties = "foreground",
    save_counts: PathLike | None = None,
    report: PathLike | None = None,
    names: Sequence[str] | None = None,
    overwrite: bool = False,
    progress: Callable[[str], None] | None = None,
    grid: PathLike | None = None,
    resample: Resample = "none",
    use: Form | None = None,
    labels: None = None,
    preset: PresetName | None = None,
    decisions: PathLike | None = None,
) -> Fusion: ...


@overload
def fuse_files(
    paths: Sequence[PathLike],
    output: PathLike,
    *,
    method: MethodName | None = None,
    prior: LabelPrior | PathLike | Sequence[PathLike] | Mapping[Label, PathLike] = "mean",
    init: LabelInit = "auto",
    mask: PathLike | None = None,
    roi: LabelRoi = "all",
    missing: Missing = "error",
    present: Sequence[PathLike | None] | None = None,
    performance_prior: Dirichlet = "auto",
    tol: float = 1e-7,
    max_iter: int = 1000,
    acceleration: Acceleration = "none",
    threads: int = 0,
    image: PathLike | None = None,
    report: PathLike | None = None,
    names: Sequence[str] | None = None,
    overwrite: bool = False,
    progress: Callable[[str], None] | None = None,
    grid: PathLike | None = None,
    resample: Resample = "none",
    use: Form | None = None,
    labels: LabelsLike,
    label_names: PathLike | None = None,
    candidates: Candidates = "auto",
    confusion: ConfusionModel = "full",
    knows: Knows | None = None,
    weights: Sequence[float] | None = None,
    undecided: int | None = None,
    save_probability: Mapping[Any, PathLike] | None = None,
    save_confidence: PathLike | None = None,
    overlap: Literal[False] = False,
    decisions: PathLike | None = None,
) -> LabelFusion: ...


@overload
def fuse_files(
    paths: Sequence[PathLike],
    output: PathLike,
    *,
    method: MethodName | None = None,
    m_step: MStep = "paper",
    expectation: Expectation = "auto",
    likelihood: Likelihood = "mixture",
    prior: str | float | Mapping[Any, float] = "mean",
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
    threshold: float | None = None,
    select_segment: str | Sequence[str] | None = None,
    channel_axis: ChannelAxis | None = None,
    save_label: PathLike | None = None,
    cut: float | DiceRule = 0.5,
    ties: Ties = "foreground",
    names: Sequence[str] | None = None,
    overwrite: bool = False,
    progress: Callable[[str], None] | None = None,
    grid: PathLike | None = None,
    resample: Resample = "none",
    use: Form | None = None,
    labels: LabelsLike | None = None,
    save_probability: Mapping[Any, PathLike] | None = None,
    overlap: Literal[True],
) -> Overlapping: ...


@documented({**ENTRIES, "method": OF_FILES, "preset": PRESET})
@keeping_call
@noting_given
@keeping_given
def fuse_files(
    paths: Sequence[PathLike],
    output: PathLike,
    *,
    method: MethodName | None = None,
    m_step: MStep = "paper",
    expectation: Expectation = "auto",
    likelihood: Likelihood = "mixture",
    prior: Prior | PathLike | Sequence[PathLike] | Mapping[Any, float] | Mapping[Any, PathLike] = "mean",
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
    max_memory: Memory = None,
    device: str | None = None,
    select_label: Labels = None,
    binarize: bool = False,
    threshold: float | None = None,
    scale: Scale = None,
    evidence: bool = False,
    classes: Literal[2, 3] = 2,
    select_segment: str | Sequence[str] | None = None,
    channel_axis: ChannelAxis | None = None,
    image: PathLike | None = None,
    soften: bool = False,
    dilation: DilationOptions | None = None,
    save_label: PathLike | None = None,
    cut: float | DiceRule = 0.5,
    ties: Ties = "foreground",
    save_counts: PathLike | None = None,
    report: PathLike | None = None,
    names: Sequence[str] | None = None,
    overwrite: bool = False,
    progress: Callable[[str], None] | None = None,
    grid: PathLike | None = None,
    resample: Resample = "none",
    use: Form | None = None,
    labels: LabelsLike | None = None,
    label_names: PathLike | None = None,
    candidates: Candidates = "auto",
    confusion: ConfusionModel = "full",
    knows: Knows | None = None,
    weights: Sequence[float] | None = None,
    undecided: int | None = None,
    save_probability: Mapping[Any, PathLike] | None = None,
    save_confidence: PathLike | None = None,
    overlap: bool = False,
    preset: PresetName | None = None,
    decisions: PathLike | None = None,
) -> Fusion | LabelFusion | Overlapping:
    """Fuse image files into a consensus file, with a JSON sidecar beside it.

    Files that were cropped to what they mark are padded, and those whose axes have another order or direction are
    turned, by whole voxels: no value changes. What lies between the voxels of the others is refused.

    Parameters
    ----------
    paths : sequence of path
        One image per rater: .nii, .nii.gz, .mha, .mhd, .nrrd, .nhdr, .npy, and whatever other volumes nibabel reads; PNG and TIFF with
        Pillow; DICOM SEG with pydicom, and RTSTRUCT, whose contours are drawn on the grid of ``grid``, of ``image``, or else of a rater
        or the mask; and .npz as nnU-Net saves probabilities, with its segmentation beside it, of which select_label
        chooses the class or, by its place, the region. A 2-D image is one slice, (x, y, 1).
    output : path
        The consensus (.nii or .nii.gz), float32; as segments (.seg.nrrd) its mask, the counts and the raters; or as fractional DICOM
        SEG (.dcm). With affine, units and codes of the grid: the first rater's, or that of ``grid``, of ``image``, or of the box that
        holds all raters and the mask where files are parts of one volume. Its sidecar has the same name with .json: method, options,
        grid, each rater's file and performance, prior, iterations, log-likelihood.
    labels : "all", sequence of int, or mapping of int to str, optional
        Fuse label maps, all labels at once, by STAPLE or the majority: those that occur ("all"), these, or these with names. ``output``
        is then a label map of the smallest type that holds the labels, with a table of their names (.tsv, as BIDS has it) beside it.
        nnU-Net's .npz with all their classes, or regions, give the label map of the mean, as nnU-Net's own ensembling does.
    label_names : path, optional
        Names and colours of labels: dataset.json (nnU-Net), .tsv (BIDS), FreeSurferColorLUT.txt, or .seg.nrrd; else raters' own.
    save_probability : mapping of label to path, optional
        Also write the probability of a label, by number or name; of a tuple, their sum. Of networks' regions, the name or all its labels.
    overlap : bool, default False
        Structures may overlap: the ``labels`` are read from every file, "all" by the segments' names (.seg.nrrd, DICOM SEG, RTSTRUCT), or in their
        place the segments of ``select_segment``, and each is fused by itself, as masks are. ``output`` is then an image of four axes, with the probability of each along the last, and ``save_label`` one of their masks; ``save_probability`` writes single ones.
    save_confidence : path, optional
        Also write the probability of the label that is most probable.
    prior : {"mean", "estimate"}, float or path
        p(truth 1) before any vote, as in :func:`staple`; a map is an image file, or "smooth:4", the mean vote smoothed by 4 mm
        (:func:`smoothed_vote`). Of label maps a probability or a file for each, ascending or by label, or one file of four axes.
    mask : path, optional
        Image of the region to fuse, 0 and 1. Without it the whole volume, whose background inflates specificity.
    present : sequence of m paths or None, optional
        Images of where each rater looked, 0 and 1; None for a rater who looked everywhere.
    select_segment : str or sequence of str, optional
        Name of the segment to fuse, or of several whose union is fused, of raters that name theirs (.seg.nrrd, DICOM SEG, RTSTRUCT); of "tumour|Tumor" the one that a file holds.
    channel_axis : {"first", "last"}, optional
        Which axis of an image of four axes holds a network's classes or regions, of which select_label chooses one. By
        default the one along which probabilities sum to 1, or a single short one.
    image, soften, dilation : path, bool, mapping
        For "border-staple" the image on which foreground is bright (FLAIR), as of :func:`border_staple`. Else grow the raters' masks on ``image`` (FLAIR) by :func:`conditional_dilation` before they are fused; or, for
        "dilated-staple", which needs ``image`` too, their consensus. ``dilation`` holds options of that
        function; the voxel's size comes from the header, and ``mask`` is the roi.
    save_label, cut : path, float or "dice"
        Also write the mask ``probability >= cut`` as uint8. "dice": at the cut of the highest expected Dice, as in
        :meth:`Fusion.label`; of structures that overlap each has its own, which the sidecar has.
    ties : {"foreground", "background"}, default "foreground"
        What a voxel of that mask becomes whose probability is the cut itself, as in :meth:`Fusion.label`.
    save_counts : path
        Also write how many raters mark each voxel (vote >= 0.5; masks that grow as drawn): uint8 or uint16, 0 outside the mask.
    report : path, optional
        Also write a page of HTML: tables and charts of what the sidecar holds, and slices to scroll through. ``image``, if it is
        given, lies below them, also where the method takes none. Needs Jinja2 (pip install '.[report]').
    names : sequence of m str, optional
        What to call the raters in messages, tables and the sidecar; their files without it.
    overwrite : bool, default False
        Replace existing outputs.
    progress : callable, optional
        Called with a few words before each step.
    grid : path, optional
        Image whose grid all get, and the outputs have. Voxels beyond it are cut off, which is said.
    resample : {"none", "nearest"}
        A file whose voxels lie between those of the grid is refused, or each voxel of the grid takes the file's nearest value.
    use : {"qform", "sform"}, optional
        Which affine of a NIfTI header counts where it has both; the sform without it.
    decisions : path, optional
        List of lesions, or of places of label maps, with decisions (.csv of ``fastfuse review`` for these votes): EM keeps their truth.
    {options}

    Returns
    -------
    Fusion, LabelFusion or dict
        A :class:`LabelFusion` of label maps, if ``labels`` are given; a :class:`Fusion` of each structure with ``overlap``.

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

    Examples
    --------
    >>> import fastfuse
    >>> fusion = fastfuse.fuse_files([f"rater{k}.nii.gz" for k in range(4)], "consensus.nii.gz", method="staple", roi=4)
    """
    check_order(paths, output)
    labels = labels_asked(labels, select_segment, overlap=overlap)
    by_preset = check_preset(preset, labels, overlap=overlap)
    any_prior: Any = prior  # its type depends on labels
    options = Options(
        prior=any_prior, m_step=m_step, expectation=expectation, likelihood=likelihood, init=init,
        roi=roi, missing=missing, mrf=mrf, performance_prior=performance_prior, intervals=intervals,
        replicates=replicates, seed=seed, tol=tol, max_iter=max_iter, acceleration=acceleration,
        threads=threads, max_memory=max_memory, device=device, select_label=select_label, binarize=binarize,
        threshold=threshold, scale=scale, evidence=evidence, classes=classes,
    )  # fmt: skip
    asked_labels = AskedLabels(labels, candidates, confusion, knows, weights, undecided, overlap=overlap)
    placing = Placing.checked(grid, resample, use)
    beside: dict[str, Any] = {"label_names": label_names, "save_probability": save_probability, "save_confidence": save_confidence}  # fmt: skip
    if check_flag(overlap, "overlap"):
        from .labels.overlap import fuse_overlapping_files, structures_job

        structures = structures_job(
            paths, output, mask, present, names, placing, overwrite=overwrite, cut=cut, ties=ties,
            channel_axis=channel_axis, save_label=save_label, image=image, soften=soften, dilation=dilation or None,
            save_counts=save_counts, report=report, decisions=decisions, label_names=label_names, save_confidence=save_confidence,
        )  # fmt: skip
        return fuse_overlapping_files(structures, method, options, asked_labels, save_probability, progress)
    if labels is not None:
        from .labels.fuse import check_given, fuse_label_files
        from .labels.job import label_job

        check_given(
            save_label=save_label, save_counts=save_counts, cut=cut, ties=ties, soften=soften,
            image=None if report is not None else image, dilation=dilation or None, select_segment=select_segment, channel_axis=channel_axis,
        )  # fmt: skip
        label_files = label_job(
            paths, output, mask, present, names, placing, overwrite=overwrite, prior=prior, image=image, report=report,
            decisions=decisions, **beside,
        )  # fmt: skip
        return fuse_label_files(label_files, method, asked_labels, options, progress)
    row = None if method is None else method_called(method)
    check_for_masks(asked_labels, row or method_called("soft-staple"), beside)
    job = vote_job(
        paths, output, mask, present, names, placing, overwrite=overwrite, prior=prior_file(prior),
        smoothing_mm=smoothing_of(prior), image=image, save_label=save_label, save_counts=save_counts, report=report, cut=cut, ties=ties, channel_axis=channel_axis,
        segments=with_segments(options.foreground, select_segment).segments, decisions=decisions,
    )  # fmt: skip
    return fuse_vote_files(job, row, options, soften, dilation, by_preset, progress or (lambda _: None))
