"""Evaluation of a segmentation's file against the truth's, with the measures as JSON and the lesions as a map."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ImageError, warn
from ..images.outputs import Outputs, check_outputs
from ..images.paths import PathLike, as_path, needed_path, shown
from ..images.placing import Form, Kind, Resample
from ..images.sidecar import sidecar_bytes
from ..images.wanted import ChannelAxis
from ..inputs.checks import Labels, Scale
from ..inputs.foreground import Foreground
from ..inputs.names import enumerated
from .detection import LEAST_MM3
from .evaluate import measure
from .facts import facts_of_pair
from .lesions import lesion_map
from .options import Match, Options
from .record import Record
from .result import Evaluation
from .space import Space

if TYPE_CHECKING:
    from ..images.grids.common import Common
    from ..images.image import Image

Say = Callable[[str], None]

MOST_NAMED = 20
BESIDE: dict[str, Kind] = {"mask": "mask", "image": "image"}  # roles that are no votes


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
    select_label: Labels = None,
    binarize: bool = False,
    threshold: float | None = None,
    scale: Scale = None,
    truth_select_label: Labels = None,
    truth_binarize: bool = False,
    truth_threshold: float | None = None,
    truth_scale: Scale = None,
    save_lesions: PathLike | None = None,
    select_segment: str | Sequence[str] | None = None,
    channel_axis: ChannelAxis | None = None,
    grid: PathLike | None = None,
    resample: Resample = "none",
    use: Form | None = None,
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
    select_label, binarize, threshold, scale, truth_select_label, truth_binarize, truth_threshold, truth_scale
        What counts as foreground, as in :func:`evaluate`. Of a network's .npz, the labels are its classes.
    select_segment : str or sequence of str, optional
        Of files that name their segments (.seg.nrrd, DICOM SEG, RTSTRUCT): these together are the foreground, of both files; of
        "tumour|Tumor" the one that a file holds. Any option of the truth alone replaces it there.
    channel_axis : {"first", "last"}, optional
        Axis of a network's channels in an image of four axes.
    output : path, optional
        Also write files, options, measures and a table of lesions as .json. Undefined and infinite measures are null;
        ``status`` there says of each which it is.
    overwrite : bool, default False
        Replace existing outputs.
    progress : callable, optional
        Called with a few words before each step.
    grid, resample, use
        As in :func:`fastfuse.fuse_files`. Files that are cropped or turned against each other are padded and turned by
        whole voxels.
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

    Examples
    --------
    >>> import fastfuse
    >>> scores = fastfuse.evaluate_files("network.nii.gz", "truth.nii.gz", mask="brain.nii.gz")
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
    inputs = inputs_of(prediction, truth, mask)
    outputs = {"output": as_path(output, "output"), "save_lesions": as_path(save_lesions, "save_lesions")}
    record = evaluate_pair(inputs, options, outputs, overwrite=overwrite, say=progress)
    warn(record.remarks)
    return record.evaluation


def inputs_of(
    prediction: PathLike, truth: PathLike, mask: PathLike | None, *, plural: str = ""
) -> dict[str, Path]:
    """Return the paths of files, or of folders, by role; ``plural`` ends what the arguments are called."""
    files = {
        "prediction": needed_path(prediction, f"prediction{plural}"),
        "truth": needed_path(truth, f"truth{plural}"),
    }
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
    inputs = [*files.values(), *([] if options.placing.grid is None else [options.placing.grid])]
    for what, path in wanted.items():
        check_outputs([path], inputs, suffixes[what], overwrite=overwrite)
    record = compare(files, options, say or (lambda _: None))
    for role in ("prediction", "truth"):
        said = without_lesions([(shown(files[role]), record.evaluation)], role, options)
        record.remarks.extend(one for one in said if one not in record.remarks)  # one file in both roles
    if wanted:
        _write(record, wanted, overwrite=overwrite)
    return record


def compare(files: Mapping[str, Path], options: Options, say: Say) -> Record:
    """Read files by role and compare them."""
    from ..images.image import region_of, votes_of, without_effect
    from ..images.structures import check_one_chosen, compare_names

    remarks: list[str] = []
    images, common = images_of(files, options, say, remarks)
    remarks += without_effect([*images.values()], options.channel_axis, options.placing.use)
    if files["prediction"].samefile(files["truth"]):
        names = " and ".join(shown(files[what]) for what in ("prediction", "truth"))
        remarks.append(f"{names} are one file: it is compared with itself")
    check_one_chosen(images["prediction"], options.prediction)
    check_one_chosen(images["truth"], options.truth)
    names_of = {what: shown(path) for what, path in files.items()}
    check_same_labels(images, options, names_of)
    if options.prediction == options.truth:
        remarks += compare_names([images["prediction"], images["truth"]], options.truth)
    say("comparing")
    space = Space.of_affine(images["truth"].affine)
    arrays = {
        what: (region_of if what == "mask" else votes_of)(image, remarks)
        for what, image in images.items()
        if what != "image"
    }
    read = replace(
        options,
        prediction=after_reading(options.prediction, images["prediction"]),
        truth=after_reading(options.truth, images["truth"]),
    )
    measured = measure(arrays, space, read, names_of, remarks)
    return Record(
        files=files,
        measured=measured,
        space=space,
        image=common.of_output(images["truth"]).like,
        options=options,
        grid=common.facts(),
        remarks=remarks,
        below=images["image"].data if "image" in images else None,
    )


def images_of(
    files: Mapping[str, Path], options: Options, say: Say, remarks: list[str]
) -> tuple[dict[str, Image], Common]:
    """Read the files, each as its own options want, onto one grid; all that has no other role is a truth."""
    from ..images.grids.common import on_one_grid
    from ..images.grids.lattice import with_lattice
    from ..images.reading import reading
    from ..images.wanted import Wanted

    asked = Wanted(
        channel_axis=options.channel_axis, use=options.placing.use, offers_use=True, expects_masks=True
    )
    of_truth = replace(asked, foreground=options.truth)
    wanted = {
        "prediction": replace(asked, foreground=options.prediction),
        **dict.fromkeys(("mask", "image"), Wanted(use=asked.use, offers_use=True).beside()),
    }
    paths = list(files.values())
    kinds: list[Kind] = [BESIDE.get(what, "votes") for what in files]
    each = with_lattice(paths, kinds, [wanted.get(what, of_truth) for what in files], options.placing)
    with reading(paths, 0, each) as found:
        images, common = on_one_grid(paths, kinds, found, say, remarks, options.placing)
    return dict(zip(files, images, strict=True)), common


def check_same_labels(images: Mapping[str, Image], options: Options, names: Mapping[str, str]) -> None:
    """Refuse a network's region beside labels that are not all of it, unless the truth has labels of its own."""
    from ..images.structures import in_words, is_mask, two_structures

    asked, roles = options.prediction.labels, ("prediction", "truth")
    pair = [images[role] for role in roles]
    found = None if options.truth_apart else two_structures(asked, pair)
    if found is None:
        return
    region, other = found
    held = pair[region].held
    known = ",".join(map(str, held.inside)) if held is not None else ""
    its_labels = "1" if is_mask(pair[other]) else known or "1,2,3"
    own = [its_labels, its_labels]
    own[region] = ",".join(map(str, asked))
    assumed = "" if known or is_mask(pair[other]) else " where that is labels 1, 2 and 3"
    raise ImageError(
        f"{in_words(asked, pair, [names[role] for role in roles], found)}: say what either calls the structure, as in "
        f"select_label=[{own[0]}], truth_select_label=[{own[1]}] (--select-label {own[0]} --truth-select-label {own[1]}){assumed}"
    )


