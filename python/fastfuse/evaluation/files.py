"""Evaluation of a segmentation's file against the truth's, with the measures as JSON and the lesions as a map."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ..errors import warn
from ..images.outputs import Outputs, check_outputs
from ..images.paths import PathLike, as_path, shown
from ..images.sidecar import sidecar_bytes
from .detection import LEAST_MM3
from .evaluate import measure
from .facts import facts_of_pair
from .lesions import lesion_map, lesion_table
from .options import Match, Options
from .record import Record
from .result import Evaluation
from .space import Space

Say = Callable[[str], None]


def evaluate_files(
    prediction: PathLike,
    truth: PathLike,
    *,
    mask: PathLike | None = None,
    cut: float = 0.5,
    least_voxels: int = 0,
    output: PathLike | None = None,
    overwrite: bool = False,
    progress: Say | None = None,
    least_mm3: float = LEAST_MM3,
    connectivity: int | None = None,
    match: Match = "msseg",
    tolerance_mm: float | None = None,
    save_lesions: PathLike | None = None,
) -> Evaluation:
    """Measure overlap, surface distances and lesion-wise detection of a prediction's file.

    Parameters
    ----------
    prediction, truth : path
        Masks or probabilities on one grid, in any format that :func:`fastfuse.fuse_files` reads.
    mask : path, optional
        Image of the region to evaluate, 0 and 1.
    cut, least_voxels, least_mm3, connectivity, match, tolerance_mm
        As in :func:`evaluate`. The voxel size comes from the header: volumes are those of the affine's determinant,
        and distances take the whole affine, so that a sheared one (a tilted gantry) is measured as it lies.
    output : path, optional
        Also write files, options, measures and a table of lesions as .json. Undefined and infinite measures are null;
        ``status`` there says of each which it is.
    overwrite : bool, default False
        Replace existing outputs.
    progress : callable, optional
        Called with a few words before each step.
    save_lesions : path, optional
        Also write a map of lesions as .nii or .nii.gz: 1 found, 2 missed, 3 false. Where a false lesion overlaps a true
        one, the true one's label stands.

    Returns
    -------
    Evaluation

    Raises
    ------
    ImageError, GridError, OutputError
        Naming the file.
    ValueError, TypeError, FastfuseError
        As :func:`evaluate`.

    Warns
    -----
    FusionWarning
        For grids that differ by up to a tenth of a voxel, if both files are one, and if a mask has components, but all
        are too small to be lesions.
    """
    options = Options.checked(
        cut=cut,
        least_voxels=least_voxels,
        least_mm3=least_mm3,
        connectivity=connectivity,
        match=match,
        tolerance_mm=tolerance_mm,
    )
    inputs = inputs_of(prediction, truth, mask)
    outputs = {"output": as_path(output, "output"), "save_lesions": as_path(save_lesions, "save_lesions")}
    record = evaluate_pair(inputs, options, outputs, overwrite=overwrite, say=progress)
    warn(record.remarks)
    return record.evaluation


def inputs_of(prediction: PathLike, truth: PathLike, mask: PathLike | None) -> dict[str, Path]:
    """Return the paths of files, or of folders, by role."""
    files = {"prediction": as_path(prediction, "prediction"), "truth": as_path(truth, "truth")}
    return files if mask is None else {**files, "mask": as_path(mask, "mask")}


def evaluate_pair(
    files: Mapping[str, Path],
    options: Options,
    outputs: Mapping[str, Path | None],
    *,
    overwrite: bool,
    say: Say | None,
) -> Record:
    """Compare two files and write the outputs that are asked for: "output" and "save_lesions"."""
    suffixes = {"output": (".json",), "save_lesions": (".nii", ".nii.gz")}
    wanted = {what: path for what, path in outputs.items() if path is not None}
    for what, path in wanted.items():
        check_outputs([path], list(files.values()), suffixes[what], overwrite=overwrite)
    record = compare(files, options, say or (lambda _: None))
    if wanted:
        _write(record, wanted, overwrite=overwrite)
    return record


def compare(files: Mapping[str, Path], options: Options, say: Say) -> Record:
    """Read files by role and compare them."""
    from ..images.image import votes_of
    from ..images.reading import on_one_grid, reading

    remarks: list[str] = []
    paths = list(files.values())
    with reading(paths, 0) as found:
        images = dict(zip(files, on_one_grid(paths, found, say, remarks), strict=True))
    if paths[0].samefile(paths[1]):
        remarks.append(f"{shown(paths[0])} and {shown(paths[1])} are one file: it is compared with itself")
    say("comparing")
    space = Space.of_affine(images["truth"].affine)
    names = {what: shown(path) for what, path in files.items()}
    measured = measure({what: votes_of(image) for what, image in images.items()}, space, options, names)
    remarks += _without_lesions(measured.evaluation, options, names)
    return Record(
        files=files,
        measured=measured,
        lesions=lesion_table(measured.lesions, space.voxel_mm3),
        space=space,
        image=images["truth"],
        options=options,
        remarks=remarks,
    )


def _without_lesions(result: Evaluation, options: Options, names: Mapping[str, str]) -> list[str]:
    """Return remarks on masks whose components are all too small to be lesions."""
    counts = {
        "prediction": (result.prediction_lesions, result.prediction_left_out),
        "truth": (result.truth_lesions, result.truth_left_out),
    }
    return [
        f"{names[what]} has no lesion: {'its only component is' if small == 1 else f'all its {small} components are'} "
        f"of {options.least_mm3:g} mm³ or less, which is left out of the lesion measures; least_mm3=0 counts all"
        for what, (lesions, small) in counts.items()
        if small and not lesions
    ]


def _write(record: Record, wanted: Mapping[str, Path], *, overwrite: bool) -> None:
    """Write the map of lesions and the JSON, together."""
    from ..images.nifti import nifti_bytes

    with Outputs(overwrite=overwrite) as outputs:
        if "save_lesions" in wanted:
            path = wanted["save_lesions"]
            labels = lesion_map(record.measured.lesions)
            outputs.add(path, nifti_bytes(path, labels, record.image, "1 found, 2 missed, 3 false lesion"))
        if "output" in wanted:
            outputs.add(wanted["output"], sidecar_bytes(facts_of_pair(record)))
        outputs.commit()
