"""Evaluation of a segmentation's file against the truth's, with the measures as JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..errors import warn
from ..images.outputs import Outputs, check_outputs
from ..images.paths import PathLike, as_path, recorded, shown
from ..images.placing import Form, Kind, Placing, Resample
from ..images.sidecar import sidecar_bytes
from ..inputs.checks import check_count, check_cut
from .evaluate import NAMES, Evaluation, measure

KINDS: Mapping[str, Kind] = {"prediction": "votes", "truth": "votes", "mask": "mask"}


def evaluate_files(
    prediction: PathLike,
    truth: PathLike,
    *,
    mask: PathLike | None = None,
    cut: float = 0.5,
    least_voxels: int = 0,
    output: PathLike | None = None,
    overwrite: bool = False,
    progress: Callable[[str], None] | None = None,
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
    cut, least_voxels
        As in :func:`evaluate`. The voxel size comes from the header.
    output : path, optional
        Also write files, options and measures as .json, with null for undefined and infinite measures.
    overwrite : bool, default False
        Replace an existing output.
    progress : callable, optional
        Called with a few words before each step.
    grid, resample, use
        As in :func:`fastfuse.fuse_files`. Files that are cropped or turned against each other are padded and turned by
        whole voxels.

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
        For grids that differ by up to a tenth of a voxel, and if both files are one.
    """
    say = progress or (lambda _: None)
    cut, least_voxels = check_cut(cut), check_count(least_voxels, "least_voxels", least=0)
    files = {"prediction": as_path(prediction, "prediction"), "truth": as_path(truth, "truth")}
    if mask is not None:
        files["mask"] = as_path(mask, "mask")
    placing = Placing.checked(grid, resample, use)
    result_path = as_path(output, "output")
    if result_path is not None:
        check_outputs([result_path], list(files.values()), (".json",), overwrite=overwrite)
    remarks: list[str] = []
    given, spacing = _read(files, placing, say, remarks)
    say("comparing")
    result = measure(given, spacing, cut, least_voxels, {what: shown(path) for what, path in files.items()})
    if result_path is not None:
        options = {"cut": cut, "least_voxels": least_voxels, "spacing_mm": spacing}
        with Outputs(overwrite=overwrite) as outputs:
            outputs.add(result_path, sidecar_bytes(_facts(files, options, result, remarks)))
            outputs.commit()
    warn(remarks)
    return result


def _read(
    files: Mapping[str, Path], placing: Placing, say: Callable[[str], None], remarks: list[str]
) -> tuple[dict[str, NDArray[Any]], tuple[float, float, float]]:
    """Return the images' values by role, and the voxel size; doubts about the files are added to ``remarks``."""
    from ..images.common import on_one_grid
    from ..images.image import votes_of
    from ..images.reading import reading

    paths, kinds = list(files.values()), [KINDS[what] for what in files]
    with reading(paths, 0) as found:
        placed, _ = on_one_grid(paths, kinds, found, say, remarks, placing)
    images = dict(zip(files, placed, strict=True))
    if paths[0].samefile(paths[1]):
        remarks.append(f"{shown(paths[0])} and {shown(paths[1])} are one file: it is compared with itself")
    return {what: votes_of(image) for what, image in images.items()}, images["truth"].grid.spacing_mm


def _facts(
    files: Mapping[str, Path], options: dict[str, Any], result: Evaluation, remarks: list[str]
) -> dict[str, Any]:
    """Return the content of the JSON."""
    from importlib.metadata import version

    measures = {
        name: value if math.isfinite(value) else None  # which JSON cannot hold
        for name, value in asdict(result).items()
    }
    return {
        "fastfuse": version("fastfuse"),
        "method": "evaluation",
        **{what: recorded(files[what]) if what in files else None for what in NAMES},
        "options": options,
        **measures,
        "warnings": remarks,
    }