def after_reading(foreground: Foreground, image: Image) -> Foreground:
    """Return what is left to select: the reader takes the channels of probabilities, and named segments."""
    return foreground.of_channel if image.is_channel else foreground


def without_lesions(named: Iterable[tuple[str, Evaluation]], role: str, options: Options) -> list[str]:
    """Return a remark on the masks of a role whose components are all too small to be lesions."""
    fields = f"{role}_lesions", f"{role}_left_out"
    counts = [(name, *(getattr(result, field) for field in fields)) for name, result in named]
    found = [f"{name} ({small})" for name, lesions, small in counts if small and not lesions]
    if not found:
        return []
    why = f"no lesion above {options.least_mm3:g} mm³, and smaller components (how many) left out of lesion measures"
    return [f"{why}: {listed(found)}; least_mm3=0 (--least-mm3 0) counts all"]


def listed(names: Sequence[str]) -> str:
    """Return names as text, the first twenty if there are more."""
    return enumerated([shown(name) for name in names], MOST_NAMED)


def _write(record: Record, wanted: Mapping[str, Path], *, overwrite: bool) -> None:
    """Write the map of lesions and the JSON, together."""
    from ..images.written.nifti import nifti_bytes

    with Outputs(overwrite=overwrite) as outputs:
        if "save_lesions" in wanted:
            path = wanted["save_lesions"]
            labels = lesion_map(record.measured.lesions)
            outputs.add(
                path, nifti_bytes(path, labels, record.image, "1 found, 2 missed, 3 false lesion", "labels")
            )
        if "output" in wanted:
            outputs.add(wanted["output"], sidecar_bytes(facts_of_pair(record)))
        outputs.commit()
