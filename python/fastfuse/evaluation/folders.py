"""Evaluation of a folder of predictions against a folder of truths."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..errors import FastfuseError, reason_of_case, warn
from ..images.outputs import Outputs, check_outputs
from ..images.paths import PathLike, as_path, shown
from ..images.placing import Form, Resample
from ..images.sidecar import sidecar_bytes
from ..images.wanted import ChannelAxis
from ..inputs.checks import Labels, Scale
from ..inputs.names import grouped
from .components import needed_scipy
from .detection import LEAST_MM3
from .facts import csv_of_cases, facts_of_folders
from .files import compare, inputs_of, listed, without_lesions
from .matching import Pairs, pairs_in
from .options import Match, Options
from .result import Evaluation
from .summary import FolderEvaluation, pooled_of, summaries_of

Say = Callable[[str], None]


def evaluate_folders(
    predictions: PathLike,
    truths: PathLike,
    *,
    mask: PathLike | None = None,
    output: PathLike | None = None,
    overwrite: bool = False,
    progress: Say | None = None,
    cut: float = 0.5,
    least_voxels: int = 0,
    least_mm3: float = LEAST_MM3,
    connectivity: int | None = None,
    match: Match = "msseg",
    tolerance_mm: float | None = None,
    select_label: Labels = None,
    binarize: bool = False,
    threshold: float | None = None,
    scale: Scale = None,
    truth_select_label: Labels = None,
    truth_binarize: bool = False,
    truth_threshold: float | None = None,
    truth_scale: Scale = None,
    select_segment: str | Sequence[str] | None = None,
    channel_axis: ChannelAxis | None = None,
    grid: PathLike | None = None,
    resample: Resample = "none",
    use: Form | None = None,
) -> FolderEvaluation:
    """Measure every prediction of a folder against the truth of the same name in another.

    Images are matched by their path below the folder; of the rest, by the name without its ending (case.nii.gz and
    case.nrrd); of the rest, by the case's name: without last words such as _seg, _mask, _pred, _gt or _dseg, and
    without the entities of BIDS that tell what a file holds (desc, label, space ...); last, without nnU-Net's _0000.
    A name that fits several files is refused, except a consensus beside further outputs that its sidecar names, as the mask that
    ``save_label`` wrote: the consensus counts. One case is in memory at a time.

    Parameters
    ----------
    predictions, truths : path of a folder
        Hidden files and what is no image are left out, and so are probabilities (.npz) beside a segmentation of the
        same name.
    mask : path, optional
        Image of the region to evaluate in all cases, or a folder with one for each case.
    output : path, optional
        .csv: a row for each case, with nan for undefined and inf for infinite measures (cases that failed come last,
        without measures, and with the reason in a column ``failed``), and beside it a .json of the
        same name with the summary. .json: all in one file.
    overwrite : bool, default False
        Replace existing outputs.
    progress : callable, optional
        Called with a few words before each step.
    cut, least_voxels, least_mm3, connectivity, match, tolerance_mm
        As in :func:`evaluate`.
    select_label, binarize, threshold, scale, truth_select_label, truth_binarize, truth_threshold, truth_scale
        As in :func:`evaluate`.
    select_segment, channel_axis, grid, resample, use
        As in :func:`evaluate_files`.

    Returns
    -------
    FolderEvaluation

    Raises
    ------
    FastfuseError
        If no names match, a name fits several files, or no case can be compared. Nothing is written then.
    OutputError
        Naming the file.
    ValueError, TypeError
        If an option is out of range.

    Warns
    -----
    FusionWarning
        For cases that cannot be compared, as where a file is damaged or an image is no mask (the others are, and
        ``failed`` says why), for predictions and truths that match nothing, and for what :func:`evaluate_files` warns of.

    Examples
    --------
    >>> import fastfuse
    >>> found = fastfuse.evaluate_folders("predictions", "truths")
    """
    options = Options.checked(
        cut=cut,
        least_voxels=least_voxels,
        least_mm3=least_mm3,
        connectivity=connectivity,
        match=match,
        tolerance_mm=tolerance_mm,
        select_label=select_label,
        binarize=binarize,
        threshold=threshold,
        scale=scale,
        truth_select_label=truth_select_label,
        truth_binarize=truth_binarize,
        truth_threshold=truth_threshold,
        truth_scale=truth_scale,
        select_segment=select_segment,
        channel_axis=channel_axis,
        grid=grid,
        resample=resample,
        use=use,
    )
    folders = inputs_of(predictions, truths, mask, plural="s")
    result, remarks, _ = evaluate_both(
        folders, options, as_path(output, "output"), overwrite=overwrite, say=progress or (lambda _: None)
    )
    warn([*(f"{name} failed: {reason}" for name, reason in result.failed.items()), *remarks])
    return result


def evaluate_both(
    folders: Mapping[str, Path], options: Options, output: Path | None, *, overwrite: bool, say: Say
) -> tuple[FolderEvaluation, list[str], list[Path]]:
    """Compare all cases and write the outputs that are asked for; return remarks and the written files too."""
    for what, other in (("prediction", "truth"), ("truth", "prediction")):
        if folders[what].is_file():
            is_one = f"is one file, and {shown(folders[other])} is a folder"
            raise FastfuseError(f"{shown(folders[what])} {is_one}; give two files or two folders")
        if not folders[what].is_dir():
            raise FastfuseError(f"{shown(folders[what])}: no such folder; give two files or two folders")
    written = outputs_of(output, list(folders.values()), overwrite=overwrite)
    result, remarks = evaluate_all(folders, options, say)
    if written:
        with Outputs(overwrite=overwrite) as outputs:
            for path in written:
                if path.name.lower().endswith(".csv"):
                    outputs.add(path, csv_of_cases(result))
                else:
                    outputs.add(path, sidecar_bytes(facts_of_folders(folders, options, result, remarks)))
            outputs.commit()
    return result, remarks, written


def evaluate_all(
    folders: Mapping[str, Path], options: Options, say: Say
) -> tuple[FolderEvaluation, list[str]]:
    """Compare all cases, one after the other, those left out that fail; return remarks too."""
    needed_scipy()  # without which all would fail
    pairs = pairs_in(folders["prediction"], folders["truth"])
    masks = _masks(folders, pairs)
    doubts: list[str] = []
    cases: dict[str, Evaluation] = {}
    cropped: list[str] = []
    failed: dict[str, str] = {}
    for name, (prediction, truth) in pairs.files.items():
        files = inputs_of(prediction, truth, masks.get(name))
        try:
            record = compare(files, options, say)
        except Exception as error:  # one case, whatever it is
            if len(pairs.files) == 1:
                raise
            failed[name] = reason_of_case(error)
            say(f"{name} failed: {failed[name]}")
            continue
        cases[name] = record.evaluation
        cropped += [name] if record.grid.get("extent") == "files" else []
        doubts += record.remarks
    if not cases:
        name, reason = next(iter(failed.items()))
        raise FastfuseError(f"all {len(failed)} cases failed; {shown(name)}: {reason}")
    remarks = [*pairs.doubts, *_missing(pairs, folders), *grouped(doubts)]
    for role in ("prediction", "truth"):
        remarks += without_lesions(
            [(f"the {role} of {name}", one) for name, one in cases.items()], role, options
        )
    results = list(cases.values())
    found = FolderEvaluation(
        cases=cases,
        summary=summaries_of(results),
        pooled=pooled_of(results),
        missing_predictions=pairs.without_prediction,
        missing_truths=pairs.without_truth,
        matched_by=pairs.ways,
        cropped=cropped,
        failed=failed,
    )
    return found, remarks


def outputs_of(path: Path | None, inputs: list[Path], *, overwrite: bool) -> list[Path]:
    """Return the files to write, checked: a .csv has a .json beside it."""
    if path is None:
        return []
    written = [path]
    if path.name.lower().endswith(".csv"):
        written.append(path.with_suffix(".json"))
    check_outputs(written, inputs, (".csv", ".json"), overwrite=overwrite)
    return written


def _masks(folders: Mapping[str, Path], pairs: Pairs) -> dict[str, Path]:
    """Return each case's region to evaluate, if there are any."""
    mask = folders.get("mask")
    if mask is None:
        return {}
    if not mask.is_dir():
        return dict.fromkeys(pairs.files, mask)
    found = pairs_in(folders["prediction"], mask)
    regions = {name: region for name, (_, region) in found.files.items()}
    lacking = [name for name in pairs.files if name not in regions]
    if lacking:
        raise FastfuseError(
            f"{shown(mask)}: no mask for {listed(lacking)}: add it, named as the prediction, or leave mask (--mask) out"
        )
    return regions


def _missing(pairs: Pairs, folders: Mapping[str, Path]) -> list[str]:
    """Return remarks on files that match nothing."""
    found = [
        ("no prediction", pairs.without_prediction, folders["truth"]),
        ("no truth", pairs.without_truth, folders["prediction"]),
    ]
    return [
        f"{shown(folder)}: {what} for {len(names)}, left out: {listed(names)}"
        for what, names, folder in found
        if names
    ]
